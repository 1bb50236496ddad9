"""How far off best fits are, and how often regions hold the truth: real alerts, official and our own simulation.

    python benchmarks/accuracy.py [EVENTS]

*Real*: alerts with a direction that IceCube has published; its best estimate, not the truth. *Official*: events of
IceCube's own chain of simulation, which knows nothing of our formulas. *Photons*: our sets, made photon by photon
through layered ice; likelihoods were tuned on them. *Fresh*: events made now with the light that our likelihoods
expect, in ice that differs each time; nothing was tuned on them. EVENTS are scanned of each set and kind (60 if not
said: all that the sets have, half an hour).
Regions are those of the calibration `population`, beside those of Wilks' theorem.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from events import from_decoded
from measured import Tell, results

from skymist.model import sky, skymap
from skymist.model.comparison import compare
from skymist.model.event import Event
from skymist.model.region import best_fit, region
from skymist.model.request import Level
from skymist.readers import read_event
from skymist.store.peers import read_peer_map
from skymist.workflow.choice import load
from skymist.workflow.evaluate import evaluate, hit_modules, select
from skymist.workflow.events import identify
from skymist.workflow.scan import load_reconstruction, scan_event
from skymist.workflow.simulate import simulate_event

SHARED = Path(__file__).parents[2] / "shared" / "data"
TRACKS, CASCADES = ("track-mpe", "track-losses"), ("cascade",)
PUBLISHED = {"136766_7637140": TRACKS, "138632_31747601": TRACKS}
OLD_EVENT = SHARED / "events" / "run00136766-evt000007637140-GOLD.pkl"
OLD_MAP = SHARED / "reference_scans" / "run00136766-evt000007637140-GOLD-8_64_512.npz"
SETS = {
    "tracks_real_geometry_dev": TRACKS,
    "tracks_perturbed_ice_dev": TRACKS,
    "cascades_dev": CASCADES,
}
FEWEST = {"track-mpe": 100, "track-losses": 100, "cascade": 60}
"""Modules with light in events that count: below, hardly an alert."""
FRESH = (("through-going", 2e5, TRACKS), ("starting", 2e5, ("track-losses",)), ("cascade", 1e5, CASCADES))
SEED = 20_261_130


def main() -> None:
    """Scan everything that has something to be compared with."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with results("accuracy") as tell:
        real(tell)
        old_map(tell)
        official(tell)
        for name, recos in SETS.items():
            for reco in recos:
                chosen = select(str(SHARED / "simulated" / f"{name}.npz"), slice(number), (FEWEST[reco], None))
                simulated(tell, name.removesuffix("_dev").replace("_", " "), reco, chosen)
        for kind, energy, recos in FRESH:
            made = {k: simulate_event(SEED, k, kind, energy, perturbed=True) for k in range(number)}
            for reco in recos:
                bright = {k: event for k, event in made.items() if hit_modules(event) >= FEWEST[reco]}
                simulated(tell, f"fresh, {kind}", reco, bright)


def scanned(event: Event, reco: str, levels: tuple[Level, ...] | None = None) -> xr.Dataset:
    """Return the map of an event."""
    with tempfile.TemporaryDirectory() as folder:
        return scan_event(event, load_reconstruction(reco, {}), levels, out=folder).load()


def beside(data: xr.Dataset, ra: float, dec: float) -> dict[str, Any]:
    """Return how a map and a direction (radians) fit."""
    best, leaves = best_fit(data), skymap.leaves(data)
    at = int(sky.find(leaves["uniq"].to_numpy(), ra, dec))
    regions = {share: region(data, share / 100, "population") for share in (50, 90)}
    return {
        "away_deg": float(np.degrees(sky.separation(best.ra, best.dec, ra, dec))),
        "ts": float(leaves["ts"][at]),
        **{f"inside_{share}": bool(found.contains(ra, dec)) for share, found in regions.items()},
        **{f"area_{share}_deg2": found.area_deg2 for share, found in regions.items()},
    }


def real(tell: Tell) -> None:
    """Scan real alerts, and look where the published direction lies."""
    for name, recos in PUBLISHED.items():
        path = SHARED / "decoded" / f"{name}.json"
        event, known = from_decoded(path), json.loads(path.read_text())["published"]["gcn_amon"][0]
        radius = known["err90_arcmin"] / 60
        for reco in recos:
            figures = beside(scanned(event, reco), *np.radians([known["ra"], known["dec"]]))
            tell("real", event=name.replace("_", "/"), reco=reco, published_90_deg=radius, **figures)


def old_map(tell: Tell) -> None:
    """Make the published map of 8, 64 and 512 anew, with the same levels, and compare both."""
    event = read_event(OLD_EVENT)
    theirs = read_peer_map(OLD_MAP.read_bytes(), OLD_MAP.name, convention="mirrored", event=identify(event))
    for reco in TRACKS:
        data = scanned(event, reco, (Level(8, 0), Level(64, 12), Level(512, 24)))
        both = compare(data, theirs, calibration="icecube-2016")
        areas = {f"{whose}_area_90_deg2": region(each, 0.9, "icecube-2016").area_deg2
                 for whose, each in (("our", data), ("their", theirs))}  # fmt: skip
        tell("old map", event=event.name, reco=reco, away_deg=float(both.separation_deg), **areas)


def official(tell: Tell) -> None:
    """Scan IceCube's own simulated muons."""
    for path in sorted((SHARED / "decoded").glob("sim_*.json")):
        event = from_decoded(path)
        assert event.truth
        where = sky.to_sky(event.detector, event.time, event.truth.zenith, event.truth.azimuth)
        for reco in TRACKS:
            figures = beside(scanned(event, reco), *(float(each) for each in where))
            about = {"energy_tev": event.truth.energy_gev / 1e3, "modules": hit_modules(event)}
            tell("official", event=event.name, reco=reco, **about, **figures)


def simulated(tell: Tell, sample: str, reco: str, events: Mapping[int, Event]) -> None:
    """Scan simulated events, all of them and by their kind."""
    found = evaluate(events, load(reco, {}), seed=SEED)
    for kind, figures in groups(found):
        names = {"population": "population", "wilks": "Wilks"}
        for calibration, called in names.items():
            regions = figures["calibrations"][calibration]
            tell(
                "simulated", sample=sample, reco=reco, kind=kind, calibration=called, n=figures["n"],
                failed=figures["failed"],
                **{f"{label}_deg": figures[f"{label}_deg"] for label in ("median", "q68", "q90")},
                **{f"inside_{share}": regions["coverage"][share] for share in ("50", "90")},
                **{f"error_{share}": regions["coverage_error"][share] for share in ("50", "90")},
                area_90_deg2=regions["area_deg2"]["90"], ln_energy_bias=figures["log_energy"]["bias"],
            )  # fmt: skip
    for row in found["events"]:
        if "reason" not in row:
            tell(
                "events", sample=sample, reco=reco, kind=row["topology"], away_deg=row["error_deg"], ts=row["ts_truth"]
            )


def groups(found: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the figures of each kind of event, and of all if there are several."""
    yield from found["topologies"].items()
    if len(found["topologies"]) > 1:
        yield "all", found


if __name__ == "__main__":
    main()
