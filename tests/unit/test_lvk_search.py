"""Searches for tracks with gravitational waves: read, kept, and taken for no alert."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from skymist.alerts import read_revisions
from skymist.alerts.lvk_search import is_search, read_search
from skymist.errors import ReadError
from skymist.records import Database, log, tables
from skymist.workflow import ingest


@pytest.fixture
def example(shared: Path) -> bytes:
    return next((shared / "gcn").rglob("lvk_nu_track_search.example.json")).read_bytes()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(str(tmp_path / "records.sqlite"))
    found.upgrade()
    yield found
    found.close()


def test_the_official_example_is_read(example: bytes) -> None:
    found = read_search(example)
    assert (found.reference, str(found.time)[:19], found.p_generic) == ("S230914ak", "2023-09-14T11:14:01", 0.0191)
    assert [(each.key, each.seconds, each.radius_90) for each in found.tracks] == [
        ("138590_39138551", 12.91, 0.5), ("138590_39164579", 222.46, 0.5),
    ]  # fmt: skip
    assert (found.ra, found.dec, found.doubts) == (17.49, 16.18, ())
    assert read_revisions(example) == ()


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({"n_events_coincident": 3}, "n_events_coincident is 3, and 2 are listed"),
        ({"pval_generic": 1.4}, "pval_generic is 1.4: above 1"),
        ({"pval_bayesian": "small"}, "pval_bayesian is 'small': no finite number"),
        ({"most_probable_direction": {"ra": 400, "dec": 1}}, "ra is 400: above 360"),
        ({"coincident_events": "two"}, "coincident_events is 'two', no list"),
        ({"most_probable_direction": None}, None),
        ({"coincident_events": None, "n_events_coincident": 0}, None),
        ({"coincident_events": [{}, 5], "n_events_coincident": 1}, None),
    ],
)
def test_dirty_ones_are_read_with_named_doubts(example: bytes, change: dict[str, Any], doubt: str | None) -> None:
    content = json.dumps({**json.loads(example), **change}).encode()
    assert is_search(content)
    doubts = read_search(content).doubts
    assert doubts == () if doubt is None else doubt in doubts


def test_one_without_a_wave_or_a_time_is_refused(example: bytes) -> None:
    for change, words in (({"ref_ID": None}, "ref_ID names no"), ({"trigger_time": "soon"}, "trigger_time is 'soon'")):
        with pytest.raises(ReadError, match=words):
            read_search(json.dumps({**json.loads(example), **change}).encode())
    assert not is_search(b"{")
    assert not is_search(b"[1]")


def test_it_is_kept_and_no_alert_comes_of_it(example: bytes, database: Database) -> None:
    for _ in range(2):
        outcome = ingest.take(database, example, ingest.NOTICE, "test")
        assert (outcome.reason, outcome.alert_ids) == ("", ())
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(tables.Alert)) == 0
        (entry,) = [each for each in log.entries(session, "input", outcome.input_id) if each.action == "searched"]
        assert entry.details["reference"] == "S230914ak"
        assert len(entry.details["tracks"]) == 2
    wrong = ingest.take(database, example.replace(b"S230914ak", b""), ingest.NOTICE, "test")
    assert "ref_ID names no gravitational wave" in wrong.reason
