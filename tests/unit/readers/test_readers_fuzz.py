"""Whatever the bytes are: a valid event or one ReadError, in bounded memory and time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("reader_fuzz.py")


def fuzz(seed: int, cases: int, folder: Path, *files: Path) -> dict:
    command = [sys.executable, "-W", "error", str(SCRIPT), str(seed), str(cases), str(folder), *map(str, files)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert process.returncode == 0, process.stderr[-2000:]
    return json.loads(process.stdout)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return fuzz(20240229, 2000, tmp_path_factory.mktemp("fuzz"))


def test_two_thousand_corrupted_events(report: dict) -> None:
    assert report["corrupted"]["failures"] == []
    results = report["corrupted"]["results"]
    assert sum(results.values()) == 2000
    assert results["Event"] > 200, "hardly anything reaches the inner readers"
    assert results["ReadError"] > 1000


def test_bombs(report: dict) -> None:
    assert report["bombs"]["failures"] == []
    assert report["bombs"]["results"]["ReadError"] > 30
    assert report["memory"] < 1 << 30


def test_corrupted_real_events(shared: Path, tmp_path: Path) -> None:
    report = fuzz(1, 400, tmp_path, *sorted((shared / "events").iterdir()))
    assert report["corrupted"]["failures"] == []
    assert report["memory"] < 1 << 30
