"""The list of alerts in a browser: until the first row can be seen, and from a click or key to the row that changes.

    python benchmarks/dashboard.py [ALERTS] [ROUNDS]

A real service (``skymist serve``) with alerts that are made up (seeded), each with an event and a complete scan, one in
ten with the draft of a circular, and Chromium without a window. *First row*: from the navigation of a new tab, the
service being warm, until a row of the table is visible. *Actions*: measured in the page, from the event to the frame in
which another row is the first one, or the marked one. *Page of the API*: one hundred alerts over HTTP, in each order.
It needs Chromium and playwright.
"""

import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import browsers
import catalog as made_up
import httpx
from measured import results, spread

from skymist.records import Database, tables
from skymist.records.catalog import SORTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HELP = """
window.deep = (selector, root = document) => {
  const found = [...root.querySelectorAll(selector)];
  for (const each of root.querySelectorAll("*")) if (each.shadowRoot) found.push(...deep(selector, each.shadowRoot));
  return found;
};
window.first = () => deep("tbody tr")[0]?.dataset.id;
window.marked = () => deep("tbody tr[aria-current]")[0]?.dataset.id;
window.timed = (act, look) => new Promise((resolve) => {
  const before = look(), began = performance.now();
  const wait = () => {
    if (look() !== before) requestAnimationFrame(() => resolve(performance.now() - began));
    else if (performance.now() - began > 20000) resolve(NaN);
    else requestAnimationFrame(wait);
  };
  act();
  wait();
});
window.button = (text) => deep("button").find((each) => each.textContent.trim().startsWith(text));
window.press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, composed: true}));
window.search = (words) => {
  const box = deep("input[type=search]")[0];
  box.value = words;
  box.dispatchEvent(new Event("input", {bubbles: true}));
};
"""
ACTIONS = {
    "sort by energy": "timed(() => button('Energy').click(), first)",
    "sort by time": "timed(() => button('Time').click(), first)",
    "next page": "timed(() => button('Next').click(), first)",
    "previous page": "timed(() => button('Previous').click(), first)",
    "search": "timed(() => search('IceCube-123'), first)",
    "clear the search": "timed(() => search(''), first)",
    "needs a decision": "timed(() => deep('a').find((each) => each.textContent.includes('decision')).click(), first)",
    "all again": "timed(() => deep('a').find((each) => each.textContent.includes('decision')).click(), first)",
    "j": "timed(() => press('j'), marked)",
    "k": "timed(() => { press('j'); press('j'); press('k'); }, marked)",
}


def main() -> None:
    """Look at the list of alerts as a person does."""
    count, rounds = (int(each) for each in (*sys.argv[1:], *("5000", "20")[len(sys.argv) - 1 :]))
    if not browsers.CHROMIUM:
        print("skipped: there is no Chromium here (Debian's package chromium)")
        return
    with (
        results("dashboard") as tell,
        tempfile.TemporaryDirectory(prefix="skymist-") as folder,
        browsers.serving(Path(folder)) as site,
    ):
        with closing(Database(f"{folder}/r.sqlite")) as database:
            fill(database, count)
        lists, changes = of_api(site, rounds)
        with browsers.browsing() as browser:
            first, actions = of_pages(browser, site, rounds)
        keys = [each for name in KEYS for each in actions.pop(name)]
        found = {"first row": first, "actions": [each for some in actions.values() for each in some], "keys": keys,
                 **actions, "page of the API": lists, "anything new?": changes}  # fmt: skip
        for what, some in found.items():
            tell("waits", what=what, alerts=count, times=len(some), **spread(some, "ms"))


KEYS = "j", "k"


def of_pages(browser: "Browser", site: browsers.Site, rounds: int) -> tuple[list[float], dict[str, list[float]]]:
    """Return how long the first row takes, and each action, milliseconds."""
    opened(browser, site)  # the service is warm from then on
    first = [opened(browser, site) for _ in range(max(3, rounds // 2))]
    context, tab = browsers.opened(browser, site, "vic")
    page = _ready(tab.page, site)
    page.evaluate(HELP)
    took: dict[str, list[float]] = {name: [] for name in ACTIONS}
    for _ in range(max(2, rounds // len(ACTIONS) + 1)):
        for name, script in ACTIONS.items():
            took[name].append(float(page.evaluate(script)))
            page.wait_for_timeout(100)  # between two actions of a person
    context.close()
    if tab.trouble:
        raise SystemExit(f"the page had trouble: {tab.trouble}")
    return first, took


def opened(browser: "Browser", site: browsers.Site) -> float:
    """Return how long a new tab takes until its first row is visible, milliseconds."""
    context, tab = browsers.opened(browser, site, "vic")
    began = time.perf_counter()
    _ready(tab.page, site)
    took = (time.perf_counter() - began) * 1e3
    context.close()
    return took


def _ready(page: "Page", site: browsers.Site) -> "Page":
    page.goto(f"{site.url}/alerts", wait_until="commit")
    page.locator("tbody tr").first.wait_for()
    return page


def of_api(site: browsers.Site, rounds: int) -> tuple[list[float], list[float]]:
    """Return how long a page of one hundred alerts takes over HTTP, and the question whether anything is new, ms."""
    lists, changes = [], []
    with httpx.Client(base_url=f"{site.url}/v1", headers={"Authorization": f"Bearer {site.tokens['vic']}"}) as client:
        for path in (*(f"/alerts?limit=100&sort={sign}{name}" for name in SORTS for sign in ("", "-")), *_SEARCHES):
            for _ in range(max(2, rounds // 10)):
                lists.append(_asked(client, path))
                changes.append(_asked(client, "/changes"))
    return lists, changes


_SEARCHES = (
    "/alerts?limit=100&q=IceCube-42", "/alerts?limit=100&q=nothing", "/alerts?limit=100&needs=true",
    "/alerts?limit=100&state=running", "/alerts?limit=100&state=complete&sort=far", "/alerts?limit=100&q=100001_1",
)  # fmt: skip


def _asked(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    client.get(path).raise_for_status()
    return (time.perf_counter() - began) * 1e3


def fill(database: Database, count: int) -> None:
    """Make alerts up, each with an event and a scan, some with a circular."""
    made_up.fill(database, count)
    now, message = tables.now(), "0" * 64
    with database.begin() as session:
        session.execute(insert(tables.Input), [{"id": message, "source": "nobody", "kind": "event", "content": b""}])
    for first in range(0, count, 5000):
        some = range(first, min(first + 5000, count))
        with database.begin() as session:
            session.execute(insert(tables.Event), [_event(k, message) for k in some])
            session.execute(insert(tables.Scan), [_scan(k, now) for k in some])
            drafted = [k for k in some if k % 10 == 0]
            session.execute(insert(tables.Publication), [_draft(k) for k in drafted])
            session.execute(insert(tables.Text), [_text(k, now) for k in drafted])


def _event(k: int, message: str) -> dict[str, Any]:
    return {"id": f"{k:064x}", "input_id": message, "file": "event.json", "role": "observation",
            "run": 100_000 + k // 100, "event": k, "time": "2020-01-01T00:00:00.000000000Z", "kind": "gfu",
            "alert_id": k + 1}  # fmt: skip


def _scan(k: int, now: Any) -> dict[str, Any]:
    return {"id": f"{k:064x}", "event_id": f"{k:064x}", "role": "observation", "wish": {}, "state": "complete",
            "request": {"reconstruction": "track-mpe"}, "progress": {"done": 3072, "total": 3072},
            "finished": now}  # fmt: skip


def _draft(k: int) -> dict[str, Any]:
    return {"id": k + 1, "kind": "circular", "template": "initial", "alert_id": k + 1, "role": "observation"}


def _text(k: int, now: Any) -> dict[str, Any]:
    return {"publication_id": k + 1, "number": 1, "who": "skymist", "subject": "", "body": "", "made": "", "facts": [],
            "created": now}  # fmt: skip


if __name__ == "__main__":
    main()
