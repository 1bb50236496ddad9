"""Circulars or notices of a service."""

from collections.abc import Iterator
from typing import Any

from skymist.client.calls import Calls


class Publications:
    """The circulars, or the notices, of a service; documents are those of ``/v1/openapi.json``.

    Parameters
    ----------
    calls : Calls
    kind : str
        ``circular`` or ``notice``.
    """

    def __init__(self, calls: Calls, kind: str) -> None:
        self._calls, self.kind = calls, kind

    def draft(
        self, alert: str, *, role: str = "observation", template: str = "auto", scan: str | None = None,
        tense: str = "test", **said: str,
    ) -> dict[str, Any]:  # fmt: skip
        """Draft one of an alert; `said` are sentences of people: detector_state, remark, reason.

        Parameters
        ----------
        alert : str
            Any of its names, or ``RUN_EVENT``.
        role : str
            ``observation``, ``prediction`` or ``test``, which never mix.
        template : str
            ``auto`` takes the one that fits the records.
        scan : str, optional
            Id of the scan for the position; the last complete one if not given.
        tense : str
            Of a notice: ``current``, or ``test``.
        **said : str
            By people: detector_state, remark, reason.

        Returns
        -------
        dict
            The draft, with its ``id``.
        """
        body = {"kind": self.kind, "alert": alert, "role": role, "template": template, "scan": scan, "tense": tense}
        return self._calls.post("publications", {**body, **said})

    def find(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield them, the latest first; `filters` are those of ``GET /v1/publications``.

        Parameters
        ----------
        **filters
            Those of ``GET /v1/publications``.
        """
        return self._calls.pages("publications", {**filters, "kind": self.kind})

    def show(self, number: int, revision: int | None = None) -> dict[str, Any]:
        """Return one with a text, its facts and its history.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        revision : int, optional
            The last one if not given.
        """
        return dict(self._calls.get(f"publications/{number}", {"revision": revision}))

    def edit(self, number: int, base: int, subject: str, body: str, note: str = "") -> dict[str, Any]:
        """Add a revision made of the revision `base`; ``aside`` tells if it does not count.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        base : int
            The revision that was edited.
        subject, body : str
        note : str
            Why, for the history.

        Returns
        -------
        dict
            The document of it now.
        """
        return self._post(number, "texts", base=base, subject=subject, body=body, note=note)

    def scratch(self, number: int) -> dict[str, Any] | None:
        """Return what you have typed and not saved; None if that is nothing.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        """
        found = self._calls.get(f"publications/{number}/scratch")
        return None if found is None else dict(found)

    def keep_scratch(self, number: int, base: int, subject: str, body: str, seen: str | None = None) -> dict[str, Any]:
        """Keep what you are typing; `seen` is ``changed`` of what this overwrites, None if there should be nothing.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        base : int
            The revision that is being edited.
        subject, body : str
        seen : str, optional
            ``changed`` of what this takes the place of.

        Returns
        -------
        dict
            What is kept, with what is wrong with it.
        """
        text = {"base": base, "subject": subject, "body": body, "seen": seen}
        return self._calls.put(f"publications/{number}/scratch", text)

    def discard_scratch(self, number: int) -> None:
        """Remove what you have typed and not saved.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        """
        self._calls.delete(f"publications/{number}/scratch")

    def redraft(self, number: int, scan: str | None = None) -> dict[str, Any]:
        """Have it say what is known now; what people wrote stays.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        scan : str, optional
            Id of another scan for the position.

        Returns
        -------
        dict
            The document of it now.
        """
        return self._post(number, "redraft", scan=scan)

    def check(self, number: int, revision: int | None = None) -> list[dict[str, Any]]:
        """Return all that is wrong with it, or may be.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        revision : int, optional
            The last one if not given.
        """
        return [*self._calls.pages(f"publications/{number}/findings", {"revision": revision})]

    def diff(self, number: int, old: int | None = None, new: int | None = None) -> str:
        """Return what is different between two revisions.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        old, new : int, optional
            Revisions; the last two if not given.
        """
        return str(self._calls.get(f"publications/{number}/diff", {"old": old, "new": new})["diff"])

    def lock(self, number: int) -> dict[str, Any]:
        """Keep others from editing for ten minutes.

        Parameters
        ----------
        number : int
            Of the circular or notice.

        Returns
        -------
        dict
            The document of it now.
        """
        return self._post(number, "lock")

    def unlock(self, number: int, *, by_force: bool = False) -> dict[str, Any]:
        """Let others edit again.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        by_force : bool
            Also if somebody else keeps it.

        Returns
        -------
        dict
            The document of it now.
        """
        return self._post(number, "unlock", by_force=by_force)

    def comment(self, number: int, text: str) -> dict[str, Any]:
        """Say something about it to all who see it.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        text : str

        Returns
        -------
        dict
            The document of it now.
        """
        return self._post(number, "comments", text=text)

    def approve(self, number: int, revision: int) -> dict[str, Any]:
        """Approve its last revision, word for word.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        revision : int
            The one that was read; another one is not approved.

        Returns
        -------
        dict
            The document of it now.
        """
        return self._post(number, "approve", revision=revision)

    def withdraw(self, number: int, reason: str = "") -> dict[str, Any]:
        """Put aside what will not be sent.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        reason : str

        Returns
        -------
        dict
            The document of it now.
        """
        return self._post(number, "withdraw", reason=reason)

    def reopen(self, number: int) -> dict[str, Any]:
        """Make a draft again of what was withdrawn or approved.

        Parameters
        ----------
        number : int
            Of the circular or notice.

        Returns
        -------
        dict
            The document of it now.
        """
        return self._post(number, "reopen")

    def preview(self, number: int) -> dict[str, Any]:
        """Return what would go out, byte for byte, and its SHA-256.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        """
        return dict(self._calls.get(f"publications/{number}/preview"))

    def send(self, number: int, confirm: str) -> dict[str, Any]:
        """Have it sent, once; `confirm` is the SHA-256 of what `preview` shows.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        confirm : str
            SHA-256 of the bytes, as `preview` tells it.

        Returns
        -------
        dict
            The document of it now.
        """
        return self._post(number, "send", confirm=confirm)

    def sent_by_hand(self, number: int, name: str) -> dict[str, Any]:
        """Note that a person has sent it, and what it is called there.

        Parameters
        ----------
        number : int
            Of the circular or notice.
        name : str
            What it is called where it went, such as the number of the circular.

        Returns
        -------
        dict
            The document of it now.
        """
        return self._post(number, "sent", number=name)

    def _post(self, publication: int, what: str, /, **body: Any) -> dict[str, Any]:
        return self._calls.post(f"publications/{publication}/{what}", body)
