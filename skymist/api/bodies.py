"""What clients send."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from skymist.api.words import PRINTABLE, Moment, Name, Options, Text
from skymist.model.alert import Role, Tense
from skymist.model.request import MOST_SEEDS
from skymist.records.tokens import DAYS, MOST_DAYS, Access
from skymist.workflow.wish import Wish

MOST_WORKERS, MOST_PRIORITY = 100_000, 1_000_000

Levels = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,5}:[0-9]{1,9}(,[0-9]{1,5}:[0-9]{1,9}){0,9}$")]
Nside = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,5}$")]
Workers = Annotated[int, Field(ge=1, le=MOST_WORKERS)]


class Body(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class WishBody(Body):
    """How to scan; the words are those of ``skymist scan``."""

    reco: Name = Field("auto", description="A reconstruction, or auto: what fits the event")
    options: Options = Field(default_factory=dict, description="Of the reconstruction")
    levels: Levels | None = Field(None, description="NSIDE:CELLS,... such as 8:0,64:12,512:24; null for its own")
    cone: Text | None = Field(None, description="RA,DEC,RADIUS or SEED,RADIUS in degrees; null for the whole sky")
    seeds: int = Field(1, ge=1, le=MOST_SEEDS, description="Fits from which a cell starts")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Of all random numbers")
    level_options: dict[Nside, Options] = Field(
        default_factory=dict, max_length=10, description="By nside, options at that level only"
    )

    def given(self) -> dict[str, Any]:
        """Return only what was sent."""
        return {key: value for key, value in self.model_dump(exclude_unset=True).items() if key in WISHES}

    def wish(self) -> Wish:
        """Return the wish in these words."""
        return Wish.from_dict(self.given())


WISHES = frozenset(WishBody.model_fields)


class ScanBody(WishBody):
    """Which event to scan, how and where."""

    event: Name = Field(description="Id of an event, RUN/EVENT or the name of an alert")
    cluster: Name = Field("local", description="Name of a cluster; see /v1/clusters")
    workers: Workers | None = Field(None, description="null for as many as the cluster's configuration says")
    priority: int = Field(0, ge=-MOST_PRIORITY, le=MOST_PRIORITY, description="Greater goes first")


class RemixBody(Body):
    """What shall be different in another scan of the same event."""

    changes: WishBody = Field(description="What is changed; options are laid over those of the same reconstruction")
    replace: bool = Field(False, description="Whether the new scan takes the place of the other one")


class WorkersBody(Body):
    """How many workers a scan shall have."""

    workers: Workers | None = Field(description="null for as many as the cluster's configuration says")


Reason = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]


class RetractBody(Body):
    """Why an alert is taken back."""

    reason: Reason = Field(description="In words, for all who read the alert")
    role: Role = Field(Role.OBSERVATION, strict=False, description="Of the alert")


class ReleaseBody(Body):
    """From when on a record is public."""

    at: Moment | None = Field(None, strict=False, description="A time; now if it is not given")


Words = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
Revision = Annotated[int, Field(ge=1, le=1_000_000)]


class DraftBody(Body):
    """What to draft."""

    alert: Name = Field(description="Any name of an alert, or RUN_EVENT")
    kind: Name = Field("circular", description="circular or notice")
    role: Role = Field(Role.OBSERVATION, strict=False, description="Of the alert")
    template: Name = Field("auto", description="What to say; auto for what fits the alert")
    scan: Name | None = Field(None, description="Id of the scan that gives the position; the last one by default")
    tense: Tense = Field(Tense.TEST, strict=False, description="Of a notice")
    detector_state: Words = Field("", description="A sentence on the state of the detector")
    remark: Words = Field("", description="A sentence on anything unusual")
    reason: Words = Field("", description="Why an alert is taken back")


class TextBody(Body):
    """A new revision of a text."""

    base: Revision = Field(description="The revision that was edited")
    subject: Text = Field(description="In one line")
    body: Annotated[str, StringConstraints(min_length=1, max_length=100_000, pattern=r"^[^\x00]*$")] = Field(
        description="Plain text"
    )
    note: Text = Field("", description="What was changed, and why")


class ScratchBody(Body):
    """A text that is being typed; it may be one that could not be saved yet."""

    base: Revision = Field(description="The revision that is being edited")
    subject: Annotated[str, StringConstraints(max_length=2000, pattern=PRINTABLE)] = Field(description="In one line")
    body: Annotated[str, StringConstraints(max_length=100_000, pattern=r"^[^\x00]*$")] = Field(description="Plain text")
    seen: Moment | None = Field(
        None, strict=False, description="`changed` of what this overwrites; null if there should be nothing"
    )


class RedraftBody(Body):
    """From what to draft again."""

    scan: Name | None = Field(
        None, description="Id of the scan that gives the position; as before, or the last one, by default"
    )


class UnlockBody(Body):
    """Whose lock to take away."""

    by_force: bool = Field(False, description="Also that of somebody else")


class CommentBody(Body):
    """What somebody has to say."""

    text: Reason = Field(description="In words, for all who see the publication")


class ApproveBody(Body):
    """What is approved."""

    revision: Revision = Field(description="The revision that was read")


class WithdrawBody(Body):
    """Why it is withdrawn."""

    reason: Words = Field("", description="In words")


class SendBody(Body):
    """What is to go out."""

    confirm: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12,64}$")] = Field(
        description="SHA-256 of the bytes as /preview shows them, or its first digits (at least 12)"
    )


class SentBody(Body):
    """How a person has sent it."""

    number: Name = Field(description="What it is called there, such as the number of the circular")


class TokenBody(Body):
    """Whom a token is for."""

    owner: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.@-][A-Za-z0-9_.@ -]{0,98}[A-Za-z0-9_.@-]$")] = Field(
        description="Name that the log shows"
    )
    role: Access = Field(strict=False, description="What it may do")
    days: int = Field(DAYS, ge=1, le=MOST_DAYS, description="After which it expires")
