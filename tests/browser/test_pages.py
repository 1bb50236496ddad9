"""Every page: nothing of other hosts, nothing on the console, and accessible, in light and in dark."""

import json
from collections.abc import Callable
from pathlib import Path

import browsers
import pytest
from browsers import Site, Tab

from skymist.app.sitemap import PAGES

# What other tests of the process have left is collected while a browser is waited for.
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

THEMES = "light", "dark"
READY = {
    "alerts": "IceCube-171129A", "alert": "event in the detector", "scans": "✓ complete", "scan": "What was asked for",
    "circulars": "IceCube-171129A", "circular": "as saved: revision", "operations": "Runners", "watch": "Latest alert",
}  # fmt: skip
"""What stands on a page once it is there."""

AT_REST = """async () => {
    const shadows = (root) => [...root.querySelectorAll('*')].map((each) => each.shadowRoot).filter(Boolean)
    const within = (root) => [root, ...shadows(root).flatMap(within)]
    const moving = within(document).flatMap((root) => root.getAnimations())
    const ending = moving.filter((each) => Number.isFinite(each.effect.getComputedTiming().endTime))
    await Promise.allSettled(ending.map((each) => each.finished))
}"""
"""Waits for what is still fading in or out: its colours are none yet."""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory, browser: object) -> str:
    return browsers.axe(tmp_path_factory.mktemp("axe"))


def address(name: str, events: dict[str, str], circular: int) -> str:
    """Return the address of a page that shows something."""
    alert, scan = next(iter(events.items()))
    return {"alert": f"/alert?name={alert}", "scan": f"/scan?id={scan}", "circular": f"/circular?id={circular}"}.get(
        name, f"/{name}"
    )


@pytest.fixture(scope="module")
def circular(site: Site, events: dict[str, str]) -> int:
    """A draft of one of them."""
    with site.client("ana") as client:
        for each in client.circulars.find(alert=next(iter(events))):
            return int(each["id"])
        return int(client.circulars.draft(next(iter(events)))["id"])


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible(
    name: str, theme: str, tab: Callable[..., Tab], events: dict[str, str], circular: int, axe: str
) -> None:
    page = tab("olga", look=f"{theme}.deg").go(address(name, events, circular))
    page.get_by_text(READY[name]).first.wait_for()
    page.wait_for_load_state("networkidle")
    page.evaluate(axe)
    page.evaluate(AT_REST)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    wrong = [
        {"rule": each["id"], "impact": each["impact"], "where": [node["target"] for node in each["nodes"]][:5]}
        for each in found["violations"]
    ]
    assert wrong == [], json.dumps(wrong, indent=1)


def test_the_head_tells_what_time_it_is_and_who_one_is(tab: Callable[..., Tab], tmp_path: Path) -> None:
    page = tab("vic").go("/alerts")
    assert page.get_by_role("timer", name="time, UTC").inner_text().endswith("UTC")
    page.get_by_text("vic (viewer)").wait_for()


def test_the_look_stays(tab: Callable[..., Tab]) -> None:
    page = tab("vic").go("/alerts")
    page.get_by_label("dark theme").click()
    page.get_by_label("light theme").wait_for()
    page.get_by_label("how positions are written").select_option("hms")
    page.get_by_label("light theme").wait_for()
    assert page.get_by_label("how positions are written").input_value() == "hms"


def test_keys_lead_from_page_to_page(tab: Callable[..., Tab]) -> None:
    page = tab("vic").go("/alerts")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/operations")
