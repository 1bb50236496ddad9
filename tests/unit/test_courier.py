"""The courier: what people approved goes out once, whatever fails or dies; nothing else goes out."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import gcn
import httpx
import pytest
from desks import notice, take_notice
from dying_courier import STEPS

from skymist.circulars.send import Gcn, GcnSettings, content_of, digest, email_text, web_link
from skymist.errors import RequestError, SendError
from skymist.model.alert import Tense
from skymist.records import Database, log, publications
from skymist.records.publications import CIRCULAR
from skymist.workflow.courier import Courier
from skymist.workflow.desk import Desk


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(str(tmp_path / "records.sqlite"))) as found:
        found.upgrade()
        yield found


@pytest.fixture
def service() -> Iterator[gcn.Gcn]:
    with gcn.running() as found:
        yield found


@pytest.fixture
def channel(service: gcn.Gcn) -> Iterator[Gcn]:
    with closing(Gcn(GcnSettings(**service.settings(), settle_s=0.2))) as found:
        yield found


def confirmed(database: Database, event: int = 1, tense: Tense = Tense.TEST) -> int:
    """A circular of a test that is approved and confirmed."""
    desk = Desk(database)
    alert = take_notice(database, replace(notice(event=event), name=""), tense)
    number = desk.draft(CIRCULAR, alert, "shifter")["id"]
    desk.approve(CIRCULAR, number, 1, "approver")
    desk.send(CIRCULAR, number, desk.preview(CIRCULAR, number)["sha256"], "approver")
    return int(number)


def deliver(courier: Courier) -> None:
    """Go on until there is nothing more to send."""
    courier.again_s = 0.05
    until = time.monotonic() + 30
    while _waiting(courier.database):
        courier.deliver()
        time.sleep(0.02)
        assert time.monotonic() < until


def _waiting(database: Database) -> bool:
    with database.read() as session:
        return any(each["state"] == "sending" for each in _all(session))


def _all(session) -> list[dict[str, object]]:
    from sqlalchemy import select

    from skymist.records.tables import Publication
    from skymist.workflow.desk import document

    return [document(each) for each in session.scalars(select(Publication).order_by(Publication.id))]


def one(database: Database, number: int) -> dict[str, object]:
    with database.read() as session:
        return next(each for each in _all(session) if each["id"] == number)


def test_what_is_confirmed_arrives_as_it_was_shown(database: Database, service: gcn.Gcn, channel: Gcn) -> None:
    number = confirmed(database)
    preview = Desk(database).preview(CIRCULAR, number)
    deliver(Courier(database, {CIRCULAR: channel}))
    (circular,) = service.circulars
    assert content_of(circular["subject"], circular["body"]).decode() == preview["content"]
    told = one(database, number)
    assert (told["state"], told["number"], told["channel"], told["sender"]) == ("sent", "40000", "gcn", "approver")
    with database.read() as session:
        actions = [each.action for each in log.entries(session, CIRCULAR, number)]
    assert actions == ["drafted", "approved", "sending", "sending", "sent"]


TROUBLES = ("500", "503", "lost", "dropped", "429")


@pytest.mark.parametrize("trouble", [[each] * times for each in TROUBLES for times in (1, 3)], ids="-".join)
def test_whatever_the_service_does_each_circular_arrives_once(
    database: Database, service: gcn.Gcn, channel: Gcn, trouble: list[str]
) -> None:
    numbers = [confirmed(database, event) for event in (1, 2)]
    service.trouble, service.indexing_s = list(trouble), 0.1
    deliver(Courier(database, {CIRCULAR: channel}))
    assert sorted(each["subject"][:16] for each in service.circulars) == ["IceCube-260304A ", "IceCube-260304B "]
    assert {str(one(database, each)["number"]) for each in numbers} == {"40000", "40001"}


def test_a_service_that_is_away_is_waited_for(database: Database, channel: Gcn, service: gcn.Gcn) -> None:
    number = confirmed(database)
    away = Gcn(replace(channel.settings, url="http://127.0.0.1:9", token_url="http://127.0.0.1:9/t"))
    courier = Courier(database, {CIRCULAR: away})
    assert courier.deliver()
    assert "cannot be reached" in str(one(database, number)["error"])
    assert not courier.deliver()  # not again at once
    deliver(Courier(database, {CIRCULAR: channel}))
    assert len(service.circulars) == 1
    away.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client_secret": "wrong"}, "gives no token: 400"),
        ({"scope": "openid"}, "does not take it: 403 Invalid scope"),
    ],
)
def test_what_is_refused_is_approved_still_and_tells_why(
    database: Database, service: gcn.Gcn, channel: Gcn, change: dict[str, str], words: str
) -> None:
    service.scope = change.get("scope", service.scope)
    settings = {key: value for key, value in change.items() if key != "scope"}
    number = confirmed(database)
    with closing(Gcn(replace(channel.settings, **settings))) as other:
        assert Courier(database, {CIRCULAR: other}).deliver()
    told = one(database, number)
    assert told["state"] == "approved"
    assert words in str(told["error"])
    assert service.circulars == []
    service.scope = f"openid {gcn.SCOPE}"
    desk = Desk(database)
    desk.send(CIRCULAR, number, desk.preview(CIRCULAR, number)["sha256"], "approver")
    deliver(Courier(database, {CIRCULAR: channel}))
    assert len(service.circulars) == 1


def test_the_real_sky_and_tests_do_not_meet(database: Database, service: gcn.Gcn, channel: Gcn) -> None:
    real, test = confirmed(database, 1, Tense.CURRENT), confirmed(database, 2)
    deliver(Courier(database, {CIRCULAR: channel}))
    assert len(service.circulars) == 1
    assert "only tests may go out from here" in str(one(database, real)["error"])
    assert one(database, test)["state"] == "sent"
    desk = Desk(database)
    desk.send(CIRCULAR, real, desk.preview(CIRCULAR, real)["sha256"], "approver")
    other = confirmed(database, 3)
    deliver(Courier(database, {CIRCULAR: channel}, real=True))
    assert one(database, real)["state"] == "sent"
    assert "only the real sky may go out" in str(one(database, other)["error"])


def test_other_bytes_than_those_confirmed_do_not_go_out(
    database: Database, service: gcn.Gcn, channel: Gcn, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = confirmed(database)
    monkeypatch.setattr(channel, "content", lambda subject, body: content_of(subject, body + "More."))
    Courier(database, {CIRCULAR: channel}).deliver()
    assert one(database, number)["error"] == "it is not what was confirmed"
    assert service.circulars == []


@pytest.mark.parametrize("step", STEPS)
def test_a_sender_killed_at_any_step_sends_each_circular_once(
    database: Database, service: gcn.Gcn, channel: Gcn, step: str
) -> None:
    number = confirmed(database)
    service.indexing_s = 0.1
    script = Path(__file__).parents[1] / "dying_courier.py"
    settings = json.dumps({**service.settings(), "settle_s": 0.2})
    died = subprocess.run([sys.executable, script, database.url, settings, step], timeout=60)
    assert died.returncode == -9
    deliver(Courier(database, {CIRCULAR: channel}))
    assert len(service.circulars) == 1
    told = one(database, number)
    assert (told["state"], told["number"]) == ("sent", "40000")


def test_several_couriers_share_the_work(database: Database, service: gcn.Gcn) -> None:
    numbers = [confirmed(database, event) for event in range(1, 9)]
    stop, threads = threading.Event(), []
    channels = [Gcn(GcnSettings(**service.settings(), settle_s=0.2)) for _ in range(3)]
    for each in channels:
        courier = Courier(database, {CIRCULAR: each}, again_s=0.05)
        courier.owner += f":{len(threads)}"
        threads.append(threading.Thread(target=courier.run, args=(stop,)))
    for thread in threads:
        thread.start()
    until = time.monotonic() + 30
    while _waiting(database) and time.monotonic() < until:
        time.sleep(0.05)
    stop.set()
    for thread, each in zip(threads, channels, strict=True):
        thread.join()
        each.close()
    assert {str(one(database, each)["number"]) for each in numbers} == {str(40000 + each) for each in range(8)}
    assert len(service.circulars) == 8


def test_the_stand_in_refuses_what_gcn_refuses(service: gcn.Gcn) -> None:
    url = f"{service.url}/api/circulars"
    good, let_in = {"subject": "IceCube-230416A - x", "body": "x"}, {"Authorization": "Bearer acc3ss"}
    for body, headers, status in (
        (good, {}, 403), (good, {"Authorization": "Bearer x"}, 403), ({**good, "body": ""}, let_in, 400),
        ({**good, "subject": "Something"}, let_in, 400), ({**good, "subject": "Re: IceCube"}, let_in, 400),
        ({"subject": 5}, let_in, 400),
    ):  # fmt: skip
        assert httpx.post(url, json=body, headers=headers, trust_env=False).status_code == status
    assert service.circulars == []


def test_ways_to_send_by_hand() -> None:
    link = web_link("IceCube-230416A - x", "RA: 1.0 deg\n+2 & more\n")
    assert link == (
        "https://gcn.nasa.gov/circulars/new?subject=IceCube-230416A%20-%20x&body=RA%3A%201.0%20deg%0A%2B2%20%26%20more%0A"
    )
    mail = email_text("IceCube-230416A - x", "Words " * 100 + "\n")
    assert mail.startswith("To: circulars@gcn.nasa.gov\nSubject: IceCube-230416A - x\n")
    assert "Words " * 100 in mail  # lines are not broken
    assert digest(content_of("a", "b")) == digest(content_of("a", "b"))


def test_settings_that_make_no_sense() -> None:
    good = {"token_url": "https://a/t", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    for change, words in (
        ({"client_id": ""}, "need the setting client_id"), ({"url": "http://gcn.nasa.gov"}, "secrets go by https"),
        ({"token_url": "ftp://a"}, "secrets go by https"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=words):
            GcnSettings(**{**good, **change})
    assert "client_secret" not in repr(GcnSettings(**good))


def test_an_archive_that_cannot_be_read_leaves_it_open(database: Database, service: gcn.Gcn, channel: Gcn) -> None:
    number = confirmed(database)
    service.trouble = ["lost"]
    courier = Courier(database, {CIRCULAR: channel}, again_s=0.0)
    courier.deliver()
    away = Gcn(replace(channel.settings, url="http://127.0.0.1:9", settle_s=0.0))
    with pytest.raises(SendError, match=r"archive of 127\.0\.0\.1:9 cannot be read"):
        away.find(b'{"subject": "a", "body": "b"}', publications.now())
    Courier(database, {CIRCULAR: away}).deliver()
    assert one(database, number)["state"] == "sending"
    deliver(Courier(database, {CIRCULAR: channel}))
    assert len(service.circulars) == 1
    away.close()
