"""Sky maps and events that show themselves: in a notebook a figure with a table of facts, elsewhere a figure."""

import base64
import html
import io
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import xarray as xr

from skymist.errors import RequestError
from skymist.model.event import Event
from skymist.workflow import exports, figures, products
from skymist.workflow.events import identify
from skymist.workflow.figures import Look
from skymist.workflow.maps import usual_calibration

if TYPE_CHECKING:
    from skymist.plot.page import Page

DPI = 90
"""Of figures in notebooks, which keep every one of them."""


class Shown:
    """A figure with the facts beside it, as notebooks show it.

    Attributes
    ----------
    kind : str
        One of `skymist.workflow.figures.FIGURES`.
    what : xarray.Dataset or Event
    look : Look
    interactive : bool
        Whether notebooks show the interactive twin.
    """

    def __init__(self, kind: str, what: xr.Dataset | Event, look: Look, *, interactive: bool = False) -> None:
        self.kind, self.what, self.look, self.interactive = kind, what, look, interactive

    @cached_property
    def figure(self) -> "Page":
        """The matplotlib figure."""
        return figures.draw(self.kind, self.what, self.look)

    @cached_property
    def twin(self) -> Any:
        """The interactive twin: a HoloViews object, of an event a Plotly figure."""
        return figures.twin(self.kind, self.what, self.look)

    @cached_property
    def caption(self) -> str:
        """What the figure shows, in words."""
        return figures.caption_of(self.kind, self.what, self.look) if self.interactive else self.figure.caption

    @cached_property
    def facts(self) -> dict[str, str]:
        """What is to be said of the map or the event, as people read it."""
        if isinstance(self.what, Event):
            return _of_event(self.what)
        return _of_map(self.what, self.look.calibration or usual_calibration(self.what))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002
        """Return what Jupyter shows: a page, and for those who show none, a picture, else text."""
        text = "\n".join([self.caption, *(f"{name}: {fact}" for name, fact in self.facts.items())])
        if self.interactive:
            return {"text/html": self._html(_frame(self.twin, self.caption)), "text/plain": text}
        drawn = io.BytesIO()
        self.figure.savefig(drawn, format="png", dpi=DPI)
        picture = base64.b64encode(drawn.getvalue()).decode()
        said = html.escape(self.caption)
        image = f'<img src="data:image/png;base64,{picture}" alt="{said}" style="max-width: 100%; height: auto">'
        return {"text/html": self._html(image), "image/png": picture, "text/plain": text}

    def _html(self, figure: str) -> str:
        return f'<div class="skymist">\n{_table(self.facts)}\n{figure}\n</div>'


def show(
    what: xr.Dataset | Event, *, figure: str | None = None, interactive: bool = False, **wishes: Any
) -> "Shown | Page | Any":
    """Show a sky map or an event.

    Parameters
    ----------
    what : xarray.Dataset or Event
    figure : str, optional
        One of `skymist.workflow.figures.FIGURES`; for a map the surroundings of the best fit by default.
    interactive : bool
        Whether to show the interactive twin (HoloViews, of an event Plotly).
    **wishes
        Of `skymist.workflow.figures.Look`: `theme`, `calibration`, `frame`, `show`, `marks` (radians), `earlier`,
        `other`, `fitted`.

    Returns
    -------
    Shown or Page or object
        In a notebook something that shows itself, with facts; elsewhere the matplotlib figure, or the interactive twin.

    Raises
    ------
    UnknownNameError
        If there is no such figure, theme, frame, quantity or calibration.
    RequestError
        If this can't be shown, or not in that way.

    Examples
    --------
    >>> import skymist
    >>> figure = skymist.show(skymist.load_event("demo"))
    >>> figure.caption.partition(" in ")[0]
    'Simulated event 0 of run 139'
    """
    if not isinstance(what, xr.Dataset | Event):
        raise RequestError(f"cannot show what is {type(what).__name__}: give a sky map or an event")
    kind = figure or (figures.EVENT if isinstance(what, Event) else "zoom")
    look = look_of(what, kind, **wishes)
    figures.check(kind, look, figures.PAGE if interactive else "")
    shown = Shown(kind, what, look, interactive=interactive)
    if in_notebook():
        return shown
    return shown.twin if interactive else shown.figure


def look_of(what: xr.Dataset | Event, kind: str, **wishes: Any) -> Look:
    """Return wishes by name, with the truth marked where it is known and nobody marks anything.

    Raises
    ------
    RequestError
        If there is no such wish.
    """
    known = tuple(Look.__dataclass_fields__)
    for name in wishes:
        if name not in known:
            raise RequestError(f"figures take no {name!r}; they take: {', '.join(known)}")
    takes = figures.FIGURES[kind].takes if kind in figures.FIGURES else ()
    if isinstance(what, xr.Dataset) and "marks" in takes and "event" in what.attrs:
        wishes.setdefault("marks", exports.truth_of(what))
    return Look(**wishes)


def in_notebook() -> bool:
    """Tell whether this runs in a Jupyter kernel; nothing is imported for that."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def _frame(twin: Any, caption: str) -> str:
    """Return a page of its own within the notebook: its scripts and those of others do not meet."""
    page, said = html.escape(figures.page_of(twin, caption)), html.escape(caption)
    return f'<iframe srcdoc="{page}" title="{said}" style="width: 100%; height: 800px; border: 0"></iframe>'


def _table(facts: Mapping[str, str]) -> str:
    rows = (
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(fact)}</td></tr>' for name, fact in facts.items()
    )
    return "\n".join(["<table>", *rows, "</table>"])


def _of_map(data: xr.Dataset, calibration: str) -> dict[str, str]:
    said = products.summary(data, calibration, {}, {})
    event, made, best, truth = said["event"], said["reconstruction"], said["best"], said["truth"]
    cells = ", ".join(f"{count:,} of nside {nside}" for nside, count in said["cells"].items())
    return {
        "event": _event(event, simulated=said["simulated"]),
        "reconstruction": f"{made['name']} {made['version']}".strip(),
        "best fit": f"{_place(best)} (ICRS)",
        **{f"{share} % region": _region(found, calibration) for share, found in said["regions"].items()},
        "cells": f"{cells}; {said['failed_cells']} failed",
        "complete": "yes" if said["complete"] else "no: the scan was interrupted or is still running",
        **({"truth": _place(truth)} if truth else {}),
    }


def _of_event(event: Event) -> dict[str, str]:
    pulses, said = event.pulses, identify(event)
    modules = len({tuple(dom) for dom in pulses.dom.tolist()})
    return {
        "event": _event(said, simulated=event.simulated),
        "detector": event.detector.name,
        "pulses": f"{len(pulses.dom):,} of {event.pulse_set}, {pulses.charge_pe.sum():,.0f} PE on {modules:,} modules",
        "earlier reconstructions": ", ".join(event.seeds) or "none",
    }


def _event(event: Mapping[str, Any], *, simulated: bool) -> str:
    kind = f", {event['kind']}" if event["kind"] else ""
    name = f"run {event['run']} event {event['event']}, {str(event['utc'])[:19].replace('T', ' ')} UTC{kind}"
    return f"{name} (simulated)" if simulated and event["kind"] != "simulation" else name


def _place(found: Mapping[str, float]) -> str:
    return f"RA {found['ra']:.2f}°, Dec {found['dec']:+.2f}°"


def _region(found: Mapping[str, Any], calibration: str) -> str:
    sides = {"RA": "ra", "Dec": "dec"}
    errors = ", ".join(
        f"{name} +{found[f'{key}_plus']:.2f}° −{found[f'{key}_minus']:.2f}°" for name, key in sides.items()
    )
    larger = "; may be larger: reaches beyond the finest cells" if found["open"] else ""
    return f"{found['area_deg2']:,.2f} deg² ({errors}), by {calibration}{larger}"
