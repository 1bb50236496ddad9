"""Names in docstrings become links, also where a public object is told by the module that it comes from.

What stands in single backticks may be a parameter, too, or a part that this site does not show: that is code. But a
name that begins with ``skymist.`` has to be there, or the build fails.
"""

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, get_origin

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import skymist


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it with Sphinx."""
    app.connect("missing-reference", _resolve)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement) -> nodes.Node | None:
    target = str(node["reftarget"])
    if target.startswith(("python:", "numpy:")):  # numpydoc's own links of common types lead to other sites
        return nodes.inline("", shown.astext().partition(":")[2] or shown.astext())
    if node.get("refdomain") != "py":
        return None
    if target.startswith("skymist.") and not _exists(target):
        return None  # Sphinx warns
    domain: Any = env.domains["py"]
    for name in _others(target):
        if name in domain.objects:
            return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], name, node, shown)
    return nodes.literal("", shown.astext(), classes=["code"])


def _skip(_app: Sphinx, what: str, name: str, found: Any, *_: Any) -> bool | None:
    """Leave out of a module what the page of the package shows, what comes from libraries, and aliases of types."""
    home = getattr(found, "__module__", None)
    if what != "module" or isinstance(found, ModuleType):
        return None
    alias = get_origin(found) is not None
    return True if alias or f"{home}.{name}" in _homes() or not str(home or "skymist").startswith("skymist") else None


@cache
def _homes() -> dict[str, str]:
    """Return under which name each public object is shown, by where it comes from."""
    return {f"{getattr(skymist, name).__module__}.{name}": f"skymist.{name}" for name in skymist.__all__}


@cache
def _exists(target: str) -> bool:
    """Return whether a dotted name leads to something."""
    words = target.split(".")
    for n in range(len(words), 0, -1):
        try:
            found: Any = import_module(".".join(words[:n]))
        except ModuleNotFoundError:
            continue
        for word in words[n:]:
            if hasattr(found, word):
                found = getattr(found, word)
            else:  # fields of dataclasses are no attributes of the class
                return word in getattr(found, "__dataclass_fields__", {})
        return True
    return False


def _others(target: str) -> list[str]:
    """Return under which other names a target may be shown: those of the package itself."""
    return [target.replace(home, name, 1) for home, name in _homes().items() if f"{target}.".startswith(f"{home}.")]
