"""Columns: checked, cut and joined together."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from skymist.model.columns import Columns


@dataclass(frozen=True, eq=False)
class Hits(Columns):
    """A number and a place each."""

    number: NDArray[np.int16]
    place: NDArray[np.float32]

    LAYOUT: ClassVar = {"number": ("<i2",), "place": ("<f4", 2)}


def hits(*numbers: int) -> Hits:
    return Hits(np.array(numbers), np.outer(numbers, [1.5, 2.5]))  # type: ignore[arg-type]


def test_values_are_converted_to_the_layout() -> None:
    wide = np.arange(8.0).reshape(2, 4)
    made = Hits([3, 4], wide[:, ::2])  # type: ignore[arg-type]
    assert (made.number.dtype, made.number.tolist()) == (np.dtype("<i2"), [3, 4])
    assert (made.place.dtype, made.place.tolist()) == (np.dtype("<f4"), [[0.0, 2.0], [4.0, 6.0]])
    assert made.place.flags["C_CONTIGUOUS"]
    assert len(made) == 2


@pytest.mark.parametrize(
    ("number", "place", "message"),
    [
        (np.zeros(2), np.zeros((3, 2)), "Hits.place has shape (3, 2), expected (2, 2)"),
        (np.zeros(2), np.zeros((2, 3)), "Hits.place has shape (2, 3), expected (2, 2)"),
        (np.zeros(2), np.zeros(2), "Hits.place has shape (2,), expected (2, 2)"),
        (np.zeros((2, 1)), np.zeros((2, 2)), "Hits.number has shape (2, 1), expected (2,)"),
    ],
)
def test_other_shapes_are_refused(number: np.ndarray, place: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match="has shape") as error:
        Hits(number, place)
    assert str(error.value) == message


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([False, True, True]), np.array([1, 2])])
def test_rows_are_cut_from_all_columns(rows: slice | np.ndarray) -> None:
    cut = hits(4, 5, 6)[rows]
    assert type(cut) is Hits
    assert (cut.number.tolist(), cut.place.tolist()) == ([5, 6], [[7.5, 12.5], [9.0, 15.0]])


def test_parts_are_joined_in_their_order() -> None:
    whole = Hits.concatenate([hits(6), hits(), hits(4, 5)])
    assert type(whole) is Hits
    assert whole.number.tolist() == [6, 4, 5]
    assert whole.place.tolist() == hits(6, 4, 5).place.tolist()


def test_the_content_is_the_bytes_of_all_columns() -> None:
    assert hits(1, 2).tobytes() == bytes.fromhex("0100 0200 0000c03f 00002040 00004040 0000a040")
