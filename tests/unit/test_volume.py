"""What lies in the instrumented volume."""

import numpy as np
import pytest

from skymist.detector.geometry import icecube_86
from skymist.detector.volume import MARGIN_M, contains, deposited
from skymist.model.detector import Detector
from skymist.model.event import Losses


def square(side: float = 100.0, depth: float = 1000.0) -> Detector:
    corners = [(x, y, z) for x in (0, side) for y in (0, side) for z in (-depth, 0)]
    dom = [(string, om) for string in range(1, 5) for om in (1, 2)]
    return Detector("square", np.array(dom, "<i2"), np.array(corners), np.ones(8), 0, 0, 0)


@pytest.mark.parametrize(
    ("place", "inside"),
    [
        ((50, 50, -500), True),
        ((109, 50, -500), True),
        ((111, 50, -500), False),
        ((50, -9, -500), True),
        ((50, -11, -500), False),
        ((106, 106, -500), True),  # 8.5 m from the corner
        ((108, 108, -500), False),  # 11.3 m, though each side is only 8 m away
        ((50, 50, 9), True),
        ((50, 50, 11), False),
        ((50, 50, -1011), False),
    ],
)
def test_a_margin_around_the_hull(place: tuple[float, float, float], inside: bool) -> None:
    assert contains(square(), np.array([place], float), 10.0).tolist() == [inside]


def test_every_module_is_inside_and_a_single_string_has_a_volume() -> None:
    detector = icecube_86()
    assert contains(detector, detector.position, 1e-6).all()
    string = square(side=0.0)
    places = np.array([[9.9, 0, -5], [0, -10.1, -5]])
    assert contains(string, places, 10.0).tolist() == [True, False]


def test_energy_counts_where_it_is_inside() -> None:
    places = np.array([[50, 50, -500], [159, 50, -500], [161, 50, -500.0]])
    losses = Losses(places, np.array([1.0, 10.0, 100.0]))
    assert MARGIN_M == 60
    assert deposited(losses, square()) == 11
    assert deposited(losses, square(), 1.0) == 1
    assert deposited(Losses(), square()) == 0
