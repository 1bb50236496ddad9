"""Try a cluster with one worker and a few cells, and say step by step what works."""

import platform
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skymist.cluster import config, start
from skymist.errors import SkymistError
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Fit
from skymist.model.sky import Ints
from skymist.reco.track_mpe import TrackMPE
from skymist.workflow.events import DEMO, load_event

if TYPE_CHECKING:
    from distributed import Client

CELLS: Ints = sky.all_cells(1)
VERSIONED = "skymist", "numba", "numpy", "dask", "distributed"


@dataclass(frozen=True)
class Step:
    """What was tried.

    Attributes
    ----------
    name : str
    ok : bool
    found : str
        In words.
    hint : str
        What to do about it, if it does not work.
    """

    name: str
    ok: bool
    found: str
    hint: str = ""


def check(name: str, folder: Path | None = None, wait_s: float = 300) -> Iterator[Step]:
    """Start one worker, scan twelve cells of the bundled event, and clean up.

    Parameters
    ----------
    name, folder
        See `skymist.cluster.connect`.
    wait_s : float
        How long to wait in the queue.

    Yields
    ------
    Step
        As soon as it is done.
    """
    try:
        kind = config.load(name, folder)
    except SkymistError as error:
        yield Step("configuration", False, str(error), "skymist cluster list names the files")
        return
    yield Step("configuration", True, f"{name} is of kind {type(kind).__name__.lower()}")
    tools = [_find(tool) for tool in getattr(kind, "tools", ())]
    yield from tools
    if all(tool.ok for tool in tools):
        yield from _try(kind, name, wait_s)


def _find(tool: str) -> Step:
    path = shutil.which(tool)
    hint = "" if path else "run this where jobs are submitted, or load the module that has it"
    return Step(tool, path is not None, path or "not found", hint)


def _try(kind: config.Cluster, name: str, wait_s: float) -> Iterator[Step]:
    """Start the cluster, work on it, and see that it goes."""
    if hasattr(kind, "wait_s"):
        kind = replace(kind, wait_s=wait_s)  # type: ignore[type-var]  # the protocol cannot say "dataclass"
    workers = None if config.is_address(name) else 1
    step, began = "worker", time.monotonic()
    try:
        with start(kind, name, workers) as client:
            yield Step(step, True, f"connected after {time.monotonic() - began:.1f} s")
            yield from _work(client)
            step, began = "cleaned up", time.monotonic()
    except SkymistError as error:
        yield Step(step, False, str(error), f"skymist cluster show {name} prints what was submitted")
    else:
        yield Step(step, True, f"everything is stopped, after {time.monotonic() - began:.1f} s")


def _work(client: "Client") -> Iterator[Step]:
    """Compare versions, and evaluate the cells there and here."""
    try:
        yield _compare(client.submit(_versions, pure=False).result())
        began = time.monotonic()
        event = load_event(DEMO)
        fit = client.submit(_evaluate, event, CELLS, pure=False).result()
        seconds = time.monotonic() - began
    except Exception as error:  # noqa: BLE001 (whatever a worker raises is what is asked for)
        hint = "the worker's Python needs skymist; a configuration names it with the key python, or its image"
        yield Step("scan", False, f"the worker says: {type(error).__name__}: {error}", hint)
        return
    same = np.allclose(fit.nllh, _evaluate(event, CELLS).nllh, equal_nan=True)
    found = f"{len(fit)} cells in {seconds:.1f} s, {'the same as' if same else 'other values than'} here"
    yield Step("scan", same, found, "" if same else "install the same versions on both sides")


def _versions() -> dict[str, str]:
    """Run on a worker, and here."""
    return {"python": platform.python_version(), **{name: version(name) for name in VERSIONED}}


def _compare(there: dict[str, str]) -> Step:
    here = _versions()
    differ = [f"{name} {there[name]} there, {here[name]} here" for name in here if there[name] != here[name]]
    if differ:
        return Step("versions", False, "; ".join(differ), "install the same versions on both sides")
    return Step("versions", True, "the same: " + ", ".join(f"{name} {value}" for name, value in here.items()))


def _evaluate(event: Event, cells: Ints) -> Fit:
    """Run on the worker, and here."""
    return TrackMPE()(event, sky.directions(event.detector, event.time, cells), None)
