"""``skymist serve``: the whole service with one command, or one of its parts."""

import errno
import json
import logging
import os
import signal
import socket
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skymist.cli import text
from skymist.cli.cluster import own_configs
from skymist.cli.db import connect, own_database
from skymist.cli.status import BAD_INPUT
from skymist.errors import RequestError, UnknownNameError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from skymist.api import Oidc
    from skymist.records import Database
    from skymist.workflow.archive.settings import ArchiveSettings
    from skymist.workflow.rules import Rules
    from skymist.workflow.settings import ServiceSettings

PARTS = "api", "workflow", "streams"
NICENESS = 10
"""Of what computes: whoever asks, and messages that come in, find a processor at once."""

BACKLOG = 2048
"""Connections that may wait to be accepted."""

_log = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """One JSON document a line, for whatever collects them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        document = {"time": time, "level": record.levelname.lower(), "part": record.name, "said": record.getMessage()}
        if record.exc_info:
            document["trace"] = self.formatException(record.exc_info)
        return json.dumps(document)


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Settings; those below go before what stands there.",
)
@click.option(
    "--database",
    metavar="URL",
    envvar="SKYMIST_DATABASE",
    show_envvar=True,
    help="A file (SQLite), or postgresql://USER@HOST/NAME.",
)
@click.option("--out", metavar="PATH|URL", help="Folder of the maps.")
@click.option("--rules", metavar="FILE", help="What is scanned by itself; IceCube's choice by default.")
@click.option("--host", metavar="NAME", help="Where the API listens; 127.0.0.1 by default: this machine only.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="8642 by default.")
@click.option("--folder", "folders", multiple=True, metavar="DIR", help="Watch it for events and notices; repeat.")
@click.option("--slots", type=click.IntRange(min=1), metavar="N", help="Ordinary scans at a time; 4 by default.")
@click.option(
    "--part", "parts", multiple=True, type=click.Choice(PARTS), help="Only this part; repeat. All by default."
)
def serve(config: Path | None, parts: tuple[str, ...], **given: object) -> None:
    """Watch streams, scan what they bring, and answer over HTTP, until it is stopped.

    Each part is a process of its own that is started again if it dies: streams (messages to records), workflow (records
    to maps) and api. Everything they share is in the database, so that they may run on different machines.
    """
    from skymist.workflow.settings import ServiceSettings

    settings = ServiceSettings.load(config, Path(own_database()).parent).changed(**given)
    _log_as_json()
    stop = _stop_on_signals()
    if len(parts) == 1:
        _run_part(parts[0], settings, stop)
        return
    parts = parts or _useful(settings)
    _prepare(settings, parts)
    from skymist.workflow.supervisor import supervise

    commands = {part: [sys.executable, "-m", "skymist", *_arguments(part)] for part in parts}
    if status := supervise(commands, stop, lambda code: code == BAD_INPUT):
        raise click.exceptions.Exit(status)


def _arguments(part: str) -> list[str]:
    """Return the words of this command for one part: as they were given, but that part."""
    words = sys.argv[1:]
    return [*(word for word in words if not word.startswith("--part=")), f"--part={part}"]


def _useful(settings: "ServiceSettings") -> tuple[str, ...]:
    """Return the parts that have something to do."""
    return PARTS if settings.folders or settings.kafka else ("api", "workflow")


def _prepare(settings: "ServiceSettings", parts: tuple[str, ...]) -> None:
    """Refuse what is misspelt before anything begins, make tables where there are none, and let this user in."""
    database = connect(settings.database)
    from skymist.alerts.folder import Folder

    if "streams" in parts:
        for folder in settings.folders:
            Folder(Path(folder))
    if "workflow" in parts and settings.rules:
        _rules(settings)
    if "workflow" in parts:
        from skymist.workflow.hooks import make_hooks

        make_hooks(settings.hooks)
    if "api" in parts:
        _oidc(settings)
    _archive(settings)
    if settings.circulars or settings.notices:
        from skymist.workflow.outgoing import desk_settings, is_real, make_channels

        desk_settings(settings.circulars)
        is_real(settings.circulars)
        make_channels(settings.circulars, settings.notices)
    if database.engine.dialect.name == "sqlite" or database.version() is None:
        database.upgrade()
    database.check()
    _let_in(database, settings)
    database.close()


def _let_in(database: "Database", settings: "ServiceSettings") -> None:
    """Make the first token, where nobody has one, and keep it for this user's own commands."""
    from skymist.records import tokens

    with database.begin() as session:
        if tokens.everyone(session):
            return
        _, secret = tokens.create(session, "local", tokens.Access.OPERATOR, tokens.OURSELVES)
    url = f"http://{settings.host}:{settings.port}"
    from skymist.client import remember_token

    path = remember_token(url, secret)
    text.note(f"nobody had a token yet: one of an operator for {url} is in {path}")


def _run_part(part: str, settings: "ServiceSettings", stop: threading.Event) -> None:
    database = connect(settings.database)
    from skymist.records import patiently
    from skymist.workflow.supervisor import stop_with_parent

    stop_with_parent(stop)
    patiently(database.version, stop)  # a server that is away comes back; wrong tables remain wrong
    database.check()
    {"api": _api, "workflow": _workflow, "streams": _streams}[part](settings, database, stop)
    database.close()


def _api(settings: "ServiceSettings", database: "Database", stop: threading.Event) -> None:
    # Before anything slow: who asks in the meantime waits, and is answered.
    listener = listen_at(settings.host, settings.port, stop)
    if listener is None:
        return
    import uvicorn

    from skymist.api import ApiSettings, create_app
    from skymist.workflow.outgoing import desk_settings

    desk, archive = desk_settings(settings.circulars, settings.notices), _archive(settings)
    app = create_app(ApiSettings(database, settings.out, _clusters(settings), oidc=_oidc(settings), desk=desk,
                                 archive=archive, origins=settings.origins))  # fmt: skip
    _add_pages(app)
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)

    def end() -> None:
        stop.wait()
        server.should_exit = True

    threading.Thread(target=end, daemon=True).start()
    server.run([listener])


def _oidc(settings: "ServiceSettings") -> "Oidc | None":
    """Return the identity provider of a site, if it has one."""
    if not settings.oidc:
        return None
    from dataclasses import fields

    from skymist.api import Oidc
    from skymist.workflow.settings import revealed

    known = [each.name for each in fields(Oidc)]
    for key in settings.oidc:
        if key not in known:
            raise UnknownNameError("setting of oidc", str(key), known)
    if missing := [key for key in ("issuer", "audience", "jwks_url", "roles") if key not in settings.oidc]:
        raise RequestError(f"oidc needs {', '.join(missing)}")
    return Oidc(**revealed("oidc", settings.oidc))


def _add_pages(app: "FastAPI") -> None:
    """Serve the dashboard, too, where it is installed."""
    from functools import partial

    from skymist.api import login
    from skymist.api.access import is_from_here
    from skymist.api.limits import INSIDE
    from skymist.app import mount

    service = app.state.service
    try:
        is_ours = partial(is_from_here, origins=service.settings.origins)
        mounted = mount(app, INSIDE, partial(login.who, service), is_ours)
    except ModuleNotFoundError as error:
        _log.warning("no dashboard: %s is not installed (pip install 'skymist[dashboard]')", error.name)
        return
    service.metrics.count_pages(lambda: mounted.count)
    app.include_router(login.router)


def listen_at(host: str, port: int, stop: threading.Event) -> socket.socket | None:
    """Return a socket that listens there, as soon as no other process does; None if `stop` is set before.

    Raises
    ------
    RequestError
        If this machine has no such address, or the port is not for this user.
    """
    family, told = socket.AF_INET6 if ":" in host else socket.AF_INET, False
    while not stop.is_set():
        try:
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise RequestError(f"nothing can listen at port {port} of {host}: {error.strerror}") from None
        if not told:
            _log.warning("port %d of %s is in use by another process: waiting for it; --port gives another", port, host)
        told = True
        stop.wait(0.2)
    return None


def _workflow(settings: "ServiceSettings", database: "Database", stop: threading.Event) -> None:
    from skymist.workflow.archive.exchange import snapshots
    from skymist.workflow.courier import Courier
    from skymist.workflow.outgoing import desk_settings, is_real, make_channels
    from skymist.workflow.runner import Runner, RunnerSettings

    os.nice(NICENESS)
    _tell_news(settings, database, stop)
    channels = make_channels(settings.circulars, settings.notices)
    if channels:
        courier = Courier(database, channels, real=is_real(settings.circulars))
        threading.Thread(target=courier.run, args=(stop,), name="courier", daemon=True).start()
    desk, archive = desk_settings(settings.circulars), _archive(settings)
    if (copies := snapshots(database, archive)) is not None:
        threading.Thread(target=copies.run, args=(stop,), name="snapshots", daemon=True).start()
    running = RunnerSettings(settings.out, _clusters(settings), settings.slots, desk=desk,
                             site=archive.site if settings.archive else None,
                             dask_dashboard=settings.dask_dashboard)  # fmt: skip
    Runner(database, _rules(settings), running).run(stop)


def _tell_news(settings: "ServiceSettings", database: "Database", stop: threading.Event) -> None:
    """Begin to tell news where the site says so."""
    if not settings.hooks:
        return
    from skymist.workflow.herald import Herald
    from skymist.workflow.hooks import make_hooks

    site = settings.origins[0] if settings.origins else f"http://{settings.host}:{settings.port}"
    herald = Herald(database, make_hooks(settings.hooks), site)
    threading.Thread(target=herald.run, args=(stop,), name="herald", daemon=True).start()


def _streams(settings: "ServiceSettings", database: "Database", stop: threading.Event) -> None:
    from skymist.workflow.listen import listen, make_sources

    listen(database, make_sources(settings.folders, settings.kafka), stop)


def _rules(settings: "ServiceSettings") -> "Rules":
    from skymist.workflow.rules import load_rules

    return load_rules(Path(settings.rules) if settings.rules else None)


def _archive(settings: "ServiceSettings") -> "ArchiveSettings":
    from skymist.workflow.archive.settings import of_service

    return of_service(settings)


def _clusters(settings: "ServiceSettings") -> Path:
    return Path(settings.clusters) if settings.clusters else own_configs()


def _stop_on_signals() -> threading.Event:
    """Return what is set when somebody asks this process to end."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _log_as_json() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("alembic", "bokeh", "bokeh_fastapi", "httpx", "panel", "tornado"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_no_socket)


def _is_no_socket(record: logging.LogRecord) -> bool:
    """Return whether a line does not tell that some page was opened or closed, as the server does of each."""
    return not str(record.msg).startswith(('%s - "WebSocket ', "connection open", "connection closed"))
