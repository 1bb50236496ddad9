"""What ``skymist archive`` does by way of a service, and how it tells what became public."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from skymist.cli.selection import is_fragment
from skymist.errors import RequestError

if TYPE_CHECKING:
    from datetime import datetime

    from skymist.client import Client


def document(server: str, name: str, kind: str) -> bytes:
    """Return a record of a service in the words of a standard."""
    from skymist.client import connect

    with connect(server) as client:
        return client.archive.document(_record(client, name), kind)


def release(
    server: str, names: Sequence[str], records: Sequence[str], role: str, later: "datetime | None"
) -> Iterator[tuple[str, str]]:
    """Release records of a service one by one, and yield of each its id, and why it is not public then; empty if it is.

    All are looked up before the first is released.
    """
    from datetime import datetime

    from skymist.client import connect

    at = None if later is None else f"{later:%Y-%m-%dT%H:%M:%S.%fZ}"
    with connect(server) as client:
        ids = [*(_alert(client, each, role) for each in names), *(_fragment(client, each) for each in records)]
        for each in ids:
            told = client.archive.release(each, at)
            shown = told["shown_from"] and datetime.fromisoformat(told["shown_from"])
            if told["public"] or (later is not None and shown and shown <= later):
                yield each, ""
            elif shown:
                yield each, f"is shown only from {shown:%Y-%m-%d %H:%M:%S} UTC on, with its alert"
            else:
                yield each, "is shown only while its alert is public, and if it was not deleted"


def withdraw(server: str, name: str, reason: str) -> tuple[str, bool]:
    """Withdraw a record of a service, and return its id and whether there is a tombstone."""
    from skymist.client import connect

    with connect(server) as client:
        told = client.archive.withdraw(_record(client, name), reason)
    return told["fragment"], told["withdrawn"] is not None


def tell_released(hidden: Mapping[str, str], later: "datetime | None") -> None:
    """Tell how many records are public, now or later, and why the others are not, by id."""
    shown = sum(not why for why in hidden.values())
    records, are = ("1 record", "is") if shown == 1 else (f"{shown} records", "are")
    when = f"{are} public now" if later is None else f"will be public from {later:%Y-%m-%d %H:%M:%S} UTC on"
    click.echo(f"{records} {when}")
    for fragment, why in hidden.items():
        if why:
            click.echo(f"{fragment} is released, but {why}")


def _record(client: "Client", name: str) -> str:
    """Return the id of a record: the name itself, or that of the alert of a name."""
    return _fragment(client, name) if is_fragment(name) else _alert(client, name, "observation")


def _fragment(client: "Client", name: str) -> str:
    fragment = name.rpartition("#")[2]
    if not is_fragment(fragment):
        raise RequestError(f"{name!r} is no id of a record, such as 137840_57034692 or scan_0123456789abcdef")
    return str(client.archive.record(fragment)["fragment"])


def _alert(client: "Client", name: str, role: str) -> str:
    """Return the id of an alert."""
    return str(client.alert(name, role=role)["record"])
