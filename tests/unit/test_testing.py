"""Every rule of the contract is broken by somebody, who is caught and told which."""

import os
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, ClassVar

import numpy as np
import pytest

from skymist.model import sky
from skymist.model.event import Event, Particle
from skymist.model.reconstruction import Directions, Fit
from skymist.model.request import Level
from skymist.reco.bowl import Bowl
from skymist.testing import check_coverage, check_reconstruction
from skymist.workflow.simulate import simulate_event


@cache
def _event() -> Event:
    return simulate_event(2, 0, energy_gev=1e5, zenith=1.0, azimuth=2.0, vertex=np.zeros(3))


@pytest.fixture
def event() -> Event:
    """A copy: some of the broken ones write into it."""
    return deepcopy(_event())


def _with(fit: Fit, name: str, value: float) -> Fit:
    """The fit with a column whose first row is another."""
    column = getattr(fit, name).copy()
    column[:1] = value
    return replace(fit, **{name: column})


def _plus(fit: Fit, more: Any) -> Fit:
    return replace(fit, nllh=fit.nllh + more)


def _complain(condition: Any, fit: Fit) -> Fit:
    if condition:
        raise ZeroDivisionError("no light")
    return fit


def _write(array: Any, fit: Fit) -> Fit:
    array *= 2
    return fit


SCRATCH = np.zeros(6)


def _share(fit: Fit) -> Fit:
    """Keep the result where the other thread keeps its own."""
    part = SCRATCH[: len(fit)]
    part[:] = fit.nllh
    time.sleep(0.002)
    return replace(fit, nllh=part.copy())


CALLS = iter(range(10**9))
Fault = Callable[[Event, Directions, Fit | None, Fit], Any]
FAULTS: dict[str, tuple[str, Fault]] = {
    "no fit": ("a usual call: it returns a Fit, not ndarray", lambda e, d, s, f: f.nllh),
    "too few rows": ("a usual call: one row a direction, not 5 for 6", lambda e, d, s, f: f[1:]),
    "odd status": ("every status exists", lambda e, d, s, f: _with(f, "status", 7)),
    "NaN but not failed": ("nllh is NaN where the fit failed, and only", lambda e, d, s, f: _with(f, "nllh", np.nan)),
    "failed but not NaN": ("nllh is NaN where the fit failed, and only", lambda e, d, s, f: _with(f, "status", 2)),
    "infinite nllh": ("nllh is finite or NaN", lambda e, d, s, f: _with(f, "nllh", np.inf)),
    "no energy": ("energies are NaN or positive", lambda e, d, s, f: _with(f, "energy_gev", 0)),
    "infinite energy": ("energies are NaN or positive", lambda e, d, s, f: _with(f, "energy_gev", np.inf)),
    "lost time": ("times are finite", lambda e, d, s, f: _with(f, "time_ns", np.nan)),
    "lost vertex": ("vertices are finite", lambda e, d, s, f: _with(f, "vertex", np.nan)),
    "writes pulses": ("starts are not changed", lambda e, d, s, f: _write(e.pulses.charge_pe, f)),
    "writes directions": ("starts are not changed", lambda e, d, s, f: _write(d.origin, f)),
    "writes starts": (
        "starts from coarser fits: event, directions and starts are not changed",
        lambda e, d, s, f: f if s is None else _write(s.nllh, f),
    ),
    "counts calls": ("the same call gives the same fits", lambda e, d, s, f: _plus(f, next(CALLS))),
    "counts rows": ("the order of directions does not matter", lambda e, d, s, f: _plus(f, np.arange(len(f)))),
    "knows the batch": ("a batch equals its directions one by one", lambda e, d, s, f: _plus(f, len(f))),
    "unwraps": ("right ascension is an angle", lambda e, d, s, f: _plus(f, d.ra)),
    "cold only": ("starts from coarser fits: what", lambda e, d, s, f: _complain(s is not None, f)),
    "good starts only": (
        "failed starts: what",
        lambda e, d, s, f: _complain(s is not None and np.isnan(s.nllh).any(), f),
    ),
    "shares memory": ("two threads at once give the same fits", lambda e, d, s, f: _share(f)),
    "some directions": ("no directions: what", lambda e, d, s, f: _complain(s is None and not len(d), f)),
    "some starts": ("no directions, with starts: what", lambda e, d, s, f: _complain(s is not None and not len(d), f)),
    "tilted only": ("vertical directions: what", lambda e, d, s, f: _complain((abs(d.origin[:, 2]) == 1).any(), f)),
    "some light": ("an event without pulses: what", lambda e, d, s, f: _complain(not len(e.pulses), f)),
    "much light": ("an event with one pulse: what", lambda e, d, s, f: _complain(len(e.pulses) == 1, f)),
    "no noise": (
        "an event of noise alone: what",
        lambda e, d, s, f: _complain(len(e.pulses) > 1 and not e.pulses.hlc.any(), f),
    ),
    "no exclusions": (
        "an event with one module excluded: what",
        lambda e, d, s, f: _complain("test" in e.exclusions, f),
    ),
    "few exclusions": (
        "an event with all light excluded: what",
        lambda e, d, s, f: _complain(len(e.exclusions.get("test", ())) > 1, f),
    ),
    "hashes": ("a new process gives the same fits", lambda e, d, s, f: _plus(f, hash("text") % 1000)),
    "at home only": (
        "a new process can run it",
        lambda e, d, s, f: _complain(os.environ.get("PYTHONHASHSEED") == "1", f),
    ),
}


@dataclass(frozen=True)
class Faulty(Bowl):
    """A bowl that breaks one rule."""

    fault: str = ""

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Any:
        fit = super().__call__(event, directions, start)
        return FAULTS[self.fault][1](event, directions, start, fit) if self.fault else fit


def test_without_a_fault_it_passes(event: Event) -> None:
    check_reconstruction(Faulty(), event, fresh_process=True)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_rule_is_told(fault: str, event: Event) -> None:
    message, _ = FAULTS[fault]
    with pytest.raises(AssertionError, match=message):
        check_reconstruction(Faulty(fault=fault), event, fresh_process="process" in message)


def test_what_a_process_shows_is_not_looked_for_unless_asked(event: Event) -> None:
    check_reconstruction(Faulty(fault="hashes"), event)


@dataclass
class Thawed:
    name: ClassVar[str] = "thawed"
    version: ClassVar[str] = "1"

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        return Bowl()(event, directions, start)


class NoDataclass:
    name, version, __call__ = "none", "1", Thawed.__call__


@dataclass(frozen=True)
class Nameless:
    version: ClassVar[str] = "1"
    __call__ = Thawed.__call__


@dataclass(frozen=True)
class Numbered(Bowl):
    version: ClassVar[Any] = 2


@dataclass(frozen=True)
class Unnamed(Bowl):
    name: ClassVar[str] = ""


@dataclass(frozen=True)
class Renamed:
    version: ClassVar[str] = "1"
    name: str = "whatever"
    __call__ = Thawed.__call__


@dataclass(frozen=True)
class Demanding:
    depth: int
    name: ClassVar[str] = "demanding"
    version: ClassVar[str] = "1"
    __call__ = Thawed.__call__


@dataclass(frozen=True)
class Paired(Bowl):
    place: tuple[float, ...] = (1.0, 2.0)


@dataclass(frozen=True)
class Imaginary(Bowl):
    number: complex = 1j


@dataclass(frozen=True)
class Undefined(Bowl):
    limit: float = field(default=float("nan"))


@dataclass(frozen=True)
class Forgetful(Bowl):
    def __reduce__(self) -> Any:
        return Forgetful, ()


@dataclass(frozen=True)
class UpsideDown(Bowl):
    levels: ClassVar = (Level(8, 0), Level(4, 12))


@dataclass(frozen=True)
class Unleveled(Bowl):
    levels: ClassVar[Any] = "8:0"


@pytest.mark.parametrize(
    ("reco", "message"),
    [
        (Thawed(), "the dataclass is frozen"),
        (NoDataclass(), "instance of a dataclass"),
        (Bowl, "instance of a dataclass"),
        (Nameless(), "has a name and a version and can be called"),
        (Numbered(), "the version is text of the class"),
        (Unnamed(), "the name is not empty"),
        (Renamed(), "the name is a ClassVar and no option"),
        (Demanding(3), "each option has a default"),
        (Paired(), "options survive JSON: .*(1.0, 2.0)"),
        (Imaginary(), "options survive JSON: .*complex"),
        (Undefined(), "options survive JSON: .*not JSON compliant"),
        (Forgetful(width_deg=3.0), "a pickled copy is equal"),
        (UpsideDown(), "its own levels make sense: .*coarse to fine"),
        (Unleveled(), "its own levels make sense"),
    ],
)
def test_a_wrong_kind_is_told(reco: Any, message: str, event: Event) -> None:
    with pytest.raises(AssertionError, match=message):
        check_reconstruction(reco, event)


@dataclass(frozen=True)
class Oracle(Bowl):
    """Knows the truth up to errors of one degree, drawn anew for each event, and claims `width_deg`."""

    off_deg: float = 0.0

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        assert event.truth is not None
        rng = np.random.default_rng(event.event)
        ra, dec = sky.to_sky(event.detector, event.time, event.truth.zenith, event.truth.azimuth)
        east, north = np.radians(rng.normal([self.off_deg, 0.0]))
        ra, dec = sky.from_plane(east, north, float(ra), float(dec))
        bowl = Bowl(float(np.degrees(ra)), float(np.degrees(dec)), self.width_deg, 0.0, self.fail_declination_deg)
        return bowl(event, directions, start)


def known_events(n: int) -> list[Event]:
    rng = np.random.default_rng(2)
    dark = replace(_event(), pulses=_event().pulses[:0])
    places = zip(np.arccos(rng.uniform(-1, 1, n)), rng.uniform(0, 2 * np.pi, n), strict=True)
    truths = [Particle(float(zenith), float(azimuth), 0, 0, 0, 0) for zenith, azimuth in places]
    return [replace(dark, event=index, truth=truth) for index, truth in enumerate(truths)]


LEVELS = (Level(4, 0), Level(32, 6), Level(128, 16))
check_quickly = partial(check_coverage, events=known_events(60), median_deg=1.5, levels=LEVELS)


def test_who_covers_what_it_claims_passes() -> None:
    check_quickly(Oracle())


@pytest.mark.parametrize(
    ("reco", "message"),
    [
        (Oracle(off_deg=2.0), "the median error is .* degrees, above 1.5"),
        (Oracle(width_deg=0.5), r"of 60 regions of 50% hold the truth"),
        (Oracle(width_deg=2.0), r"of 60 regions of 50% hold the truth"),
        (Oracle(fail_declination_deg=-90), "the median error is inf degrees"),
    ],
)
def test_a_false_promise_is_told(reco: Oracle, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_quickly(reco)


def test_other_containments_and_calibrations() -> None:
    check_quickly(Oracle(), containments=(0.3, 0.7))
    with pytest.raises(AssertionError, match="regions of 90% hold"):
        check_quickly(Oracle(), containments=(0.9,), calibration="icecube-2016")


def test_events_without_truth_are_none_of_its_business() -> None:
    real = replace(_event(), truth=None)
    with pytest.raises(AssertionError, match="is no simulated event"):
        check_coverage(Bowl(), [real], 1.0, levels=LEVELS)
