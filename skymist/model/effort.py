"""How much work a reconstruction had: it says so, and whoever listens counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Effort:
    """Work on one direction.

    Attributes
    ----------
    iterations : int
        Rounds of the last descent, which found what counts.
    evaluations : int
        Evaluations of the likelihood, with its slopes, of all descents from all starts.
    """

    iterations: int = 0
    evaluations: int = 0


_listener: ContextVar[Effort | None] = ContextVar("listener", default=None)


@contextmanager
def counting() -> Iterator[Effort]:
    """Count what reconstructions report in this thread; yields what grows."""
    effort = Effort()
    before = _listener.set(effort)
    try:
        yield effort
    finally:
        _listener.reset(before)


def converged(rounds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Report the rounds of descents, one evaluation each, and return which of them converged.

    Parameters
    ----------
    rounds : (n,) int64
        Negative where that many were not enough.
    """
    effort = _listener.get()
    if effort is not None and rounds.size:
        effort.iterations = int(np.abs(rounds).max())
        effort.evaluations += int(np.abs(rounds).sum())
    return np.asarray(rounds > 0)
