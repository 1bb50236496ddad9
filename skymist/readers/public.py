"""Fetch public real events, checked by their hash, into a cache.

They are the test data of icecube/skymap_scanner (MIT), of one commit.
"""

import hashlib
from pathlib import Path

from skymist.errors import ReadError, UnknownNameError

_URL = (
    "https://raw.githubusercontent.com/icecube/skymap_scanner/"
    "f668802696b26ebb5e0849f3cc1146ddbdf05f5f/tests/data/realtime_events/"
)
_EVENTS = {
    "127907/20178442": (
        "hese_event_01.json",
        "60f6c135f9f3a057b0ad5ab2ced7c9c9e4865ae6e7c3887b5608491217db65f6",
    ),
    "130322/1414689": (
        "event_HESE_2017-11-28.json",
        "9ce2f3c32a0c04233bc673118ca6b48b82d71c93dd87c0510044311528785579",
    ),
    "136766/7637140": (
        "run00136766-evt000007637140-GOLD.pkl",
        "590f07f78835b4467dcb3e60794bc72fa5c7f8ecf1acf73bfeedcf0bc4e67d87",
    ),
    "138632/31747601": (
        "138632_31747601.json",
        "debeb54fd0370ba7e7e2fb91f9bd9f5d98717d70bd1af4485f35b13431417696",
    ),
}
_ALIASES = {"IC220624A": "136766/7637140", "IceCube-220624A": "136766/7637140"}


def known_events() -> tuple[str, ...]:
    """Return the names that `fetch` knows: ``RUN/EVENT``, and the alert's name where it has one."""
    return tuple(sorted([*_EVENTS, *_ALIASES]))


def fetch(name: str, mirror: Path | None = None) -> Path:
    """Return a local file with a public real event.

    Parameters
    ----------
    name : str
        One of `known_events`.
    mirror : Path, optional
        A folder that is searched for the file before the cache and the network are.

    Raises
    ------
    UnknownNameError
        If no event has that name.
    ReadError
        If the file cannot be had, or is not the one that it should be.
    """
    name = _ALIASES.get(name, name)
    if name not in _EVENTS:
        raise UnknownNameError("event", name, known_events())
    file, sha256 = _EVENTS[name]
    if mirror is not None and (mirror / file).is_file():
        return _verified(mirror / file, sha256)
    return _download(file, sha256)


def _verified(path: Path, sha256: str) -> Path:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ReadError(f"cannot be opened: {error}", str(path)) from error
    if found != sha256:
        raise ReadError(f"not the published file: SHA-256 {found} instead of {sha256}", str(path))
    return path


def _download(file: str, sha256: str) -> Path:
    import pooch

    try:
        path = pooch.retrieve(_URL + file, f"sha256:{sha256}", file, pooch.os_cache("skymist"))
    except (OSError, ValueError) as error:
        why = type(error).__name__ if isinstance(error, OSError) else str(error)
        advice = f"go online once, or put {file} into a folder and name it as the mirror"
        raise ReadError(f"cannot be downloaded ({why}); {advice}", _URL + file) from error
    return Path(path)
