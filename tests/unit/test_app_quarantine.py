"""What could not be read, and what people send in by hand, against the real API."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from serving import PULSES, TABLE, Site, opened, serving

from skymist.app.models import quarantine
from skymist.app.models.quarantine import EVENT, NOTICE, Quarantine, guess, send
from skymist.client import Client, connect
from skymist.errors import RequestError

EVENT_TABLE = (TABLE.format(run=137840, event=1) + PULSES).encode()
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with opened(tmp_path) as settings, serving(settings) as found:
        yield found


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
    with connect(site.url, site.tokens["analyst"]) as found:
        yield found


def notice(**changes: object) -> bytes:
    usual = {"id": ["137840_1"], "trigger_time": "2026-03-04T05:06:07.123Z", "alert_type": "initial",
             "alert_datetime": "2026-03-04T05:07:00Z", "alert_tense": "current", "record_number": 0, "pipeline": "Gold",
             "ra": 10.0, "dec": -3.25}  # fmt: skip
    return json.dumps({**usual, **changes}).encode()


def test_messages_are_shown_with_why_they_cannot_be_read(client: Client) -> None:
    send(client, "first.json", b"{ <script>", NOTICE)
    send(client, "second.csv", b"#\n", EVENT)
    found = Quarantine(client)
    found.load()
    second, first = quarantine.rows(found.items, True)
    assert first["cells"]["source"] == [{"text": "analyst first.json"}]
    assert first["cells"]["size"] == [{"text": "10 bytes"}]
    assert "not JSON" in first["cells"]["reason"][0]["text"]
    assert second["cells"]["kind"] == [{"text": EVENT, "chip": EVENT}]
    assert not found.more
    assert {each["key"] for each in quarantine.COLUMNS} == set(first["cells"])


def test_the_bytes_can_be_had_as_they_came(client: Client) -> None:
    send(client, "first.json", b"{ <script>", NOTICE)
    found = Quarantine(client)
    found.load()
    (row,) = quarantine.rows(found.items, False)
    (file,) = row["cells"]["acts"]
    assert file["download"]
    assert file["href"] == f"/v1/inputs/{row['id']}/content"
    assert client.message(row["id"]) == b"{ <script>"


def test_what_can_be_read_at_last_leaves_the_list(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    send(client, "first.json", b"{", NOTICE)
    found = Quarantine(client)
    found.load()
    (item,) = found.items
    words, kind = found.retry(item["id"])
    assert (kind, "still cannot be read" in words) == ("warning", True)
    assert len(found.items) == 1
    monkeypatch.setattr("skymist.workflow.ingest.read_revisions", lambda *_: ())
    assert found.retry(item["id"]) == (f"message {item['id'][:12]} could be read now", "success")
    assert found.items == []


def test_a_message_that_came_often_says_so(client: Client) -> None:
    for _ in range(3):
        send(client, "first.json", b"{", NOTICE)
    found = Quarantine(client)
    found.load()
    (row,) = quarantine.rows(found.items, True, NOW)
    assert row["cells"]["source"][0]["text"].endswith("(came 3 times)")
    assert [each["text"] for each in row["cells"]["acts"]] == ["download", "Try again"]


def test_the_list_ends_somewhere_and_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MOST", 2)
    for number in range(3):
        send(client, f"{number}.json", b"{" * (number + 1), NOTICE)
    found = Quarantine(client)
    found.load()
    assert (len(found.items), found.more) == (2, True)


def test_a_viewer_cannot_see_the_list(site: Site) -> None:
    with (
        connect(site.url, site.tokens["viewer"]) as client,
        pytest.raises(RequestError, match="needs the role analyst"),
    ):
        Quarantine(client).load()


@pytest.mark.parametrize(("content", "kind"), [
    (notice(), NOTICE), (b"<?xml version='1.0'?><voe:VOEvent/>", NOTICE), (b"TITLE: GCN/AMON NOTICE\n", NOTICE),
    (b"[]", NOTICE), (EVENT_TABLE, EVENT), (b'{"value": {"data": {}}}', EVENT), (b"\x80\x04\x95", EVENT),
    (b"PK\x03\x04\x00", EVENT),
])  # fmt: skip
def test_what_a_file_is_can_be_guessed(content: bytes, kind: str) -> None:
    assert guess(content) == kind


@pytest.mark.parametrize("name", [
    "run00136766-evt000007637140-GOLD.pkl", "138632_31747601.json", "event_HESE_2017-11-28.json", "hese_event_01.json",
])  # fmt: skip
def test_real_events_are_taken_for_events(shared: Path, name: str) -> None:
    assert guess((shared / "events" / name).read_bytes()) == EVENT


@pytest.mark.parametrize(("tense", "world"), [("current", ""), ("test", "&role=test")])
def test_a_notice_that_is_sent_in_leads_to_its_alert(client: Client, tense: str, world: str) -> None:
    told = send(client, "n.json", notice(alert_tense=tense))
    assert (told["words"], told["severity"]) == ("n.json is a notice of", "success")
    assert told["links"] == [("IceCube-260304A", f"/alert?name=IceCube-260304A{world}")]


def test_an_event_that_is_sent_in_leads_to_its_alert(client: Client) -> None:
    told = send(client, "tëst 1.csv", EVENT_TABLE)
    assert (told["words"], told["severity"]) == ("tëst 1.csv is an event of", "success")
    assert len(told["links"]) == 1


def test_what_cannot_be_read_is_told_with_what_it_was_taken_for(client: Client) -> None:
    told = send(client, "n.json", b"{")
    assert told["severity"] == "warning"
    assert told["words"].startswith("n.json, taken for a notice: ")
    assert "kept in quarantine" in told["words"]


def test_an_empty_file_is_no_message(client: Client) -> None:
    assert send(client, "n.json", b"") == {
        "name": "n.json", "kind": NOTICE, "links": [], "words": "n.json is empty", "severity": "error",
    }  # fmt: skip


def test_a_viewer_cannot_send_anything(site: Site) -> None:
    with connect(site.url, site.tokens["viewer"]) as client:
        told = send(client, "n.json", notice())
    assert told["severity"] == "error"
    assert "needs the role analyst" in told["words"]


@pytest.mark.parametrize(("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.50 kB"), (5e12, "5000 GB")])
def test_sizes_have_units(count: int, text: str) -> None:
    assert quarantine.size(int(count)) == text
