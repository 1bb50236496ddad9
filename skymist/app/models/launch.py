"""What a person wants to have scanned: the words of a wish, which of them make no sense, and what they would cost."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import param

from skymist.errors import ReadError, RequestError
from skymist.model.options import Option
from skymist.model.request import MOST_SEEDS, Cone, parse_levels

if TYPE_CHECKING:
    from skymist.client.service import Client

DEFAULTS: dict[str, Any] = {
    "reco": "auto", "levels": "", "cone": "", "seeds": 1, "seed": 0, "cluster": "local", "workers": "", "priority": 0,
}  # fmt: skip
"""What is asked for if nobody says anything; an empty text leaves the choice to the service."""

WISH = "reco", "levels", "cone", "seeds", "seed"
"""The words that decide about the map; the others say where and when."""

_SEEDS = 2**32 - 1
_CLUES = {
    "cone": r"\bcone\b|earlier reconstruction|RADIUS", "levels": r"\blevels?\b|nside|NSIDE|finest|power of two",
    "cluster": r"\bcluster\b", "workers": r"\bworkers?\b", "priority": r"\bpriority\b", "seeds": r"\bseeds\b",
    "seed": r"\bseed\b", "reco": r"\breconstruction\b",
}  # fmt: skip
"""By which a refusal of the service is taken for one of a field."""


class Launch(param.Parameterized):
    """A wish that grows while somebody fills a form in.

    Parameters
    ----------
    event : str
        An event that the service knows, or the name of its alert.
    base : dict, optional
        What the service says of a scan that this one is to be like: a remix.
    """

    event = param.String(doc="An event that the service knows, or the name of its alert")
    base = param.Dict(default=None, allow_None=True, constant=True, doc="The scan that is remixed")
    reconstructions = param.List(doc="As the service describes them, auto first")
    clusters = param.List(doc="Names of clusters")
    values = param.Dict(default={}, doc="What was said, by field; options under options.NAME")
    errors = param.Dict(default={}, doc="By field, what makes no sense there; what belongs to none under an empty name")
    estimate = param.Dict(default=None, allow_None=True, doc="What the service expects; None while that is not known")
    stale = param.Boolean(default=True, doc="Whether something was changed since the service was asked")
    replace = param.Boolean(default=False, doc="Whether a remix takes the place of the other scan")
    started = param.Dict(default=None, allow_None=True, doc="The scan that came of it")
    was_there = param.Boolean(default=False, doc="Whether that had been asked for before")

    def load(self, client: "Client") -> None:
        """Ask for what can be chosen."""
        found = sorted(client.reconstructions(), key=lambda each: (each["name"] != "auto", each["name"]))
        with param.parameterized.batch_call_watchers(self):
            names = (each["name"] for each in client.clusters())
            self.clusters = sorted(names, key=lambda name: (name != DEFAULTS["cluster"], name))
            self.reconstructions = found

    @property
    def kind(self) -> dict[str, Any]:
        """The reconstruction that is chosen, as the service describes it."""
        name = self.value("reco")
        return next((each for each in self.reconstructions if each["name"] == name), {"options": [], "levels": ""})

    @property
    def options(self) -> list[Option]:
        """Its options; the seed of all random numbers is asked for once."""
        return [_option(each) for each in self.kind["options"] if each["name"] != "seed"]

    def value(self, name: str) -> Any:
        """Return what is in a field now."""
        return self.values.get(name, self.default(name))

    def default(self, name: str) -> Any:
        """Return what is in a field if nobody changes it: in a remix, what the other scan was asked for."""
        if name.startswith("options."):
            return self._default_option(name.removeprefix("options."))
        if self.base is None:
            return DEFAULTS[name]
        known = self.base["wish"] if name in WISH else self.base
        return DEFAULTS[name] if known.get(name) is None else known[name]

    def _default_option(self, name: str) -> Any:
        kept = self._kept_options()
        own = next((each.default for each in self.options if each.name == name), None)
        return kept.get(name, own)

    def _kept_options(self) -> dict[str, Any]:
        """Return the options of the scan that is remixed, as long as its reconstruction is."""
        if self.base is None or self.value("reco") != self.base["wish"]["reco"]:
            return {}
        return dict(self.base["wish"]["options"])

    def put(self, name: str, value: Any) -> None:
        """Take what somebody wrote into a field, and say at once if it makes no sense."""
        text = value.strip() if isinstance(value, str) else value
        values = {key: each for key, each in self.values.items() if name != "reco" or not key.startswith("options.")}
        with param.parameterized.batch_call_watchers(self):
            self.values, self.stale = {**values, name: text}, True
            self.errors = self._check()  # what the service refused may be mended by any change

    def _check(self) -> dict[str, str]:
        """Read all that was written, and return what makes no sense."""
        errors = {}
        for name, value in list(self.values.items()):
            try:
                self.values[name] = self._read(name, value)
            except RequestError as error:
                errors[name] = str(error)
        return errors

    def changed(self, name: str) -> bool:
        """Return whether a field says something else than its default."""
        return bool(name in self.values and self.values[name] != self.default(name))

    @property
    def changes(self) -> dict[str, Any]:
        """The words of the wish that were changed, as the service takes them."""
        found = {name: self.value(name) for name in WISH if self.changed(name)}
        options = {each.name: self.value(f"options.{each.name}") for each in self.options}
        options = {name: value for name, value in options.items() if self.changed(f"options.{name}")}
        for name in ("levels", "cone"):
            if found.get(name) == "":
                found[name] = None
        return {**found, "options": options} if options else found

    def body(self) -> dict[str, Any]:
        """Return the whole wish, and where it is to run, as the service takes them."""
        wish: dict[str, Any] = {} if self.base is None else dict(self.base["wish"])
        if self.value("reco") != wish.get("reco", self.value("reco")):
            wish.update(options={}, level_options={})
        changes = self.changes
        options = {**wish.get("options", {}), **changes.get("options", {})}
        where = {name: self.value(name) for name in ("cluster", "workers", "priority")}
        told = {name: value for name, value in where.items() if value != DEFAULTS[name]}
        return {**wish, **changes, **({"options": options} if options else {}), **told}

    def look(self, client: "Client") -> None:
        """Ask the service what this would be and take; what it refuses becomes an error of a field."""
        if self.errors or not self.event:
            self.estimate, self.stale = None, False
            return
        asked = self.body()
        try:
            found, errors = client.estimate(self.event, **asked), {}
        except (RequestError, ReadError) as refusal:
            found, errors = None, {self.field_of(str(refusal)): str(refusal)}
        if asked == self.body():  # else somebody went on writing, and will be told of that
            with param.parameterized.batch_call_watchers(self):
                self.estimate, self.errors, self.stale = found, errors, False

    @property
    def known(self) -> str:
        """Id of the scan if it was asked for before, so that it need only be opened; empty if not."""
        found = self.estimate or {}
        return "" if self.stale or self.replace or found.get("state") is None else str(found["scan_id"])

    def start(self, client: "Client") -> str:
        """Ask for the scan, and return its id; an empty text if that was refused, for which there are `errors` then."""
        self.look(client)
        if self.errors:
            return ""
        try:
            scan = self._ask(client)
        except RequestError as refusal:
            self.errors = {self.field_of(str(refusal)): str(refusal)}
            return ""
        with param.parameterized.batch_call_watchers(self):
            self.was_there = (self.estimate or {}).get("state") is not None
            self.started = scan.document
        return str(scan.id)

    def _ask(self, client: "Client") -> Any:
        if self.base is None:
            return client.scan(self.event, **self.body())
        return client.refer(self.base["id"]).remix(replace=self.replace, **self.changes)

    def field_of(self, refusal: str) -> str:
        """Return the field that a refusal is about; an empty text if it is none."""
        for option in self.options:
            if re.search(rf"\b{re.escape(option.name)}\b", refusal):
                return f"options.{option.name}"
        return next((name for name, clue in _CLUES.items() if re.search(clue, refusal)), "")

    def _read(self, name: str, value: Any) -> Any:
        if name.startswith("options."):
            option = next(each for each in self.options if f"options.{each.name}" == name)
            return read_option(option, value, self.default(name))
        reader = getattr(self, f"_read_{name}", None)
        return value if reader is None else reader(value)

    def _read_levels(self, value: str) -> str:
        if value:
            parse_levels(value)
        return value

    def _read_cone(self, value: str) -> str:
        name, _, radius = value.partition(",")
        seeds = (self.estimate or {}).get("seeds")
        if value and _is_number(name):
            Cone.parse(value)
        elif value and seeds is not None and name.strip() not in seeds:
            known = ", ".join(seeds) or "none"
            raise RequestError(f"the event has no earlier reconstruction {name.strip()!r}; there are: {known}")
        elif value and not (_is_number(radius) and 0 < float(radius) <= 180):
            raise RequestError("a circle is RA,DEC,RADIUS or SEED,RADIUS in degrees, with a radius up to 180")
        return value

    def _read_seeds(self, value: Any) -> int:
        return _whole(value, 1, MOST_SEEDS)

    def _read_seed(self, value: Any) -> int:
        return _whole(value, 0, _SEEDS)

    def _read_workers(self, value: Any) -> Any:
        return "" if value in ("", None) else _whole(value, 1, 100_000)

    def _read_priority(self, value: Any) -> int:
        return _whole(value, -1_000_000, 1_000_000)


def read_option(option: Option, value: Any, default: Any) -> Any:
    """Return the value of an option as somebody wrote it; nothing is its default, or None where that is a value.

    Raises
    ------
    RequestError
        In words, if it is not of its type, or beyond its bounds.
    """
    if value == "" and "str" not in option.kinds:
        return None if "None" in option.kinds else default
    found = _typed(option, value)
    if not option.takes(found):
        raise RequestError(f"needs {option.rule}")
    return found


def _typed(option: Option, value: Any) -> Any:
    if not isinstance(value, str) or option.choices:
        return value
    for kind in option.kinds:
        if (read := _READERS.get(kind)) is not None:
            try:
                return read(value)
            except ValueError:
                continue
    expected = " or ".join(_WORDS.get(kind, kind) for kind in option.kinds if kind != "None")
    raise RequestError(f"{value!r} is not {expected}")


def _finite(text: str) -> float:
    number = float(text)
    if not abs(number) < float("inf"):
        raise ValueError
    return number


_READERS: dict[str, Callable[[str], Any]] = {"int": int, "float": _finite, "str": str}
_WORDS = {"int": "a whole number", "float": "a number", "str": "text", "bool": "yes or no"}


def _whole(value: Any, least: int, most: int) -> int:
    text = str(value).strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,12}", text) or not least <= int(text) <= most:
        raise RequestError(f"needs a whole number from {least:,} to {most:,}")
    return int(text)


def _is_number(text: str) -> bool:
    try:
        _finite(text)
    except ValueError:
        return False
    return True


def _option(told: Mapping[str, Any]) -> Option:
    return Option(**{**{key: value for key, value in told.items() if key != "rule"}, "choices": tuple(told["choices"])})


def duration(seconds: float | None) -> str:
    """Return a time as people say it, to two digits or so.

    Examples
    --------
    >>> duration(0.04), duration(7.24), duration(128), duration(9000), duration(300000), duration(None)
    ('less than 0.1 s', '7.2 s', '2 min 8 s', '2 h 30 min', '3 d 11 h', 'unknown')
    """
    if seconds is None:
        return "unknown"
    if seconds < 59.5:
        return "less than 0.1 s" if seconds < 0.1 else f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    size, unit, part, finer = next((each for each in _UNITS if seconds < each[0] * each[4]), _UNITS[-1])[:4]
    whole, rest = divmod(round(seconds), size)
    return f"{whole} {unit} {rest // part} {finer}" if rest // part else f"{whole} {unit}"


_UNITS = (60, "min", 1, "s", 60), (3600, "h", 60, "min", 24), (86400, "d", 3600, "h", 0)
"""Seconds of a unit, its name, seconds of the part beside it, the name of that, and how many make the next one."""


def expected(estimate: Mapping[str, Any], cluster: str) -> str:
    """Return an estimate in words."""
    levels = " + ".join(f"{each['cells']:,} at nside {each['nside']}" for each in estimate["levels"])
    cells = f"At most {estimate['cells']:,} cells ({levels})"
    alone, wall, threads = (estimate[key] for key in ("thread_seconds", "wall_seconds", "threads"))
    if alone is None:
        return f"{cells}; how long they take is unknown."
    together = "" if wall is None else f", about {duration(wall)} on {cluster} ({threads:,} at a time)"
    return f"{cells}: about {duration(alone)} of one processor{together}."
