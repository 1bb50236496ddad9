"""What stands beside maps, as HTML: colour scales, the key, and the numbers of regions and of differences."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from skymist.app.models import angles
from skymist.plot.interactive.charts import line_look, palette_of, spot_colour
from skymist.plot.interactive.scenes import Scene
from skymist.plot.style import Style

MOST = 50
"""Sources in the table: the nearest."""
COLUMNS = (
    {"key": "name", "title": "Source", "row_head": True},
    {"key": "catalog", "title": "Catalog", "under": "name", "wrap": True},
    {"key": "region", "title": "In region"},
    {"key": "separation", "title": "Separation (°)", "number": True},
    {"key": "searched", "title": "Searched probability", "number": True, "wrap": True},
    {"key": "position", "title": "Position", "under": "region"},
    {"key": "chance", "title": "Chance of catalog", "number": True, "under": "searched", "wrap": True},
)
"""Of the table of sources."""

_SWATCH = '<svg width="26" height="14" aria-hidden="true">{}</svg>'
_SHAPES = {
    "best": "M13 1v12M7 7h12",
    "source": "M13 1l1.8 4 4.4.4-3.3 2.9 1 4.3L13 10.3l-3.9 2.3 1-4.3-3.3-2.9 4.4-.4z",
    "place": "M8 2l10 10M18 2L8 12",
    "sun": "M13 2a5 5 0 1 0 .1 0M13 6.2a.8.8 0 1 0 .1 0",
    "moon": "M13 2a5 5 0 1 0 .1 0M9.5 3.5l7 7M16.5 3.5l-7 7",
}
_LINES = {"inner": "50 % contour", "outer": "90 % contour", "notice": "90 % circle of a notice",
          "plane": "galactic plane", "field": "what the zoom shows"}  # fmt: skip
_SPOTS = {"best": "best fit", "source": "known source", "place": "position asked for", "sun": "Sun", "moon": "Moon"}


def head_of(name: str) -> str:
    """Return the name of a map, above it."""
    return f'<div class="name">{escape(name)}</div>'


def scale_of(scene: Scene, style: Style) -> str:
    """Return the colour scale of a map, below it: its colours, values and what they are."""
    low, high = scene.limits
    colours = ", ".join(palette_of(scene, style, 24))
    marks = "".join(
        f'<i style="left: {100 * (value - low) / (high - low):.2f}%" title="{escape(name)}"><b></b></i>'
        for name, value in scene.levels.items()
        if low < value < high
    )
    texts = "".join(
        f'<span class="{_side(share)}" style="left: {100 * share:.2f}%">{escape(text)}</span>'
        for share, text in ticks_of(low, high)
    )
    levels = ", ".join(f"{name} at {angles.number(value)}" for name, value in scene.levels.items() if name != "equal")
    said = f"{scene.label}{f' (marked: {levels})' if levels else ''}"
    return (
        f'<div class="bar" style="background: linear-gradient(to right, {colours})">{marks}</div>'
        f'<div class="ticks">{texts}</div><div class="label">{escape(said)}</div>'
    )


def ticks_of(low: float, high: float) -> list[tuple[float, str]]:
    """Return round values of a scale, each with its place from 0 to 1.

    Examples
    --------
    >>> [(round(share, 2), text) for share, text in ticks_of(0.0, 128.4)]
    [(0.0, '0'), (0.39, '50'), (0.78, '100')]
    """
    step = 10 ** np.floor(np.log10((high - low) / 2))
    step = next(step * factor for factor in (5, 2, 1) if (high - low) / (step * factor) >= 2)
    values = step * np.arange(np.ceil(low / step), np.floor(high / step + 1e-9) + 1)
    return [(float((value - low) / (high - low)), f"{value:.6g}".replace("-", "−")) for value in values]


def _side(share: float) -> str:
    return "start" if share < 0.05 else "end" if share > 0.95 else ""


def key_of(style: Style, compared: Sequence[str] = ()) -> str:
    """Return what lines and marks mean; of a difference, the dashes of both maps."""
    kinds = dict(_LINES)
    if len(compared) == 2:
        kinds |= {"first": f"90 % contour of {compared[0]}", "second": f"90 % contour of {compared[1]}"}
    items = [f"<li>{_line(kind, style)}{escape(name)}</li>" for kind, name in kinds.items()]
    items += [f"<li>{_mark(kind, style)}{escape(name)}</li>" for kind, name in _SPOTS.items()]
    return f'<ul class="key" aria-label="key of the maps">{"".join(items)}</ul>'


def _line(kind: str, style: Style) -> str:
    look = line_look(kind, style)
    dash = {"dashed": ' stroke-dasharray="6 3"', "dotted": ' stroke-dasharray="2 3"'}.get(look["line_dash"], "")
    return _SWATCH.format(
        f'<path d="M1 7h24" fill="none" stroke="{look["line_color"]}" stroke-width="{look["line_width"]}"{dash}/>'
    )


def _mark(kind: str, style: Style) -> str:
    colour = spot_colour(kind, style)
    fill = colour if kind == "source" else "none"
    return _SWATCH.format(f'<path d="{_SHAPES[kind]}" fill="{fill}" stroke="{colour}" stroke-width="2"/>')


def regions_of(names: Sequence[str], answers: Sequence[Mapping[str, Any]], calibration: str) -> str:
    """Return the regions of maps by one calibration, and those of the first by all that fit it."""
    rows = [
        _row(name if len(names) > 1 else "", each)
        for name, answer in zip(names, answers, strict=True)
        for each in answer["calibrations"]
        if each["calibration"] == calibration
    ]
    others = [_row(each["calibration"], each, each["calibration"] == calibration)
              for each in answers[0]["calibrations"]]  # fmt: skip
    first = _table(f"Regions by {calibration}", "map" if len(names) > 1 else "", rows)
    every = _table(f"Regions of {names[0]}", "calibration", others)
    return f'<div class="words">{first}<details><summary>All calibrations</summary>{every}</details></div>'


def _row(name: str, row: Mapping[str, Any], chosen: bool = False) -> str:
    edge = " (edge not refined)" if row["open"] else ""
    share = f"{row['containment']:.0%}".replace("%", " %")
    cells = [
        angles.number(row["ts"]) if row["ts"] is not None else "whole sky", angles.number(row["area_deg2"]),
        f"+{angles.number(row['ra_plus'], 2)} −{angles.number(row['ra_minus'], 2)}",
        f"+{angles.number(row['dec_plus'], 2)} −{angles.number(row['dec_minus'], 2)}",
    ]  # fmt: skip
    found = "".join(f"<td>{escape(each)}</td>" for each in cells)
    mark = ' class="chosen"' if chosen else ""
    return f'<tr{mark}><th scope="row">{escape(f"{name} {share}{edge}".strip())}</th>{found}</tr>'


def _table(caption: str, what: str, rows: Sequence[str]) -> str:
    heads = (f"{what} region".strip(), "TS level", "area (deg²)", "RA error (°)", "Dec error (°)")
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    top = f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
    return f"<table>{top}<tbody>{''.join(rows)}</tbody></table>"


def difference_of(names: Sequence[str], found: Mapping[str, Any] | None) -> str:
    """Return how two maps compare, in numbers."""
    if found is None:
        return ""
    apart = f"{found['separation_deg']:.2f}°, towards {found['position_angle_deg']:.0f}° (north through east)"
    rows = [
        ("between the best fits", apart),
        (f"TS in {names[0]} where {names[1]} fits best", angles.number(found["ts_of_b_in_a"])),
        (f"TS in {names[1]} where {names[0]} fits best", angles.number(found["ts_of_a_in_b"])),
        ("divergence (Jensen-Shannon; 0 the same, 1 disjoint)", f"{angles.number(found['jensen_shannon_bits'])} bits"),
    ]  # fmt: skip
    for each in found["overlaps"]:
        share = f"{each['containment']:.0%}".replace("%", " %")
        both = f"{angles.number(each['common_deg2'])} of {angles.number(each['union_deg2'])} deg²"
        rows.append((f"{share} regions: common of both together", both))
    body = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
    caption = escape(f"{names[0]} and {names[1]} by {found['calibration']}")
    return f'<div class="words"><table><caption>{caption}</caption><tbody>{body}</tbody></table></div>'


def source_rows(sources: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return sources as rows of a table; the name is a button that marks the source in the maps."""
    return [{"id": each["id"], "cells": _cells(each), "faint": each["region"] == "outside"} for each in sources[:MOST]]


def _cells(source: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    texts = {
        "region": source["region"], "separation": f"{source['separation_deg']:.2f}",
        "searched": angles.number(source["searched_probability"]), "position": source["position"],
        "catalog": source["title"], "chance": angles.number(source["chance"], 2),
    }  # fmt: skip
    name = {"text": source["name"], "action": "mark", "title": "Mark it in the maps"}
    return {"name": [name], **{key: [{"text": text}] for key, text in texts.items()}}


def position_of(text: str, found: Mapping[str, Any], angles_in: str, time: str) -> str:
    """Return what the first map says of a position, in a sentence."""
    where = angles.position(found["ra"], found["dec"], angles_in, time)
    inside = found["inside"]
    share = next((each for each in ("50", "90") if inside[each]), "")
    region = f"in the {share} % region" if share else "outside of the 90 % region"
    ts = "nothing was scanned there" if found["ts"] is None else f"TS {angles.number(found['ts'])}"
    searched = f"{found['searched_probability']:.1%}".replace("%", " %")
    size = f"{angles.number(found['searched_area_deg2'])} deg²"
    return (
        f"{text}: {where}, {ts}, {region}, {found['separation_deg']:.2f}° from the best fit; {searched} of the "
        f"probability, in {size}, is as likely or more so."
    )
