"""Reconstruction: the plug-in point, an event and directions in, a likelihood per direction out."""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from skymist.model.columns import Columns
from skymist.model.event import Event


class Status(IntEnum):
    """How the fit of one direction ended."""

    OK = 0
    NOT_CONVERGED = 1
    FAILED = 2


@dataclass(frozen=True, eq=False)
class Directions(Columns):
    """Hypotheses for where the particle comes from.

    Attributes
    ----------
    ra, dec : (n,) float64
        ICRS, radians.
    origin : (n, 3) float64
        Unit vectors towards the origin in detector coordinates; the particle flies along ``-origin``.
    """

    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    origin: NDArray[np.float64]

    LAYOUT: ClassVar = {"ra": ("<f8",), "dec": ("<f8",), "origin": ("<f8", 3)}


@dataclass(frozen=True, eq=False)
class Fit(Columns):
    """The best fit at each direction, in the precision in which maps keep it.

    A scan that is resumed starts finer cells from stored rows; one precision everywhere makes it
    equal, bit for bit, to one that was never interrupted.

    Attributes
    ----------
    nllh : (n,) float64
        Negative logarithm of the likelihood; NaN where the fit failed.
    energy_gev : (n,) float32
        NaN where the reconstruction knows none.
    time_ns : (n,) float64
        When the particle is at the vertex, on the event's clock.
    vertex : (n, 3) float32
        A point on the track, or the cascade's place; metres.
    status : (n,) uint8
        A `Status`.
    """

    nllh: NDArray[np.float64]
    energy_gev: NDArray[np.float32]
    time_ns: NDArray[np.float64]
    vertex: NDArray[np.float32]
    status: NDArray[np.uint8]

    LAYOUT: ClassVar = {
        "nllh": ("<f8",),
        "energy_gev": ("<f4",),
        "time_ns": ("<f8",),
        "vertex": ("<f4", 3),
        "status": ("u1",),
    }

    @classmethod
    def failed(cls, n: int) -> Self:
        """Return `n` rows that say that nothing could be fitted.

        Parameters
        ----------
        n : int
        """
        one, three = np.full((3, n), np.nan), np.full((n, 3), np.nan)
        return cls(one[0], one[1], one[2], three, np.full(n, Status.FAILED))


@runtime_checkable
class Reconstruction(Protocol):
    """What a reconstruction must be: a frozen dataclass whose fields are its options.

    It is registered under its `name` in the entry-point group ``skymist.reconstructions``,
    can be pickled, is deterministic, fits each direction independently of the others in the
    call, and reports a direction it cannot fit as ``Status.FAILED`` instead of raising. Threads call
    it at the same time. `skymist.testing.check_reconstruction` tests all that.

    It may have

    - ``levels: ClassVar[tuple[Level, ...]]``: the levels of a scan for which nobody chose any;
    - a property ``compiled``: False says that the first call on this machine will take a while;
    - ``cell_seconds``, of the class or a property: about how many seconds one thread takes for a cell of the first
      level and for a finer one, which start from a fit: what scans are estimated to take until some were made;
    - metadata of its fields (`skymist.model.options.limits`) that say which values they take, and in which unit, so
      that forms can tell; ``check(self)`` of the same module in ``__post_init__`` makes sure of it.
    """

    name: ClassVar[str]
    version: ClassVar[str]

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        """Maximise the likelihood at each direction.

        Parameters
        ----------
        event : Event
        directions : Directions
            n hypotheses.
        start : Fit or None
            n fits of coarser cells, those that enclose the directions or their neighbours; None at the
            coarsest level. With several seeds a direction is asked for several times, from different starts.

        Returns
        -------
        Fit
            n rows, in the order of `directions`.
        """
        ...
