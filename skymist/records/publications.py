"""Circulars and notices of ours as records: edited without loss, approved by somebody else, sent once.

A text is never changed: each edit is a new revision, and names the one that it was made of. If that is not the last one
any more, or somebody else holds the lock, the new text is kept aside, and whoever wrote it puts both together. Only the
last revision can be approved, word for word, and not by who wrote it; any edit takes the approval away.

What somebody is typing is kept, too (`Scratch`): one text a person, overwritten as they type. It is no revision, and
nobody else sees it.

A publication that is sent is first marked as `tried`, then sent, then marked as sent. Whoever finds it tried and its
sender gone asks where it should have arrived before it is sent again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from skymist.errors import ConflictError, RequestError, UnknownNameError
from skymist.model.circular import NEXT, State
from skymist.records import log
from skymist.records.tables import Comment, Publication, Scratch, Text, now
from skymist.records.tokens import OURSELVES

CIRCULAR, NOTICE = "circular", "notice"
KINDS = CIRCULAR, NOTICE
OWN_HANDS = OURSELVES, "workflow"
"""Who writes texts and is no person."""

LOCK_MINUTES = 10


def get(session: Session, kind: str | None, number: int, *, lock: bool = False) -> Publication:
    """Return a publication, of any kind if none is given.

    Raises
    ------
    UnknownNameError
        If there is none of this kind and number.
    """
    found = session.get(Publication, number, with_for_update=lock or None)
    if found is None or kind not in (None, found.kind):
        latest = select(Publication.id).order_by(Publication.id.desc()).limit(5)
        latest = latest if kind is None else latest.where(Publication.kind == kind)
        raise UnknownNameError(kind or "publication", str(number), map(str, session.scalars(latest)))
    return found


def of_alert(session: Session, alert_id: int, kind: str) -> list[Publication]:
    """Return the publications of an alert that were not withdrawn, the oldest first."""
    query = select(Publication).where(Publication.alert_id == alert_id, Publication.kind == kind)
    return list(session.scalars(query.where(Publication.state != State.WITHDRAWN).order_by(Publication.id)))


def text(publication: Publication, number: int | None = None) -> Text:
    """Return a revision, the last one that counts if no number is given.

    Raises
    ------
    UnknownNameError
        If there is none of that number.
    """
    wanted = publication.head if number is None else number
    found = next((each for each in publication.texts if each.number == wanted), None)
    if found is None:
        known = (str(each.number) for each in publication.texts)
        raise UnknownNameError(f"revision of {publication.kind} {publication.id}", str(wanted), known)
    return found


def create(session: Session, publication: Publication, first: Text, who: str) -> Publication:
    """Keep a new publication with its first revision."""
    first.number, first.who, first.aside = 1, who, False
    publication.texts.append(first)
    session.add(publication)
    session.flush()
    session.refresh(publication, ["alert"])
    _note(session, publication, who, "drafted", template=publication.template, alert=publication.alert)
    return publication


def edit(session: Session, publication: Publication, base: int, changed: Text, who: str) -> Text:
    """Add a revision; see the top of this file for what is kept aside.

    Parameters
    ----------
    session : Session
    publication : Publication
        Locked (`get`).
    base : int
        The revision that was edited.
    changed : Text
        With subject and body; without facts, it has those of the base.
    who : str

    Returns
    -------
    Text
        With `aside` set if it is kept, but does not count.

    Raises
    ------
    ConflictError
        If the publication cannot be edited any more.
    """
    parent = _to_be_edited(publication, base)
    changed.base, changed.who = base, who
    changed.number = max(each.number for each in publication.texts) + 1
    changed.facts, changed.made = changed.facts or parent.facts, changed.made or parent.made
    holder = holder_of_lock(publication)
    changed.aside = base != publication.head or holder not in ("", who)
    publication.texts.append(changed)
    if not changed.aside:
        publication.head = changed.number
        if publication.state == State.APPROVED:
            _move(session, publication, State.DRAFT, who, reason="it was edited")
        publication.approved, publication.approver = None, ""
    publication.changed = now()
    _forget_what_is_saved(session, publication, changed)
    session.flush()
    action, more = "kept aside" if changed.aside else "edited", {"note": changed.note} if changed.note else {}
    _note(session, publication, who, action, revision=changed.number, base=base, **more)
    return changed


def _to_be_edited(publication: Publication, base: int) -> Text:
    """Return the revision that is edited."""
    if publication.state not in (State.DRAFT, State.APPROVED):
        raise ConflictError(f"{_named(publication)} is {publication.state}; what is edited is a draft, or approved")
    return text(publication, base)


def scratch(session: Session, publication: Publication, who: str) -> Scratch | None:
    """Return what somebody has typed and not saved."""
    return session.get(Scratch, (publication.id, who))


def jot(
    session: Session, publication: Publication, base: int, subject: str, body: str, who: str,
    seen: datetime | None = None,
) -> Scratch:  # fmt: skip
    """Keep what somebody is typing, in the place of what they typed before.

    Parameters
    ----------
    session : Session
    publication : Publication
        Locked (`get`).
    base : int
        The revision that is being edited.
    subject, body : str
        Any text, also one that could not be saved.
    who : str
    seen : datetime, optional
        When what is overwritten was kept; None if there should be nothing.

    Raises
    ------
    ConflictError
        If the publication cannot be edited any more, or it is not that: two windows of the same person are open.
    """
    _to_be_edited(publication, base)
    kept = scratch(session, publication, who)
    if kept is None:
        kept = Scratch(publication_id=publication.id, who=who, base=base, subject=subject, body=body)
        session.add(kept)
    elif (kept.base, kept.subject, kept.body) == (base, subject, body):  # the same may be asked for twice
        return kept
    elif kept.changed != seen:
        when = f"{kept.changed:%H:%M:%S} UTC"
        raise ConflictError(f"{who} has typed in {_named(publication)} in another window, at {when}")
    kept.base, kept.subject, kept.body, kept.changed = base, subject, body, now()
    session.flush()
    return kept


def forget(session: Session, publication: Publication, who: str | None = None) -> None:
    """Remove what somebody has typed and not saved; what all have, if nobody is named."""
    query = delete(Scratch).where(Scratch.publication_id == publication.id)
    session.execute(query if who is None else query.where(Scratch.who == who))


def _forget_what_is_saved(session: Session, publication: Publication, saved: Text) -> None:
    """Remove what is a revision now, word for word; what was typed in another window since is not."""
    kept = scratch(session, publication, saved.who)
    if kept is not None and (kept.subject, kept.body.rstrip()) == (saved.subject, saved.body.rstrip()):
        session.delete(kept)


def holder_of_lock(publication: Publication) -> str:
    """Return who is editing, empty if nobody is."""
    until = publication.locked_until
    return publication.locked_by if until is not None and until > now() else ""


def lock(session: Session, publication: Publication, who: str) -> datetime:
    """Have nobody else edit for `LOCK_MINUTES`, which can be asked for again and again; return until when.

    Raises
    ------
    ConflictError
        If somebody else is editing.
    """
    if (holder := holder_of_lock(publication)) not in ("", who):
        until = f"{publication.locked_until:%H:%M} UTC"
        raise ConflictError(f"{_named(publication)} is being edited by {holder} until {until}")
    if not holder:
        _note(session, publication, who, "locked")
    publication.locked_by, publication.locked_until = who, now() + timedelta(minutes=LOCK_MINUTES)
    return publication.locked_until


def unlock(session: Session, publication: Publication, who: str, *, by_force: bool = False) -> None:
    """Let others edit again.

    Raises
    ------
    ConflictError
        If somebody else holds the lock, unless it is broken by force.
    """
    holder = holder_of_lock(publication)
    if holder not in ("", who) and not by_force:
        raise ConflictError(f"{_named(publication)} is being edited by {holder}, not by {who}")
    if holder:
        _note(session, publication, who, "unlocked", **({"holder": holder} if holder != who else {}))
    publication.locked_by, publication.locked_until = "", None


def comment(session: Session, publication: Publication, words: str, who: str) -> Comment:
    """Add what somebody has to say.

    Raises
    ------
    RequestError
        If that is nothing.
    """
    if not words.strip():
        raise RequestError("a comment needs words")
    found = Comment(publication_id=publication.id, number=publication.head, who=who, text=words.strip())
    publication.comments.append(found)
    publication.changed = now()
    session.flush()
    _note(session, publication, who, "commented", revision=publication.head, comment=found.id)
    return found


def last_editor(publication: Publication) -> str:
    """Return the last person who wrote what counts, empty if nobody but skymist did."""
    ours = (each for each in reversed(publication.texts) if not each.aside and each.number <= publication.head)
    return next((each.who for each in ours if each.who not in OWN_HANDS), "")


def approve(session: Session, publication: Publication, number: int, who: str) -> None:
    """Approve the last revision, word for word.

    Raises
    ------
    ConflictError
        If it is no draft, there is a later revision, or `who` wrote it.
    """
    if publication.state != State.DRAFT:
        raise ConflictError(f"{_named(publication)} is {publication.state}; only drafts are approved")
    if number != publication.head:
        raise ConflictError(f"{_named(publication)} has a later revision, {publication.head}: look at that first")
    if last_editor(publication) == who:
        raise ConflictError(f"{who} was the last to edit {_named(publication)}: somebody else has to approve it")
    publication.approved, publication.approver = number, who
    _move(session, publication, State.APPROVED, who, revision=number)


def withdraw(session: Session, publication: Publication, who: str, reason: str = "") -> None:
    """Put aside what will not be sent."""
    publication.approved, publication.approver = None, ""
    _move(session, publication, State.WITHDRAWN, who, **({"reason": reason} if reason else {}))


def reopen(session: Session, publication: Publication, who: str) -> None:
    """Make a draft again of what was withdrawn, or take back an approval."""
    publication.approved, publication.approver = None, ""
    _move(session, publication, State.DRAFT, who)


def ask_to_send(session: Session, publication: Publication, channel: str, confirmed: str, who: str) -> None:
    """Have an approved publication sent; `confirmed` is the SHA-256 of the bytes that somebody has looked at.

    Raises
    ------
    ConflictError
        If it is not approved.
    """
    publication.channel, publication.confirmed, publication.sender = channel, confirmed, who
    publication.owner, publication.beat, publication.tried, publication.error = None, None, None, ""
    _move(session, publication, State.SENDING, who, channel=channel, sha256=confirmed, revision=publication.head)


def hold(session: Session, who: str) -> int:
    """Have whatever is waiting to be sent confirmed anew, and return how much that is.

    In a copy of the records: where it was copied from, the same is about to be sent, or has been.
    """
    waiting = session.scalars(select(Publication).where(Publication.state == State.SENDING)).all()
    for publication in waiting:
        publication.confirmed = publication.sender = ""
        publication.owner, publication.beat, publication.tried = None, None, None
        publication.error = "this is a copy of the records, where nobody has confirmed it yet"
        _move(session, publication, State.APPROVED, who)
    return len(waiting)


def sent_by_hand(session: Session, publication: Publication, number: str, who: str) -> None:
    """Note that a person has sent an approved publication, and what it is called there."""
    publication.channel, publication.number, publication.sent = "by hand", number, now()
    _move(session, publication, State.SENT, who, channel="by hand", number=number, revision=publication.head)


def claim(
    session: Session, owner: str, alive: Callable[[str], bool], silence: timedelta, kinds: Sequence[str] = KINDS,
    but: Sequence[int] = (),
) -> Publication | None:  # fmt: skip
    """Take one publication that is to be sent, and that no sender has who is still there; `but` some are left alone."""
    query = select(Publication).where(Publication.state == State.SENDING, Publication.kind.in_(kinds))
    query = query.where(Publication.id.not_in(but))
    late = now() - silence
    for each in session.scalars(query.order_by(Publication.id).with_for_update(skip_locked=True)):
        gone = each.owner is None or not alive(each.owner) or each.beat is None or each.beat < late
        if gone:
            each.owner, each.beat = owner, now()
            return each
    return None


def trying(session: Session, number: int, owner: str) -> bool:
    """Mark that it may go out from now on; False if it is not this sender's any more."""
    mine = _mine(session, number, owner)
    if mine is not None:
        mine.tried = mine.beat = now()
        _note(session, mine, mine.sender, "sending", channel=mine.channel, sha256=mine.confirmed)
    return mine is not None


def arrived(session: Session, number: int, owner: str, name: str) -> bool:
    """Note that it went out, and what it is called there; False if it is not this sender's any more."""
    mine = _mine(session, number, owner)
    if mine is not None:
        mine.number, mine.sent, mine.error, mine.owner = name, now(), "", None
        _move(session, mine, State.SENT, mine.sender, channel=mine.channel, number=name, revision=mine.head)
    return mine is not None


def refused(session: Session, number: int, owner: str, reason: str) -> None:
    """Note that it was not taken, and will not be: somebody has to look at it."""
    if (mine := _mine(session, number, owner)) is not None:
        mine.error, mine.tried, mine.owner = reason, None, None
        _move(session, mine, State.APPROVED, mine.sender, reason=reason)


def postponed(session: Session, number: int, owner: str, reason: str, *, tried: bool) -> None:
    """Let go of one that could not be sent now; `tried` is whether it may have gone out."""
    if (mine := _mine(session, number, owner)) is not None:
        mine.error, mine.owner, mine.beat = reason, None, None
        mine.tried = mine.tried if tried else None
        mine.changed = now()


def _mine(session: Session, number: int, owner: str) -> Publication | None:
    found = session.get(Publication, number, with_for_update=True)
    return found if found is not None and (found.state, found.owner) == (State.SENDING, owner) else None


def _move(session: Session, publication: Publication, state: State, who: str, **details: Any) -> None:
    if state not in NEXT[State(publication.state)]:
        choices = ", ".join(NEXT[State(publication.state)]) or "nothing else"
        raise ConflictError(f"{_named(publication)} is {publication.state}; it can become {choices}, not {state}")
    old, publication.state, publication.changed = publication.state, state, now()
    if state in (State.SENT, State.WITHDRAWN):
        forget(session, publication)
    session.flush()
    _note(session, publication, who, str(state), old=old, **details)


def _note(session: Session, publication: Publication, who: str, action: str, **details: Any) -> None:
    log.note(session, who, action, publication.kind, publication.id, **details)


def _named(publication: Publication) -> str:
    return f"{publication.kind} {publication.id}"
