"""Figures of events: each module where, when and as bright as it was."""

from pathlib import Path

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection

import skymist
from skymist import plot
from skymist.detector.geometry import icecube_86
from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model.event import Event, Particle, Pulses
from skymist.model.region import BestFit
from skymist.plot import pulses
from skymist.plot.captions import event_caption

TIME = np.datetime64("2026-01-01T00:00:00", "ns")


def event(dom: list[tuple[int, int]], time: list[float], charge: list[float], truth: Particle | None = None) -> Event:
    n = len(dom)
    light = Pulses(
        np.array(dom, np.int16).reshape(n, 2), np.array(time, float), np.array(charge, np.float32),
        np.ones(n, np.float32), np.ones(n, bool),
    )  # fmt: skip
    return Event(1, 2, TIME, "test", icecube_86(), light, truth=truth)


def spheres(axes: Axes) -> EllipseCollection:
    (found,) = (item for item in axes.collections if isinstance(item, EllipseCollection))
    return found


def test_charges_are_summed_and_first_times_taken() -> None:
    hits = pulses.hits_of(event([(1, 1), (1, 1), (36, 20), (90, 62)], [70, 50, 90, 10], [2, 6, 1, 100]))
    detector = icecube_86()
    known = [detector.index(np.array([place], np.int16))[0] for place in ((1, 1), (36, 20))]
    assert hits.position == pytest.approx(detector.position[known])  # (90, 62) is no module of the detector
    assert hits.charge_pe == pytest.approx([8, 1])
    assert hits.dom.tolist() == [[1, 1], [36, 20]]
    assert hits.dom.dtype == np.int16
    assert hits.time_ns[1] - hits.time_ns[0] == pytest.approx(40)
    assert (hits.radius_m[0] / hits.radius_m[1]) ** 3 == pytest.approx(8)


def test_an_event_without_light_has_no_figure() -> None:
    for dom in ([], [(90, 62)]):
        with pytest.raises(RequestError, match="has no pulse in icecube-86"):
            plot.event_figure(event(dom, [1.0] * len(dom), [1.0] * len(dom)))
    with pytest.raises(UnknownNameError, match="no theme is called 'blue'"):
        plot.event_figure(event([(1, 1)], [1], [1]), theme="blue")  # type: ignore[arg-type]


def test_spheres_stand_where_the_modules_are_in_both_views() -> None:
    seen = event([(1, 1), (36, 20), (80, 60)], [0, 500, 1000], [100, 10, 1])
    figure = plot.event_figure(seen)
    position = icecube_86().position[icecube_86().index(seen.pulses.dom)]
    top, side, bar = figure.axes
    for axes, columns in ((top, [0, 1]), (side, [0, 2])):
        found = np.asarray(spheres(axes).get_offsets())
        assert found[np.argsort(found[:, 0])] == pytest.approx(position[np.argsort(position[:, 0])][:, columns])
        assert np.ptp(axes.get_xlim()) == pytest.approx(np.ptp(axes.get_ylim()))
        assert axes.get_aspect() == 1
    assert np.ptp(top.get_xlim()) == pytest.approx(np.ptp(side.get_xlim()))
    assert (top.get_xlabel(), top.get_ylabel(), side.get_ylabel()) == ("x (m)", "y (m)", "z (m)")
    assert bar.get_ylabel() == "first pulse (ns)"


def test_the_nearest_sphere_is_drawn_last() -> None:
    top, *_ = plot.event_figure(event([(1, 1), (1, 60), (80, 30)], [0, 500, 1000], [1000, 1000, 1])).axes
    upper, lower = (icecube_86().position[icecube_86().index(np.array([(1, om)], np.int16))[0]] for om in (1, 60))
    found = spheres(top)
    order = np.asarray(found.get_offsets())[:, 0]
    assert order[-1] == pytest.approx(upper[0])  # seen from above, the highest module is in front
    assert lower[2] < upper[2]


def test_spheres_have_their_size_in_metres() -> None:
    seen = event([(36, 20)], [0], [1000])
    figure = plot.event_figure(seen)
    side = figure.axes[1]
    figure.canvas.draw()
    shown = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(float)  # type: ignore[attr-defined]
    found = spheres(side)
    colour = 255 * np.asarray(found.to_rgba(np.asarray(found.get_array())))[0, :3]
    box = side.bbox
    rows = slice(int(figure.bbox.height - box.y1), int(figure.bbox.height - box.y0))
    pixels = np.sum(np.abs(shown[rows, int(box.x0) : int(box.x1)] - colour).max(axis=-1) < 3)
    metre = box.width / np.ptp(side.get_xlim())
    assert pixels == pytest.approx(
        np.pi * (pulses.hits_of(seen).radius_m[0] * metre - 0.5) ** 2, rel=0.05
    )  # half a pixel is edge


def test_colours_are_times() -> None:
    figure = plot.event_figure(event([(1, 1), (36, 20), (80, 60)], [0, 500, 1000], [100, 10, 1]))
    found = spheres(figure.axes[1])
    x, times = np.asarray(found.get_offsets())[:, 0], np.asarray(found.get_array())
    seen = icecube_86()
    place = {om: seen.position[seen.index(np.array([om], np.int16))[0], 0] for om in ((1, 1), (36, 20), (80, 60))}
    by_place = [times[np.argmin(np.abs(x - place[om]))] for om in ((1, 1), (36, 20), (80, 60))]
    assert np.diff(by_place) == pytest.approx([500, 500])
    grey = [matplotlib.colors.rgb_to_hsv(found.cmap(value)[:3])[2] for value in (0.0, 0.5, 1.0)]
    assert grey == sorted(grey)  # told apart without colour, too


@pytest.mark.parametrize(("zenith", "azimuth"), [(99.6, 208.0), (20.0, 10.0), (180.0, 0.0), (90.0, 0.0)])
def test_a_track_goes_through_its_vertex_away_from_where_it_comes(zenith: float, azimuth: float) -> None:
    truth = Particle(*np.radians([zenith, azimuth]), 30.0, -20.0, 100.0, 0.0)
    figure = plot.event_figure(event([(1, 1), (36, 20)], [0, 500], [100, 10], truth))
    top, side, _ = figure.axes
    (line,) = (line for line in top.lines if line.get_gid() == "truth")
    x, y = (np.asarray(part, float) for part in line.get_data())
    towards = -sky.unit(np.radians(azimuth), np.radians(90 - zenith))
    assert np.stack([np.ptp(x), np.ptp(y)]) @ np.abs(towards[:2]) >= 0
    along = np.array([np.diff(x)[0], np.diff(y)[0]])
    assert along[0] * towards[1] - along[1] * towards[0] == pytest.approx(0, abs=1e-6)
    assert along @ towards[:2] >= -1e-9
    normal = np.array([-towards[1], towards[0]])
    assert (np.array([x[0], y[0]]) - [30, -20]) @ normal == pytest.approx(0, abs=1e-6)
    (line,) = (line for line in side.lines if line.get_gid() == "truth")
    across, up = (np.diff(np.asarray(part, float))[0] for part in line.get_data())
    # The side view is turned to show the full length: its slope is that of the track.
    assert np.arctan2(up, across) == pytest.approx(np.radians(zenith - 90), abs=1e-9)
    assert "SIMULATED EVENT" in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("azimuth", [16.5, 135.0, 300.0])
def test_a_track_ends_within_the_view(azimuth: float) -> None:
    fit = Particle(*np.radians([131.9, azimuth]), -100.0, -480.0, -470.0, 0.0)
    figure = plot.event_figure(event([(1, 1), (36, 20)], [0, 500], [100, 10]), fit)
    for axes in figure.axes[:2]:
        (line,) = (line for line in axes.lines if line.get_gid() == "fit")
        x, y = (np.asarray(part, float) for part in line.get_data())
        assert len(x) == 2
        for places, (low, high) in ((x, axes.get_xlim()), (y, axes.get_ylim())):
            assert low < places.min()
            assert places.max() < high


def test_a_fit_on_the_sky_is_drawn_in_the_detector() -> None:
    seen = event([(1, 1), (36, 20)], [0, 500], [100, 10])
    ra, dec = sky.to_sky(seen.detector, TIME, np.radians(99.6), np.radians(208.0))
    fit = BestFit(0, 16, float(ra), float(dec), 1.0, 1e5, 0.0, (1.0, 2.0, 3.0), float(ra), float(dec))
    axis = pulses.axis_of(seen, fit, "fit")
    assert np.degrees([axis.zenith, axis.azimuth]) == pytest.approx([99.6, 208.0], abs=1e-6)
    assert axis.travel == pytest.approx(-sky.unit(np.radians(208.0), np.radians(-9.6)))
    figure = plot.event_figure(seen, fit)
    (legend,) = figure.legends
    assert "fit\nzenith 99.6°\nazimuth 208.0°" in [text.get_text() for text in legend.get_texts()]
    assert "SIMULATED EVENT" not in [text.get_text() for text in figure.texts]
    figure = plot.event_figure(seen, fit, topology="cascade")
    for axes, place in zip(figure.axes, ((1, 2), (1, 3)), strict=False):
        (mark,) = (line for line in axes.lines if line.get_gid() == "fit")
        assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx(place)


def test_a_line_is_cut_at_the_walls_of_a_box() -> None:
    low, high = np.array([-1.0, -2.0, -3.0]), np.array([1.0, 2.0, 3.0])
    along_x = pulses.Axis("", np.pi / 2, np.pi, np.array([0.5, 0.5, 0.0]), False)
    assert along_x.within(low, high) == pytest.approx(np.array([[-1, 0.5, 0], [1, 0.5, 0]]), abs=1e-9)
    beside = pulses.Axis("", np.pi / 2, np.pi, np.array([0.5, 2.5, 0.0]), False)
    assert beside.within(low, high).shape == (0, 3)
    rng = np.random.default_rng(5)
    for _ in range(50):
        axis = pulses.Axis("", *rng.uniform(0, 3, 2), rng.uniform(low, high), False)
        ends = axis.within(low, high)
        assert (np.isclose(ends, low) | np.isclose(ends, high)).any(axis=1).all()
        assert ((ends >= low - 1e-9) & (ends <= high + 1e-9)).all()
        assert (ends[1] - ends[0]) @ axis.travel == pytest.approx(np.linalg.norm(ends[1] - ends[0]))


def test_the_bundled_event_lies_along_its_track() -> None:
    seen = skymist.load_event("demo")
    hits, assert_truth = pulses.hits_of(seen), seen.truth
    assert assert_truth is not None
    axis = pulses.axis_of(seen, assert_truth, "truth")
    offset = hits.position - axis.vertex
    along = offset @ axis.travel
    away = np.linalg.norm(offset - along[:, None] * axis.travel, axis=1)
    assert np.average(away, weights=hits.charge_pe) < 40
    near = away < 60
    assert np.corrcoef(along[near], hits.time_ns[near])[0, 1] > 0.98  # later where it comes later
    low, high = pulses.time_range(hits)
    assert np.mean((hits.time_ns >= low) & (hits.time_ns <= high)) > 0.8


def test_the_caption_counts_what_is_shown(tmp_path: Path) -> None:
    figure = plot.event_figure(event([(1, 1), (36, 20)], [0, 500], [100, 10]))
    assert "2 modules that saw light" in figure.caption
    assert "110 PE in all" in figure.caption
    assert "from above and from the side" in figure.caption
    turned = event_caption(event([(1, 1)], [0], [1]), 1, 1.0)  # as the page of the twin has it
    assert "in the detector, in three dimensions: 1 modules" in turned
    figure.savefig(tmp_path / "event.svg", dpi=30)
    assert figure.caption in (tmp_path / "event.svg").read_text()
