"""The desk: circulars and notices are drafted from the records, edited, checked, approved and asked to be sent.

Whatever it returns are JSON-like documents: the same for the command line, the API and the dashboard.
"""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.circulars import send
from skymist.circulars.draft import MOST_SOURCES, Draft, Span
from skymist.circulars.merge import merge
from skymist.errors import ConflictError, RequestError, SkymistError, StoreError, UnknownNameError
from skymist.model import alert as model
from skymist.model.alert import Role, Tense, present
from skymist.model.circular import Fact, Finding, Level, State, changes, errors
from skymist.model.region import DEFAULT_CALIBRATION
from skymist.records import Database, alerts, publications, tables
from skymist.records.publications import CIRCULAR, NOTICE
from skymist.records.tables import Publication, ScanState, Text
from skymist.store.zarr import read_skymap
from skymist.workflow import facts as facts_of
from skymist.workflow.earlier import earlier_alerts
from skymist.workflow.forms import AUTO, find, voevent_of
from skymist.workflow.match import match_map

PERSONS = "detector_state", "remark", "reason"
"""Slots that only a person can fill."""

COLUMNS = (
    "id", "kind", "template", "alert", "role", "state", "head", "approved", "approver", "channel", "sender", "error",
    "number", "sent", "created", "changed",
)  # fmt: skip
"""Of a publication, as all doors show it."""

_OF_TEXT = "number", "base", "aside", "who", "note", "subject", "created"


@dataclass(frozen=True)
class DeskSettings:
    """What a site says of its circulars.

    Attributes
    ----------
    reporter, contact : str
        Who reports, and whom to ask; empty: nobody is named.
    templates : Path, optional
        Folder of the site's own templates.
    catalogs : sequence of str
        In which counterparts are looked for: names, or files of descriptions.
    calibration : str
        Of the regions.
    map_url : str
        Where maps are for everybody; ``{name}`` and ``{scan}`` stand for the alert and the scan. Empty: nowhere.
    authority : str
        Of identifiers of VOEvents (``ivo://AUTHORITY/...``): a name that the site has registered.
    automatic : bool
        Whether each alert that was scanned gets a draft by itself.
    """

    reporter: str = ""
    contact: str = ""
    templates: Path | None = None
    catalogs: Sequence[str] = ("neutrino-candidates",)
    calibration: str = DEFAULT_CALIBRATION
    map_url: str = ""
    authority: str = "example"
    automatic: bool = True


class Desk:
    """Circulars and notices of a database.

    Parameters
    ----------
    database : Database
    settings : DeskSettings, optional
    """

    def __init__(self, database: Database, settings: DeskSettings | None = None) -> None:
        self.database, self.settings = database, settings or DeskSettings()

    # --- what is known

    def facts(self, alert_id: int, scan_id: str | None = None) -> list[Fact]:
        """Return all that is known of an alert now.

        That is what its revisions say, a scan (the last one that is complete, if none is named), and which sources and
        other alerts are in its region.
        """
        with self.database.read() as session:
            record = session.get_one(tables.Alert, alert_id)
            found, stores = alerts.whole(record), _maps(session, alert_id, scan_id)
        known = [*self._of_site(), *facts_of.of_alert(record, found)]
        if not stores:
            return known
        scan, url = stores[0]
        try:
            skymap = read_skymap(url)
        except SkymistError as error:
            raise StoreError(f"the map of scan {scan[:12]} cannot be read: {error}") from None
        placed = facts_of.of_map(skymap, scan, self.settings.calibration)
        if self.settings.map_url:
            link = self.settings.map_url.replace("{name}", record.name).replace("{scan}", scan)
            placed.append(Fact("map_url", link.replace(" ", "%20"), source="setting", source_id="map_url"))
        return facts_of.merged(known, placed, self._of_the_region(skymap, record, found))

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
        known = self.facts(alert_id, scan_id)
        known += _choice(known, scan_id, who)
        known += [Fact(name, words, source="person", source_id=who) for name, words in said.items() if words]
        with self.database.read() as session:
            record = session.get_one(tables.Alert, alert_id)
            earlier = publications.of_alert(session, alert_id, kind)
            template = form.fitting(record, earlier) if template == AUTO else template
            if kind == CIRCULAR and template == "update":
                known = facts_of.merged(known, _before(record, earlier, known))
            if kind == NOTICE:
                known += _of_notice(earlier, tense)
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
        new = self._again(record, old, scan_id)
        new = facts_of.merged(new, _choice(new, scan_id, who))
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
        told["facts"], told["spans"] = list(text.facts), []
        with suppress(SkymistError):  # a template of the site that is gone, or wrong by now
            made = find(kind).draft(found.template, _known(text), self.settings.templates)
            told["spans"] = [each.to_dict() for each in _spans(made, text.body)]
        return told

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
        with self.database.read() as session:
            doubts = alerts.whole(session.get_one(tables.Alert, record.alert_id)).doubts
        old = _known(text)
        new = self._again(record, old)
        last = None if _chosen(old) is None else self._last_scan(record)
        found = find(kind).check(text.subject, text.body, new)
        return [
            *_stale(old, new, last),
            *found,
            *(Finding(Level.WARNING, "doubt", doubt, "the records") for doubt in doubts),
        ]

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
                "email": None, "voevent": None}  # fmt: skip
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

    def _again(self, record: Publication, old: Sequence[Fact], scan_id: str | None = None) -> list[Fact]:
        """Return all that is known now, of the scan that a person has chosen if any, and what is of the text alone."""
        return facts_of.merged(
            self.facts(record.alert_id, scan_id or _chosen(old)), [each for each in old if _stays(each)]
        )

    def _last_scan(self, record: Publication) -> str | None:
        with self.database.read() as session:
            return complete_scan(session, record.alert_id)

    def _of_site(self) -> list[Fact]:
        said = {"reporter": self.settings.reporter, "contact": self.settings.contact}
        return [Fact(name, words, source="setting", source_id=name) for name, words in said.items() if words]

    def _of_the_region(self, skymap: xr.Dataset, record: tables.Alert, found: model.Alert) -> list[Fact]:
        settings = self.settings
        before = earlier_alerts(self.database, found.time, Role(record.role), record.id)
        sources = match_map(skymap, settings.catalogs, settings.calibration)
        known = list(facts_of.of_matches(sources["matches"], sources["trials"], MOST_SOURCES))
        if len(before.names):
            others = match_map(skymap, [before], settings.calibration)
            known += facts_of.of_others(others["matches"], found.time)
        return known


def document(record: Publication) -> dict[str, Any]:
    """Return a publication as all doors show it."""
    holder = publications.holder_of_lock(record)
    until = _time(record.locked_until) if holder and record.locked_until else None
    return {**_written(record, COLUMNS), "locked_by": holder, "locked_until": until}


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


def complete_scan(session: Session, alert_id: int) -> str | None:
    """Return the id of the last complete scan of an alert, None if there is none."""
    return next((scan for scan, _ in _maps(session, alert_id, None)), None)


def _maps(session: Session, alert_id: int, scan_id: str | None) -> list[tuple[str, str]]:
    """Return scans of an alert that are complete, with their maps, the last one first."""
    query = (
        select(tables.Scan.id, tables.Artifact.url)
        .join(tables.Event, tables.Event.id == tables.Scan.event_id)
        .join(tables.Artifact, tables.Artifact.scan_id == tables.Scan.id)
        .where(tables.Event.alert_id == alert_id, tables.Artifact.kind == "zarr")
        .where(tables.Scan.state == ScanState.COMPLETE, tables.Scan.deleted.is_(None))
        .order_by(tables.Scan.finished.desc(), tables.Scan.id)
    )
    found = [(scan, url) for scan, url in session.execute(query)]
    if scan_id is None:
        return found
    chosen = [each for each in found if each[0].startswith(scan_id)]
    if len(chosen) != 1 or len(scan_id) < 8:
        raise UnknownNameError("complete scan of this alert", scan_id[:80], (scan[:12] for scan, _ in found))
    return chosen


def _before(record: tables.Alert, earlier: Sequence[Publication], known: Sequence[Fact]) -> list[Fact]:
    """Return where the last circular that was sent, else the first notice, has put an alert."""
    now = {each.key: each for each in known}
    told = [each for each in earlier if each.state == State.SENT]
    if told:
        before = {each.key: each for each in _known(publications.text(told[-1]))}
        return list(facts_of.moved(now, before, f"circular {told[-1].id}"))
    first = alerts.whole(record).first
    if first.ra is None or first.dec is None:
        return []
    before = {("ra", ""): Fact("ra", first.ra), ("dec", ""): Fact("dec", first.dec)}
    return list(facts_of.moved(now, before, "the first notice"))


def _of_notice(earlier: Sequence[Publication], tense: Tense) -> Iterator[Fact]:
    """Yield what only a notice says: its number among those that were sent, its tense, and when it was made."""
    yield Fact("record_number", sum(each.state == State.SENT for each in earlier), source="publication")
    yield Fact("tense", str(tense), source="person")
    yield Fact("issued", f"{np.datetime_as_string(present(), 'ms')}Z", source="publication")


def _stays(fact: Fact) -> bool:
    """Return whether a fact is of the text alone: said by a person, or of what was told before."""
    return fact.source in ("person", "circular", "publication")


def _choice(known: Sequence[Fact], scan_id: str | None, who: str) -> list[Fact]:
    """Return that somebody has chosen the scan that a position is of, if so."""
    if scan_id is None:
        return []
    scan = next(each.source_id for each in known if each.source == "scan")
    return [Fact("scan", scan, source="person", source_id=who)]


def _chosen(known: Sequence[Fact]) -> str | None:
    return next((str(each.value) for each in known if each.name == "scan"), None)


def _stale(old: Sequence[Fact], new: Sequence[Fact], last: str | None) -> list[Finding]:
    """Return a finding if a text was drafted from another map than the last one; a warning if somebody chose that."""
    before, now = (next((each.source_id for each in facts if each.source == "scan"), None) for facts in (old, new))
    last = last or now
    if before == last:
        return []
    names = ["no scan" if each is None else each[:12] for each in (before, last)]
    if before == now:
        why = f"it was drafted from {names[0]}, which a person has chosen; the last map is of {names[1]}"
        return [Finding(Level.WARNING, "old map", why, "the map", names[0], names[1])]
    why = f"it was drafted from {names[0]}; the last map is of {names[1]}: draft it again"
    return [Finding(Level.ERROR, "stale map", why, "the map", names[0], names[1])]
