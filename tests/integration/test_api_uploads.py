"""Corrupted events that are uploaded: each is told what is wrong with it, and the service goes on."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from reader_fuzz import bases_of, cases
from serving import Site, check_problem, opened, serving

from skymist.api import Limits

pytestmark = pytest.mark.integration

UPLOADS = 2000
"""Corrupted events; they are those that the readers are tested with."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    limits = Limits(per_second=1e6, burst=1_000_000)
    with opened(tmp_path, limits=limits) as settings, serving(settings) as found:
        yield found


def test_what_is_wrong_with_an_event_is_told(site: Site, tmp_path: Path) -> None:
    seen: Counter[int] = Counter()
    for name, content in cases(bases_of([], tmp_path), 20240229, UPLOADS):
        answer = site.call("analyst", "POST", "/events", params={"name": name}, content=content)
        seen[answer.status_code] += 1
        if answer.is_success:
            continue
        problem = check_problem(answer, 422)
        assert ("input" in problem) == bool(content)  # it is kept
        assert not content or name in problem["detail"]
        assert not any(word in problem["detail"] for word in ("Traceback", "/tmp", str(tmp_path)))
    assert set(seen) == {200, 201, 422}
    assert seen[422] > UPLOADS / 2
    assert seen[201] > UPLOADS / 20
    assert site.call(None, "GET", "/health").is_success
