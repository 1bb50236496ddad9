"""Which alerts a command is about: the same words as in the catalog of the service."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from skymist.cli.own import STREAMS, role_option, search_of
from skymist.errors import RequestError, UnknownNameError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from skymist.model.alert import Role
    from skymist.records.catalog import Range
    from skymist.records.tables import Alert, Identity

_FILTERS = (
    "stream", "name", "since", "until", "cone", "energy_tev", "signalness", "far_per_year", "overlaps", "sort"
)  # fmt: skip
"""The role is none of them: it also says which alert of a name is meant."""

names_argument = click.argument("names", metavar="[ALERT]...", nargs=-1)

_FRAGMENT = re.compile(r"((test|prediction)_)?\d+_\d+(_[A-Za-z0-9.-]+)?|(scan|map)_[0-9a-f]+")


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options by which alerts are found; see `given`."""
    for option in reversed((
        click.option("--stream", type=click.Choice(STREAMS), help="Only of this stream."),
        click.option("--name", metavar="TEXT", help="Only those whose names begin so, such as IceCube-23."),
        click.option("--since", metavar="TIME", help="Only events at or after this time, UTC."),
        click.option("--until", metavar="TIME", help="Only events before this time, UTC."),
        click.option("--cone", metavar="RA,DEC,RADIUS", help="Only positions in this circle; degrees, ICRS."),
        click.option("--energy", "energy_tev", metavar="LOW:HIGH", help="Only energies from LOW to HIGH, in TeV."),
        click.option("--signalness", metavar="LOW:HIGH", help="Only these probabilities of being astrophysical."),
        click.option("--far", "far_per_year", metavar="LOW:HIGH", help="Only these rates of false alarms, per year."),
        click.option("--overlaps", metavar="SCAN",
                     help="Only those whose 90 % circle touches the 90 % region of this scan."),
        click.option("--sort", metavar="KEY", default="-time", show_default=True,
                     help="time, energy, signalness, far, ra, dec or name; with a dash the greatest first."),
        role_option,
    )):  # fmt: skip
        command = option(command)
    return command


def given(values: dict[str, Any], names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Take what `filter_options` have added out of the values of a command, and return it.

    Raises
    ------
    RequestError
        If there are names, too: either would be ignored.
    """
    if names and (asked := filters()):
        raise RequestError(f"name alerts or filter them, not both: leave out {asked}")
    found = {key: values.pop(key) for key in (*_FILTERS, "role") if key in values}
    return {**found, "overlaps": _scan_id(found["overlaps"])}


def _scan_id(name: str | None) -> str | None:
    """Return the beginning of the id of a scan that is called as in the archive; any other text as it is."""
    archived = re.fullmatch(r"(?:ivo://.*#)?scan_([0-9a-f]{16})", name or "")
    return archived[1] if archived else name


def filters() -> str:
    """Return which filters this command was given, as its options; empty if it was given none."""
    context = click.get_current_context()
    options = {each.name: each.opts[0] for each in context.command.params}
    asked = [key for key in _FILTERS if context.get_parameter_source(key) is not ParameterSource.DEFAULT]
    return ", ".join(options[key] for key in asked)


def standard(words: dict[str, Any]) -> dict[str, Any]:
    """Return filters as a service takes them: times with their zone, ranges without spaces.

    Raises
    ------
    RequestError
        If one of them makes no sense.
    """
    from skymist.records.catalog import Range, Search

    search = Search.parse({key: value for key, value in words.items() if key != "overlaps"})
    read = {key: getattr(search, key, None) for key in words}
    times = {key: f"{item:%Y-%m-%dT%H:%M:%S.%fZ}" for key, item in read.items() if isinstance(item, datetime)}
    ranges = {key: _span(item) for key, item in read.items() if isinstance(item, Range)}
    return {**words, **times, **ranges, "name": words["name"] or None, "overlaps": _scan_id(words["overlaps"])}


def _span(limits: "Range") -> str:
    return ":".join("" if each is None else repr(each) for each in limits)


def find(session: "Session", names: tuple[str, ...], words: dict[str, Any]) -> "list[Alert]":
    """Return the alerts of some names, or those that fit; `UnknownNameError` if there is none of a name."""
    from skymist.model.alert import Role
    from skymist.records import catalog

    if names:
        return [_alert(session, name, Role(words["role"])) for name in names]
    return catalog.find(session, search_of(session, words))


def record(session: "Session", name: str) -> "Identity":
    """Return a record by its id, or that of the alert of a name; `UnknownNameError` if there is none."""
    from skymist.model.identity import Thing
    from skymist.records import alerts, identities

    if is_fragment(name):
        return identities.get(session, name)
    return identities.of(session, Thing.ALERT, str(alerts.find(session, name).id))


def is_fragment(name: str) -> bool:
    """Return whether a name looks like the id of a record, rather than a name of an alert."""
    return _FRAGMENT.fullmatch(name.rpartition("#")[2]) is not None


def _alert(session: "Session", name: str, role: "Role") -> "Alert":
    """Return an alert by any of its names, or by the id of its record."""
    from skymist.model.alert import Role
    from skymist.model.identity import Thing
    from skymist.records import alerts, tables

    try:
        return alerts.find(session, name, role)
    except UnknownNameError:
        own = session.get(tables.Identity, name.rpartition("#")[2])
        found = None if own is None or own.thing != Thing.ALERT else session.get(tables.Alert, own.alert_id)
        if found is None or role not in (Role.OBSERVATION, found.role):  # the id says the role, unless it is asked for
            raise
        return found
