"""One event to a map: what follows when the scheduler is lost."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from skymist.errors import SchedulerLostError
from skymist.scan.progress import Progress, Stage
from skymist.workflow import scan

READY = Progress(Stage.READY, None, (), 0.0, 0.0, 0.0, None, (), None, 2, 2)


class Schedulers:
    """Of each in turn, what is seen before it dies; the last one lives."""

    def __init__(self, *lives: list[Progress]) -> None:
        self.lives = list(lives)

    def begin(self, client: Any) -> Iterator[Progress]:
        yield from self.lives.pop(0)
        if self.lives:
            raise SchedulerLostError("the Dask scheduler was lost")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def test_a_scheduler_lost_before_the_first_progress_is_told_and_replaced() -> None:
    waits: list[str] = []
    steps = scan._steps(nullcontext, Schedulers([], [READY]).begin, waits.append)
    assert list(steps) == [READY]
    assert waits == ["the Dask scheduler was lost; looking for another"]


def test_a_scheduler_lost_later_is_a_stage() -> None:
    steps = list(scan._steps(nullcontext, Schedulers([READY], [READY]).begin, pytest.fail))
    assert [step.stage for step in steps] == [Stage.READY, Stage.NO_SCHEDULER, Stage.READY]
    assert steps[1].trouble == "the Dask scheduler was lost; looking for another"


def test_one_that_never_was_there_is_an_error() -> None:
    def connect() -> Any:
        raise SchedulerLostError("no scheduler answers at tcp://127.0.0.1:9")

    with pytest.raises(SchedulerLostError, match="no scheduler answers"):
        list(scan._steps(connect, Schedulers([READY]).begin, pytest.fail))
