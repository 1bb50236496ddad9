"""Figures look as they did: small images of them are kept in ``tests/golden``.

After a change that is meant, look at the new images and keep them::

    SKYMIST_WRITE_GOLDEN=1 pytest tests/unit/test_golden.py
"""

import os
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from maps import random_map
from PIL import Image

import skymist
from skymist import plot
from skymist.model.contour import contour
from skymist.plot.page import Page

GOLDEN = Path(__file__).parents[1] / "golden"
DPI = 40
DIFFERENT = 40
"""Levels of 255 by which a pixel is another one."""
ALLOWED = 0.004
"""Share of pixels that may be: other versions of matplotlib draw letters a little differently."""

SITE = {"name": "icecube-86", "latitude_deg": -89.9944, "longitude_deg": -62.6081, "x_bearing_deg": 152.6081}


def _sky() -> Page:
    skymap = random_map(5, "wrap").assign_attrs(detector=SITE)
    return plot.sky_figure(skymap, "wilks", frame="galactic", theme="dark", marks={"truth": (0.3, 0.4)})


def _zoom() -> Page:
    now, before = random_map(4, "pole"), random_map(4, "pole", 128)
    return plot.zoom_figure(now, "wilks", earlier=[("coarse", before), ("wilks 50 %", contour(now, 0.5, "wilks"))])


def _event() -> Page:
    event = skymist.load_event("demo")
    return plot.event_figure(event, event.truth)


FIGURES: dict[str, Callable[[], Page]] = {
    "sky": _sky,
    "zoom": _zoom,
    "coverage": lambda: plot.coverage_figure(random_map(0, "round", 128)),
    "difference": lambda: plot.difference_figure(random_map(3, "ring"), random_map(3, "banana"), "wilks", theme="dark"),
    "calibrations": lambda: plot.calibrations_figure(random_map(2, "islands")),
    "event": _event,
}


def drawn(figure: Page) -> np.ndarray:
    """Return a figure as small as the golden images are, in the colours that they have."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return np.asarray(Image.open(buffer).convert("RGB"), int)


def changed(one: np.ndarray, other: np.ndarray) -> float:
    """Return the share of pixels that are not the same."""
    assert one.shape == other.shape
    return float(np.mean(np.abs(one - other).max(axis=-1) > DIFFERENT))


def golden(name: str) -> np.ndarray:
    return np.asarray(Image.open(GOLDEN / f"{name}.png").convert("RGB"), int)


@cache
def figure_of(name: str) -> Page:
    return FIGURES[name]()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_look_as_they_did(name: str) -> None:
    found = drawn(figure_of(name))
    path = GOLDEN / f"{name}.png"
    if os.environ.get("SKYMIST_WRITE_GOLDEN"):
        coarse = (found + 8) // 17 * 17  # sixteen levels of each colour make small files
        Image.fromarray(coarse.astype(np.uint8)).save(path, optimize=True)
    assert changed(found, golden(name)) < ALLOWED
    assert path.stat().st_size < 60_000


def test_a_lost_contour_would_be_seen() -> None:
    figure = figure_of("zoom")
    (lost,) = (line for line in figure.axes[0].lines if line.get_gid() == "contour-90")
    lost.set_visible(False)
    try:
        assert changed(drawn(figure), golden("zoom")) > ALLOWED
    finally:
        lost.set_visible(True)


def test_a_mirrored_sky_would_be_seen() -> None:
    assert changed(golden("sky")[:, ::-1], golden("sky")) > 5 * ALLOWED
