"""The desk: circulars and notices are drafted from the records, edited, checked, approved and asked to be sent.

Whatever it returns are JSON-like documents: the same for the command line, the API and the dashboard.
"""

import difflib
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from skymist.circulars import send
from skymist.circulars.draft import Draft, Span
from skymist.circulars.merge import merge
from skymist.errors import ConflictError, RequestError, SkymistError, UnknownNameError
from skymist.model.alert import Tense
from skymist.model.circular import Fact, Finding, Level, changes, errors
from skymist.records import Database, alerts, publications, tables
from skymist.records.publications import CIRCULAR, NOTICE
from skymist.records.tables import Publication, Scratch, Text
from skymist.workflow import knowledge
from skymist.workflow.desk_settings import DeskSettings
from skymist.workflow.facts import merged
from skymist.workflow.forms import AUTO, find, voevent_of

PERSONS = "detector_state", "remark", "reason"
"""Slots that only a person can fill."""

COLUMNS = (
    "id", "kind", "template", "alert", "role", "state", "head", "approved", "approver", "channel", "sender", "error",
    "number", "sent", "created", "changed",
)  # fmt: skip
"""Of a publication, as all doors show it."""

RECENT_S = 10.0
"""For which what is known counts while somebody types; what is saved or approved is checked by what is known then."""

_OF_TEXT = "number", "base", "aside", "who", "note", "subject", "created"


class Desk:
    """Circulars and notices of a database.

    Parameters
    ----------
    database : Database
    settings : DeskSettings, optional
    """

    def __init__(self, database: Database, settings: DeskSettings | None = None) -> None:
        self.database, self.settings = database, settings or DeskSettings()
        self._recent: dict[tuple[int, int], tuple[float, list[Fact]]] = {}

    # --- texts

    def draft(
        self, kind: str, alert_id: int, who: str, template: str = AUTO, scan_id: str | None = None,
        tense: Tense = Tense.TEST, **said: str,
    ) -> dict[str, Any]:  # fmt: skip
        """Draft a circular or notice of an alert.

        Parameters
        ----------
        kind : str
            ``circular`` or ``notice``.
        alert_id : int
        who : str
            For the log.
        template : str
            ``auto`` for what fits the alert.
        scan_id : str, optional
            Whose map gives the position.
        tense : Tense
            Of a notice.
        **said : str
            Slots that only a person can fill, see `PERSONS`.

        Raises
        ------
        RequestError
            If a fact is missing that the template states.
        UnknownNameError
            If a person says what records know.
        """
        form = find(kind)
        if strange := said.keys() - set(PERSONS):
            raise UnknownNameError("slot that a person fills", min(strange), PERSONS)
        known = knowledge.gather(self.database, self.settings, alert_id, scan_id, who)
        known += [Fact(name, words, source="person", source_id=who) for name, words in said.items() if words]
        with self.database.read() as session:
            record = session.get_one(tables.Alert, alert_id)
            earlier = publications.of_alert(session, alert_id, kind)
            template = form.fitting(record, earlier) if template == AUTO else template
            if kind == CIRCULAR and template == "update":
                known = merged(known, knowledge.before(record, earlier, known))
            if kind == NOTICE:
                known += knowledge.of_notice(earlier, tense)
        made = form.draft(template, known, self.settings.templates)
        first = Text(subject=made.subject, body=made.body, made=made.body, facts=[each.to_dict() for each in known])
        with self.database.begin() as session:
            role = tense.role if kind == NOTICE else record.role  # a test may be made of what is real
            new = Publication(kind=kind, template=template, alert_id=alert_id, role=role)
            return document(publications.create(session, new, first, who))

    def redraft(self, kind: str, number: int, who: str, scan_id: str | None = None) -> dict[str, Any]:
        """Have a text say what is known now; what people wrote stays.

        Returns
        -------
        dict
            As of `edit`, with ``changes`` of the facts and the number of ``conflicts``: places that both an editor
            and the facts have changed, which are marked in the text.

        Raises
        ------
        ConflictError
            If it cannot be edited any more, or nothing has changed.
        """
        record, last = self._text(kind, number)
        old = _known(last)
        new = knowledge.again(self.database, self.settings, record.alert_id, old, scan_id, who)
        different = changes(old, new)
        made = find(kind).draft(record.template, new, self.settings.templates)
        if not different and made.body == last.made:
            raise ConflictError(f"nothing has changed since revision {last.number} of {kind} {number}")
        both = merge(last.made, last.body, made.body)
        note = "drafted again: " + ", ".join(dict.fromkeys(each.name for each in different))
        text = Text(subject=last.subject, body=both.text, made=made.body, facts=[each.to_dict() for each in new],
                    note=note[:1000])  # fmt: skip
        with self.database.begin() as session:
            found = publications.get(session, kind, number, lock=True)
            kept = publications.edit(session, found, last.number, text, who)
            told = {**document(found), "aside": _aside(found, kept)}
        return {**told, "changes": [each.to_dict() for each in different], "conflicts": both.conflicts}

    def edit(
        self, kind: str, number: int, base: int, subject: str, body: str, who: str, note: str = ""
    ) -> dict[str, Any]:
        """Add a revision.

        Returns
        -------
        dict
            The publication, with ``aside``: None if the text is the last one now, else the ``revision`` under which
            it is kept, the ``reason``, and both texts put together (``merged``, with ``conflicts``), to be saved on
            the last revision.
        """
        with self.database.begin() as session:
            found = publications.get(session, kind, number, lock=True)
            text = Text(subject=subject, body=_plain(body), note=note)
            kept = publications.edit(session, found, base, text, who)
            return {**document(found), "aside": _aside(found, kept)}

    def show(self, kind: str, number: int, revision: int | None = None) -> dict[str, Any]:
        """Return a publication with a text, the facts in it and where they stand, all revisions and all comments."""
        with self.database.read() as session:
            found = publications.get(session, kind, number)
            text, comments = publications.text(found, revision), list(found.comments)
            told = {**document(found), "revision": text.number, "subject": text.subject, "body": text.body}
            told["texts"] = [_written(each, _OF_TEXT) for each in found.texts]
        told["comments"] = [_written(each, ("id", "number", "who", "text", "created")) for each in comments]
        told["facts"], told["spans"] = list(text.facts), self._places(found, text, text.body)
        return told

    def _places(self, record: Publication, text: Text, body: str) -> list[dict[str, Any]]:
        """Return where the facts of a text stand in a body that was made of it."""
        try:
            made = find(record.kind).draft(record.template, _known(text), self.settings.templates)
        except SkymistError:  # a template of the site that is gone, or wrong by now
            return []
        return [each.to_dict() for each in _spans(made, body)]

    def diff(self, kind: str, number: int, old: int | None = None, new: int | None = None) -> str:
        """Return what is different between two revisions, the last one that counts and the one before by default."""
        _, last = self._text(kind, number, new)
        with self.database.read() as session:
            before = publications.text(publications.get(session, kind, number), old or last.base or last.number)
        one, other = (f"Subject: {each.subject}\n\n{each.body}".splitlines() for each in (before, last))
        old_name, new_name = (f"revision {each.number} ({each.who})" for each in (before, last))
        return "\n".join(difflib.unified_diff(one, other, old_name, new_name, lineterm="", n=1))

    def check(self, kind: str, number: int, revision: int | None = None) -> list[Finding]:
        """Return all that is wrong with a text by what is known now, also if the map behind it is an old one."""
        record, text = self._text(kind, number, revision)
        return self._findings(record, text, text.subject, text.body)

    def _findings(self, record: Publication, text: Text, subject: str, body: str, age_s: float = 0.0) -> list[Finding]:
        """Return all that is wrong with a text, or what somebody makes of it, by what was known at most so long ago."""
        with self.database.read() as session:
            doubts = alerts.whole(session.get_one(tables.Alert, record.alert_id)).doubts
            last = knowledge.complete_scan(session, record.alert_id)
        old = _known(text)
        new = self._known_now(record, text, age_s)
        return [
            *knowledge.stale(old, new, last),
            *find(record.kind).check(subject, body, new),
            *(Finding(Level.WARNING, "doubt", doubt, "the records") for doubt in doubts),
        ]

    def _known_now(self, record: Publication, text: Text, age_s: float) -> list[Fact]:
        """Return all that is known for a text, or was at most so long ago: to read maps takes a while."""
        key, now = (record.id, text.number), time.monotonic()
        known = self._recent.get(key)
        if known is None or now - known[0] >= age_s:
            known = now, knowledge.again(self.database, self.settings, record.alert_id, _known(text))
            fresh = {each: found for each, found in self._recent.items() if now - found[0] < RECENT_S}
            self._recent = fresh | {key: known}
        return known[1]

    # --- what is being typed

    def scratch(self, kind: str, number: int, who: str) -> dict[str, Any] | None:
        """Return what somebody has typed and not saved, with its findings and places of facts; None if nothing."""
        with self.database.read() as session:
            found = publications.get(session, kind, number)
            kept = publications.scratch(session, found, who)
            text = None if kept is None else publications.text(found, kept.base)
        return None if kept is None or text is None else self._of_scratch(found, text, kept)

    def jot(
        self, kind: str, number: int, base: int, subject: str, body: str, who: str, seen: datetime | None = None
    ) -> dict[str, Any]:
        """Keep what somebody is typing; see `skymist.records.publications.jot`.

        It is kept before it is looked at.

        Returns
        -------
        dict
            As of `scratch`.
        """
        with self.database.begin() as session:
            found = publications.get(session, kind, number, lock=True)
            kept = publications.jot(session, found, base, subject, body, who, seen)
            text = publications.text(found, base)
        return self._of_scratch(found, text, kept)

    def forget(self, kind: str, number: int, who: str) -> None:
        """Remove what somebody has typed and not saved."""
        with self.database.begin() as session:
            publications.forget(session, publications.get(session, kind, number, lock=True), who)

    def _of_scratch(self, record: Publication, text: Text, kept: Scratch) -> dict[str, Any]:
        told = _written(kept, ("who", "base", "subject", "body", "changed"))
        findings = self._findings(record, text, kept.subject, kept.body, RECENT_S)
        return {"publication": record.id, **told, "spans": self._places(record, text, kept.body),
                "findings": [each.to_dict() for each in findings]}  # fmt: skip

    # --- people

    def lock(self, kind: str, number: int, who: str) -> dict[str, Any]:
        """Keep others from editing for a while."""
        with self.database.begin() as session:
            found = publications.get(session, kind, number, lock=True)
            publications.lock(session, found, who)
            return document(found)

    def unlock(self, kind: str, number: int, who: str, *, by_force: bool = False) -> dict[str, Any]:
        """Let others edit again."""
        with self.database.begin() as session:
            found = publications.get(session, kind, number, lock=True)
            publications.unlock(session, found, who, by_force=by_force)
            return document(found)

    def comment(self, kind: str, number: int, words: str, who: str) -> dict[str, Any]:
        """Add what somebody has to say."""
        with self.database.begin() as session:
            said = publications.comment(session, publications.get(session, kind, number, lock=True), words, who)
            return _written(said, ("id", "number", "who", "text", "created"))

    def approve(self, kind: str, number: int, revision: int, who: str) -> dict[str, Any]:
        """Approve a revision that is without error.

        Raises
        ------
        ConflictError
            If it is not the last one, has errors, or `who` wrote it.
        """
        if wrong := errors(self.check(kind, number, revision)):
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise ConflictError(f"{kind} {number} has errors: {wrong[0]}{more}")
        with self.database.begin() as session:
            found = publications.get(session, kind, number, lock=True)
            publications.approve(session, found, revision, who)
            return document(found)

    def withdraw(self, kind: str, number: int, who: str, reason: str = "") -> dict[str, Any]:
        """Put aside what will not be sent."""
        with self.database.begin() as session:
            found = publications.get(session, kind, number, lock=True)
            publications.withdraw(session, found, who, reason)
            return document(found)

    def reopen(self, kind: str, number: int, who: str) -> dict[str, Any]:
        """Make a draft again of what was withdrawn or approved."""
        with self.database.begin() as session:
            found = publications.get(session, kind, number, lock=True)
            publications.reopen(session, found, who)
            return document(found)

    # --- sending

    def preview(self, kind: str, number: int) -> dict[str, Any]:
        """Return what would go out, byte for byte; for a circular other ways to send it, for a notice its VOEvent."""
        record, text = self._text(kind, number)
        content = find(kind).content(text.subject, text.body)
        told = {"id": number, "kind": kind, "state": str(record.state), "revision": text.number,
                "content": content.decode(), "sha256": send.digest(content), "web_link": None,
                "email": None, "voevent": None, "channel": find(kind).channel,
                "destination": self.settings.destinations.get(kind, ""), "real": self.settings.real,
                "stand_in": self.settings.is_stand_in(kind),
                "hindrance": self.settings.hindrance(kind, record.role)}  # fmt: skip
        if kind == CIRCULAR:
            told["web_link"] = send.web_link(text.subject, text.body)
            told["email"] = send.email_text(text.subject, text.body)
        else:
            told["voevent"] = voevent_of(text.body, self.settings.authority, self.settings.reporter)
        return told

    def send(self, kind: str, number: int, confirmed: str, who: str) -> dict[str, Any]:
        """Have what is approved sent; whoever asks has seen `preview` and says the SHA-256 that stands there.

        Raises
        ------
        RequestError
            If that is another one.
        ConflictError
            If it is not approved.
        """
        form = find(kind)
        with self.database.begin() as session:
            found = publications.get(session, kind, number, lock=True)
            text = publications.text(found)
            wanted = send.digest(form.content(text.subject, text.body))
            if len(confirmed) < 12 or not wanted.startswith(confirmed.lower()):
                raise RequestError(f"{kind} {number} is {wanted[:12]}, not {confirmed[:12]!r}: look at it once more")
            publications.ask_to_send(session, found, form.channel, wanted, who)
            return document(found)

    def sent_by_hand(self, kind: str, number: int, name: str, who: str) -> dict[str, Any]:
        """Note that a person has sent what is approved, and what it is called there."""
        with self.database.begin() as session:
            found = publications.get(session, kind, number, lock=True)
            publications.sent_by_hand(session, found, name, who)
            return document(found)

    def _text(self, kind: str, number: int, revision: int | None = None) -> tuple[Publication, Text]:
        with self.database.read() as session:
            found = publications.get(session, kind, number)
            return found, publications.text(found, revision)


def document(record: Publication) -> dict[str, Any]:
    """Return a publication as all doors show it."""
    holder = publications.holder_of_lock(record)
    until = _time(record.locked_until) if holder and record.locked_until else None
    more = {"locked_by": holder, "locked_until": until, "edited_by": publications.last_editor(record)}
    return {**_written(record, COLUMNS), **more}


def _aside(publication: Publication, kept: Text) -> dict[str, Any] | None:
    """Return why a revision does not count, and how it goes together with the one that does; None if it counts."""
    if not kept.aside:
        return None
    head = publications.text(publication)
    both = merge(publications.text(publication, kept.base).body, head.body, kept.body)
    later = f"there is a later revision, {head.number}, by {head.who}"
    locked = f"it is being edited by {publications.holder_of_lock(publication)}"
    reason = later if kept.base != head.number else locked
    return {"revision": kept.number, "reason": reason, "merged": both.text, "conflicts": both.conflicts}


def _written(record: object, names: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in names}
    return {name: _time(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _time(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _plain(body: str) -> str:
    """Return a text with line ends as we write them, and one at its end."""
    return body.replace("\r\n", "\n").rstrip() + "\n"


def _known(text: Text) -> list[Fact]:
    return [Fact.from_dict(each) for each in text.facts]


def _spans(made: Draft, body: str) -> Iterator[Span]:
    """Yield the places of facts in a text that was edited since; those that were changed are left out."""
    place = 0
    for span in made.spans:
        words, before = made.body[span.start : span.end], made.body[max(0, span.start - 8) : span.start]
        start = body.find(before + words, max(0, place - len(before)))
        if start >= 0:
            place = start + len(before) + len(words)
            yield Span(start + len(before), place, span.fact)
