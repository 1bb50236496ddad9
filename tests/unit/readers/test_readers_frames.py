"""Messages and frame files, on events written by ourselves."""

import gzip
import json
from pathlib import Path

import i3_writer as i3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_samples import (
    DAQ,
    EVENT,
    GEOMETRY,
    IN_ICE,
    MESSAGE,
    PHYSICS,
    RUN,
    SPLIT,
    STREAM,
    daq_objects,
    physics_objects,
    sources,
)

from skymist.errors import ReadError, UnknownNameError
from skymist.model.event import Event, Particle, Pulses
from skymist.readers import read_event, read_events
from skymist.readers.archive import open_archive
from skymist.readers.frame import Frame
from skymist.readers.objects import read_header
from skymist.readers.plain_pickle import load_plain
from skymist.readers.pulses import PulseSets
from skymist.readers.superdst import read_superdst

SETS = ("Both", "I3SuperDST", "InIceDSTPulses", "SplitInIcePulses", "UncleanedInIcePulses")


def rows(pulses: Pulses) -> list[tuple]:
    columns = (*pulses.dom.T, pulses.time_ns, pulses.charge_pe.astype(float).round(3), pulses.width_ns, pulses.hlc)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def read(folder: Path, name: str, data: bytes, pulses: str | None = None) -> Event:
    (folder / name).write_bytes(data)
    return read_event(folder / name, pulses)


def physics(**objects: bytes) -> bytes:
    return i3.frame("P", {"I3EventHeader": i3.header(RUN, EVENT, 2024, 5), **objects})


@pytest.mark.parametrize("name", [name for name in sources() if name != "table.csv"])
def test_the_same_event_from_every_container(tmp_path: Path, name: str) -> None:
    event = read(tmp_path, name, sources()[name])
    assert (event.run, event.event, event.detector.name) == (RUN, EVENT, "icecube-86")
    assert event.utc == "2024-01-15T06:56:07.890129456"
    assert (event.pulse_set, event.pulse_sets) == ("SplitInIcePulses", SETS)
    assert rows(event.pulses) == list(SPLIT)
    assert list(event.seeds) == ["Fit"]
    seed = event.seeds["Fit"]
    assert (seed.zenith, seed.azimuth, seed.x, seed.y, seed.z, seed.time_ns) == (1.5, 0.25, 1.0, -2.0, 3.0, 10_100.0)
    windows = event.exclusions["CalibrationErrata"]
    assert windows.dom.tolist() == [[1, 31], [1, 31]]
    assert windows.start_ns.tolist() == [1.0, 3.0]
    assert windows.stop_ns.tolist() == [2.0, np.finfo(float).max]
    assert event.kind == ("neutrino" if name.startswith("message") else "unknown")


def test_a_name_says_nothing_where_the_content_does(tmp_path: Path) -> None:
    assert read(tmp_path, "anything.dat", gzip.compress(STREAM)).run == RUN
    assert read(tmp_path, "message", sources()["message.pkl"]).run == RUN


def test_pulse_sets_by_name(tmp_path: Path) -> None:
    event = read(tmp_path, "a.i3", STREAM, "InIceDSTPulses")
    assert rows(event.pulses) == list(IN_ICE)
    both = read(tmp_path, "a.i3", STREAM, "Both").pulses
    assert rows(both) == [
        (1, 30, 9_999.5, 1.01, 6.25, False),
        *SPLIT,
        (86, 60, 12_100.25, 0.07, 3.5, True),
        (86, 60, 12_101.0, 2.0, 3.5, True),
    ]
    with pytest.raises(UnknownNameError, match="InIceDSTPulses"):
        read(tmp_path, "a.i3", STREAM, "Dangling")


def test_all_modules_are_in_the_exact_series() -> None:
    objects = daq_objects()
    series = PulseSets(Frame("P", objects, 0)).read("I3SuperDST")
    assert series.om.tolist() == [[1, 30, 0], [1, 31, 0], [2, 17, 0], [2, 61, 0], [86, 60, 0]]
    at = series.om_of_pulse[:, 1] == 61
    assert series.charge[at] == np.float32(10.0 ** (9000 * 9 / 16383 - 2))
    assert series.width[at] == 512


def test_older_containers(tmp_path: Path) -> None:
    frames = [["Q", i3.packed(DAQ, python=2)], ["P", i3.packed(PHYSICS, python=2)]]
    for varname in ("heseEvent", "heseEvent16Data"):
        content = {"varname": varname, "value": {"data": frames}}
        event = read(tmp_path, "a.json", i3.as_json(content))
        assert (event.kind, event.alert, len(event.pulses)) == ("hese", {}, len(SPLIT))
    start_up = {"GCDQp_packet": {"frames": [frames[0], ["p", frames[1][1]]]}}
    assert read(tmp_path, "startup.json", i3.as_json(start_up)).run == RUN


def test_the_alert_block_is_kept(tmp_path: Path) -> None:
    alert = read(tmp_path, "a.json", i3.as_json(MESSAGE)).alert
    assert alert == {key: item for key, item in MESSAGE["value"]["data"].items() if key != "frames"}
    assert alert == read(tmp_path, "a.pkl", i3.as_pickle(MESSAGE)).alert


def test_frame_files_carry_the_alert_block_too(tmp_path: Path) -> None:
    block = {"run_id": RUN, "estres": {"score": 0.5}}
    message = i3.text_object(json.dumps(block))
    event = read(tmp_path, "a.i3", physics(InIcePulses=i3.pulse_map({}), AlertShortFollowupMsg=message))
    assert (event.kind, event.alert) == ("estres", block)
    with pytest.raises(ReadError, match="AlertShortFollowupMsg"):
        read(tmp_path, "a.i3", physics(InIcePulses=i3.pulse_map({}), AlertShortFollowupMsg=i3.text_object("{")))


def test_a_file_of_many_events(tmp_path: Path) -> None:
    null = i3.frame("P", {"I3EventHeader": i3.header(RUN, EVENT, 2024, 5, "NullSplit")})
    other = i3.frame("P", {**physics_objects(), "I3EventHeader": i3.header(RUN, EVENT + 1, 2024, 5)})
    path = tmp_path / "many.i3"
    path.write_bytes(GEOMETRY + DAQ + null + PHYSICS + other + i3.frame("S", {}) + DAQ + other)
    assert [event.event for event in read_events(path)] == [EVENT, EVENT + 1, EVENT + 1]


def test_physics_objects_hide_those_of_the_daq(tmp_path: Path) -> None:
    own = i3.pulse_map({(3, 4, 0): [(1.0, 2.0, 3.0, 1)]})
    event = read(tmp_path, "a.i3", DAQ + physics(UncleanedInIcePulses=own), "UncleanedInIcePulses")
    assert rows(event.pulses) == [(3, 4, 1.0, 2.0, 3.0, True)]


def test_single_precision_times_and_particles_of_older_versions(tmp_path: Path) -> None:
    pulses = i3.pulse_map({(3, 4, 0): [(1.5, 2.0, 3.0, 6)]}, version=2)
    seed = i3.particle(1.0, 2.0, (3.0, 4.0, 5.0), 6.0, 7.0, version=4)
    event = read(tmp_path, "a.i3", physics(InIcePulses=pulses, Seed=seed))
    assert rows(event.pulses) == [(3, 4, 1.5, 2.0, 3.0, False)]
    assert event.seeds["Seed"] == Particle(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)


def test_simulation_is_known_by_its_truth(tmp_path: Path) -> None:
    truth = {
        "MCPrimary1": i3.particle(0.5, 0.5, (0.0, 0.0, 0.0), 0.0, 1e6),
        "MCMostEnergeticTrack": i3.particle(0.6, 0.7, (1.0, 2.0, 3.0), 4.0, 1e5),
    }
    event = read(tmp_path, "a.i3", physics(InIcePulses=i3.pulse_map({}), **truth))
    assert event.simulated
    assert (event.kind, event.seeds, len(event.pulses)) == ("simulation", {}, 0)
    assert event.truth == Particle(0.6, 0.7, 1.0, 2.0, 3.0, 4.0, 1e5)


@pytest.mark.parametrize("version", [5, 6])
def test_a_frame_that_is_not_the_one_written_is_refused(tmp_path: Path, version: int) -> None:
    frame = i3.frame("P", {**daq_objects(), **physics_objects()}, version)
    assert read(tmp_path, "a.i3", frame).run == RUN
    for at in (20, 200, len(frame) - 1):
        wrong = bytearray(frame)
        wrong[at] ^= 1
        with pytest.raises(ReadError):
            read(tmp_path, "a.i3", bytes(wrong))


@pytest.mark.parametrize(
    ("year", "day", "utc"),
    [
        (2012, 181, "2012-06-30T00:00:00.000000000"),
        (2012, 183, "2012-07-01T23:59:59.000000000"),
        (2015, 365, "2015-12-31T23:59:59.000000000"),
        (2016, 365, "2016-12-31T00:00:00.000000000"),
        (2016, 366, "2016-12-31T23:59:59.000000000"),
        (2023, 365, "2024-01-01T00:00:00.000000000"),
    ],
)
def test_ticks_of_a_year_count_its_leap_second(year: int, day: int, utc: str) -> None:
    header = read_header(open_archive(i3.header(1, 2, year, day * 86_400 * 10_000_000_000))[0])
    assert str(header.time) == utc


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ({"I3EventHeader": i3.header(1, 2, 1950, 0)}, "no time: year 1950"),
        ({"I3EventHeader": i3.header(1, 2, 2024, -1)}, "no time: year 2024, -1 ticks"),
        ({"InIcePulses": i3.pulse_map({(1, 1, 0): [(float("inf"), 1.0, 1.0, 1)]})}, "not a finite number"),
        ({"InIcePulses": i3.pulse_map({(1, 1, 0): [(1.0, float("nan"), 1.0, 1)]})}, "not a finite number"),
        ({"CalibrationErrata": i3.windows({(1, 1, 0): [(float("nan"), 1.0)]})}, "not a number"),
        ({"CalibrationErrata": i3.text_object("x")}, "a I3String where a I3TimeWindowSeriesMap is expected"),
        ({"SplitInIcePulses": i3.mask("InIcePulses", [True, True], [[True], [True]])}, "a mask of 2 modules"),
        ({"SplitInIcePulses": i3.mask("InIcePulses", [True], [[True, True]])}, "bits are not as many as the pulses"),
        ({"InIcePulses": i3.pulse_map({(1, 1, 0): [(1.0, 1.0, 1.0, 1)]}, version=2)[:-1]}, "truncated|announced"),
        ({"Seed": i3.particle(1.0, 1.0, (0.0, 0.0, 0.0), 0.0, 0.0, version=9)}, "I3Particle of version 9"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, objects: dict[str, bytes], reason: str) -> None:
    good = {"InIcePulses": i3.pulse_map({(1, 1, 0): [(1.0, 1.0, 1.0, 1)]})}
    with pytest.raises(ReadError, match=reason) as caught:
        read(
            tmp_path,
            "a.i3",
            physics(**{**good, **objects}) if "I3EventHeader" not in objects else i3.frame("P", {**good, **objects}),
        )
    assert str(tmp_path / "a.i3") in str(caught.value)


def test_a_mask_counts_modules_without_pulses(tmp_path: Path) -> None:
    source = i3.pulse_map({(1, 1, 0): [], (1, 2, 0): [(1.0, 1.0, 1.0, 1)], (1, 3, 0): [(2.0, 1.0, 1.0, 1)]})
    mask = i3.mask("InIcePulses", [True, False, True], [[], [True]])
    event = read(tmp_path, "a.i3", physics(InIcePulses=source, SplitInIcePulses=mask))
    assert event.pulses.dom.tolist() == [[1, 3]]


def test_a_superdst_without_a_stop_bit() -> None:
    good = i3.superdst([i3.Readout(1, 1, ((515, 1, False, 1),))])
    stamp = b"\x03\x81"
    assert good.count(stamp) == 1
    with pytest.raises(ReadError, match="ends inside a readout"):
        read_superdst(open_archive(good.replace(stamp, b"\x03\x01"))[0])


def test_pulses_of_surface_tanks_are_kept_and_known_to_be_outside(tmp_path: Path) -> None:
    pulse = [(1.0, 1.0, 1.0, 1)]
    event = read(tmp_path, "a.i3", physics(InIcePulses=i3.pulse_map(dict.fromkeys([(1, 1, 0), (1, 61, 0)], pulse))))
    assert event.pulses.dom.tolist() == [[1, 1], [1, 61]]
    assert event.detector.index(event.pulses.dom).tolist() == [0, -1]


@pytest.mark.parametrize("module", [(1 + 65_536, 1, 0), (-(2**31), 1, 0), (1, 2**32 - 1, 0)])
def test_impossible_modules_are_refused(tmp_path: Path, module: tuple[int, int, int]) -> None:
    with pytest.raises(ReadError, match="beyond all detectors"):
        read(tmp_path, "a.i3", physics(InIcePulses=i3.pulse_map({module: [(1.0, 1.0, 1.0, 1)]})))


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.json", b"", "empty"),
        ("a.i3", b"", "no physics frame"),
        ("a.json", b"{}", "no realtime message"),
        ("a.json", b'{"value": {"data": {"frames": [["P", "!"]]}}}', "frame P"),
        ("a.json", b'\xff{"value"', "UTF-8"),
        ("a.i3.gz", b"\x1f\x8b\x08 and then nothing of the kind", "decompressed"),
        ("a.i3", b"[i3]\x09\0\0\0", "frame of version 9"),
        ("a.txt", b"hello", "of no known kind; there are: i3, icecube-message, simulated-set, table"),
    ],
)
def test_no_event_at_all(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        read(tmp_path, name, data)


@pytest.mark.parametrize("name", ["missing.json", ".", "a\0b"])
def test_no_file_at_all(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReadError):
        read_event(tmp_path / name)


def test_a_pickle_is_never_executed() -> None:
    with pytest.raises(ReadError, match="GLOBAL is not for plain data") as caught:
        load_plain(b"\x80\x03}X\x01\x00\x00\x00acposix\nsystem\n")
    assert caught.value.offset == 9


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@given(
    content=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    )
)
def test_plain_pickles_hold_what_was_pickled(protocol: int, content: object) -> None:
    import pickle

    found = load_plain(pickle.dumps({"content": content}, protocol))
    assert json.dumps(found["content"]) == json.dumps(content)


stamps = st.tuples(st.integers(0, 70_000), st.integers(0, 70_000), st.booleans(), st.integers(0, 15))
in_ice = st.builds(
    i3.Readout, st.integers(1, 86), st.integers(1, 60), st.lists(stamps, min_size=1, max_size=40).map(tuple)
)


@given(st.lists(in_ice, max_size=20))
def test_superdst_keeps_every_time_charge_and_coincidence(readouts: list[i3.Readout]) -> None:
    expected, reference = [], -512
    for readout in readouts:
        now = reference
        for i, (time, charge, hlc, _) in enumerate(readout.stamps):
            now += time
            reference = reference if i else now
            expected.append((readout.string, readout.om, now, np.float32(charge * 0.05 + 0.025), 7 if hlc else 4))
    expected.sort(key=lambda row: row[:3])
    series = read_superdst(open_archive(i3.superdst(readouts))[0])
    found = [
        (*om[:2], charge, flags)
        for om, charge, flags in zip(series.om_of_pulse.tolist(), series.charge, series.flags, strict=True)
    ]
    assert found == [(*row[:2], *row[3:]) for row in expected]
    times = np.array([row[2] for row in expected], float)
    distinct = [i for i, row in enumerate(expected) if sum(other[:3] == row[:3] for other in expected) == 1]
    np.testing.assert_array_equal(series.time[distinct], times[distinct])
    same = (series.om_of_pulse[1:] == series.om_of_pulse[:-1]).all(axis=1)
    assert (series.width[:-1] <= np.where(same, np.diff(series.time), np.inf) + 1e-9).all()


def test_pulses_of_one_time_share_their_width() -> None:
    stamps = ((600, 1, False, 4), (0, 2, False, 5), (10, 3, False, 5))
    series = read_superdst(open_archive(i3.superdst([i3.Readout(1, 1, stamps)]))[0])
    assert series.time.tolist() == [88.0, 93.0, 98.0]
    assert series.width.tolist() == [5.0, 5.0, 32.0]
