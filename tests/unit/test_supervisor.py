"""What dies is started again; what cannot run is not; all stop at the end."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from skymist.workflow.supervisor import stop_with_parent, supervise

NOTES = "import os, sys; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')"
STAYS = f"{NOTES}; import time; time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STAYS}"


def started(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not look():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_is_killed_is_started_again_and_stops_at_the_end(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("plain", "stubborn")}
    commands = {
        "plain": [sys.executable, "-c", STAYS, str(files["plain"])],
        "stubborn": [sys.executable, "-c", STUBBORN, str(files["stubborn"])],
    }
    stop, status = threading.Event(), []
    thread = threading.Thread(target=lambda: status.append(supervise(commands, stop, grace_s=0.5)))
    thread.start()
    until(lambda: all(started(path) for path in files.values()))
    os.kill(started(files["plain"])[0], signal.SIGKILL)
    until(lambda: len(started(files["plain"])) == 2)
    stop.set()
    thread.join()
    assert status == [0]
    assert not any(alive(pid) for path in files.values() for pid in started(path))


def test_what_cannot_run_ends_all(tmp_path: Path) -> None:
    commands = {
        "good": [sys.executable, "-c", STAYS, str(tmp_path / "good")],
        "bad": [sys.executable, "-c", "raise SystemExit(2)"],
    }
    assert supervise(commands, threading.Event(), lambda status: status == 2) == 2


def test_a_process_ends_when_the_one_that_started_it_is_gone(tmp_path: Path) -> None:
    note, child = tmp_path / "note", os.fork()
    if child == 0:
        if os.fork() == 0:
            stop = threading.Event()
            stop_with_parent(stop)
            note.write_text("gone" if stop.wait(20) else "still there")
        else:
            time.sleep(0.3)
        os._exit(0)
    os.waitpid(child, 0)
    until(lambda: note.exists() and bool(note.read_text()))
    assert note.read_text() == "gone"
