"""Progress on standard error: a bar on a terminal, elsewhere (the log of a batch job) a line now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from skymist.cli.text import note, notes

if TYPE_CHECKING:
    from skymist.scan.progress import BestSoFar
    from skymist.scan.progress import Progress as Step

LOG_SECONDS = 60.0
"""Between two lines where there is no terminal."""


@contextmanager
def of_scan() -> "Iterator[Callable[[Step], None]]":
    """Show how far a scan is; yields what takes each step of it. What is in its way is told once."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[more]}"),
    )
    began = time.monotonic()
    last, trouble = began, None
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task("starting workers", total=None, more="")

        def show(step: "Step") -> None:
            nonlocal last, trouble
            level = f"nside {step.nside}" if step.nside else "workers are ready"
            bar.update(task, description=level, completed=step.done, total=step.total, more=_more(step))
            if step.trouble != trouble:
                note(step.trouble or "going on", "waiting:" if step.trouble else "")
                trouble = step.trouble
            if not notes.is_terminal and time.monotonic() > last + LOG_SECONDS:
                note(f"{level}: {step.done:,} of {step.total:,} cells · {_more(step)}")
                last = time.monotonic()

        yield show


@contextmanager
def of_count(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the expected end; yields what takes how many are done, and of how many."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True)
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task("starting workers", total=None)
        yield lambda done, total: bar.update(task, description=what, completed=done, total=total)


@contextmanager
def of_steps(what: str) -> Iterator[Callable[[str, int], None]]:
    """Show what is done at present; yields what takes that, and how many are done."""
    columns = TextColumn("{task.description}"), TextColumn("{task.completed}"), TextColumn("{task.fields[now]}")
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task(what, total=None, now="")
        yield lambda now, done: bar.update(task, completed=done, now=now)


def _more(step: "Step") -> str:
    """Return rate, time left, workers and what was found so far."""
    left = "" if step.eta is None else f"{timedelta(seconds=round(step.eta))} left"
    parts = [f"{step.rate:,.3g} cells/s", left, _plural(step.threads, "thread"), _best(step.best)]
    return " · ".join(part for part in parts if part)


def _best(best: "BestSoFar | None") -> str:
    return "" if best is None else f"{best.ra:.1f}° {best.dec:+.1f}°, 90 %: {best.area_90_deg2:,.3g} deg²"


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
