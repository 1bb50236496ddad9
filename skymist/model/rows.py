"""What a scan has evaluated so far: the rows of its map, in the order in which they came in."""

from typing import Protocol

import numpy as np

from skymist.model.reconstruction import Fit
from skymist.model.sky import Floats, Ints


class Rows(Protocol):
    """Grows with the scan and decides what is left to do; a store is one."""

    @property
    def uniq(self) -> Ints:
        """Cells, shape (n,)."""
        ...

    @property
    def fit(self) -> Fit:
        """Their fits, n rows."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why rows can't be kept at present, in words; None if they can."""
        ...

    def append(self, uniq: Ints, fit: Fit) -> None:
        """Add evaluated cells."""
        ...

    def note(self, uniq: Ints, seconds: Floats, iterations: Ints, evaluations: Ints, worker: str) -> None:
        """Add what cells cost, see `skymist.scan.block.Cost`."""
        ...


class MemoryRows:
    """Rows that need not outlive the process.

    Parameters
    ----------
    uniq : (n,) int64, optional
        Those to begin with.
    fit : Fit, optional
    """

    trouble: str | None = None

    def __init__(self, uniq: Ints | None = None, fit: Fit | None = None) -> None:
        self._uniq = [np.empty(0, np.int64) if uniq is None else uniq]
        self._fit = [Fit.failed(0) if fit is None else fit]

    @property
    def uniq(self) -> Ints:
        """Cells, shape (n,)."""
        if len(self._uniq) > 1:
            self._uniq = [np.concatenate(self._uniq)]
        return self._uniq[0]

    @property
    def fit(self) -> Fit:
        """Their fits, n rows."""
        if len(self._fit) > 1:
            self._fit = [Fit.concatenate(self._fit)]
        return self._fit[0]

    def append(self, uniq: Ints, fit: Fit) -> None:
        """Add evaluated cells."""
        self._uniq.append(np.asarray(uniq, np.int64))
        self._fit.append(fit)

    def note(self, uniq: Ints, seconds: Floats, iterations: Ints, evaluations: Ints, worker: str) -> None:
        """Keep nothing of what cells cost."""

    def take(self, uniq: Ints) -> Fit:
        """Remove these cells and return their fits, in their order."""
        order = np.argsort(self.uniq)
        rows = order[np.searchsorted(self.uniq, uniq, sorter=order)]
        fit, left = self.fit[rows], np.delete(np.arange(len(order)), rows)
        self._uniq, self._fit = [self.uniq[left]], [self.fit[left]]
        return fit
