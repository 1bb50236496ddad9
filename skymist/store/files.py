"""Write a file whole or not at all."""

import os
import tempfile
from pathlib import Path

from skymist.errors import StoreError


def write_bytes(path: Path, content: bytes) -> Path:
    """Write under a temporary name in the same folder, then rename; folders are made as needed.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
    return path
