"""Make the screenshots of the README and the docs anew: a real service, real events, a real browser.

    .venv/bin/python tools/screenshots.py [FOLDER] [--all]

It needs Chromium and ../shared/data. Without ``--all`` only those are made that the docs show, in docs/screenshots.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import browsers  # noqa: E402
from integration.test_serve import until  # noqa: E402

from skymist.app.sitemap import PAGES  # noqa: E402

SHARED = ROOT.parent / "shared" / "data"
EVENTS = "run00136766-evt000007637140-GOLD.pkl", "event_HESE_2017-11-28.json", "138632_31747601.json"
WIDTHS = 1600, 1200, 800
SHOWN = ("alerts", 1600, "light"), ("alert", 1600, "dark"), ("scan", 1600, "light"), ("circular", 1600, "light")
"""Page, width and theme of those in the docs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--all", action="store_true", help="every page at every width, light and dark")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        browsers.browsing() as browser,
        browsers.serving(Path(folder)) as site,
    ):
        for name, path in addresses(site):
            for width, theme in wanted(name, everything=given.all):
                file = given.folder / f"{name}-{width}-{theme}.png"
                context, tab = browsers.opened(
                    browser, site, "ben", look=f"{theme}.deg", width=width, height=round(width * 0.66)
                )
                page = tab.go(path)
                page.wait_for_load_state("networkidle")
                page.wait_for_timeout(4000)
                page.screenshot(path=file, full_page=given.all)
                context.close()
                print(file, *tab.trouble)


def addresses(site: browsers.Site) -> Iterator[tuple[str, str]]:
    """Yield names and addresses of pages that show something."""
    (site.service.incoming / "icecat1.csv").write_bytes((SHARED / "catalogs" / "icecat1.csv").read_bytes())
    sent = site.send(*(SHARED / "events" / name for name in EVENTS))
    with site.client("ana") as client:
        until(lambda: len([*client.scans(state=["complete"])]) == len(EVENTS))
        until(lambda: len([*client.circulars.find()]) == len(EVENTS))
        alert, scan = sent[0]["alerts"][0], next(client.scans(event=sent[0]["event_id"])).id
        circular = next(client.circulars.find(alert=alert))["id"]
    for name, page in PAGES.items():
        asked = {"alert": f"?name={alert}&tab=maps", "scan": f"?id={scan}", "circular": f"?id={circular}"}
        yield name, page.path + asked.get(name, "")


def wanted(name: str, *, everything: bool) -> list[tuple[int, str]]:
    """Return widths and themes in which a page is wanted."""
    if everything:
        return [(width, theme) for width in WIDTHS for theme in ("light", "dark")]
    return [(width, theme) for page, width, theme in SHOWN if page == name]


if __name__ == "__main__":
    main()
