"""Colours of the figures, for light and for dark paper; readers of any colour vision tell them apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.patheffects import withStroke

from skymist.errors import UnknownNameError

Theme = Literal["light", "dark"]


@dataclass(frozen=True)
class Style:
    """Colours of one theme: `cells` runs from the best fit to the least likely, `change` from negative to positive."""

    paper: str
    ink: str
    faint: str
    cells: tuple[str, ...]
    change: tuple[str, ...]
    inner: str
    outer: str
    plane: str
    mark: str
    missing: str
    warning: str
    body: str
    lines: tuple[str, ...]
    """For curves that stand side by side."""

    @property
    def colours(self) -> Colormap:
        """From the best fit to the least likely."""
        return LinearSegmentedColormap.from_list("likelihood", self.cells).with_extremes(bad=self.missing)

    @property
    def rising(self) -> Colormap:
        """From the lowest to the highest density: the best fit looks as it does in `colours`."""
        return LinearSegmentedColormap.from_list("density", self.cells[::-1]).with_extremes(bad=self.missing)

    @property
    def diverging(self) -> Colormap:
        """From negative to positive; zero is near the paper."""
        return LinearSegmentedColormap.from_list("change", self.change).with_extremes(bad=self.missing)

    def halo(self, width: float = 3.0) -> list[withStroke]:
        """Return path effects that part a line or a text from what is behind it."""
        return [withStroke(linewidth=width, foreground=self.paper)]


STYLES: Mapping[str, Style] = {
    "light": Style(
        paper="#ffffff",
        ink="#1a1a1a",
        faint="#8a8a8a",
        cells=("#0b2a5b", "#2a6bb0", "#7fb3d9", "#c9dff0", "#f3f8fc"),
        change=("#08306b", "#3f83c0", "#aacde6", "#f7f7f7", "#f5c08a", "#d1761a", "#6b2d00"),
        inner="#ffb000",
        outer="#d1440c",
        plane="#6b3fa0",
        mark="#d6006e",
        missing="#dddddd",
        warning="#b00020",
        body="#7a5c00",
        lines=("#d1440c", "#6b3fa0", "#00796b", "#d6006e", "#5a5a5a"),
    ),
    "dark": Style(
        paper="#10141c",
        ink="#f0f0f0",
        faint="#7d8799",
        cells=("#fff3b8", "#e9a94b", "#a65a56", "#4d3560", "#181a2b"),
        change=("#a8dcff", "#4b9be0", "#24507d", "#161b26", "#7d4a1c", "#e08b3a", "#ffd9a8"),
        inner="#2f7dff",
        outer="#7fdcff",
        plane="#c9a6ff",
        mark="#6ef0b0",
        missing="#333a48",
        warning="#ff7b8a",
        body="#ffe27a",
        lines=("#7fdcff", "#c9a6ff", "#6ef0b0", "#ff9ecb", "#c8c8c8"),
    ),
}


def style_of(theme: str) -> Style:
    """Return the colours of a theme.

    Raises
    ------
    UnknownNameError
        If there is no such theme.
    """
    if theme not in STYLES:
        raise UnknownNameError("theme", theme, STYLES)
    return STYLES[theme]
