"""Latencies in words: the unit that people would choose, and the sign."""

import pytest

from skymist.model.latency import in_words, signed, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.0004, "0 ms"),
        (0.005, "5 ms"),
        (0.999, "999 ms"),
        (1, "1.0 s"),
        (9.94, "9.9 s"),
        (9.95, "10 s"),
        (10.4, "10 s"),
        (119, "119 s"),
        (120, "2.0 min"),
        (7199, "120 min"),
        (7200, "2.0 h"),
        (172_799, "48 h"),
        (172_800, "2.0 d"),
        (63_071_999, "730 d"),
        (63_072_000, "2.0 y"),
        (3_155_760_000, "100 y"),
    ],
)
def test_each_size_has_its_unit(seconds: float, words: str) -> None:
    assert size(seconds) == size(-seconds) == words


def test_what_came_before_the_event_has_a_minus() -> None:
    assert [signed(seconds) for seconds in (0.5, 0, -0.5, -90_000)] == ["+500 ms", "0 s", "−500 ms", "−25 h"]


def test_words_say_before_and_after() -> None:
    assert [in_words(seconds) for seconds in (0.5, 0, -0.5)] == ["500 ms after", "0 ms after", "500 ms before"]
