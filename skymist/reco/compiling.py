"""Whether the compiled kernels of a file are at hand."""

from hashlib import sha256
from pathlib import Path
from struct import pack


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
    folders = source.parent / "__pycache__", Path.home() / ".cache" / "numba"
    pattern = f"{source.stem}.{function}-*.nbi"
    indices = (path.read_bytes() for folder in folders for path in folder.rglob(pattern))
    return any(stamp in index for index in indices for stamp in stamps)
