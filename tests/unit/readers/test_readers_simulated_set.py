"""Sets of simulated events: what the arrays say is what the events hold, and nothing else."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skymist.detector.light import C
from skymist.errors import ReadError, UnknownNameError
from skymist.model.sky import unit
from skymist.readers import read_event, read_events
from skymist.readers.simulated_set import read_simulated

Arrays = dict[str, np.ndarray]

TRUTH = np.dtype([("type", "i1"), *((name, "<f8") for name in ("zenith", "azimuth", "x", "y", "z", "time_ns"))])
TRUTH = np.dtype([*TRUTH.descr, ("energy_GeV", "<f8"), ("e_had_GeV", "<f8")])
COLUMNS = ["l_m", "x", "y", "z", "time_ns", "energy_GeV", "kind"]


def arrays(n: int = 4) -> Arrays:
    """Return a set of `n` events of all types in turn, with 30 pulses and 5 losses each."""
    rng = np.random.default_rng(5)
    rows, losses = 30 * n, 5 * n
    truth = np.zeros(n, TRUTH)
    for name in ("zenith", "azimuth", "x", "y", "z", "time_ns"):
        truth[name] = rng.uniform(0.1, 3, n)
    truth["type"], truth["energy_GeV"], truth["e_had_GeV"] = 1 + np.arange(n) % 4, 10 ** rng.uniform(4, 6, n), 1e3
    table = rng.uniform(0, 500, (losses, 7))
    return {
        "string": rng.integers(1, 79, rows).astype("<i2"),
        "om": rng.integers(1, 61, rows).astype("<i2"),
        "time_ns": rng.uniform(1e4, 2e4, rows),
        "charge_pe": rng.exponential(1, rows).astype("<f4"),
        "hlc": rng.integers(0, 2, rows).astype("u1"),
        "src": rng.integers(0, 4, rows).astype("u1"),
        "offsets": np.arange(0, rows + 1, 30),
        "truth": truth,
        "losses": table,
        "loss_columns": np.array(COLUMNS),
        "loss_offsets": np.arange(0, losses + 1, 5),
    }


def write(folder: Path, **changes: Any) -> Path:
    content = {name: item for name, item in (arrays() | changes).items() if item is not None}
    np.savez_compressed(folder / "set.npz", **content)
    return folder / "set.npz"


def test_pulses_are_those_of_the_set_in_order(tmp_path: Path) -> None:
    source, events = arrays(), list(read_events(write(tmp_path)))
    assert [(event.run, event.event, event.kind, event.detector.name) for event in events] == [
        (0, index, "simulation", "icecube-86") for index in range(4)
    ]
    for index, event in enumerate(events):
        rows = slice(30 * index, 30 * index + 30)
        names = ("string", "om", "time_ns", "charge_pe", "hlc")
        expected = sorted(zip(*(source[name][rows].tolist() for name in names), strict=True))
        pulses = event.pulses
        columns = (*pulses.dom.T, pulses.time_ns, pulses.charge_pe, pulses.hlc)
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
        assert (pulses.width_ns == 8).all()


def test_truth_of_a_track_and_its_losses_in_the_order_of_time(tmp_path: Path) -> None:
    source, events = arrays(), list(read_events(write(tmp_path)))
    for index, topology in ((0, "through-going"), (1, "starting")):
        event, row = events[index], source["truth"][index]
        truth = event.truth
        assert truth is not None
        assert (truth.x, truth.zenith, truth.energy_gev) == (row["x"], row["zenith"], row["energy_GeV"])
        assert truth.topology == topology
        table = source["losses"][5 * index : 5 * index + 5]
        table = table[np.argsort(table[:, 4])]
        np.testing.assert_array_equal(event.losses.position, table[:, 1:4])
        np.testing.assert_array_equal(event.losses.energy_gev, table[:, 5])


def test_a_cascade_is_where_its_light_is(tmp_path: Path) -> None:
    source = arrays()["truth"]
    for index in (2, 3):
        event, row = read_simulated(write(tmp_path), index), source[index]
        truth = event.truth
        assert truth is not None
        moved = np.array([truth.x, truth.y, truth.z]) - [row["x"], row["y"], row["z"]]
        ahead = 0.619 * (2.018 + 0.632 * np.log(row["energy_GeV"]))
        assert ahead > 4
        np.testing.assert_allclose(moved, -ahead * unit(row["azimuth"], np.pi / 2 - row["zenith"]), atol=1e-9)
        assert truth.time_ns - row["time_ns"] == pytest.approx(ahead / C)
        assert truth.topology == "cascade"
        assert event.losses.energy_gev.tolist() == [row["energy_GeV"]]
        assert event.losses.position.tolist() == [[truth.x, truth.y, truth.z]]


def test_the_truth_of_pulses_changes_nothing(tmp_path: Path) -> None:
    before = [event.digest for event in read_events(write(tmp_path))]
    assert [event.digest for event in read_events(write(tmp_path, src=None))] == before


def test_one_event_is_the_same_as_that_of_all(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert read_simulated(path, 2).digest == next(islice(read_events(path), 2, None)).digest
    with pytest.raises(ReadError, match=r"set\.npz: no event 4; it has 4"):
        read_simulated(path, 4)


def test_losses_and_pulse_set_are_optional(tmp_path: Path) -> None:
    path = write(tmp_path, losses=None, loss_columns=None, loss_offsets=None)
    assert len(read_event(path, "simulated").losses) == 0
    with pytest.raises(UnknownNameError, match="simulated"):
        read_event(path, "Cleaned")


def test_another_detector_is_named_by_the_set(tmp_path: Path) -> None:
    rows = [f"{string},{om},{10 * string},0,{-om}" for string in range(1, 79) for om in range(1, 61)]
    site = ["# latitude_deg = 50", "# longitude_deg = 100", "# x_bearing_deg = 90", "string,om,x,y,z"]
    (tmp_path / "lake.csv").write_text("\n".join(site + rows))
    event = read_event(write(tmp_path, detector=np.array("lake.csv")))
    assert (event.detector.name, event.detector.latitude_deg) == ("lake", 50)
    assert read_event(write(tmp_path, detector=np.array("icecube-86"))).detector.name == "icecube-86"


def put(name: str, row: int, value: float, field: str | None = None) -> Callable[[], Arrays]:
    """Return what makes one array with another value in it."""

    def change() -> Arrays:
        array = arrays()[name]
        (array if field is None else array[field])[row] = value
        return {name: array}

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda: {"truth": None, "om": None}, "it lacks om, truth"),
        (lambda: {"truth": np.zeros(4)}, "truth: lacks type, zenith"),
        (put("truth", 1, 7, "type"), "type 7 is none of 1, 2, 3, 4"),
        (put("truth", 1, 0.0, "energy_GeV"), "energy_GeV is not above 0"),
        (put("truth", 3, np.nan, "zenith"), "truth zenith, at 3: not a finite number in row 3"),
        (put("time_ns", 7, np.inf), "time_ns, at 7: not a finite number"),
        (lambda: {"charge_pe": np.full(120, 1e300)}, "charge_pe, at 0: not a finite number"),
        (put("string", 9, 87), r"icecube-86 has no module \(87, "),
        (lambda: {"om": np.full(120, 2**40)}, r"has no module \(\d+, 1099511627776\)"),
        (lambda: {"om": np.full(120, 1.5)}, "string and om are integers"),
        (lambda: {"hlc": np.zeros(119)}, r"hlc: float64 of shape \(119,\) is not a column of 120 numbers"),
        (lambda: {"om": np.array(["1"] * 120)}, "om: <U1 of shape"),
        (put("offsets", 1, 200), "offsets: not 5 integers that rise from 0 to 120"),
        (put("offsets", 4, 121), "offsets: not 5 integers that rise from 0 to 120"),
        (put("loss_offsets", 0, 1), "loss_offsets: not 5 integers that rise from 0 to 20"),
        (lambda: {"loss_columns": np.array(COLUMNS[:-1])}, "losses: not a table with the columns x, y, z"),
        (lambda: {"loss_offsets": None}, "it has losses, but lacks loss_offsets"),
        (put("losses", 3, np.nan), "losses x, at 3: not a finite number"),
        (lambda: {"detector": np.array("../moon.csv")}, "'../moon.csv' is neither icecube-86 nor a geometry in"),
        (lambda: {"detector": np.array("moon.csv")}, "'moon.csv' is neither icecube-86 nor a geometry in"),
        (lambda: {"hlc": np.array([{}] * 120, object)}, "hlc: not an array of numbers"),
    ],
)
def test_one_error_says_what_is_wrong(tmp_path: Path, change: Callable[[], Arrays], reason: str) -> None:
    path = write(tmp_path, **change())
    with pytest.raises(ReadError, match=reason) as caught:
        list(read_events(path))
    assert str(path) in str(caught.value)


def npy(shape: tuple[int, ...], data: bytes = b"") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + data


def rezipped(path: Path, method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> Path:
    """Write the set again with other bytes in some members."""
    with zipfile.ZipFile(path) as archive:
        content = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in (content | members).items():
            archive.writestr(f"{name}.npy", data)
    return path


def larger_inside(path: Path) -> None:
    """Let the directory say that the pulse times are fewer than what is compressed there."""
    rezipped(path, time_ns=npy((120,), bytes(200 << 20)))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"time_ns.npy") - 46
    assert data[entry : entry + 4] == b"PK\x01\x02"
    data[entry + 24 : entry + 28] = (128 + 960).to_bytes(4, "little")
    path.write_bytes(data)


def wide_directory(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        for k in range(40):
            archive.writestr(f"{k}{'x' * 60_000}", b"")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: rezipped(path, time_ns=bytes(300 << 20)), "bytes when decompressed; the limit is"),
        (larger_inside, "not a zip of arrays"),
        (wide_directory, "its directory is larger than"),
        (lambda path: rezipped(path, time_ns=npy((2**40,))), "time_ns: not an array of numbers"),
        (lambda path: rezipped(path, time_ns=npy((-1, -120), bytes(960))), "time_ns: not an array of numbers"),
        (lambda path: rezipped(path, time_ns=b"\x93NUMPY\x01\x00\x00"), "time_ns: not an array of numbers"),
        (lambda path: rezipped(path, zipfile.ZIP_BZIP2), "compressed by method 12"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "not a zip of arrays"),
    ],
)
def test_bombs_and_damage_are_one_error_in_bounded_memory(
    tmp_path: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    spoil(path := write(tmp_path))
    tracemalloc.start()
    with pytest.raises(ReadError, match=reason) as caught:
        read_event(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 << 20
    assert str(path) in str(caught.value)


def spoiled(original: bytes, seed: int) -> bytes:
    """Return the bytes with some of them changed, of which half at the end, where the directory is; or cut off."""
    rng = np.random.default_rng([7, seed])
    data = bytearray(original)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.choice([rng.integers(len(data)), len(data) - rng.integers(1, 1200)]))
        data[at] = rng.integers(256)
    return bytes(data[: rng.integers(len(data))] if seed % 10 == 0 else data)


def outcome(path: Path) -> str:
    try:
        assert all(np.isfinite(event.pulses.time_ns).all() for event in read_events(path))
    except ReadError as error:
        return "refused" if str(path) in str(error) else f"does not name the source: {error}"
    return "read"


def test_whatever_the_bytes_are_events_or_one_error(tmp_path: Path) -> None:
    np.savez(path := tmp_path / "set.npz", **arrays())
    original, results = path.read_bytes(), []
    for seed in range(400):
        path.write_bytes(spoiled(original, seed))
        results.append(outcome(path))
    assert set(results) == {"read", "refused"}
    assert min(results.count("read"), results.count("refused")) > 20


def test_the_reference_sets(shared: Path) -> None:
    events = list(read_events(shared / "simulated" / "cascades_dev.npz"))
    assert len(events) == 60
    assert {event.truth.topology for event in events if event.truth} == {"cascade"}
    muon = read_simulated(shared / "simulated" / "tracks_real_geometry_dev.npz", 0)
    assert muon.losses.energy_gev.sum() == pytest.approx(77114.285, rel=1e-6)
    assert muon.truth is not None
    assert muon.truth.topology == "through-going"
