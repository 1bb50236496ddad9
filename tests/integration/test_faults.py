"""Each fault of the benchmark, a few times: whatever dies, the map is complete and equal, and nothing is done twice."""

import os
import subprocess

import faults
import numpy as np
import pytest

from skymist import cluster
from skymist.model import sky
from skymist.model.reconstruction import Status
from skymist.model.request import ScanRequest, parse_levels
from skymist.model.rows import MemoryRows
from skymist.reco.bowl import Bowl
from skymist.scan.progress import Stage
from skymist.scan.run import Pace, run
from skymist.workflow.events import load_event

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

RUNS = int(os.environ.get("SKYMIST_FAULTS", "1"))


def may_mount() -> bool:
    """Whether this process may make namespaces and mounts, as root in CI does."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


@pytest.mark.parametrize("fault", faults.FAULTS)
def test_the_map_is_complete_and_equal(fault: str) -> None:
    if fault in ("store", "network") and not may_mount():
        pytest.skip("needs the right to mount and to make network namespaces")
    for found in faults.runs(fault, RUNS, 1):
        assert found.equal, found.notes
        assert found.again == 0
        assert "Traceback" not in found.notes


HANGING = [100, 200, 201, 250]


class Hanging(Bowl):
    """A bowl in which some cells take for ever, in a loop that nothing can stop but the end of its process."""

    def __call__(self, event, directions, start):  # type: ignore[no-untyped-def]
        while np.isin(sky.cell_at(4, directions.ra, directions.dec), HANGING).any():
            pass
        return super().__call__(event, directions, start)


@pytest.mark.timeout(280)  # less than the time for compiling, which no such cell may take
def test_workers_with_cells_that_hang_are_replaced() -> None:
    event, rows = load_event("demo"), MemoryRows()
    request = ScanRequest(event.digest, "bowl", "1", levels=parse_levels("4:0,16:6"))
    with cluster.connect("local-processes", 2) as client:
        before = set(client.run(os.getpid).values())
        steps = list(run(request, event, Hanging(), client, rows, Pace(cell_limit=3.0)))
        client.wait_for_workers(2, timeout=120)
        after = set(client.run(os.getpid).values())
    assert steps[-1].stage is Stage.COMPLETE
    assert sorted(rows.uniq[rows.fit.status == Status.FAILED].tolist()) == HANGING
    assert np.unique(rows.uniq).size == rows.uniq.size == 288
    assert len(after) == 2
    assert after != before
