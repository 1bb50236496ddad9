"""Rows of a scan in memory: they come in in any order, and go out by their cell."""

import numpy as np
import pytest

from skymist.model.reconstruction import Fit
from skymist.model.rows import MemoryRows


def fits(*nllh: float) -> Fit:
    """Fits that are told apart by their likelihood."""
    n = len(nllh)
    return Fit(np.array(nllh), np.ones(n, "<f4"), np.zeros(n), np.zeros((n, 3), "<f4"), np.zeros(n, "u1"))


def test_rows_begin_with_none() -> None:
    rows = MemoryRows()
    assert (rows.uniq.shape, rows.uniq.dtype, len(rows.fit), rows.trouble) == ((0,), np.int64, 0, None)


def test_rows_are_kept_in_the_order_in_which_they_came_in() -> None:
    rows = MemoryRows(np.array([9, 4]), fits(0.9, 0.4))
    rows.append(np.array([7], np.int32), fits(0.7))
    rows.append(np.array([5, 6]), fits(0.5, 0.6))
    for _ in range(2):  # joined at the first look, and the same at the next
        assert (rows.uniq.tolist(), rows.uniq.dtype) == ([9, 4, 7, 5, 6], np.int64)
        assert rows.fit.nllh.tolist() == [0.9, 0.4, 0.7, 0.5, 0.6]
    rows.append([8], fits(0.8))  # type: ignore[arg-type]
    assert rows.uniq.tolist()[-2:] == [6, 8]


def test_a_single_append_of_other_integers_gives_cells_all_the_same() -> None:
    rows = MemoryRows()
    rows.append(np.array([7.0]), fits(0.7))  # type: ignore[arg-type]
    assert rows.uniq.dtype == np.int64


@pytest.mark.parametrize("asked", [[5, 9], [9, 5], [7], [], [4, 5, 6, 7, 9]])
def test_rows_that_are_taken_come_in_the_order_asked_for_and_are_gone(asked: list[int]) -> None:
    kept = [9, 4, 7, 5, 6]
    rows = MemoryRows(np.array(kept[:3]), fits(0.9, 0.4, 0.7))
    rows.append(np.array(kept[3:]), fits(0.5, 0.6))
    taken = rows.take(np.array(asked, np.int64))
    assert taken.nllh.tolist() == [cell / 10 for cell in asked]
    left = [cell for cell in kept if cell not in asked]
    assert rows.uniq.tolist() == left
    assert rows.fit.nllh.tolist() == [cell / 10 for cell in left]


def test_what_was_taken_can_be_added_again() -> None:
    rows = MemoryRows(np.array([9, 4]), fits(0.9, 0.4))
    rows.append(np.array([9]), rows.take(np.array([9])))
    assert (rows.uniq.tolist(), rows.fit.nllh.tolist()) == ([4, 9], [0.4, 0.9])


def test_costs_are_not_kept() -> None:
    rows = MemoryRows()
    rows.note(np.array([4]), np.ones(1), np.ones(1, np.int64), np.ones(1, np.int64), "worker")
    assert (rows.uniq.size, len(rows.fit)) == (0, 0)
