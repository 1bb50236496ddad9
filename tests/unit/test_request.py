"""Requests and their ids."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymist.detector.geometry import icecube_86
from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model.event import Event, Particle, Pulses
from skymist.model.request import DEFAULT_LEVELS, Cone, Level, ScanRequest, default_levels, parse_levels
from skymist.reco.bowl import Bowl

OPTIONS = st.dictionaries(
    st.text(min_size=1), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
REQUESTS = st.builds(
    ScanRequest,
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.sampled_from(["bowl", "track-mpe"]),
    st.just("1"),
    OPTIONS,
    st.just((Level(8, 0), Level(64, 12))),
    st.none() | st.builds(Cone, st.floats(0, 359), st.floats(-90, 90), st.floats(1, 180)),
    st.integers(0, 2**32),
    st.integers(1, 9),
    st.dictionaries(st.sampled_from([8, 64]), OPTIONS),
)


def event(**seeds: Particle) -> Event:
    nothing = Pulses(*(np.zeros(shape) for shape in ((0, 2), 0, 0, 0, 0)))  # type: ignore[arg-type]
    when = np.datetime64("2020-01-01T00:00:00", "ns")
    return Event(1, 2, when, "test", icecube_86(), nothing, seeds=seeds)


@given(REQUESTS)
def test_id_survives_json(request: ScanRequest) -> None:
    again = ScanRequest.from_dict(json.loads(json.dumps(request.to_dict())))
    assert again == request
    assert again.id == request.id


def test_id_is_pinned() -> None:
    """A change here breaks resuming and finding of stored scans: it belongs in the changelog, "Data model"."""
    request = ScanRequest("0" * 64, "bowl", "1", {"width_deg": 1.0}, seed=3)
    assert request.id == "93067f90d36eb54eefc77d4c890d532e9b349475c91702098b6108791e36644b"


@pytest.mark.parametrize("change", [{"seeds": 2}, {"level_options": {8: {"width_deg": 2.0}}}])
def test_what_changes_a_scan_changes_its_id(change: dict[str, Any]) -> None:
    request = ScanRequest("0" * 64, "bowl", "1", {"width_deg": 1.0}, **change)
    assert request.id != ScanRequest("0" * 64, "bowl", "1", {"width_deg": 1.0}).id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "1 to 9 seeds, not from 0"),
        ({"seeds": 10}, "1 to 9 seeds, not from 10"),
        ({"level_options": {16: {}}}, "options for nside 16, but the levels are 8, 64, 512"),
    ],
)
def test_wrong_requests(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        ScanRequest("0" * 64, "bowl", "1", **change)


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


@dataclass(frozen=True)
class Coarse(Bowl):
    levels: ClassVar = (Level(2, 0), Level(4, 6))


def test_a_reconstruction_may_have_levels_of_its_own() -> None:
    assert default_levels(Coarse()) == Coarse.levels
    assert default_levels(Bowl()) == DEFAULT_LEVELS


def test_a_cone_around_a_seed_is_the_same_as_around_its_place() -> None:
    fitted = Particle(1.0, 2.0, 0.0, 0.0, 0.0, 0.0)
    there = event(Spline=fitted)
    ra, dec = np.degrees(sky.to_sky(there.detector, there.time, fitted.zenith, fitted.azimuth))
    cone = Cone.parse("Spline, 5", there)
    assert cone == Cone.around(there, "Spline", 5.0) == Cone(ra, dec, 5.0)
    assert cone == Cone.parse(f"{ra},{dec},5", there)
    assert ScanRequest("0", "bowl", "1", cone=cone).id == ScanRequest("0", "bowl", "1", cone=Cone(ra, dec, 5.0)).id


def test_an_unknown_seed_lists_the_known_ones() -> None:
    known = event(Spline=Particle(1.0, 2.0, 0, 0, 0, 0), Line=Particle(1.0, 2.0, 0, 0, 0, 0))
    with pytest.raises(UnknownNameError, match="no earlier reconstruction is called 'MPE'; there are: Line, Spline"):
        Cone.parse("MPE,5", known)


@pytest.mark.parametrize("cone", ["Lost,5", "Spline,0", "Spline,x", "Spline", "Spline,1,2", "1,2"])
def test_wrong_cones_around_seeds(cone: str) -> None:
    lost = Particle(float("nan"), float("nan"), 0, 0, 0, 0)
    with pytest.raises(RequestError, match="cone"):
        Cone.parse(cone, event(Spline=Particle(1.0, 2.0, 0, 0, 0, 0), Lost=lost))


def test_right_ascension_is_taken_around_the_circle() -> None:
    assert Cone.parse("-10, 5, 3") == Cone(350.0, 5.0, 3.0)


@pytest.mark.parametrize(("dec", "radius"), [(-90, 3), (90, 3), (0, 0.5), (0, 1e-9), (0, 180)])
def test_cones_reach_to_the_poles_and_around_the_sky(dec: float, radius: float) -> None:
    assert Cone.parse(f"12.5,{dec},{radius}") == Cone(12.5, dec, radius)


@pytest.mark.parametrize(("dec", "radius"), [(-90.5, 3.0), (90.5, 3.0), (0.0, 0.0), (0.0, 180.5)])
def test_a_cone_that_makes_no_sense_is_told_what_does(dec: float, radius: float) -> None:
    with pytest.raises(RequestError) as error:
        Cone.parse(f"12.5,{dec},{radius}")
    assert str(error.value) == (
        f"a cone of RA 12.5, DEC {dec} and RADIUS {radius}: DEC goes from -90 to 90 and RADIUS from above 0 to "
        "180 degrees"
    )


@pytest.mark.parametrize("text", ["1,2", "Spline,x"])
def test_what_is_no_cone_is_told_what_is(text: str) -> None:
    with pytest.raises(RequestError) as error:
        Cone.parse(text, event(Spline=Particle(1.0, 2.0, 0, 0, 0, 0)))
    assert str(error.value) == (
        f"cone {text!r} is neither RA,DEC,RADIUS in degrees, such as 139.04,0.37,10, nor SEED,RADIUS, such as "
        "OnlineL2_SplineMPE,10"
    )


def test_a_seed_without_direction_has_no_cone() -> None:
    for lost in (Particle(float("nan"), 2.0, 0, 0, 0, 0), Particle(1.0, float("inf"), 0, 0, 0, 0)):
        with pytest.raises(RequestError) as error:
            Cone.around(event(Lost=lost), "Lost", 5.0)
        assert str(error.value) == "no cone around Lost: this earlier reconstruction has no direction"


def test_a_cone_holds_cells_whose_centre_is_inside() -> None:
    cells = sky.all_cells(16)
    cone = Cone(200.0, 60.0, 12.0)
    away = np.degrees(sky.separation(*sky.centers(cells), *np.radians([200.0, 60.0])))
    width = np.degrees(np.sqrt(sky.area_sr(cells[:1])))[0]
    held = cone.holds(cells)
    assert (held.dtype, held.tolist()) == (np.bool_, (away <= 12.0).tolist())
    assert 0 < held.sum() < cone.holds(cells, 0.5).sum()
    assert cone.holds(cells, 2.0).tolist() == (away <= 12.0 + 2.0 * width).tolist()


def test_a_cone_of_half_a_turn_holds_the_whole_sky() -> None:
    assert Cone(0.0, 0.0, 180.0).holds(sky.all_cells(1)).all()  # also the centre just opposite


def test_a_small_cone_holds_the_cell_around_it() -> None:
    cells = sky.all_cells(1)
    assert cells[Cone(10.0, 85.0, 0.001).holds(cells)].tolist() == [sky.cell_at(1, *np.radians([10.0, 85.0]))]


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ((), "the first level has extension 0: it takes the whole sky, as in 8:0,64:12,512:24"),
        ((Level(8, 1),), "the first level has extension 0: it takes the whole sky, as in 8:0,64:12,512:24"),
        ((Level(7, 0),), "nside 7 is not a power of two from 1 to 2**29"),
        ((Level(8, 0), Level(8, 4)), "levels go from coarse to fine, but 8 follows 8"),
        ((Level(8, 0), Level(16, 4), Level(32, 0)), "level 32 needs the number of cells to split, at least 1"),
    ],
)
def test_a_request_with_wrong_levels_is_told_why(levels: tuple[Level, ...], message: str) -> None:
    with pytest.raises(RequestError) as error:
        ScanRequest("0" * 64, "bowl", "1", levels=levels)
    assert str(error.value) == message


def test_levels_are_read_in_their_order() -> None:
    assert parse_levels("1:0") == (Level(1, 0),)
    assert parse_levels("8:0, 16:1,32:7") == (Level(8, 0), Level(16, 1), Level(32, 7))
    with pytest.raises(RequestError) as error:
        parse_levels("8")
    assert str(error.value) == "levels '8' are not NSIDE:EXTENSION,... such as 8:0,64:12,512:24"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 10}, "a cell starts from 1 to 9 seeds, not from 10"),
        ({"level_options": {8: {}, 16: {}}}, "options for nside 16, but the levels are 8, 64, 512"),
    ],
)
def test_a_wrong_request_is_told_why(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as error:
        ScanRequest("0" * 64, "bowl", "1", **change)
    assert str(error.value) == message


def test_what_came_later_is_written_only_where_it_is_used() -> None:
    usual = {
        "event": "ab", "reconstruction": "bowl", "version": "1", "options": {"width_deg": 1.0},
        "levels": [[8, 0], [64, 12], [512, 24]], "cone": None, "seed": 0,
    }  # fmt: skip
    assert ScanRequest("ab", "bowl", "1", {"width_deg": 1.0}).to_dict() == usual
    more = ScanRequest(
        "ab", "bowl", "1", {"width_deg": 1.0}, cone=Cone(1.0, 2.0, 3.0), seed=4, seeds=9, level_options={8: {"a": 1}}
    )
    used = {"cone": [1.0, 2.0, 3.0], "seed": 4, "seeds": 9, "level_options": {"8": {"a": 1}}}
    assert more.to_dict() == {**usual, **used}
    assert ScanRequest.from_dict({**usual, **used}) == more
