"""Charts that live: they show one scene after another, and send only what has changed."""

from functools import cache
from typing import Any

import bokeh.models as bokeh_models
import numpy as np
import pytest
import xarray as xr
from bokeh.document import Document
from maps import random_map

from skymist.plot.frames import Plane, frame_of
from skymist.plot.interactive import layers, scenes
from skymist.plot.interactive.charts import MARKERS, Chart, line_look, link, palette_of, spot_colour, tell_cursor
from skymist.plot.interactive.scenes import Line, Scene, Spot
from skymist.plot.style import STYLES
from skymist.plot.view import View, view_of
from skymist.plot.zoom import plane_of

LIGHT = STYLES["light"]


@cache
def banana() -> xr.Dataset:
    return random_map(3, "banana", finest=256)


@cache
def view() -> View:
    return view_of(banana(), "wilks", {"source": (1.0, -0.5)})


@cache
def zoom(show: Any = "ts") -> Scene:
    return scenes.of_plane(view(), plane_of(view()), show)


def drawn_lines(chart: Chart) -> dict[str, int]:
    return {kind: len(source.data["xs"]) for kind, source in chart.lines.items() if len(source.data["xs"])}


def test_a_chart_shows_the_scene_in_its_place() -> None:
    chart = Chart(LIGHT, 1.0)
    chart.show(zoom(), "track")
    left, bottom, width, height = zoom().box
    assert chart.image.data["image"][0] is zoom().image
    assert (chart.figure.x_range.start, chart.figure.x_range.end) == (left, left + width)
    assert (chart.figure.y_range.start, chart.figure.y_range.end) == (bottom, bottom + height)
    assert (chart.mapper.low, chart.mapper.high) == zoom().limits
    assert chart.image.tags == [{**zoom().about, "name": "track"}]
    assert {"inner", "outer", "graticule"} <= set(drawn_lines(chart))
    assert chart.figure.frame_width is None
    assert chart.figure.aspect_ratio == 1


def test_the_whole_sky_has_room_for_names_around_it() -> None:
    chart = Chart(LIGHT, 2.0)
    scene = scenes.of_sky(view(), frame_of("galactic", {}))
    chart.show(scene)
    x, y = chart.figure.x_range, chart.figure.y_range
    assert x.start < -2 < 2 < x.end
    assert (x.end - x.start) / (y.end - y.start) == pytest.approx(2)
    assert {"sun", "moon", "mark", "best"} <= {
        each.kind for each in scenes.of_sky(view(), frame_of("galactic", {})).spots
    }
    assert not chart.figure.select(bokeh_models.PanTool)


def test_what_lies_over_a_scene_stays_when_another_scene_comes() -> None:
    chart = Chart(LIGHT, 1.0)
    chart.show(zoom())
    ring = (np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    chart.over([Line("notice", "a notice", [ring])], [Spot("source", "a source", 0.1, 0.2, "TXS"),
                                                      Spot("notice", "a notice", 0.0, 0.0, "revision 0")])  # fmt: skip
    assert drawn_lines(chart)["notice"] == 1
    assert chart.labels.data["label"][:2] == ["TXS", "revision 0"]
    chart.show(zoom("probability"))
    assert "a source" in chart.spots.data["name"]
    assert set(chart.spots.data["marker"]) <= {marker for marker, _ in MARKERS.values()}
    chart.show(scenes.of_difference(view(), view(), plane_of(view()), ("A", "B")))
    assert "revision 0" not in chart.labels.data["label"]  # there the best fits have names
    assert {"A", "B", "TXS"} == set(chart.labels.data["label"])
    chart.over([], [])
    assert "notice" not in drawn_lines(chart)


def test_curves_that_are_the_same_are_not_sent_again() -> None:
    chart, document = Chart(LIGHT, 1.0), Document()
    chart.show(zoom())
    document.add_root(chart.figure)
    changed: list[Any] = []
    document.on_change(lambda event: changed.append(getattr(event, "model", None)))
    chart.over([], [Spot("source", "a source", 0.1, 0.2, "TXS")])
    assert {id(each) for each in changed} == {id(chart.spots), id(chart.labels)}


def test_linked_charts_move_together_and_tell_one_cursor() -> None:
    charts = [Chart(LIGHT, 1.0) for _ in range(3)]
    link(charts)
    tell_cursor(charts)
    charts[0].show(zoom())
    assert charts[2].figure.x_range is charts[0].figure.x_range
    assert charts[2].figure.y_range.end == charts[0].figure.y_range.end
    for at, chart in enumerate(charts):
        (code,) = chart.figure.js_event_callbacks["mousemove"]
        assert code.args["here"] == at
        assert code.args["sources"] == [each.image for each in charts]
        assert chart.figure.js_event_callbacks["mouseleave"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_those_of_the_theme(theme: str) -> None:
    style = STYLES[theme]
    chart = Chart(style, 1.0)
    assert {chart.figure.border_fill_color, chart.figure.background_fill_color} == {style.paper, style.missing}
    assert palette_of(zoom(), style)[0] == layers.shades(style.colours)[0]
    assert palette_of(zoom("probability"), style)[-1] == layers.shades(style.colours)[0]
    assert line_look("inner", style)["line_color"] == style.inner
    assert line_look("notice", style)["line_dash"] == "dotted"
    assert spot_colour("source", style) == style.mark


def test_without_a_map_there_are_lines_of_coordinates() -> None:
    chart = Chart(LIGHT, 1.0)
    chart.show(scenes.bare_plane(Plane(1.0, 0.3, 0.05)))
    assert set(drawn_lines(chart)) <= {"graticule", "plane"}
    assert np.isnan(chart.image.data["image"][0]).all()
    sky = Chart(LIGHT, 2.0)
    sky.show(scenes.bare_sky(frame_of("equatorial", {})))
    assert {"graticule", "edge", "plane"} == set(drawn_lines(sky))


def test_a_circle_has_its_radius_everywhere() -> None:
    for ra, dec, radius in ((10.0, 20.0, 1.5), (359.9, -89.9, 5.0), (0.0, 0.0, 90.0)):
        ring = scenes.circle_of(ra, dec, radius)
        middle = np.array([np.cos(np.radians(dec)) * np.cos(np.radians(ra)), np.cos(np.radians(dec))
                           * np.sin(np.radians(ra)), np.sin(np.radians(dec))])  # fmt: skip
        assert np.degrees(np.arccos(np.clip(ring @ middle, -1, 1))) == pytest.approx(radius)


def test_one_plane_holds_those_of_several_maps() -> None:
    planes = [Plane(0.1, 0.2, 0.05, 360), Plane(0.25, 0.2, 0.02, 360)]
    other = view_of(random_map(8, "wrap", finest=256), "wilks")
    assert scenes.plane_of_all([view()], planes[:1]) is planes[0]
    both = scenes.plane_of_all([view(), other], [plane_of(view()), plane_of(other)])
    assert both.holds(view().best.ra, view().best.dec) or both.size == scenes.WIDEST


def test_a_flat_map_has_a_scale() -> None:
    top = scenes.scale_top(view(), plane_of(view()), "ts")
    assert top == pytest.approx(2 * view().outer.ts)
    assert scenes.scale_top(view(), plane_of(view()), "probability") == view().density.max()
