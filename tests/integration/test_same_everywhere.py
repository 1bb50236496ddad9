"""A scan gives the same map, bit for bit, on threads of this process and on worker processes."""

from pathlib import Path

import numpy as np
import pytest

from skymist.model.request import parse_levels
from skymist.workflow.events import load_event
from skymist.workflow.scan import load_reconstruction, scan_event

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("name", "levels"), [("track-mpe", "4:0,16:24,64:24"), ("cascade", "4:0,16:12"), ("track-losses", "2:0,8:4")]
)
def test_on_threads_and_on_processes(name: str, levels: str, tmp_path: Path) -> None:
    """Libraries use one thread in worker processes and several here; nothing may depend on that."""
    maps = [
        scan_event(
            load_event("demo"),
            load_reconstruction(name, {}),
            parse_levels(levels),
            out=tmp_path / where,
            cluster_name=where,
            workers=2,
        )
        for where in ("local", "local-processes")
    ]
    here, there = (data.isel(cell=np.argsort(data["uniq"].to_numpy())).drop_attrs() for data in maps)
    assert here.identical(there)
    assert not np.isnan(here["nllh"]).all()
