"""Make ``docs/benchmarks.md`` and its figures of what the benchmarks found; no number in it is written by hand.

    python benchmarks/report.py

Words are in ``page.md.jinja``, figures of speech and of fact apart: what benchmarks found is in ``results``, one file
for each, with when, with what code and on what machine. A test makes the page again and compares.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import figures
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from measured import HOME, RESULTS

PAGE = HOME.parent / "docs" / "benchmarks.md"
FIGURES = HOME.parent / "docs" / "benchmarks"
Row = Mapping[str, Any]


def main() -> None:
    """Write the page and its figures."""
    found = read()
    PAGE.write_text(page(found))
    FIGURES.mkdir(exist_ok=True)
    for name, draw in figures.ALL.items():
        draw(found, FIGURES / f"{name}.svg")
    print(PAGE)


def read() -> dict[str, Any]:
    """Return what each benchmark found, by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}


def page(found: Mapping[str, Any]) -> str:
    """Return the page."""
    words = Environment(
        loader=FileSystemLoader(HOME), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,  # noqa: S701 (Markdown, of our own figures)
    )  # fmt: skip
    words.globals.update(table=table, text=text, median=median, only=only, by_fault=by_fault, libraries=libraries)
    return words.get_template("page.md.jinja").render(
        found=found,
        benchmarks=benchmarks(found),
        machines=machines(found),
        **{k: v["tables"] for k, v in found.items()},
    )


def table(rows: Iterable[Row], **columns: str) -> str:
    """Return rows as Markdown: keys, with what stands above them."""
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(text(row[key]) for key in columns) + " |" for row in rows]
    return "\n".join(lines)


def text(value: object, digits: int = 3) -> str:
    """Return a figure as people write it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if not value or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits - 1 - int(np.floor(np.log10(abs(value))))}f}"


def only(rows: Iterable[Row], **wanted: object) -> list[Row]:
    """Return the rows in which keys have those values."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def median(rows: Sequence[Row], key: str) -> float:
    """Return the median of a figure."""
    return float(np.median([row[key] for row in rows]))


def by_fault(rows: Sequence[Row]) -> list[Row]:
    """Return what came of runs, by their fault."""
    kinds = dict.fromkeys(row["fault"] for row in rows)
    return [_fault(kind, only(rows, fault=kind)) for kind in kinds]


def _fault(kind: str, runs: Sequence[Row]) -> Row:
    cells = sum(run["cells"] for run in runs)
    return {
        "fault": figures.FAULTS[kind],
        "runs": len(runs),
        "equal": sum(run["equal"] for run in runs),
        "again": sum(run["again"] for run in runs),
        "evaluations": f"{sum(run['evaluations'] for run in runs) / cells:.3f}",
        "median_s": median(runs, "seconds"),
        "worst_s": max(run["seconds"] for run in runs),
    }


def benchmarks(found: Mapping[str, Any]) -> list[Row]:
    """Return what was run, and when."""
    return [
        {"command": f"`{it['command']}`", "began": it["began"].replace("T", " ").removesuffix(":00Z")[:16],
         "minutes": it["minutes"], "load": it["load_before"], "skymist": it["skymist"]}
        for it in found.values()
    ]  # fmt: skip


def machines(found: Mapping[str, Any]) -> list[Row]:
    """Return on what machines, each once."""
    return list({json.dumps(it["machine"]): it["machine"] for it in found.values()}.values())


def libraries(machine: Row) -> str:
    """Return what is installed there."""
    return ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())


if __name__ == "__main__":
    main()
