"""How long it takes to read the real events, each twenty times; the shortest counts.

``read`` is everything from the file to the Event; ``pulses`` is the part from the message's text to
the default pulse set: base64, zlib, frame, SuperDST and masks.
"""

import time
from collections.abc import Callable
from pathlib import Path

from measured import results

from skymist.readers import read_event
from skymist.readers.message import parse_message, physics_frame, split_message
from skymist.readers.pulses import PulseSets

EVENTS = Path(__file__).parents[2] / "shared" / "data" / "events"
REPEATS = 20


def best(function: Callable[[], object]) -> float:
    """Return the shortest of some run times, in ms."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main() -> None:
    """Read every real alert."""
    with results("readers") as tell:
        for path in sorted(EVENTS.iterdir()):
            event, data = read_event(path), path.read_bytes()
            frames = split_message(parse_message(data))[1]

            def unwrap(frames: list[tuple[str, str]] = frames, name: str = event.pulse_set) -> object:
                return PulseSets(physics_frame(frames)).read(name)

            figures = {"read_ms": best(lambda path=path: read_event(path)), "pulses_ms": best(unwrap)}  # type: ignore[misc]
            tell("events", event=event.name, kilobytes=len(data) / 1e3, pulses=len(event.pulses), **figures)


if __name__ == "__main__":
    main()
