"""Guides for operators, run as they stand, against real servers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import postgres
import pytest
import seaweed
from guides import commands

pytestmark = pytest.mark.integration

NOTICE = {
    "id": ["137840_1"], "event_name": ["IceCube-260304A"], "record_number": 0, "ra": 1.0, "dec": 1.0,
    "trigger_time": "2026-03-04T05:06:07.123456789Z", "alert_datetime": "2026-03-04T06:00:00Z", "pipeline": "Gold",
    "alert_type": "initial", "alert_tense": "current",
}  # fmt: skip


def follow(steps: list[str], folder: Path, **more: str) -> str:
    """Run the commands of a guide, one after the other in one shell, as somebody who has nothing yet."""
    own = {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config")}
    for each in ("data", "config"):
        (folder / each).mkdir(exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", "\n".join(steps)], cwd=folder,
        env={**os.environ, **own, "PATH": path, **more}, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def filled(folder: Path, database: str = "records.sqlite") -> None:
    """Make a database of one alert."""
    (folder / "notice.json").write_text(json.dumps(NOTICE))
    given = {"SKYMIST_DATABASE": database}
    follow(["skymist db upgrade", "skymist stream replay notice.json"], folder, **given)


def test_postgresql(tmp_path: Path) -> None:
    filled(tmp_path, "old.sqlite")
    with postgres.running() as url:
        server = urlsplit(url)
        where = {"PGHOST": str(server.hostname), "PGPORT": str(server.port), "PGUSER": str(server.username)}
        told = follow(commands("docs/howto/postgresql.md"), tmp_path, **where)
    assert "as they have to be" in told
    assert "@127.0.0.1" in told


def test_an_object_store(tmp_path: Path) -> None:
    (tmp_path / "seaweed").mkdir()
    with seaweed.running(tmp_path / "seaweed") as server:
        given = {"S3_SERVER": server.url, "S3_KEY": "tests", "S3_SECRET": seaweed.SECRET}
        told = follow(commands("docs/howto/object-stores.md"), tmp_path, **given)
    assert "s3://maps/howto/" in told


@pytest.mark.parametrize(("steps", "word"), [
    pytest.param(commands("docs/howto/kafka.md"), "", id="kafka"),
    pytest.param(commands("docs/howto/backup.md"), "IceCube-260304A", id="backup"),
    pytest.param(commands("docs/howto/upgrade.md"), "nothing is wrong", id="upgrade"),
    pytest.param(commands("docs/howto/doctor.md"), "nothing is wrong", id="doctor"),
])  # fmt: skip
def test_on_ones_own_records(steps: list[str], word: str, tmp_path: Path) -> None:
    filled(tmp_path)
    told = follow([*steps, "skymist db check"], tmp_path, SKYMIST_DATABASE="records.sqlite")
    assert word in told
