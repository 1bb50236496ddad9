"""Figures of the benchmark report, from what the benchmarks found."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skymist.plot.style import STYLES

STYLE = STYLES["light"]
FASTER, SLOWER = "#2a6bb0", "#d1440c"
COLOURS = (*STYLE.lines, FASTER)
FAULTS = {
    "none": "none",
    "worker": "worker killed",
    "nanny": "nanny killed",
    "scheduler": "scheduler killed, another one started",
    "client": "client killed, started again",
    "store": "disk full for 3 s",
    "network": "network cut for 30 s",
}
LOOK = {"svg.hashsalt": "skymist", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
Found = Mapping[str, Any]


@contextmanager
def drawn(path: Path, width: float, height: float, columns: int = 1) -> Iterator[Sequence[Axes]]:
    """Yield axes, and write their figure: the same bytes for the same figures."""
    with rc_context(LOOK):
        figure = Figure((width, height), layout="constrained")
        yield list(figure.subplots(1, columns, squeeze=False)[0])
        figure.savefig(path, facecolor=STYLE.paper, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)


def ratios(found: Found) -> list[dict[str, Any]]:
    """Return how many times as long others take, all that was measured in one run each; medians over its rows."""
    kernels = [
        ("likelihood", "track-mpe, a cell", ("minimiser", "likelihood")),
        ("cascade", "cascade, a cell", ("likelihood",)),
        ("losses", "track-losses, a cell", ("likelihood",)),
    ]
    rows = []
    for name, what, keys in kernels:
        cells = found[name]["tables"]["cells"]
        for way in dict.fromkeys(tuple(row[key] for key in keys) for row in cells):
            some = [row["ratio"] for row in cells if tuple(row[key] for key in keys) == way]
            minimiser = way[0] if len(way) > 1 else "MIGRAD"
            rows.append((what, f"{minimiser}, {way[-1]}", some))
    parts = found["peers"]["tables"]["parts"]
    for what, peer in dict.fromkeys((row["what"], row["peer"]) for row in parts):
        rows.append((what, peer, [row["ratio"] for row in parts if (row["what"], row["peer"]) == (what, peer)]))
    contours, matches = found["products"]["tables"]["contours"], found["counterparts"]["tables"]["matches"]
    for peer, key in (("matplotlib, in the plane", "tricontour_ratio"), ("grid of 500 x 500", "grid_ratio")):
        rows.append(("90 % contour", peer, [row[key] for row in contours]))
    for peer, key in (("ligo.skymap", "ligo_ratio"), ("mocpy, members only", "mocpy_ratio")):
        rows.append(("7,000 sources matched", peer, [row[key] for row in matches]))
    return [
        {"what": what, "peer": peer, "ratio": float(np.median(some)), "least": min(some), "most": max(some)}
        for what, peer, some in rows
    ]


def draw_ratios(found: Found, path: Path) -> None:
    """How many times as long others take."""
    rows = ratios(found)[::-1]
    places = np.arange(len(rows))
    with drawn(path, 8, 0.27 * len(rows) + 0.8) as (axes,):
        for place, row in zip(places, rows, strict=True):
            colour = FASTER if row["ratio"] >= 1 else SLOWER
            axes.plot([row["least"], row["most"]], [place, place], color=colour, linewidth=2)
            axes.plot(row["ratio"], place, "o" if row["ratio"] >= 1 else "s", color=colour, markersize=5)
        axes.axvline(1, color=STYLE.faint, linewidth=1)
        axes.set_yticks(places, [f"{row['what']}: {row['peer']}" for row in rows])
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("their time over ours: right of 1 we are faster\n(point: median; line: least to most)")
        axes.grid(axis="x", color="#dddddd", linewidth=0.5)


def draw_errors(found: Found, path: Path) -> None:
    """How far best fits are from the truth: share of events within an angle."""
    events = found["accuracy"]["tables"]["events"]
    with drawn(path, 9, 3.6, 2) as (tracks, showers):
        _errors(tracks, [row for row in events if row["kind"] == "through-going"], "through-going muons")
        _errors(showers, [row for row in events if row["kind"] == "cascade"], "cascades")


def _errors(axes: Axes, events: Sequence[Mapping[str, Any]], title: str) -> None:
    for colour, name in zip(COLOURS * 2, dict.fromkeys((row["sample"], row["reco"]) for row in events), strict=False):
        away = np.sort([row["away_deg"] for row in events if (row["sample"], row["reco"]) == name])
        label = f"{name[0]}, {name[1]} ({len(away)})"
        style = "--" if name[1] == "track-losses" else "-"
        axes.step(away, np.arange(1, len(away) + 1) / len(away), style, where="post", color=colour, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("angle between best fit and truth (degrees)")
    axes.set_ylabel("share of events within")
    axes.set_ylim(0, 1.5)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=7, loc="upper left")


def draw_coverage(found: Found, path: Path) -> None:
    """Whether the likelihood is as sure as it should be."""
    events = found["accuracy"]["tables"]["events"]
    with drawn(path, 5, 4.4) as (axes,):
        axes.plot([0, 1], [0, 1], ":", color=STYLE.ink, linewidth=1, label="as Wilks' theorem has it")
        for colour, name in zip(COLOURS, dict.fromkeys((row["reco"], row["kind"]) for row in events), strict=False):
            ts = [row["ts"] for row in events if (row["reco"], row["kind"]) == name]
            expected = np.sort(1 - np.exp(-np.maximum([np.inf if each is None else each for each in ts], 0) / 2))
            share = np.arange(1, len(ts) + 1) / len(ts)
            axes.step(expected, share, where="post", color=colour, label=f"{name[0]}, {name[1]} ({len(ts)})")
        axes.set_xlabel("containment that Wilks' theorem promises for the TS of the truth")
        axes.set_ylabel("share of events whose truth is within")
        axes.legend(frameon=False, fontsize=7, loc="upper left")


def draw_scheduler(found: Found, path: Path) -> None:
    """How far one scheduler goes: efficiency by workers and length of blocks."""
    rows = found["scaling"]["tables"]["limit"]
    with drawn(path, 5.5, 3.4) as (axes,):
        for colour, block in zip(COLOURS, dict.fromkeys(row["block_s"] for row in rows), strict=False):
            some = [row for row in rows if row["block_s"] == block]
            workers, efficiency = ([row[key] for row in some] for key in ("workers", "efficiency"))
            axes.plot(workers, efficiency, "o-", color=colour, markersize=4, label=f"blocks of {block:g} s")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({row["workers"] for row in rows}), labels=sorted({row["workers"] for row in rows}))
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("simulated workers")
        axes.set_ylabel("efficiency")
        axes.legend(frameon=False, fontsize=8)


def draw_faults(found: Found, path: Path) -> None:
    """How long scans take that something happens to."""
    rows = found["faults"]["tables"]["runs"]
    kinds = list(dict.fromkeys(row["fault"] for row in rows))
    with drawn(path, 7, 0.32 * len(kinds) + 0.9) as (axes,):
        for place, kind in enumerate(kinds):
            seconds = [row["seconds"] for row in rows if row["fault"] == kind]
            axes.plot(seconds, np.full(len(seconds), place), "|", color=FASTER, markersize=9)
        axes.set_yticks(range(len(kinds)), [FAULTS[kind] for kind in kinds])
        axes.invert_yaxis()
        axes.set_xlim(0, None)
        axes.set_xlabel("seconds until the map is complete, each run a mark")


ALL: dict[str, Callable[[Found, Path], None]] = {
    "ratios": draw_ratios,
    "errors": draw_errors,
    "coverage": draw_coverage,
    "scheduler": draw_scheduler,
    "faults": draw_faults,
}
