"""The page of a circular, without a browser: two or three people at the real API, from the draft to what was sent."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import gcn
import pytest
from desks import notice, take_notice
from serving import Site, opened, serving

import skymist
from skymist.app.models import compare
from skymist.app.models.circular import Circular, archived, line_count
from skymist.circulars.send import Gcn, GcnSettings
from skymist.client.service import Client
from skymist.errors import ConflictError, RequestError
from skymist.model.alert import Tense
from skymist.records import tokens
from skymist.records.publications import CIRCULAR
from skymist.records.tokens import Access
from skymist.workflow.courier import Courier
from skymist.workflow.outgoing import desk_settings

NAME = "IceCube-260304A"
PEOPLE = {"ana": Access.ANALYST, "bob": Access.APPROVER, "eve": Access.VIEWER}


class Desk:
    """A service with an alert, and pages of several people."""

    def __init__(self, site: Site, stack: ExitStack) -> None:
        self.site = site
        self.said: list[str] = []
        self._clients: dict[str, Client] = {}
        for name, role in PEOPLE.items():
            with site.database.begin() as session:
                secret = tokens.create(session, name, role, "test")[1]
            self._clients[name] = stack.enter_context(skymist.connect(site.url, secret))

    def draft(self, by: str = "ana", **more: Any) -> int:
        return int(self._clients[by].circulars.draft(NAME, role="test", **more)["id"])

    def open(self, who: str, number: int, **given: Any) -> "Page":
        """A page that was opened; nothing of an earlier one is in it."""
        page = Page(
            self._clients[who], number, who, str(PEOPLE[who]), lambda text, kind: self.said.append(text), **given
        )
        page.load()
        return page


class Page(Circular):
    """With what an editor in a browser sends."""

    edits = 0

    def _sent(self, subject: str | None, body: str | None) -> dict[str, Any]:
        now = self.subject_and_body
        self.edits += 1
        words = {"subject": now[0] if subject is None else subject, "body": now[1] if body is None else body}
        return {"load": self.text["load"], "edit": self.edits, "base": self.text["base"], **words}

    def write(self, body: str | None = None, subject: str | None = None) -> None:
        self.type(self._sent(subject, body))

    def store(self, note: str = "") -> None:
        self.save(self._sent(None, None), note)

    @property
    def body(self) -> str:
        return self.subject_and_body[1]

    def marked(self, kind: str = "findings") -> list[str]:
        return [self.body[each["start"] : each["end"]] for each in self.marks[kind] if each["start"] is not None]


@pytest.fixture(scope="module")
def service() -> Iterator[gcn.Gcn]:
    with gcn.running() as found:
        yield found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, service: gcn.Gcn) -> Iterator[Desk]:
    settings = desk_settings({"gcn": service.settings()})
    with opened(tmp_path_factory.mktemp("site"), desk=settings) as site_settings, serving(site_settings) as site:
        take_notice(site.database, notice(), Tense.TEST)
        with ExitStack() as stack:
            yield Desk(site, stack)


def test_from_the_draft_to_what_was_sent(desk: Desk, service: gcn.Gcn) -> None:
    number = desk.draft()
    ana, bob = desk.open("ana", number), desk.open("bob", number)
    ana.write(ana.body.replace("0.83", "0.38"))
    assert ana.marked() == ["0.38"]
    assert (ana.condition["kind"], ana.document["locked_by"]) == ("kept", "ana")
    bob.poll()
    assert (bob.document["locked_by"], bob.body) == ("ana", ana.text["body"])
    ana.store("a number")
    assert ana.condition["words"] == "as saved: revision 2"
    assert (ana.condition["kind"], ana.is_dirty, ana.document["head"]) == ("saved", False, 2)
    bob.poll()
    assert "0.38" in bob.body
    assert bob.marked() == ["0.38"]
    assert bob.hindrances()["approve"] == "it has 1 error"
    assert ana.hindrances()["approve"] == "this needs the role approver; you are analyst"
    ana.write(ana.body.replace("0.38", "0.83"))
    ana.store()
    bob.poll()
    assert bob.hindrances()["approve"] == ""
    assert bob.hindrances()["send"] == "it is draft"
    bob.comment("Good.")
    bob.approve()
    ana.poll()
    assert (ana.document["state"], ana.document["comments"][0]["who"]) == ("approved", "bob")
    assert bob.hindrances()["send"] == ""
    assert bob.preview["stand_in"]
    with pytest.raises(RequestError, match=f"type the name of the alert, {NAME}"):
        bob.send("IceCube-260304B")
    bob.send(f" {NAME} ")
    assert bob.document["state"] == "sending"
    with closing(Gcn(GcnSettings(**service.settings(), settle_s=0.2))) as channel:
        assert Courier(desk.site.database, {CIRCULAR: channel}).deliver()
    ana.poll()
    assert (ana.document["state"], ana.document["number"]) == ("sent", "40000")
    assert not ana.editable
    assert service.circulars[0]["body"] == ana.body
    assert "NUMBER:  40000" in archived(*ana.subject_and_body, ana.document["number"], ana.document["sent"])
    assert {*ana.hindrances().values()} == {"it is sent", "this needs the role approver; you are analyst", ""}


def test_nobody_approves_their_own_text(desk: Desk) -> None:
    bob = desk.open("bob", desk.draft())
    bob.write(bob.body + "A word of bob.\n")
    assert "not saved" in bob.hindrances()["approve"]
    bob.store()
    assert bob.hindrances()["approve"] == "you were the last to edit it: somebody else has to approve it"
    with pytest.raises(ConflictError, match="bob was the last to edit"):
        bob.approve()
    assert bob.document["state"] == "draft"


def test_two_who_edit_at_once_lose_nothing(desk: Desk) -> None:
    number = desk.draft()
    ana, bob = desk.open("ana", number), desk.open("bob", number)
    bob.write(bob.body + "Of bob.\n")
    ana.write(ana.body + "Of ana.\n")
    assert ana.document["locked_by"] == "bob"
    bob.store()
    ana.poll()
    assert desk.said[-1] == "bob has saved revision 2: yours will be put together with it."
    assert "Of bob" not in ana.body  # what is typed is not moved away
    ana.store()
    assert (ana.aside["revision"], ana.aside["conflicts"]) == (3, 1)
    assert "Of ana." in ana.body
    assert "Of bob." in ana.body
    assert "<<<<<<< " in ana.marked()
    assert (ana.text["base"], ana.condition["kind"]) == (2, "kept")
    bob.unlock()
    ana.write(ana.text["body"].partition("<<<<<<<")[0] + "Of bob. Of ana.\n")
    assert ana.marked() == []
    ana.store()
    assert (ana.document["head"], ana.aside, ana.is_dirty) == (4, {}, False)
    bob.poll()
    assert bob.body.endswith("Of bob. Of ana.\n")


def test_what_others_have_saved_is_followed_whatever_one_does(desk: Desk) -> None:
    number = desk.draft()
    ana, bob = desk.open("ana", number), desk.open("bob", number)
    ana.write(ana.body + "Of ana.\n")
    ana.store()
    ana.poll()
    assert (ana.preview["revision"], "Of ana." in ana.preview["content"]) == (2, True)
    bob.comment("I have not seen it yet.")
    assert "Of ana." not in bob.body
    bob.poll()
    assert (bob.body, bob.text["how"]) == (ana.body, "follow")
    assert bob.preview["sha256"] == ana.preview["sha256"]
    before = bob.text
    bob.poll()
    assert bob.text is before


def test_a_lock_of_somebody_else_keeps_a_text_aside_and_is_broken_by_force(desk: Desk) -> None:
    number = desk.draft()
    ana, bob = desk.open("ana", number), desk.open("bob", number)
    ana.lock()
    bob.write(bob.body + "Of bob.\n")
    assert bob.document["locked_by"] == "ana"
    bob.store()
    assert bob.aside["reason"] == "it is being edited by ana"
    assert bob.body.endswith("Of bob.\n")
    with pytest.raises(ConflictError, match="is being edited by ana"):
        bob.unlock()
    bob.unlock(by_force=True)
    bob.store()
    assert (bob.document["head"], bob.is_dirty) == (3, False)


def test_a_text_comes_back_after_a_death(desk: Desk) -> None:
    number = desk.draft()
    ana = desk.open("ana", number)
    body = "Half a sentence. " + ana.body.replace("0.83", "0.38")
    ana.write(body, "a new subject")
    del ana
    bob = desk.open("bob", number)
    assert "Half a sentence" not in bob.body
    assert bob.restored == ""
    again = desk.open("ana", number)
    assert again.subject_and_body == ("a new subject", body)
    assert again.restored.endswith(" UTC")
    assert (again.is_dirty, again.condition["kind"]) == (True, "kept")
    assert again.marked() == ["0.38"]
    again.discard()
    assert (again.restored, again.is_dirty, again.document["locked_by"]) == ("", False, "")
    assert "Half a sentence" not in desk.open("ana", number).body


def test_two_windows_of_one_person_do_not_overwrite_each_other(desk: Desk) -> None:
    number = desk.draft()
    one, other = desk.open("ana", number), desk.open("ana", number)
    one.write(one.body + "In the first window.\n")
    other.write(other.body + "In the second window.\n")
    assert other.condition["kind"] == "rival"
    assert "ana has typed in circular" in other.condition["words"]
    other.store()
    assert other.document["head"] == 1  # nothing is saved before somebody decides
    other.keep_mine()
    assert other.condition["kind"] == "kept"
    one.write(one.body + "More.\n")
    assert one.condition["kind"] == "rival"
    one.take_other()
    assert one.body.endswith("In the second window.\n")
    one.store()
    assert one.document["head"] == 2
    other.poll()
    assert other.body == one.body


def test_marks_are_where_the_words_are(desk: Desk) -> None:
    ana = desk.open("ana", desk.draft())
    facts = {each["label"]: ana.body[each["start"] : each["end"]] for each in ana.marks["facts"]}
    assert (facts["ra"], facts["far_per_year"]) == ("40.10", "0.83")
    about = next(each for each in ana.marks["facts"] if each["label"] == "energy_tev")
    assert (about["value"], about["source"][:9]) == ("210.5 TeV", "revision ")
    ana.write("One more line.\n\n" + ana.body.replace("0.83", "0.38").replace("210.5", "21.05"))
    assert ana.marked() == ["21.05 TeV", "0.38"] or sorted(ana.marked()) == ["0.38", "21.05"]
    moved = {each["label"]: ana.body[each["start"] : each["end"]] for each in ana.marks["facts"]}
    assert moved == {name: words for name, words in facts.items() if name not in ("far_per_year", "energy_tev")}
    assert (ana.marks["load"], ana.marks["edit"]) == (ana.text["load"], ana.edits)
    ana.write(ana.text["body"])
    assert (ana.marked(), ana.condition["kind"], ana.is_dirty) == ([], "saved", False)
    assert ana.hindrances()["redraft"] == ""


def test_what_comes_late_or_twice_changes_nothing(desk: Desk) -> None:
    ana = desk.open("ana", desk.draft())
    late = ana._sent(None, ana.body + "One.\n")
    now = ana._sent(None, ana.body + "One. Two.\n")
    ana.type(now)
    ana.type(late)
    assert ana.body.endswith("One. Two.\n")
    ana.store()
    ana.type({**now, "edit": ana.edits + 1, "body": now["body"] + "Typed while it was saved.\n"})
    assert ana.body.endswith("One. Two.\nTyped while it was saved.\n")
    ana.edits += 1
    ana.store()
    assert (ana.document["head"], ana.aside) == (3, {})
    given, later = (ana._sent(None, ana.body + words) for words in ("Saved.\n", "Saved.\nTyped since.\n"))
    ana.type(later)
    ana.save(given)
    assert ana.document["body"].endswith("Saved.\n")
    assert (ana.body, ana.document["head"], ana.is_dirty) == (later["body"], 4, True)
    assert desk.open("ana", ana.number).body == ana.body
    ana.store()
    assert (ana.document["head"], ana.document["body"], ana.condition["kind"]) == (5, later["body"], "saved")
    assert desk.open("ana", ana.number).restored == ""
    before = ana._sent(None, "Nothing of before.")
    ana.discard()
    ana.type(before)
    assert not ana.is_dirty


def test_a_viewer_reads_and_cannot_write(desk: Desk) -> None:
    number = desk.draft()
    eve = desk.open("eve", number)
    assert eve.marks["facts"]
    assert not eve.editable
    eve.write("Nonsense.")
    assert not eve.is_dirty
    assert all(why.startswith("this needs the role") for why in eve.hindrances().values())
    for act in (eve.lock, eve.redraft, eve.approve, eve.reopen):
        with pytest.raises(RequestError, match="needs the role"):
            act()
    with pytest.raises(RequestError, match="needs the role"):
        eve.comment("I was here.")


def test_withdrawn_reopened_and_sent_by_hand(desk: Desk) -> None:
    number = desk.draft()
    ana, bob = desk.open("ana", number), desk.open("bob", number)
    ana.write(ana.body + "Words.\n")
    bob.withdraw("not needed")
    ana.write(ana.body + "More words.\n")
    assert ana.condition["kind"] == "failed"
    assert "is withdrawn" in ana.condition["words"]
    assert ana.body.endswith("More words.\n")
    assert not ana.editable
    bob.reopen()
    ana.poll()
    assert (ana.editable, ana.condition["kind"]) == (True, "kept")
    assert desk.open("ana", number).body.endswith("More words.\n")
    ana.discard()
    bob.poll()
    bob.approve()
    bob.sent_by_hand("34567 ")
    assert (bob.document["state"], bob.document["number"], bob.document["channel"]) == ("sent", "34567", "by hand")


def test_an_older_revision_is_for_reading(desk: Desk) -> None:
    number = desk.draft()
    ana = desk.open("ana", number)
    ana.write(ana.body + "More.\n", ana.text["subject"] + " again")
    ana.store("more")
    old = desk.open("ana", number, revision=1)
    assert (old.revision, old.editable, "More." in old.body) == (1, False, False)
    assert old.hindrances()["redraft"] == "this is not the last revision"
    old.open(None)
    assert (old.revision, old.editable) == (None, True)
    assert desk.open("ana", number, revision=2).revision is None
    told = ana.compared()
    assert (told["old"], told["new"]) == (1, 2)
    assert told["body"][-1] == [compare.ADDED, "More.\n"]
    assert compare.changes(told["subject"]) == 1
    ana.old, ana.new = 2, 1
    assert ana.compared()["body"][-1] == [compare.REMOVED, "More.\n"]
    ana.write(ana.body + "Unsaved.\n")
    assert ana.unsaved()["body"][-1] == [compare.ADDED, "Unsaved.\n"]


def test_a_later_notice_is_compared_and_drafted_again(desk: Desk) -> None:
    number = desk.draft()
    ana = desk.open("ana", number)
    assert [row.label for row in ana.notice if row.differs] == []
    assert ana.notice[0].change == "the same"
    ana.write(ana.body + "A remark of ana.\n")
    ana.store()
    with pytest.raises(ConflictError, match="nothing has changed"):
        ana.redraft()
    take_notice(desk.site.database, notice(number=1, ra=41.1, signalness=0.7), Tense.TEST)
    again = desk.open("ana", number)
    rows = {row.label: row for row in again.notice}
    assert rows["Right ascension (J2000)"].change == "−1.00°"
    assert (rows["Signalness"].old, rows["Signalness"].new) == ("0.7", "0.61")
    assert rows["Position"].change == "moved by 0.98°"
    again.check()
    assert "40.10" in again.marked()
    again.redraft()
    assert any("ra: 40.1 → 41.1" in words for words in desk.said)
    assert "41.10" in again.body
    assert again.body.endswith("A remark of ana.\n")
    assert not any(row.differs for row in again.notice)


def test_of_what_is_not_there_a_page_tells(desk: Desk) -> None:
    with pytest.raises(RequestError, match="no publication is called '999'"):
        desk.open("ana", 999)
    with pytest.raises(RequestError, match=r"no revision of circular \d+ is called '7'"):
        desk.open("ana", desk.draft(), revision=7)


def test_lines_are_counted_as_gcn_does() -> None:
    assert line_count("\nOne.\n\nTwo.\n") == 3
