"""Reads bombs and corrupted events in a process of its own, whose memory is limited.

``python reader_fuzz.py SEED CASES FOLDER [FILE ...]`` prints one JSON object: how many cases gave an event or
an error, the slowest case, the most memory (bytes), and what went wrong. Case k of a seed is always the
same. Without files the small sample event is corrupted, in every format, and the bombs are read.
"""

import gzip
import io
import json
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import i3_writer as i3
import numpy as np
import zstandard
from reader_bombs import bombs
from reader_samples import DAQ, PHYSICS, sources

from skymist.errors import ReadError
from skymist.model.event import Event
from skymist.readers import read_event, write_table
from skymist.readers.frame import read_frame
from skymist.readers.message import parse_message, split_message, unwrap
from skymist.readers.source import Stream

MEMORY = 1 << 30
SECONDS = 5.0
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
FLOATS = (float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324)
TOKENS = (
    "nan",
    "inf",
    "-inf",
    "1e999",
    "9" * 400,
    "-1",
    "70000",
    "0.5",
    "",
    "\0",
    "é",
    '{"a":' * 5000,
    "null",
    '"',
    ",,",
)
MESSAGES, FRAMES = (".json", ".pkl"), (".i3", ".i3.gz", ".i3.zst")

Rng = np.random.Generator


@dataclass(frozen=True)
class Base:
    """A valid source; the frames in it, if there are any, can be corrupted from within."""

    name: str
    data: bytes
    frames: tuple[bytes, ...] = ()

    def with_frames(self, frames: list[bytes]) -> bytes:
        """Return a source of the same kind that holds other frames, correctly wrapped."""
        if self.name.endswith(MESSAGES):
            content = i3.message(dict(zip(("Q", "P"), frames, strict=True)), run_id=1)
            return i3.as_json(content) if self.name.endswith(".json") else i3.as_pickle(content)
        stream = b"".join(frames)
        if self.name.endswith(".gz"):
            return gzip.compress(stream, 1)
        return zstandard.compress(stream) if self.name.endswith(".zst") else stream


def flip(data: bytes, rng: Rng) -> bytes:
    out = bytearray(data)
    for at in rng.integers(0, 8 * len(out), rng.integers(1, 9)):
        out[at // 8] ^= 1 << at % 8
    return bytes(out)


def truncate(data: bytes, rng: Rng) -> bytes:
    return data[: rng.integers(0, len(data))]


def blow_up(data: bytes, rng: Rng) -> bytes:
    """Overwrite what may be a length, a count or a number."""
    if rng.random() < 0.2:
        field = struct.pack("<d", FLOATS[rng.integers(len(FLOATS))])
    else:
        field = struct.pack("<Q", EXTREMES[rng.integers(len(EXTREMES))])[: rng.choice([1, 2, 4, 8])]
    at = int(rng.integers(0, max(1, len(data) - len(field) + 1)))
    return data[:at] + field + data[at + len(field) :]


def rearrange(data: bytes, rng: Rng) -> bytes:
    """Delete or double a stretch."""
    start, stop = sorted(rng.integers(0, len(data) + 1, 2))
    return data[:start] + data[start:stop] * int(rng.choice([0, 2])) + data[stop:]


def retype(data: bytes, rng: Rng) -> bytes:
    """Replace one word of a text."""
    words = data.decode("latin-1").replace("\n", " \n ").replace(",", " , ").split(" ")
    words[rng.integers(len(words))] = TOKENS[rng.integers(len(TOKENS))]
    return " ".join(words).replace(" \n ", "\n").replace(" , ", ",").encode("latin-1")


MUTATIONS: tuple[Callable[[bytes, Rng], bytes], ...] = (flip, truncate, blow_up, rearrange)


def mutate(base: str, data: bytes, rng: Rng) -> bytes:
    if base.endswith((".csv", ".json")) and rng.random() < 0.5:
        return retype(data, rng)
    return MUTATIONS[rng.integers(len(MUTATIONS))](data, rng) if data else data


def corrupt(base: Base, rng: Rng) -> bytes:
    """Corrupt the file, a frame in it, or an object in a frame whose checksum is right."""
    depth = rng.random()
    if not base.frames or depth < 0.3:
        return mutate(base.name, base.data, rng)
    frames = list(base.frames)
    chosen = int(rng.integers(len(frames)))
    if depth < 0.5:
        frames[chosen] = mutate("", frames[chosen], rng)
    else:
        frame = read_frame(Stream(io.BytesIO(frames[chosen]), ""))
        name = sorted(frame.objects)[rng.integers(len(frame.objects))]
        objects = {**frame.objects, name: mutate("", frame.objects[name], rng)}
        frames[chosen] = i3.frame(frame.stream, objects)
    return base.with_frames(frames)


def cases(bases: list[Base], seed: int, n: int) -> Iterator[tuple[str, bytes]]:
    for k in range(n):
        base = bases[k % len(bases)]
        yield base.name, corrupt(base, np.random.default_rng([seed, k]))


def check(event: Event) -> None:
    pulses = event.pulses
    for column in (pulses.time_ns, pulses.charge_pe, pulses.width_ns):
        assert np.isfinite(column).all()
    assert len(event.detector.index(pulses.dom)) == len(pulses)
    assert not np.isnat(event.time)
    assert len(event.digest) == 64
    assert json.dumps(event.alert)
    for windows in event.exclusions.values():
        assert np.isfinite([windows.start_ns, windows.stop_ns]).all()


def outcome(path: Path, k: int) -> str:
    """Read the event, and once more with one of its pulse sets."""
    try:
        event = read_event(path)
        check(event)
        if event.pulse_sets:
            check(read_event(path, event.pulse_sets[k % len(event.pulse_sets)]))
    except ReadError as error:
        return "ReadError" if str(path) in str(error) else f"an error that does not name the source: {error}"
    return "Event"


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def bases_of(files: list[Path], folder: Path) -> list[Base]:
    """Return the valid sources, having read each once; this imports all that is needed, too."""
    samples = sources()
    write = {path.name: path.read_bytes() for path in files} or samples
    for name, data in write.items():
        (folder / name).write_bytes(data)
    if write is samples:
        write_table(read_event(folder / "table.csv"), folder / "table.parquet")
        write["table.parquet"] = (folder / "table.parquet").read_bytes()
    for name in write:
        check(read_event(folder / name))
    return [Base(name, data, frames_of(data) if files else sample_frames(name)) for name, data in write.items()]


def sample_frames(name: str) -> tuple[bytes, ...]:
    return (DAQ, PHYSICS) if name.endswith(MESSAGES + FRAMES) else ()


def frames_of(data: bytes) -> tuple[bytes, ...]:
    """Return the DAQ and physics frames of a valid message."""
    return tuple(unwrap(tag, text) for tag, text in split_message(parse_message(data))[1] if tag in ("Q", "P"))


def run(which: Iterator[tuple[str, bytes]], expected: tuple[str, ...], folder: Path) -> dict[str, object]:
    results: Counter[str] = Counter()
    failures, slowest, slow = [], 0.0, ""
    for k, (name, data) in enumerate(which):
        path = folder / name
        path.write_bytes(data)
        start = time.perf_counter()
        try:
            result = outcome(path, k)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is the finding)
            result = f"{type(error).__name__}: {error}"[:300]
        seconds = time.perf_counter() - start
        results[result if result in expected else "wrong"] += 1
        if result not in expected or seconds > SECONDS:
            failures.append(f"case {k}, {name}: {result} in {seconds:.1f} s")
        if seconds > slowest:
            slowest, slow = seconds, name
    return {"results": results, "slowest": [slow, slowest], "failures": failures}


def main(seed: int, n: int, folder: Path, files: list[Path]) -> dict[str, object]:
    bases = bases_of(files, folder)
    blasts = [] if files else list(bombs())
    limit_memory()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "corrupted": run(cases(bases, seed, n), ("Event", "ReadError"), folder),
        "bombs": run(iter(blasts), ("ReadError",), folder),
        "memory": 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before),
    }


if __name__ == "__main__":
    print(
        json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), [Path(name) for name in sys.argv[4:]]))
    )
