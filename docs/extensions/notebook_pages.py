"""Notebooks as pages: each of ``notebooks/`` becomes Markdown in ``docs/tutorials/notebooks`` before Sphinx looks.

They are shown as they are; that they run is for their own test. Outputs, where a notebook has any, are shown as text.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

_log = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it with Sphinx."""
    app.connect("builder-inited", _write_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write_all(app: Sphinx) -> None:
    source, target = Path(app.srcdir).parent / "notebooks", Path(app.srcdir) / "tutorials" / "notebooks"
    pages = {f"{path.stem}.md": page(path) for path in sorted(source.glob("*.ipynb"))}
    if pages:
        target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = target / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # what is the same is not read again
            written = path.with_suffix(f".{os.getpid()}")
            written.write_text(text, encoding="utf-8")
            written.replace(path)


def page(path: Path) -> str:
    """Return a notebook as Markdown."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    language = notebook.get("metadata", {}).get("language_info", {}).get("name", "python")
    language = "ipython3" if language == "python" and _has_magics(notebook) else language
    note = f"*This page is the notebook [{path.name}](../../../notebooks/{path.name}): run it, change it.*"
    parts = [_cell(cell, language) for cell in notebook["cells"]]
    title, *rest = [part for part in parts if part] or [f"# {path.stem}"]
    head, _, tail = title.partition("\n")
    return "\n\n".join([head, note, tail.strip(), *rest]) + "\n"


def _cell(cell: dict[str, Any], language: str) -> str:
    source = "".join(cell["source"]).strip()
    if cell["cell_type"] == "markdown":
        return _linked(source)
    if cell["cell_type"] != "code" or not source:
        return ""
    shown = [_fenced(source, language)]
    for output in cell.get("outputs", ()):
        text = "".join(output.get("text", output.get("data", {}).get("text/plain", ""))).strip()
        shown += [_fenced(text, "text")] if text else []
    return "\n\n".join(shown)


def _fenced(text: str, language: str) -> str:
    longest = max((len(found) for found in re.findall(r"^`{3,}", text, re.MULTILINE)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _has_magics(notebook: dict[str, Any]) -> bool:
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return any(re.search(r"^[%!]", text, re.MULTILINE) for text in code)


def _linked(text: str) -> str:
    """Return Markdown with its links as they are from here: to docs, to other notebooks, to files of the repository."""
    text = re.sub(r"\]\(\.\./docs/", "](../../", text)
    text = re.sub(r"\]\(\.\./(?!\.\.)", "](../../../", text)
    return re.sub(r"\]\(([\w-]+)\.ipynb(#[^)]*)?\)", r"](\1.md\2)", text)
