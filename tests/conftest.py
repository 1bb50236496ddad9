"""What all tests share."""

import os
from pathlib import Path

import dask
import pytest
from hypothesis import settings

from skymist.reco.compiling import kernels

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real events and reference results, which is not part of the project.

    Without it the test is skipped; where SKYMIST_REQUIRE_SHARED is set (CI), it fails instead.
    """
    if not SHARED.is_dir():
        reason = "needs the reference data in ../shared/data"
        if os.environ.get("SKYMIST_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED


def pytest_configure() -> None:
    """Have kernels compiled elsewhere, as they are in use: the search for doctests imports all modules as they are.

    Schedulers that tests start by themselves do without Dask's profiler, for the reason in `skymist.cluster.start`.
    Examples are the same in each run.
    """
    dask.config.set({"distributed.worker.profile.enabled": False})
    settings.register_profile("repeatable", derandomize=True)
    settings.load_profile("repeatable")
    for name in ("kernels", "cascade_kernels", "cascade_pair_kernels", "losses_kernels"):
        kernels(f"skymist.reco.{name}")
