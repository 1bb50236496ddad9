"""Detector: modules are found by string and position."""

from dataclasses import replace

import numpy as np
import pytest

from skymist.model.detector import Detector

DOMS = np.array([[1, 1], [1, 2], [2, 1], [32767, 32766]], np.int16)
POND = Detector("pond", DOMS, np.arange(12.0).reshape(4, 3), np.ones(4), 51.77, 104.4, 90.0)


def test_modules_are_found_in_any_order() -> None:
    found = POND.index(np.array([[32767, 32766], [1, 2], [1, 1], [2, 1], [1, 2]], np.int16))
    assert (found.tolist(), found.dtype) == ([3, 1, 0, 2, 1], np.int64)
    assert POND.index(np.empty((0, 2), np.int16)).tolist() == []
    assert len(POND) == 4


@pytest.mark.parametrize("dom", [[0, 1], [1, 0], [1, 3], [2, 2], [3, 1], [32767, 32767], [-1, 1], [2, -32767]])
def test_a_module_that_is_not_there_has_no_row(dom: list[int]) -> None:
    assert POND.index(np.array([dom], np.int16)).tolist() == [-1]


@pytest.mark.parametrize(
    "change",
    [
        {"latitude_deg": 51.78},
        {"longitude_deg": 104.5},
        {"x_bearing_deg": 91.0},
        {"dom": DOMS + np.array([0, -1], np.int16)},
        {"position": POND.position + 1},
        {"efficiency": np.array([1.0, 1.0, 1.0, 0.0])},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_digest_sees_the_geometry_and_not_the_name(change: dict[str, object]) -> None:
    assert replace(POND, **change).digest != POND.digest  # type: ignore[arg-type]
    assert replace(POND, name="lake").digest == POND.digest
