"""All calibrations of one map in a table."""

import math
from dataclasses import asdict

import pytest
from maps import random_map

from skymist.errors import RequestError
from skymist.model.calibrations import side_by_side
from skymist.model.floor import with_floor
from skymist.model.region import population_levels, region
from skymist.workflow.products import regions


def test_any_map_has_three_and_each_row_is_its_region() -> None:
    data = random_map(0)
    rows = side_by_side(data)
    names = ["wilks", "icecube-2016", "probability"]
    assert [(row.calibration, row.containment) for row in rows] == [
        (name, each) for name in names for each in (0.5, 0.9)
    ]
    for row in rows:
        theirs = region(data, row.containment, row.calibration)
        assert asdict(row) == {key: getattr(theirs, key) for key in asdict(row)}


def test_those_of_the_map_and_of_its_reconstruction_come_last() -> None:
    data = random_map(0)
    data.attrs["calibration"] = {"levels": {"50": {"ts": 2.0}, "90": {"ts": None}}}
    name = next(iter(population_levels()))
    data.attrs["reconstruction"] = {"name": name.split("/")[0], "topology": name.partition("/")[2]}
    rows = side_by_side(data, (0.9,))
    assert [row.calibration for row in rows[:3]] == ["wilks", "icecube-2016", "probability"]
    assert {row.calibration: row.ts for row in rows[3:]} == {
        "population": population_levels()[name][0.9], "resimulated": float("inf"),
    }  # fmt: skip
    smeared = {row.calibration for row in side_by_side(with_floor(data, 0.2), (0.9,))}
    assert smeared == {"wilks", "icecube-2016", "probability"}  # those levels are of another TS


def test_containments_that_differ_little_are_named_apart() -> None:
    shares = 0.29, 0.5, 0.9, 0.9973002, 0.9973003, 0.9999999
    found = regions(random_map(0, finest=128), "wilks", shares)["regions"]
    assert list(found) == ["29", "50", "90", "99.73002", "99.73003", "99.99999"]
    assert [each["ts"] for each in found.values()] == pytest.approx([-2 * math.log1p(-share) for share in shares])


def test_a_containment_that_some_do_not_know_leaves_them_out() -> None:
    data = random_map(0)
    assert [row.calibration for row in side_by_side(data, (0.68,))] == ["wilks", "probability"]
    assert side_by_side(data, ()) == []
    for wrong in (0, 1, 90):
        with pytest.raises(RequestError) as error:
            side_by_side(data, (0.5, wrong))
        assert str(error.value) == f"containment {wrong} is not between 0 and 1, such as 0.9"
