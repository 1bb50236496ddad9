"""Forms: how each kind of publication is made of facts, checked, and turned into the bytes that go out."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from skymist.alerts import read_revisions
from skymist.alerts.notice_checks import check_notice
from skymist.alerts.write_json import write_json
from skymist.alerts.write_voevent import write_voevent
from skymist.circulars import draft as drafting
from skymist.circulars import send
from skymist.circulars.draft import Draft
from skymist.circulars.lint import lint
from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model.alert import Kind, Revision, Tense, present
from skymist.model.circular import Fact, Finding, State
from skymist.records.publications import CIRCULAR, NOTICE
from skymist.records.tables import Alert, Publication

AUTO = "auto"
NOTICES = "initial", "update", "retraction"


class Form(Protocol):
    """One kind of publication."""

    kind: str
    channel: str

    def fitting(self, alert: Alert, earlier: Sequence[Publication]) -> str:
        """Return the template for what is to be said next of an alert."""

    def templates(self, folder: Path | None) -> Sequence[str]:
        """Return all templates."""

    def draft(self, template: str, facts: Iterable[Fact], folder: Path | None) -> Draft:
        """Return the text."""

    def check(self, subject: str, body: str, facts: Iterable[Fact]) -> list[Finding]:
        """Return all that is wrong with a text."""

    def content(self, subject: str, body: str) -> bytes:
        """Return the bytes that go out."""


class Circulars:
    """Circulars of GCN: words."""

    kind, channel = CIRCULAR, send.CHANNEL

    def fitting(self, alert: Alert, earlier: Sequence[Publication]) -> str:
        """Return the template for what is to be said next of an alert."""
        if alert.retracted:
            return "retraction"
        if any(each.state == State.SENT for each in earlier):
            return "update"
        return "cascade" if alert.stream == "cascade" else "track"

    def templates(self, folder: Path | None) -> Sequence[str]:
        """Return ours, and those of the site."""
        return drafting.templates(folder)

    def draft(self, template: str, facts: Iterable[Fact], folder: Path | None) -> Draft:
        """Return the text of a template."""
        return drafting.draft(template, facts, folder)

    def check(self, subject: str, body: str, facts: Iterable[Fact]) -> list[Finding]:
        """Return what `skymist.circulars.lint` finds."""
        return lint(subject, body, facts)

    def content(self, subject: str, body: str) -> bytes:
        """Return the document that GCN's API takes."""
        return send.content_of(subject, body)


class Notices:
    """Notices of GCN's topic for single neutrinos: JSON."""

    kind, channel = NOTICE, "kafka"

    def fitting(self, alert: Alert, earlier: Sequence[Publication]) -> str:
        """Return ``initial`` for the first one, then ``update``, and ``retraction`` of what is retracted."""
        if alert.retracted:
            return "retraction"
        return "update" if any(each.state == State.SENT for each in earlier) else "initial"

    def templates(self, folder: Path | None) -> Sequence[str]:  # noqa: ARG002 (sites have none of their own)
        """Return what notices do."""
        return NOTICES

    def draft(self, template: str, facts: Iterable[Fact], folder: Path | None) -> Draft:  # noqa: ARG002
        """Return the notice, for people to read and for the topic as it is."""
        if template not in NOTICES:
            raise UnknownNameError("kind of notice", template[:80], NOTICES)
        revision = revision_of(facts, Kind(template))
        content = write_json(revision, tense=revision.tense, sent=revision.issued or present())
        return Draft(f"{revision.name} {template}", content.decode())

    def check(self, subject: str, body: str, facts: Iterable[Fact]) -> list[Finding]:  # noqa: ARG002
        """Return what `skymist.alerts.notice_checks` finds."""
        known = tuple(facts)
        if not known:
            return check_notice(body.encode())
        kind = str(json.loads(body).get("alert_type", "")) if _is_object(body) else ""
        expected = revision_of(known, Kind(kind) if kind in list(Kind) else Kind.INITIAL)
        return check_notice(body.encode(), expected)

    def content(self, subject: str, body: str) -> bytes:  # noqa: ARG002
        """Return the notice as it is."""
        return body.encode()


FORMS: dict[str, Form] = {form.kind: form for form in (Circulars(), Notices())}


def find(kind: str) -> Form:
    """Return the form of a kind of publication.

    Raises
    ------
    UnknownNameError
    """
    if kind not in FORMS:
        raise UnknownNameError("kind of publication", kind[:80], FORMS)
    return FORMS[kind]


def revision_of(facts: Iterable[Fact], kind: Kind) -> Revision:
    """Return facts as the revision of an alert that a notice tells of.

    Raises
    ------
    RequestError
        If one is missing without which there is no notice.
    """
    known: dict[str, Any] = {fact.name: fact.value for fact in facts if not fact.of}
    if missing := [name for name in ("key", "time", "record_number") if name not in known]:
        raise RequestError(f"a notice needs the {missing[0].replace('_', ' ')}, which is not known")
    run, event = map(int, str(known["key"]).split("_"))
    errors: Any = tuple(known.get(name) for name in ("ra_plus", "ra_minus", "dec_plus", "dec_minus"))
    found = Revision(
        run, event, np.datetime64(str(known["time"]).removesuffix("Z"), "ns"), int(known["record_number"]), kind,
        Tense(known.get("tense", Tense.TEST)), name=str(known.get("name", "")), stream=str(known.get("stream", "")),
        issued=np.datetime64(str(known["issued"]).removesuffix("Z"), "ns") if "issued" in known else None,
        comment=str(known.get("reason", "")) if kind == Kind.RETRACTION else "",
    )  # fmt: skip
    if kind == Kind.RETRACTION:
        return found
    return replace(
        found, ra=known.get("ra"), dec=known.get("dec"), radius_90=known.get("radius_90"),
        errors_90=None if None in errors else errors, systematic=_flag(known.get("systematic")),
        energy_tev=known.get("energy_tev"), signalness=known.get("signalness"), far_per_year=known.get("far_per_year"),
        map_url=str(known.get("map_url", "")),
    )  # fmt: skip


def voevent_of(notice: str, authority: str, author: str) -> str | None:
    """Return a notice as a VOEvent; None if nothing can be read there, or its stream has none."""
    try:
        (revision,) = read_revisions(notice.encode())
        before = revision.number - 1 if revision.number else None
        sent = revision.time if revision.issued is None else revision.issued
        return write_voevent(
            revision, sent=sent, authority=authority, tense=revision.tense, author=author, before=before
        ).decode()
    except (ReadError, RequestError, ValueError):
        return None


def _flag(word: Any) -> bool | None:
    return None if word is None else word == "yes"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
