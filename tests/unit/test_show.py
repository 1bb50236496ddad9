"""Maps and events that show themselves, and what can be asked of a map at the map itself."""

import base64
import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import numpy as np
import pytest
import xarray as xr
from maps import random_map
from matplotlib.figure import Figure
from PIL import Image
from unit.test_exports import peaked_map, stored

import skymist
from skymist.errors import RequestError, UnknownNameError
from skymist.model import searched
from skymist.model.region import region
from skymist.workflow import figures
from skymist.workflow.figures import Look
from skymist.workflow.show import Shown


class Page(HTMLParser):
    """The rows of the tables of a page, and the attributes of its pictures and frames."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.shown: list[dict[str, Any]] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
        if tag in ("img", "iframe"):
            self.shown.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] in ("td", "th") and data.strip():
            self.cells[-1] += data

    @property
    def facts(self) -> dict[str, str]:
        return dict(zip(self.cells[::2], self.cells[1::2], strict=True))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(peaked_map(1.0), tmp_path_factory.mktemp("maps"))


@pytest.fixture
def data(kept: Path) -> xr.Dataset:
    return skymist.load_map(kept)


def picture(found: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(found)))


def in_a_notebook(*code: str) -> list[Any]:
    """Return the only output of each cell."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in code])
    nbclient.NotebookClient(book, timeout=60, kernel_name="python3").execute()
    return [output for cell in book.cells for (output,) in [cell.outputs]]


def test_a_notebook_shows_facts_and_a_picture_and_pays_for_them_only_then(kept: Path, data: xr.Dataset) -> None:
    early, answer, shown = in_a_notebook(
        "import sys, skymist\nsorted({'xarray', 'matplotlib', 'numpy'} & set(sys.modules))",
        f"found = skymist.load_map({str(kept)!r})\n"
        "(found.skymist.regions()[1].containment, type(found)._repr_html_.__module__, 'matplotlib' in sys.modules)",
        "skymist.show(found)",
    )
    assert early.data["text/plain"] == "[]"
    assert answer.data["text/plain"] == "(0.9, 'xarray.core.dataset', False)"
    page, ninety, best = Page(shown.data["text/html"]), region(data, 0.9), skymist.best_fit(data)
    assert page.facts["best fit"] == f"RA {np.degrees(best.ra):.2f}°, Dec {np.degrees(best.dec):+.2f}° (ICRS)"
    assert page.facts["90 % region"].startswith(f"{ninety.area_deg2:,.2f} deg² (RA +{ninety.ra_plus:.2f}°")
    assert "by icecube-2016" in page.facts["90 % region"]
    assert page.facts["event"].startswith("run 1 event 2, 2026-03-04 05:06:07 UTC")
    assert page.facts["complete"] == "yes"
    (image,) = page.shown
    assert image["alt"] == figures.caption_of("zoom", data)
    assert picture(shown.data["image/png"]).size == picture(image["src"].partition(",")[2]).size == (1080, 684)


def test_elsewhere_it_is_a_figure_with_a_caption(data: xr.Dataset) -> None:
    found = skymist.show(data, theme="dark", calibration="wilks")
    assert isinstance(found, Figure)
    assert found.caption == figures.caption_of("zoom", data, Look(calibration="wilks"))
    assert "by wilks" in found.caption
    assert found.get_facecolor()[:3] == pytest.approx(np.array([0x10, 0x14, 0x1C]) / 255)


def test_what_an_event_says_is_text_and_no_markup() -> None:
    event = skymist.load_event("demo")
    shown = Shown("event", event, Look(), interactive=True)
    bundle = shown._repr_mimebundle_()
    page = Page(bundle["text/html"])
    charge = f"{event.pulses.charge_pe.sum():,.0f} PE"
    assert charge in page.facts["pulses"]
    (frame,) = page.shown
    assert "<figcaption>" in frame["srcdoc"]
    assert frame["title"] == shown.caption
    assert "figcaption" not in page.tags  # the page of the twin is within its frame
    assert "image/png" not in bundle
    assert charge in bundle["text/plain"]


def test_names_in_a_map_cannot_bring_markup_into_the_notebook(data: xr.Dataset) -> None:
    event = {**data.attrs["event"], "kind": "<script>alert(1)</script>"}
    made = {**data.attrs["reconstruction"], "name": '"><img src=x>'}
    shown = Shown("zoom", data.assign_attrs(event=event, reconstruction=made), Look())
    page = Page(shown._html("") + shown._html(f'<img alt="{0}">'))
    assert "script" not in page.tags
    assert page.tags.count("img") == 1


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"figure": "zom"}, "no figure is called 'zom'"),
        ({"figure": "event"}, "the figure 'event' is of an event; of this: combined, sky"),
        ({"colour": "red"}, "figures take no 'colour'; they take: theme, calibration"),
        ({"frame": "local"}, "the figure 'zoom' takes no frame"),
        ({"figure": "coverage", "interactive": True}, "has no interactive twin"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_line(data: xr.Dataset, wishes: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        skymist.show(data, **wishes)


def test_only_maps_and_events_are_shown() -> None:
    with pytest.raises(RequestError, match="cannot show what is int: give a sky map or an event"):
        skymist.show(3)


def test_a_map_answers_as_the_functions_do(data: xr.Dataset) -> None:
    assert data.skymist.best_fit() == skymist.best_fit(data)
    fifty, ninety = data.skymist.regions()
    assert (fifty.containment, ninety.area_deg2) == (0.5, region(data, 0.9).area_deg2)
    assert data.skymist.regions([0.683], "wilks")[0].ts == pytest.approx(2.2977, abs=1e-3)
    assert [each.area_deg2 for each in data.skymist.contours()] == [
        skymist.contour(data, share).area_deg2 for share in (0.5, 0.9)
    ]
    found = data.skymist.position(400.3, 10.1)
    expected = searched.position(data, np.radians(400.3 % 360), np.radians(10.1))
    assert found == expected
    assert found.separation_deg == pytest.approx(0.3, abs=0.2)  # degrees went in
    other = random_map(4, "islands", finest=128)
    assert data.skymist.compare(other).separation_deg == skymist.compare(data, other).separation_deg
    with pytest.raises(UnknownNameError, match="no calibration is called 'nix'"):
        data.skymist.regions(calibration="nix")


def test_a_map_with_a_floor_is_a_density_and_its_regions_are_by_probability(data: xr.Dataset) -> None:
    soft = data.assign_attrs(floor={"sigma_deg": 0.5})
    assert {each.calibration for each in soft.skymist.regions()} == {"probability"}


def test_a_map_draws_itself_with_the_truth_marked(data: xr.Dataset) -> None:
    event = {**data.attrs["event"], "truth": {"ra": 40.2, "dec": 10.1}}
    page = data.assign_attrs(event=event).skymist.draw("sky", frame="galactic")
    texts = [each.get_text() for legend in page.legends for each in legend.get_texts()]
    assert "truth\nRA 40.20°, Dec +10.10°" in texts
    assert any("galactic coordinates" in each.get_text() for each in page.texts)


def test_other_datasets_are_no_maps() -> None:
    with pytest.raises(RequestError, match="this dataset is no sky map"):
        _ = xr.Dataset({"a": 1}).skymist
