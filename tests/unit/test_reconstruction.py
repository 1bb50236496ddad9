"""What goes into a reconstruction and what comes out: directions, fits and how they ended."""

import numpy as np
import pytest

from skymist.model.reconstruction import Directions, Fit, Status


@pytest.mark.parametrize("n", [0, 2])
def test_rows_that_failed_say_nothing_else(n: int) -> None:
    failed = Fit.failed(n)
    shapes = {name: getattr(failed, name).shape for name in Fit.LAYOUT}
    assert shapes == {"nllh": (n,), "energy_gev": (n,), "time_ns": (n,), "vertex": (n, 3), "status": (n,)}
    for values in (failed.nllh, failed.energy_gev, failed.time_ns, failed.vertex):
        assert np.isnan(values).all()
    assert failed.status.tolist() == [Status.FAILED] * n


def test_fits_are_kept_in_the_precision_of_maps() -> None:
    made = Fit([1], [1], [1], [[1, 1, 1]], [1])  # type: ignore[arg-type]
    kept = {name: getattr(made, name).dtype.str for name in Fit.LAYOUT}
    assert kept == {"nllh": "<f8", "energy_gev": "<f4", "time_ns": "<f8", "vertex": "<f4", "status": "|u1"}
    assert kept == {name: getattr(Fit.failed(1), name).dtype.str for name in Fit.LAYOUT}


def test_how_fits_ended_is_pinned() -> None:
    """Maps that were made long ago are read with these numbers."""
    assert {each.name: int(each) for each in Status} == {"OK": 0, "NOT_CONVERGED": 1, "FAILED": 2}


def test_a_direction_needs_its_unit_vector() -> None:
    with pytest.raises(ValueError, match="has shape") as error:
        Directions(np.zeros(2), np.zeros(2), np.zeros((2, 2)))
    assert str(error.value) == "Directions.origin has shape (2, 2), expected (2, 3)"
