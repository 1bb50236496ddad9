"""A real PostgreSQL on loopback, started for the tests and gone after them."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

_NUMBERS = count()


def _programs() -> Path | None:
    """Return the folder of the server's programs: distributions keep them off the PATH."""
    on_path = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return Path(on_path).parent if on_path else next((each for each in folders if (each / "initdb").exists()), None)


@contextmanager
def running() -> Iterator[str]:
    """Start a server and yield the URL of one that holds databases; without one, skip (in CI: fail)."""
    programs = _programs()
    if programs is None:
        reason = "needs PostgreSQL's server"
        if os.environ.get("SKYMIST_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="skymist-postgres-"))
    if user:
        shutil.chown(folder, user)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]

    def call(name: str, *words: str) -> None:
        subprocess.run([str(programs / name), *words], user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    try:
        call("initdb", "-D", f"{folder}/data", "-U", "skymist", "-A", "trust", "--no-sync", "-E", "UTF8")
        listen = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", listen, "start")
        try:
            yield f"postgresql://skymist@127.0.0.1:{port}"
        finally:
            call("pg_ctl", "-D", f"{folder}/data", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create(server: str) -> str:
    """Return the URL of a new, empty database."""
    name = f"test_{next(_NUMBERS)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"
