"""What a reconstruction must do, as checks that its author can call in a test."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields, replace

import numpy as np
import xarray as xr

from skymist import plugins
from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.event import Event, TimeWindows
from skymist.model.reconstruction import Directions, Fit, Reconstruction, Status
from skymist.model.region import Calibration, best_fit, region
from skymist.model.request import Level, ScanRequest, default_levels

Call = tuple[Directions, Fit | None, Fit]
"""Directions, what their fits started from, and the fits."""


def check_reconstruction(reco: Reconstruction, event: Event, cells: int = 6, *, fresh_process: bool = False) -> None:
    """Check the contract of `Reconstruction` on one event.

    - It is an instance of a frozen dataclass. `name` and `version` are text of the class and no fields.
    - Its fields are its options: each has a default, and they survive JSON and pickling.
    - Levels of its own, if it has any, go from coarse to fine.
    - It returns a `Fit` of one row a direction, with statuses that exist; the nllh is finite, and NaN where the
      fit failed and only there; energies are NaN or positive; times and vertices are finite where a fit is.
    - It leaves event, directions and starts as they are.
    - The same call gives the same fits: again, from a pickled copy, in two threads at once and, if asked for,
      in a new process.
    - Each direction is fitted by itself: neither their order nor the others in the call matter.
    - Right ascension is an angle: a turn of 360 degrees changes nothing.
    - Starts from coarser fits work, from failed ones too.
    - What cannot be fitted is a status and no exception: no directions, vertical ones, an event without pulses,
      with a single one or with noise alone, modules with exclusions.

    `check_coverage` is about whether the fits are any good.

    Parameters
    ----------
    reco : Reconstruction
    event : Event
        With light that it can fit.
    cells : int
        Number of directions tried, spread over the sky.
    fresh_process : bool
        Whether to compare with a new Python process, too, whose text has other hashes; takes as long as its imports.

    Raises
    ------
    AssertionError
        With the broken rule.
    """
    _check_kind(reco)
    _check_options(reco)
    uniq = sky.uniq_of(8, np.linspace(0, 767, cells).astype(int))
    directions = sky.directions(event.detector, event.time, uniq)
    finer = sky.directions(event.detector, event.time, sky.children(uniq, 16)[:, 0])
    cold = directions, None, _fit(reco, event, directions)
    _check_independence(reco, event, cold)
    _check_wrap(reco, event, cold)
    warm = finer, cold[2], _fit(reco, event, finer, cold[2], "starts from coarser fits")
    _check_independence(reco, event, warm)
    _check_failed_starts(reco, event, warm)
    _check_threads(reco, event, [cold, warm])
    _check_odd_directions(reco, event)
    for case, poor in _poor_events(event).items():
        _fit(reco, poor, directions, None, case)
    if fresh_process:
        _check_fresh_process(reco, event, cold)


def check_coverage(
    reco: Reconstruction,
    events: Sequence[Event],
    median_deg: float,
    *,
    levels: tuple[Level, ...] | None = None,
    calibration: str | Calibration = "wilks",
    containments: Sequence[float] = (0.5, 0.9),
    doubt: float = 0.01,
) -> None:
    """Check that simulated events are found, and that their regions hold the truth as often as they say.

    Parameters
    ----------
    reco : Reconstruction
    events : sequence of Event
        With truth. Some fifty tell 90 % from 75 %.
    median_deg : float
        What the median error must not exceed, degrees; an event that cannot be fitted counts as infinitely far.
    levels : tuple of Level, optional
        Of the scans; the reconstruction's own if not given. The finest cells must be small against the regions:
        a region is made of whole cells.
    calibration : str or Calibration
        Of the regions.
    containments : sequence of float
        Shares that are checked.
    doubt : float
        Probability with which a reconstruction that keeps its promise fails, for each containment.

    Raises
    ------
    AssertionError
        With the figure that is wrong.
    """
    from scipy.stats import binomtest  # heavy

    levels = default_levels(reco) if levels is None else levels
    judged = [_judge(_scan(reco, event, levels), event, calibration, containments) for event in events]
    median = float(np.median([error for error, _ in judged]))
    assert median <= median_deg, f"the median error is {median:.3g} degrees, above {median_deg:g}"
    for at, share in enumerate(containments):
        held = sum(inside[at] for _, inside in judged)
        figure = f"{held} of {len(events)} regions of {share:.0%} hold the truth"
        assert binomtest(held, len(events), share).pvalue >= doubt, figure


def _check_kind(reco: Reconstruction) -> None:
    assert isinstance(reco, Reconstruction), "a reconstruction has a name and a version and can be called"
    dataclass = getattr(type(reco), "__dataclass_params__", None)
    assert dataclass is not None, "a reconstruction is an instance of a dataclass"
    assert dataclass.frozen, "the dataclass is frozen"
    for key in ("name", "version"):
        text = getattr(type(reco), key, None)
        assert isinstance(text, str), f"the {key} is text of the class"
        assert text, f"the {key} is not empty"
        assert key not in asdict(reco), f"the {key} is a ClassVar and no option"  # type: ignore[call-overload]
    try:
        ScanRequest("", reco.name, reco.version, levels=default_levels(reco))
    except (RequestError, TypeError) as error:
        raise AssertionError(f"its own levels make sense: {error}") from error


def _check_options(reco: Reconstruction) -> None:
    try:
        plugins.configure(type(reco), {})
    except RequestError as error:
        raise AssertionError(f"each option has a default: {error}") from error
    try:
        text = json.dumps(asdict(reco), allow_nan=False)  # type: ignore[call-overload]
        again = plugins.configure(type(reco), json.loads(text))
    except (RequestError, TypeError, ValueError) as error:
        raise AssertionError(f"options survive JSON: {error}") from error
    assert again == reco, f"options survive JSON: {again} is not {reco}"
    assert pickle.loads(pickle.dumps(reco)) == reco, "a pickled copy is equal"  # noqa: S301 (its own, a moment old)


def _fit(
    reco: Reconstruction, event: Event, directions: Directions, start: Fit | None = None, case: str = "a usual call"
) -> Fit:
    """Call it and check the rows, and that it left alone what it was given."""
    given = _content(event, directions, start)
    try:
        fit = reco(event, directions, start)
    except Exception as error:
        raise AssertionError(f"{case}: what cannot be fitted is a status and no exception, not {error!r}") from error
    assert given == _content(event, directions, start), f"{case}: event, directions and starts are not changed"
    assert isinstance(fit, Fit), f"{case}: it returns a Fit, not {type(fit).__name__}"
    assert len(fit) == len(directions), f"{case}: one row a direction, not {len(fit)} for {len(directions)}"
    _check_rows(fit, case)
    return fit


def _content(event: Event, directions: Directions, start: Fit | None) -> bytes:
    forgetful = replace(event, detector=replace(event.detector))  # an event remembers its digest
    return forgetful.digest.encode() + directions.tobytes() + (b"" if start is None else start.tobytes())


def _check_rows(fit: Fit, case: str) -> None:
    assert np.isin(fit.status, list(Status)).all(), f"{case}: every status exists"
    failed = fit.status == Status.FAILED
    assert (np.isnan(fit.nllh) == failed).all(), f"{case}: nllh is NaN where the fit failed, and only there"
    assert not np.isinf(fit.nllh).any(), f"{case}: nllh is finite or NaN"
    energy = fit.energy_gev[~np.isnan(fit.energy_gev)]
    assert (np.isfinite(energy) & (energy > 0)).all(), f"{case}: energies are NaN or positive"
    assert np.isfinite(fit.time_ns[~failed]).all(), f"{case}: times are finite where a fit is"
    assert np.isfinite(fit.vertex[~failed]).all(), f"{case}: vertices are finite where a fit is"


def _check_equal(one: Fit, other: Fit, rule: str) -> None:
    for item in fields(one):
        same = np.array_equal(getattr(one, item.name), getattr(other, item.name), equal_nan=True)
        assert same, f"{rule}; {item.name} differs"


def _check_independence(reco: Reconstruction, event: Event, call: Call) -> None:
    directions, start, fit = call
    again = pickle.loads(pickle.dumps(reco))  # noqa: S301 (its own, a moment old)
    _check_equal(fit, _fit(reco, event, directions, start), "the same call gives the same fits")
    _check_equal(fit, _fit(again, event, directions, start), "a pickled copy gives the same fits")
    back = slice(None, None, -1)
    turned = _fit(reco, event, directions[back], None if start is None else start[back])
    _check_equal(fit[back], turned, "the order of directions does not matter")
    for k in range(len(directions)):
        row = slice(k, k + 1)
        single = _fit(reco, event, directions[row], None if start is None else start[row])
        _check_equal(fit[row], single, "a batch equals its directions one by one")


def _check_wrap(reco: Reconstruction, event: Event, call: Call) -> None:
    directions, _, fit = call
    around = _fit(reco, event, replace(directions, ra=directions.ra + 2 * np.pi))
    assert np.allclose(around.nllh, fit.nllh, rtol=1e-9, atol=1e-6, equal_nan=True), "right ascension is an angle"


def _check_failed_starts(reco: Reconstruction, event: Event, call: Call) -> None:
    directions, start, _ = call
    assert start is not None
    n = len(directions)
    mixed = Fit.concatenate([start, Fit.failed(n)])[np.arange(n) + n * (np.arange(n) % 2)]
    for starts in (Fit.failed(n), mixed):
        _check_independence(reco, event, (directions, starts, _fit(reco, event, directions, starts, "failed starts")))


def _check_threads(reco: Reconstruction, event: Event, calls: list[Call]) -> None:
    calls = 4 * calls
    with ThreadPoolExecutor(2) as pool:
        fits = list(pool.map(lambda call: _fit(reco, event, call[0], call[1], "two threads"), calls))
    for (_, _, fit), other in zip(calls, fits, strict=True):
        _check_equal(fit, other, "two threads at once give the same fits")


def _check_odd_directions(reco: Reconstruction, event: Event) -> None:
    nothing = sky.directions(event.detector, event.time, np.empty(0, np.int64))
    _fit(reco, event, nothing, None, "no directions")
    _fit(reco, event, nothing, Fit.failed(0), "no directions, with starts")
    ra, dec = sky.to_sky(event.detector, event.time, np.array([0.0, np.pi]), np.zeros(2))
    _fit(reco, event, Directions(ra, dec, np.array([[0.0, 0, 1], [0, 0, -1]])), None, "vertical directions")


def _poor_events(event: Event) -> dict[str, Event]:
    """Return what a telescope sees on a bad day."""
    pulses = event.pulses
    lit = np.unique(pulses.dom, axis=0)
    always = np.full(len(lit), np.inf)
    windows = TimeWindows(lit, -always, always)
    return {
        "an event without pulses": replace(event, pulses=pulses[:0]),
        "an event with one pulse": replace(event, pulses=pulses[:1]),
        "an event of noise alone": replace(event, pulses=pulses[~pulses.hlc]),
        "an event with one module excluded": replace(event, exclusions={**event.exclusions, "test": windows[:1]}),
        "an event with all light excluded": replace(event, exclusions={**event.exclusions, "test": windows}),
    }


_FRESH = """
import pickle, sys
reco, event, directions = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(reco(event, directions, None).tobytes())
"""


def _check_fresh_process(reco: Reconstruction, event: Event, call: Call) -> None:
    directions, _, fit = call
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "1"}
    command, given = [sys.executable, "-c", _FRESH], pickle.dumps((reco, event, directions))
    done = subprocess.run(command, input=given, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, f"a new process can run it:\n{done.stderr.decode()}"
    assert done.stdout == fit.tobytes(), "a new process gives the same fits"


def _scan(reco: Reconstruction, event: Event, levels: tuple[Level, ...]) -> xr.Dataset:
    """Return the map of a scan in this thread."""
    from skymist.scan.run import scan_serially  # heavy

    return scan_serially(ScanRequest(event.digest, reco.name, reco.version, levels=levels), event, reco)


def _judge(
    data: xr.Dataset, event: Event, calibration: str | Calibration, containments: Sequence[float]
) -> tuple[float, list[bool]]:
    """Return how far the best fit is from the truth, in degrees, and which regions hold it."""
    assert event.truth is not None, f"{event.name} is no simulated event: it has no truth"
    if not np.isfinite(data["nllh"].to_numpy()).any():
        return np.inf, [False for _ in containments]
    ra, dec = sky.to_sky(event.detector, event.time, event.truth.zenith, event.truth.azimuth)
    best = best_fit(data)
    inside = [bool(region(data, share, calibration).contains(ra, dec)) for share in containments]
    return float(np.degrees(sky.separation(best.ra, best.dec, ra, dec))), inside
