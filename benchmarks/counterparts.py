"""Counterparts and drafts: how long they take, beside what others take for the same, in one run.

    python benchmarks/counterparts.py [TRIALS]

A map of about 9,000 cells is matched with 7,000 isotropic sources (with errors, all chances included), by ligo.skymap
(searched probabilities, contour areas) and by mocpy (membership only). Then the map of the real event 138632/31747601
in a service's records becomes a linted draft, with a catalog of 7,194 sources, the candidates and the 348 alerts of
IceCat-1.
"""

import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table
from measured import Tell, median_ms, results
from mocpy import MOC

from skymist.crossmatch.catalog import SourceCatalog
from skymist.crossmatch.match import match, prepare
from skymist.model import region, sky, skymap
from skymist.model.reconstruction import Fit
from skymist.records import Database, scans
from skymist.records.publications import CIRCULAR
from skymist.workflow import ingest, listen, service
from skymist.workflow.desk import Desk
from skymist.workflow.desk_settings import DeskSettings
from skymist.workflow.rules import Rules
from skymist.workflow.runner import Runner, RunnerSettings
from skymist.workflow.wish import Wish

SHARED = Path(__file__).parents[2] / "shared" / "data"
EVENT, ICECAT = SHARED / "events" / "138632_31747601.json", SHARED / "catalogs" / "icecat1.csv"


def main() -> None:
    """Match a map with sources, and draft a circular."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    data, catalog = banana(), sources(7000)
    prepared = prepare(data)
    with results("counterparts") as tell:
        ours = median_ms(lambda: match(prepared, catalog), trials)
        ligo = median_ms(of_ligo(data, catalog), max(3, trials // 5))
        moc = median_ms(of_mocpy(data, catalog), max(3, trials // 5))
        tell(
            "matches", cells=len(prepared.cells), sources=len(catalog.names), ours_ms=ours,
            with_preparation_ms=median_ms(lambda: match(prepare(data), catalog), trials),
            ligo_ms=ligo, ligo_ratio=ligo / ours, mocpy_ms=moc, mocpy_ratio=moc / ours,
        )  # fmt: skip
        drafts(trials, tell)


def banana() -> xr.Dataset:
    """Return a map of about 9,000 cells with a bent likelihood."""
    levels = [sky.all_cells(8)]
    for nside, keep in ((64, 24), (512, 104)):
        last = levels[-1]
        levels.append(sky.children(last[np.argsort(bent(last))[:keep]], nside).ravel())
    cells = np.concatenate(levels)
    nothing = np.zeros(cells.size)
    fit = Fit(bent(cells), nothing, nothing, np.zeros((cells.size, 3)), np.zeros(cells.size, np.uint8))
    return skymap.create(cells, fit, {"scan_id": "0" * 64, "complete": True, "reconstruction": {"name": "bowl"}})


def bent(cells: np.ndarray) -> np.ndarray:
    """Return half the squared distance from a bent line, in errors."""
    x, y = sky.to_plane(*sky.centers(cells), 1.0, 0.3)
    return np.asarray(0.5 * ((x / 0.03) ** 2 + ((y - 8 * x**2) / 0.01) ** 2))


def sources(number: int) -> SourceCatalog:
    """Return isotropic sources with errors of 0.1 degrees."""
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 2 * np.pi, number), np.arcsin(rng.uniform(-1, 1, number))
    names = np.array([f"source {place}" for place in range(number)])
    return SourceCatalog("isotropic", "isotropic", "1", "", "", names, ra, dec, np.full(number, np.radians(0.1)))


def of_ligo(data: xr.Dataset, catalog: SourceCatalog) -> Callable[[], object]:
    """Return what ligo.skymap does for the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ligo.skymap.postprocess import crossmatch
    tiling = skymap.leaves(data)
    table = Table({"UNIQ": tiling["uniq"].to_numpy(), "PROBDENSITY": skymap.probability(tiling) / units.sr})
    where = SkyCoord(catalog.ra * units.rad, catalog.dec * units.rad)
    return lambda: crossmatch(table, where, contours=(0.5, 0.9))


def of_mocpy(data: xr.Dataset, catalog: SourceCatalog) -> Callable[[], object]:
    """Return what mocpy does for membership in the 90 % region."""
    cells = region.region(data, 0.9).cells
    orders = np.log2(sky.nside_of(cells)).astype(np.uint8)
    lon, lat = catalog.ra * units.rad, catalog.dec * units.rad

    def members() -> object:
        return MOC.from_healpix_cells(sky.ipix_of(cells).astype(np.uint64), orders, 29).contains_lonlat(lon, lat)

    return members


def drafts(trials: int, tell: Tell) -> None:
    """Draft a circular from a finished scan, and check it."""
    with tempfile.TemporaryDirectory() as name:
        database = Database(f"{name}/records.sqlite")
        database.upgrade()
        for part in listen.parts(listen.Message(ICECAT.read_bytes(), "notice", "file", "icecat1.csv")):
            listen.take_message(database, part)
        alert = scanned(database, Path(name))
        desk = Desk(database, DeskSettings(catalogs=("neutrino-candidates", str(described(Path(name))))))
        begin = time.perf_counter()
        number = desk.draft(CIRCULAR, alert, "benchmark")["id"]
        findings = desk.check(CIRCULAR, number)
        first = time.perf_counter() - begin
        again = median_ms(lambda: desk.check(CIRCULAR, desk.draft(CIRCULAR, alert, "benchmark")["id"]), trials)
        facts, check = (
            len(desk.show(CIRCULAR, number)["facts"]),
            median_ms(lambda: desk.check(CIRCULAR, number), trials),
        )
        tell("drafts", facts=facts, findings=len(findings), first_ms=1e3 * first, again_ms=again, check_ms=check)
        database.close()


def scanned(database: Database, folder: Path) -> int:
    """Scan the real event as the service does, and return the number of its alert."""
    import threading

    taken = ingest.take(database, EVENT.read_bytes(), ingest.EVENT, "file", EVENT.name)
    scan, _ = service.ask(database, str(taken.event_id), Wish("track-mpe"), "benchmark")
    stop = threading.Event()
    runner = threading.Thread(target=Runner(database, Rules(()), RunnerSettings(folder / "scans")).run, args=(stop,))
    runner.start()
    while True:
        with database.read() as session:
            if scans.get(session, scan.id).state in scans.ENDED:
                break
        time.sleep(0.1)
    stop.set()
    runner.join()
    return taken.alert_ids[0]


def described(folder: Path) -> Path:
    """Write a catalog as large as 4FGL-DR4, and return its description."""
    found = sources(7194)
    Table({"name": found.names, "ra": np.degrees(found.ra), "dec": np.degrees(found.dec)}).write(folder / "large.fits")
    path = folder / "large.yaml"
    path.write_text("title: large\nfile: large.fits\ncolumns: {name: name, ra: ra, dec: dec}\n")
    return path


if __name__ == "__main__":
    main()
