"""Things that a page does again and again."""

from collections.abc import Callable

from panel.io import PeriodicCallback


def again(act: Callable[[], object], period_ms: int, *, start: bool = True) -> PeriodicCallback:
    """Have something done every so often, as long as the page is open, in a thread.

    Parameters
    ----------
    act : callable
    period_ms : int
        Milliseconds from one time to the next.
    start : bool
        Whether at once; else ``start()`` of what is returned does that, and ``stop()`` ends it.
    """
    # In the background: for all others Panel counts who is busy in a value that all sessions share, and two threads
    # that do so at once break it: one of them fails, and what it belongs to stays for ever.
    made = PeriodicCallback(callback=act, period=period_ms, background=True)
    if start:
        made.start()
    return made
