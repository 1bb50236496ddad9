"""The laws of the plan."""

from dataclasses import replace

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
    assert cells.size <= sum(plan.most_cells(request(cone)).values())


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), CONES, st.integers(0, 2**32), st.sampled_from([1, 3]))
def test_what_is_certain_belongs_to_the_scan_whatever_comes_in(
    seed: int, cone: Cone | None, shuffle: int, seeds: int
) -> None:
    rng, asked = np.random.default_rng(shuffle), replace(request(cone), seeds=seeds)
    whole = replay(asked, seed)
    done = rng.permutation(whole)[: rng.integers(0, whole.size + 1)]
    cells = plan.next_cells(asked, done, likelihood(done, seed))
    assert np.isin(cells, whole).all()
    assert not np.isin(cells, done).any()
    assert np.isin(whole[sky.nside_of(whole) == 1], np.concatenate([cells, done])).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.floats(0.1, 1))
def test_ahead_means_what_is_certain_and_perhaps_more(seed: int, shuffle: int, ahead: float) -> None:
    rng, asked = np.random.default_rng(shuffle), request()
    done = rng.permutation(sky.all_cells(1))[: rng.integers(0, 13)]
    value = likelihood(done, seed)
    certain, likely = plan.next_cells(asked, done, value), plan.next_cells(asked, done, value, ahead)
    assert np.isin(certain, likely).all()
    assert not np.isin(likely, done).any()
    fitted = np.isfinite(value).sum()
    if done.size >= ahead * 12:
        assert (sky.nside_of(likely) == 2).sum() == 4 * min(3, fitted)


def test_the_next_level_begins_before_the_last_cell_is_in() -> None:
    first, nllh = sky.all_cells(1), np.arange(12.0)
    for out, split in ((3, 0), (2, 1), (1, 2), (0, 3)):
        cells = plan.next_cells(request(), first[: 12 - out], nllh[: 12 - out])
        assert np.array_equal(np.unique(sky.parent(cells[sky.nside_of(cells) == 2], 1)), first[:split])


def test_each_level_waits_for_what_may_still_come_from_those_above() -> None:
    """One coarse cell out may be one of the three to split, and four finer ones of it among the five."""
    first, nllh = sky.all_cells(1), np.arange(12.0)
    second = sky.children(first[:2], 2).ravel()
    finest = sky.children(second[:1], 8).ravel()
    known, values = np.concatenate([first, second]), np.concatenate([nllh, np.arange(100.0, 108.0)])
    out = known != first[11]
    found = plan.next_cells(request(), known[out], values[out])
    assert found.tolist() == [first[11], *finest]
    found = plan.next_cells(request(), known[out][:-1], values[out][:-1])
    assert found.tolist() == [first[11], second[7]]
    found = plan.next_cells(request(), known, values)
    assert found.tolist() == [*sky.children(first[2:3], 2).ravel(), *finest]
    found = plan.next_cells(replace(request(), seeds=2), known, values)
    assert found.tolist() == sky.children(first[2:3], 2).ravel().tolist()
    assert plan.next_cells(replace(request(), seeds=2), known[out], values[out]).tolist() == [first[11]]


def test_of_a_cell_that_is_out_all_children_may_come() -> None:
    first, asked = sky.all_cells(1), request(levels=(Level(1, 0), Level(4, 3), Level(16, 20)))
    second = sky.children(first[:2], 4).ravel()
    known, values = np.concatenate([first[:11], second]), np.concatenate([np.arange(11.0), np.arange(100.0, 132.0)])
    assert plan.next_cells(asked, known, values).tolist() == [first[11], *sky.children(second[:4], 16).ravel()]


def test_failed_cells_leave_room_for_no_more_than_is_out() -> None:
    first, nllh = sky.all_cells(1), np.append(0.0, np.full(11, np.nan))
    second = sky.children(first[:1], 2).ravel()
    known, values = np.concatenate([first[:11], second]), np.concatenate([nllh[:11], np.arange(4.0)])
    found = plan.next_cells(request(), known, values)
    assert found.tolist() == [first[11], *sky.children(second[:1], 8).ravel()]
    found = plan.next_cells(request(), known, values, 0.5)  # four of eight may come, and half of them are in
    assert found.tolist() == [first[11], *sky.children(second, 8).ravel()]


def test_a_level_that_counts_as_complete_makes_the_next_wait_for_nothing() -> None:
    first, nllh = sky.all_cells(1), np.arange(12.0)
    second = sky.children(first[:3], 2).ravel()
    for out, ahead, split in ((1, 0.9, 3), (6, 0.5, 3), (7, 0.5, 0), (1, 1.0, 2)):
        known, values = first[: 12 - out], nllh[: 12 - out]
        found = plan.next_cells(request(), known, values, ahead)
        assert found.tolist() == [*first[12 - out :], *second[: 4 * split]]
        if split == 3:
            both = np.concatenate([known, second]), np.concatenate([values, np.arange(100.0, 112.0)])
            found = plan.next_cells(request(), *both, ahead)
            assert found.tolist() == [*first[12 - out :], *sky.children(second[:5], 8).ravel()]


@pytest.mark.parametrize("cone", [Cone(0.0, 0.0, 20.0), Cone(200.0, -88.0, 10.0), Cone(10.0, 50.0, 0.1)])
def test_coarse_cells_come_in_farther_from_the_cone_than_the_finest(cone: Cone) -> None:
    place = np.radians([cone.ra, cone.dec])

    def within(cells: np.ndarray, widths: float) -> list[int]:
        far = np.degrees(sky.separation(*sky.centers(cells), *place)) - cone.radius
        held = far <= widths * np.degrees(np.sqrt(sky.area_sr(cells)))
        return cells[held | (cells == sky.cell_at(int(sky.nside_of(cells[0])), *place))].tolist()

    asked = request(cone, (Level(8, 0), Level(32, 10_000)))
    first = plan.next_cells(asked, np.empty(0, np.int64), np.empty(0))
    assert first.tolist() == within(sky.all_cells(8), 1.1)
    second = plan.next_cells(asked, first, np.zeros(first.size))
    assert second.tolist() == within(np.sort(sky.children(first, 32).ravel()), 0.5)
    assert plan.next_cells(request(cone, (Level(8, 0),)), first[:0], np.empty(0)).tolist() == within(
        sky.all_cells(8), 0.5
    )


def test_most_cells_of_a_cone_are_a_tenth_more_than_its_area_holds() -> None:
    cone, levels = Cone(0.0, 30.0, 20.0), (Level(8, 0), Level(32, 10_000), Level(128, 10_000), Level(512, 7))
    first = plan.next_cells(request(cone, levels), np.empty(0, np.int64), np.empty(0)).size
    reach = [np.radians(20) + margin * np.sqrt(np.pi / 3) / nside for margin, nside in ((1.1, 32), (1.1, 128))]
    caps = [12 * nside**2 * (1 - np.cos(each)) / 2 for nside, each in zip((32, 128), reach, strict=True)]
    expected = {8: first, 32: np.ceil(1.1 * caps[0]) + 8, 128: np.ceil(1.1 * caps[1]) + 8, 512: 7 * 16}
    assert plan.most_cells(request(cone, levels)) == expected
    assert plan.most_cells(request(Cone(0.0, 0.0, 180.0), LEVELS)) == {1: 12, 2: 12, 8: 80}
    last = 12 * 32**2 * (1 - np.cos(np.radians(20) + 0.5 * np.sqrt(np.pi / 3) / 32)) / 2
    assert plan.most_cells(request(cone, levels[:2])) == {8: first, 32: np.ceil(1.1 * last) + 8}
    for everywhere in (None, Cone(0.0, 0.0, 180.0)):
        found = plan.most_cells(request(everywhere, (Level(4, 0), Level(8, 9999), Level(32, 9999))))
        assert found == {4: 192, 8: 768, 32: 12288}
        assert {type(number) for number in found.values()} == {int}


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
    assert plan.most_cells(asked) == {8: 768, 64: 768, 512: 1536}
    assert replay(asked, 3).size == 3072


def test_parent_rows_point_at_the_enclosing_cell() -> None:
    asked = request()
    rows = np.random.default_rng(1).permutation(sky.all_cells(1))
    cells = plan.next_cells(asked, rows, likelihood(rows, 0))
    parents = plan.parent_rows(asked, cells, rows)
    assert parents is not None
    assert np.array_equal(rows[parents], sky.parent(cells, 1))
    assert plan.parent_rows(asked, rows, rows) is None
    for cell in cells:  # one alone, too
        (row,) = plan.parent_rows(asked, np.array([cell]), rows)
        assert rows[row] == sky.parent(cell, 1)


@pytest.mark.parametrize("place", [(0.0, 0.0), (359.9, 10.0), (12.0, 90.0), (12.0, -89.0)])
def test_a_cone_stays_within_its_radius_and_a_cell(place: tuple[float, float]) -> None:
    cone = Cone(*place, 10.0)
    cells = replay(request(cone, (Level(8, 0), Level(32, 12))), 5)
    ra, dec = sky.centers(cells)
    far = np.degrees(sky.separation(ra, dec, np.radians(place[0]), np.radians(place[1])))
    width = np.degrees(np.sqrt(sky.area_sr(cells)))
    assert (far <= 10.0 + 1.1 * width).all()
    assert cells.size > 10


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 360), st.floats(-90, 90), st.floats(0.001, 20))
def test_a_cone_is_filled_also_where_cells_are_larger_than_it(ra: float, dec: float, radius: float) -> None:
    everything = (Level(4, 0), Level(16, 3072), Level(64, 49152))
    cone = Cone(ra, dec, radius)
    cells = replay(request(cone, everything), 0)
    finest = sky.all_cells(64)
    inside = finest[cone.holds(finest) & np.isfinite(likelihood(sky.parent(finest, 16), 0))]
    inside = inside[np.isfinite(likelihood(sky.parent(inside, 4), 0))]
    assert np.isin(inside, cells).all()
    assert sky.cell_at(4, np.radians(ra), np.radians(dec)) in cells
    assert cells.size <= sum(plan.most_cells(request(cone, everything)).values())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), CONES, st.integers(1, 9), st.integers(0, 2**32))
def test_starts_are_the_parent_and_the_best_around_it(seed: int, cone: Cone | None, seeds: int, shuffle: int) -> None:
    asked = replace(request(cone), seeds=seeds)
    done = replay(asked, seed)
    coarse, cells = done[sky.nside_of(done) == 2], done[sky.nside_of(done) == 8]
    if not cells.size:
        return
    starts = _starts(asked, cells, coarse, seed)
    assert starts.shape == (seeds, cells.size)
    assert np.array_equal(starts, _starts(asked, cells, np.random.default_rng(shuffle).permutation(coarse), seed))
    assert np.array_equal(starts[0], sky.parent(cells, 2))
    value = dict(zip(coarse.tolist(), likelihood(coarse, seed).tolist(), strict=True))
    for parent, *others in starts.T.tolist():
        around = set(sky.neighbours([parent])[0].tolist()) - {parent}
        fitted = sorted(value[cell] for cell in around if np.isfinite(value.get(cell, np.nan)))
        assert [value[cell] for cell in others if cell >= 0] == fitted[: seeds - 1]


@pytest.mark.parametrize("known", [12, 7, 1])
def test_starts_are_rows_the_lowest_first_then_the_lowest_number(known: int) -> None:
    uniq = np.random.default_rng(known).permutation(sky.all_cells(1))[:known]
    nllh = np.array([5.0, 3, 3, np.nan, 2, 3, 9, 1, 3, 2, np.nan, 0])[:known]
    cells = sky.children(uniq[[0, -1]], 2).ravel()
    expected = []
    for cell in cells:
        (parent,) = np.flatnonzero(uniq == cell // 4)
        around = set(sky.neighbours([cell // 4])[0].tolist()) - {cell // 4}
        fitted = sorted((nllh[row], uniq[row], row) for row in range(known) if uniq[row] in around and nllh[row] >= 0)
        expected.append([parent, *([row for *_, row in fitted] + [-1] * 8)[:8]])
    for seeds in (1, 2, 3, 9):
        starts = plan.start_rows(replace(request(), seeds=seeds), cells, uniq, nllh)
        np.testing.assert_array_equal(starts, np.transpose(expected)[:seeds])


def _starts(asked: ScanRequest, cells: np.ndarray, coarse: np.ndarray, seed: int) -> np.ndarray:
    """The cells, not the rows, of the starts; -1 for none."""
    rows = plan.start_rows(asked, cells, coarse, likelihood(coarse, seed))
    assert rows is not None
    return np.where(rows < 0, -1, coarse[rows])


def test_the_first_level_has_no_starts() -> None:
    first = sky.all_cells(1)
    assert plan.start_rows(request(), first, first[:0], np.empty(0)) is None
