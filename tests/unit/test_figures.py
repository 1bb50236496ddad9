"""Figures as files: from the command line, with what they show in words, and one clear line for each mistake."""

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from maps import random_map
from PIL import Image
from unit.test_exports import peaked_map, stored

from skymist import cli, plot
from skymist.cli.draw import _name_of, parse_mark
from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.region import best_fit, region
from skymist.plot import interactive
from skymist.store.place import place
from skymist.store.zarr import read_skymap
from skymist.workflow import figures
from skymist.workflow.events import load_event
from skymist.workflow.figures import FIGURES, MOST_SOURCES, OF_MAPS, Look

DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"


class Shell:
    """Runs the command line in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.capture, self.patch = capture, patch

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.patch.setattr(sys, "argv", ["skymist", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        answer, notes = self.capture.readouterr()
        return int(stop.value.code or 0), answer, notes


@pytest.fixture
def shell(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(capfd, monkeypatch)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map on disk, with its best fit near RA 40, Dec 10 degrees, and another one beside it."""
    folder = tmp_path_factory.mktemp("maps")
    stored(random_map(4, "islands", finest=128), folder, "two.zarr")
    return stored(peaked_map(1.0), folder, "one.zarr")


def catalog(folder: Path, ra: np.ndarray, dec: np.ndarray) -> Path:
    rows = [f"S{at},{one:.6f},{two:.6f}" for at, (one, two) in enumerate(zip(ra, dec, strict=True))]
    (folder / "mine.csv").write_text("\n".join(["Name,RA,Dec", *rows]) + "\n")
    (folder / "mine.yaml").write_text(
        "title: Mine\nversion: '1'\nreference: none\nfile: mine.csv\n"
        "columns: {name: Name, ra: {column: RA, unit: deg}, dec: {column: Dec, unit: deg}}\n"
    )
    return folder / "mine.yaml"


def test_a_figure_lies_beside_its_map_and_carries_its_caption(shell: Shell, kept: Path) -> None:
    status, answer, notes = shell("map", "draw", str(kept), "--json")
    assert status == 0, notes
    said = json.loads(answer)
    assert said["figure"] == "combined"
    assert Path(said["file"]) == kept.parent / "one.png"
    best, ninety = best_fit(read_skymap(kept)), region(read_skymap(kept), 0.9)
    assert f"RA {np.degrees(best.ra):.2f}°" in said["caption"]
    assert f"90% in {ninety.area_deg2:.3g} deg²" in said["caption"]
    with Image.open(said["file"]) as image:
        assert image.text["Description"] == said["caption"]
        assert np.ptp(np.asarray(image.convert("L"))) > 200


def test_what_is_asked_for_is_in_the_zoom(shell: Shell, kept: Path, tmp_path: Path) -> None:
    mine = catalog(tmp_path, np.array([40.3, 220.0]), np.array([10.2, -10.0]))
    words = ("--figure", "zoom", "--theme", "dark", "--show", "probability", "--mark", "TXS 0506+056=39.9,9.9")
    more = ("--sources", str(mine), "--earlier", str(kept.parent / "two.zarr"), "--to", "zoom.svg", "--caption")
    status, answer, notes = shell("map", "draw", str(kept), *words, *more)
    assert status == 0, notes
    file, caption = answer.splitlines()
    assert file == "zoom.svg"
    drawn = ElementTree.fromstring((tmp_path / "zoom.svg").read_text())
    assert [each.text for each in drawn.iter(DESCRIPTION)] == [caption]
    names = {each.get("id") for each in drawn.iter() if each.get("id")}
    assert {"TXS 0506+056", "S0", "two", "best-fit"} <= names
    assert "S1" not in names  # on the other side of the sky
    text = (tmp_path / "zoom.svg").read_text()
    assert "probability density" in text
    assert "#10141c" in text  # dark paper


def test_the_difference_of_a_map_with_itself_has_no_distance(shell: Shell, kept: Path, tmp_path: Path) -> None:
    words = ("map", "draw", str(kept), "--figure", "difference", "--with", str(kept), "--to", "new/change.pdf")
    status, answer, notes = shell(*words, "--caption")
    assert status == 0, notes
    assert answer.splitlines()[1].endswith("The best fits are 0.00° apart.")
    assert (tmp_path / "new/change.pdf").read_bytes().startswith(b"%PDF")


def test_an_event_is_drawn_in_the_working_folder(shell: Shell, tmp_path: Path) -> None:
    status, answer, notes = shell("events", "draw", "demo", "--json")
    assert status == 0, notes
    said, event = json.loads(answer), load_event("demo")
    assert said["file"] == f"run{event.run:08d}.evt{event.event:012d}.event.png"
    with Image.open(tmp_path / said["file"]) as image:
        assert image.text["Description"] == said["caption"]
    modules = len({tuple(dom) for dom in event.pulses.dom.tolist()})
    assert f"{modules} modules" in said["caption"]


def test_the_best_fit_of_the_map_is_drawn_over_its_event_only(kept: Path) -> None:
    event, data = load_event("demo"), read_skymap(kept)
    with pytest.raises(RequestError, match=f"the map is of run 1 event 2, not of run {event.run}"):
        figures.draw("event", event, Look(fitted=data))
    own = data.assign_attrs(event={**data.attrs["event"], "run": event.run, "event": event.event})
    best = best_fit(own)
    zenith, _ = (float(np.degrees(angle)) for angle in sky.to_detector(event.detector, event.time, best.ra, best.dec))
    page = figures.draw("event", event, Look(fitted=own))
    assert any(f"fit\nzenith {zenith:.1f}°" in each.get_text() for each in page.legends[-1].get_texts())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--figure", "zom"), "no figure of a map is called 'zom'; there are: calibrations, combined, coverage"),
        (("--figure", "event"), "no figure of a map is called 'event'"),
        (("--to", "a.gif"), "no kind of figure file is called '.gif'; there are: .html, .pdf, .png, .svg"),
        (("--to", "a"), "no kind of figure file is called ''"),
        (("--mark", "TXS"), "the mark 'TXS' is not NAME=RA,DEC in degrees"),
        (("--mark", "TXS=1"), "the mark 'TXS=1' is not NAME=RA,DEC"),
        (("--mark", "TXS=1,91"), "the mark 'TXS=1,91' is not NAME=RA,DEC"),
        (("--mark", "=1,2"), "the mark '=1,2' is not NAME=RA,DEC"),
        (("--figure", "zoom", "--frame", "galactic"), "the figure 'zoom' takes no frame; these do: combined, sky"),
        (("--figure", "coverage", "--mark", "A=1,2"), "the figure 'coverage' takes no marks"),
        (("--figure", "coverage", "--calibration", "wilks"), "the figure 'coverage' takes no calibration"),
        (("--frame", "ecliptic"), "no frame is called 'ecliptic'; there are: equatorial, galactic, local"),
        (("--theme", "dim"), "no theme is called 'dim'; there are: dark, light"),
        (("--figure", "zoom", "--show", "llh"), "no quantity is called 'llh'; there are: probability, ts"),
        (("--calibration", "nix"), "no calibration is called 'nix'"),
        (("--figure", "difference"), "needs a second map: --with MAP"),
        (("--with", "b.zarr"), "takes no second map"),
        (("--figure", "coverage", "--to", "a.html"), "has no interactive twin; these have: sky, zoom, difference"),
        (("--earlier", "b.zarr"), "the figure 'combined' takes no earlier maps; these do: zoom"),
    ],
)
def test_a_mistake_is_told_in_one_line_before_the_map_is_read(shell: Shell, words: tuple[str, ...], told: str) -> None:
    status, answer, notes = shell("map", "draw", "there-is-none.zarr", *words)
    assert (status, answer) == (2, "")
    assert told in notes
    assert len(notes.splitlines()) == 1


def test_a_figure_never_goes_into_the_map(shell: Shell, kept: Path) -> None:
    before = sorted(kept.rglob("*"))
    status, _, notes = shell("map", "draw", str(kept), "--to", str(kept / "inside.png"))
    assert (status, sorted(kept.rglob("*"))) == (2, before)
    assert "is the map itself, or in it" in notes


def in_the_axes(page: Any, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return which positions are within the first axes of a figure, by its own world coordinates."""
    axes = page.axes[0]
    x, y = axes.wcs.world_to_pixel(SkyCoord(ra, dec, unit=u.rad))
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    return (left <= x) & (x <= right) & (low <= y) & (y <= high)


def test_the_nearest_sources_in_view_are_marked_the_others_counted(kept: Path) -> None:
    data, rng = read_skymap(kept), np.random.default_rng(5)
    best = best_fit(data)
    ra, dec = best.ra + rng.normal(0, 0.2, 60), best.dec + rng.normal(0, 0.2, 60)
    names = [f"S{at}" for at in range(60)]
    marks, in_view = figures.sources_in_view(data, names, ra, dec)
    apart = SkyCoord(ra, dec, unit=u.rad).separation(SkyCoord(best.ra, best.dec, unit=u.rad)).rad
    nearest = np.argsort(apart)[:MOST_SOURCES]
    assert list(marks) == [names[at] for at in nearest]
    assert marks[names[nearest[0]]] == (ra[nearest[0]], dec[nearest[0]])
    assert MOST_SOURCES < in_view < 60  # some are out of view
    assert in_view == np.count_nonzero(in_the_axes(figures.draw("zoom", data), ra, dec))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("run00000139.evt000000000000.track-mpe.d215ef4ac234.zarr", "track-mpe.d215ef4ac234"),
        ("run00136766-evt000007637140-GOLD-8_64_512.npz", "GOLD-8_64_512"),
        ("one.fits.gz", "one"),
        ("run1.evt2.zarr", "run1.evt2"),
    ],
)
def test_earlier_maps_are_called_by_what_tells_them_apart(file: str, name: str) -> None:
    assert _name_of(place(file)) == name


def test_sources_of_several_catalogs_are_counted_together(shell: Shell, kept: Path, tmp_path: Path) -> None:
    ra, dec = np.full(MOST_SOURCES, 40.0), np.linspace(9.5, 10.5, MOST_SOURCES)
    mine = str(catalog(tmp_path, ra, dec))
    status, _, notes = shell("map", "draw", str(kept), "--sources", mine, "--sources", mine, "--to", "a.png")
    assert status == 0
    assert f"{2 * MOST_SOURCES} sources in view: the {MOST_SOURCES // 2} nearest" in notes


def test_marks_are_read_in_degrees() -> None:
    name, (ra, dec) = parse_mark("a=b=-10,-5.5")
    assert name == "a=b"
    assert np.degrees([ra, dec]) == pytest.approx([350, -5.5])


def test_every_figure_and_twin_takes_what_the_registry_says() -> None:
    names = {"fitted": "fit", "other": "b"}
    for kind, figure in FIGURES.items():
        makers: list[Any] = [getattr(plot, figure.draw), *([getattr(interactive, figure.twin)] if figure.twin else [])]
        for make in makers:
            taken = set(inspect.signature(make).parameters)
            assert {"theme", *(names.get(each, each) for each in figure.takes)} <= taken, kind
        if kind in OF_MAPS:
            ours = set(inspect.signature(makers[0]).parameters) & set(Look.__dataclass_fields__) - {"theme"}
            assert ours <= set(figure.takes), kind


@pytest.mark.parametrize("kind", ["zoom", "event"])
def test_a_page_needs_nothing_from_the_network(shell: Shell, kept: Path, tmp_path: Path, kind: str) -> None:
    words = ("map", "draw", str(kept)) if kind == "zoom" else ("events", "draw", "demo")
    status, answer, notes = shell(*words, "--to", "page.html", "--caption")
    assert status == 0, notes
    file, caption = answer.splitlines()
    page = (tmp_path / file).read_text()
    assert f"<figcaption>{caption}</figcaption>" in page
    assert f"<title>{caption.partition(':')[0]}</title>" in page
    assert not re.findall(r"<(?:script|link)[^>]+(?:src|href)=[\"']?https?:", page)
