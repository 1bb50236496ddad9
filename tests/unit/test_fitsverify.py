"""What NASA's fitsverify says of our FITS files: nothing."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from maps import of_cells, random_map

from skymist.model import sky
from skymist.model.region import region
from skymist.store.fits import write_flat, write_multiorder
from skymist.store.moc import write_moc

ORIGIN = {"software": "skymist 0.1.0", "created": "2026-01-02T03:04:05+00:00"}
LONG = {f"option_{i}": "it's " * 6 for i in range(10)}
CARDS = {"ALERT-STREAM": "GOLD", "SIGNALNESS": 0.5, "LONGTEXT": "a text of more than one card " * 5, "n": np.int64(3)}


@pytest.fixture(scope="module")
def verify() -> Callable[[Path], str]:
    """Return what fitsverify says of a file; skipped without it, but where SKYMIST_REQUIRE_SHARED is set (CI)."""
    program = shutil.which("fitsverify")
    if program is None:
        reason = "needs the program fitsverify: apt-get install fitsverify"
        if os.environ.get("SKYMIST_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return lambda path: subprocess.run([program, path], capture_output=True, text=True, check=False).stdout


def data_of(seed: int, **changes: Any) -> xr.Dataset:
    return random_map(seed, finest=128).assign_attrs(**ORIGIN, **changes)


def is_clean(said: str) -> None:
    assert re.search(r"Verification found 0 warning\(s\) and 0 error\(s\)", said), said


@pytest.mark.parametrize("write", [write_multiorder, write_flat])
@pytest.mark.parametrize("seed", [0, 3])
def test_maps_are_clean(verify: Callable[[Path], str], write: Any, seed: int, tmp_path: Path) -> None:
    is_clean(verify(write(data_of(seed), tmp_path / "map.fits", calibration="wilks")))
    reconstruction = {"name": "x", "version": "1", "options": LONG}
    long = data_of(seed, reconstruction=reconstruction)
    is_clean(verify(write(long, tmp_path / "map.fits.gz", calibration="wilks", header=CARDS)))


def test_maps_of_part_of_the_sky_and_with_failed_cells_are_clean(verify: Callable[[Path], str], tmp_path: Path) -> None:
    data = data_of(1)
    data = data.assign(nllh=data["nllh"].where(data["uniq"] % 11 > 0)).isel(cell=slice(100, None))
    is_clean(verify(write_multiorder(data, tmp_path / "map.fits")))
    is_clean(verify(write_flat(data, tmp_path / "flat.fits", 32)))


@pytest.mark.parametrize("cells", [sky.all_cells(1), np.empty(0, np.int64), region(random_map(2), 0.9).cells])
def test_coverage_maps_are_clean(verify: Callable[[Path], str], cells: np.ndarray, tmp_path: Path) -> None:
    is_clean(verify(write_moc(cells, tmp_path / "moc.fits", {"OBJECT": "1_2", "CONTAINMENT": 0.9, **CARDS})))


def test_the_program_finds_what_is_wrong(verify: Callable[[Path], str], tmp_path: Path) -> None:
    data = of_cells(sky.all_cells(2), np.arange(48) / 10).assign_attrs(ORIGIN)
    path = write_multiorder(data, tmp_path / "map.fits", "wilks")
    path.write_bytes(path.read_bytes().replace(b"TFIELDS =                    2", b"TFIELDS =                    3"))
    assert not re.search("and 0 error", verify(path))
