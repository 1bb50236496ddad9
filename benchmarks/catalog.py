"""The catalog with 100,000 alerts: how long a filter and a page take, beside one look at every row, in one run.

    python benchmarks/catalog.py [ALERTS] [SEARCHES]

Alerts are made up (seeded): isotropic, log-normal energies and radii, three streams, one in fifty retracted, all
public. Searches mix filters, circles from 1 to 90 degrees, regions of sky maps and all orders; of the first two pages
the slower one counts. The look at every row is what there would be without indices: ``SELECT * ... ORDER BY``.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert, text

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import httpx
from maps import SHAPES, random_map
from measured import Tell, results, spread
from serving import serving

from skymist.api import ApiSettings, Limits
from skymist.model import sky
from skymist.model.region import region
from skymist.model.request import Cone
from skymist.records import Database, catalog, tables
from skymist.records.catalog import SORTS, Range, Search
from skymist.records.tables import PIXEL_NSIDE
from skymist.workflow.archive.settings import ArchiveSettings

PAGE = 50


def main() -> None:
    """Fill a catalog, and search it."""
    count, searches = (int(each) for each in (*sys.argv[1:], *("100000", "400")[len(sys.argv) - 1 :]))
    with (
        results("catalog") as tell,
        tempfile.TemporaryDirectory(prefix="skymist-") as folder,
        closing(Database(f"{folder}/x.sqlite")) as database,
    ):
        database.upgrade()
        fill(database, count)
        whole = of_all(database) * 1e3
        for kind, some in by_kind(searches).items():
            told(tell, count, kind, [page(database, search) for search in some], whole)
        told(tell, count, "over HTTP", over_http(database, searches), whole)


def told(tell: Tell, alerts: int, kind: str, seconds: list[float], whole_ms: float) -> None:
    """Tell how long pages took, and how much longer a look at every row does."""
    figures = spread([1e3 * each for each in seconds], "ms")
    ratio = whole_ms / float(np.median(seconds)) / 1e3
    tell("pages", alerts=alerts, kind=kind, pages=len(seconds), **figures, every_row_ms=whole_ms, ratio=ratio)


def page(database: Database, search: Search) -> float:
    """Return how long the slower one of the first two pages takes, seconds."""
    took, after = [], None
    for _ in range(2):
        began = time.perf_counter()
        with database.read() as session:
            found = catalog.find(session, search, PAGE + 1, after)
        took.append(time.perf_counter() - began)
        if len(found) <= PAGE:
            break
        after = found[PAGE - 1].id
    return max(took)


def over_http(database: Database, count: int) -> list[float]:
    """Return how long the public view of a service takes for pages with filters and circles, seconds each."""
    settings = ApiSettings(database, "scans", limits=Limits(1e6, 1_000_000), archive=ArchiveSettings(public=True))
    took = []
    with serving(settings) as service, httpx.Client(trust_env=False, timeout=60) as client:
        for search in [*made_up(count // 2, 0.0), *made_up(count // 2, 1.0)]:
            ranges = {name: getattr(search, name) for name in ("energy_tev", "signalness")}
            asked = {
                "sort": search.sort, "limit": str(PAGE),
                **{key: f"{each.low}:" for key, each in ranges.items() if each},
                **({"cone": ",".join(map(str, search.cone))} if search.cone else {}),
                **({"stream": "gold"} if search.streams else {}),
                **({"since": search.since.isoformat()} if search.since else {}),
            }  # fmt: skip
            began = time.perf_counter()
            client.get(f"{service.url}/public/alerts", params=asked).raise_for_status()
            took.append(time.perf_counter() - began)
    return took


def of_all(database: Database) -> float:
    """Return how long it takes to fetch and sort every row, seconds."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        with database.read() as session:
            session.execute(text("SELECT * FROM alerts ORDER BY time")).all()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def by_kind(count: int) -> dict[str, list[Search]]:
    """Return searches: with filters, with circles, with regions, and all of them in the mix that people ask for."""
    regions = [region(random_map(seed), 0.9, "probability").cells for seed in range(2 * len(SHAPES))]
    filters, cones = list(made_up(count, 0.0)), list(made_up(count, 1.0))
    touching = [
        Search(region=regions[k % len(regions)], sort=each.sort) for k, each in enumerate(filters[: count // 8])
    ]
    mixed = [*filters[: count // 2], *cones[: count // 2 - count // 8], *touching]
    return {"filters": filters, "circles": cones, "regions": touching, "mixed": mixed}


def made_up(count: int, circles: float) -> Iterator[Search]:
    """Yield searches, such a share of which are in circles."""
    rng, now = np.random.default_rng(2), datetime.now(UTC)
    for _ in range(count):
        more: dict[str, Any] = {"sort": str(rng.choice([*SORTS, *(f"-{name}" for name in SORTS)]))}
        wanted = rng.random(5) < 0.3
        if rng.random() < circles:
            place = float(rng.uniform(0, 360)), float(np.degrees(np.arcsin(rng.uniform(-1, 1))))
            more["cone"] = Cone(*place, float(rng.choice([1.0, 5.0, 20.0, 90.0])))
        for want, (name, value) in zip(wanted, (
            ("energy_tev", Range(float(rng.lognormal(5, 1)))), ("signalness", Range(float(rng.random()))),
            ("streams", ("gold",)), ("since", datetime(2011 + int(rng.integers(14)), 1, 1, tzinfo=UTC)),
            ("public", now),
        ), strict=True):  # fmt: skip
            if want:
                more[name] = value
        yield Search(**more)


def fill(database: Database, count: int) -> None:
    """Make alerts up, each with one revision."""
    rng, now = np.random.default_rng(1), datetime.now(UTC)
    ra, dec = rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    x, y, z = sky.unit(np.radians(ra), np.radians(dec)).T
    pixel = sky.ipix_of(sky.cell_at(PIXEL_NSIDE, np.radians(ra), np.radians(dec)))
    time_ = np.datetime64("2011-01-01", "s") + np.sort(rng.integers(0, 15 * 365 * 86400, count))
    radius, energy = rng.lognormal(0, 0.9, count), rng.lognormal(5, 1, count)
    signalness, far = rng.random(count), 5 * rng.random(count)
    rows = [
        {"id": k + 1, "role": "observation", "run": 100_000 + k // 100, "event": k, "name": f"IceCube-{k}",
         "named_by": "order", "time": f"{time_[k]}.000000000Z", "stream": ("gold", "bronze", "cascade")[k % 3],
         "retracted": k % 50 == 0, "ra": float(ra[k]), "dec": float(dec[k]), "x": float(x[k]), "y": float(y[k]),
         "z": float(z[k]), "pixel": int(pixel[k]), "radius_90": float(radius[k]), "energy_tev": float(energy[k]),
         "signalness": float(signalness[k]), "far_per_year": float(far[k]), "public": now, "due": False}
        for k in range(count)
    ]  # fmt: skip
    with database.begin() as session:
        for first in range(0, count, 5000):
            some = rows[first : first + 5000]
            session.execute(insert(tables.Alert), some)
            session.execute(insert(tables.Identity), [
                {"fragment": f"{row['run']}_{row['event']}", "thing": "alert", "subject": str(row["id"]),
                 "alert_id": row["id"], "released": now} for row in some
            ])  # fmt: skip
            said = "run", "event", "time", "ra", "dec", "energy_tev", "signalness"
            session.execute(insert(tables.Revision), [
                {"id": f"{row['id']:064x}", "alert_id": row["id"], "number": 0,
                 "content": {key: row[key] for key in said}} for row in some
            ])  # fmt: skip


if __name__ == "__main__":
    main()
