"""Requests and their ids."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymist.errors import RequestError
from skymist.model.request import Cone, Level, ScanRequest, parse_levels

REQUESTS = st.builds(
    ScanRequest,
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.sampled_from(["bowl", "track-mpe"]),
    st.just("1"),
    st.dictionaries(st.text(min_size=1), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()),
    st.just((Level(8, 0), Level(64, 12))),
    st.none() | st.builds(Cone, st.floats(0, 359), st.floats(-90, 90), st.floats(1, 180)),
    st.integers(0, 2**32),
)


@given(REQUESTS)
def test_id_survives_json(request: ScanRequest) -> None:
    again = ScanRequest.from_dict(json.loads(json.dumps(request.to_dict())))
    assert again == request
    assert again.id == request.id


def test_id_is_pinned() -> None:
    """A change here breaks resuming and finding of stored scans: it belongs in the changelog, "Data model"."""
    request = ScanRequest("0" * 64, "bowl", "1", {"width_deg": 1.0}, seed=3)
    assert request.id == "93067f90d36eb54eefc77d4c890d532e9b349475c91702098b6108791e36644b"


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ("", "NSIDE:EXTENSION"),
        ("8", "NSIDE:EXTENSION"),
        ("8:0,x:3", "NSIDE:EXTENSION"),
        ("8:1", "extension 0"),
        ("7:0", "power of two"),
        ("8:0,64:0", "at least 1"),
        ("64:0,8:12", "coarse to fine"),
        ("8:0,8:12", "coarse to fine"),
        ("8:0:1", "NSIDE:EXTENSION"),
    ],
)
def test_wrong_levels(levels: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        parse_levels(levels)


@pytest.mark.parametrize("cone", ["", "1,2", "1,2,3,4", "a,b,c", "1,91,3", "1,2,0", "1,2,181", "nan,0,3", "0,nan,3"])
def test_wrong_cones(cone: str) -> None:
    with pytest.raises(RequestError, match="cone"):
        Cone.parse(cone)


def test_right_ascension_is_taken_around_the_circle() -> None:
    assert Cone.parse("-10, 5, 3") == Cone(350.0, 5.0, 3.0)
