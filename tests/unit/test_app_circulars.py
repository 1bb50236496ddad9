"""The list of circulars and notices, without a browser: filters, and what waits for whom."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Thread

import pytest
from desks import notice, take_notice
from serving import Site, opened, serving

import skymist
from skymist.app.models import marks
from skymist.app.models.circulars import Circulars, age, clock, moment
from skymist.client.service import Client
from skymist.model.alert import Tense
from skymist.records import tokens
from skymist.records.tokens import Access

PEOPLE = {"ana": Access.ANALYST, "bob": Access.APPROVER, "eve": Access.VIEWER}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("site")) as settings, serving(settings) as found:
        take_notice(found.database, notice(1), Tense.CURRENT)
        take_notice(found.database, notice(2, name="IceCube-260304B"), Tense.TEST)
        yield found


@pytest.fixture(scope="module")
def clients(site: Site) -> Iterator[dict[str, Client]]:
    found = {}
    for name, role in PEOPLE.items():
        with site.database.begin() as session:
            found[name] = skymist.connect(site.url, tokens.create(session, name, role, "test")[1])
    yield found
    for client in found.values():
        client.close()


@pytest.fixture(scope="module")
def made(clients: dict[str, Client]) -> dict[str, int]:
    """Texts in all states, by a word."""
    ana, bob = clients["ana"].circulars, clients["bob"].circulars
    found = {
        name: int(ana.draft("IceCube-260304A")["id"]) for name in ("draft", "of bob", "locked", "approved", "gone")
    }
    text = ana.show(found["of bob"])
    bob.edit(found["of bob"], 1, text["subject"], text["body"] + "Words of bob.\n")
    ana.lock(found["locked"])
    bob.approve(found["approved"], 1)
    ana.withdraw(found["gone"])
    found["notice"] = int(clients["ana"].notices.draft("IceCube-260304B", role="test")["id"])
    return found


def page(clients: dict[str, Client], who: str, **filters: str) -> Circulars:
    found = Circulars(clients[who], who, str(PEOPLE[who]), **filters)
    found.load()
    return found


def numbers(items: list[dict[str, object]]) -> set[object]:
    return {each["id"] for each in items}


def test_filters_show_what_they_say(clients: dict[str, Client], made: dict[str, int]) -> None:
    everything = page(clients, "eve")
    assert [each["id"] for each in everything.found] == sorted(made.values(), reverse=True)
    assert numbers(page(clients, "eve", kind="notice").found) == {made["notice"]}
    assert numbers(page(clients, "eve", state="withdrawn").found) == {made["gone"]}
    assert numbers(page(clients, "eve", world="test").found) == {made["notice"]}
    assert page(clients, "eve", kind="notice", world="observation").found == []
    assert page(clients, "eve", kind="poem").kind == "all"  # of an address that somebody has mistyped
    everything.state = "approved"
    everything.load()
    assert numbers(everything.found) == {made["approved"]}


def test_of_two_who_ask_at_once_one_waits() -> None:
    class Desk:
        """Where one asks, and takes a while to answer."""

        def __init__(self) -> None:
            self.inside, self.most = 0, 0

        def publications(self, _: str) -> "Desk":
            return self

        def find(self, **_: object) -> Iterator[dict[str, object]]:
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.01)
            self.inside -= 1
            yield {"created": "2026-03-04T05:06:07Z", "id": 1, "state": "draft", "locked_by": ""}

    desk = Desk()
    model, told = Circulars(desk, "ana", "analyst"), list[object]()  # type: ignore[arg-type]
    model.param.watch(told.append, "found")
    both = [Thread(target=model.load) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert desk.most == 1
    assert told


def test_what_waits_depends_on_who_looks(clients: dict[str, Client], made: dict[str, int]) -> None:
    ana, bob, eve = (page(clients, who, state="withdrawn") for who in PEOPLE)
    assert numbers(bob.to_approve) == {made["draft"], made["notice"]}  # not their own, none that is being edited
    assert numbers(bob.to_send) == {made["approved"]}
    assert (ana.to_approve, ana.to_send, eve.to_approve) == ([], [], [])
    assert numbers(ana.mine) == {made["locked"]}
    assert bob.mine == []
    assert numbers(bob.free) == {made["draft"], made["of bob"], made["notice"]}
    assert {each["edited_by"] for each in bob.free} == {"ana", "bob"}


def test_times_are_written_for_people() -> None:
    assert moment("2026-03-04T05:06:07Z") == "2026-03-04 05:06 UTC"
    assert (moment(None), clock(None)) == ("", "")
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    told = [age(text, now) for text in ("2026-03-04T11:59:30Z", "2026-03-04T11:30:00Z", "2026-03-02T10:00:00Z")]
    assert told == ["now", "30 min ago", "2 d ago"]


def test_facts_say_where_they_come_from() -> None:
    fact = {"name": "area_90", "value": 7.46, "source": "scan", "source_id": "1a2b3c4d5e6f7a8b",
            "detail": "scan 1a2b3c4d5e6f, bowl, calibration icecube-2016"}  # fmt: skip
    assert marks.value(fact) == "7.46 deg²"
    assert marks.source(fact) == "map of scan 1a2b3c4d5e6f: bowl, calibration icecube-2016"
    assert marks.link(fact, "A", "test") == "/scan?id=1a2b3c4d5e6f7a8b"
    told = {"name": "ra", "value": 1.0, "of": "NGC 1068", "source": "catalog", "source_id": "ab" * 32}
    assert (marks.label(told), marks.link(told, "A", "test")) == ("ra of NGC 1068", "")
    assert marks.link({**told, "source": "revision"}, "A", "test") == "/alert?name=A&role=test"
    assert marks.source({**told, "source": "person", "source_id": "ana"}) == "said by ana"
    assert marks.count([]) == "nothing wrong found"
