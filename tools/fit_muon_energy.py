"""Fit the energy of muons to their truncated losses; writes `skymist/reco/tables/muon_energy.csv`.

    python tools/fit_muon_energy.py [-n 200] [--check SET.npz ...]

Simulates through-going muons of 1 TeV to 10 PeV, evenly in ln E, in perturbed ice, and takes the profile of losses
along their true tracks. Of some lengths of bins and shares that are left out, those that leave the least spread are
taken. With ``--check`` nothing is fitted: the table is compared with the muons of sets, again along their true tracks.
Two minutes for 200 muons. The result depends on nothing but the code, ``-n`` and ``--seed``.
"""

import argparse
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Directions, Fit
from skymist.readers import read_events
from skymist.reco import energy
from skymist.reco.track_losses import TrackLosses
from skymist.workflow.simulate import simulate_event

Floats = NDArray[np.float64]

TABLE = Path(energy.__file__).parent / "tables" / "muon_energy.csv"
LOG10_ENERGY = 3.0, 7.0
BINS, DROPPED = (25.0, 50.0, 75.0, 100.0), (0.2, 0.3, 0.4, 0.5)
ROUNDS, OUTLYING = 5, 2.5


class Muon(NamedTuple):
    """A simulated muon: its profile, and its true energy (GeV) at a distance (m) from where it enters the volume."""

    track: energy.Profile
    start_m: float
    energy_gev: float
    topology: str


def muon_of(event: Event) -> Muon | None:
    """Return the muon of an event; None if it misses the volume or is not seen."""
    truth = event.truth
    assert truth is not None
    origin = sky.unit(truth.azimuth, np.pi / 2 - truth.zenith)
    place, nothing = np.array([truth.x, truth.y, truth.z]), np.zeros(1)
    fit = Fit(nothing, nothing, np.array([truth.time_ns]), place[None], nothing)
    losses = TrackLosses().profile(event, Directions(nothing, nothing, origin[None]), fit)
    if not len(losses):
        return None
    try:
        track = energy.profile(losses, event.detector, -origin)
    except energy.RequestError:
        return None
    vertex = float((place - track.position[0]) @ -origin + track.distance_m[0])
    start = max(vertex, 0.0)
    before = (event.losses.position - place) @ -origin < start - vertex
    lost = event.losses.energy_gev[before].sum() if truth.topology == "through-going" else 0.0
    return Muon(track, start, truth.energy_gev - lost, truth.topology)


def simulated(n: int, seed: int) -> list[Muon]:
    """Return muons that are drawn evenly in the logarithm of their energy."""
    energies = 10 ** np.random.default_rng(seed).uniform(*LOG10_ENERGY, n)
    events = (simulate_event(seed, i, energy_gev=float(e), perturbed=True) for i, e in enumerate(energies))
    return [muon for event in events if (muon := muon_of(event)) is not None and muon.energy_gev > 0]


def fit(muons: list[Muon], bin_m: float, dropped: float) -> tuple[energy.Muon, float]:
    """Return the relation and the 90 % spread of ln E around it."""
    rows = []
    for muon in muons:
        used = muon.track.inside & (muon.track.distance_m > muon.start_m)
        rate = energy.truncated_rate(muon.track.energy_gev[used], muon.track.segment_m, bin_m, dropped)
        if rate is not None:
            way = float(muon.track.distance_m[used].mean()) - muon.start_m
            rows.append((np.log(rate), np.log(muon.energy_gev) - energy.RADIATION * way))
    x, y = np.array(rows).T
    kept = np.ones(len(x), bool)
    for _ in range(ROUNDS):  # some muons lose nearly all in one place: they are not what the others are like
        slope, intercept = np.polyfit(x[kept], y[kept], 1)
        off = np.abs(y - intercept - slope * x)
        kept = off < OUTLYING * np.quantile(off, 0.68)
    sigma, wide = np.quantile(off, [0.68, 0.9])
    return energy.Muon(bin_m, dropped, float(intercept), float(slope), float(sigma)), float(wide)


def check(path: Path) -> None:
    """Print how far the table is right for a set, by topology."""
    muons = [muon for event in read_events(str(path)) if (muon := muon_of(event)) is not None]
    for topology in ("through-going", "starting"):
        off = []
        for muon in muons:
            start = muon.start_m if topology == "starting" else None
            if muon.topology == topology and (found := energy.muon_energy(muon.track, start)):
                off.append(np.log(found.value / muon.energy_gev))
        bias = np.median(off)
        spread = np.quantile(np.abs(off - bias), [0.68, 0.9])
        print(f"{path.stem}, {len(off)} {topology}: ln E {bias:+.2f}, 68 % {spread[0]:.2f}, 90 % {spread[1]:.2f}")


def main() -> None:
    """Fit and write the table, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=200, help="muons")
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--check", type=Path, nargs="+", default=[], help="sets with muons whose truth is known")
    arguments = parser.parse_args()
    for path in arguments.check:
        check(path)
    if arguments.check:
        return
    muons = simulated(arguments.n, arguments.seed)
    found = [fit(muons, bin_m, dropped) for bin_m, dropped in product(BINS, DROPPED)]
    for relation, wide in found:
        print(f"bins of {relation.bin_m:g} m, {relation.dropped:g} dropped: {relation.sigma:.3f}, 90 % {wide:.3f}")
    best = min(found, key=lambda each: each[0].sigma + each[1])[0]
    lines = [
        "# Energy of a muon from its truncated losses (arXiv:1208.3430), version 1: made by tools/fit_muon_energy.py",
        f"# (-n {arguments.n} --seed {arguments.seed}) from simulated muons of 1 TeV to 10 PeV in perturbed ice.",
        "# ln E/GeV = intercept + slope ln(dE/dx in GeV/m) in the middle of the way, 68 % within sigma.",
        ",".join(best._fields),
        ",".join(f"{value:.4g}" for value in best),
    ]
    TABLE.write_text("\n".join(lines) + "\n")
    print(f"{len(muons)} muons -> {TABLE.name}")


if __name__ == "__main__":
    main()
