"""The machine: Python and packages, plug-ins, room, clusters, and whether a few cells come out right."""

import os
import platform
import shutil
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from skymist import plugins
from skymist.cluster import config
from skymist.errors import SkymistError
from skymist.model import sky
from skymist.reco.track_mpe import TrackMPE
from skymist.workflow.doctor.finding import BAD, LATER, OK, Finding, tried
from skymist.workflow.events import DEMO, load_event

ROOM_GB = 1.0
"""With less than that, scans will soon have to wait for room."""
NOT_FOR_USERS = "dev", "servers", "docs"
"""Extras for who works on skymist."""
NSIDE, NEAR_DEG = 4, 20.0
"""Such cells are 15 degrees wide: the truth lies within the best one or beside it."""


def of_installation(clusters: Path | None, out: Path) -> Iterator[Finding]:
    """Look at this machine.

    Parameters
    ----------
    clusters : Path or None
        Folder of own cluster configurations.
    out : Path
        Where maps are to go.

    Yields
    ------
    Finding
        As soon as it is known.
    """
    yield _python()
    yield from _packages()
    yield from _plugins()
    yield tried("room", "maps", "--out names another place", lambda: room(out))
    yield from _clusters(clusters)
    yield tried("computing", "track-mpe", "the message says what is in the way", _cells)


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    wanted = SpecifierSet(metadata("skymist")["Requires-Python"])
    if platform.python_version() in wanted:
        return Finding("installation", "Python", OK, found)
    return Finding("installation", "Python", BAD, found, f"skymist needs {wanted}: use another Python")


def _packages() -> Iterator[Finding]:
    """Look at what skymist needs always, then at what it needs for each of its extras."""
    needed = [Requirement(text) for text in requires("skymist") or ()]
    always = [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    yield _of_packages("skymist", always, BAD, "pip install --upgrade skymist")
    for extra in metadata("skymist").get_all("Provides-Extra") or ():
        if extra in NOT_FOR_USERS:
            continue
        more = [each for each in needed if each not in always and _belongs(each, extra)]
        yield _of_packages(f"skymist[{extra}]", more, LATER, f"pip install 'skymist[{extra}]'")


def _belongs(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})


def _of_packages(name: str, needed: Iterable[Requirement], state: str, hint: str) -> Finding:
    wrong = [words for each in needed if (words := _lack(each))]
    if wrong:
        return Finding("installation", name, state, ", ".join(wrong), hint)
    return Finding("installation", name, OK, version("skymist") if name == "skymist" else "installed")


def _lack(needed: Requirement) -> str:
    """Return in words what is wrong with a package; empty if nothing is."""
    try:
        found = version(needed.name)
    except PackageNotFoundError:
        return f"{needed.name} is not installed"
    right = needed.specifier.contains(found, prereleases=True)
    return "" if right else f"{needed.name} is {found}, needed is {needed.specifier}"


def _plugins() -> Iterator[Finding]:
    """Load all that is registered: a plug-in that cannot be imported would be missed only when it is asked for."""
    for group in (plugins.RECONSTRUCTIONS, plugins.READERS):
        names, wrong = plugins.names(group), False
        for name in names:
            try:
                plugins.load(group, name)
            except SkymistError as trouble:
                wrong = True
                yield Finding("plug-ins", name, BAD, str(trouble), "install it again, or pip uninstall its package")
        if not wrong:
            yield Finding("plug-ins", group.removeprefix("skymist."), OK, ", ".join(names))


def room(out: Path, part: str = "room") -> Finding:
    """Look whether maps can be written where they are to go, and for how long; `part` is that of the finding."""
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free / 1e9
    hint = "--out, or the setting out, names another place"
    if not (there.is_dir() and os.access(there, os.W_OK)):
        return Finding(part, "maps", BAD, f"{there} cannot be written", hint)
    state = BAD if free < ROOM_GB else OK
    return Finding(part, "maps", state, f"{out}: {free:,.1f} GB are free", hint if state == BAD else "")


def _clusters(folder: Path | None) -> Iterator[Finding]:
    """Read all configurations, and look for the tools that they need."""
    for name, file in sorted(config.files(folder).items()):
        own = file.parent != config.shipped()
        try:
            kind = config.load(name, folder)
        except SkymistError as trouble:
            yield Finding(
                "clusters", name, BAD, str(trouble), f"mend {file}" if own else "pip install --upgrade skymist"
            )
            continue
        missing = [tool for tool in getattr(kind, "tools", ()) if not shutil.which(tool)]
        words = f"{'own, ' if own else ''}kind {type(kind).__name__.lower()}"
        if missing:
            hint = "log in where jobs are submitted, or load the module that has it"
            yield Finding("clusters", name, LATER, f"{words}; not found: {', '.join(missing)}", hint)
        else:
            yield Finding("clusters", name, OK, words, f"skymist cluster check {name} tries it")


def _cells() -> Finding:
    """Fit the bundled event in all cells of nside 4, and see whether the best one is near the truth."""
    event = load_event(DEMO)
    began = time.perf_counter()
    directions = sky.directions(event.detector, event.time, sky.all_cells(NSIDE))
    fits = TrackMPE()(event, directions, None)
    took = time.perf_counter() - began
    assert event.truth is not None  # it was simulated
    truth = sky.unit(np.array([event.truth.azimuth]), np.pi / 2 - np.array([event.truth.zenith]))[0]
    away = float(np.degrees(np.arccos(directions.origin[np.nanargmin(fits.nllh)] @ truth)))
    words = f"{len(fits)} cells in {took:.1f} s, the best one {away:.0f} degrees from the truth"
    if away < NEAR_DEG:
        return Finding("computing", "track-mpe", OK, words)
    hint = "pip install --force-reinstall skymist numba numpy, and empty the folder NUMBA_CACHE_DIR if it is set"
    return Finding("computing", "track-mpe", BAD, words, hint)
