"""Things that a page does again and again."""

import threading
from collections.abc import Callable

from panel.io import PeriodicCallback


def again(act: Callable[[], object], period_ms: int, *, start: bool = True) -> PeriodicCallback:
    """Have something done every so often, as long as the page is open, in a thread; not while it is still being done.

    Parameters
    ----------
    act : callable
    period_ms : int
        Milliseconds from one time to the next.
    start : bool
        Whether at once; else ``start()`` of what is returned does that, and ``stop()`` ends it.
    """
    turn = threading.Lock()

    def act_once() -> None:
        # A machine that is too slow for the period must not have ever more threads that do the same.
        if turn.acquire(blocking=False):
            try:
                act()
            finally:
                turn.release()

    # In the background: for all others Panel counts who is busy in a value that all sessions share, and two threads
    # that do so at once break it: one of them fails, and what it belongs to stays for ever.
    made = PeriodicCallback(callback=act_once, period=period_ms, background=True)
    if start:
        made.start()
    return made
