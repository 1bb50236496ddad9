"""Front page of the public view: the catalog for people, with what machines look for in it."""

from collections.abc import Mapping, Sequence
from typing import Any

from skymist.fair.entry import Entry
from skymist.fair.licences import licence
from skymist.fair.page import embedded, environment
from skymist.fair.record import Site


def front(site: Site, entries: Sequence[Entry], tables: Mapping[str, str], asked: str, further: str) -> str:
    """Return the front page.

    Parameters
    ----------
    site : Site
    entries : sequence of Entry
        Alerts to be listed.
    tables : mapping of str to str
        Media types of tables by name, each of which is at ``catalog?format=NAME`` below the site's home.
    asked : str
        What was asked for, in words; empty if nothing was.
    further : str
        Where the next alerts are, or empty.

    Raises
    ------
    RequestError
        If the licence of the site is not known.
    """
    template = environment().get_template("front.html")
    urls = {name: f"{_home(site)}/catalog?format={name}" for name in tables}
    return template.render(
        site=site, home=_home(site), entries=entries, tables=urls, asked=asked, further=further,
        licence=licence(site.licence), json_ld=embedded(catalog_json_ld(site, tables)),
    )  # fmt: skip


def catalog_json_ld(site: Site, tables: Mapping[str, str]) -> dict[str, Any]:
    """Return the catalog as schema.org says it: a DataCatalog, and the tables in which it can be had."""
    return {
        "@context": "https://schema.org/",
        "@type": "DataCatalog",
        "@id": f"ivo://{site.authority}/skymist",
        "name": f"Neutrino alerts of {site.publisher}",
        "description": "Alerts of high-energy neutrinos, with positions, errors, energies and sky maps.",
        "url": _home(site),
        "license": licence(site.licence).url,
        "publisher": {"@type": "Organization", "name": site.publisher},
        "keywords": ["neutrino astronomy", "multi-messenger astronomy", "IceCube"],
        "dataset": {
            "@type": "Dataset",
            "name": "Catalog of alerts",
            "description": "All public alerts as one table.",
            "license": licence(site.licence).url,
            "distribution": [
                {"@type": "DataDownload", "contentUrl": f"{_home(site)}/catalog?format={name}", "encodingFormat": media}
                for name, media in tables.items()
            ],
        },
    }


def _home(site: Site) -> str:
    return site.home.rstrip("/")
