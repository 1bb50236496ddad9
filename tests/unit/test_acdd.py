"""What a map says of itself: a lone copy is understood, and nothing is promised that nobody has promised."""

import re
from typing import Any

import numpy as np
import pytest
from maps import of_cells, random_map

from skymist.fair.acdd import describe
from skymist.fair.record import Agent, Site
from skymist.model import sky, skymap
from skymist.model.identity import ivo
from skymist.model.region import best_fit, region

RECOMMENDED = (
    "Conventions", "title", "summary", "keywords", "id", "history", "source", "processing_level", "comment",
    "references", "standard_name_vocabulary", "instrument", "date_created", "date_modified", "time_coverage_start",
    "time_coverage_end", "time_coverage_duration",
)  # fmt: skip
OF_A_SITE = (
    "naming_authority", "license", "creator_name", "creator_type", "publisher_name", "publisher_type", "publisher_url",
)  # fmt: skip
MADE = {"software": "skymist 0.1.0", "created": "2026-01-02T03:04:05+00:00", "detector": {"name": "icecube-86"}}
SOFTWARE = {"python": "3.12.1", "skymist": "0.1.0"}


def said(site: Site | None = None, simulated: bool = False, **more: Any) -> dict[str, str]:
    data = random_map(0)
    event = {**data.attrs["event"], "simulated": simulated}
    return describe(data.assign_attrs({**MADE, "event": event, **more}), site)


def test_a_map_says_what_it_is() -> None:
    found = said()
    assert tuple(found) == RECOMMENDED
    assert all(isinstance(value, str) and value for value in found.values())
    assert found["Conventions"] == "CF-1.11, ACDD-1.3"
    data = random_map(0)
    assert found["id"] == f"map_{skymap.content_hash(data)[:16]}"
    assert f"RA {np.degrees(best_fit(data).ra):.4f} deg" in found["summary"]
    areas = ", ".join(f"{100 * share:g} % region {region(data, share).area_deg2:.4g} deg2" for share in (0.5, 0.9))
    assert f"{areas} (calibration icecube-2016)" in found["summary"]
    assert "probdensity" in found["comment"]
    assert "simulat" not in " ".join(found.values()).lower()


def test_simulation_is_told_wherever_people_look() -> None:
    found = said(simulated=True)
    for name in ("title", "source"):
        assert found[name].startswith("SIMULATED EVENT")
    assert "not an observation of the sky" in found["summary"]
    assert "simulation" in found["keywords"]


def test_times_are_utc_and_say_so() -> None:
    stretch = {"started": "2026-01-02T03:04:05.678+00:00", "ended": "2026-01-02T04:00:00.000+00:00"}
    found = said(provenance={"stretches": [{**stretch, "software": SOFTWARE, "starts": 1}]})
    times = [value for name, value in found.items() if name.startswith(("date_", "time_")) and name[-8:] != "duration"]
    assert len(times) == 4
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value) for value in times)
    assert found["date_modified"] == "2026-01-02T04:00:00.000Z"
    assert found["time_coverage_start"] == "2026-03-04T05:06:07Z"


def test_the_history_has_a_line_for_each_stretch() -> None:
    first = {"started": "2026-01-02T03:04:05+00:00", "software": {**SOFTWARE, "skymist": "0.0.9"}, "starts": 3}
    second = {"started": "2026-02-02T03:04:05+00:00", "software": SOFTWARE, "starts": 1}
    one, two = said(provenance={"stretches": [first, second]})["history"].splitlines()
    assert one.startswith("2026-01-02T03:04:05Z: skymist 0.0.9: sky scan with bowl 1")
    assert one.endswith("begun 3 times")
    assert two.startswith("2026-02-02T03:04:05Z: skymist 0.1.0: ")
    assert two.endswith("0" * 64)
    assert said()["history"].startswith("2026-01-02T03:04:05Z: skymist 0.1.0: ")


def test_only_an_archive_gives_a_licence() -> None:
    assert not set(OF_A_SITE) & set(said())
    site = Site("example.org", "an archive", licence="CC0-1.0", home="https://example.org/public")
    found = said(site)
    assert set(found) == {*RECOMMENDED, *OF_A_SITE}
    assert found["license"] == "https://spdx.org/licenses/CC0-1.0.html"
    assert f"{found['naming_authority']}#{found['id']}" == ivo("example.org", found["id"])
    assert (found["creator_name"], found["creator_type"]) == ("an archive", "institution")


def test_creators_are_named_in_their_order() -> None:
    home = "https://icecube.wisc.edu"
    creators = Agent("IceCube Collaboration", "creator", "organisation", home), Agent("skymist", "creator", "software")
    found = said(Site(creators=creators, contact="archive@example.org"))
    assert found["creator_name"] == "IceCube Collaboration; skymist"
    assert found["creator_type"] == "institution; group"
    assert found["creator_url"] == home
    assert found["creator_email"] == found["publisher_email"] == "archive@example.org"


@pytest.mark.parametrize("name", ["geospatial_lat_min", "geospatial_lon_max", "geospatial_bounds"])
def test_the_sky_is_not_the_earth(name: str) -> None:
    assert name not in said(Site())


def test_nothing_it_says_replaces_what_a_map_is_read_by() -> None:
    data = random_map(0)
    known = {*data.attrs, "software", "created", "detector", "request", "calibration", "provenance", "rows"}
    assert not known & set(said(Site()))
    assert skymap.content_hash(data) == skymap.content_hash(data.assign_attrs(said()))


def test_a_map_whose_best_cell_is_no_leaf_has_no_regions_to_tell() -> None:
    cells = np.append(sky.all_cells(1), sky.children(sky.all_cells(1)[:1], 2))
    nllh = np.append([0.0], np.full(len(cells) - 1, 1e4))  # finer cells that were no better are all that counts
    data = of_cells(cells, nllh).assign_attrs(MADE)
    assert "region" not in describe(data)["summary"]
