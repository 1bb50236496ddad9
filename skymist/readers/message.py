"""IceCube's realtime event messages: JSON, or a pickle of the same plain data.

The generations of 2016 (``heseEvent``), 2017 (``heseEvent16Data``), 2021 and 2023
(``realtimeEventData``) are understood, and the start-up files of the skymap scanner.
"""

import binascii
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skymist.errors import ReadError
from skymist.model.event import Event
from skymist.readers.alert import plain_alert
from skymist.readers.frame import DAQ, PHYSICS, Frame, read_frames
from skymist.readers.icecube import event_of
from skymist.readers.plain_pickle import frame_in_pickle, load_plain
from skymist.readers.source import MIB, Format, Stream, inflate, parse_json, read_all

_MESSAGE_LIMIT, _INFLATED_LIMIT = 8 * MIB, 32 * MIB
_FRAME_COUNT = 100
_PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


def _sniff(head: bytes, name: str) -> bool:
    return head.startswith(_PICKLES) or head.lstrip()[:1] == b"{" or name.endswith((".json", ".pkl"))


def _read(path: Path, pulses: str | None) -> Iterator[Event]:
    try:
        content = parse_message(read_all(path, _MESSAGE_LIMIT))
        block, frames = split_message(content)
        yield event_of(physics_frame(frames), pulses, _kind(content), plain_alert(block))
    except ReadError as error:
        raise error.within(str(path)) from error


FORMAT = Format(_sniff, _read)


def parse_message(data: bytes) -> Any:
    """Return the plain data of a message, JSON or pickle."""
    return load_plain(data) if data.startswith(_PICKLES) else parse_json(data)


def split_message(content: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the alert block (empty before 2021) and the frames, as (tag, text), of a message."""
    body = _get(content, "value", dict) or _get(content, "GCDQp_packet", dict) or {}
    data = body.get("data")
    alert = data if isinstance(data, dict) else {}
    frames = (alert or body).get("frames", data)
    if not isinstance(frames, list) or len(frames) > _FRAME_COUNT or not all(_is_frame(item) for item in frames):
        raise ReadError(f"no realtime message: no list of up to {_FRAME_COUNT} frames in value.data")
    return alert, [(tag, text) for tag, text in frames]


def physics_frame(frames: list[tuple[str, str]]) -> Frame:
    """Decode the DAQ and physics frames; geometry, calibration and status are never looked at."""
    data = b""
    for tag, text in frames:
        if tag.upper() in (DAQ, PHYSICS):
            data += unwrap(tag, text, _INFLATED_LIMIT - len(data))
    for frame in read_frames(Stream(io.BytesIO(data), "frames")):
        if frame.stream == PHYSICS:
            return frame
    raise ReadError("no physics frame in the message")


def unwrap(tag: str, text: str, limit: int = _INFLATED_LIMIT) -> bytes:
    """Return an I3Frame from its text: base64 of zlib of a pickle of an object that holds it."""
    try:
        return frame_in_pickle(inflate(binascii.a2b_base64(text), limit))
    except (ValueError, ReadError) as error:
        inner = error if isinstance(error, ReadError) else ReadError(f"not base64: {error}")
        raise inner.within(f"frame {tag}") from error


def _is_frame(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and all(isinstance(part, str) for part in item)


def _get(mapping: Any, key: str, kind: type) -> Any:
    item = mapping.get(key) if isinstance(mapping, dict) else None
    return item if isinstance(item, kind) else None


def _kind(content: dict[str, Any]) -> str:
    """Return the stream that selected the event, if the message names it."""
    streams = (_get(content, "value", dict) or {}).get("streams")
    first = streams[0] if isinstance(streams, list) and streams else streams
    if isinstance(first, str):
        return first.lower()
    return "hese" if str(content.get("varname")).startswith("hese") else ""
