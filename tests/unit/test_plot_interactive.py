"""Interactive figures: they show what their static twins show, and say it."""

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from typing import Any

import bokeh.models as bokeh_models
import holoviews as hv
import matplotlib.colors
import numpy as np
import pytest
import xarray as xr
from maps import of_cells, random_map
from matplotlib.axes import Axes

import skymist
from skymist import plot
from skymist.detector.geometry import icecube_86
from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model.event import Event, Particle, Pulses
from skymist.plot import interactive, pulses
from skymist.plot.frames import Plane, to_hammer
from skymist.plot.interactive import layers, libraries
from skymist.plot.interactive.graticules import of_plane
from skymist.plot.style import STYLES
from skymist.plot.view import view_of
from skymist.plot.zoom import plane_of

SITE = {"name": "icecube-86", "latitude_deg": -89.9944, "longitude_deg": -62.6081, "x_bearing_deg": 152.6081}


@cache
def banana(seed: int = 3) -> xr.Dataset:
    return random_map(seed, "banana", finest=256)


@cache
def wrapped() -> xr.Dataset:
    return random_map(8, "wrap", finest=256)


@cache
def shifted() -> xr.Dataset:
    best, uniq = view_of(banana(), "wilks").best, banana()["uniq"].to_numpy()
    far = sky.separation(*sky.centers(uniq), best.ra, best.dec + np.radians(0.5))
    return of_cells(uniq, 0.5 * (far / np.radians(0.4)) ** 2)


@cache
def flat() -> xr.Dataset:
    return of_cells(sky.all_cells(8), np.zeros(768))


@cache
def zoom(theme: Any = "light") -> Any:
    return interactive.zoom(banana(), "wilks", theme=theme, marks={"</script><img src=x>": (1.0, 1.0)})


@cache
def whole() -> Any:
    return interactive.sky(wrapped(), "wilks", marks={"source": (1.0, -0.5)})


def elements(figure: Any, kind: str, label: str = "") -> list[Any]:
    return [each for each in figure if type(each).__name__ == kind and label in (each.label, "")]


def points_of(path: Any) -> np.ndarray:
    return np.concatenate([part.array(["x", "y"]) for part in path.split()])


def curve(axes: Axes, gid: str) -> np.ndarray:
    (line,) = (line for line in axes.lines if line.get_gid() == gid)
    x, y = (np.asarray(part, float) for part in line.get_data())
    return np.stack([x, y], axis=1)[np.isfinite(x)]


@cache
def drawn(figure: Any) -> Any:
    return hv.render(figure, backend="bokeh")


def tips(figure: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tool in drawn(figure).select(bokeh_models.HoverTool):
        for renderer in tool.renderers:
            told = [label for label, _ in tool.tooltips]
            found[type(renderer.glyph).__name__] = max(told, found.get(type(renderer.glyph).__name__, []), key=len)
    return found


def outside_scripts(page: str) -> str:
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda *_: found.append(parser.get_starttag_text() or "")  # type: ignore[method-assign]
    parser.feed(page)
    return "\n".join(found)


def degrees_of_pixels(skymap: xr.Dataset, pixel: np.ndarray) -> np.ndarray:
    plane = plane_of(view_of(skymap, "wilks"))
    return (pixel - 239.5) * np.degrees(2 * plane.size / 480)


def event(truth: Particle | None = None) -> Event:
    light = Pulses(
        np.array([(1, 1), (1, 1), (36, 20), (80, 60), (90, 62)], np.int16), np.array([70.0, 50, 550, 1050, 10]),
        np.array([40, 60, 10, 1, 99], np.float32), np.ones(5, np.float32), np.ones(5, bool),
    )  # fmt: skip
    return Event(1, 2, np.datetime64("2026-01-01T00:00:00", "ns"), "test", icecube_86(), light, truth=truth)


@pytest.mark.parametrize("show", ["ts", "probability"])
def test_the_zoom_shows_the_raster_and_the_scale_of_its_static_twin(show: Any) -> None:
    twin = plot.zoom_figure(banana(), "wilks", show=show).axes[0].images[0]
    (image,) = elements(interactive.zoom(banana(), "wilks", show=show), "Image")
    shown = image.dimension_values({"ts": "ts", "probability": "density"}[show], flat=False)
    np.testing.assert_allclose(shown, np.asarray(twin.get_array().filled(np.nan)), rtol=1e-6, atol=1e-40)
    assert image.opts.get("plot", backend="bokeh").kwargs["clim"] == pytest.approx(twin.get_clim())
    palette = image.opts.get("style", backend="bokeh").kwargs["cmap"]
    for at in (0.0, 0.3, 1.0):
        known = twin.cmap(at)[:3]
        assert matplotlib.colors.to_rgb(palette[round(at * 1023)]) == pytest.approx(known, abs=0.01)


def test_the_cursor_is_told_where_it_is() -> None:
    figure = interactive.zoom(wrapped(), "wilks")
    (image,) = elements(figure, "Image")
    ra, dec = (np.radians(image.dimension_values(name, flat=False).astype(float)) for name in ("ra", "dec"))
    x, y = sky.to_plane(ra, dec, *(getattr(view_of(wrapped(), "wilks").best, name) for name in ("ra", "dec")))
    right, up = np.meshgrid(image.dimension_values("x", expanded=False), image.dimension_values("y", expanded=False))
    np.testing.assert_allclose(np.degrees(x), -right, atol=1e-4)  # east is to the left
    np.testing.assert_allclose(np.degrees(y), up, atol=1e-4)
    assert ra.min() < 0.01
    assert ra.max() > 6.27
    told = tips(zoom())
    assert told["Image"] == ["TS = −2 Δ ln L", "probability density (1/deg²)", "RA (°)", "Dec (°)"]
    assert told["Scatter"] == ["position", "RA (°)", "Dec (°)", "TS = −2 Δ ln L"]
    assert told["MultiLine"] == ["contour", "calibration", "TS level", "area (deg²)", "edge"]


@pytest.mark.parametrize("figure", [zoom, whole])
def test_what_the_cursor_tells_stands_in_the_data(figure: Callable[[], Any]) -> None:
    for tool in drawn(figure()).select(bokeh_models.HoverTool):
        for _, text in tool.tooltips:
            (column,) = re.findall(r"@\{?(\w+)\}?", text)
            assert all(column in renderer.data_source.data for renderer in tool.renderers), column
        assert set(tool.formatters) <= {"@{density}", "@image"}


def test_the_zoom_has_the_contours_and_marks_of_its_static_twin() -> None:
    best = view_of(banana(), "wilks").best
    marks = {"source": (best.ra + 0.01, best.dec - 0.005)}
    options: dict[str, Any] = {"marks": marks, "earlier": [("first", banana(5)), ("second", banana())]}
    twin = plot.zoom_figure(banana(), "wilks", **options).axes[0]
    figure = interactive.zoom(banana(), "wilks", **options)
    for label, gid in (("50% contour", "contour-50"), ("90% contour", "contour-90"), ("second", "second")):
        (path,) = elements(figure, "Path", label)
        known = curve(twin, gid) if gid != "second" else curve(twin, "contour-90")
        assert points_of(path) == pytest.approx(degrees_of_pixels(banana(), known))
    (mark,) = elements(figure, "Points", "source")
    assert mark.array(["x", "y"]) == pytest.approx(degrees_of_pixels(banana(), curve(twin, "source")))
    assert mark.array(["ra", "dec"])[0] == pytest.approx(np.degrees(marks["source"]))
    ts = view_of(banana(), "wilks").ts_at(*(np.array([each]) for each in marks["source"]))
    assert mark.dimension_values("ts") == pytest.approx(ts)
    found = [item.label.value for item in drawn(figure).legend[0].items]
    assert {"50% contour", "90% contour", "first", "second", "second: best fit", "source", "best fit"} <= set(found)
    look = path.opts.get("style", backend="bokeh").kwargs
    assert (look["color"], look["line_dash"]) == (STYLES["light"].ink, "dashed")


def test_a_plane_has_equal_scales_and_counts_to_the_east() -> None:
    figure = drawn(zoom())
    assert figure.frame_width == figure.frame_height
    assert np.ptp([figure.x_range.start, figure.x_range.end]) == pytest.approx(
        np.ptp([figure.y_range.start, figure.y_range.end])
    )
    assert figure.x_range.start == pytest.approx(-np.degrees(plane_of(view_of(banana(), "wilks")).size))
    assert figure.xaxis.axis_label.startswith("degrees to the east of RA ")
    assert isinstance(figure.xaxis[0].formatter, bokeh_models.CustomJSTickFormatter)
    assert len(figure.select(bokeh_models.ScaleBar)) == 1
    assert "SIMULATED EVENT" in figure.title.text
    assert "Run 1, event 2" in figure.title.text


@pytest.mark.parametrize(
    ("ra", "dec", "size", "known"),
    [
        (10.0, 20.0, 3.0, {"right ascension 10°", "declination +20°"}),
        (0.0, -60.0, 1.0, {"right ascension 0°", "right ascension 359°", "declination −60.0°"}),
        (200.0, 89.0, 5.0, {"right ascension 315°", "right ascension 0°", "declination +88°"}),
        (200.0, 10.0, 80.0, {"right ascension 180°", "declination 0°"}),
    ],
)
def test_lines_of_a_plane_are_where_their_names_say(ra: float, dec: float, size: float, known: set[str]) -> None:
    plane = Plane(*np.radians([ra, dec, size]))
    with libraries.holoviews() as same:
        (lines,) = of_plane(same, plane, STYLES["light"])
    names = set()
    for part in lines.split():
        (name,) = set(part.dimension_values("line"))
        kind, value = name.rstrip("°").replace("−", "-").rsplit(" ", 1)
        column, row = (part.dimension_values(axis) / np.degrees(plane.step) + 239.5 for axis in ("x", "y"))
        place = np.degrees(plane.to_sky(column, row)[kind == "declination"])
        off = (place - float(value) + 180) % 360 - 180
        pole = np.isclose(np.hypot(*(plane.to_pixel(0.0, np.pi / 2) - np.array([column, row]).T).T), 0, atol=1e-6)
        assert off[~pole] == pytest.approx(0, abs=1e-6)  # a pole has any right ascension
        assert max(np.abs(part.dimension_values("x")).max(), np.abs(part.dimension_values("y")).max()) <= size * 1.01
        names.add(name)
    assert known <= names
    assert 4 <= len(names) <= 18


def test_the_whole_sky_shows_what_its_static_twin_shows() -> None:
    marks = {"source": (1.0, -0.5)}
    twin = plot.sky_figure(wrapped(), "wilks", marks=marks).axes[0]
    figure = whole()
    (image,) = elements(figure, "Image")
    assert image.opts.get("plot", backend="bokeh").kwargs["clim"] == pytest.approx(twin.images[0].get_clim(), rel=0.02)
    ts, ra, dec = (image.dimension_values(name).astype(float) for name in ("ts", "ra", "dec"))
    inside = np.isfinite(ra)
    assert inside.mean() == pytest.approx(np.pi / 4, abs=1e-3)
    known = view_of(wrapped(), "wilks").ts_at(*np.radians([ra[inside], dec[inside]]))
    assert np.mean(np.isclose(ts[inside], known, rtol=1e-5)) > 0.999  # a position is single precision
    for label in ("50% contour", "90% contour"):
        (path,) = elements(figure, "Path", label)
        assert points_of(path) == pytest.approx(curve(twin, f"contour-{label[:2]}"))
        assert len(path.split()) > 1  # on both sides of the seam
    (path,) = elements(figure, "Path", "galactic plane")
    assert points_of(path) == pytest.approx(curve(twin, "galactic-plane"))
    for name in ("source", "Sun", "Moon"):
        (mark,) = elements(figure, "Points", name)
        assert mark.array(["x", "y"]) == pytest.approx(curve(twin, name))
    parallels, meridians = ({text: (x, y) for x, y, text in each.array()} for each in elements(figure, "Labels"))
    for ra, name in ((60, "60°"), (180, "180°"), (300, "300°")):
        assert meridians[name] == pytest.approx([float(part) for part in to_hammer(np.radians(ra), 0.0)])
    for dec, name in ((-60, "−60°"), (30, "+30°")):
        assert parallels[name] == pytest.approx([float(part) for part in to_hammer(1e-9, np.radians(dec))])


def test_colours_of_the_whole_sky_go_with_the_root() -> None:
    style = STYLES["light"]
    (image,) = elements(whole(), "Image")
    palette = image.opts.get("style", backend="bokeh").kwargs["cmap"]
    norm = matplotlib.colors.PowerNorm(0.5, 0, 100)  # that of `sky_figure`
    for share in (0.01, 0.2, 0.7):
        colour = style.colours(norm(100 * share))[:3]
        assert matplotlib.colors.to_rgb(palette[round(share * 1023)]) == pytest.approx(colour, abs=0.02)


@pytest.mark.parametrize(("frame", "names"), [("galactic", ("l", "b")), ("local", ("azimuth", "zenith"))])
def test_other_frames_tell_their_own_coordinates(frame: Any, names: tuple[str, str]) -> None:
    (image,) = elements(interactive.sky(banana().assign_attrs(detector=SITE), "wilks", frame=frame), "Image")
    ra, dec, lon, lat = (image.dimension_values(name).astype(float)[::97] for name in ("ra", "dec", *names))
    seen = np.isfinite(ra)
    place = np.radians([ra[seen], dec[seen]])
    if frame == "galactic":
        known = sky.to_galactic(*place)
    else:
        known = sky.to_detector(icecube_86(), np.datetime64("2026-03-04T05:06:07", "ns"), *place)[::-1]
    np.testing.assert_allclose(np.cos(np.radians(lon[seen]) - known[0]), 1, atol=1e-6)
    np.testing.assert_allclose(np.radians(lat[seen]), known[1], atol=1e-5)


def test_the_difference_shows_what_its_static_twin_shows() -> None:
    a, b = banana(), shifted()
    twin = plot.difference_figure(a, b, "wilks", names=("old", "new")).axes[0]
    figure = interactive.difference(a, b, "wilks", names=("old", "new"))
    (image,) = elements(figure, "Image")
    shown = image.dimension_values("change", flat=False)
    np.testing.assert_allclose(shown, np.asarray(twin.images[0].get_array().filled(np.nan)), rtol=1e-5)
    of_a, of_b = (image.dimension_values(name, flat=False) for name in ("ts_a", "ts_b"))
    np.testing.assert_allclose(of_a - of_b, shown, rtol=1e-4, atol=1e-4)
    assert image.opts.get("plot", backend="bokeh").kwargs["clim"] == pytest.approx(twin.images[0].get_clim())
    step = np.diff(image.dimension_values("x", expanded=False))[0]
    for label, gid in (("old: 50% contour", "A-contour-50"), ("new: 90% contour", "B-contour-90")):
        (path,) = elements(figure, "Path", label)
        assert points_of(path) == pytest.approx((curve(twin, gid) - 239.5) * step)
    told = tips(figure)
    assert told["Image"] == ["TS of old − TS of new", "TS of old", "TS of new", "RA (°)", "Dec (°)"]
    assert {"old: best fit", "new: best fit"} <= {each.label for each in figure}


def test_modules_are_spheres_where_when_and_as_bright_as_they_were() -> None:
    seen = event()
    strings, spheres = interactive.event(seen).data
    hits, detector = pulses.hits_of(seen), seen.detector
    assert np.stack([spheres.x, spheres.y, spheres.z], axis=1) == pytest.approx(hits.position)
    dom = np.asarray(spheres.customdata)[:, :2].astype(np.int16)
    assert dom.tolist() == [[1, 1], [36, 20], [80, 60]]
    assert detector.position[detector.index(dom)] == pytest.approx(hits.position)
    assert np.asarray(spheres.customdata)[:, 2] == pytest.approx([100, 10, 1])
    assert np.diff(spheres.marker.color) == pytest.approx([500, 500])
    assert (spheres.marker.cmin, spheres.marker.cmax) == pytest.approx(pulses.time_range(hits))
    assert np.asarray(spheres.marker.size) / spheres.marker.size[0] == pytest.approx(hits.radius_m / hits.radius_m[0])
    assert spheres.marker.colorbar.title.text == "first pulse (ns)"
    for word in ("string", "module", "PE", "ns"):
        assert word in spheres.hovertemplate
    ends = np.stack([strings.x, strings.y, strings.z], axis=1).reshape(-1, 3, 3)
    assert len(ends) == len(np.unique(detector.dom[:, 0]))
    assert ends[0, :2] == pytest.approx(detector.position[detector.dom[:, 0] == 1][[0, -1]])
    assert np.isnan(ends[:, 2]).all()


def test_tracks_fly_from_where_they_come_and_cascades_are_points() -> None:
    truth = Particle(*np.radians([99.6, 208.0]), 30.0, -20.0, 100.0, 0.0)
    figure = interactive.event(event(truth), Particle(0.1, 0.2, 1.0, 2.0, 3.0, 0.0, topology="cascade"))
    *_, fit, line = figure.data
    assert (fit.x[0], fit.y[0], fit.z[0]) == (1, 2, 3)
    ends = np.stack([line.x, line.y, line.z], axis=1)
    towards = -sky.unit(np.radians(208.0), np.radians(90 - 99.6))
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    assert along == pytest.approx(towards)
    assert np.linalg.norm(np.cross(ends - [30, -20, 100], towards), axis=1) == pytest.approx(0, abs=1e-6)
    assert line.name == "truth: zenith 99.6°, azimuth 208.0°"
    assert figure.layout.scene.aspectmode == "data"
    assert [figure.layout.scene[f"{name}axis"].title.text for name in "xyz"] == ["x (m)", "y (m)", "z (m)"]
    assert "SIMULATED EVENT" in figure.layout.title.text
    assert "SIMULATED EVENT" not in interactive.event(event()).layout.title.text


def test_pages_need_nothing_from_the_network() -> None:
    map_page = interactive.html(zoom("dark"), "A < B", "What it shows & says.")
    event_page = interactive.html(interactive.event(skymist.load_event("demo"), theme="dark"), "An event")
    for page in (map_page, event_page):
        assert not re.search(r"\b(src|href)\s*=|@import|url\(", outside_scripts(page))
        assert STYLES["dark"].paper in page
    assert "<title>A &lt; B</title>" in map_page
    assert "<figcaption>What it shows &amp; says.</figcaption>" in map_page
    models = drawn(zoom()).references()
    assert {type(each).__module__.partition(".")[0] for each in models} == {"bokeh"}  # whose core is in the page
    for label in ("90% contour", "best fit", "degrees to the east of RA", "probability density", "TS level"):
        assert label in map_page
    assert "modules with light" in event_page


def test_a_figure_can_be_shown_twice() -> None:
    first, second = drawn(zoom()), hv.render(zoom(), backend="bokeh")
    assert not {id(each) for each in first.references()} & {id(each) for each in second.references()}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_colours_everything(theme: Any) -> None:
    figure, style = drawn(zoom(theme)), STYLES[theme]
    assert {figure.background_fill_color, figure.border_fill_color} == {style.paper}
    texts = [figure.title.text_color, figure.legend[0].label_text_color]
    texts += [axis.axis_label_text_color for axis in figure.axis]
    texts += [bar.title_text_color for bar in figure.select(bokeh_models.ColorBar)]
    assert set(texts) == {style.ink}
    assert len(texts) == 5


def test_a_map_without_information_is_drawn() -> None:
    assert drawn(interactive.zoom(flat(), "wilks")).title.text


def test_wishes_that_make_no_sense_are_refused() -> None:
    for options, what in (({"theme": "blue"}, "theme"), ({"show": "energy"}, "quantity")):
        with pytest.raises(UnknownNameError, match=f"no {what} is called"):
            interactive.zoom(banana(), "wilks", **options)
    with pytest.raises(UnknownNameError, match="no frame is called 'earth'"):
        interactive.sky(banana(), "wilks", frame="earth")  # type: ignore[arg-type]
    light = Pulses(np.empty((0, 2), np.int16), *(np.empty(0) for _ in range(3)), np.empty(0, bool))
    dark = Event(1, 2, np.datetime64("2026-01-01", "ns"), "", icecube_86(), light)
    with pytest.raises(RequestError, match="has no pulse"):
        interactive.event(dark)


@pytest.mark.parametrize(("name", "figure"), [("holoviews", "zoom"), ("plotly", "event")])
def test_a_missing_package_is_named_in_one_line(name: str, figure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [each for each in sys.modules if each.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [_Missing(name), *sys.meta_path])
    with pytest.raises(RequestError, match=rf"need {name}: pip install 'skymist\[interactive\]'"):
        interactive.zoom(banana(), "wilks") if figure == "zoom" else interactive.event(event())


class _Missing:
    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, *_: Any) -> None:
        if name.partition(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {self.name!r}", name=self.name)


def test_nothing_heavy_is_imported_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = ("holoviews", "bokeh", "plotly")
    for name in [name for name in sys.modules if name.startswith(("skymist.plot", *heavy))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(skymist, "plot", plot)
    monkeypatch.setattr(sys, "meta_path", [*map(_Missing, heavy), *sys.meta_path])
    again = importlib.import_module("skymist.plot.interactive")
    assert again is not interactive
    assert callable(again.zoom)
    assert callable(again.event)


def test_the_current_backend_stays_if_it_was_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    zoom()  # so that Bokeh's is loaded
    for part in (hv.Store.renderers, hv.Store._options, hv.Store._custom_options):
        monkeypatch.setitem(part, "other", part["bokeh"])
    monkeypatch.setattr(hv.Store, "current_backend", "other")
    interactive.event(event())
    interactive.zoom(flat(), "wilks")
    assert hv.Store.current_backend == "other"
    interactive.html(zoom("dark"))
    assert hv.Store.current_backend == "other"
    with libraries.holoviews() as same:
        assert same.Store.current_backend == "bokeh"
    with pytest.raises(UnknownNameError):
        interactive.zoom(flat(), "wilks", theme="blue")  # type: ignore[arg-type]
    assert hv.Store.current_backend == "other"


def test_a_tick_is_named_by_its_degrees_to_the_east() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    call = "console.log([-2, 0.30000000000000004, 0].map(name).join(' '))"
    code = f"const name = function(tick) {{ {layers.EASTWARDS} }}; {call}"
    done = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2 −0.3 0"
