"""The laws of the plan."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymist.model import sky
from skymist.model.request import Cone, Level, ScanRequest
from skymist.scan import plan

LEVELS = (Level(1, 0), Level(2, 3), Level(8, 5))
CONES = st.none() | st.builds(Cone, st.floats(0, 360), st.floats(-90, 90), st.floats(1, 60))


def request(cone: Cone | None = None, levels: tuple[Level, ...] = LEVELS) -> ScanRequest:
    return ScanRequest("digest", "bowl", "1", levels=levels, cone=cone)


def likelihood(uniq: np.ndarray, seed: int) -> np.ndarray:
    """A bumpy sky with failures, a pure function of the cell."""
    ra, dec = sky.centers(uniq)
    x, y, z = sky.unit(ra, dec).T
    wave = np.random.default_rng(seed).normal(size=(3, 3)) * 4
    value = np.cos(wave @ np.array([x, y, z])).sum(axis=0)
    return np.where(uniq % 11 == seed % 11, np.nan, value)


def replay(asked: ScanRequest, seed: int, order: np.random.Generator | None = None) -> np.ndarray:
    """Evaluate to the end; with `order`, rows come in shuffled, in pieces, and the plan is asked again each time."""
    done = np.empty(0, np.int64)
    while (cells := plan.next_cells(asked, done, likelihood(done, seed))).size:
        if order is not None:
            cells = order.permutation(cells)[: order.integers(1, cells.size + 1)]
        done = np.concatenate([done, cells])
        if order is not None:
            done = order.permutation(done)
    return done


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), CONES, st.integers(0, 2**32))
def test_order_of_arrival_and_interruptions_do_not_matter(seed: int, cone: Cone | None, shuffle: int) -> None:
    straight = replay(request(cone), seed)
    interrupted = replay(request(cone), seed, np.random.default_rng(shuffle))
    assert np.array_equal(np.sort(straight), np.sort(interrupted))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), CONES)
def test_no_cell_twice_and_every_fine_cell_has_its_parent(seed: int, cone: Cone | None) -> None:
    cells = replay(request(cone), seed)
    assert np.unique(cells).size == cells.size
    for coarse, fine in ((1, 2), (2, 8)):
        children = cells[sky.nside_of(cells) == fine]
        assert np.isin(sky.parent(children, coarse), cells).all()
    assert cells.size <= plan.most_cells(request(cone))


def test_whole_sky_then_the_children_of_the_lowest_cells() -> None:
    asked = request()
    first = plan.next_cells(asked, np.empty(0, np.int64), np.empty(0))
    assert np.array_equal(np.sort(first), sky.all_cells(1))
    nllh = np.arange(12.0)
    nllh[0] = np.nan
    second = plan.next_cells(asked, first, nllh)
    assert np.array_equal(np.unique(sky.parent(second, 1)), first[1:4])


def test_a_failed_cell_is_never_refined() -> None:
    asked = request()
    first = sky.all_cells(1)
    assert plan.next_cells(asked, first, np.full(12, np.nan)).size == 0


def test_default_levels_evaluate_3072_cells() -> None:
    asked = ScanRequest("digest", "bowl", "1")
    assert plan.most_cells(asked) == 3072
    assert replay(asked, 3).size == 3072


def test_parent_rows_point_at_the_enclosing_cell() -> None:
    asked = request()
    rows = np.random.default_rng(1).permutation(sky.all_cells(1))
    cells = plan.next_cells(asked, rows, likelihood(rows, 0))
    parents = plan.parent_rows(asked, cells, rows)
    assert parents is not None
    assert np.array_equal(rows[parents], sky.parent(cells, 1))
    assert plan.parent_rows(asked, rows, rows) is None


@pytest.mark.parametrize("place", [(0.0, 0.0), (359.9, 10.0), (12.0, 90.0), (12.0, -89.0)])
def test_a_cone_stays_within_its_radius_and_a_cell(place: tuple[float, float]) -> None:
    cone = Cone(*place, 10.0)
    cells = replay(request(cone, (Level(8, 0), Level(32, 12))), 5)
    ra, dec = sky.centers(cells)
    far = np.degrees(sky.separation(ra, dec, np.radians(place[0]), np.radians(place[1])))
    width = np.degrees(np.sqrt(sky.area_sr(cells)))
    assert (far <= 10.0 + width).all()
    assert cells.size > 10
