"""Circulars and notices of a database, with the methods of `skymist.client.publications.Publications`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from skymist.cli.db import user

if TYPE_CHECKING:
    from skymist.workflow.desk import Desk


class OwnPublications:
    """The circulars, or the notices, of a database; the same documents come of it as of a service."""

    def __init__(self, desk: "Desk", kind: str) -> None:
        self._desk, self.kind, self._who = desk, kind, user()

    def draft(
        self, alert: str, *, role: str = "observation", template: str = "auto", scan: str | None = None,
        tense: str = "test", **said: str,
    ) -> dict[str, Any]:  # fmt: skip
        """Draft one of an alert."""
        from skymist.model.alert import Role, Tense
        from skymist.records import alerts

        with self._desk.database.read() as session:
            alert_id = alerts.find(session, alert, Role(role)).id
        made = self._desk.draft(self.kind, alert_id, self._who, template, scan, Tense(tense), **said)
        return self.show(made["id"])

    def find(
        self, *, alert: str | None = None, state: Sequence[str] = (), role: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield them, the latest first."""
        from sqlalchemy import select

        from skymist.model.alert import Role
        from skymist.records import alerts
        from skymist.records.tables import Publication
        from skymist.workflow.desk import document

        query = select(Publication).where(Publication.kind == self.kind).order_by(Publication.id.desc())
        with self._desk.database.read() as session:
            if alert is not None:
                found = alerts.find(session, alert, Role(role or Role.OBSERVATION))
                query = query.where(Publication.alert_id == found.id)
            query = query if role is None else query.where(Publication.role == role)
            query = query.where(Publication.state.in_(state)) if state else query
            yield from [document(each) for each in session.scalars(query)]

    def show(self, number: int, revision: int | None = None) -> dict[str, Any]:
        """Return one with a text, its facts and its history."""
        return self._desk.show(self.kind, number, revision)

    def edit(self, number: int, base: int, subject: str, body: str, note: str = "") -> dict[str, Any]:
        """Add a revision made of the revision `base`."""
        return self._desk.edit(self.kind, number, base, subject, body, self._who, note)

    def redraft(self, number: int, scan: str | None = None) -> dict[str, Any]:
        """Have it say what is known now."""
        return self._desk.redraft(self.kind, number, self._who, scan)

    def check(self, number: int, revision: int | None = None) -> list[dict[str, Any]]:
        """Return all that is wrong with it, or may be."""
        return [each.to_dict() for each in self._desk.check(self.kind, number, revision)]

    def diff(self, number: int, old: int | None = None, new: int | None = None) -> str:
        """Return what is different between two revisions."""
        return self._desk.diff(self.kind, number, old, new)

    def lock(self, number: int) -> dict[str, Any]:
        """Keep others from editing for a while."""
        return self._desk.lock(self.kind, number, self._who)

    def unlock(self, number: int, *, by_force: bool = False) -> dict[str, Any]:
        """Let others edit again."""
        return self._desk.unlock(self.kind, number, self._who, by_force=by_force)

    def comment(self, number: int, text: str) -> dict[str, Any]:
        """Say something about it."""
        return self._desk.comment(self.kind, number, text, self._who)

    def approve(self, number: int, revision: int) -> dict[str, Any]:
        """Approve its last revision."""
        return self._desk.approve(self.kind, number, revision, self._who)

    def withdraw(self, number: int, reason: str = "") -> dict[str, Any]:
        """Put aside what will not be sent."""
        return self._desk.withdraw(self.kind, number, self._who, reason)

    def reopen(self, number: int) -> dict[str, Any]:
        """Make a draft again of what was withdrawn or approved."""
        return self._desk.reopen(self.kind, number, self._who)

    def preview(self, number: int) -> dict[str, Any]:
        """Return what would go out."""
        return self._desk.preview(self.kind, number)

    def send(self, number: int, confirm: str) -> dict[str, Any]:
        """Have it sent by whoever sends: a service, or `deliver`."""
        return self._desk.send(self.kind, number, confirm, self._who)

    def sent_by_hand(self, number: int, name: str) -> dict[str, Any]:
        """Note that a person has sent it."""
        return self._desk.sent_by_hand(self.kind, number, name, self._who)
