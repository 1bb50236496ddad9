"""One service and one browser for each file of tests: while it is open there runs an event loop in their thread."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browsers
import pytest
from browsers import Site, Tab
from integration.test_serve import until


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsers.browsing() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Site]:
    with browsers.serving(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def events(site: Site, shared: Path) -> dict[str, str]:
    """Real events that the service has scanned: names of their alerts and ids of their scans."""
    names = ["event_HESE_2017-11-28.json", "run00136766-evt000007637140-GOLD.pkl"]
    sent = site.send(*(shared / "events" / name for name in names))
    with site.client("vic") as client:
        until(lambda: len([*client.scans(state=["complete"])]) == len(names))
        return {each["alerts"][0]: next(client.scans(event=each["event_id"])).id for each in sent}


@pytest.fixture
def tab(site: Site, browser: Any) -> Iterator[Callable[..., Tab]]:
    """Opens pages as a person; at the end none of them may have said that something is wrong."""
    contexts, tabs = [], []

    def open_as(person: str, **how: Any) -> Tab:
        context, found = browsers.opened(browser, site, person, **how)
        contexts.append(context)
        tabs.append(found)
        return found

    yield open_as
    trouble = [each for found in tabs for each in found.trouble]
    for number, (context, found) in enumerate(zip(contexts, tabs, strict=True)):
        if folder := os.environ.get("SKYMIST_SCREENSHOTS"):  # to see where a test has ended
            found.page.screenshot(path=Path(folder, f"tab-{number}.png"))
        context.close()
    assert trouble == []
