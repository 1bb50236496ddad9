"""Figures of sky maps and events by name: one registry, for the command line, for Python and for notebooks."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from skymist import plot
from skymist.errors import RequestError, UnknownNameError
from skymist.model import region as regions
from skymist.model import sky
from skymist.model.contour import Contour
from skymist.model.event import Event
from skymist.model.region import BestFit
from skymist.model.sky import Floats
from skymist.plot.drawing import ONE_AT_A_TIME
from skymist.store.place import Place, Where, place, write_bytes
from skymist.workflow import exports
from skymist.workflow.maps import DENSITY_CALIBRATION, usual_calibration

if TYPE_CHECKING:
    from skymist.plot.page import Page

ENDINGS = (".png", ".pdf", ".svg", ".html")
"""Of files; the last is for the interactive twin."""
PAGE = ".html"
EVENT = "event"
"""The figure of an event; all others are of maps."""
MOST_SOURCES = 6
"""That are marked: beside the truth, each has a shape of its own."""


@dataclass(frozen=True)
class Look:
    """What is wanted of a figure; None or nothing leaves it as is usual.

    Attributes
    ----------
    theme : str
        ``light`` or ``dark``.
    calibration : str, optional
        Of the regions; the usual one of the map if not given.
    frame : str, optional
        Of the whole sky: ``equatorial``, ``galactic`` or ``local``.
    show : str, optional
        What the colour of cells means: ``ts`` or ``probability``.
    marks : mapping of str to (ra, dec)
        Positions to show, radians.
    earlier : sequence of (str, Contour or xarray.Dataset)
        Earlier results beside which the map is shown, by what they are called.
    other : xarray.Dataset, optional
        The second map of a difference.
    fitted : xarray.Dataset, optional
        The map whose best fit is drawn over an event.
    """

    theme: str = "light"
    calibration: str | None = None
    frame: str | None = None
    show: str | None = None
    marks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    earlier: Sequence[tuple[str, Contour | xr.Dataset]] = ()
    other: xr.Dataset | None = None
    fitted: xr.Dataset | None = None

    def given(self) -> dict[str, Any]:
        """Return all but the theme that was asked for."""
        said = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "theme"}
        return {name: value for name, value in said.items() if value is not None and not _nothing(value)}


@dataclass(frozen=True)
class Figure:
    """A kind of figure.

    Attributes
    ----------
    draw : str
        The function of `skymist.plot`.
    twin : str
        The function of `skymist.plot.interactive`; none if empty.
    takes : tuple of str
        Which wishes of a `Look` make sense besides the theme.
    about : str
        In a few words, what it shows.
    """

    draw: str
    twin: str
    takes: tuple[str, ...]
    about: str


FIGURES: Mapping[str, Figure] = {
    "combined": Figure(
        "combined_figure",
        "",
        ("calibration", "frame", "marks"),
        "the whole sky beside the surroundings of the best fit",
    ),
    "sky": Figure("sky_figure", "sky", ("calibration", "frame", "marks"), "the whole sky"),
    "zoom": Figure(
        "zoom_figure", "zoom", ("calibration", "show", "marks", "earlier"), "the surroundings of the best fit"
    ),
    "coverage": Figure("coverage_figure", "", (), "which cells were evaluated, level by level"),
    "calibrations": Figure("calibrations_figure", "", (), "the 90 % contours of all calibrations, with a table"),
    "difference": Figure("difference_figure", "difference", ("calibration", "other"), "how two maps differ"),
    EVENT: Figure("event_figure", "event", ("fitted",), "an event in the detector"),
}
OF_MAPS = tuple(name for name in FIGURES if name != EVENT)

_WORDS = {
    "calibration": "calibration", "frame": "frame", "show": "choice of what is shown", "marks": "marks",
    "earlier": "earlier maps", "other": "second map", "fitted": "map of the event",
}  # fmt: skip


def draw(kind: str, what: xr.Dataset | Event, look: Look | None = None) -> "Page":
    """Draw a figure.

    Parameters
    ----------
    kind : str
        One of `FIGURES`.
    what : xarray.Dataset or Event
        A sky map; an event for the figure ``event``.
    look : Look, optional

    Returns
    -------
    Page
        A matplotlib figure with its caption.

    Raises
    ------
    UnknownNameError
        If there is no such figure, theme, frame, quantity or calibration.
    RequestError
        If the figure is of something else, does not take a wish, lacks the second map, or the calibration does not
        fit.
    """
    look = look or Look()
    check(kind, look)
    with ONE_AT_A_TIME:
        page: Page = getattr(plot, FIGURES[kind].draw)(*_subjects(kind, what, look), theme=look.theme, **_words(look))
    return page


def twin(kind: str, what: xr.Dataset | Event, look: Look | None = None) -> Any:
    """Return the interactive twin of a figure: a HoloViews object, of an event a Plotly figure.

    Parameters and errors as for `draw`.

    Raises
    ------
    RequestError
        If the figure has no twin, too.
    """
    look = look or Look()
    check(kind, look, PAGE)
    from skymist.plot import interactive  # needs packages that not everybody has

    make = getattr(interactive, FIGURES[kind].twin)
    return make(*_subjects(kind, what, look), theme=look.theme, **_words(look))


def caption_of(kind: str, what: xr.Dataset | Event, look: Look | None = None) -> str:
    """Return in words what a figure shows, without drawing it. Parameters and errors as for `draw`."""
    from skymist.plot.captions import event_caption
    from skymist.plot.pulses import hits_of

    look = look or Look()
    check(kind, look)
    first, *others = _subjects(kind, what, look)
    if isinstance(first, Event):
        hits = hits_of(first)
        return event_caption(first, hits.charge_pe.size, float(hits.charge_pe.sum()))
    calibration = {} if not FIGURES[kind].takes else {"calibration": others[-1]}
    return plot.caption(kind, first, **calibration, other=look.other)


def check(kind: str, look: Look, ending: str = "") -> None:
    """Raise if a figure cannot be drawn as is wished, before anything is read or drawn.

    Raises
    ------
    UnknownNameError
        If there is no such figure, theme, frame, quantity or calibration, or kind of file.
    RequestError
        If the figure does not take one of the wishes, or has no interactive twin.
    """
    figure = _find(FIGURES, "figure", kind)
    for name in look.given():
        if name not in figure.takes:
            takers = ", ".join(each for each, other in FIGURES.items() if name in other.takes)
            raise RequestError(f"the figure {kind!r} takes no {_WORDS[name]}; these do: {takers}")
    _check_names(look)
    if ending:
        _find(dict.fromkeys(ENDINGS), "kind of figure file", ending)
    if ending == PAGE and not figure.twin:
        having = ", ".join(each for each, other in FIGURES.items() if other.twin)
        raise RequestError(f"the figure {kind!r} has no interactive twin; these have: {having}")


def ending_of(to: Where) -> str:
    """Return the ending of a figure's file in small letters.

    Raises
    ------
    UnknownNameError
        If it is none of `ENDINGS`.
    """
    ending = place(to).suffix.lower()
    _find(dict.fromkeys(ENDINGS), "kind of figure file", ending)
    return ending


def save(kind: str, what: xr.Dataset | Event, to: Where | None = None, look: Look | None = None) -> tuple[Place, str]:
    """Draw a figure into a file: PNG, PDF or SVG, or a page with the interactive twin; its ending says which.

    Parameters
    ----------
    kind, what, look
        As for `draw`.
    to : path, URL or Place, optional
        A PNG beside what the map was read from, that of an event in the working folder, if not given.

    Returns
    -------
    file : Place
    caption : str
        Which the file carries, too.

    Raises
    ------
    UnknownNameError, RequestError
        As `draw` and `twin` do.
    StoreError
        If the file cannot be written.
    """
    where = usual_place(kind, what) if to is None else place(to)
    ending = ending_of(where)
    look = look or Look()
    check(kind, look, ending)
    for data in (what, look.other, look.fitted):
        if isinstance(data, xr.Dataset):
            exports.keep_map(data, where)
    if ending == PAGE:
        caption = caption_of(kind, what, look)
        return write_bytes(where, page_of(twin(kind, what, look), caption).encode()), caption
    page, drawn = draw(kind, what, look), io.BytesIO()
    with ONE_AT_A_TIME:
        page.savefig(drawn, format=ending[1:], dpi=150)
    return write_bytes(where, drawn.getvalue()), page.caption


def usual_place(kind: str, what: xr.Dataset | Event) -> Place:
    """Return where a figure goes if nobody says.

    Raises
    ------
    RequestError
        If it is of a map that was read from no file.
    """
    if isinstance(what, Event):
        return place(f"run{what.run:08d}.evt{what.event:012d}.{kind}.png")
    usual = exports.beside(what, "png")
    return usual if kind == "combined" else usual.with_name(f"{usual.name.removesuffix('.png')}.{kind}.png")


def sources_in_view(
    data: xr.Dataset, names: Sequence[str] | NDArray[np.str_], ra: Floats, dec: Floats, calibration: str | None = None
) -> tuple[dict[str, tuple[float, float]], int]:
    """Return those sources that the zoom on a map shows, as marks, and how many there are in all.

    Parameters
    ----------
    data : xarray.Dataset
        A sky map.
    names : sequence of str
    ra, dec : (n,) ndarray
        Radians, ICRS.
    calibration : str, optional
        Of the regions, which say how far the zoom goes; the usual one of the map if not given.

    Returns
    -------
    marks : dict
        By name the positions of at most `MOST_SOURCES`, the nearest to the best fit first.
    in_view : int
    """
    from skymist.plot.view import view_of
    from skymist.plot.zoom import plane_of

    view = view_of(data, calibration or usual_calibration(data))
    inside = np.flatnonzero(plane_of(view).holds(ra, dec))
    far = sky.separation(ra[inside], dec[inside], view.best.ra, view.best.dec)
    nearest = inside[np.argsort(far, kind="stable")[:MOST_SOURCES]]
    return {str(names[at]): (float(ra[at]), float(dec[at])) for at in nearest}, inside.size


def page_of(shown: Any, caption: str) -> str:
    """Return an interactive twin as a page that needs nothing from the network.

    Parameters
    ----------
    shown : holoviews object or plotly Figure
    caption : str
        Stands below; the page's title is its beginning.
    """
    from skymist.plot import interactive

    return str(interactive.html(shown, caption.partition(":")[0], caption))


def _subjects(kind: str, what: xr.Dataset | Event, look: Look) -> tuple[Any, ...]:
    """Return what a figure is of, as its function takes it."""
    if isinstance(what, Event) != (kind == EVENT):
        names = EVENT if isinstance(what, Event) else ", ".join(OF_MAPS)
        raise RequestError(f"the figure {kind!r} is of {'an event' if kind == EVENT else 'a map'}; of this: {names}")
    if isinstance(what, Event):
        return what, None if look.fitted is None else fit_of(what, look.fitted)
    if kind == "difference":
        if look.other is None:
            raise RequestError("the figure 'difference' needs a second map")
        return what, look.other, look.calibration or common_calibration(what, look.other)
    return (what, look.calibration or usual_calibration(what)) if FIGURES[kind].takes else (what,)


def common_calibration(a: xr.Dataset, b: xr.Dataset) -> str:
    """Return the usual calibration of two maps: if only one of them is a density, that of densities."""
    usual = {usual_calibration(each) for each in (a, b)}
    return usual.pop() if len(usual) == 1 else DENSITY_CALIBRATION


def fit_of(event: Event, fitted: xr.Dataset) -> BestFit:
    """Return the best fit of the map of an event.

    Raises
    ------
    RequestError
        If the map is of another event.
    """
    about = fitted.attrs["event"]
    if (about["run"], about["event"]) != (event.run, event.event):
        raise RequestError(
            f"the map is of run {about['run']} event {about['event']}, not of run {event.run} event {event.event}"
        )
    return regions.best_fit(fitted)


def _words(look: Look) -> dict[str, Any]:
    """Return wishes that functions take by name."""
    words = {name: value for name, value in look.given().items() if name in ("frame", "show", "marks", "earlier")}
    if look.fitted is not None:
        about = look.fitted.attrs["reconstruction"]
        words["topology"] = about.get("topology") or about.get("chosen", {}).get("topology") or ""
    return words


def _check_names(look: Look) -> None:
    from skymist.plot.frames import FRAMES
    from skymist.plot.style import style_of
    from skymist.plot.view import SHOWN

    style_of(look.theme)
    for what, name, known in (("frame", look.frame, FRAMES), ("quantity", look.show, SHOWN)):
        if name is not None:
            _find(dict.fromkeys(known), what, name)
    if look.calibration is not None:
        regions.find_calibration(look.calibration)


def _find(known: Mapping[str, Any], what: str, name: str) -> Any:
    if name not in known:
        raise UnknownNameError(what, name, known)
    return known[name]


def _nothing(value: Any) -> bool:
    return not isinstance(value, xr.Dataset) and not value
