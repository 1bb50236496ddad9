"""The exceptions of skymist.

::

    SkymistError
    ├── ReadError            bytes that are not a valid event, map or table
    ├── RequestError         a scan, option or name that makes no sense
    │   ├── UnknownNameError a name that is not registered; lists the known ones
    │   └── ConflictError    what is asked of a record does not fit the state it is in
    ├── StoreError           a store that cannot be used (locked, another scan's, too new)
    ├── ScanError            a scan that could not be finished
    │   └── SchedulerLostError   for want of a scheduler; another one can go on with it
    └── SendError            a circular or notice that was not taken, or nobody knows

Only the doors (command line, REST, dashboard) turn them into exit codes, HTTP statuses or messages.
"""

from collections.abc import Iterable


def own_fault(error: Exception) -> str:
    """Return what people are told of an exception that skymist did not raise on purpose; its log has the rest."""
    return f"a fault of skymist itself, told in its log: {type(error).__name__}"


class SkymistError(Exception):
    """Base class: everything that skymist raises on purpose."""


class ReadError(SkymistError):
    """Input that is not what it should be.

    Parameters
    ----------
    reason : str
        What is wrong, in words.
    source : str
        The file or stream it was read from.
    offset : int, optional
        The position in bytes (or, for text tables, the line) at which reading stopped.
    """

    def __init__(self, reason: str, source: str = "", offset: int | None = None) -> None:
        self.reason, self.source, self.offset = reason, source, offset
        super().__init__(reason, source, offset)

    def __str__(self) -> str:
        where = self.source if self.offset is None else f"{self.source or 'input'}, at {self.offset}"
        return f"{where}: {self.reason}" if where else self.reason

    def within(self, source: str) -> "ReadError":
        """Return the same error, told as part of `source`.

        Parameters
        ----------
        source : str
            What holds that which could not be read, such as an archive.
        """
        inner = f"{source}: {self.source}" if self.source else source
        return ReadError(self.reason, inner, self.offset)


class RequestError(SkymistError):
    """A request that makes no sense; the message names the thing and the valid choices."""


class UnknownNameError(RequestError):
    """A name nobody registered.

    Parameters
    ----------
    what : str
        The kind of thing asked for, such as ``"reconstruction"``.
    name : str
        The name asked for.
    known : iterable of str
        The names that exist.
    """

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        self.what, self.name, self.known = what, name, tuple(sorted(known))
        super().__init__(what, name, self.known)

    def __str__(self) -> str:
        return f"no {self.what} is called {self.name!r}; there are: {', '.join(self.known) or 'none'}"


class ConflictError(RequestError):
    """A record whose state does not allow what is asked for; the message names the state and what it allows."""


class StoreError(SkymistError):
    """A store that cannot be read or written: locked, of another scan, or of a newer schema."""


class ScanError(SkymistError):
    """A scan that could not be finished."""


class SchedulerLostError(ScanError):
    """The Dask scheduler is gone; what was evaluated is kept, and the scan can go on with another one."""


class SendError(SkymistError):
    """Something that was to go out has not, or nobody knows.

    Parameters
    ----------
    reason : str
    outcome : str
        ``refused`` (it would be again), ``not sent`` (it may be tried again) or ``unknown`` (it may have arrived).
    """

    def __init__(self, reason: str, outcome: str) -> None:
        self.reason, self.outcome = reason, outcome
        super().__init__(reason, outcome)

    def __str__(self) -> str:
        return self.reason
