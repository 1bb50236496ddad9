"""What a rule or a person wants to be scanned, before there is an event to say what exactly that means."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from typing import Any, Self

from skymist import plugins
from skymist.errors import RequestError, UnknownNameError
from skymist.model.event import Event
from skymist.model.reconstruction import Reconstruction
from skymist.model.request import Cone, ScanRequest, parse_levels
from skymist.workflow import choice
from skymist.workflow.scan import make_request


@dataclass(frozen=True)
class Wish:
    """The words in which a scan is asked for; the same as those of ``skymist scan``.

    Attributes
    ----------
    reco : str
        A reconstruction, or ``auto``.
    options : mapping
        Of the reconstruction.
    levels : str or None
        ``NSIDE:CELLS,...``, the reconstruction's own if None.
    cone : str or None
        ``RA,DEC,RADIUS`` or ``SEED,RADIUS`` in degrees.
    seeds, seed : int
        Fits from which a cell starts; of all random numbers.
    level_options : mapping
        By nside, options at that level only.

    Raises
    ------
    RequestError
        If something of it makes no sense whatever the event is.
    """

    reco: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)
    levels: str | None = None
    cone: str | None = None
    seeds: int = 1
    seed: int = 0
    level_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        choice.load(self.reco, self.options, self.seed)
        if self.levels is not None:
            parse_levels(self.levels)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the wish that a rule or a client wrote down; unknown words are refused with the known ones."""
        known = [item.name for item in fields(cls)]
        for key in values:
            if key not in known:
                raise UnknownNameError("setting of a scan", str(key), known)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return asdict(self)

    def changed(self, **changes: Any) -> Self:
        """Return it with some words changed; options are laid over those that there are, of the same reconstruction."""
        if changes.get("reco", self.reco) != self.reco:
            changes = {"options": {}, "level_options": {}, **changes}
        elif "options" in changes:
            changes["options"] = {**self.options, **changes["options"]}
        self.from_dict(changes)  # refuses unknown words
        return replace(self, **changes)

    def apply(self, event: Event) -> tuple[Reconstruction, ScanRequest, dict[str, Any] | None]:
        """Return what it means for an event: the reconstruction, the request, and how the former was chosen.

        Raises
        ------
        RequestError
            If it does not fit the event.
        """
        reconstruction, chosen = choice.choose(choice.load(self.reco, self.options, self.seed), event)
        circle = None if self.cone is None else Cone.parse(self.cone, event)
        levels = None if self.levels is None else parse_levels(self.levels)
        at_level = {_nside(key): value for key, value in self.level_options.items()}
        request = make_request(
            event, reconstruction, levels, circle, self.seed, seeds=self.seeds, level_options=at_level
        )
        return reconstruction, request, None if chosen is None else chosen.to_dict()


def _nside(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise RequestError(f"options for the level {text!r}, which is no nside such as 64") from None


def configured(request: ScanRequest) -> Reconstruction:
    """Return the reconstruction of a request that was kept, with the options it was asked for.

    Raises
    ------
    RequestError
        If this version of skymist has another version of it.
    """
    build = partial(plugins.configure, plugins.load(plugins.RECONSTRUCTIONS, request.reconstruction))
    reconstruction: Reconstruction = build(request.options)
    if reconstruction.version != request.version:
        wanted = f"{request.reconstruction} {request.version}"
        raise RequestError(f"the scan is for {wanted}, but this is version {reconstruction.version}: ask for it anew")
    return reconstruction
