"""Load one thing by its entry-point name, and set its options; built-ins and plug-ins come the same way."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib.metadata import entry_points
from math import isfinite
from typing import Any, get_args, get_type_hints

from skymist.errors import RequestError, UnknownNameError

RECONSTRUCTIONS = "skymist.reconstructions"
READERS = "skymist.readers"


def names(group: str) -> tuple[str, ...]:
    """Return the registered names of an entry-point group, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def load(group: str, name: str) -> Any:
    """Import what is registered under `name` in an entry-point group.

    Raises
    ------
    UnknownNameError
        If nothing has that name; the message lists the names that exist.
    RequestError
        If the plug-in exists but cannot be imported.
    """
    kind = group.removeprefix("skymist.").removesuffix("s")
    for point in entry_points(group=group, name=name):
        try:
            return point.load()
        except (ImportError, AttributeError) as error:
            raise RequestError(f"{kind} {name!r} ({point.value}) cannot be imported: {error}") from error
    raise UnknownNameError(kind, name, names(group))


def configure(plugin: Any, options: Mapping[str, Any]) -> Any:
    """Return an instance of a plug-in dataclass whose fields are its options.

    Parameters
    ----------
    plugin : type
        A dataclass with defaults for all its fields.
    options : mapping
        Values, or text as it stands on a command line; text is read as the field's type.

    Raises
    ------
    RequestError
        If an option is unknown (the known ones are listed with their defaults), is not of the
        field's type, or is refused by the plug-in.
    """
    known = {item.name: item for item in fields(plugin)} if is_dataclass(plugin) else {}
    hints = get_type_hints(plugin)
    values = {}
    for key, value in options.items():
        if key not in known:
            raise UnknownNameError(f"option of {plugin.name}", key, [_described(item) for item in known.values()])
        if hints[key] is float and type(value) is int:
            value = str(value)
        values[key] = _typed(plugin.name, key, value, hints[key]) if isinstance(value, str) else value
        if isinstance(values[key], float) and not isfinite(values[key]):
            raise RequestError(f"{plugin.name}: option {key}={value!r} is not a finite number")
    try:
        return plugin(**values)
    except (TypeError, ValueError) as error:
        raise RequestError(f"{plugin.name}: {error}") from error


def _described(item: "Field[Any]") -> str:
    return item.name if item.default is MISSING else f"{item.name} (default {item.default})"


def _typed(name: str, key: str, text: str, hint: Any) -> Any:
    """Read text as the first type of the hint that takes it."""
    if text.lower() == "none" and type(None) in get_args(hint):
        return None
    truth = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    for kind in get_args(hint) or (hint,):
        try:
            return truth[text.lower()] if kind is bool else kind(text)
        except (ValueError, KeyError, TypeError):
            continue
    expected = " or ".join(getattr(kind, "__name__", str(kind)) for kind in get_args(hint) or (hint,))
    raise RequestError(f"{name}: option {key}={text!r} is not of type {expected}")
