"""The interactive figure of one event in the detector, in three dimensions."""

from typing import Any

import numpy as np

from skymist.model.detector import Detector
from skymist.model.event import Event, Particle
from skymist.model.region import BestFit
from skymist.model.sky import Floats
from skymist.plot.interactive.libraries import library
from skymist.plot.pulses import Axis, Hits, axes_of, box_of, heading_of, hits_of, strings_of, time_range
from skymist.plot.style import Style, Theme, style_of

_LARGEST = 30.0
"""Diameter of the brightest module on the screen, pixels."""


def event(event: Event, fit: BestFit | Particle | None = None, *, theme: Theme = "light", topology: str = "") -> Any:
    """Return an event in the detector, to be turned and looked at from everywhere.

    It is the twin of `skymist.plot.event_figure` with the same parameters: modules that saw light are spheres whose
    volume goes with their charge, coloured by the time of the first pulse. Under the cursor are string and module,
    charge (PE) and time (ns).

    Returns
    -------
    plotly.graph_objects.Figure
        Its axes are metres, of the same length in all directions.

    Raises
    ------
    RequestError
        If Plotly is not installed, or the event has no pulse in the detector.
    UnknownNameError
        For a theme that does not exist.
    """
    style, hits = style_of(theme), hits_of(event)
    go = library("plotly.graph_objects")
    places = np.concatenate([event.detector.position, hits.position])
    low, high = box_of(places)
    parts = [_strings(go, event.detector, style), _modules(go, hits, style)]
    parts += [_axis(go, axis, style, low, high) for axis in axes_of(event, fit, topology)]
    return go.Figure(parts, _layout(event, hits, style))


def _modules(go: Any, hits: Hits, style: Style) -> Any:
    """Return modules that saw light."""
    low, high = time_range(hits)
    bar = {"title": {"text": "first pulse (ns)"}, "tickcolor": style.faint, "outlinecolor": style.faint, "len": 0.7}
    marker = {
        "size": _LARGEST * hits.radius_m / hits.radius_m.max(), "sizemode": "diameter", "color": hits.time_ns,
        "cmin": low, "cmax": high, "colorscale": "Viridis", "colorbar": bar, "opacity": 1,
        "line": {"color": style.ink, "width": 1},
    }  # fmt: skip
    tips = "string %{customdata[0]}, module %{customdata[1]}<br>%{customdata[2]:.2f} PE<br>%{customdata[3]:.0f} ns"
    told = np.column_stack([hits.dom, hits.charge_pe, hits.time_ns])
    return _scatter(
        go, hits.position, mode="markers", marker=marker, customdata=told, name="modules with light",
        hovertemplate=f"{tips}<extra></extra>",
    )  # fmt: skip


def _strings(go: Any, detector: Detector, style: Style) -> Any:
    """Return each string as a line from its first module to its last."""
    line = {"color": style.faint, "width": 1}
    return _scatter(go, strings_of(detector), mode="lines", line=line, opacity=0.6, hoverinfo="skip", name="strings")


def _axis(go: Any, axis: Axis, style: Style, low: Floats, high: Floats) -> Any:
    """Return a track as far as it is in the box, or a vertex."""
    fit = axis.label == "fit"
    colour = style.ink if fit else style.mark
    zenith, azimuth = np.degrees(axis.zenith), np.degrees(axis.azimuth) % 360
    name = f"{axis.label}: zenith {zenith:.1f}°, azimuth {azimuth:.1f}°"
    told = {"name": name, "hovertemplate": f"{name}<br>%{{x:.0f}}, %{{y:.0f}}, %{{z:.0f}} m<extra></extra>"}
    if axis.cascade:
        point = {"symbol": "diamond" if fit else "x", "size": 10, "color": colour}
        return _scatter(go, axis.vertex[None], mode="markers", marker=point, **told)
    line = {"color": colour, "width": 6, "dash": "solid" if fit else "dash"}
    marker: dict[str, Any] = {"color": colour, "size": [0, 6], "symbol": "diamond"}  # it flies towards the second
    return _scatter(go, axis.within(low, high), mode="lines+markers", line=line, marker=marker, **told)


def _scatter(go: Any, places: Floats, **look: Any) -> Any:
    x, y, z = places.T
    return go.Scatter3d(x=x, y=y, z=z, **look)


def _layout(event: Event, hits: Hits, style: Style) -> dict[str, Any]:
    title, notes, simulated = heading_of(event, hits)
    notes = [*(["SIMULATED EVENT"] if simulated else []), *notes]
    axis = {"backgroundcolor": style.paper, "gridcolor": style.faint, "color": style.ink, "zerolinecolor": style.faint}
    scene = {f"{name}axis": {**axis, "title": {"text": f"{name} (m)"}} for name in "xyz"}
    scene["camera"] = {"eye": {"x": 1.5, "y": 1.5, "z": 1.1}}  # far enough for the names of the axes
    return {
        "title": {"text": f"{title}<br><sup>{'   '.join(notes)}</sup>"}, "scene": {**scene, "aspectmode": "data"},
        "paper_bgcolor": style.paper, "font": {"color": style.ink}, "legend": {"x": 0, "y": 1}, "height": 720,
    }  # fmt: skip
