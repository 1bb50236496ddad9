"""The page that a figure is drawn on: title, legend, colour scale, and what it shows in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from skymist.plot.captions import event_name
from skymist.plot.style import Style

_TEXT_KEY = {"png": "Description", "svg": "Description", "pdf": "Subject"}
_DATE_KEY = {"svg": "Date", "pdf": "CreationDate"}
_ATTEMPTS = 6
"""To make the letters of a legend small enough."""

Place = tuple[float, float, float, float]


class Page(Figure):
    """A matplotlib figure that says in words what it shows.

    Attributes
    ----------
    caption : str
        For readers who do not see the figure. PNG, SVG and PDF files carry it, and no time of their making.
    """

    caption: str = ""

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save as `matplotlib.figure.Figure.savefig` does, with the caption in the file's metadata."""
        kind = str(options.get("format") or str(fname).rpartition(".")[2]).lower()
        about = {_TEXT_KEY[kind]: self.caption} if kind in _TEXT_KEY and self.caption else {}
        about |= {_DATE_KEY[kind]: None} if kind in _DATE_KEY else {}  # type: ignore[dict-item]
        if about:
            options["metadata"] = {**about, **(options.get("metadata") or {})}
        super().savefig(fname, **options)


def empty_page(style: Style, size: tuple[float, float], caption: str = "") -> Page:
    """Return a page of this size in inches."""
    page = Page(figsize=size, dpi=150, facecolor=style.paper)
    FigureCanvasAgg(page)
    page.caption = caption
    return page


def write_legend(
    page: Page,
    style: Style,
    handles: Sequence[Artist],
    place: tuple[float, float],
    room: tuple[float, float],
    columns: int = 1,
) -> None:
    """Write a legend outside the views.

    Parameters
    ----------
    page : Page
    style : Style
    handles : sequence of Artist
    place : (float, float)
        Its upper left corner, as a share of the page.
    room : (float, float)
        How wide and high it may be, as a share of the page: the letters get smaller until it fits.
    columns : int
    """
    size = 13.0
    for left in reversed(range(_ATTEMPTS)):
        legend = page.legend(
            handles=list(handles), loc="upper left", bbox_to_anchor=place, ncols=columns, frameon=False, fontsize=size,
            labelcolor=style.ink, labelspacing=0.7, columnspacing=1.6, borderaxespad=0, borderpad=0,
        )  # fmt: skip
        box = legend.get_window_extent()
        fits = min(room[0] * page.bbox.width / box.width, room[1] * page.bbox.height / box.height)
        if fits >= 1 or not left:
            return
        legend.remove()
        size *= 0.97 * fits


def draw_scale(page: Figure, style: Style, image: Any, label: str, place: Place, extend: str = "max") -> Colorbar:
    """Draw the colour scale of an image; its ends say whether everything beyond has the same colour."""
    upright = place[3] * page.get_size_inches()[1] > place[2] * page.get_size_inches()[0]
    bar = page.colorbar(
        image, cax=page.add_axes(place), extend=extend, orientation="vertical" if upright else "horizontal"
    )
    bar.set_label(label, color=style.ink, size=13, labelpad=7)
    bar.locator = MaxNLocator(5 if upright else 3)
    bar.formatter = FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−"))
    bar.outline.set_edgecolor(style.faint)
    bar.ax.tick_params(colors=style.ink, labelsize=12)
    return bar


def write_title(page: Figure, style: Style, attributes: Mapping[Any, Any], notes: Sequence[str]) -> None:
    """Write which event this is, and how the map was made."""
    write_heading(page, style, event_name(attributes), "   ".join(notes), simulated=attributes["event"]["simulated"])


def write_heading(page: Figure, style: Style, title: str, line: str, *, simulated: bool) -> None:
    """Write a title, a line below, and whether the event is simulated."""
    inch = 1 / page.get_size_inches()[1]
    page.text(0.03, 1 - 0.27 * inch, title, color=style.ink, size=18, weight="bold", va="top")
    page.text(0.03, 1 - 0.72 * inch, line, color=style.ink, size=13, va="top")
    if simulated:
        look: dict[str, Any] = {"size": 17, "weight": "bold", "va": "top", "ha": "right"}
        page.text(0.975, 1 - 0.6 * inch, "SIMULATED EVENT", color=style.warning, **look)
