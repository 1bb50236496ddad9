"""One circular or notice: what its page shows of it, who may do what with it, and its way out."""

from typing import Any

import param

from skymist.app.models import compare, marks
from skymist.app.models.writing import EDITABLE, PUT, Writing
from skymist.errors import RequestError

MOST_LINES = 59
"""Of a circular of GCN."""


class Circular(Writing):
    """What the page shows of a publication, and what can be done; parameters as of `Writing`."""

    old: Any = param.Integer(default=None, allow_None=True, doc="Revision that is compared; None: the one before")
    new: Any = param.Integer(default=None, allow_None=True, doc="Revision that it is compared with; None: the last")
    preview: Any = param.Dict(default={}, doc="What would go out")
    notice: Any = param.List(doc="Rows of `compare.Row`: the last notice and this text")
    notice_name: Any = param.String(doc="What that notice is called")

    def load(self) -> None:
        """Ask the service for everything."""
        super().load()
        self.look()
        self.look_at_notice()

    def _refresh(self) -> None:
        super()._refresh()
        if any(self.preview.get(key) != self.document[of] for key, of in (("revision", "head"), ("state", "state"))):
            self.look()

    # --- what people do

    def redraft(self) -> None:
        """Have the text say what is known now."""
        with self._doing, self._turn:
            told = self._desk.redraft(self.number)
            self._settle(PUT)
            self.aside = told["aside"] or {}
        self.look_at_notice()
        self._say(f"Drafted again. {_changes(told['changes'])}", "success")
        if told["conflicts"]:
            words = f"{told['conflicts']} places that people and facts have both changed are marked <<<<<<< >>>>>>>"
            self._say(f"{words}: decide there, and save.", "warning")

    def lock(self) -> None:
        """Have nobody else edit."""
        self._became(self._desk.lock(self.number))

    def unlock(self, *, by_force: bool = False) -> None:
        """Let others edit."""
        self._became(self._desk.unlock(self.number, by_force=by_force))

    def comment(self, words: str) -> None:
        """Say something to all who see it."""
        self._desk.comment(self.number, words)
        self.document = self._show(None)

    def approve(self) -> None:
        """Approve the last revision, which is the one that is shown."""
        self._became(self._desk.approve(self.number, self.text["base"]))

    def withdraw(self, reason: str) -> None:
        """Put aside what will not be sent."""
        self._became(self._desk.withdraw(self.number, reason))

    def reopen(self) -> None:
        """Make a draft of it again."""
        self._became(self._desk.reopen(self.number))

    def look(self) -> None:
        """See what would go out now."""
        self.preview = self._desk.preview(self.number)

    def send(self, name: str) -> None:
        """Have what `look` has shown sent; `name` is that of the alert, which a person has typed.

        Raises
        ------
        RequestError
            If it is another one, or nobody has looked.
        """
        if name.strip() != self.document["alert"]:
            raise RequestError(f"type the name of the alert, {self.document['alert']}, to have it sent")
        if not self.preview:
            raise RequestError("look at what goes out before it is sent")
        self._became(self._desk.send(self.number, self.preview["sha256"]))

    def sent_by_hand(self, called: str) -> None:
        """Note that a person has sent it, and what it is called there."""
        self._became(self._desk.sent_by_hand(self.number, called.strip()))

    def _became(self, told: dict[str, Any]) -> None:
        self.document = {**self.document, **told}
        self.look()

    def hindrances(self) -> dict[str, str]:
        """Return why this person cannot do what, in words; empty where they can. The service refuses it anyway."""
        told, state = self.document, str(self.document.get("state", ""))
        wrong = sum(each["level"] == "error" for each in self.marks.get("findings", ()))
        dirty = "there are changes that are not saved" if self.is_dirty else ""
        old = "this is not the last revision" if self.revision is not None else ""
        mine = told.get("edited_by") == self.me
        own = "you were the last to edit it: somebody else has to approve it" if mine else ""
        errors = f"it has {wrong} error{'' if wrong == 1 else 's'}" if wrong else ""
        errors = errors if self.marks else "it is being checked"

        def first(role: str, states: tuple[str, ...], *more: str) -> str:
            if not self.may(role):
                return f"this needs the role {role}; you are {self.role}"
            return (f"it is {state}" if state not in states else "") or next(filter(None, more), "")

        return {
            "redraft": first("analyst", EDITABLE, old, dirty),
            "approve": first("approver", ("draft",), own, old, dirty, errors),
            "send": first("approver", ("approved",), old, dirty, str(self.preview.get("hindrance", ""))),
            "by hand": first("approver", ("approved",), old, dirty),
            "withdraw": first("analyst", EDITABLE, dirty),
            "reopen": first("analyst", ("approved", "withdrawn"), dirty),
            "comment": first("analyst", (state,)),
        }

    # --- comparisons

    def compared(self) -> dict[str, Any]:
        """Return two revisions (`old`, `new`), and subject and body word by word (see `compare.words`)."""
        new = self._revision(self.new or self.document["head"])
        before = next((each["base"] for each in self.document["texts"] if each["number"] == new["revision"]), None)
        old = self._revision(self.old or before or new["revision"])
        return {
            "old": old["revision"], "new": new["revision"], "subject": compare.words(old["subject"], new["subject"]),
            "body": compare.words(old["body"], new["body"]),
        }  # fmt: skip

    def unsaved(self) -> dict[str, Any]:
        """Return what is different between the last revision and the editor."""
        subject, body = self.subject_and_body
        return {
            "old": self.document["head"], "new": None, "subject": compare.words(self.document["subject"], subject),
            "body": compare.words(self.document["body"], body),
        }  # fmt: skip

    def look_at_notice(self) -> None:
        """Compare with the last notice that has a position."""
        content = self._last_notice()
        if content is not None:
            number = content.get("number")
            self.notice_name = content.get("catalog") or f"revision {'' if number is None else number}".strip()
            self.notice = compare.with_notice(content, self.document["facts"])

    def _last_notice(self) -> dict[str, Any] | None:
        for role in dict.fromkeys((self.document["role"], "observation", "test")):  # a test may tell of what is real
            try:
                told = [each["content"] for each in self._client.revisions(self.document["alert"], role=role)]
            except RequestError:
                continue
            return next((each for each in reversed(told) if each.get("ra") is not None), None)
        return None


def _changes(changed: list[dict[str, Any]]) -> str:
    told = [f"{marks.label(each)}: {_said(each['old'])} → {_said(each['new'])}" for each in changed]
    more = f"; and {len(told) - 8} more" if len(told) > 8 else ""
    return "; ".join(told[:8]) + more


def _said(value: object) -> str:
    return "nothing" if value is None else str(value)


def archived(subject: str, body: str, number: str = "", sent: str | None = None) -> str:
    """Return a circular as archives of GCN show it."""
    when = f"{sent[2:4]}/{sent[5:7]}/{sent[8:10]} {sent[11:19]} GMT" if sent else "(when it is sent)"
    head = f"TITLE:   GCN CIRCULAR\nNUMBER:  {number or '(given by GCN)'}\nSUBJECT: {subject}\nDATE:    {when}"
    return f"{head}\nFROM:    (the account that submits)\n\n{body.rstrip()}\n"


def line_count(body: str) -> int:
    """Return how many lines GCN counts."""
    return len(body.strip("\n").split("\n"))
