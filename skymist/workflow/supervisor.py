"""Keep processes running: what dies is started again, and at the end all stop in good order."""

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence

CALM_S = 30.0
"""A process that ran for so long is started again at once; one that died sooner waits twice as long each time."""

LONGEST_WAIT_S = 30.0

_log = logging.getLogger(__name__)


class _Part:
    """One process and how often it had to be started."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name, self.command = name, command
        self.failures = 0
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        self.began = time.monotonic()
        self.due: float | None = None
        _log.info("%s runs as process %d", self.name, self.process.pid)

    def look(self, grave: Callable[[int], bool]) -> bool:
        """Start it again if it has died and waited long enough; return whether that makes no sense any more."""
        code, now = self.process.poll(), time.monotonic()
        if code is None:
            return False
        if grave(code):
            return True
        if self.due is None:
            self.failures = 0 if now - self.began > CALM_S else self.failures + 1
            wait = min(0.25 * 2**self.failures, LONGEST_WAIT_S) if self.failures else 0.0
            self.due = now + wait
            _log.warning("%s ended with status %d; it is started again in %.1f s", self.name, code, wait)
        if now >= self.due:
            self.start()
        return False


def supervise(
    commands: Mapping[str, Sequence[str]],
    stop: threading.Event,
    grave: Callable[[int], bool] = lambda _: False,
    grace_s: float = 20.0,
) -> int:
    """Run processes until `stop` is set.

    Parameters
    ----------
    commands : mapping of str to sequence of str
        By name.
    stop : threading.Event
    grave : callable
        Whether an exit status means that starting it again would not help, such as wrong usage.
    grace_s : float
        For which a process may take to end once it is asked to.

    Returns
    -------
    int
        0, or the status of the process for whose sake all were stopped.
    """
    parts = [_Part(name, command) for name, command in commands.items()]
    status = 0
    try:
        while not stop.wait(0.1):
            if ended := [part for part in parts if part.look(grave)]:
                status = ended[0].process.returncode
                break
    finally:
        _end(parts, grace_s)
    return status


def _end(parts: Sequence[_Part], grace_s: float) -> None:
    for part in parts:
        if part.process.poll() is None:
            part.process.terminate()
    end = time.monotonic() + grace_s
    for part in parts:
        try:
            part.process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("%s does not end and is killed", part.name)
            part.process.kill()
            part.process.wait()


def stop_with_parent(stop: threading.Event) -> None:
    """Set `stop` when the process that started this one is gone: nobody would end it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.25)
        stop.set()

    threading.Thread(target=watch, name="parent", daemon=True).start()
