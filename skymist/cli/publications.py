"""``skymist circular`` and ``skymist notice``: from a draft to what is sent, in a database or at a service."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skymist.cli import published, text
from skymist.cli.db import database_option, json_option, opened
from skymist.cli.own import ROLES, role_option, server_option
from skymist.errors import ReadError, RequestError

if TYPE_CHECKING:
    from skymist.cli.own_publications import OwnPublications
    from skymist.client.publications import Publications
    from skymist.workflow.courier import Courier
    from skymist.workflow.settings import ServiceSettings

STATES = "draft", "approved", "sending", "sent", "withdrawn"
"""As `skymist.model.circular.State` has them; that takes too long to import for a word of help."""

TENSES = "current", "archival", "planned", "injection", "commanded", "test"
COLUMNS = "id", "alert", "template", "state", "head", "approver", "number", "changed"
WAIT_S = 120.0
"""For which a command follows what is being sent."""

config_option = click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), envvar="SKYMIST_CONFIG", show_envvar=True,
    help="Settings of the site: who reports, catalogs, and how to send (docs/howto/circulars.md).",
)  # fmt: skip
_number = click.argument("number", metavar="ID", type=click.IntRange(min=1))
_revision = click.option("--revision", type=click.IntRange(min=1), metavar="N", help="The last one by default.")


@contextmanager
def _source(
    kind: str, server: str | None, database: str, config: Path | None = None
) -> "Iterator[Publications | OwnPublications]":
    """Yield the publications of a service, or of a database where none is given."""
    if server:
        from skymist.client import connect

        with connect(server) as client:
            yield client.publications(kind)
    else:
        with opened(database) as records:
            from skymist.cli.own_publications import OwnPublications
            from skymist.workflow.desk import Desk
            from skymist.workflow.outgoing import desk_settings

            yield OwnPublications(Desk(records, desk_settings(_settings(config).circulars)), kind)


def _settings(config: Path | None) -> "ServiceSettings":
    from skymist.workflow.settings import ServiceSettings

    return ServiceSettings.load(config, Path())


def make_group(kind: str, about: str) -> click.Group:
    """Return the commands of one kind of publication."""
    group = click.Group(kind, help=about)
    for make in (_draft, _list, _show, _lint, _edit, _redraft, _diff, _comment, _lock, _unlock, _approve, _withdraw,
                 _reopen, _send):  # fmt: skip
        group.add_command(make(kind))
    return group


def _common(command: Any) -> Any:
    """Add the options of where publications are."""
    for option in (json_option, config_option, database_option(), server_option):
        command = option(command)
    return command


def _draft(kind: str) -> click.Command:
    @click.command("draft")
    @click.argument("alert")
    @click.option("--template", default="auto", show_default=True, metavar="NAME", help=f"What the {kind} says.")
    @click.option("--scan", metavar="ID", help="Scan whose map gives the position; the last complete one by default.")
    @click.option("--detector-state", default="", metavar="TEXT", help="A sentence on the state of the detector.")
    @click.option("--remark", default="", metavar="TEXT", help="A sentence on anything unusual.")
    @click.option("--reason", default="", metavar="TEXT", help="Why an alert is taken back.")
    @click.option("--tense", type=click.Choice(TENSES), default="test", show_default=True, help="Of a notice.")
    @role_option
    @_common
    def draft(alert: str, server: str | None, database: str, config: Path | None, as_json: bool, **said: Any) -> None:
        """Draft one of ALERT, a name of it or RUN/EVENT, from all that is known, and print it."""
        with _source(kind, server, database, config) as found:
            told = found.draft(alert, **said)
            findings = found.check(told["id"])
        if as_json:
            text.print_json({**told, "findings": findings})
        else:
            published.print_text(told)
            published.print_findings(findings)

    return draft


def _list(kind: str) -> click.Command:
    @click.command("list")
    @click.option("--alert", metavar="NAME", help="Only of this alert.")
    @click.option("--state", multiple=True, type=click.Choice(STATES), help="Only in this state; repeat for several.")
    @click.option("--role", type=click.Choice(ROLES), help="Only of real alerts, or of which others.")
    @click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="At most.")
    @_common
    def list_(
        limit: int, server: str | None, database: str, config: Path | None, as_json: bool, **filters: Any
    ) -> None:
        """List them, the latest first."""
        with _source(kind, server, database, config) as source:
            found = [*islice(source.find(**filters), limit)]
        if as_json:
            text.print_json({f"{kind}s": found})
        else:
            text.print_rows(({**each, "changed": each["changed"][:19]} for each in found), COLUMNS)

    return list_


def _show(kind: str) -> click.Command:
    @click.command("show")
    @_number
    @_revision
    @click.option("--facts", is_flag=True, help="Also what each number is, and where it comes from.")
    @_common
    def show(
        number: int, revision: int | None, facts: bool, server: str | None, database: str, config: Path | None,
        as_json: bool,
    ) -> None:  # fmt: skip
        """Show the text of ID, who wrote and approved it, and what was said of it."""
        with _source(kind, server, database, config) as found:
            told = found.show(number, revision)
        if as_json:
            text.print_json(told)
            return
        published.print_text(told)
        if facts:
            published.print_facts(told["facts"])
        published.print_comments(told["comments"])

    return show


def _lint(kind: str) -> click.Command:
    @click.command("lint")
    @click.argument("which", metavar="ID|FILE")
    @_revision
    @_common
    def lint(
        which: str, revision: int | None, server: str | None, database: str, config: Path | None, as_json: bool
    ) -> None:
        """Check ID against the records, the map and the catalogs as they are now; or the rules of a text FILE.

        A file of a circular begins with a line "Subject: ..." and an empty one. Exit status 1 if there are errors.
        """
        if which.isdecimal():
            with _source(kind, server, database, config) as source:
                found = source.check(int(which), revision)
        else:
            found = _findings_of_file(kind, Path(which))
        if as_json:
            text.print_json({"findings": found})
        else:
            published.print_findings(found)
        if any(each["level"] == "error" for each in found):
            raise click.exceptions.Exit(1)

    return lint


def _findings_of_file(kind: str, path: Path) -> list[dict[str, Any]]:
    from skymist.workflow.forms import find

    content = _read(path)
    subject, body = _split(content) if kind == "circular" else ("", content)
    return [each.to_dict() for each in find(kind).check(subject, body, ())]


def _edit(kind: str) -> click.Command:
    @click.command("edit")
    @_number
    @click.option("--file", "path", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE",
                  help="The new text, - for standard input; your editor is opened otherwise.")  # fmt: skip
    @click.option("--base", type=click.IntRange(min=1), metavar="N", help="Revision that was edited; the last one.")
    @click.option("--note", default="", metavar="TEXT", help="What was changed, and why.")
    @_common
    def edit(
        number: int, path: str | None, base: int | None, note: str, server: str | None, database: str,
        config: Path | None, as_json: bool,
    ) -> None:  # fmt: skip
        """Change the text of ID: a new revision, which nobody has approved.

        If somebody else was faster, or holds the lock, yours is kept aside, and both are shown put together.
        """
        with _source(kind, server, database, config) as found:
            shown = found.show(number, base)
            before = f"Subject: {shown['subject']}\n\n{shown['body']}"
            after = _edited(before, path)
            if after is None or after == before:
                raise RequestError(f"nothing is changed in {kind} {number}")
            told = found.edit(number, shown["revision"], *_split(after), note)
            findings = [] if told["aside"] else found.check(number)
        if as_json:
            text.print_json({**told, "findings": findings})
        else:
            published.print_edited(told, findings)
        if told["aside"]:
            raise click.exceptions.Exit(1)

    return edit


def _edited(before: str, path: str | None) -> str | None:
    if path is None:
        return click.edit(before, extension=".txt")
    return sys.stdin.read() if path == "-" else _read(Path(path))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ReadError(f"no text: byte {error.start} is not UTF-8", str(path)) from None


def _split(content: str) -> tuple[str, str]:
    """Return subject and body of a text whose first line is its subject."""
    head, empty, body = content.replace("\r\n", "\n").partition("\n\n")
    if not head.startswith("Subject: ") or not empty or "\n" in head:
        raise RequestError("the text begins with a line `Subject: ...` and an empty one")
    return head.removeprefix("Subject: ").strip(), body


def _redraft(kind: str) -> click.Command:
    @click.command("redraft")
    @_number
    @click.option("--scan", metavar="ID", help="Scan whose map gives the position; by default the one that somebody "
                  "has chosen, or the last complete one.")  # fmt: skip
    @_common
    def redraft(
        number: int, scan: str | None, server: str | None, database: str, config: Path | None, as_json: bool
    ) -> None:
        """Have ID say what is known now; what people wrote stays, and what has changed is listed."""
        with _source(kind, server, database, config) as found:
            told = found.redraft(number, scan)
            findings = [] if told["aside"] else found.check(number)
        if as_json:
            text.print_json({**told, "findings": findings})
        else:
            published.print_changes(told)
            published.print_edited(told, findings)
        if told["aside"]:
            raise click.exceptions.Exit(1)

    return redraft


def _diff(kind: str) -> click.Command:
    @click.command("diff")
    @_number
    @click.option("--old", type=click.IntRange(min=1), metavar="N", help="The one that the new one was made of.")
    @click.option("--new", type=click.IntRange(min=1), metavar="N", help="The last one by default.")
    @_common
    def diff(
        number: int, old: int | None, new: int | None, server: str | None, database: str, config: Path | None,
        as_json: bool,
    ) -> None:  # fmt: skip
        """Show what is different between two revisions of ID."""
        with _source(kind, server, database, config) as found:
            told = found.diff(number, old, new)
        if as_json:
            text.print_json({"diff": told})
        else:
            click.echo(told or "no difference")

    return diff


def _comment(kind: str) -> click.Command:
    @click.command("comment")
    @_number
    @click.argument("words", metavar="TEXT")
    @_common
    def comment(number: int, words: str, server: str | None, database: str, config: Path | None, as_json: bool) -> None:
        """Say something about ID to all who see it here; it is not sent."""
        with _source(kind, server, database, config) as found:
            told = found.comment(number, words)
        if as_json:
            text.print_json(told)

    return comment


def _lock(kind: str) -> click.Command:
    @click.command("lock")
    @_number
    @_common
    def lock(number: int, server: str | None, database: str, config: Path | None, as_json: bool) -> None:
        """Keep others from editing ID for ten minutes; again for ten more."""
        with _source(kind, server, database, config) as found:
            told = found.lock(number)
        published.print_state(told, as_json, f"is locked until {told['locked_until'][11:16]} UTC")

    return lock


def _unlock(kind: str) -> click.Command:
    @click.command("unlock")
    @_number
    @click.option("--force", is_flag=True, help="Also if somebody else has locked it; the log tells.")
    @_common
    def unlock(number: int, force: bool, server: str | None, database: str, config: Path | None, as_json: bool) -> None:
        """Let others edit ID again."""
        with _source(kind, server, database, config) as found:
            published.print_state(found.unlock(number, by_force=force), as_json, "is not locked")

    return unlock


def _approve(kind: str) -> click.Command:
    @click.command("approve")
    @_number
    @click.option("--revision", required=True, type=click.IntRange(min=1), metavar="N", help="The one that you read.")
    @_common
    def approve(
        number: int, revision: int, server: str | None, database: str, config: Path | None, as_json: bool
    ) -> None:
        """Approve the last revision of ID, word for word; who wrote it cannot, and it has to be without errors."""
        with _source(kind, server, database, config) as found:
            published.print_state(found.approve(number, revision), as_json)

    return approve


def _withdraw(kind: str) -> click.Command:
    @click.command("withdraw")
    @_number
    @click.option("--reason", default="", metavar="TEXT", help="In words.")
    @_common
    def withdraw(
        number: int, reason: str, server: str | None, database: str, config: Path | None, as_json: bool
    ) -> None:
        """Put ID aside: it will not be sent."""
        with _source(kind, server, database, config) as found:
            published.print_state(found.withdraw(number, reason), as_json)

    return withdraw


def _reopen(kind: str) -> click.Command:
    @click.command("reopen")
    @_number
    @_common
    def reopen(number: int, server: str | None, database: str, config: Path | None, as_json: bool) -> None:
        """Make a draft again of ID, which was withdrawn or approved."""
        with _source(kind, server, database, config) as found:
            published.print_state(found.reopen(number), as_json)

    return reopen


def _send(kind: str) -> click.Command:
    @click.command("send")
    @_number
    @click.option("--dry-run", is_flag=True, help="Show what would go out, byte for byte, and send nothing.")
    @click.option("--confirm", metavar="SHA256", help="Of what goes out, as --dry-run tells; asked for otherwise.")
    @click.option("--by-hand", metavar="NUMBER", help="You have sent it yourself: what it is called there.")
    @_common
    def send(
        number: int, dry_run: bool, confirm: str | None, by_hand: str | None, server: str | None, database: str,
        config: Path | None, as_json: bool,
    ) -> None:  # fmt: skip
        """Send ID, which is approved, once; or show how it can be sent by hand.

        Nothing is sent without settings of the site (--config) that say where to.
        """
        with _source(kind, server, database, config) as found:
            preview = found.preview(number)
            if dry_run and as_json:
                text.print_json(preview)
                return
            if dry_run:
                published.print_preview(preview)
                return
            if by_hand:
                published.print_state(found.sent_by_hand(number, by_hand), as_json)
                return
            with nullcontext() if server else _courier(kind, database, config) as courier:
                told = found.send(number, confirm or _asked(preview))
                while courier is not None and courier.deliver():
                    pass
            told = _followed(found, told)
        published.print_state(told, as_json)
        if told["state"] != "sent":
            text.note(told["error"] or "it is still on its way; skymist circular show tells more", "not sent yet:")
            raise click.exceptions.Exit(1)

    return send


def _asked(preview: Mapping[str, Any]) -> str:
    """Return the digits by which a person confirms what goes out."""
    if not sys.stdin.isatty():
        raise RequestError(f"confirm what goes out: --confirm {preview['sha256'][:12]} (look at --dry-run first)")
    click.echo(preview["content"])
    return str(click.prompt(f"this goes out. Type {preview['sha256'][:12]} to send it"))


@contextmanager
def _courier(kind: str, database: str, config: Path | None) -> "Iterator[Courier]":
    """Yield what sends from here; a service of the same database may be faster."""
    from skymist.workflow.courier import Courier
    from skymist.workflow.outgoing import is_real, make_channels

    settings = _settings(config)
    real = is_real(settings.circulars)
    channels = make_channels(settings.circulars, settings.notices)
    try:
        if kind not in channels:
            where = "circulars: gcn" if kind == "circular" else "notices"
            raise RequestError(
                f"no settings say where {kind}s are sent: --config with {where} (docs/howto/circulars.md)"
            )
        with opened(database) as records:
            yield Courier(records, channels, real=real)
    finally:
        for channel in channels.values():
            channel.close()


def _followed(found: "Publications | OwnPublications", told: dict[str, Any]) -> dict[str, Any]:
    """Return what became of what is being sent, as soon as that is known."""
    until = time.monotonic() + (WAIT_S if told["state"] == "sending" else 0)
    while told["state"] == "sending" and not told["error"] and time.monotonic() < until:
        time.sleep(0.2)
        told = found.show(told["id"])
    return told


circular = make_group("circular", "Circulars: draft, check, edit, approve and send them.")
notice = make_group("notice", "Notices: draft, check, edit, approve and publish them, as tests by default.")
