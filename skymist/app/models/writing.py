"""Writing: a text that is edited so that nothing is lost, whatever dies, and whoever else writes at the same time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import param

from skymist.app.models import marks
from skymist.app.models.circulars import clock
from skymist.app.visit import ROLES
from skymist.client.service import Client
from skymist.errors import ConflictError, SkymistError

EDITABLE = "draft", "approved"
RENEW = timedelta(minutes=8)
"""A lock that lasts longer is not asked for again."""

CHECK_S = 15.0
"""After which a text that nobody changes is checked anew: records may have changed."""

PUT, SAVED, FOLLOW = "put", "saved", "follow"
"""How a text comes into the editor: in the place of whatever is there; as what was just saved, so that what is typed on
goes on from it; or because somebody else has saved it, unless something is being typed."""


@dataclass(frozen=True)
class Typed:
    """A text as it stands in the editor.

    Attributes
    ----------
    load : int
        Number of the text that was put into the editor.
    edit : int
        Counts what the editor has sent, from 1.
    base : int
        The revision that is being edited.
    subject, body : str
    """

    load: int
    edit: int
    base: int
    subject: str
    body: str

    @property
    def words(self) -> tuple[int, str, str]:
        """What is kept."""
        return self.base, self.subject, self.body


class Writing(param.Parameterized):
    """The text of a publication as one person edits it.

    Parameters
    ----------
    client : Client
    number : int
    name, role : str
        Who looks, and what they may do.
    say : callable
        Is told in words what happens, with a kind: "info", "success", "warning" or "error".
    """

    revision: Any = param.Integer(default=None, allow_None=True, doc="That is opened; None: the last that counts")
    document: Any = param.Dict(default={}, doc="As the service has it, with the text of the last revision")
    text: Any = param.Dict(default={}, doc="What is put into the editor: load, base, subject, body, how")
    marks: Any = param.Dict(default={}, doc="In the text of one load and edit: findings, facts")
    condition: Any = param.Dict(default={}, doc="Of what is typed: kind (saved, kept, rival, failed) and words")
    restored: Any = param.String(doc="When what was not saved the last time had been kept; empty if nothing was")
    aside: Any = param.Dict(default={}, doc="How a text that could not count went together with the one that does")

    def __init__(
        self, client: Client, number: int, name: str, role: str, say: Callable[[str, str], None] = lambda *_: None,
        **given: Any,
    ) -> None:  # fmt: skip
        super().__init__(**given)
        self._desk, self._client, self.number = client.publications("circular"), client, number
        self.me, self.role, self._say = name, role, say
        self._doing, self._turn = threading.RLock(), threading.Lock()
        self._texts: dict[int, dict[str, Any]] = {}
        self._typed: Typed | None = None
        self._kept: Typed | None = None  # what the service has of it, or has refused
        self._seen: str | None = None  # when the service has kept it
        self._since = self._edit = self._saved_load = 0
        self._head = 0  # that the page has followed
        self._checked = 0.0

    # --- what there is

    def load(self) -> None:
        """Ask the service for the text; what was typed and not saved the last time comes back."""
        self.document = self._show(None)
        if self.revision == self.document["head"]:
            self.revision = None
        scratch = self._desk.scratch(self.number) if self.editable else None
        if scratch is not None and not self._is_saved(scratch["base"], scratch["subject"], scratch["body"]):
            self._restore(scratch)
        else:
            self.open(self.revision)

    def poll(self) -> None:
        """See what others have done; keep what could not be kept before."""
        if self._doing.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._doing.release()
        self.keep()
        if not self.is_dirty and time.monotonic() - self._checked > CHECK_S:
            self.check()

    def check(self) -> None:
        """Have the text that is shown checked by what is known now."""
        shown = self._texts[self.text["base"]]
        self._checked = time.monotonic()
        self._mark(self._edit, self._desk.check(self.number, shown["revision"]), shown["spans"])

    def open(self, revision: int | None) -> None:
        """Show a revision; only the last one that counts (None) can be edited."""
        shown = self._show(revision)
        self.revision = None if shown["revision"] == self.document["head"] else shown["revision"]
        self._head = self.document["head"]
        self._put(shown["revision"], shown["subject"], shown["body"])
        self._tell_saved(shown["revision"])
        self.check()

    @property
    def editable(self) -> bool:
        """Whether this person can edit what is shown."""
        return self.revision is None and self.may("analyst") and self.document.get("state") in EDITABLE

    @property
    def is_dirty(self) -> bool:
        """Whether something was typed that is no revision."""
        typed = self._typed
        return typed is not None and not self._is_saved(*typed.words)

    @property
    def subject_and_body(self) -> tuple[str, str]:
        """The text in the editor."""
        typed = self._typed
        return (self.text["subject"], self.text["body"]) if typed is None else (typed.subject, typed.body)

    def may(self, role: str) -> bool:
        """Return whether this person may do what a role may; the service decides."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def _refresh(self) -> None:
        before, now = self.document, self._show(None)
        if now["state"] != before["state"]:
            self._kept = None  # what could not be kept may be kept now
        if now != before:
            self.document = now
        if now["head"] != self._head and self.revision is None:
            self._head = now["head"]
            self._follow(now)

    def _show(self, revision: int | None) -> dict[str, Any]:
        """Return a revision; what of it cannot change is there from then on."""
        shown = self._desk.show(self.number, revision)
        self._texts[shown["revision"]] = shown
        return shown

    def _revision(self, number: int) -> dict[str, Any]:
        return self._texts[number] if number in self._texts else self._show(number)

    def _is_saved(self, base: int, subject: str, body: str) -> bool:
        """Return whether a text is the revision that it was made of, or the last one."""
        words = subject, body.rstrip()
        return any(words == (each["subject"], each["body"].rstrip()) for each in (self._revision(base), self.document))

    def _put(self, base: int, subject: str, body: str, how: str = PUT) -> Typed:
        """Put a text into the editor; see `PUT`."""
        before = self.text.get("load", 0)
        if how == PUT:
            self._since = before + 1
        self._saved_load = before if how == SAVED else 0
        self._typed = self._kept = None
        self.text = {"load": before + 1, "base": base, "subject": subject, "body": body, "how": how}
        return Typed(before + 1, self._edit, base, subject, body)

    def _follow(self, now: dict[str, Any]) -> None:
        """Show what somebody has saved elsewhere, unless this person is typing."""
        who = next(each["who"] for each in now["texts"] if each["number"] == now["head"])
        if self.is_dirty:
            self._say(f"{who} has saved revision {now['head']}: yours will be put together with it.", "warning")
        elif self.text["base"] != now["head"]:
            self._put(now["head"], now["subject"], now["body"], FOLLOW)
            self._tell_saved(now["head"])
            self.check()

    def _mark(self, edit: int, findings: list[dict[str, Any]], spans: list[dict[str, Any]]) -> None:
        found = {"findings": marks.of_findings(findings), "facts": marks.of_facts(spans)}
        self.marks = {"load": self.text["load"], "edit": edit, **found}

    def _restore(self, scratch: dict[str, Any]) -> None:
        """Put back what was typed and not saved."""
        self._head = self.document["head"]
        self._seen, self.restored = scratch["changed"], clock(scratch["changed"])
        self._typed = self._kept = self._put(scratch["base"], scratch["subject"], scratch["body"])
        self._mark(self._edit, scratch["findings"], scratch["spans"])
        self._tell_kept()

    def _tell_saved(self, revision: int) -> None:
        self.condition = {"kind": "saved", "words": f"as saved: revision {revision}"}

    def _tell_kept(self) -> None:
        self.condition = {"kind": "kept", "words": f"kept at {clock(self._seen)}, not saved as a revision yet"}

    # --- typing

    def type(self, text: dict[str, Any]) -> None:
        """Take what stands in the editor now (see `Typed`), and have the service keep it."""
        if self._take(Typed(**text)):
            self.keep()

    def _take(self, typed: Typed) -> bool:
        """Take a text unless something later has come, or has been put into its place."""
        if typed.edit <= self._edit or typed.load < self._since or not self.editable:
            return False
        self._edit, self._typed = typed.edit, self._based(typed)
        return True

    def _based(self, typed: Typed) -> Typed:
        """Return a text that goes on from what was just saved with that as its base."""
        return replace(typed, base=self.text["base"]) if typed.load == self._saved_load else typed

    def keep(self) -> None:
        """Have the service keep what was typed; whoever is doing so already takes the last word, too."""
        while self._typed not in (None, self._kept) and self.condition.get("kind") != "rival":
            if not self._turn.acquire(blocking=False):
                return
            try:
                self._keep()
            except SkymistError as trouble:
                self.condition = {"kind": "failed", "words": f"not kept: {trouble}"}
                return
            finally:
                self._turn.release()

    def _keep(self) -> None:
        typed = self._typed
        if typed is None:
            return
        if self._is_saved(*typed.words):
            self._undone(typed)
            return
        try:
            told = self._desk.keep_scratch(self.number, typed.base, typed.subject, typed.body, self._seen)
        except ConflictError as conflict:
            self._refused(typed, conflict)
            return
        self._seen, self._kept = told["changed"], typed
        self._mark(typed.edit, told["findings"], told["spans"])
        self._tell_kept()
        self._hold()

    def _undone(self, typed: Typed) -> None:
        """Keep nothing of a text that is what it was."""
        if self._seen is not None:
            self._desk.discard_scratch(self.number)
        self._seen, self._kept, self.restored = None, typed, ""
        self._tell_saved(typed.base)
        self._mark(typed.edit, self._desk.check(self.number, typed.base), self._revision(typed.base)["spans"])

    def _refused(self, typed: Typed, conflict: ConflictError) -> None:
        """Tell why a text is not kept: another window of the same person, or it cannot be edited any more."""
        self._kept, self.document = typed, self._show(None)
        self.condition = {"kind": "rival" if self.editable else "failed", "words": f"not kept: {conflict}"}

    def _hold(self) -> None:
        """Have nobody else edit; who cannot have the lock sees whose it is."""
        mine, until = self.document["locked_by"] == self.me, self.document["locked_until"]
        if mine and until and datetime.fromisoformat(until) - datetime.now(UTC) > RENEW:
            return
        try:
            self.document = {**self.document, **self._desk.lock(self.number)}
        except ConflictError:
            self.document = self._show(None)

    # --- what becomes of it

    def take_other(self) -> None:
        """Go on with what was typed in another window."""
        with self._doing, self._turn:
            scratch = self._desk.scratch(self.number)
            if scratch is not None:
                self._restore(scratch)
                return
        self.keep_mine()

    def keep_mine(self) -> None:
        """Overwrite what was typed in another window."""
        with self._doing, self._turn:
            scratch = self._desk.scratch(self.number)
            self._seen, self._kept = None if scratch is None else scratch["changed"], None
            self.condition = {"kind": "kept", "words": ""}
        self.keep()

    def discard(self) -> None:
        """Go back to the last revision, and let others edit."""
        with self._doing, self._turn:
            self._desk.discard_scratch(self.number)
            self._seen = None
            if self.document["locked_by"] == self.me:
                self._desk.unlock(self.number)
            self._settle(PUT)

    def save(self, text: dict[str, Any], note: str = "") -> None:
        """Save a text of the editor as a revision; what was typed since stays there.

        If it cannot count, it comes back put together with the one that does.
        """
        mine = self._based(Typed(**text))
        if mine.load < self._since or not self.editable:
            return
        self._take(mine)
        if self._is_saved(*mine.words):
            self._say("There is nothing to save: the text is that of the last revision.", "info")
            return
        self.keep()
        with self._doing, self._turn:
            if self.condition["kind"] == "rival":  # the page asks which of both
                return
            told = self._desk.edit(self.number, mine.base, mine.subject, mine.body, note)
            if self._kept is not None and self._kept.words == mine.words:  # the service keeps it no more
                self._seen = None
            if told["aside"]:
                self._put_together(mine, told)
            else:
                self._settle(SAVED, mine)
        self.keep()

    def _put_together(self, mine: Typed, told: dict[str, Any]) -> None:
        """Show both texts as one, to be saved on the last revision."""
        self.aside, self.document, self._head = told["aside"], self._show(None), told["head"]
        self._typed = self._put(told["head"], mine.subject, told["aside"]["merged"])

    def _settle(self, how: str, saved: Typed | None = None) -> None:
        """Show the last revision; what was typed since it was saved goes on from it."""
        self.restored, self.aside = "", {}
        now = self.document = self._show(None)
        self._head = now["head"]
        later = self._typed if saved is not None and self._typed is not None else saved
        self._put(now["head"], now["subject"], now["body"], how)
        if later is not None and saved is not None and later.words != saved.words:
            self._typed = replace(later, base=now["head"])
        self._tell_saved(now["head"])
        self.check()
