"""From the message of a real event to a sent circular, by two people; and what a killed browser loses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import browsers
import httpx
import pytest
from browsers import Site, Tab
from integration.test_serve import until

# What other tests of the process have left is collected while a browser is waited for.
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

EVENT = "run00136766-evt000007637140-GOLD.pkl"
ADDED = "Observations in X-rays are encouraged in particular."


def type_at_the_end(page: Any, words: str) -> None:
    """Add words to the text of a circular, as a person does."""
    page.get_by_text("as saved: revision").wait_for()
    text = page.get_by_label("Text", exact=True)
    text.focus()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text(words)


def test_from_a_message_to_a_sent_circular(site: Site, tab: Callable[..., Tab], shared: Path) -> None:
    ana = tab("ana").go("/alerts")
    (site.service.incoming / EVENT).write_bytes((shared / "events" / EVENT).read_bytes())
    ana.get_by_role("link", name="IceCube-220624A").first.wait_for()
    ana.keyboard.press("j")
    ana.keyboard.press("Enter")
    ana.wait_for_url("**/alert?name=*")
    ana.get_by_role("heading", name="IceCube-220624A").wait_for()

    ana.get_by_role("button", name="New scan").click()
    ana.get_by_role("combobox", name="Reconstruction", exact=True).wait_for()
    for label, words in (("Cone", "225,41,20"), ("Levels", "8:0,32:12,64:12")):
        ana.get_by_label(label).fill(words)
        ana.get_by_label(label).press("Enter")
        ana.get_by_label(f"{label} (changed)").wait_for()
    start = ana.get_by_role("button", name="Start scan")
    start.click()
    ana.wait_for_url("**/scan?id=*")
    ana.get_by_text("complete").first.wait_for(timeout=120_000)
    ana.wait_for_function("window.skymistDrawn && window.skymistDrawn.length > 0")

    number = until_drafted(site)
    ana = tab("ana").go("/alert?name=IceCube-220624A")
    ana.get_by_role("link", name="Open circular", exact=True).click()
    ana.wait_for_url(f"**/circular?id={number}*")
    type_at_the_end(ana, f"\n{ADDED}\n")
    ana.keyboard.press("Control+s")
    ana.get_by_text("as saved: revision").wait_for()
    assert ana.get_by_role("button", name="Approve", exact=True).is_disabled()

    ben = tab("ben").go(f"/circular?id={number}")
    ben.get_by_text(ADDED).first.wait_for()
    ben.get_by_role("button", name="Approve", exact=True).click()
    ben.get_by_text("approved").first.wait_for()
    ana.get_by_text("approved").first.wait_for()
    ben.get_by_role("button", name="Send …").click()
    ben.get_by_label("Name of the alert").fill("IceCube-220624A")
    ben.get_by_role("button", name="Send it now").click()
    ben.get_by_text("40000").first.wait_for()
    ana.get_by_text("40000").first.wait_for()
    (sent,) = site.gcn.circulars
    assert ADDED in sent["body"]
    with site.client("vic") as client:
        assert client.circulars.show(number)["approver"] == "ben"


def until_drafted(site: Site) -> int:
    """Wait until the service has drafted the circular by all that is known, and return its number."""
    with site.client("vic") as client:
        until(lambda: all(each.state == "complete" for each in client.scans()))
        until(lambda: len([*client.circulars.find()]) == 1)
        (draft,) = client.circulars.find()
        until(lambda: client.circulars.check(draft["id"]) == [])
        return int(draft["id"])


@pytest.fixture(scope="module")
def draft(site: Site, shared: Path) -> int:
    (sent,) = site.send(shared / "events" / "event_HESE_2017-11-28.json")
    with site.client("vic") as client:
        until(lambda: len([*client.circulars.find(alert=sent["alerts"][0])]) == 1)
        return int(next(client.circulars.find(alert=sent["alerts"][0]))["id"])


def test_a_killed_browser_loses_nothing_that_was_typed_two_seconds_before(
    site: Site, browser: Any, tab: Callable[..., Tab], draft: int, tmp_path: Path
) -> None:
    with browsers.browsing_alone(browser, tmp_path) as (process, page):
        page.context.add_cookies([{"name": "skymist_token", "value": site.tokens["ana"], "url": site.url}])
        page.goto(f"{site.url}/circular?id={draft}")
        page.get_by_label("Text", exact=True).wait_for()
        type_at_the_end(page, "\nFirst words.")
        page.wait_for_timeout(2000)
        process.kill()
    again = tab("ana").go(f"/circular?id={draft}")
    again.get_by_text("Restored from").wait_for()
    assert "First words." in again.get_by_label("Text", exact=True).input_value()
    again.get_by_role("button", name="Discard what was restored").click()


def test_closed_tabs_leave_no_sessions(site: Site, browser: Any) -> None:
    context, tab = browsers.opened(browser, site, "vic")
    pages = [tab.page, *(context.new_page() for _ in range(19))]
    for page in pages:
        page.goto(f"{site.url}/alerts")
    for page in pages:
        page.get_by_role("navigation", name="pages", exact=True).wait_for()
    assert sessions(site) >= len(pages)
    context.close()
    until(lambda: sessions(site) == 0, 60)


def sessions(site: Site) -> int:
    """Return how many pages the service thinks are open."""
    answer = httpx.get(f"{site.url}/v1/metrics", headers={"Authorization": f"Bearer {site.tokens['vic']}"})
    (line,) = (line for line in answer.text.splitlines() if line.startswith("skymist_pages_open "))
    return int(float(line.split()[1]))
