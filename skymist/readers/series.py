"""Series: the pulses of all modules in one set of arrays, and how masks and unions make new ones."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymist.errors import ReadError

PULSE_LIMIT = 1_000_000
"""More pulses than this in one set are taken for corrupt data."""


@dataclass(frozen=True, eq=False)
class Series:
    """Pulses ordered by module, in a module as the source has them.

    Attributes
    ----------
    om : (m, 3) int64
        String, position on the string and photomultiplier of each hit module, sorted.
    counts : (m,) int64
        How many pulses each has.
    time : (n,) float64
        In ns.
    charge, width : (n,) float32
        In photo-electrons and ns.
    flags : (n,) uint8
        Bits: 1 local coincidence, 2 and 4 the digitisers.
    """

    om: NDArray[np.int64]
    counts: NDArray[np.int64]
    time: NDArray[np.float64]
    charge: NDArray[np.float32]
    width: NDArray[np.float32]
    flags: NDArray[np.uint8]

    @cached_property
    def om_of_pulse(self) -> NDArray[np.int64]:
        """(n, 3) int64, the module of every pulse."""
        return np.repeat(self.om, self.counts, axis=0)

    def __getitem__(self, keep: NDArray[Any]) -> "Series":
        """Return the selected pulses; modules left without any are dropped."""
        columns = (self.om_of_pulse, self.time, self.charge, self.width, self.flags)
        return series_of(*(column[keep] for column in columns))


def series_of(
    om: NDArray[np.int64],
    time: NDArray[np.float64],
    charge: NDArray[Any],
    width: NDArray[Any],
    flags: NDArray[Any],
) -> Series:
    """Return a series of pulses that are ordered by module, `om` having one row a pulse."""
    new = np.ones(len(om), bool)
    new[1:] = (om[1:] != om[:-1]).any(axis=1)
    first = np.flatnonzero(new)
    counts = np.diff(first, append=len(om))
    return Series(om[first], counts, time, charge.astype("<f4"), width.astype("<f4"), flags.astype("u1"))


def union(parts: list[Series]) -> Series:
    """Return all pulses of several series, by module and time; what is in two of them counts twice."""
    total = sum(len(part.time) for part in parts)
    if total > PULSE_LIMIT:
        raise ReadError(f"a union of {total} pulses; the limit is {PULSE_LIMIT}")
    om = np.concatenate([part.om_of_pulse for part in parts])
    time = np.concatenate([part.time for part in parts])
    order = np.lexsort([time, om[:, 2], om[:, 1], om[:, 0]])
    rest = (np.concatenate([getattr(part, name) for part in parts])[order] for name in ("charge", "width", "flags"))
    return series_of(om[order], time[order], *rest)
