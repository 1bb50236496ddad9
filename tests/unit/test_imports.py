"""Maps of others in the records: beside the alert that they are of, once, and never in the wrong world."""

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import healpy as hp
import maps
import numpy as np
import pytest
from desks import notice, take_notice
from sqlalchemy import select

from skymist.alerts import split
from skymist.errors import ConflictError, ReadError, RequestError, UnknownNameError
from skymist.fair.record import Site
from skymist.model import skymap
from skymist.model.alert import Tense
from skymist.model.region import best_fit
from skymist.records import Database, alerts, identities, inputs, tables
from skymist.records.tables import ImportedMap
from skymist.store.fits import write_multiorder
from skymist.store.zarr import read_skymap
from skymist.workflow import ingest, products
from skymist.workflow.archive import imports
from skymist.workflow.archive.describe import describe, documents
from skymist.workflow.archive.exchange import Imported, import_file
from skymist.workflow.archive.imports import SKY_MAP, import_map
from skymist.workflow.calibrate import reconstruction_of, request_of
from skymist.workflow.energy import energies
from skymist.workflow.events import DEMO, load_event

KNOWN = "136766_7637140"
NPZ = "run00136766-evt000007637140-GOLD-8_64_512.npz"
EVENT = {"run": 137840, "event": 1, "utc": "2026-03-04T05:06:07.123456789", "mjd": 61103.2, "kind": ""}
TABLES = tables.Alert, tables.Revision, tables.Input, ImportedMap, tables.Identity, tables.LogEntry, tables.Alias


def files(shared: Path) -> list[Path]:
    found = sorted(each for each in (shared / "reference_scans").rglob("*") if each.is_file())
    assert len(found) == 11
    return found


def icecat(database: Database, shared: Path) -> None:
    for part in split((shared / "catalogs/icecat1.csv").read_bytes()):
        ingest.take(database, part, ingest.NOTICE, "icecat1.csv")


def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return all that is in the database."""
    with database.read() as session:
        return {
            table.__tablename__: [dict(row) for row in session.execute(select(table.__table__)).mappings()]
            for table in TABLES
        }


def stores(out: Path) -> list[str]:
    return sorted(str(each.relative_to(out)) for each in out.glob("*/*"))


def fits(tmp_path: Path, simulated: bool = False, seed: int = 1, **header: object) -> bytes:
    """Return a public map in our FITS, of the event of `notice`."""
    data = maps.random_map(seed)
    made = {"software": "skymist 0.1.0", "created": "2026-03-04T06:00:00"}
    data = data.assign_attrs(event={**EVENT, "simulated": simulated}, **made)
    return write_multiorder(data, tmp_path / "map.fits", header=header).read_bytes()


def result(mirrored: bool = False, best: tuple[float, float] = (40.1, 10.2), **metadata: object) -> bytes:
    """Return a result of Skymap Scanner whose likelihood falls off around a place, in one of its two conventions."""
    nside, index = 8, np.arange(768)
    theta, phi = hp.pix2ang(nside, index)
    ra, dec = np.radians(best)
    away = np.sin(theta) * np.cos(dec) * np.cos(phi - ra) + np.cos(theta) * np.sin(dec) * (-1 if mirrored else 1)
    given = {"nside": nside, "run_id": 137840, "event_id": 1, "mjd": 61103.2, **metadata}
    data = [[int(i), float(100 * (1 - x)), 1e4, 2e4] for i, x in zip(index, away, strict=True)]
    return json.dumps(
        {f"nside-{nside}": {"columns": ["index", "llh", "E_in", "E_tot"], "data": data, "metadata": given}}
    ).encode()


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(str(tmp_path / "records.sqlite"))) as found:
        found.upgrade()
        yield found


def test_all_reference_results_stand_beside_their_alerts(database: Database, shared: Path, tmp_path: Path) -> None:
    icecat(database, shared)
    out = tmp_path / "scans"
    for file in files(shared):
        reco = file.parent.name if file.suffix == ".json" else ""
        kept, new = import_map(database, file.read_bytes(), str(file), out, "somebody", reconstruction=reco)
        assert new
        assert (kept.file, kept.reconstruction, kept.size) == (file.name, reco or "unknown", file.stat().st_size)
        found = read_skymap(kept.url)
        assert skymap.content_hash(found) == kept.sha256
        assert found.attrs["imported"] == kept.summary["imported"]
        old = file.name == NPZ  # from before the convention changed
        assert kept.summary["imported"]["convention"] == ("mirrored" if old else "standard")
        assert products.summary(found, "icecube-2016", {}, {})["best"] == kept.summary["best"]
    with database.read() as session:
        of = {alert.name: [] for alert in session.scalars(select(tables.Alert))}
        for each in session.scalars(select(ImportedMap)):
            of[session.get_one(tables.Alert, each.alert_id).name].append(each.format)
            assert identities.of(session, "map", each.sha256).alert_id == each.alert_id
        assert sorted(of["IceCube-220624A"]) == ["skymap-scanner-json"] * 4 + ["skymap-scanner-npz"]
        others = {
            f"{alert.run}_{alert.event}": (alert.role, len(of[alert.name]), alert.revisions[0].content["catalog"])
            for alert in session.scalars(select(tables.Alert))
            if of[alert.name] and alert.name != "IceCube-220624A"
        }
    assert others == {
        "127907_20178442": ("observation", 2, SKY_MAP), "138632_31747601": ("observation", 4, SKY_MAP),
    }  # fmt: skip
    assert len(stores(out)) == 11
    assert all(each.startswith("observation/") for each in stores(out))


def test_every_record_of_them_can_be_said_in_every_format(records: Database, shared: Path, tmp_path: Path) -> None:
    for file in files(shared):
        if file.suffix == ".json" and file.parent.name != "splinempe":
            import_map(records, file.read_bytes(), file.name, tmp_path / "scans", "somebody")
    import_map(records, fits(tmp_path), "map.fits", tmp_path / "scans", "somebody")
    with records.read() as session:
        found = session.scalars(select(tables.Identity)).all()
        assert {each.thing for each in found} == {"alert", "revision", "map"}
        for identity in found:
            for public in (False, True):
                made = documents(describe(session, Site(), identity, public=public))
                assert {"datacite.json", "prov.json", "index.html", "obscore.json"} <= set(made)
                assert not any(str(tmp_path).encode() in content for content in made.values())


def test_twice_changes_nothing_also_under_another_name(database: Database, shared: Path, tmp_path: Path) -> None:
    icecat(database, shared)
    out = tmp_path / "scans"
    for content in ((shared / "reference_scans" / NPZ).read_bytes(), fits(tmp_path)):
        first, new = import_map(database, content, NPZ, out, "somebody")
        assert new
        before, kept = rows(database), stores(out)
        for name in (NPZ, f"folder/{NPZ}", "run1.evt2.npz", "else"):
            again, new = import_map(database, content, name, out, "another", reconstruction="else")
            assert (again.id, again.url, new) == (first.id, first.url, False)
        assert (rows(database), stores(out)) == (before, kept)


def test_the_same_map_in_another_wrapping_is_the_same(database: Database, tmp_path: Path) -> None:
    first, _ = import_map(database, fits(tmp_path), "map.fits", tmp_path / "scans", "somebody")
    again, new = import_map(database, gzip.compress(fits(tmp_path)), "map.fits.gz", tmp_path / "scans", "somebody")
    assert (again.id, new) == (first.id, False)
    with database.read() as session:
        assert describe(session, Site(), identities.of(session, "map", first.sha256)).content["file"] == "map.fits"


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("when", ["rows", "end", "row"])
def test_a_process_killed_in_between_can_be_repeated(
    records: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, complete: bool
) -> None:
    class KilledError(BaseException):
        """What nothing catches."""

    def killed(*_: Any, **__: Any) -> None:
        raise KilledError

    content, out = result(complete=complete, version="x"), tmp_path / "scans"
    with monkeypatch.context() as patch:
        if when == "row":
            patch.setattr(imports, "_keep", killed)
        else:
            patch.setattr(imports.SkyMapStore, "append" if when == "rows" else "commit", killed)
        with pytest.raises(KilledError):
            import_map(records, content, "a.json", out, "somebody")
    assert rows(records)["imported_maps"] == []
    assert len(stores(out)) == 1
    kept, new = import_map(records, content, "a.json", out, "somebody")
    assert new
    found = read_skymap(kept.url)
    assert (len(stores(out)), found.sizes["cell"], found.attrs["complete"]) == (1, 768, complete)
    assert skymap.content_hash(found) == kept.sha256


def test_after_a_crash_another_convention_is_another_store(
    records: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, out = result(), tmp_path / "scans"
    with monkeypatch.context() as patch:
        patch.setattr(imports, "_keep", lambda: None)
        with pytest.raises(TypeError):
            import_map(records, content, "a.json", out, "somebody", convention="mirrored")
    kept, _ = import_map(records, content, "a.json", out, "somebody", convention="standard")
    assert read_skymap(kept.url).attrs["imported"]["convention"] == "standard"
    assert kept.summary["best"]["dec"] == pytest.approx(10.2, abs=5)


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing", b'{"nside-8": 5}', result()[:-9], gzip.compress(result())[:-9], b"SIMPLE  =" + 99 * b" "],
)
def test_wrong_bytes_leave_nothing_behind(database: Database, tmp_path: Path, content: bytes) -> None:
    before = rows(database)
    with pytest.raises(ReadError):
        import_map(database, content, "run1.evt2.json", tmp_path / "scans", "somebody")
    assert rows(database) == before
    assert not (tmp_path / "scans").exists()


def test_what_nobody_can_know_is_asked_for(records: Database, shared: Path, tmp_path: Path) -> None:
    out, npz = tmp_path / "scans", (shared / "reference_scans" / NPZ).read_bytes()
    with pytest.raises(RequestError, match="does not say which event it is of"):
        import_map(records, npz, "map.npz", out, "somebody")
    with pytest.raises(RequestError, match="give the convention, or a position"):
        import_map(records, npz, NPZ, out, "somebody", utc="2022-06-24T16:13:16")
    with pytest.raises(RequestError, match="when that was: give run, event and utc"):
        import_map(records, npz, NPZ, out, "somebody", convention="standard")
    with pytest.raises(UnknownNameError, match="mirrored, standard"):
        import_map(records, npz, NPZ, out, "somebody", convention="upside-down")
    with pytest.raises(ReadError, match="no time in UTC"):
        import_map(records, npz, NPZ, out, "somebody", convention="standard", utc="yesterday")
    assert not out.exists()
    kept, _ = import_map(records, npz, NPZ, out, "somebody", convention="standard", utc="2022-06-24T16:13:16")
    assert kept.summary["imported"]["evidence"] == "whoever imported it said so"


def test_the_time_is_that_of_the_map_then_that_of_the_alert(records: Database, tmp_path: Path) -> None:
    out, own = tmp_path / "scans", "2026-03-04T05:06:07.123456789"

    def time_of(content: bytes, **more: Any) -> tuple[str, float]:
        kept, _ = import_map(records, content, "a.json", out, "somebody", **more)
        event = read_skymap(kept.url).attrs["event"]
        return event["utc"], event["mjd"]

    bare = {"complete": True, "mjd": None}
    assert time_of(result(best=(40.1, 1), **bare), utc="2026-03-04 05:06:00")[0] == "2026-03-04T05:06:00"
    take_notice(records, notice())  # of a time that is not the map's
    assert time_of(result(complete=True))[0] == "2026-03-04T04:48:00.000000"
    real = {**bare, "is_real_event": True}
    for best, more in (((40.1, 2), {}), ((40.1, 3), {"utc": "2026-03-04T05:06:08"})):
        utc, mjd = time_of(result(best=best, **real), **more)
        assert (utc, mjd) == (own, pytest.approx(61103.21258))
    for content in (result(best=(40.1, 4), **real), fits(tmp_path, seed=3)):
        with pytest.raises(RequestError, match=f"its time is {own}, not 2020-01-01T00:00:00"):
            time_of(content, utc="2020-01-01T00:00:00")
    assert len(stores(out)) == 4


@pytest.mark.parametrize("mirrored", [True, False])
def test_the_position_of_the_alert_decides(database: Database, tmp_path: Path, mirrored: bool) -> None:
    content, out = result(mirrored), tmp_path / "scans"
    with pytest.raises(RequestError, match="nothing tells whether its declinations"):
        import_map(database, content, "a.json", out, "somebody")
    take_notice(database, notice(ra=None, dec=None))
    with pytest.raises(RequestError, match="nothing tells whether its declinations"):
        import_map(database, content, "a.json", out, "somebody")
    take_notice(database, notice(number=1))
    kept, _ = import_map(database, content, "a.json", out, "somebody")
    said = kept.summary["imported"]
    assert said["convention"] == ("mirrored" if mirrored else "standard")
    assert "deg from the position" in said["evidence"]
    assert np.degrees(best_fit(read_skymap(kept.url)).dec) == pytest.approx(10.2, abs=6)


def test_an_alert_near_the_equator_does_not_decide(records: Database, tmp_path: Path) -> None:
    take_notice(records, notice(dec=0.5))
    with pytest.raises(RequestError, match="if mirrored"):
        import_map(records, result(best=(40.1, 8.0)), "a.json", tmp_path / "scans", "somebody")


def role_of(database: Database, kept: ImportedMap) -> tuple[str, str]:
    with database.read() as session:
        return session.get_one(tables.Alert, kept.alert_id).role, Path(kept.url).parent.name


@pytest.mark.parametrize("real", [True, False])
def test_what_a_map_says_of_itself_decides_to_which_world_it_belongs(
    database: Database, tmp_path: Path, real: bool
) -> None:
    """Also if an alert of the same numbers is known, but only in the other world."""
    take_notice(database, notice(), Tense.TEST if real else Tense.CURRENT)
    role = "observation" if real else "test"
    for content in (result(is_real_event=real, complete=True), fits(tmp_path, simulated=not real, seed=2)):
        kept, _ = import_map(database, content, "a", tmp_path / "scans", "somebody")
        assert role_of(database, kept) == (role, role)
    with database.read() as session:
        assert {alert.role for alert in session.scalars(select(tables.Alert))} == {"observation", "test"}
        assert len(alerts.find(session, "137840_1", role).revisions) == 1


def test_a_map_that_does_not_say_what_it_is_follows_its_alert(records: Database, tmp_path: Path) -> None:
    for number, (tense, role) in enumerate(((Tense.TEST, "test"), (Tense.CURRENT, "observation"))):
        take_notice(records, notice(), tense)
        content = result(complete=True, version=str(number), best=(40.1, number))
        kept, _ = import_map(records, content, "a.json", tmp_path / "scans", "somebody")
        assert role_of(records, kept) == (role, role)
    kept, _ = import_map(records, result(event_id=99, complete=True), "a.json", tmp_path / "scans", "somebody")
    assert role_of(records, kept) == ("test", "test")  # as its own reader has it


def test_numbers_that_were_truncated_are_found(records: Database, tmp_path: Path) -> None:
    take_notice(records, notice(event=123))
    alert_id = take_notice(records, notice(event=12345, number=1))
    for event in (123, 12345):
        content = result(event_id=event, is_real_event=True, complete=True, best=(40.1, event / 1000))
        kept, _ = import_map(records, content, "a.json", tmp_path / "scans", "somebody")
        assert kept.alert_id == alert_id


def test_a_density_has_regions_of_its_own_kind(records: Database, tmp_path: Path) -> None:
    kept, _ = import_map(records, fits(tmp_path), "map.fits", tmp_path / "scans", "somebody")
    assert kept.summary["calibration"] == "probability"
    assert (kept.format, kept.reconstruction) == ("multi-order-fits", "bowl")
    assert 0 < kept.summary["regions"]["50"]["area_deg2"] < kept.summary["regions"]["90"]["area_deg2"]
    result_, _ = import_map(records, result(), "a.json", tmp_path / "scans", "somebody", convention="standard")
    assert result_.summary["calibration"] == "icecube-2016"


def test_a_name_is_cut_and_cannot_lead_elsewhere(records: Database, tmp_path: Path) -> None:
    name = f"/etc/../{'ä' * 300}.json"
    kept, _ = import_map(
        records, result(complete=True), name, tmp_path / "scans", "somebody", reconstruction="../../" + "ü" * 300
    )
    assert len(kept.file) == inputs.LONGEST
    assert len(kept.reconstruction) == 100
    assert Path(kept.url).is_relative_to(tmp_path / "scans")
    assert len(stores(tmp_path / "scans")) == 1


def test_a_map_is_found_from_any_folder(records: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept, _ = import_map(records, result(complete=True), "a.json", "scans", "somebody")
    (tmp_path / "else").mkdir()
    monkeypatch.chdir("else")
    assert kept.url.startswith(f"{tmp_path}/scans/")
    assert skymap.content_hash(read_skymap(kept.url)) == kept.sha256


def test_the_message_is_kept_as_it_came(records: Database, tmp_path: Path) -> None:
    content = result(complete=True)
    kept, _ = import_map(records, content, "a.json", tmp_path / "scans", "somebody")
    with records.read() as session:
        item = session.get_one(tables.Input, kept.input_id)
        assert (item.content, item.kind, item.source, item.position) == (content, "map", "somebody", "a.json")
        assert item.id == hashlib.sha256(content).hexdigest()
        (entry,) = session.scalars(select(tables.LogEntry).where(tables.LogEntry.action == "imported"))
        assert (entry.who, entry.input_id, entry.details["map"]) == ("somebody", item.id, kept.sha256)


@pytest.mark.parametrize("packed", [False, True])
def test_two_at_once_keep_one(database: Database, tmp_path: Path, packed: bool) -> None:
    content, both, found, errors = fits(tmp_path), threading.Barrier(2), [], []
    read = imports._store

    def together(*given: Any) -> str:
        if threading.current_thread() is first:
            both.wait()
            return read(*given)
        made = read(*given)
        both.wait()
        return made

    def work() -> None:
        try:
            own = gzip.compress(content) if packed and threading.current_thread() is second else content
            found.append(import_map(database, own, "map.fits", tmp_path / "scans", "somebody"))
        except Exception as error:  # noqa: BLE001 (of a thread, which pytest does not see)
            errors.append(error)

    first, second = threading.Thread(target=work), threading.Thread(target=work)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imports, "_store", together)
        for each in (first, second):
            each.start()
        for each in (first, second):
            each.join()
    assert errors == []
    assert sorted(new for _, new in found) == [False, True]
    assert len(rows(database)["imported_maps"]) == len(rows(database)["inputs"]) == 1
    assert len(stores(tmp_path / "scans")) == (2 if packed else 1)  # the other is left, as another process may be at it


def test_what_needs_how_it_was_made_says_so(records: Database, tmp_path: Path) -> None:
    kept, _ = import_map(records, fits(tmp_path), "map.fits", tmp_path / "scans", "somebody")
    data, event = read_skymap(kept.url), load_event(DEMO)
    with pytest.raises(RequestError, match="does not say how it was made"):
        reconstruction_of(data)
    with pytest.raises(RequestError, match="does not say how it was made"):
        request_of(event, data, object())  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="the map is not of"):
        energies(event, data)


def test_files_of_all_kinds_are_told_apart(records: Database, shared: Path, tmp_path: Path) -> None:
    found = Imported()
    for file in (shared / "catalogs/icecat1.csv", shared / "reference_scans" / NPZ, shared / "reference_scans" / NPZ):
        import_file(records, file, tmp_path / "scans", "somebody", found)
    assert (found.maps, found.known, found.failed) == (1, 1, {})
    assert found.alerts > 0
    with records.read() as session:
        (kept,) = session.scalars(select(ImportedMap))
        assert kept.alert_id == alerts.find(session, KNOWN).id
        assert "0.00 deg from the position if mirrored" in kept.summary["imported"]["evidence"]


def test_a_map_that_is_kept_is_not_turned_over(tmp_path: Path, shared: Path) -> None:
    with closing(Database(str(tmp_path / "records.sqlite"))) as database:
        database.upgrade()
        file = next((shared / "reference_scans" / "splinempe").glob("*.json"))
        content = file.read_bytes()
        import_map(database, content, file.name, tmp_path / "out", "somebody", convention="standard")
        assert import_map(database, content, file.name, tmp_path / "out", "somebody")[1] is False
        with pytest.raises(ConflictError, match="is kept already, in the convention standard, not mirrored"):
            import_map(database, content, file.name, tmp_path / "out", "somebody", convention="mirrored")
