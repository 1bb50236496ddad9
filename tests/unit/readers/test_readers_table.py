"""Tables of any telescope: the schema, and that nothing is lost on the way."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader_samples import CSV

from skymist.detector.geometry import icecube_86
from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model.detector import Detector
from skymist.model.event import Event, Particle, Pulses, TimeWindows
from skymist.readers import read_event, write_table

SUFFIXES = ("csv", "parquet")
HEADER, BODY = CSV.split(b"string,om,time_ns", 1)
BODY = b"string,om,time_ns" + BODY

finite = st.floats(allow_nan=False, allow_infinity=False)
single = st.floats(allow_nan=False, allow_infinity=False, width=32)
pulse = st.tuples(st.integers(1, 86), st.integers(1, 60), finite, single, single, st.booleans())
particle = st.builds(Particle, finite, finite, finite, finite, finite, finite, finite)


@st.composite
def events(draw: st.DrawFn) -> Event:
    rows = sorted(draw(st.lists(pulse, max_size=20)), key=lambda row: row[:3])
    string, om, *columns = zip(*rows, strict=True) if rows else ((),) * 6
    start, stop = draw(finite), draw(finite)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    return Event(
        draw(st.integers(0, 10**17)),
        draw(st.integers(0, 10**17)),
        np.datetime64(draw(st.integers(0, 7 * 10**18)), "ns"),
        draw(text) or "unknown",
        icecube_86(),
        Pulses(np.column_stack([string, om]).reshape(-1, 2), *columns),
        draw(text),
        seeds=draw(st.dictionaries(text, particle, max_size=2)),
        exclusions={draw(text): TimeWindows(np.array([[1, 2]], "<i2"), np.array([start]), np.array([stop]))},
        alert=draw(st.dictionaries(text, finite | text | st.none(), max_size=3)),
        truth=draw(st.none() | particle),
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(event=events())
def test_a_round_trip_is_exact(tmp_path: Path, suffix: str, event: Event) -> None:
    path = tmp_path / f"event.{suffix}"
    write_table(event, path)
    found = read_event(path)
    assert found.digest == event.digest
    for name in ("run", "event", "utc", "kind", "pulse_set", "seeds", "alert", "truth"):
        assert getattr(found, name) == getattr(event, name)
    for item in fields(Pulses):
        np.testing.assert_array_equal(getattr(found.pulses, item.name), getattr(event.pulses, item.name), strict=True)


def test_the_documented_example(tmp_path: Path) -> None:
    event = read(tmp_path, CSV)
    assert (event.run, event.event, event.utc) == (5, 6, "2024-02-29T12:00:00.123456789")
    assert (event.kind, event.pulse_set, event.pulse_sets) == ("unknown", "", ())
    assert event.pulses.dom.tolist() == [[1, 2], [1, 2], [86, 60]]
    assert event.pulses.time_ns.tolist() == [10.5, 11.5, 1000.0]
    assert event.pulses.charge_pe.tolist() == [np.float32(0.1), 1.5, 2.25]
    assert event.pulses.hlc.tolist() == [False, True, True]
    assert np.isnan(event.seeds["Fit"].energy_gev)
    assert event.exclusions["SaturationWindows"].stop_ns.tolist() == [10.5]


def read(folder: Path, data: bytes, pulses: str | None = None) -> Event:
    (folder / "event.csv").write_bytes(data)
    return read_event(folder / "event.csv", pulses)


def test_optional_columns_and_line_ends(tmp_path: Path) -> None:
    plain = HEADER + b"charge_pe, om, string, time_ns\n1.5, 2, 1, 3\n\n"
    event = read(tmp_path, b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n").replace(b"789\r\n", b"789Z\r\n"))
    assert event.pulses.dom.tolist() == [[1, 2]]
    assert (event.pulses.width_ns.tolist(), event.pulses.hlc.tolist()) == ([0.0], [False])


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="lacks om, charge_pe, # run, # utc, # detector"):
        read(tmp_path, b"# event = 5\nstring,time_ns\n1,2\n")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"10.5,0.1", b"nan,0.1", "time_ns is not a finite number in row 1"),
        (b"10.5,0.1", b"10.5,1e39", "charge_pe is not a finite number"),
        (b"1e3,", b"1e999,", "time_ns is not a finite number"),
        (b"86,60", b"86,61", r"icecube-86 has no module \(86, 61\)"),
        (b"86,60", b"86.5,60", "no module is numbered"),
        (b"86,60", b"65537,1", "no module is numbered"),
        (b"86,60", b"x,60", "not a table of numbers"),
        (b",1,1,2\n", b"\n", "not a table of numbers"),
        (b"# run = 5", b"# run = five", "run is not an integer"),
        (b"# run = 5", b"# run = " + b"9" * 5000, "run is not an integer"),
        (b"2024-02-29", b"2023-02-29", "utc is no time"),
        (b"2024-02-29T12:00:00.123456789", b"now", "utc is no time"),
        (b"2024-02-29", b"9999-02-28", "utc is no time"),
        (b"icecube-86", b"../secret.csv", "same folder"),
        (b"icecube-86", b"/etc/passwd", "same folder"),
        (b"icecube-86", b"nothing.csv", "none of icecube-86"),
        (b'"zenith": 1.0', b'"zenith": null', "direction of Fit is not a finite number"),
        (b'"zenith": 1.0, ', b"", "Fit is not an object with the numbers zenith"),
        (b"[[1, 2, 0.5, 10.5]]", b"[[1, 2, 0.5]]", "are not rows of"),
        (b'{"Saturation', b'{"Satur\xff', "not UTF-8"),
        (b'{"Saturation', b"{Saturation", "not JSON"),
        (b'{"Saturation', b"[" * 100_000, "nested too deeply"),
    ],
)
def test_one_error_says_what_is_wrong(tmp_path: Path, old: bytes, new: bytes, reason: str) -> None:
    assert old in CSV
    with pytest.raises(ReadError, match=reason) as caught:
        read(tmp_path, CSV.replace(old, new))
    assert str(tmp_path / "event.csv") in str(caught.value)


def test_a_pulse_set_is_chosen_by_its_name(tmp_path: Path) -> None:
    named = b"# pulse_set = Cleaned\n" + CSV
    assert read(tmp_path, named, "Cleaned").pulse_set == "Cleaned"
    with pytest.raises(UnknownNameError, match="Cleaned"):
        read(tmp_path, named, "Others")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_detector_travels_with_the_table(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(1)
    dom = np.array([[s, o] for s in range(1, 4) for o in range(1, 6)], "<i2")
    here = Detector("lake", dom, rng.normal(0, 100, (15, 3)), np.ones(15), 51.5, 104.25, 12.125)
    event = replace(read(tmp_path, CSV.replace(b"86,60", b"3,5")), detector=here)
    write_table(event, tmp_path / f"other.{suffix}")
    found = read_event(tmp_path / f"other.{suffix}")
    assert found.detector.name == "lake"
    np.testing.assert_allclose(found.detector.position, here.position, rtol=1e-15)
    with pytest.raises(RequestError, match="geometry"):
        write_table(event, tmp_path / "lake.csv")


def test_a_table_is_csv_or_parquet(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"\.csv or \.parquet"):
        write_table(read(tmp_path, CSV), tmp_path / "event.xlsx")


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (["1", "2"], "of type string, which is no number"),
        ([1, None], "1 nulls"),
        ([[1], [2]], "which is no number"),
        ([1, 2**40], "no module is numbered"),
        ([1.0, float("nan")], "no module is numbered"),
    ],
)
def test_parquet_columns_are_checked(tmp_path: Path, column: list, reason: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    header = '{"run": 1, "event": 2, "utc": "2024-01-01T00:00:00", "detector": "icecube-86"}'
    table = pa.table({"string": column, "om": [1, 2], "time_ns": [1.0, 2.0], "charge_pe": [1.0, 1.0]})
    pq.write_table(table.replace_schema_metadata({"skymist": header}), tmp_path / "a.parquet")
    with pytest.raises(ReadError, match=reason):
        read_event(tmp_path / "a.parquet")


def test_parquet_without_our_header(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"string": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ReadError, match="lacks om, time_ns, charge_pe, # run"):
        read_event(tmp_path / "a.parquet")
