"""Columns: equal-length arrays that are checked, cut and joined together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Columns:
    """Base of tables: a frozen dataclass whose fields are arrays with one row for each thing.

    `LAYOUT` gives for each field its type and the shape of one row. Values are converted to it, so
    that equal content has equal bytes, whoever made it.

    Raises
    ------
    ValueError
        If a field has another shape, or not as many rows as the first.
    """

    LAYOUT: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    def __post_init__(self) -> None:
        for name, (dtype, *_) in self.LAYOUT.items():
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=dtype))
        for name, (_, *row) in self.LAYOUT.items():
            shape, expected = getattr(self, name).shape, (len(self), *row)
            if shape != expected:
                raise ValueError(f"{type(self).__name__}.{name} has shape {shape}, expected {expected}")

    def __len__(self) -> int:
        first = next(iter(self.LAYOUT))
        return len(getattr(self, first))

    def __getitem__(self, rows: NDArray[Any] | slice) -> Self:
        """Return the selected rows (a slice, mask or index array)."""
        return type(self)(*(getattr(self, name)[rows] for name in self.LAYOUT))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of all parts, one after the other.

        Parameters
        ----------
        parts : sequence
            Of this class, each with any number of rows.
        """
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.LAYOUT))

    def tobytes(self) -> bytes:
        """Return the content, for digests."""
        return b"".join(getattr(self, name).tobytes() for name in self.LAYOUT)
