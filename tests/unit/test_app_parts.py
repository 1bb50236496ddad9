"""Parts of pages, as far as they are Python."""

import base64
import json
import threading
from itertools import permutations
from typing import Any

import pytest

from skymist.app.parts.again import again
from skymist.app.parts.drop import Drop, Gathered
from skymist.app.parts.filters import Filters
from skymist.app.parts.headline import Headline
from skymist.app.parts.table import Table

FILES = [("a.json", b"abcdef"), ("b.txt", b""), ("c.bin", b"xyz")]


def pieces(choice: int = 1, size: int = 2) -> list[dict[str, Any]]:
    """The messages of a browser that sends `FILES`."""
    counts = [max(1, -(-len(content) // size)) for _, content in FILES]
    common = {"choice": choice, "names": [name for name, _ in FILES], "counts": counts}
    return [
        {**common, "file": file, "piece": at,
         "data": base64.b64encode(content[at * size : (at + 1) * size]).decode()}
        for file, (_, content) in enumerate(FILES) for at in range(counts[file])
    ]  # fmt: skip


def test_files_come_whole_in_whatever_order_their_pieces_come() -> None:
    for order in list(permutations(pieces()))[::37]:
        gathered = Gathered()
        *others, last = (gathered.add(piece) for piece in order)
        assert others == [None] * len(others)
        assert last == FILES


def test_a_new_choice_drops_what_is_left_of_an_earlier_one() -> None:
    gathered = Gathered()
    for piece in pieces(1)[:-1]:
        assert gathered.add(piece) is None
    *_, last = (gathered.add(piece) for piece in pieces(2))
    assert last == FILES


def test_files_are_handed_on_once_and_nobody_is_busy_afterwards() -> None:
    drop, seen, busy = Drop(), [], []
    drop.on_files(lambda files: (seen.append(files), busy.append(drop.busy)))  # type: ignore[func-returns-value]
    for piece in [*pieces(1), *pieces(2)]:
        drop._handle_msg(piece)
    assert (seen, busy, drop.busy) == ([FILES, FILES], [True, True], False)


def test_nothing_is_taken_where_nothing_may_be_dropped() -> None:
    drop, seen = Drop(disabled=True), []
    drop.on_files(seen.append)
    for piece in pieces():
        drop._handle_msg(piece)
    assert seen == []


def test_rows_go_to_the_browser_as_short_as_they_can() -> None:
    table = Table(rows=[{"id": "1", "cells": {"a": [{"text": "–"}, {"text": "b", "chip": "gold"}]}}])
    assert json.loads(table.content) == [{"id": "1", "cells": {"a": ["–", {"text": "b", "chip": "gold"}]}}]
    assert "–" in table.content
    table.rows = []
    assert table.content == "[]"


@pytest.mark.parametrize(("part", "listen", "message", "told"), [
    (Table(), "on_action", {"row": "1_2", "action": "retry"}, ("1_2", "retry")),
    (Headline(), "on_choose", {"key": "needs"}, ("needs",)),
    (Filters(), "on_change", {"name": "stream", "value": "gold"}, ("stream", "gold")),
    (Filters(), "on_change", {"name": "", "value": ""}, ("", "")),
])  # fmt: skip
def test_what_somebody_does_is_told(part: Any, listen: str, message: dict[str, str], told: tuple[str, ...]) -> None:
    heard: list[tuple[str, ...]] = []
    getattr(part, listen)(lambda *said: heard.append(said))
    part._handle_msg(message)
    assert heard == [told]


def test_what_is_done_again_is_not_begun_while_it_is_still_being_done() -> None:
    begun, going_on, may_end = list[int](), threading.Event(), threading.Event()

    def act() -> None:
        begun.append(1)
        going_on.set()
        may_end.wait(30)

    once = again(act, 1000, start=False).callback
    first = threading.Thread(target=once)
    first.start()
    assert going_on.wait(30)
    once()
    assert len(begun) == 1
    may_end.set()
    first.join()
    once()
    assert len(begun) == 2
