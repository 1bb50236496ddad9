"""The list of alerts as a page knows it, against the real API."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from serving import Site, opened, serving

from skymist.app.models import alert_rows, listing
from skymist.app.models.alerts import AlertList, key_of, moment_of, range_of
from skymist.app.models.counts import FILTERS, Counts
from skymist.app.visit import ANGLES
from skymist.client import Client, connect
from skymist.errors import RequestError
from skymist.records import log, publications, streams, tables
from skymist.records.tables import ScanState, now

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with opened(tmp_path) as settings, serving(settings) as found:
        yield found


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
    with connect(site.url, site.tokens["viewer"]) as found:
        yield found


def send(site: Site, run: int, **changes: object) -> str:
    """Send a notice in, and return how the list calls its alert."""
    usual = {"id": [f"{run}_1"], "trigger_time": f"2026-03-{run:02d}T05:06:07.123Z", "alert_type": "initial",
             "alert_datetime": "2026-03-28T05:07:00Z", "alert_tense": "current", "record_number": 0, "pipeline": "Gold",
             "ra": 10.0 * run, "dec": -3.25, "nu_energy": 100.0 * run, "p_astro": run / 30}  # fmt: skip
    answer = site.call("analyst", "POST", "/notices", content=json.dumps({**usual, **changes}).encode())
    assert answer.status_code == 201, answer.text
    return f"{run}_1"


def shown(alerts: AlertList) -> list[str]:
    return [key_of(each) for each in alerts.items]


def loaded(client: Client, **wanted: object) -> list[str]:
    alerts = AlertList(client, **wanted)
    alerts.load()
    return shown(alerts)


def test_what_is_shown_comes_back_from_its_address(client: Client) -> None:
    alerts = AlertList(client, words="IC26 03+&", stream="gold", role="test", state="running", needs=True, since="24 h",
                       retracted="no", energy="100:", cone="1,2,3", sort="-far", page=3, selected="1_2")  # fmt: skip
    again = AlertList(client).take(dict(parse_qsl(alerts.address().removeprefix("?"))))
    names = (*AlertList.FILTERS, *AlertList.PLACES)
    assert {name: getattr(again, name) for name in names} == {name: getattr(alerts, name) for name in names}
    assert again.address() == alerts.address()


def test_the_usual_list_has_a_plain_address(client: Client) -> None:
    assert AlertList(client).address() == ""
    assert not AlertList(client).narrowed()


def test_what_makes_no_sense_in_an_address_is_left_out(client: Client) -> None:
    alerts = AlertList(client).take({"stream": "lead", "page": "-1", "needs": "perhaps", "show": "x", "__class__": "x"})
    assert alerts.address() == ""
    assert len(AlertList(client).take({"words": "x" * 9999}).words) == 200


def test_clearing_keeps_only_what_is_said(client: Client) -> None:
    alerts = AlertList(client, words="x", page=4, selected="1_2")
    alerts.clear(needs=True)
    assert alerts.address() == "?needs=yes"


@pytest.mark.parametrize(("text", "expected"), [
    ("", None), ("2023-04-16", "2023-04-16T00:00:00Z"), (" 2023-04-16 05:22 ", "2023-04-16T05:22:00Z"),
    ("2023-04-16T05:22:26+02:00", "2023-04-16T03:22:26Z"), ("24 h", "2026-03-04T12:00:00Z"),
    ("7d", "2026-02-26T12:00:00Z"), ("30 min", "2026-03-05T11:30:00Z"),
])  # fmt: skip
def test_times_may_be_days_moments_or_how_long_ago(text: str, expected: str | None) -> None:
    assert moment_of("since", text, NOW) == expected


@pytest.mark.parametrize("text", ["soon", "24", "2023-13-01", "-1 d", "99999999999 d"])
def test_what_is_no_time_is_named_with_its_field(text: str) -> None:
    with pytest.raises(RequestError, match=r"until: .* is no time; write 2023-04-16"):
        moment_of("until", text, NOW)


@pytest.mark.parametrize(("text", "least", "most"), [
    ("", None, None), ("100", "100:", ":100"), (" 1e2 : 5 ", "1e2:5", "1e2:5"), (":5", ":5", ":5"), ("5:", "5:", "5:"),
])  # fmt: skip
def test_a_number_alone_is_the_least_or_the_most(text: str, least: str | None, most: str | None) -> None:
    assert (range_of("energy", text), range_of("far", text, most=True)) == (least, most)


@pytest.mark.parametrize("text", [":", "many", "1:2:3", "> 5"])
def test_what_is_no_range_is_named_with_its_field(text: str) -> None:
    with pytest.raises(RequestError, match=r"energy: .* is no range; write 100, 100:500"):
        range_of("energy", text)


def test_the_service_looks_for_what_was_asked(site: Site, client: Client) -> None:
    send(site, 1)
    send(site, 2, pipeline="Bronze", event_name=["IceCube-260302Q"])
    send(site, 3, alert_tense="test")
    send(site, 4)
    send(site, 4, alert_type="retraction", record_number=1)
    assert loaded(client) == ["4_1", "2_1", "1_1"]
    assert loaded(client, sort="time") == ["1_1", "2_1", "4_1"]
    assert loaded(client, stream="bronze") == loaded(client, words="02q") == loaded(client, words="2_1") == ["2_1"]
    assert loaded(client, role="test") == ["3_1"]
    assert loaded(client, retracted="yes") == ["4_1"]
    assert loaded(client, retracted="no", since="2026-03-02") == ["2_1"]
    assert loaded(client, until="2026-03-02") == loaded(client, cone="10, -3.25, 1") == ["1_1"]
    assert (
        loaded(client, energy="300") == loaded(client, energy="350:450") == loaded(client, signalness="0.1") == ["4_1"]
    )
    assert loaded(client, needs=True) == loaded(client, state="running") == []


def test_nonsense_is_refused_in_words(client: Client) -> None:
    for wrong in ({"cone": "here"}, {"energy": "much"}, {"since": "yesterday"}, {"sort": "beauty"}):
        alerts = AlertList(client, **wrong)
        alerts.load()
        assert re.search(r"here|much|yesterday|beauty", alerts.trouble)


def test_what_was_refused_is_not_asked_again_until_it_is_another_thing(site: Site, client: Client) -> None:
    alerts = AlertList(client, cone="here")
    alerts.load()
    assert alerts.trouble.startswith("cone")
    send(site, 1)
    assert not alerts.look()
    alerts.cone = ""
    alerts.load()
    assert (shown(alerts), alerts.trouble) == (["1_1"], "")
    assert alerts.look()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    monkeypatch.setattr(listing, "_MOST_AT_ONCE", 4)


@pytest.mark.usefixtures("small")
def test_pages_follow_each_other_in_both_directions(site: Site, client: Client) -> None:
    for run in range(1, 8):
        send(site, run)
    alerts, found = AlertList(client), []
    for page in (1, 2, 3, 4, 3, 1):
        alerts.page = page
        alerts.load()
        found.append((shown(alerts), alerts.more))
    assert found == [
        (["7_1", "6_1"], True), (["5_1", "4_1"], True), (["3_1", "2_1"], True), (["1_1"], False),
        (["3_1", "2_1"], True), (["7_1", "6_1"], True),
    ]  # fmt: skip


@pytest.mark.usefixtures("small")
def test_an_address_leads_to_any_page_and_no_further_than_the_last(site: Site, client: Client) -> None:
    for run in range(1, 8):
        send(site, run)
    assert loaded(client, page=4) == ["1_1"]
    assert loaded(client, page=4, sort="time") == ["7_1"]
    alerts = AlertList(client, page=9)
    alerts.load()
    assert (shown(alerts), alerts.more) == (["1_1"], False)
    assert alerts.page == 4


def test_a_page_that_is_turned_while_the_service_is_asked_stays_turned(site: Site, client: Client) -> None:
    for run in range(1, 4):
        send(site, run)
    alerts = AlertList(client)
    ask = alerts._part

    def turned(**query: object) -> dict[str, object]:
        alerts.page = 2
        return ask(**query)

    alerts._part = turned  # type: ignore[method-assign]
    alerts.load()
    assert alerts.page == 2


def test_what_comes_in_is_seen_and_what_was_there_is_not_new(site: Site, client: Client) -> None:
    send(site, 1)
    alerts = AlertList(client)
    alerts.load()
    assert alerts.fresh == []
    alerts.look()
    assert not alerts.look()
    new = send(site, 2)
    assert alerts.look()
    assert (shown(alerts), alerts.fresh) == ([new, "1_1"], [new])
    send(site, 2, alert_type="update", record_number=1, ra=21.0)
    assert alerts.look()
    assert (alerts.items[0]["ra"], alerts.fresh) == (21.0, [])
    assert not alerts.look()


@pytest.mark.usefixtures("small")
def test_a_page_stays_where_it_is_when_something_comes_in(site: Site, client: Client) -> None:
    for run in range(1, 6):
        send(site, run)
    alerts = AlertList(client, page=2, selected="2_1")
    alerts.load()
    send(site, 6)
    assert alerts.look()
    assert (shown(alerts), alerts.fresh, alerts.page, alerts.selected) == (["3_1", "2_1"], [], 2, "2_1")


def test_a_scan_that_runs_is_looked_at_whenever_its_cells_come_in(site: Site, client: Client) -> None:
    scan = site.scan(site.event())["id"]

    def move(state: ScanState, done: int) -> None:
        with site.database.begin() as session:
            found = session.get_one(tables.Scan, scan)
            found.progress, found.moved, found.state = {"done": done, "total": 8}, now(), state

    move(ScanState.RUNNING, 2)
    alerts = AlertList(client)
    alerts.load()
    alerts.look()
    assert not alerts.look()
    move(ScanState.RUNNING, 4)
    assert alerts.look()
    assert alert_rows.rows(alerts.items, "deg")[0]["cells"]["scan"][0]["text"] == "running 50%"
    move(ScanState.COMPLETE, 8)
    with site.database.begin() as session:
        log.note(session, "runner", "complete", "scan", scan)
    assert alerts.look()
    item = alerts.items[0]
    assert (item["map"]["ra"], item["map"]["dec"]) == (None, None)  # it was only said to be complete
    cells = alert_rows.rows(alerts.items, "deg")[0]["cells"]
    assert (cells["scan"][0]["text"], cells["map"][0]) == (
        "complete", {"text": "bowl", "title": f"map of scan {scan[:12]}", "href": f"/scan?id={scan}"},
    )  # fmt: skip


def texts(row: dict[str, object], name: str) -> list[str]:
    return [each["text"] for each in row["cells"][name]]  # type: ignore[index]


def only_row(client: Client, frame: str = "deg", **wanted: object) -> dict[str, object]:
    alerts = AlertList(client, **wanted)
    alerts.load()
    (row,) = alert_rows.rows(alerts.items, frame, now=NOW)
    return row


def test_a_row_says_what_is_known_with_a_dash_for_the_rest(site: Site, client: Client) -> None:
    send(site, 4)
    row = only_row(client)
    assert {name: texts(row, name) for name in row["cells"]} == {  # type: ignore[attr-defined]
        "name": ["IceCube-260304A"], "stream": ["gold"], "time": ["2026-03-04 05:06:07"], "age": ["1 d"],
        "position": ["40.00° −3.25°"], "radius": ["–"], "energy": ["400"], "signalness": ["0.13"], "far": ["–"],
        "scan": ["–"], "map": ["–"], "circular": ["–"], "needs": [],
    }  # fmt: skip
    assert (row["href"], row["id"]) == ("/alert?name=IceCube-260304A", "4_1")


def test_each_cell_has_its_column(client: Client) -> None:
    keys = {each["key"] for each in alert_rows.columns("deg")}
    assert keys == set(alert_rows._row(_ITEM, "deg", False, NOW)["cells"])
    hosts = {each.get("under") for each in alert_rows.columns("deg")} - {None}
    assert hosts <= keys


_ITEM = {
    "name": "IceCube-260305B", "role": "observation", "run": 5, "event": 1, "time": "2026-03-05T11:50:00.000000000Z",
    "stream": "gold", "retracted": False, "ra": 10.0, "dec": 1.0, "radius_90": 0.5, "energy_tev": 120.0,
    "signalness": 0.5, "far_per_year": 0.4, "public": None, "created": "2026-03-05T11:51:00Z", "tense": "current",
    "revision_count": 1, "scan": None, "map": None, "circular": None, "needs": [],
}  # fmt: skip


@pytest.mark.parametrize(("changes", "chips"), [
    ({}, ["new"]), ({"retracted": True}, ["retracted", "new"]), ({"tense": "archival"}, ["archival", "new"]),
    ({"role": "test", "tense": "test"}, ["test", "new"]),
    ({"role": "test", "tense": "injection"}, ["injection", "new"]),
    ({"role": "prediction", "tense": "planned"}, ["planned", "new"]), ({"created": "2026-03-05T11:00:00Z"}, []),
    ({"time": "2022-03-05T11:50:00.000000000Z"}, []),
])  # fmt: skip
def test_nothing_that_only_looks_like_a_new_alert_is_shown_as_one(changes: dict[str, object], chips: list[str]) -> None:
    (row,) = alert_rows.rows([{**_ITEM, **changes}], "deg", now=NOW)
    name, *others = row["cells"]["name"]
    assert [each["text"] for each in others] == chips
    assert name["strike"] == row["faint"] == bool(changes.get("retracted"))


def test_tests_lead_to_the_world_of_tests() -> None:
    assert alert_rows.path_of({**_ITEM, "role": "test"}) == "/alert?name=IceCube-260305B&role=test"


@pytest.mark.parametrize(("need", "more", "href"), [
    ("approve circular", {"circular": {"id": 7, "state": "draft"}}, "/circular?id=7"),
    ("send notice", {}, "/circulars"),
    ("scan failed", {"scan": {"id": "ab" * 32, "state": "failed", "reconstruction": "bowl", "share": None}},
     f"/scan?id={'ab' * 32}"),
    ("scan failed", {"scan": {"id": "ab" * 32, "state": "complete", "reconstruction": "bowl", "share": 1.0}},
     "/alert?name=IceCube-260305B"),
])  # fmt: skip
def test_a_need_leads_to_where_it_is_met(need: str, more: dict[str, object], href: str) -> None:
    (row,) = alert_rows.rows([{**_ITEM, "needs": [need], **more}], "deg", now=NOW)
    assert [(each["text"], each["href"]) for each in row["cells"]["needs"]] == [(need, href)]


@pytest.mark.parametrize("frame", ANGLES)
def test_positions_and_their_head_are_in_the_frame_of_the_person(frame: str) -> None:
    (row,) = alert_rows.rows([_ITEM], frame, now=NOW)
    text = row["cells"]["position"][0]["text"]
    assert {"deg": "10.00° +1.00°", "hms": "00h40m00.0s +01°00′00″"}.get(frame, text) == text
    head = next(each for each in alert_rows.columns(frame) if each["key"] == "position")
    assert ("sort" in head) == (frame in ("deg", "hms"))


def test_without_a_notice_the_best_fit_of_the_map_stands_in_and_says_so() -> None:
    scan = {"id": "ab" * 32, "state": "complete", "reconstruction": "bowl", "share": 1.0, "ra": 138.5, "dec": -1.0}
    untold = {**_ITEM, "ra": None, "dec": None}
    cells = [alert_rows.rows([{**item, "map": scan}], "deg", now=NOW)[0]["cells"]["position"][0]
             for item in (_ITEM, untold)]  # fmt: skip
    assert [each["text"] for each in cells] == ["10.00° +1.00°", "138.50° −1.00° (our map)"]
    assert cells[1]["title"] == "no notice has come; this is the best fit of scan abababababab with bowl"
    assert alert_rows.rows([untold], "deg", now=NOW)[0]["cells"]["position"] == [{"text": "–"}]


def test_a_new_row_is_marked_and_no_other() -> None:
    other = {**_ITEM, "event": 2}
    assert [each["fresh"] for each in alert_rows.rows([_ITEM, other], "deg", ["5_2"], NOW)] == [False, True]


def test_counts_say_in_words_what_there_is_to_do(site: Site, client: Client) -> None:
    counts = Counts(client)
    assert counts.items({}) == []
    counts.load()
    assert [each["text"] for each in counts.items({})] == [
        "no alerts in the last 24 h", "no scans running", "no alerts need a decision", "no stream is listened to",
    ]  # fmt: skip
    send(site, 1, trigger_time=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    site.scan(site.event())
    site.call("analyst", "POST", "/notices", content=b"{")
    with site.database.begin() as session:
        alert = session.query(tables.Alert).filter_by(run=1).one()
        draft = tables.Publication(kind="circular", template="initial", alert_id=alert.id, role=alert.role)
        publications.create(session, draft, tables.Text(subject="S", body="B", made="B", facts=[]), "skymist")
        streams.report(session, "gcn", "silent")
        streams.report(session, "folder", "listening")
    counts.load()
    items = counts.items({"needs": True})
    assert [(each["text"], each.get("kind", "")) for each in items] == [
        ("1 alert in the last 24 h", ""), ("no scans running", ""), ("1 queued", ""),
        ("1 alert needs a decision", "need"), ("1 message could not be read", "bad"), ("1 stream listening", ""),
        ("stream gcn is silent", "bad"),
    ]  # fmt: skip
    assert [each["key"] for each in items if each.get("current")] == ["needs"]


def test_each_count_leads_to_as_many_alerts(site: Site, client: Client) -> None:
    send(site, 1, trigger_time=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    send(site, 2)
    site.scan(site.event())
    counts, alerts = Counts(client), AlertList(client)
    counts.load()
    for item in counts.items({}):
        if item["key"] in FILTERS:
            alerts.clear(**FILTERS[item["key"]])
            alerts.load()
            assert item["text"].split()[0].replace("no", "0") == str(len(alerts.items)), item
            assert dict(parse_qsl(item["href"].partition("?")[2])) == dict(parse_qsl(alerts.address()[1:]))
