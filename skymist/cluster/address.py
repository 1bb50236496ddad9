"""A scheduler that somebody else runs, by its address."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skymist.cluster.leaving import leaving
from skymist.errors import RequestError, SchedulerLostError

if TYPE_CHECKING:
    from distributed import Client

SCHEMES = "tls", "tcp"
PATIENCE_S = 30


@dataclass(frozen=True)
class Address:
    """The scheduler at an address; it and its workers are used and left alone.

    Attributes
    ----------
    address : str
        ``tls://HOST:PORT``, with the certificates that Dask's own configuration names
        (``distributed.comm.tls``), or ``tcp://HOST:PORT``, which anybody on the way can read and use.
    """

    address: str

    def __post_init__(self) -> None:
        scheme, _, place = self.address.partition("://")
        host, _, port = place.rpartition(":")
        if scheme not in SCHEMES or not host or not port.isdecimal():
            raise RequestError(
                f"{self.address!r} is not the address of a scheduler: tls://HOST:PORT or tcp://HOST:PORT"
            )

    @contextmanager
    def connect(self, name: str, workers: int | None) -> "Iterator[Client]":  # noqa: ARG002 (the protocol's)
        """Yield a client of that scheduler; workers may come and go."""
        if workers is not None:
            raise RequestError(f"{self.address} has the workers it has: leave out --workers")
        with leaving(self._client()) as client:
            yield client

    def capacity(self, workers: int | None) -> None:
        """Return that nobody knows before it was asked."""

    def show(self, name: str) -> str:  # noqa: ARG002 (the protocol's)
        """Say in words what would be used; nothing is submitted."""
        return f"the scheduler at {self.address} and the workers that it has; nothing is submitted\n"

    def _client(self) -> "Client":
        from distributed import Client
        from distributed.comm.core import FatalCommClosedError

        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return Client(self.address, timeout=PATIENCE_S, set_as_default=False)
            except (OSError, TypeError, ValueError) as error:  # TypeError: tls without certificates
                # Distributed tries again as long as nobody listens, but not if a scheduler dies while it says hello.
                died = isinstance(error, OSError) and not isinstance(error, FatalCommClosedError)
                if not died or time.monotonic() > end:
                    raise SchedulerLostError(f"no scheduler answers at {self.address}: {error}") from error
                time.sleep(0.5)
