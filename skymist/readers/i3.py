"""IceCube frame files: .i3, also compressed as .i3.gz, .i3.bz2 or .i3.zst."""

from collections.abc import Iterator
from pathlib import Path

from skymist.errors import ReadError
from skymist.model.event import Event
from skymist.readers.frame import PHYSICS, Frame, read_frames
from skymist.readers.icecube import event_of, header_of
from skymist.readers.pulses import PulseSets
from skymist.readers.source import Format, open_stream

_NOT_IN_ICE = ("nullsplit", "icetopsplit")
_IDLE_LIMIT, _FRAME_COST = 500_000, 10


def _sniff(head: bytes, name: str) -> bool:
    return head.startswith(b"[i3]") or name.endswith((".i3", ".i3.gz", ".i3.bz2", ".i3.zst"))


def _read(path: Path, pulses: str | None) -> Iterator[Event]:
    """Yield the events one by one; a file of any length is read in the memory of one frame."""
    found, idle = False, 0
    with open_stream(path) as stream:
        for frame in read_frames(stream):
            idle += _FRAME_COST + frame.size + len(frame.objects)
            if idle > _IDLE_LIMIT:
                raise stream.error(f"no event among some {_IDLE_LIMIT} objects")
            try:
                if _is_event(frame):
                    yield event_of(frame, pulses)
                    found, idle = True, 0
            except ReadError as error:
                raise error.within(f"{path}: frame ending at {stream.at}") from error
        if not found:
            raise stream.error("no physics frame with pulses of in-ice modules")


FORMAT = Format(_sniff, _read)


def _is_event(frame: Frame) -> bool:
    """Return whether this is a physics frame of an in-ice sub-event."""
    if frame.stream != PHYSICS or "I3EventHeader" not in frame.objects:
        return False
    return header_of(frame).splitter.lower() not in _NOT_IN_ICE and bool(PulseSets(frame).names)
