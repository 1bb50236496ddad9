"""The alert block: what the online system said of an event, as plain data."""

from collections.abc import Mapping
from typing import Any

from skymist.errors import ReadError
from skymist.readers.frame import Frame
from skymist.readers.objects import read_object, read_text
from skymist.readers.source import MIB, parse_json

UNKNOWN = "unknown"
_IN_FRAME = "AlertShortFollowupMsg"
_STREAMS = ("neutrino", "hese", "ehe", "estres")
_ITEMS, _DEPTH, _BITS = 10_000, 16, 64


def alert_in_frame(frame: Frame) -> dict[str, Any]:
    """Return the copy of the block that physics frames carry since 2021; nothing from older ones."""
    if _IN_FRAME not in frame.objects:
        return {}
    text = read_object(frame, _IN_FRAME, "I3String", read_text)
    if len(text) > MIB:
        raise ReadError(f"{len(text)} characters; the limit is {MIB}", _IN_FRAME)
    return plain_alert(parse_json(text, _IN_FRAME))


def stream_in(alert: Mapping[str, Any]) -> str:
    """Return the stream that selected the event: the block has its scores under its name."""
    return next((name for name in _STREAMS if name in alert), UNKNOWN)


def plain_alert(block: Any) -> dict[str, Any]:
    """Return a copy of a block without its frames.

    Raises
    ------
    ReadError
        If it is no mapping, deep, huge, or holds itself (as what comes from a pickle may).
    """
    if not isinstance(block, dict):
        raise ReadError("the alert block is no mapping")
    copy: dict[str, Any] = _Copy().of({key: item for key, item in block.items() if key != "frames"})
    return copy


class _Copy:
    """Copies a limited number of items."""

    def __init__(self) -> None:
        self._left = _ITEMS

    def of(self, item: Any, depth: int = _DEPTH) -> Any:
        self._left -= 1
        if not depth or self._left < 0:
            raise ReadError(f"the alert block is nested over {_DEPTH} deep or has over {_ITEMS} items")
        if isinstance(item, dict):
            return {key: self.of(value, depth - 1) for key, value in item.items()}
        if isinstance(item, list):
            return [self.of(value, depth - 1) for value in item]
        if isinstance(item, int) and item.bit_length() > _BITS:
            raise ReadError(f"the alert block has an integer of more than {_BITS} bits")
        return item
