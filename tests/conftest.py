"""What all tests share."""

import importlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import dask
import pytest
from hypothesis import Phase, settings

from skymist.reco.compiling import kernels
from skymist.records import Database

SHARED = Path(__file__).parents[2] / "shared" / "data"
MUTMUT = Path(__file__).parents[1] / "mutmut-stats.json"
"""Where mutmut, which runs a copy of the tests, keeps how long each took."""


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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL server."""
    import postgres

    with postgres.running() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind."""
    import postgres

    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/records.sqlite"
    return str(postgres.create(request.getfixturevalue("postgresql")))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database of each kind, with its tables."""
    found = Database(database_url)
    found.upgrade()
    yield found
    found.close()


def pytest_configure(config: pytest.Config) -> None:
    """Have kernels compiled elsewhere, as they are in use: the search for doctests imports all modules as they are.

    Schedulers that tests start by themselves do without Dask's profiler, for the reason in `skymist.cluster.start`.
    Examples are the same in each run. Where faults are put in on purpose (`make mutants`), none is made simpler, and
    what takes long to import is there before a process for each fault begins.
    """
    dask.config.set({"distributed.worker.profile.enabled": False})
    settings.register_profile("repeatable", derandomize=True)
    settings.register_profile("mutants", derandomize=True, phases=(Phase.explicit, Phase.generate))
    settings.load_profile(config.getoption("--hypothesis-profile") or "repeatable")
    if config.getoption("--hypothesis-profile") == "mutants":
        for name in ("astropy.modeling", "dask.array", "scipy.optimize", "scipy.stats"):
            importlib.import_module(name)
    for name in ("kernels", "cascade_kernels", "cascade_pair_kernels", "losses_kernels"):
        kernels(f"skymist.reco.{name}")


def likely_ones(items: list[pytest.Item], mutant: str) -> list[pytest.Item]:
    """Return the tests of the module with a fault, then others, quick ones first, as far as all take half a minute.

    What notices a fault is mostly quick, and a fault of what everything is made of would take minutes otherwise.
    """
    own = f"test_{mutant.split('.')[-2]}"
    known = json.loads(MUTMUT.read_text())["duration_by_test"]
    order = sorted((item.path.stem != own, known.get(item.nodeid, 0.0), at) for at, item in enumerate(items))
    together = accumulate(seconds for _, seconds, _ in order)
    return [items[at] for (other, _, at), time in zip(order, together, strict=True) if not other or time < 30]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test an id of its own: of several with the same one, pytest-xdist runs one, and says nothing.

    With pytest 9.2, schemathesis has all operations of a test under one id.
    """
    for item in items:
        if item.name not in item.nodeid:
            head, _, _ = item.nodeid.rpartition("::")
            setattr(item, "_id", type(item._id).parse(f"{head}::{item.name}"))  # noqa: B010 (it is the library's)
    twice = [nodeid for nodeid, count in Counter(item.nodeid for item in items).items() if count > 1]
    if twice:
        raise pytest.UsageError(f"several tests are called {twice[0]}")
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if "__mutmut_" in mutant:
        items[:] = likely_ones(items, mutant)
