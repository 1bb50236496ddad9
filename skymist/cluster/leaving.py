"""The end of a client, also of one whose scheduler has died."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Client

PATIENCE_S = 5
_log = logging.getLogger(__name__)


@contextmanager
def leaving(client: "Client") -> "Iterator[Client]":
    """Yield a client of a scheduler in another process and close it at the end, whatever has become of that one."""
    try:
        yield client
    finally:
        try:
            client.close(PATIENCE_S)
        except Exception as error:  # noqa: BLE001 (whatever its attempt to reconnect has raised, in its place)
            # Where a tunnel or balancer accepts connections that lead nowhere, Distributed's attempt to reconnect may
            # die or hang, and closing then fails with that. The connection is gone anyway; what matters is that this
            # does not hide why, and that the client does not try once more when it is collected.
            client.status = "closed"
            _log.debug("a client could not be closed: %r", error)
