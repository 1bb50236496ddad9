"""Match a sky map with catalogs."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import xarray as xr

from skymist.crossmatch.catalog import SourceCatalog, describe, descriptions
from skymist.crossmatch.chance import of_trials
from skymist.crossmatch.fetch import load_catalog, versions
from skymist.crossmatch.match import match, prepare
from skymist.model.region import DEFAULT_CALIBRATION
from skymist.workflow.plain import plain


def own_cache() -> Path:
    """Return where a user's fetched catalogs are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "skymist", "catalogs")


def own_catalogs() -> Path:
    """Return where a user's own descriptions of catalogs are."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "skymist", "catalogs")


def at_hand() -> list[str]:
    """Return the names of catalogs that can be matched without a network."""
    names = descriptions(own_catalogs())
    return [name for name in names if describe(name, own_catalogs()).table is None or versions(name, own_cache())]


def match_map(
    skymap: xr.Dataset, catalogs: Sequence[str | Path | SourceCatalog], calibration: str = DEFAULT_CALIBRATION
) -> dict[str, Any]:
    """Return the sources of catalogs in the region of a map, as JSON-like values.

    Returns
    -------
    dict
        ``matches``: by catalog, see `skymist.crossmatch.match.Matches.to_dict`; ``trials``: how many catalogs there
        were, and the probability ``p_best`` that the best of all their sources is as good by chance.

    Raises
    ------
    UnknownNameError
        If there is no such catalog or calibration.
    """
    prepared = prepare(skymap, calibration)
    found = [match(prepared, each if isinstance(each, SourceCatalog) else load(each)) for each in catalogs]
    chances = [each.chance.p_best for each in found if len(each.catalog.names)]
    trials = {"catalogs": len(found), "p_best": of_trials(chances)}
    return dict(plain({"matches": [each.to_dict() for each in found], "trials": trials}))


def load(which: str | Path) -> SourceCatalog:
    """Return a catalog by name or description; one that was read is kept in memory while its files are the same."""
    path = describe(which, own_catalogs()).path
    fetched = own_cache() / path.stem
    stamp = tuple(each.stat().st_mtime_ns for each in (path, path.parent, fetched) if each.exists())
    return _load(str(which), stamp)


@lru_cache(maxsize=16)
def _load(which: str, stamp: tuple[int, ...]) -> SourceCatalog:  # noqa: ARG001 (it is what the memory is of)
    return load_catalog(which, own_cache(), own_catalogs())
