"""Small or well-formed sources that are made to exhaust memory, time or the stack."""

import base64
import bz2
import gzip
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator

import i3_writer as i3
import zstandard
from reader_samples import CSV, DAQ, MESSAGE, PHYSICS, daq_objects, physics_objects

MIB = 1 << 20
ZEROS = bytes(64 * MIB)


def physics(**objects: bytes) -> bytes:
    return i3.frame("P", {"I3EventHeader": i3.header(1, 2, 2024, 3), **objects})


def endless(frame: bytes) -> bytes:
    """Return a compressed file of the same frame, thousands of times."""
    member = gzip.compress(frame * (4 * MIB // len(frame)), 1)
    return member * 32


def message_with(inflated: bytes) -> bytes:
    text = base64.b64encode(zlib.compress(inflated)).decode()
    return i3.as_json({"value": {"data": {"frames": [["Q", text], ["P", text]]}}})


def array(name: str, put: Callable[[i3.Writer], None]) -> bytes:
    def body(w: i3.Writer) -> None:
        w.frame_object(name)
        put(w)

    return physics(InIcePulses=i3.blob(name, body))


def counted(*numbers: int) -> Callable[[i3.Writer], None]:
    def put(w: i3.Writer) -> None:
        w.enter("map")
        w.put("I" * len(numbers), *numbers)

    return put


def doubling_unions() -> bytes:
    """Each of 14 unions names the next 16 times: 16 ** 14 copies of the last."""
    unions = {f"U{k}": i3.union([f"U{k + 1}"] * 16) for k in range(14)}
    last = i3.pulse_map({(1, 30, 0): [(1.0, 1.0, 1.0, 1)] * 100})
    return physics(InIcePulses=i3.union(["U0"]), U14=last, **unions)


def long_chain() -> bytes:
    chain = {f"M{k}": i3.union([f"M{k + 1}"]) for k in range(3000)}
    return physics(InIcePulses=i3.union(["M0"]), **chain)


def shared_lists() -> bytes:
    """A pickle of lists that hold the next one ten times: ten thousand million items."""
    inner: list[object] = [1]
    for _ in range(10):
        inner = [inner] * 10
    content = {"value": {"data": {"frames": MESSAGE["value"]["data"]["frames"], "many": inner}}}
    return pickle.dumps(content, protocol=3)


def list_in_itself() -> bytes:
    loop: list[object] = []
    loop.append(loop)
    return pickle.dumps({"value": {"data": {"frames": MESSAGE["value"]["data"]["frames"], "loop": loop}}}, protocol=3)


def importing() -> bytes:
    return b"\x80\x03cos\nsystem\nX" + struct.pack("<I", 4) + b"true\x85R."


def parquet(compression: str, rows: int) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    column = pa.array(bytes(8 * rows), type=pa.binary()) if rows == 0 else pa.nulls(rows, pa.int32()).fill_null(1)
    pq.write_table(
        pa.table(dict.fromkeys(("string", "om", "time_ns", "charge_pe"), column)), sink, compression=compression
    )
    return sink.getvalue().to_pybytes()


def bombs() -> Iterator[tuple[str, bytes]]:
    """Yield (file name, content) of sources each of which must give a ReadError."""
    yield "zeros.i3.gz", gzip.compress(ZEROS, 1) * 32
    yield "zeros.i3.bz2", bz2.compress(ZEROS, 1) * 32
    yield "zeros.i3.zst", zstandard.compress(ZEROS) * 64
    yield "zeros.csv", zstandard.compress(ZEROS) * 64
    yield "zeros.json", gzip.compress(b" " * 64 * MIB, 1) * 8
    yield (
        "large_frame.i3.zst",
        zstandard.compress(b"[i3]\x06\0\0\0\0\0P\1\0\0\0" + struct.pack("<I", 2**32 - 2) + ZEROS),
    )
    yield "empty_frames.i3.gz", endless(i3.frame("N", {}))
    yield "idle_frames.i3.gz", endless(physics())
    yield "full_frames.i3.gz", endless(i3.frame("P", {str(k): b"" for k in range(9999)}))
    yield "null_frames.i3.gz", endless(DAQ + i3.frame("P", {"I3EventHeader": i3.header(1, 2, 2024, 3, "NullSplit")}))
    yield "no_end.i3", PHYSICS[:-4]
    yield "zlib.json", message_with(ZEROS)
    yield "instructions.json", message_with(b"\x80\x02" + b"N" * 30 * MIB)
    yield "many_frames.json", i3.as_json({"value": {"data": [["Q", i3.packed(DAQ)]] * 10_000}})
    yield "deep.json", b'{"value":' + b"[" * 2 * MIB
    yield "wide.json", b'{"value":[' + b"[]," * (5 * MIB // 2) + b"1]}"
    yield "digits.json", b'{"value":' + b"9" * MIB + b"}"
    yield "oversized.json", b" " * (8 * MIB + 1)
    yield "deep.pkl", b"\x80\x03" + b"]" * 10 * MIB
    yield "memo.pkl", b"\x80\x04}" + b"\x94" * 10 * MIB
    yield "shared_lists.pkl", shared_lists()
    yield "list_in_itself.pkl", list_in_itself()
    yield "importing.pkl", importing()
    yield "unions.i3", doubling_unions()
    yield "chain.i3", long_chain()
    yield "modules.i3", array("I3RecoPulseSeriesMap", counted(2**32 - 2))
    yield "modules64.i3", array("I3RecoPulseSeriesMap", counted(2**32 - 1, 2**32 - 1, 2**31))
    yield "stamps.i3", physics(I3SuperDST=i3.superdst([i3.Readout(1, 1, ((1, 1, False, 1),) * 1_000_001)]))
    yield "many_lines.csv", CSV + b"1,1,1,1,1,1\n" * 1_200_000
    yield "wide_characters.csv", "\U0001f300".encode() + CSV + b"#\n" * 7 * MIB
    yield "header.csv", b"# alert = [" + b"{}," * 5 * MIB + b"1]\n" + CSV
    yield "rows.parquet", parquet("snappy", 1_000_001)
    yield "codec.parquet", parquet("zstd", 100)
    yield "gap.i3", i3.frame("Q", daq_objects()) + i3.frame("P", {**physics_objects(), "I3EventHeader": b""})
