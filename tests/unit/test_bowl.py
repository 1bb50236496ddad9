"""The analytic toy."""

import numpy as np
import pytest

from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Directions, Status
from skymist.reco.bowl import Bowl
from skymist.testing import check_reconstruction
from skymist.workflow.simulate import simulate_event


@pytest.fixture(scope="module")
def event() -> Event:
    return simulate_event(1, 0)


def directions(event: Event, ra_deg: float, dec_deg: float) -> Directions:
    ra, dec = np.radians([[ra_deg], [dec_deg]])
    return Directions(ra, dec, sky.unit(ra, dec))


@pytest.mark.parametrize("bowl", [Bowl(), Bowl(359.9, -0.1, 20.0, fail_declination_deg=10)])
def test_contract(bowl: Bowl, event: Event) -> None:
    check_reconstruction(bowl, event, fresh_process=True)


def test_is_a_gaussian_in_the_angle(event: Event) -> None:
    bowl = Bowl(0.5, 60.0, width_deg=2.0)
    for ra, dec, away in ((0.5, 60.0, 0.0), (0.5, 62.0, 2.0), (180.5, 89.0, 31.0), (0.5, -30.0, 90.0)):
        assert bowl(event, directions(event, ra, dec), None).nllh[0] == pytest.approx(away**2 / 8, abs=1e-12)


def test_fails_where_told(event: Event) -> None:
    bowl = Bowl(fail_declination_deg=10)
    assert bowl(event, directions(event, 0, 10.1), None).status[0] == Status.FAILED
    assert bowl(event, directions(event, 0, 9.9), None).status[0] == Status.OK
