"""Events, pulses, detectors."""

from dataclasses import replace

import numpy as np
import pytest

from skymist.detector.geometry import detector, icecube_86, read_geometry
from skymist.errors import ReadError, UnknownNameError
from skymist.model.event import Event, Particle, Pulses, TimeWindows

PULSES = Pulses(np.array([[1, 2], [1, 3]]), np.array([1.0, 2.0]), np.ones(2), np.ones(2), np.array([True, False]))  # type: ignore[arg-type]
EVENT = Event(136766, 7637140, np.datetime64("2022-06-24T16:13:16.405259411", "ns"), "neutrino", icecube_86(), PULSES)


def test_names_and_times() -> None:
    assert EVENT.name == "run00136766.evt000007637140"
    assert EVENT.utc == "2022-06-24T16:13:16.405259411"
    assert EVENT.mjd == pytest.approx(59754.67588432013, abs=1e-10)
    assert not EVENT.simulated
    assert replace(EVENT, truth=Particle(1, 2, 3, 4, 5, 6)).simulated


def test_digest_sees_what_changes_a_fit_and_nothing_else() -> None:
    window = TimeWindows(np.array([[1, 2]], np.int16), np.zeros(1), np.ones(1))
    moved = replace(icecube_86(), position=icecube_86().position + 1)
    changed = [
        replace(EVENT, pulses=PULSES[1:]),
        replace(EVENT, time=EVENT.time + 1),
        replace(EVENT, exclusions={"errata": window}),
        replace(EVENT, detector=moved),
        replace(EVENT, event=1),
    ]
    assert len({event.digest for event in (EVENT, *changed)}) == 6
    same = replace(EVENT, seeds={"a": Particle(1, 2, 3, 4, 5, 6)}, alert={"x": 1}, kind="other", pulse_set="y")
    assert same.digest == EVENT.digest


def test_digest_does_not_depend_on_how_arrays_lie_in_memory() -> None:
    wide = np.zeros((2, 4), np.int64)
    wide[:, ::2] = [[1, 2], [1, 3]]
    again = Pulses(wide[:, ::2], [1, 2], [1, 1], [1, 1], [1, 0])  # type: ignore[arg-type]
    assert replace(EVENT, pulses=again).digest == EVENT.digest


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Pulses\.charge_pe has shape \(3,\), expected \(2,\)"):
        Pulses(PULSES.dom, PULSES.time_ns, np.ones(3), PULSES.width_ns, PULSES.hlc)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has shape"):
        Pulses(PULSES.dom[:1], PULSES.time_ns, PULSES.charge_pe, PULSES.width_ns, PULSES.hlc)


def test_icecube_has_its_modules_where_they_are_published(shared) -> None:  # type: ignore[no-untyped-def]
    import pandas as pd

    table = pd.read_csv(shared / "dom_geometry.csv").query("kind == 'in-ice'")
    found = icecube_86().index(table[["string", "om"]].to_numpy(np.int16))
    assert sorted(found) == list(range(5160))
    assert np.abs(icecube_86().position[found] - table[["x", "y", "z"]].to_numpy()).max() < 0.02
    assert np.array_equal(icecube_86().efficiency[found], table["rde"].fillna(0))


def test_index_of_modules_that_do_not_exist() -> None:
    assert icecube_86().index(np.array([[1, 1], [87, 1], [0, 1], [5, 61], [86, 60]], np.int16)).tolist() == [
        0, -1, -1, -1, 5159,
    ]  # fmt: skip


def test_geometry_from_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "lake.csv"
    site = "# latitude_deg = 51.77\n# longitude_deg = 104.4\n# x_bearing_deg = 90\n"
    path.write_text(site + "string,om,x,y,z\n2,1,10,0,-5\n1,1,0,0,-5.5\n")
    lake = detector(str(path))
    assert lake.name == "lake"
    assert lake.dom.tolist() == [[1, 1], [2, 1]]
    assert lake.position[0].tolist() == [0, 0, -5.5]
    assert lake.efficiency.tolist() == [1, 1]
    assert (lake.latitude_deg, lake.longitude_deg, lake.x_bearing_deg) == (51.77, 104.4, 90)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a detector geometry"),
        ("string,om,x,y\n1,1,0,0\n", "needs z, latitude_deg, longitude_deg, x_bearing_deg"),
        ("SITEstring,om,x,y,z\n1,1,0,0,up\n", "not a number"),
        ("SITEstring,om,x,y,z\n1,1,0,0,inf\n", "not finite"),
        ("SITEstring,om,x,y,z\n1,1,0,0,0\n1,1,0,0,5\n", "twice"),
        ("SITEstring,om,x,y,z\n", "empty"),
        ("SITEstring,om,x,y,z\n1e9,1,0,0,0\n", "up to 32767"),
    ],
)
def test_wrong_geometries(tmp_path, text: str, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "wrong.csv"
    path.write_text(text.replace("SITE", "# latitude_deg=0\n# longitude_deg=0\n# x_bearing_deg=0\n"))
    with pytest.raises(ReadError, match=message):
        read_geometry(path)


def test_an_unknown_detector_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match=r"there are: PATH\.csv, icecube-86"):
        detector("antares")
