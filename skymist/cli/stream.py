"""``skymist stream``: messages from topics, folders and archives become records."""

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.progress import track

from skymist.cli import text
from skymist.cli.db import database_option, json_option, opened
from skymist.cli.own import server_option, source
from skymist.errors import ReadError, RequestError, SkymistError

if TYPE_CHECKING:
    from skymist.alerts.stream import Message
    from skymist.records import Database
    from skymist.workflow.ingest import Outcome

REPLAY = "replay"
"""Where a message came from that was replayed."""


@click.group()
def stream() -> None:
    """Read streams of events and notices into records, and say how far they were read."""


@stream.command()
@server_option
@database_option()
@json_option
def status(server: str | None, database: str, as_json: bool) -> None:
    """List the streams: what each is doing, how far behind it is, when it was last heard of."""
    with source(server, database) as records:
        found = list(records.streams())
    if as_json:
        text.print_json({"streams": found})
    else:
        text.print_rows(found, ("name", "state", "lag", "heard", "trouble"))


@stream.command()
@click.option("--folder", "folders", multiple=True, metavar="DIR", help="Watch it: every file is a message; repeat.")
@click.option(
    "--kafka", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.yaml",
    help="topics (each notice, event, either or heartbeat) and settings of librdkafka; $NAME is from the environment.",
)  # fmt: skip
@database_option()
@json_option
def listen(folders: tuple[str, ...], kafka: Path | None, database: str, as_json: bool) -> None:
    """Keep what comes from folders and topics, until it is stopped; with --json, one document for each message.

    May be killed at any moment: nothing is lost, and what comes again changes nothing.
    """
    if not folders and kafka is None:
        raise RequestError("nothing to listen to: give --folder DIR or --kafka FILE.yaml")
    with opened(database) as records, _until_stopped() as stop:
        from skymist.workflow import listen as workflow

        sources = workflow.make_sources(folders, None if kafka is None else _settings(kafka))
        workflow.listen(records, sources, stop, _tell_as_json if as_json else _tell)


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """Yield what is set when somebody asks this process to end: then it comes to an end in good order."""
    stop, numbers = threading.Event(), (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _settings(file: Path) -> dict[str, Any]:
    """Return what a file says of topics."""
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ReadError(f"cannot be read: {error}", str(file)) from None
    if not isinstance(found, dict) or not all(isinstance(found.get(key), dict) for key in ("topics", "settings")):
        raise ReadError("it has no topics and settings, each of them a mapping", str(file))
    return found


def _tell(outcome: "Outcome") -> None:
    known = "new" if outcome.new else "known"
    click.echo(f"{outcome.input_id[:12]}  {f'quarantined: {outcome.reason}' if outcome.reason else known}")


def _tell_as_json(outcome: "Outcome") -> None:
    text.print_json(asdict(outcome))


@stream.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--speed", type=click.FloatRange(min=0, min_open=True), metavar="X", show_default="at once",
    help="So many times as fast as it happened, by the times of the events.",
)  # fmt: skip
@database_option()
@json_option
def replay(path: Path, speed: float | None, database: str, as_json: bool) -> None:
    """Read a file of notices or an event, or all files of a folder, in the order of the times of the events.

    PATH is a notice (JSON, VOEvent or text), an event, IceCat-1 or GCN's table of gold and bronze alerts: each row of
    a table is a message of its own. What is known already changes nothing.
    """
    with opened(database) as records:
        found, messages = Replayed(), _messages(path)
        shown = track(_paced(messages, speed), "replaying", len(messages), console=text.notes, transient=True,
                      disable=not text.notes.is_terminal)  # fmt: skip
        from skymist.workflow.listen import take_message

        for each in shown:
            found.add(each, take_message(records, each))
        document = found.summary(records)
    if as_json:
        text.print_json(document)
    else:
        _print(document)


@dataclass
class Replayed:
    """What became of messages."""

    messages: int = 0
    new: int = 0
    alerts: set[int] = field(default_factory=set)
    quarantined: list[dict[str, str]] = field(default_factory=list)

    def add(self, message: "Message", outcome: "Outcome") -> None:
        """Count a message."""
        self.messages += 1
        self.new += outcome.new
        self.alerts.update(outcome.alert_ids)
        if outcome.reason:
            self.quarantined.append({"id": outcome.input_id, "position": message.position, "reason": outcome.reason})

    def summary(self, database: "Database") -> dict[str, Any]:
        """Return it as JSON-like values, with what cannot be right in the alerts that the messages are about."""
        from skymist.records import alerts
        from skymist.records.tables import Alert

        with database.read() as session:
            found = [session.get_one(Alert, each) for each in sorted(self.alerts)]
            doubts = {each.name: list(told) for each in found if (told := alerts.whole(each).doubts)}
        return {"messages": self.messages, "new": self.new, "alerts": len(found),
                "quarantined": self.quarantined, "doubts": doubts}  # fmt: skip


def _messages(path: Path) -> "list[tuple[int | None, Message]]":
    """Return the messages of a file or folder with the times of their events (ns), in this order.

    What cannot be read has no time and comes last.
    """
    from skymist.alerts.stream import EITHER, Message
    from skymist.workflow.listen import parts

    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    whole = ((file, Message(file.read_bytes(), EITHER, REPLAY, file.name)) for file in files)
    found = [(_time_ns(part.content, file), part) for file, message in whole for part in parts(message)]
    return sorted(found, key=lambda each: (each[0] is None, each[0] or 0))


def _time_ns(content: bytes, file: Path) -> int | None:
    """Return the time of the event that a message is about, the first of several."""
    import numpy as np

    from skymist.alerts import read_revisions
    from skymist.readers import read_event

    try:
        times = [int(each.time.astype("int64")) for each in read_revisions(content) if not np.isnat(each.time)]
        return min(times, default=None)
    except ReadError:
        pass
    try:
        return int(read_event(file).time.astype("datetime64[ns]").astype("int64"))
    except SkymistError:
        return None


def _paced(messages: "Sequence[tuple[int | None, Message]]", speed: float | None) -> "Iterator[Message]":
    """Yield messages when their time has come."""
    began, first = time.monotonic(), next((time_ns for time_ns, _ in messages if time_ns is not None), 0)
    for time_ns, message in messages:
        if speed is not None and time_ns is not None:
            time.sleep(max(0.0, began + (time_ns - first) / 1e9 / speed - time.monotonic()))
        yield message


def _print(document: Mapping[str, Any]) -> None:
    bad = document["quarantined"]
    text.answers.print(
        f"messages: {document['messages']:,} ({document['new']:,} new), alerts: {document['alerts']:,}, "
        f"in quarantine: {len(bad):,}"
    )
    if not document["new"]:
        text.answers.print("nothing changed: all of them were known")
    for each in bad:
        text.answers.print(f"[bold]in quarantine:[/] {escape(each['position'])}: {escape(each['reason'])}")
    for name, doubts in document["doubts"].items():
        for doubt in doubts:
            text.answers.print(f"[bold]doubtful:[/] {escape(name)}: {escape(doubt)}")
