"""The catalog finds what looking at every alert finds, on both kinds of database."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from maps import random_map

from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model.alert import Kind, Revision, Role, Tense
from skymist.model.region import region
from skymist.model.request import Cone
from skymist.records import Database, alerts, catalog, identities, tables
from skymist.records.catalog import SORTS, Range, Search

DAY = np.datetime64("2026-03-04T00:00:00", "ns")


def sample(count: int = 240) -> Iterator[Revision]:
    """Alerts all over the sky, at its poles and at RA 0, some of which lack this or that."""
    rng = np.random.default_rng(7)
    for number in range(count):
        ra, dec = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-1, 1)))
        ra, dec = {0: (rng.choice([0.0, 359.99, 0.01]), dec), 1: (ra, rng.choice([90.0, -90.0, 89.9]))}.get(
            number % 9, (ra, dec)
        )
        known = rng.random(5) < 0.8
        yield Revision(
            130000 + number % 7, number, DAY + np.timedelta64(int(rng.integers(86400 * 900)), "s"), 0,
            tense=Tense.TEST if number % 11 == 0 else Tense.CURRENT,
            stream=("gold", "bronze", "cascade")[number % 3],
            ra=float(ra) if known[0] else None, dec=float(dec) if known[0] else None,
            radius_90=float(rng.choice([0.3, 1.0, 8.0, 60.0])) if known[1] else None,
            energy_tev=float(rng.integers(50, 60)) if known[2] else None,  # many are equal
            signalness=float(rng.random()) if known[3] else None,
            far_per_year=float(rng.random()) if known[4] else None,
        )  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    found = Database(str(tmp_path_factory.mktemp("catalog") / "records.sqlite"))
    found.upgrade()
    fill(found)
    yield found
    found.close()


def fill(database: Database) -> None:
    with database.begin() as session:
        for each in sample():
            alert, _ = alerts.record(session, each, None, "test")
            if each.event % 5 == 0:
                alerts.record(session, replace(each, number=1, kind=Kind.RETRACTION), None, "test")
            if each.event % 2 == 0 and alert.role == Role.OBSERVATION:
                identity = identities.of(session, "alert", str(alert.id))
                identities.release(session, identity, "test", datetime(2126, 1 + each.event % 12, 1, tzinfo=UTC))


def test_nothing_is_told_of_an_alert_that_could_not_be_asked_for(filled: Database) -> None:
    """Where a list goes on after it would tell its values."""
    now = datetime(2126, 6, 1, tzinfo=UTC)
    with filled.read() as session:
        shown = {each.id for each in catalog.find(session, Search(public=now))}
        whole = [each for role in Role for each in catalog.find(session, Search(role))]
        for search in (Search(public=now, sort=sort) for sort in ("ra", "-energy", "name")):
            for key in (each.id for each in whole):
                if key in shown:
                    catalog.find(session, search, 1, key)
                else:
                    with pytest.raises(UnknownNameError, match="go on after"):
                        catalog.find(session, search, 1, key)
        hidden = next(each.id for each in whole if each.role == Role.TEST)
        with pytest.raises(UnknownNameError, match="go on after"):
            catalog.find(session, Search(), 1, hidden)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-12:00", "0900-01-01", "2300-01-01"])
def test_times_are_those_of_our_age(time: str) -> None:
    with pytest.raises(RequestError, match=r"is not between the years 1900 and 2200"):
        Search.parse({"since": time})


def test_names_are_found_however_they_are_written(filled: Database) -> None:
    with filled.read() as session:
        found = [catalog.find(session, Search(name=name)) for name in ("IceCube-26", "icecube-26", "ICECUBE-26")]
    assert found[0] == found[1] == found[2] != []


def everything(database: Database) -> list[tables.Alert]:
    with database.read() as session:
        return [each for role in Role for each in catalog.find(session, Search(role))]


def in_pages(database: Database, search: Search, limit: int = 17) -> list[str]:
    found: list[tables.Alert] = []
    while True:
        with database.read() as session:
            part = catalog.find(session, search, limit, found[-1].id if found else None)
        found += part
        if len(part) < limit:
            return [each.name for each in found]


def away(alert: tables.Alert, ra: float, dec: float) -> float:
    return float(np.degrees(sky.separation(*np.radians([alert.ra, alert.dec, ra, dec]))))


def test_all_of_it_comes_in_parts_in_any_order(filled: Database) -> None:
    whole = [each for each in everything(filled) if each.role == Role.OBSERVATION]
    assert len(whole) > 200
    for name, column in SORTS.items():
        for dash in ("", "-"):
            found = in_pages(filled, Search(sort=dash + name))
            values = {each.name: getattr(each, column.key) for each in whole}
            known = [values[each] for each in found if values[each] is not None]
            assert known == sorted(known, reverse=bool(dash)), name
            assert all(values[each] is None for each in found[len(known) :]), name
            assert sorted(found) == sorted(values)


def test_filters_are_what_they_say(filled: Database) -> None:
    whole = [each for each in everything(filled) if each.role == Role.OBSERVATION]
    middle = datetime(2027, 5, 1, tzinfo=UTC)

    def check(search: Search, holds: object) -> None:
        wanted = sorted(each.name for each in whole if holds(each))  # type: ignore[operator]
        assert sorted(in_pages(filled, search)) == wanted
        assert 0 < len(wanted) < len(whole)

    check(Search(streams=("gold", "cascade")), lambda each: each.stream in ("gold", "cascade"))
    check(Search(retracted=True), lambda each: each.retracted)
    check(Search(since=middle), lambda each: each.time >= "2027-05-01")
    check(Search(until=middle), lambda each: each.time < "2027-05-01")
    check(Search(energy_tev=Range(52, 55)), lambda each: each.energy_tev is not None and 52 <= each.energy_tev <= 55)
    check(Search(signalness=Range(0.5)), lambda each: (each.signalness or 0) >= 0.5)
    check(Search(far_per_year=Range(None, 0.2)), lambda each: each.far_per_year is not None and each.far_per_year < 0.2)
    check(Search(name="IceCube-Cascade"), lambda each: each.name.startswith("IceCube-Cascade"))
    with filled.read() as session:
        assert catalog.find(session, Search(has_scan=True)) == []
    june = datetime(2126, 6, 1, tzinfo=UTC)
    check(Search(public=june), lambda each: each.event % 2 == 0 and each.event % 12 < 6)
    check(
        Search(streams=("gold",), retracted=False, signalness=Range(0.2, 0.9), public=june + timedelta(days=365)),
        lambda each: (
            each.stream == "gold"
            and not each.retracted
            and each.event % 2 == 0
            and each.signalness is not None
            and 0.2 <= each.signalness <= 0.9
        ),
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_cones_hold_what_is_near(kind: str, filled: Database, request: pytest.FixtureRequest) -> None:
    if kind == "postgresql":
        filled = request.getfixturevalue("in_postgresql")
    whole = [each for each in everything(filled) if each.role == Role.OBSERVATION and each.ra is not None]
    rng = np.random.default_rng(11)
    cones = [Cone(float(rng.uniform(0, 360)), float(np.degrees(np.arcsin(rng.uniform(-1, 1)))),
                  float(rng.choice([0.5, 5, 40, 120, 179.9, 180]))) for _ in range(60)]  # fmt: skip
    cones += [Cone(ra, dec, radius) for ra in (0.0, 359.999) for dec in (90.0, -90.0, 0.0) for radius in (0.2, 20.0)]
    cones += [Cone(each.ra or 0.0, each.dec or 0.0, 1e-7) for each in whole[::20]]
    for cone in cones:
        wanted = sorted(each.name for each in whole if away(each, cone.ra, cone.dec) <= cone.radius)
        assert sorted(in_pages(filled, Search(cone=cone))) == wanted
    assert sum(bool(in_pages(filled, Search(cone=cone))) for cone in cones) > 50


@pytest.fixture(scope="module")
def in_postgresql(postgresql: str) -> Iterator[Database]:
    import postgres

    found = Database(str(postgres.create(postgresql)))
    found.upgrade()
    fill(found)
    yield found
    found.close()


@pytest.mark.parametrize("seed", range(12))
def test_regions_are_touched_by_circles(seed: int, filled: Database) -> None:
    cells = region(random_map(seed, finest=256), 0.9, "probability").cells
    centers = sky.centers(cells)
    wanted = []
    for each in everything(filled):
        if each.role != Role.OBSERVATION or each.ra is None or each.dec is None:
            continue
        ra, dec = np.radians([each.ra, each.dec])
        near = np.degrees(sky.separation(*centers, ra, dec)).min() <= (each.radius_90 or 0.0)
        if near or sky.find(cells, ra, dec) >= 0:
            wanted.append(each.name)
    assert sorted(in_pages(filled, Search(region=cells), 7)) == sorted(wanted)
    assert in_pages(filled, Search(region=cells[:0])) == []


def test_what_makes_no_sense_is_told(filled: Database) -> None:
    with pytest.raises(UnknownNameError, match="no order of the catalog is called 'colour'; there are: -dec"):
        Search(sort="colour")
    with filled.read() as session, pytest.raises(UnknownNameError, match="to go on after"):
        catalog.find(session, Search(), 5, 10**9)
    assert Range.parse("100:500") == (100, 500)
    assert Range.parse(":5") == (None, 5)
    for bad in ("5", "a:b", ":", "nan:1", "1:inf"):
        with pytest.raises(RequestError, match="no range LOW:HIGH"):
            Range.parse(bad)


def test_numbers_are_those_of_the_last_word(shared: Path, tmp_path: Path) -> None:
    from skymist.alerts import read_revisions

    database = Database(str(tmp_path / "records.sqlite"))
    database.upgrade()
    found = read_revisions((shared / "catalogs/icecat1.csv").read_bytes())
    with database.begin() as session:
        for each in found[:40]:
            alert, _ = alerts.record(session, each, None, "test")
            assert (alert.ra, alert.dec, alert.energy_tev, alert.signalness, alert.far_per_year) == (
                each.ra, each.dec, each.energy_tev, each.signalness, each.far_per_year
            )  # fmt: skip
            assert alert.radius_90 == each.circle_90
    database.close()
