"""What a benchmark found: told line by line, and kept in ``benchmarks/results`` for the page that `report` makes of it.

    with results("likelihood") as tell:
        tell("cells", event="138632/31747601", ours_ms=0.21, theirs_ms=31.4)

Figures of one table have the same names in each row. With them are kept when, with what code and on what machine they
were measured, and how busy that was before.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from skymist.model.sky import Floats

HOME = Path(__file__).parent
RESULTS = HOME / "results"
LIBRARIES = "numpy", "numba", "scipy", "xarray", "zarr", "distributed", "iminuit", "ligo.skymap", "mocpy", "healpy"

T = TypeVar("T")
Value = str | float | int | bool | None
Tell = Callable[..., None]


@contextmanager
def results(name: str) -> Iterator[Tell]:
    """Collect the rows of a benchmark's tables, print each as it comes, and keep them all at the end.

    A benchmark that fails keeps nothing: what was measured before stays as it was.
    """
    tables: dict[str, list[dict[str, Value]]] = defaultdict(list)
    began, busy = datetime.now(UTC), os.getloadavg()[0]

    def tell(table: str, **figures: Value) -> None:
        rows = tables[table]
        if rows and rows[0].keys() != figures.keys():
            raise ValueError(f"a row of {table} has {', '.join(figures)} instead of {', '.join(rows[0])}")
        rows.append({key: tidy(value) for key, value in figures.items()})
        print(f"{table}: " + ", ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)

    yield tell
    RESULTS.mkdir(exist_ok=True)
    found = {
        "command": " ".join(["python", f"benchmarks/{name}.py", *sys.argv[1:]]),
        "began": began.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "minutes": tidy((datetime.now(UTC) - began).total_seconds() / 60),
        "load_before": tidy(busy),
        "skymist": code(),
        "machine": machine(),
        "tables": tables,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def tidy(value: Value) -> Value:
    """Return a figure with as many digits as a measurement is worth; NaN is None."""
    if isinstance(value, float):
        return None if value != value else float(f"{value:.4g}")
    return value


def code() -> str:
    """Return the version, and the commit that was measured."""
    asked = ["git", "-C", str(HOME), "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return f"{version('skymist')} ({found})" if found else version("skymist")


def machine() -> dict[str, Any]:
    """Return what the speed depends on."""
    model = [line.partition(":")[2].strip() for line in lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model[0] if model else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def lines(path: str) -> list[str]:
    """Return the lines of a file, none where there is no such file."""
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def spread(values: Sequence[float], unit: str) -> dict[str, Value]:
    """Return the median, the 95th percentile and the most of some values; their names end with the unit."""
    median, late = np.percentile(values, [50, 95])
    return {f"median_{unit}": float(median), f"p95_{unit}": float(late), f"most_{unit}": float(max(values))}


def median_ms(work: Callable[[], object], trials: int) -> float:
    """Return the median milliseconds of some work, warm."""
    work()
    took = []
    for _ in range(trials):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return float(np.median(took)) * 1e3


def cell_ms(work: Callable[[], T], cells: int) -> tuple[float, T]:
    """Return the milliseconds of this process that some work takes for each of so many cells, and its result."""
    began = time.process_time()
    result = work()
    return (time.process_time() - began) / cells * 1e3, result


def compared(ours_ms: float, theirs_ms: float, gain: Floats) -> dict[str, Value]:
    """Return the figures of two ways to a minimum.

    Parameters
    ----------
    ours_ms, theirs_ms : float
        For each cell.
    gain : ndarray, shape (cells,)
        By how much their minimum lies above ours.
    """
    ratio, deeper, shallower = theirs_ms / ours_ms, float(np.mean(gain > 0.1)), float(np.mean(gain < -0.1))
    return {"ours_ms": ours_ms, "theirs_ms": theirs_ms, "ratio": ratio, "deeper": deeper, "shallower": shallower}
