"""Which processes carry out scans now, and the clusters that each holds: for whoever watches them from elsewhere."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from skymist.records.tables import Runner, now

SILENCE = timedelta(seconds=60)
"""A runner of another machine that is silent for so long is lost; of this machine's, one knows."""

REMEMBERED = timedelta(hours=1)
"""For which one that was lost is told of."""


def report(session: Session, owner: str, slots: int, clusters: Sequence[dict[str, Any]]) -> None:
    """Say that a runner is there, and which clusters it holds; those that were lost long ago are forgotten."""
    runner = session.get(Runner, owner) or Runner(owner=owner)
    runner.slots, runner.clusters, runner.beat = slots, list(clusters), now()
    session.add(runner)
    session.execute(delete(Runner).where(Runner.beat < now() - REMEMBERED))


def leave(session: Session, owner: str) -> None:
    """Say that a runner has ended in good order."""
    session.execute(delete(Runner).where(Runner.owner == owner))


def find(session: Session) -> Sequence[Runner]:
    """Return all that are known, the one that began last first."""
    return session.scalars(select(Runner).order_by(Runner.started.desc(), Runner.owner)).all()


def is_lost(runner: Runner, alive: Callable[[str], bool]) -> bool:
    """Return whether a runner is gone without a word.

    Parameters
    ----------
    runner : Runner
    alive : callable
        Whether a process may still be there, by its name.
    """
    return runner.beat < now() - SILENCE or not alive(runner.owner)
