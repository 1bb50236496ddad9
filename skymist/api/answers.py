"""What clients are answered."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from skymist.model.alert import Role, Tense
from skymist.model.circular import State
from skymist.model.identity import Thing
from skymist.records.standing import Need
from skymist.records.tables import InputStatus, ScanState
from skymist.records.tokens import Access

Record = TypeVar("Record")
Item = TypeVar("Item", bound=BaseModel)
Json = dict[str, Any]


class Answer(BaseModel):
    """Made of a record by its attributes."""

    model_config = ConfigDict(from_attributes=True)


class Page(BaseModel, Generic[Item]):
    """Part of a list."""

    items: list[Item] = Field(description="In their order")
    next: str | None = Field(default=None, description="Path of the next part; null at the end")


class ScanAnswer(Answer):
    """A scan; with ``fields=`` only what was asked for."""

    id: str = Field(description="SHA-256 of the request: the same request is the same scan")
    event_id: str | None = Field(None, description="Digest of the event")
    alert: str | None = Field(None, description="Name that the alert of the event has now")
    role: Role | None = Field(None, description="observation, prediction or test")
    state: ScanState | None = Field(None, description="What it is doing")
    wanted: str | None = Field(None, description="cancelled, while a running scan is being cancelled")
    request: Json | None = Field(None, description="All that decides about the map")
    wish: Json | None = Field(None, description="The words in which it was asked for")
    chosen: Json | None = Field(None, description="How the reconstruction was chosen, if it was not named")
    rule: str | None = Field(None, description="Rule that asked for it; empty if a person did")
    who: str | None = Field(None, description="Who asked for it first")
    after_id: str | None = Field(None, description="Scan that has to end before")
    instead_id: str | None = Field(None, description="Scan that this one is the fallback of")
    replaced_by: str | None = Field(None, description="Scan that took its place")
    cluster: str | None = Field(None, description="Where it runs")
    workers: int | None = Field(None, description="Workers asked for; null for the configuration's number")
    priority: int | None = Field(None, description="Greater goes first")
    attempt: int | None = Field(None, description="How often it was begun")
    progress: Json | None = Field(None, description="Cells by level, rates and what remains")
    summary: Json | None = Field(None, description="Best fit, regions and energies, once it is complete")
    error: str | None = Field(None, description="Why it failed, in words")
    created: datetime | None = Field(None, description="When it was asked for")
    started: datetime | None = Field(None, description="When a runner took it")
    finished: datetime | None = Field(None, description="When it ended")


class ProgressAnswer(Answer):
    """How far a scan is."""

    id: str = Field(description="Of the scan")
    state: ScanState = Field(description="What it is doing")
    wanted: str = Field(description="cancelled, while a running scan is being cancelled")
    attempt: int = Field(description="How often it was begun")
    beat: datetime | None = Field(description="When its runner was last heard of")
    progress: Json | None = Field(description="Cells by level, rates and what remains")
    error: str = Field(description="Why it failed, in words")


class RecordAnswer(Answer):
    """What a record of the archive is called, and how it stands to the world."""

    identifier: str = Field(description="ivo://AUTHORITY/skymist#FRAGMENT")
    uuid: str = Field(description="UUID of version 5 of the identifier")
    fragment: str = Field(description="By which it is asked for here")
    thing: Thing = Field(description="alert, revision, scan or map")
    doi: str = Field(description="Empty while there is none")
    public: bool = Field(description="Whether everybody may see it now")
    released: datetime | None = Field(description="When it became public, or will; of what is public by itself")
    shown_from: datetime | None = Field(description="From when on everybody may see it, its alert considered, too")
    withdrawn: datetime | None = Field(description="When it was made private again")
    reason: str = Field(description="Why, in words")
    created: datetime = Field(description="When it was made")


class EntryAnswer(Answer):
    """A row of the public catalog; degrees, ICRS."""

    identifier: str = Field(description="ivo://AUTHORITY/skymist#RUN_EVENT")
    name: str = Field(description="IceCube-YYMMDDX")
    run: int = Field(description="Of the experiment")
    event: int = Field(description="Of the experiment")
    time: str = Field(description="Of the event, UTC")
    stream: str = Field(description="gold, bronze, cascade or empty")
    retracted: bool = Field(description="Whether the last word is a retraction")
    revision: int | None = Field(description="Number of the last revision")
    ra: float | None = Field(description="Right ascension")
    dec: float | None = Field(description="Declination")
    radius_90: float | None = Field(description="Radius with 90 %")
    energy_tev: float | None = Field(description="Most probable neutrino energy")
    signalness: float | None = Field(description="Probability of being astrophysical")
    far_per_year: float | None = Field(description="Rate of false alarms")
    map_url: str = Field(description="Page of its sky map")
    url: str = Field(description="Its page")
    doi: str = Field(description="Empty while there is none")


class LastScanAnswer(Answer):
    """A scan of an alert, in a few words."""

    id: str = Field(description="Of the scan")
    state: ScanState = Field(description="What it is doing")
    reconstruction: str = Field(description="What is fitted")
    share: float | None = Field(description="Of its cells that are done, 0 to 1; null while nobody knows")
    ra: float | None = Field(description="Of the best fit, degrees, ICRS; null before it is complete")
    dec: float | None = Field(description="Of the best fit, degrees, ICRS; null before it is complete")


class LastCircularAnswer(Answer):
    """A circular of an alert, in a few words."""

    id: int = Field(description="Its number here")
    state: State = Field(description="draft, approved, sending, sent or withdrawn")


class AlertItem(Answer):
    """An alert in a list."""

    name: str = Field(description="IceCube-YYMMDDX")
    role: Role = Field(description="observation, prediction or test")
    run: int = Field(description="Of the experiment")
    event: int = Field(description="Of the experiment")
    time: str = Field(description="Of the event, UTC")
    stream: str = Field(description="gold, bronze, cascade or empty")
    retracted: bool = Field(description="Whether the last word is a retraction")
    ra: float | None = Field(description="As last told, degrees, ICRS")
    dec: float | None = Field(description="As last told, degrees, ICRS")
    radius_90: float | None = Field(description="Of a circle with 90 %, degrees")
    energy_tev: float | None = Field(description="As last told")
    signalness: float | None = Field(description="As last told")
    far_per_year: float | None = Field(description="As last told")
    public: datetime | None = Field(description="From when on everybody may see it; null: never")
    created: datetime = Field(description="When it was first heard of")
    tense: Tense = Field(description="Of the last revision: current, archival, planned, injection, commanded or test")
    revision_count: int = Field(description="Number of revisions")
    scan: LastScanAnswer | None = Field(description="The scan that was asked for last; null if there is none")
    map: LastScanAnswer | None = Field(description="The last complete one; null if there is none")
    circular: LastCircularAnswer | None = Field(description="The last that was not withdrawn; null if there is none")
    needs: list[Need] = Field(description="What waits for a person")


class RevisionAnswer(Answer):
    """One revision of an alert."""

    id: str = Field(description="SHA-256 of its content")
    number: int | None = Field(description="The experiment's count from 0; null if it has none")
    input_id: str | None = Field(description="Message that it was read from; null if a person made it")
    received: datetime = Field(description="When it came")
    content: Json = Field(description="What it says; degrees, ICRS")


class AlertAnswer(AlertItem):
    """All that is known of an alert."""

    record: str = Field(description="What the archive calls it for ever, see /v1/records")
    aliases: list[str] = Field(description="Its other names")
    current: Json = Field(description="The last revision; degrees, ICRS")
    revisions: list[RevisionAnswer] = Field(description="All of them, in their order")
    doubts: list[str] = Field(description="What in them cannot be right, in words")
    events: list[str] = Field(description="Ids of what the detector recorded")
    scans: list[str] = Field(description="Ids of its scans, the latest first")


class LogAnswer(Answer):
    """Who did what when."""

    id: int = Field(description="Counts up")
    time: datetime = Field(description="UTC")
    who: str = Field(description="Owner of a token, or a part of skymist")
    action: str = Field(description="A verb")
    subject: str = Field(description="Kind of record")
    subject_id: str = Field(description="Which")
    input_id: str | None = Field(description="Message it was done for")
    details: Json = Field(description="More, by the action")


class EventAnswer(Answer):
    """What the detector recorded."""

    id: str = Field(description="Digest of what can change a reconstruction")
    file: str = Field(description="Name of the file it came in")
    role: Role = Field(description="observation, prediction or test")
    run: int = Field(description="Of the experiment")
    event: int = Field(description="Of the experiment")
    time: str = Field(description="UTC")
    kind: str = Field(description="Stream that selected it")
    input_id: str = Field(description="SHA-256 of the file")
    received: datetime = Field(description="When it came")


class ReceivedAnswer(BaseModel):
    """What became of a message."""

    input_id: str = Field(description="SHA-256 of its bytes")
    event_id: str | None = Field(description="Digest of the event that it holds")
    alerts: list[str] = Field(description="Names of the alerts it says something about")
    roles: list[Role] = Field(description="observation, prediction or test: the worlds of these, in the same order")


class ClusterAnswer(BaseModel):
    """Where scans can run."""

    name: str = Field(description="Its name")


class InputAnswer(Answer):
    """A message that could not be read."""

    id: str = Field(description="SHA-256 of its bytes")
    source: str = Field(description="Topic, folder or person")
    position: str = Field(description="Offset or file there")
    kind: str = Field(description="notice or event")
    received: datetime = Field(description="When it first came")
    times: int = Field(description="How often it came")
    status: InputStatus = Field(description="accepted or quarantined")
    reason: str = Field(description="Why it cannot be read, in words")
    size: int = Field(description="Bytes")


class StreamAnswer(Answer):
    """A source of messages."""

    name: str = Field(description="Which")
    state: str = Field(description="What it is doing")
    trouble: str = Field(description="Why it does not, in words")
    lag: int | None = Field(description="Messages that are not read yet")
    heard: datetime | None = Field(description="The last message or heartbeat")
    changed: datetime = Field(description="When this was written")


class OptionAnswer(BaseModel):
    """An option of a reconstruction."""

    name: str = Field(description="Its name")
    type: str = Field(description="Its type in Python")
    default: Any = Field(description="Its value if nothing is said")
    about: str = Field(description="What it is, in words")
    unit: str = Field(description="Empty if it has none")
    above: float | None = Field(description="It is greater than this; null for no such bound")
    minimum: float | None = Field(description="Least value; null for no such bound")
    maximum: float | None = Field(description="Greatest value; null for no such bound")
    choices: list[Any] = Field(description="Its only values; empty if there are others")
    rule: str = Field(description="Which values it takes, such as 0 < starts <= 100; empty if any")


class ReconstructionAnswer(BaseModel):
    """A reconstruction."""

    name: str = Field(description="Its name")
    version: str = Field(description="Changes whenever its results do")
    about: str = Field(description="What it is, in one line")
    levels: str = Field(description="Of a scan for which nobody chose any; empty if that depends on the event")
    options: list[OptionAnswer] = Field(description="What can be set")


class CatalogAnswer(BaseModel):
    """A catalog of sources."""

    name: str = Field(description="By which it is asked for")
    title: str = Field(description="As circulars call it")
    version: str = Field(description="Of the catalog")
    reference: str = Field(description="Where it is published")
    fetched: datetime | None = Field(description="When it came from its service; null if it is a file")


class MatchesAnswer(BaseModel):
    """Sources in the region of a scan."""

    calibration: str = Field(description="Of the regions")
    matches: list[Json] = Field(
        description="By catalog: inside (sources in the 90 % region, the nearest to the best fit first), nearest (of "
        "those outside), chance, areas; degrees, ICRS"
    )
    trials: Json = Field(description="How many catalogs, and p_best: that the best of all sources is as good by chance")


class PublicationItem(Answer):
    """A circular or notice in a list."""

    id: int = Field(description="Its number here")
    kind: str = Field(description="circular or notice")
    template: str = Field(description="What it was drafted as")
    alert: str = Field(description="Name of the alert")
    role: Role = Field(description="World in which it is told: observation, prediction or test")
    state: State = Field(description="draft, approved, sending, sent or withdrawn")
    head: int = Field(description="Number of the revision that counts")
    approved: int | None = Field(description="Number of the revision that was approved")
    approver: str = Field(description="Who approved it")
    channel: str = Field(description="By which it is sent")
    sender: str = Field(description="Who confirmed what goes out")
    error: str = Field(description="Why it has not gone out, in words")
    number: str = Field(description="What it is called where it went")
    sent: datetime | None = Field(description="When it went out")
    created: datetime = Field(description="When it was drafted")
    changed: datetime = Field(description="When something of it last changed")
    locked_by: str = Field(description="Who is editing; empty if nobody is")
    locked_until: datetime | None = Field(description="Until when nobody else can")
    edited_by: str = Field(description="Who wrote what counts, and cannot approve it; empty if nobody but skymist did")


class TextItem(Answer):
    """A revision of a publication."""

    number: int = Field(description="Counts up from 1")
    base: int | None = Field(description="The revision that it was made of")
    aside: bool = Field(description="Kept, but somebody else's came before")
    who: str = Field(description="Who wrote it")
    note: str = Field(description="What they said of it")
    subject: str = Field(description="In one line")
    created: datetime = Field(description="When")


class CommentAnswer(Answer):
    """What somebody said of a publication."""

    id: int = Field(description="Counts up")
    number: int = Field(description="The revision that was the last then")
    who: str = Field(description="Who said it")
    text: str = Field(description="What")
    created: datetime = Field(description="When")


class PublicationAnswer(PublicationItem):
    """A circular or notice with its text."""

    revision: int = Field(description="Number of the revision that is shown")
    subject: str = Field(description="In one line")
    body: str = Field(description="Plain text")
    facts: list[Json] = Field(description="What it was drafted from: name, value, of, source, source_id, detail")
    spans: list[Json] = Field(description="Where in the body facts stand: start, end, fact")
    texts: list[TextItem] = Field(description="All revisions, in their order")
    comments: list[CommentAnswer] = Field(description="All comments, in their order")


class EditedAnswer(PublicationItem):
    """What became of an edit."""

    aside: Json | None = Field(
        description="null if it counts; else the revision under which it is kept, the reason, both texts merged, and "
        "the number of conflicts in that"
    )


class RedraftedAnswer(EditedAnswer):
    """What became of a text when the facts had changed."""

    changes: list[Json] = Field(description="Of the facts: name, of, old, new")
    conflicts: int = Field(description="Places that both an editor and the facts have changed, marked in the text")


class FindingAnswer(Answer):
    """Something that is wrong in a text, or may be."""

    level: str = Field(description="error (it cannot be approved) or warning")
    rule: str = Field(description="What it breaks")
    why: str = Field(description="In words")
    where: str = Field(description="Place, for people")
    says: str = Field(description="What stands there")
    expected: str = Field(description="What the records have")
    source: str = Field(description="Which of them")
    start: int | None = Field(description="Of the letters meant, counted from the beginning of the body")
    end: int | None = Field(description="Behind the last of them")


class ScratchAnswer(Answer):
    """What somebody has typed and not saved, for them alone."""

    publication: int = Field(description="Which is being edited")
    who: str = Field(description="Whose it is")
    base: int = Field(description="The revision that is being edited")
    subject: str = Field(description="In one line")
    body: str = Field(description="Plain text")
    changed: datetime = Field(description="When it was kept; whoever overwrites it says it")
    spans: list[Json] = Field(description="Where in the body facts stand: start, end, fact")
    findings: list[FindingAnswer] = Field(description="All that is wrong with it, or may be, by what is known now")


class DiffAnswer(BaseModel):
    """Two revisions side by side."""

    diff: str = Field(description="In the unified format")


class PreviewAnswer(BaseModel):
    """What would go out."""

    id: int = Field(description="Of the publication")
    kind: str = Field(description="circular or notice")
    state: State = Field(description="Only what is approved can be sent")
    revision: int = Field(description="Its last revision")
    content: str = Field(description="The bytes that go out")
    sha256: str = Field(description="Of these bytes; whoever has them sent says it")
    channel: str = Field(description="By which it would go: gcn or kafka")
    destination: str = Field(description="Address to which it would go; empty if this site sends nothing of its kind")
    stand_in: bool = Field(description="Whether that is another service than GCN's own")
    real: bool = Field(description="Whether only what is about the real sky goes out from here; otherwise only tests")
    hindrance: str = Field(description="Why it could not go out from here even if approved, in words; may be empty")
    web_link: str | None = Field(description="To GCN's form with all filled in; null for a notice")
    email: str | None = Field(description="To GCN, as it would be sent; null for a notice")
    voevent: str | None = Field(description="Of a notice: the same as a VOEvent 2.0, for brokers that take those")


class TokenAnswer(Answer):
    """A token, without what lets one in."""

    id: str = Field(description="By which it is revoked")
    owner: str = Field(description="Name that the log shows")
    role: Access = Field(description="What it may do")
    created: datetime = Field(description="When it was made")
    expires: datetime = Field(description="From when on it is of no use")
    revoked: datetime | None = Field(description="When it was ended")


class NewTokenAnswer(TokenAnswer):
    """A new token."""

    token: str = Field(description="What to send; nobody can tell it again")


class MeAnswer(Answer):
    """Who asks."""

    name: str = Field(description="Name that the log shows")
    role: Access = Field(description="What it may do")
    expires: datetime = Field(description="From when on the token is of no use")


class HealthAnswer(BaseModel):
    """That the service works."""

    status: str = Field(description="ok")
    version: str = Field(description="Of skymist")
    database: str | None = Field(description="Version of the tables")


def page(
    request: Request,
    found: Sequence[Record],
    limit: int,
    key: Callable[[Record], str | int],
    item: Callable[[Record], Item],
) -> Page[Item]:
    """Return a part of a list.

    Parameters
    ----------
    request : Request
    found : sequence
        Records, one more than `limit` if there are more.
    limit : int
    key, item : callable
        Of a record, what ``after=`` takes, and the answer.
    """
    shown = found[:limit]
    if len(found) <= limit:
        return Page(items=[item(each) for each in shown], next=None)
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    following = f"{request.url.path}?{urlencode([*query, ('after', key(shown[-1]))])}"
    return Page(items=[item(each) for each in shown], next=following)


def whole(items: Iterable[Item]) -> Page[Item]:
    """Return a list that is short enough to have one part."""
    return Page(items=list(items), next=None)
