"""Effort: what reconstructions report is counted for whoever listens, and for nobody else."""

import threading

import numpy as np

from skymist.model.effort import converged, counting


def test_rounds_that_were_not_enough_are_negative() -> None:
    found = converged(np.array([1, 30, -30, 0]))
    assert (found.tolist(), found.dtype) == ([True, True, False, False], np.bool_)
    assert converged(np.array([], np.int64)).tolist() == []


def test_iterations_are_those_of_the_last_descent_and_evaluations_of_all() -> None:
    with counting() as effort:
        assert (effort.iterations, effort.evaluations) == (0, 0)
        converged(np.array([9, 3]))
        converged(np.array([-4, 2]))
        converged(np.array([], np.int64))
    assert (effort.iterations, effort.evaluations) == (4, 18)
    assert {type(effort.iterations), type(effort.evaluations)} == {int}
    converged(np.array([5]))
    assert effort.evaluations == 18


def test_who_listens_inside_hears_alone() -> None:
    with counting() as outer:
        with counting() as inner:
            converged(np.array([5]))
        converged(np.array([2]))
    assert (inner.evaluations, outer.evaluations) == (5, 2)


def test_other_threads_are_not_heard() -> None:
    with counting() as effort:
        other = threading.Thread(target=converged, args=(np.array([5]),))
        other.start()
        other.join()
    assert effort.evaluations == 0
