"""Areas and containment as ligo.skymap and mocpy have them, on many scans of likelihoods of awkward shapes."""

import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import healpy as hp
import numpy as np
import pytest
import xarray as xr
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table
from maps import Tiling
from mocpy import MOC

from skymist.crossmatch.catalog import SourceCatalog
from skymist.crossmatch.match import match, prepare
from skymist.detector.geometry import icecube_86
from skymist.model import region, sky
from skymist.model.event import Event, Pulses
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.model.request import Level, ScanRequest
from skymist.scan.run import scan_serially

SHAPES = "ring", "banana", "islands", "pole", "wrap"
LEVELS = (
    (Level(4, 0), Level(32, 24), Level(256, 48)),
    (Level(8, 0), Level(64, 36), Level(256, 192)),
    (Level(2, 0), Level(16, 12), Level(64, 80), Level(256, 192)),
)
SEEDS = range(200)
BAR = 0.005
SQUARE_DEGREES = 4 * np.pi * np.degrees(1) ** 2
FINEST = 256


@dataclass(frozen=True)
class Shape:
    """A likelihood of some shape, whose fit fails in one of 50 directions of the finer levels."""

    seed: int
    shape: str
    ra: float
    dec: float
    width: float
    turned: float

    name: ClassVar[str] = "shape"
    version: ClassVar[str] = "1"

    @classmethod
    def random(cls, seed: int) -> "Shape":
        rng = np.random.default_rng(seed)
        shape = SHAPES[seed % len(SHAPES)]
        ra, dec = rng.uniform(0, 2 * np.pi), np.arcsin(rng.uniform(-0.95, 0.95))
        if shape == "pole":
            dec = np.copysign(np.pi / 2 - rng.uniform(0, 0.03), rng.uniform(-1, 1))
        if shape == "wrap":
            ra = rng.uniform(-0.02, 0.02) % (2 * np.pi)
        return cls(seed, shape, ra, dec, np.radians(rng.uniform(2.5, 3.0)), rng.uniform(0, 2 * np.pi))

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        x, y = sky.to_plane(directions.ra, directions.dec, self.ra, self.dec)
        along = (np.cos(self.turned) * x + np.sin(self.turned) * y) / self.width
        across = (np.cos(self.turned) * y - np.sin(self.turned) * x) / self.width
        nllh = 400 + self._of(along, across)
        noise = np.modf(np.abs(np.sin(12.9898 * directions.ra + 78.233 * directions.dec + self.seed)) * 43758.5453)[0]
        failed = (noise < 0.02) & (nllh > 400.5) & (start is not None)
        nothing = np.zeros(nllh.size)
        fit = Fit.failed(nllh.size)
        status = np.where(failed, Status.FAILED, Status.OK)
        return replace(fit, nllh=np.where(failed, np.nan, nllh), energy_gev=nothing + 1e5, status=status)

    def _of(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if self.shape == "ring":
            return 0.5 * ((np.hypot(x, y) - 1.5) / 0.3) ** 2 + 0.3 * x
        if self.shape == "banana":
            return 0.5 * (x**2 + ((y - x**2 / 2) / 0.5) ** 2)
        if self.shape == "islands":
            return 2 * np.minimum((x - 1.5) ** 2 + y**2, (x + 1.5) ** 2 + 1.5 * y**2 + 0.1)
        return 0.5 * (x**2 + (y / 0.6) ** 2)


def scanned(seed: int) -> xr.Dataset:
    shape = Shape.random(seed)
    request = ScanRequest("0" * 64, "shape", "1", {}, LEVELS[seed // len(SHAPES) % len(LEVELS)])
    return scan_serially(request, event(), shape)


def event() -> Event:
    nothing = Pulses(*(np.zeros(shape) for shape in ((0, 2), 0, 0, 0, 0)))  # type: ignore[arg-type]
    return Event(1, 2, np.datetime64("2026-03-04T05:06:07", "ns"), "test", icecube_86(), nothing)


@pytest.fixture(scope="module")
def ligo() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ligo.skymap import postprocess

    return postprocess


def deg2(uniq: np.ndarray) -> np.ndarray:
    return np.asarray(np.degrees(1) ** 2 * sky.area_sr(uniq))


def positions(data: xr.Dataset, seed: int) -> SourceCatalog:
    """Return five places around the best fit."""
    rng, best = np.random.default_rng(seed), region.best_fit(data)
    ra, dec = sky.from_plane(*rng.normal(0, np.radians(4), (2, 5)), best.ra, best.dec)
    names = np.array([f"source {number}" for number in range(5)])
    return SourceCatalog("test", "test", "1", "", "ab" * 32, names, ra, dec, np.full(5, np.nan), {})


def flat(data: xr.Dataset) -> np.ndarray:
    """Return the probability of all pixels of the finest resolution, of the rows alone."""
    nllh = np.full(12 * FINEST**2, np.nan)
    rows = np.argsort(data["uniq"].to_numpy(), kind="stable")  # from coarse to fine
    uniq, values = data["uniq"].to_numpy()[rows], data["nllh"].to_numpy()[rows]
    for nside in (2**order for order in range(FINEST.bit_length())):
        here = (uniq >= 4 * nside**2) & (uniq < 16 * nside**2) & np.isfinite(values)
        fine = nllh.reshape(12 * nside**2, -1)
        fine[uniq[here] - 4 * nside**2] = values[here, None]
    weight = np.where(np.isfinite(nllh), np.exp(np.nanmin(nllh) - nllh), 0)
    return np.asarray(weight / weight.sum())


def last_in(data: Tiling, containment: float, ligo: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells of a region by the greedy levels of ligo.skymap, and those as dense as the last of them.

    Failed cells have the value of their parent, several the same: ours come in together, theirs one after the other.
    """
    chosen = ligo.find_greedy_credible_levels(data.held, data.density) - data.held < containment
    least = data.density[chosen].min()
    return data.uniq[data.density >= least], data.uniq[data.density == least]


def check_region(ours: region.Region, theirs_deg2: float, data: Tiling, place: SkyCoord, ligo: Any) -> bool:
    """Compare a region; tell whether its area is within the bar of the one that goes on smoothly within a cell."""
    cells, last = last_in(data, ours.containment, ligo)
    np.testing.assert_array_equal(np.sort(ours.cells), np.sort(cells))
    spare = deg2(last).sum()
    assert -1e-9 < ours.area_deg2 - theirs_deg2 < spare + 1e-9
    moc = MOC.from_valued_healpix_cells(
        data.uniq.astype(np.uint64), data.held, FINEST.bit_length() - 1, cumul_to=ours.containment, strict=False
    )
    assert -1e-7 < ours.area_deg2 - moc.sky_fraction * SQUARE_DEGREES < spare - deg2(last).min() + 1e-7
    sure = (last.size == 1) | (sky.find(last, place.ra.rad, place.dec.rad) < 0)
    inside = ours.contains(place.ra.rad, place.dec.rad)
    np.testing.assert_array_equal(inside[sure], moc.contains_lonlat(place.ra, place.dec)[sure])
    return ours.area_deg2 - theirs_deg2 < BAR * ours.area_deg2


def check_searched(ours: np.ndarray, theirs: np.ndarray, weight: np.ndarray, at: np.ndarray, data: Tiling) -> None:
    """Compare what has to be searched to find places in the tiles `at`."""
    tied = (data.density == data.density[at, None]) & (np.arange(data.uniq.size) != at[:, None])
    more = (ours - theirs) / ours
    assert np.all((more > -1e-9) & (more < tied @ weight / ours + 1e-9))


@pytest.mark.parametrize("shape", SHAPES)
def test_areas_searched_probabilities_and_members_as_ligo_skymap_and_mocpy_have_them(shape: str, ligo: Any) -> None:
    sharp = 0
    seeds = SEEDS[SHAPES.index(shape) :: len(SHAPES)]
    for seed in seeds:
        scan = scanned(seed)
        data, catalog = Tiling.of(scan), positions(scan, seed)
        prepared = prepare(scan, "probability")
        found, place = match(prepared, catalog), SkyCoord(catalog.ra, catalog.dec, unit="rad")
        table = Table({"UNIQ": data.uniq, "PROBDENSITY": data.density / units.sr})
        theirs = ligo.crossmatch(table, place, (0.5, 0.9))
        np.testing.assert_array_equal(found.inside_50, prepared.half.contains(catalog.ra, catalog.dec))
        np.testing.assert_array_equal(found.inside_90, prepared.ninety.contains(catalog.ra, catalog.dec))
        for ours, area in zip((prepared.half, prepared.ninety), theirs.contour_areas, strict=True):
            sharp += check_region(ours, area, data, place, ligo)
        at = sky.find(data.uniq, catalog.ra, catalog.dec)
        check_searched(found.searched_probability, theirs.searched_prob, data.held, at, data)
        check_searched(found.searched_area_deg2, theirs.searched_area, deg2(data.uniq), at, data)
    assert sharp >= 0.95 * 2 * len(seeds)  # not where a region ends within a cell that could not be refined


@pytest.mark.parametrize("seed", SEEDS[::31])
def test_the_rows_of_a_scan_have_the_same_regions_at_one_resolution(seed: int, ligo: Any) -> None:
    data = scanned(seed)
    held = flat(data)
    levels = ligo.find_greedy_credible_levels(held)
    for containment in (0.5, 0.9):
        ours = region.region(data, containment, "probability")
        least = held[levels - held < containment].min()  # with all that are as dense as the last one
        pixels = np.flatnonzero(held >= least)
        assert ours.area_deg2 == pytest.approx(pixels.size * hp.nside2pixarea(FINEST, degrees=True), rel=1e-9)
        assert ours.contains(*np.radians(hp.pix2ang(FINEST, pixels, nest=True, lonlat=True))).all()
