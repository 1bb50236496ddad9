"""Pickles of plain data, read without ever unpickling.

A pickle is a program for a stack machine. The part of the machine that builds containers, strings,
numbers, None and booleans is all there is here; an instruction that could import or call is an error.
"""

import pickletools
from collections.abc import Iterator
from typing import Any

from skymist.errors import ReadError

_NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_TEXTS = ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, type] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": list}
_MEMO_WRITES = ("BINPUT", "LONG_BINPUT", "MEMOIZE")
_MEMO_READS = ("BINGET", "LONG_BINGET")
_ITEMS = {"TUPLE": None, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3} | {
    "APPENDS": None,
    "APPEND": 1,
    "SETITEMS": None,
    "SETITEM": 2,
}
_PLAIN_LIMIT, _FRAME_LIMIT = 200_000, 1000
_IGNORED = ("PROTO", "FRAME", "STOP")


def load_plain(data: bytes) -> Any:
    """Return what a pickle of dictionaries, lists, strings and numbers holds; tuples become lists.

    Raises
    ------
    ReadError
        If it is corrupt or holds anything else, with the position of the instruction.
    """
    machine = _Machine()
    at = 0
    try:
        for name, argument, position in _instructions(data, _PLAIN_LIMIT):
            at = position
            machine.run(name, argument)
        (value,) = machine.stack
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        raise ReadError(f"not a pickle of plain data: {error}", offset=at) from error
    return value


def frame_in_pickle(data: bytes) -> bytes:
    """Return the I3Frame inside the pickle of an I3Frame object: its only argument that begins with [i3].

    Python 2 wrote the bytes as they are, Python 3 as text with one character a byte.
    """
    at = 0
    try:
        for _, argument, position in _instructions(data, _FRAME_LIMIT):
            at = position
            if isinstance(argument, str) and argument.startswith("[i3]"):
                return argument.encode("latin-1")
            if isinstance(argument, bytes) and argument.startswith(b"[i3]"):
                return argument
    except ValueError as error:
        raise ReadError(f"not a pickle: {error}", offset=at) from error
    raise ReadError("a pickle without a frame", offset=at)


def _instructions(data: bytes, limit: int) -> Iterator[tuple[str, Any, int]]:
    """Yield (name, argument, position) of the first instructions; more than `limit` are an error."""
    for n, (instruction, argument, position) in enumerate(pickletools.genops(data)):
        if n == limit:
            raise ValueError(f"more than {limit} instructions")
        yield instruction.name, argument, position or 0


class _Machine:
    """The stack machine: each instruction understood is a method of that name or a constant."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, name: str, argument: Any) -> None:
        if name in _NUMBERS or name in _TEXTS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _MEMO_WRITES:
            self._memo[len(self._memo) if argument is None else argument] = self.stack[-1]
        elif name in _MEMO_READS:
            self.stack.append(self._memo[argument])
        elif name == "MARK":
            self._marks.append(len(self.stack))
        elif name not in _IGNORED:
            self._fill(name)

    def _fill(self, name: str) -> None:
        items = self._items(name)
        if name.startswith("TUPLE"):
            self.stack.append(items)
        elif name.startswith("APPEND"):
            self.stack[-1].extend(items)
        else:
            keys = items[::2]
            if not all(isinstance(key, str) for key in keys):
                raise TypeError("a key that is no text")
            self.stack[-1].update(zip(keys, items[1::2], strict=True))

    def _items(self, name: str) -> list[Any]:
        """Take the items of a container from the stack: those since the last mark, or a fixed number."""
        if name not in _ITEMS:
            raise ValueError(f"the instruction {name} is not for plain data")
        size = _ITEMS[name]
        at = self._marks.pop() if size is None else len(self.stack) - size
        if at < 0:
            raise IndexError("the stack is empty")
        items = self.stack[at:]
        del self.stack[at:]
        return items
