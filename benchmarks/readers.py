"""Times reading the real events: ``python benchmarks/readers.py FILE ...`` prints milliseconds.

``read`` is everything from the file to the Event; ``pulses`` is the part from the message's text to
the default pulse set: base64, zlib, frame, SuperDST and masks.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from skymist.readers import read_event
from skymist.readers.message import parse_message, physics_frame, split_message
from skymist.readers.pulses import PulseSets

REPEATS = 20


def best(function: Callable[[], object]) -> float:
    """Return the shortest of some run times, in ms."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main(paths: list[Path]) -> None:
    """Print one line an event."""
    print(f"{'event':<34} {'pulses':>8} {'read/ms':>8} {'pulses/ms':>10}")
    for path in paths:
        event, data = read_event(path), path.read_bytes()
        frames = split_message(parse_message(data))[1]

        def unwrap(frames: list[tuple[str, str]] = frames, name: str = event.pulse_set) -> object:
            return PulseSets(physics_frame(frames)).read(name)

        whole = best(lambda path=path: read_event(path))  # type: ignore[misc]
        print(f"{event.name:<34} {len(event.pulses):>8} {whole:>8.1f} {best(unwrap):>10.1f}")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
