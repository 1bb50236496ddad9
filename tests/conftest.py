"""What all tests share."""

import os
from pathlib import Path

import pytest

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
