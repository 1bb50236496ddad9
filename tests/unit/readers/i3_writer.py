"""Writes small frames and messages, from the description of the format and not from the reader."""

import base64
import json
import pickle
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OM = tuple[int, int, int]
Pulse = tuple[float, float, float, int]  # time, charge, width, flags


@dataclass
class Writer:
    """A portable binary archive in the making."""

    data: bytearray = field(default_factory=bytearray)
    classes: set[str] = field(default_factory=set)
    objects: int = 0

    def put(self, layout: str, *values: Any) -> None:
        self.data += struct.pack("<" + layout, *values)

    def text(self, text: str) -> None:
        self.put("I", len(text.encode()))
        self.data += text.encode()

    def enter(self, name: str, tracking: int = 0, version: int = 0) -> None:
        if name not in self.classes:
            self.classes.add(name)
            self.put("BB", tracking, version)
        if tracking:
            self.put("I", self.objects)
            self.objects += 1

    def frame_object(self, name: str, version: int = 0) -> None:
        self.enter(name, 1, version)
        self.enter("I3FrameObject", 1, 0)


def blob(name: str, body: Callable[[Writer], None]) -> bytes:
    """Return the archive of one object."""
    writer = Writer()
    writer.put("BBh", 0, 1, 2)
    writer.text(name)
    body(writer)
    return bytes(writer.data)


def header(run: int, event: int, year: int, ticks: int, splitter: str = "InIceSplit") -> bytes:
    def body(w: Writer) -> None:
        w.frame_object("I3EventHeader", 3)
        w.put("IIIiI", run, 0, event, 0, 0)
        w.text(splitter)
        for moment in (ticks, ticks + 100_000):
            w.frame_object("I3Time")
            w.put("iq", year, moment)

    return blob("I3EventHeader", body)


def particle(
    zenith: float, azimuth: float, xyz: Sequence[float], time: float, energy: float, version: int = 5
) -> bytes:
    def body(w: Writer) -> None:
        w.frame_object("I3Particle", version)
        w.put("iQiii", 1, 2, 13, 40, 0)
        w.frame_object("I3Position")
        w.put("3d", *xyz)
        w.frame_object("I3Direction")
        w.put("2d", zenith, azimuth)
        w.put("4di", time, energy, float("nan"), 0.3, 0)

    return blob("I3Particle", body)


def text_object(text: str) -> bytes:
    def body(w: Writer) -> None:
        w.frame_object("I3String")
        w.text(text)

    return blob("I3String", body)


def om_map(w: Writer, rows: dict[OM, Any], put_value: Callable[[Writer, Any], None]) -> None:
    w.enter("map")
    w.put("I", len(rows))
    for om, value in sorted(rows.items()):
        w.enter("pair")
        w.enter("OMKey", 1, 2)
        w.put("iIB", *om)
        put_value(w, value)


def windows(rows: dict[OM, list[tuple[float, float]]]) -> bytes:
    def series(w: Writer, items: list[tuple[float, float]]) -> None:
        w.frame_object("I3TimeWindowSeries", 1)
        w.enter("vector<I3TimeWindow>")
        w.put("I", len(items))
        for start, stop in items:
            w.frame_object("I3TimeWindow", 1)
            w.put("2d", start, stop)

    def body(w: Writer) -> None:
        w.frame_object("I3TimeWindowSeriesMap")
        om_map(w, rows, series)

    return blob("I3TimeWindowSeriesMap", body)


def pulse_map(rows: dict[OM, list[Pulse]], version: int = 3) -> bytes:
    def series(w: Writer, pulses: list[Pulse]) -> None:
        w.enter("vector<I3RecoPulse>")
        w.put("I", len(pulses))
        for pulse in pulses:
            w.enter("I3RecoPulse", 1, version)
            w.put("dffB" if version == 3 else "fffB", *pulse)

    def body(w: Writer) -> None:
        w.frame_object("I3RecoPulseSeriesMap")
        om_map(w, rows, series)

    return blob("I3RecoPulseSeriesMap", body)


def mask(source: str, modules: Sequence[bool], pulses: Sequence[Sequence[bool]]) -> bytes:
    def bits(w: Writer, chosen: Sequence[bool]) -> None:
        packed = np.packbits(np.array(chosen, bool), bitorder="little").tobytes()
        w.enter("bitmask")
        w.put("HB", len(packed), 8 * len(packed) - len(chosen))
        w.data += packed

    def body(w: Writer) -> None:
        w.frame_object("I3RecoPulseSeriesMapMask", 2)
        w.text(source)
        bits(w, modules)
        w.enter("vector<bitmask>")
        w.put("I", len(pulses))
        for chosen in pulses:
            bits(w, chosen)

    return blob("I3RecoPulseSeriesMapMask", body)


def union(sources: Sequence[str]) -> bytes:
    def body(w: Writer) -> None:
        w.frame_object("I3RecoPulseSeriesMapUnion")
        w.enter("vector<string>")
        w.put("I", len(sources))
        for source in sources:
            w.text(source)

    return blob("I3RecoPulseSeriesMapUnion", body)


@dataclass(frozen=True)
class Readout:
    """One header of an I3SuperDST; a stamp is (time since the one before, charge code, hlc, width code)."""

    string: int
    om: int
    stamps: tuple[tuple[int, int, bool, int], ...]


def superdst(readouts: Sequence[Readout]) -> bytes:
    """Encode readouts; the first time of each counts from that of the one before (the first from -512)."""
    headers, stamps, extra = [], [], []
    widths: list[list[int]] = [[], [], [], []]
    for readout in readouts:
        icetop = readout.om > 60
        for i, (time, charge, hlc, width) in enumerate(readout.stamps):
            full = 255 if i else 2047
            code = min(time, full)
            if not i:
                headers.append(readout.string << 6 | readout.om - 1 | code >> 8 << 13)
            low = charge & 63 if icetop else min(charge, 63)
            stop = i == len(readout.stamps) - 1
            stamps.append(code & 255 | low << 8 | hlc << 14 | stop << 15)
            stamps += overflow(time - full) if code == full else []
            stamps += overflow(charge - 63) if low == 63 and not icetop else []
            extra += [charge >> 6] if icetop else []
            widths[2 * icetop + hlc].append(width)

    def body(w: Writer) -> None:
        w.frame_object("I3SuperDST", 1)
        compact(w, "u16 stamps", np.array(stamps, "<u2"))
        compact(w, "u16 headers", np.array(headers, "<u2"))
        for codes in widths:
            compact(w, "u8", np.array(runs(codes), "u1"))
        compact(w, "u8", np.array(extra, "u1"))

    return blob("I3SuperDST", body)


def overflow(rest: int) -> list[int]:
    words = []
    while rest >= 0xFFFF:
        words.append(0xFFFF)
        rest -= 0xFFFF
    return [*words, rest]


def runs(codes: Sequence[int]) -> list[int]:
    coded: list[int] = []
    at = 0
    while at < len(codes):
        length = 1
        while at + length < len(codes) and codes[at + length] == codes[at]:
            length += 1
        at += length
        while length:
            coded.append(codes[at - 1] | (length & 15) << 4)
            length >>= 4
    return coded


def compact(w: Writer, kind: str, values: np.ndarray) -> None:
    w.enter(f"CompactVector<{kind}>")
    w.enter("SizeCodec")
    n = len(values)
    if n < 247:
        w.put("B", n)
    else:
        size = (n.bit_length() + 7) // 8
        w.put("B", 255 - size)
        w.data += n.to_bytes(size, "little")
    w.data += values.tobytes()


def crc32c_of_byte(crc: int) -> int:
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


CRC32C = [crc32c_of_byte(byte) for byte in range(256)]


def crc32c(data: bytes) -> int:
    """Reflected polynomial, from 0, no final inversion."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 0xFF]
    return crc


def crc16(data: bytes) -> int:
    """CCITT, most significant bit first, from 0xffff."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def frame(stream: str, objects: dict[str, bytes], version: int = 6) -> bytes:
    body = stream.encode() + struct.pack("<I", len(objects))
    for name, data in objects.items():
        for item in (name.encode(), b"some C++ type", data):
            body += struct.pack("<I", len(item)) + item
    checksum = crc32c(body) if version == 6 else crc16(body)
    return b"[i3]" + struct.pack("<IBB", version, 0, 0) + body + struct.pack("<I", checksum)


def packed(data: bytes, python: int = 3) -> str:
    """Return a frame as a message holds it: in a pickle, zlib and base64."""
    if python == 2:
        inner = b"\x80\x02cicecube.icetray\nI3Frame\nT" + struct.pack("<I", len(data)) + data + b"\x85R."
    else:
        text = data.decode("latin-1").encode()
        inner = b"\x80\x02cicecube._icetray\nI3Frame\nX" + struct.pack("<I", len(text)) + text + b"\x85R."
    return base64.b64encode(zlib.compress(inner)).decode()


def message(frames: dict[str, bytes], python: int = 3, **data: Any) -> dict[str, Any]:
    """Return a message of the generation of 2021 and later."""
    listed = [[tag, packed(content, python)] for tag, content in frames.items()]
    value = {"data": {"frames": listed, **data}, "version": "2023a", "streams": ["neutrino"]}
    return {"_id": "1", "varname": "realtimeEventData", "value": value}


def as_json(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


def as_pickle(content: dict[str, Any]) -> bytes:
    return pickle.dumps(content, protocol=3)
