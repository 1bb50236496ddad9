"""A courier that is killed at one step: ``python dying_courier.py DATABASE SETTINGS STEP``."""

import json
import os
import signal
import sys
from typing import Any

from skymist.alerts.publish import Topic
from skymist.circulars.send import Gcn, GcnSettings
from skymist.records import Database, publications
from skymist.workflow.courier import Courier

STEPS = (
    "claimed", "before prepare", "after prepare", "before tried", "after tried", "before send", "after send",
    "before arrived", "after arrived",
)  # fmt: skip


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(owner: Any, name: str, *, before: bool) -> None:
    """Have this process killed just before, or after, a function of an object does its work."""
    work = getattr(owner, name)

    def instead(*args: Any, **more: Any) -> Any:
        if before:
            die()
        found = work(*args, **more)
        die()
        return found

    setattr(owner, name, instead)


def main(url: str, settings: str, step: str) -> None:
    database, said = Database(url), json.loads(settings)
    channel: Any = Topic(**said) if "topic" in said else Gcn(GcnSettings(**said))
    courier = Courier(database, {"notice" if "topic" in said else "circular": channel})
    if step == "claimed":
        killed(courier, "_take", before=True)
    when, _, what = step.partition(" ")
    if what in ("prepare", "send"):
        killed(channel, what, before=when == "before")
    if what == "tried" and when == "before":
        killed(publications, "trying", before=True)
    if step == "after tried":
        killed(channel, "send", before=True)
    if what == "arrived":
        killed(publications if when == "before" else courier, "arrived" if when == "before" else "_arrived",
               before=when == "before")  # fmt: skip
    courier.deliver()


if __name__ == "__main__":
    main(*sys.argv[1:])
