"""When rows are written, and what happens while they cannot be: they wait in memory, and are tried again."""

import time
from collections.abc import Callable

from skymist.errors import StoreError
from skymist.store.lease import LeaseLostError
from skymist.store.place import OnWait

PATIENCE = 600.0
"""Seconds for which an end waits for a store that cannot be written: a server has been restarted by then."""

LONGEST_PAUSE = 60.0
"""Seconds between two tries."""

SOONEST, SHARE = 0.25, 0.04
"""Seconds between two commits at least, and the share of the time that goes into them at most: who watches sees rows as
soon as they cost little to keep."""


class Commits:
    """Writes from time to time; a store that cannot be written for a while ends nothing.

    Parameters
    ----------
    write : callable
        Writes all that is new; raises StoreError where that is impossible, and can be repeated then.
    unsaved : callable
        Returns the number of rows that are not written yet.
    every : float
        Seconds between two commits at most, if there is something to write; where writing takes little, see `SHARE`.
    patience : float
        Seconds for which `finish` tries.
    on_wait : callable
        Told, in words, when `finish` must wait.
    """

    def __init__(
        self,
        write: Callable[[], None],
        unsaved: Callable[[], int],
        every: float,
        patience: float,
        on_wait: OnWait,
    ) -> None:
        self.trouble: str | None = None
        self._on_wait = on_wait
        self._write, self._unsaved, self._every, self._patience = write, unsaved, every, patience
        self._wait_for(min(every, SOONEST))

    def when_due(self) -> None:
        """Write, if it is time to."""
        if time.monotonic() > self._next:
            self._try()

    def finish(self, *, wait: bool = True) -> None:
        """Write now, and again and again (once, if not to `wait`).

        Raises
        ------
        StoreError
            If that was in vain.
        """
        if self._try():
            return
        end = time.monotonic() + (self._patience if wait else 0)
        if wait:
            self._on_wait(f"{self.trouble}; tried again for up to {self._patience:.0f} s")
        self._pause = self._every
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(self._pause, left))
            if self._try():
                return
        raise StoreError(f"{self._unsaved()} rows are not kept: {self.trouble}")

    def _try(self) -> bool:
        """Write and say whether that was possible; else the next try is later than the one before."""
        began = time.monotonic()
        try:
            self._write()
        except LeaseLostError:
            raise
        except StoreError as error:
            self.trouble = str(error)
            self._wait_for(min(2 * max(self._pause, self._every), LONGEST_PAUSE))
            return False
        self.trouble = None
        self._wait_for(min(self._every, max(SOONEST, (time.monotonic() - began) / SHARE)))
        return True

    def _wait_for(self, pause: float) -> None:
        self._pause, self._next = pause, time.monotonic() + pause
