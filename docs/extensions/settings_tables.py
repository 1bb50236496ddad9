"""Settings as tables, from the dataclasses that check them.

``{settings} MODULE.CLASS`` shows each key with its type, its default and what the docstring says of it.
"""

from dataclasses import MISSING, Field, fields
from importlib import import_module
from typing import Any, get_type_hints

from docutils import nodes
from docutils.parsers.rst import Directive
from numpydoc.docscrape import NumpyDocString
from pieces import Cell, table, words
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it with Sphinx."""
    app.add_directive("settings", Settings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Settings(Directive):
    """The keys of one dataclass."""

    required_arguments = 1
    option_spec = {"without": str.split}  # noqa: RUF012 (that of docutils)

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        module, _, name = self.arguments[0].rpartition(".")
        kind = getattr(import_module(module), name)
        about, hints = meanings(kind), get_type_hints(kind)
        rows = [
            ([nodes.literal("", item.name)], _type(hints[item.name]), _default(item), about.get(item.name, ""))
            for item in fields(kind)
            if item.name not in self.options.get("without", ())
        ]
        return [table(("key", "type", "default", "meaning"), rows, (16, 16, 18, 50))]


def meanings(kind: type) -> dict[str, str]:
    """Return what the docstring of a class says of each attribute, in one line."""
    said = NumpyDocString(kind.__doc__ or "")
    return {
        name.strip(): " ".join(" ".join(entry.desc).split())
        for entry in [*said["Attributes"], *said["Parameters"]]
        for name in entry.name.split(",")
    }


def _type(hint: Any) -> Cell:
    named = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "None": "null",
             "Path": "folder"}  # fmt: skip
    written = hint.__name__ if isinstance(hint, type) and not getattr(hint, "__args__", ()) else str(hint)
    kinds = [kind.strip().rpartition(".")[2] for kind in written.split("|")]
    kinds = ["list" if "tuple[" in part or "Sequence[" in part else "mapping" if "Mapping[" in part else kind
             for part, kind in zip(written.split("|"), kinds, strict=True)]  # fmt: skip
    return " or ".join(named.get(kind, kind) for kind in kinds)


def _default(item: "Field[Any]") -> Cell:
    if item.default is MISSING:
        return "" if item.default_factory is MISSING else "its own defaults"
    if item.default in ("", (), None):
        return words("none")
    written = str(item.default).lower() if isinstance(item.default, bool) else item.default
    return [nodes.literal("", ", ".join(map(str, written)) if isinstance(written, tuple) else str(written))]
