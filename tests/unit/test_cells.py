"""Sets of cells: the same as mocpy makes of them."""

import numpy as np
import pytest
from mocpy import MOC

from skymist.errors import RequestError
from skymist.model import cells, sky


def some_cells(seed: int, n: int = 300, orders: tuple[int, int] = (0, 8)) -> np.ndarray:
    """Overlapping cells of several orders; most are in one part of the sky, so that siblings meet."""
    rng = np.random.default_rng(seed)
    order = rng.integers(*orders, size=n)
    near = rng.uniform(size=n) ** 3
    return 4 * 4**order + (near * 12 * 4.0**order / rng.choice([1, 50], n)).astype(np.int64)


def moc_of(uniq: np.ndarray) -> MOC:
    order = (np.log2(uniq // 4) // 2).astype(np.uint8)
    return MOC.from_healpix_cells((uniq - 4 * 4 ** order.astype(np.int64)).astype(np.uint64), order, 29)


def cells_of(moc: MOC) -> list[int]:
    return sorted(int(number) for number in moc.uniq_hpx)


@pytest.mark.parametrize("seed", range(12))
def test_union_intersection_and_difference_are_those_of_mocpy(seed: int) -> None:
    orders = (3, 9) if seed % 2 else (1, 30)
    a, b, c = (some_cells(3 * seed + k, orders=orders) for k in range(3))
    ours = cells.union(a, b, c), cells.intersection(a, b), cells.intersection(a, b, c), cells.difference(a, b)
    one, two, three = moc_of(a), moc_of(b), moc_of(c)
    theirs = (
        one.union(two).union(three), one.intersection(two), one.intersection(two).intersection(three),
        one.difference(two),
    )  # fmt: skip
    for mine, other in zip(ours, theirs, strict=True):
        assert sorted(mine.tolist()) == cells_of(other)
        assert np.all(np.diff(sky.zuniq_of(mine).astype(np.float64)) >= 0)
        assert cells.area_deg2(mine) == pytest.approx(other.sky_fraction * 129600 / np.pi, rel=1e-9)
    assert cells.area_deg2(np.concatenate([a, b])) == pytest.approx(cells.area_deg2(cells.union(a, b)), rel=1e-12)


def test_four_siblings_are_their_parent_and_twelve_base_cells_the_sky() -> None:
    assert cells.union(sky.all_cells(64)).tolist() == list(range(4, 16))
    parent = sky.uniq_of(32, 4711)
    assert cells.union(cells.divided(np.array([parent]), 3).ravel()).tolist() == [parent]
    assert cells.area_deg2(np.arange(4, 16)) == pytest.approx(129600 / np.pi)
    hole = cells.difference(np.arange(4, 16), np.array([sky.uniq_of(2**29, 0)]))
    assert hole.size == 11 + 3 * 29
    assert cells.difference(np.arange(4, 16), hole).tolist() == [sky.uniq_of(2**29, 0)]


def test_nothing_is_a_set_too() -> None:
    nothing, some = np.empty(0, np.int64), some_cells(1)
    assert cells.union().size == cells.union(nothing, nothing).size == cells.intersection().size == 0
    assert cells.intersection(some, nothing).size == cells.difference(nothing, some).size == 0
    assert cells.difference(some, nothing).tolist() == cells.union(some, nothing).tolist() == cells.union(some).tolist()
    assert cells.difference(some, some).size == 0
    assert cells.area_deg2(nothing) == 0


def test_one_cell_alone_is_a_set_too() -> None:
    one, other = np.array([sky.uniq_of(8, 100)]), np.array([sky.uniq_of(8, 101)])
    assert cells.union(one).tolist() == cells.intersection(one).tolist() == one.tolist()
    assert (
        cells.intersection(one, one).tolist() == cells.difference(one, np.empty(0, np.int64)).tolist() == one.tolist()
    )
    assert cells.intersection(one, other).size == cells.difference(one, one).size == 0


def test_numbers_without_sign_as_others_have_them_are_the_same_cells() -> None:
    fine = [4**30 + 12345, 4**30 + 12347, 4**31 - 1]  # a float has not that many digits
    unsigned = np.array(fine, np.uint64)
    assert cells.union(unsigned).tolist() == cells.union(unsigned, unsigned).tolist() == fine
    assert cells.to_ranges(unsigned).tolist() == [[12345, 12346], [12347, 12348], [12 * 4**29 - 1, 12 * 4**29]]
    assert cells.union(unsigned).dtype == cells.to_ranges(fine).dtype == np.int64


def test_children_lie_in_their_parents() -> None:
    some = some_cells(5, 20)
    for depth in (0, 1, 3):
        inside = cells.divided(some, depth)
        assert inside.shape == (20, 4**depth)
        np.testing.assert_array_equal(inside // 4**depth, np.repeat(some[:, None], 4**depth, axis=1))
        assert np.sum(sky.area_sr(inside[3])) == pytest.approx(float(sky.area_sr(some[3])))


@pytest.mark.parametrize("wrong", [0, 3, -4, 4**31])
def test_what_is_no_cell_is_named(wrong: int) -> None:
    assert cells.union(np.array([5, 59, 4**30, 4**31 - 1])).size == 4  # the first and last of an order are cells
    with pytest.raises(RequestError, match=f"{wrong} is not the number of a HEALPix cell"):
        cells.union(np.array([5, wrong]))
