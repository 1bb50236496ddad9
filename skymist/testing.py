"""What a reconstruction must do, as checks that its author can call in a test."""

import pickle
from dataclasses import fields, is_dataclass

import numpy as np

from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Directions, Fit, Reconstruction, Status


def check_reconstruction(reco: Reconstruction, event: Event, cells: int = 6) -> None:
    """Check the contract of `Reconstruction` on one event.

    A frozen dataclass that survives pickling; deterministic; each direction independent of the others;
    the same across right ascension 0; starting from coarser fits works; what cannot be fitted is a status.

    Parameters
    ----------
    reco : Reconstruction
    event : Event
    cells : int
        Number of directions tried, spread over the sky.

    Raises
    ------
    AssertionError
        With the broken rule.
    """
    assert isinstance(reco, Reconstruction), "it has a name, a version and is callable"
    assert is_dataclass(type(reco)), "a reconstruction is a dataclass, its fields are its options"
    assert hash(reco) == hash(reco), "the dataclass is frozen"
    uniq = sky.uniq_of(8, np.linspace(0, 767, cells).astype(int))
    directions = sky.directions(event.detector, event.time, uniq)
    fit = reco(event, directions, None)
    _check_rows(fit, cells)
    again = pickle.loads(pickle.dumps(reco))  # noqa: S301 (its own, a moment old)
    assert again == reco, "a pickled copy is equal"
    _check_equal(fit, again(event, directions, None), "a pickled copy gives the same fits")
    _check_one_by_one(reco, event, directions, fit)
    _check_wrap(reco, event, directions, fit)
    finer = sky.directions(event.detector, event.time, sky.children(uniq, 16)[:, 0])
    warm = reco(event, finer, fit)
    _check_rows(warm, cells)
    _check_one_by_one(reco, event, finer, warm, fit)
    _check_rows(reco(event, finer, Fit.failed(cells)), cells)
    _check_rows(reco(event, directions[:0], None), 0)


def _check_rows(fit: Fit, n: int) -> None:
    assert len(fit) == n, "one row a direction"
    assert np.isin(fit.status, list(Status)).all(), "every status is known"
    failed = fit.status == Status.FAILED
    assert (np.isnan(fit.nllh) == failed).all(), "nllh is NaN where the fit failed, and only there"
    assert not np.isinf(fit.nllh).any(), "nllh is finite or NaN"


def _check_equal(one: Fit, other: Fit, rule: str) -> None:
    for item in fields(one):
        same = np.array_equal(getattr(one, item.name), getattr(other, item.name), equal_nan=True)
        assert same, f"{rule}; {item.name} differs"


def _check_one_by_one(
    reco: Reconstruction, event: Event, directions: Directions, fit: Fit, start: Fit | None = None
) -> None:
    for k in range(len(directions)):
        row = slice(k, k + 1)
        single = reco(event, directions[row], None if start is None else start[row])
        _check_equal(fit[row], single, "a batch equals its directions one by one")


def _check_wrap(reco: Reconstruction, event: Event, directions: Directions, fit: Fit) -> None:
    around = Directions(directions.ra + 2 * np.pi, directions.dec, directions.origin)
    wrapped = reco(event, around, None)
    assert np.allclose(wrapped.nllh, fit.nllh, rtol=1e-9, atol=1e-6, equal_nan=True), "right ascension wraps"
