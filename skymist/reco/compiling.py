"""Compiled kernels: whether they are at hand, and how they come to be."""

import os
import subprocess
import sys
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from struct import pack
from threading import Lock
from typing import Any

_lock = Lock()


def kernels(module: str) -> Any:
    """Import a module whose function ``descend`` is compiled on import and kept on disk.

    Where it is not kept yet, another process compiles it first. Code that this process has just compiled may round
    differently from the same code loaded from disk, since LLVM then has several copies of inner functions to choose
    from, and far from its minimum a fit may end elsewhere for that: everybody shall run what is on disk.
    """
    with _lock:
        return _kernels(module)


@cache
def _kernels(module: str) -> Any:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    if not is_compiled(Path(spec.origin), "descend"):
        subprocess.run([sys.executable, "-c", f"import {module}"], check=False, capture_output=True)
    return import_module(module)


def is_compiled(source: Path, function: str) -> bool:
    """Tell, without importing Numba, whether its cache holds a function of a file, so that nothing is compiled.

    An index of the cache names the source it is of by hash or, in older versions, by modification time.

    Parameters
    ----------
    source : Path
        The file of the kernels.
    function : str
        One that is compiled on import and kept on disk.
    """
    digest = sha256(source.read_bytes())
    stamps = digest.digest(), digest.hexdigest().encode(), pack(">d", source.stat().st_mtime)
    elsewhere = os.environ.get("NUMBA_CACHE_DIR")
    folders = (Path(elsewhere),) if elsewhere else (source.parent / "__pycache__", Path.home() / ".cache" / "numba")
    pattern = f"{source.stem}.{function}-*.nbi"
    indices = (path.read_bytes() for folder in folders for path in folder.rglob(pattern))
    return any(stamp in index for index in indices for stamp in stamps)
