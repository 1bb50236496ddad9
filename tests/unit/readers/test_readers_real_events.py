"""The four real events against IceCube's own software, number by number."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard

from skymist.errors import UnknownNameError
from skymist.readers import read_event, read_events
from skymist.readers.message import parse_message, physics_frame, split_message, unwrap
from skymist.readers.pulses import PulseSets

FILES = {
    "138632_31747601": "138632_31747601.json",
    "130322_1414689": "event_HESE_2017-11-28.json",
    "127907_20178442": "hese_event_01.json",
    "136766_7637140": "run00136766-evt000007637140-GOLD.pkl",
}

real_event = pytest.mark.parametrize("event_id", FILES)


def reference(shared: Path, event_id: str) -> list[list[str]]:
    stem = FILES[event_id].rsplit(".", 1)[0]
    with gzip.open(shared / "icetray_reference" / f"realtime_events_{stem}.txt.gz", "rt") as lines:
        return [line.split() for line in lines]


def decoded(shared: Path, event_id: str) -> dict:
    return json.loads((shared / "decoded" / f"{event_id}.json").read_text())


def source(shared: Path, event_id: str) -> Path:
    return shared / "events" / FILES[event_id]


def frame_of(path: Path):
    data = path.read_bytes()
    return physics_frame(split_message(parse_message(data))[1])


@real_event
def test_every_pulse_of_every_set_equals_the_frameworks(shared: Path, event_id: str) -> None:
    frame = frame_of(source(shared, event_id))
    lines = [line[1:] for line in reference(shared, event_id) if line[0] == "U"]
    names = {line[0] for line in lines}
    assert set(read_event(source(shared, event_id)).pulse_sets) == names
    for name in names:
        expected = np.array([line[1:] for line in lines if line[0] == name], float)
        series = PulseSets(frame).read(name)
        np.testing.assert_array_equal(series.om_of_pulse, expected[:, :3])
        np.testing.assert_array_equal(series.time, expected[:, 3])
        np.testing.assert_array_equal(series.charge, expected[:, 4].astype("<f4"))
        np.testing.assert_array_equal(series.width, expected[:, 5].astype("<f4"))
        np.testing.assert_array_equal(series.flags, expected[:, 6])


@real_event
def test_selected_pulses_are_those_of_modules_in_the_ice(shared: Path, event_id: str) -> None:
    event = read_event(source(shared, event_id))
    lines = [line for line in reference(shared, event_id) if line[:2] == ["U", event.pulse_set]]
    expected = np.array([line[2:] for line in lines if int(line[3]) <= 60], float)
    np.testing.assert_array_equal(event.pulses.dom, expected[:, :2])
    np.testing.assert_array_equal(event.pulses.time_ns, expected[:, 3])
    np.testing.assert_array_equal(event.pulses.hlc, expected[:, 6].astype(int) & 1)


@real_event
def test_seeds_equal_the_frameworks_particles(shared: Path, event_id: str) -> None:
    expected = {line[1]: tuple(map(float, line[2:9])) for line in reference(shared, event_id) if line[0] == "P"}
    seeds = read_event(source(shared, event_id)).seeds
    found = {name: (p.zenith, p.azimuth, p.x, p.y, p.z, p.time_ns, p.energy_gev) for name, p in seeds.items()}
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name])


@real_event
def test_header_kind_and_windows(shared: Path, event_id: str) -> None:
    expected, event = decoded(shared, event_id), read_event(source(shared, event_id))
    assert (event.run, event.event, event.kind) == (expected["run"], expected["event"], expected["event_type"])
    assert event.utc == expected["utc"][:-1]
    assert event.mjd == pytest.approx(expected["mjd"], abs=1e-10)
    assert event.pulse_set == expected["default_pulse_set"]
    assert event.alert == {key: item for key, item in (expected["alert"] or {}).items() if key != "frames"}
    for name in ("CalibrationErrata", "SaturationWindows"):
        windows = expected["time_windows"].get(name)
        assert (name in event.exclusions) == (windows is not None)
        if windows:
            found = event.exclusions[name]
            assert np.column_stack([found.dom, found.start_ns, found.stop_ns]).tolist() == windows
    assert not event.simulated


def test_pulse_sets_are_chosen_by_name(shared: Path) -> None:
    path = source(shared, "127907_20178442")
    event = read_event(path, "UncleanedInIcePulses")
    assert event.pulse_set == "UncleanedInIcePulses"
    full = np.array(decoded(shared, "127907_20178442")["pulses_full_precision"])
    np.testing.assert_array_equal(event.pulses.time_ns, full[:, 3])
    with pytest.raises(UnknownNameError, match=r"pulse set .*'Nothing'.*InIceDSTPulses"):
        read_event(path, "Nothing")


@real_event
@pytest.mark.parametrize(
    ("name", "pack"), [("a.i3", bytes), ("a.i3.gz", gzip.compress), ("a.i3.zst", zstandard.compress)]
)
def test_the_same_frames_as_a_file_are_the_same_event(
    shared: Path, tmp_path: Path, event_id: str, name: str, pack: Callable[[bytes], bytes]
) -> None:
    _, frames = split_message(parse_message(source(shared, event_id).read_bytes()))
    assert [tag for tag, _ in frames] == ["G", "C", "D", "Q", "P"]
    (tmp_path / name).write_bytes(pack(b"".join(unwrap(tag, text) for tag, text in frames)))
    (event,) = read_events(tmp_path / name)
    assert event.digest == read_event(source(shared, event_id)).digest
