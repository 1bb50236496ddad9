"""The example of the tutorial, installed as a package of its own: what a plug-in can count on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skymist import plugins, simulate_event
from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.reconstruction import Reconstruction
from skymist.testing import check_coverage, check_reconstruction

NAME = "tutorial-line"


@pytest.fixture(scope="module")
def reco() -> Reconstruction:
    """The plug-in as skymist finds it; without it the test is skipped, or fails where SKYMIST_REQUIRE_PLUGIN is set."""
    if NAME not in plugins.names(plugins.RECONSTRUCTIONS):
        reason = "needs the example plug-in: make .venv/dev installs it"
        if os.environ.get("SKYMIST_REQUIRE_PLUGIN"):
            pytest.fail(reason)
        pytest.skip(reason)
    made: Reconstruction = plugins.configure(plugins.load(plugins.RECONSTRUCTIONS, NAME), {})
    return made


def test_contract(reco: Reconstruction) -> None:
    check_reconstruction(reco, simulate_event(1, 0), fresh_process=True)


def test_finds_tracks(reco: Reconstruction) -> None:
    """How large its regions are it does not say, so no coverage is asked for."""
    check_coverage(reco, [simulate_event(1, index) for index in range(12)], median_deg=6.0, containments=())


def test_options_are_checked(reco: Reconstruction) -> None:
    with pytest.raises(RequestError, match="scale_m > 0, not -1"):
        plugins.configure(type(reco), {"scale_m": "-1"})


@pytest.mark.integration
@pytest.mark.parametrize(
    ("words", "cells"),
    [(["--levels", "4:0,16:6"], {"4": 192, "16": 96}), ([], {"4": 192, "16": 192, "64": 192})],
    ids=["levels", "its own levels"],
)
def test_the_command_line_takes_it(
    reco: Reconstruction, words: list[str], cells: dict[str, int], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "skymist", "scan", "demo", "--json", "--reco", NAME, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["reconstruction"] == {"name": NAME, "version": "1", "options": {"scale_m": 60.0}}
    assert document["cells"] == cells
    places = [np.radians(document[key][angle]) for key in ("best", "truth") for angle in ("ra", "dec")]
    assert np.degrees(sky.separation(*places)) < 10
