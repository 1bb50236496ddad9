"""``auto``: run what fits the event, and say why."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from skymist import plugins
from skymist.errors import UnknownNameError
from skymist.model.event import Event
from skymist.model.reconstruction import Reconstruction
from skymist.reco.topology import BOUND, FLOOR, ONE_SHOWER, SHOWER_M, Evidence, weigh
from skymist.reco.track_losses import TrackLosses
from skymist.workflow.plain import plain
from skymist.workflow.scan import load_reconstruction

AUTO = "auto"

CHOICES = "cascade", "track-losses", "track-mpe"
"""What ``auto`` may choose."""

MOST = 0.7
"""Share of the light that a cascade has in one place; a faint muon may be explained by one shower, too."""
PASSES = 10.0
"""In ln L: with more `Evidence.lead` it comes from outside."""
HIGH_ENERGY_GEV = 50_000.0
"""From here on IceCube fits losses."""


@dataclass(frozen=True)
class Choice:
    """Which reconstruction fits an event.

    Attributes
    ----------
    reconstruction : str
        Its name.
    topology : str
        One of `skymist.model.event.TOPOLOGIES`: the more probable one where `why` says that it is not clear.
    why : str
        One sentence.
    scores : mapping of str to float
        The numbers behind it; see `skymist.reco.topology.Evidence`.
    rule : str
        One of `RULES`: the one that decided.
    """

    reconstruction: str
    topology: str
    why: str
    scores: Mapping[str, float]
    rule: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return dict(plain(asdict(self)))


@dataclass(frozen=True)
class Auto:
    """Stands for the reconstruction that fits, until there is an event; see `load` and `choose`.

    Attributes
    ----------
    rule : str
        One of `RULES`.
    options : mapping
        Of the reconstruction that will be chosen.
    seed : int
    """

    rule: str = "likelihood"
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    name: ClassVar[str] = AUTO
    version: ClassVar[str] = "1"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise UnknownNameError("rule of auto", str(self.rule), RULES)

    @property
    def compiled(self) -> bool:
        """Whether what it needs to choose was compiled on this machine before."""
        return bool(getattr(TrackLosses(), "compiled", True))


def load(name: str, options: Mapping[str, Any], seed: int = 0) -> Reconstruction | Auto:
    """Return a registered reconstruction with its options set, or ``auto``.

    Parameters
    ----------
    name : str
    options : mapping
        Values or text. ``rule`` is an option of ``auto``; all others are for what it chooses.
    seed : int

    Raises
    ------
    UnknownNameError
        If no reconstruction, option or rule has that name.
    RequestError
        If an option has a wrong value.
    """
    if name == AUTO:
        others = {key: value for key, value in options.items() if key != "rule"}
        return Auto(options.get("rule", Auto.rule), others, seed)
    known = plugins.names(plugins.RECONSTRUCTIONS)
    if name not in known:
        raise UnknownNameError("reconstruction", name, (*known, AUTO))
    return load_reconstruction(name, options, seed)


def names(reconstruction: Reconstruction | Auto) -> tuple[str, ...]:
    """Return the names of what may run."""
    return CHOICES if isinstance(reconstruction, Auto) else (reconstruction.name,)


def choose(reconstruction: Reconstruction | Auto, event: Event) -> tuple[Reconstruction, Choice | None]:
    """Return what to run on an event: the given reconstruction itself, or what ``auto`` chooses and why.

    Raises
    ------
    UnknownNameError
        If the reconstruction chosen has no such option.
    RequestError
        If one of its options has a wrong value.
    """
    if not isinstance(reconstruction, Auto):
        return reconstruction, None
    choice = RULES[reconstruction.rule](event, reconstruction.seed)
    return load_reconstruction(choice.reconstruction, reconstruction.options, reconstruction.seed), choice


def by_likelihood(event: Event, seed: int = 0) -> Choice:
    """Choose by how well a shower, a starting and a passing muon explain the light; see `skymist.reco.topology`."""
    evidence = weigh(event, seed)
    if evidence is None:
        return Choice("track-losses", "through-going", "too little light to tell what it is", {}, "likelihood")
    return _judged(evidence)


def _judged(found: Evidence) -> Choice:
    scores = asdict(found)
    share = f"{100 * found.share:.0f} % of the light comes from {SHOWER_M:.0f} m of the track"
    elsewhere = f"light from elsewhere explains it better by only {found.spread:.1f} in ln L"
    if found.spread <= ONE_SHOWER and found.share < MOST:
        why = f"it is not clear what it is: {share}, though {elsewhere}"
        return Choice("track-losses", "through-going", why, scores, "likelihood")
    if found.spread <= ONE_SHOWER:
        why = f"{share}, and {elsewhere}: a cascade"
        return Choice("cascade", "cascade", why, scores, "likelihood")
    if found.starts:
        way = f"no light on {found.dark_m:.0f} m of the track"
        muon = f"where a muon of {FLOOR:g} GeV/m would have given {found.missing_pe:.0f} PE"
        starts = "it starts inside" if found.dark > BOUND else "it rather starts inside"
        why = f"{way}, {muon} and is worse by {found.dark:.1f} in ln L: {starts}"
        return Choice("track-losses", "starting", why, scores, "likelihood")
    start = f"a start where it is brightest is worse by {found.lead:.1f} in ln L"
    if found.lead <= PASSES:
        passing = f"a muon on the {found.dark_m:.0f} m before its first light by {found.dark:.1f}"
        why = f"it is not clear whether it comes from outside: {start}, {passing}"
        return Choice("track-losses", "through-going", why, scores, "likelihood")
    why = f"light from where it could first be seen on, and {start}: it comes from outside"
    return Choice("track-mpe", "through-going", why, scores, "likelihood")


def by_icecube(event: Event, seed: int = 0) -> Choice:
    """Choose as IceCube does: by the stream that selected the event and, for tracks, by energy.

    The energy is the truncated mean of the alert block. Without a stream, or a track's energy, the likelihood decides.
    """
    stream, energy = event.kind.lower(), _truncated_gev(event)
    known = {} if energy is None else {"energy_gev": energy}
    if "cascade" in stream:
        return Choice("cascade", "cascade", f"the stream {stream} selects cascades", known, "icecube")
    if stream in STARTING:
        return Choice("track-losses", "starting", f"the stream {stream} selects starting events", known, "icecube")
    if stream not in TRACKS or energy is None:
        missing = "no energy" if stream in TRACKS else "no known stream"
        choice = by_likelihood(event, seed)
        why = f"the event has {missing} for IceCube's rule, so by likelihood: {choice.why}"
        return Choice(choice.reconstruction, choice.topology, why, choice.scores, choice.rule)
    high = energy >= HIGH_ENERGY_GEV
    side = "at least" if high else "below"
    why = f"the stream {stream} selects tracks, and {energy / 1000:.1f} TeV are {side} {HIGH_ENERGY_GEV / 1000:.0f} TeV"
    return Choice("track-losses" if high else "track-mpe", "through-going", why, known, "icecube")


STARTING, TRACKS = ("hese", "estres"), ("neutrino", "gfu", "ehe")
"""Streams of IceCube; the alert block calls gfu "neutrino"."""

RULES: dict[str, Callable[[Event, int], Choice]] = {"likelihood": by_likelihood, "icecube": by_icecube}
"""How ``auto`` chooses."""


def _truncated_gev(event: Event) -> float | None:
    """Return the truncated-mean energy of the alert block, whose form is not ours to trust."""
    found: Any = event.alert
    for key in ("reco", "energy", "truncated"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) and found > 0 else None
