"""Rules: which scans of an alert begin by themselves. ``rules.yaml`` says what may stand there."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import yaml

from skymist.errors import ReadError, RequestError, SkymistError, UnknownNameError
from skymist.model.alert import Alert
from skymist.workflow.wish import Wish

_WORDS = ("role", "stream", "topology", "kind", "tense")
_PLAN_OF_SCAN = ("name", "after", "cluster", "workers", "priority", "stalled_s", "fallback")


@dataclass(frozen=True)
class Plan:
    """One scan that a rule wants; see ``rules.yaml``."""

    name: str
    wish: Wish
    after: str | None = None
    cluster: str = "local"
    workers: int | None = None
    priority: int = 0
    stalled_s: float | None = None
    fallback: "Plan | None" = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], name: str = "") -> Self:
        """Return what one entry under ``scans`` says."""
        own = {key: value for key, value in values.items() if key in _PLAN_OF_SCAN}
        rest = {key: value for key, value in values.items() if key not in _PLAN_OF_SCAN}
        if unknown := [key for key in rest if key not in {item.name for item in fields(Wish)}]:
            known = (*_PLAN_OF_SCAN, *(item.name for item in fields(Wish)))
            raise UnknownNameError("setting of a scan", str(unknown[0]), known)
        if own.get("fallback"):
            own["fallback"] = cls.from_dict(own["fallback"], "fallback")
        return cls(**{"name": name, **own, "wish": Wish.from_dict(rest)})


@dataclass(frozen=True)
class Rule:
    """What is scanned if it fits.

    Attributes
    ----------
    name : str
    when : mapping
        What an alert has to be like.
    scans : tuple of Plan
    """

    name: str
    when: Mapping[str, Any] = field(default_factory=dict)
    scans: tuple[Plan, ...] = ()

    def __post_init__(self) -> None:
        for word in self.when:
            if word not in (*_WORDS, "energy_tev"):
                raise UnknownNameError(f"condition of rule {self.name}", str(word), (*_WORDS, "energy_tev"))
        names: list[str] = []
        for plan in self.scans:
            if plan.name in ("", *names):
                raise RequestError(f"rule {self.name}: each scan needs a name of its own, not {plan.name!r}")
            if plan.after is not None and plan.after not in names:
                raise UnknownNameError(f"scan before {plan.name} in rule {self.name}", plan.after, names)
            names.append(plan.name)

    def fits(self, alert: Alert, kind: str) -> bool:
        """Return whether it is for an alert whose event is of that kind."""
        current = alert.current
        # The detector's own message is last only until there is a notice; what only that says remains true.
        stream = next((each.stream for each in reversed(alert.revisions) if each.stream), "")
        topology = next((each.topology for each in reversed(alert.revisions) if each.topology), "")
        found = {
            "role": current.tense.role, "tense": current.tense, "stream": stream, "topology": topology, "kind": kind,
        }  # fmt: skip
        words = all(found[word] in _listed(self.when[word]) for word in _WORDS if word in self.when)
        return words and _within(current.energy_tev, self.when.get("energy_tev"))


@dataclass(frozen=True)
class Rules:
    """All rules, in their order."""

    rules: tuple[Rule, ...]

    def choose(self, alert: Alert, kind: str) -> Rule | None:
        """Return the first that fits, None if none does."""
        return next((rule for rule in self.rules if rule.fits(alert, kind)), None)

    def plan(self, path: str) -> Plan | None:
        """Return the scan ``RULE/NAME`` of these rules, None if they no longer have it."""
        rule_name, _, name = path.partition("/")
        return next(
            (plan for rule in self.rules for plan in rule.scans if (rule.name, plan.name) == (rule_name, name)), None
        )


def load_rules(path: Path | None = None) -> Rules:
    """Read rules from a file, or those that come with skymist.

    Raises
    ------
    ReadError
        If it cannot be read; the message names the file, the rule and the valid choices.
    """
    source = path or Path(str(files("skymist.workflow") / "rules.yaml"))
    try:
        document = yaml.safe_load(source.read_text(encoding="utf-8"))
        entries = document["rules"]
        rules = tuple(_rule(entry) for entry in entries)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ReadError(f"cannot be read: {error}", str(source)) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReadError(
            f"not rules: {error}; it needs `rules:`, a list with name, when and scans", str(source)
        ) from None
    except SkymistError as error:
        raise ReadError(str(error), str(source)) from None
    return Rules(rules)


def _rule(entry: Mapping[str, Any]) -> Rule:
    if unknown := set(entry) - {"name", "when", "scans"}:
        raise UnknownNameError("part of a rule", str(min(unknown, key=str)), ("name", "when", "scans"))
    scans = tuple(Plan.from_dict(each) for each in entry.get("scans") or ())
    return Rule(str(entry["name"]), entry.get("when") or {}, scans)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _within(energy: float | None, limits: Mapping[str, float] | None) -> bool:
    if limits is None:
        return True
    return energy is not None and limits.get("min", 0.0) <= energy <= limits.get("max", float("inf"))
