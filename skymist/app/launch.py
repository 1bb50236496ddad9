"""Single pages for ``panel serve`` and Jupyter, of a service that runs elsewhere."""

import os
from typing import Any
from weakref import finalize

from skymist.app.sitemap import find
from skymist.app.visit import Look, Visit, Visitor
from skymist.client import connect
from skymist.errors import SkymistError

USUAL = "http://127.0.0.1:8642"


def launch(name: str, server: str | None = None, *, look: str = "light.deg", **query: str) -> Any:
    """Return a page of a service, to be shown in a notebook or to be ``.servable()``.

    Parameters
    ----------
    name : str
        Of the page: alerts, alert, scans, scan, circulars, circular, operations or watch.
    server : str, optional
        URL of the service; else that in ``SKYMIST_SERVER``, else this machine's.
    look : str
        Theme and how positions are written, such as ``dark.hms``.
    **query
        As in the address of the page, such as ``name="IceCube-170922A"``.

    Raises
    ------
    UnknownNameError
        If there is no such page.
    RequestError, StoreError
        If the service does not let you in, or does not answer.
    """
    page, client = find(name), connect(server or os.environ.get("SKYMIST_SERVER", USUAL))
    try:
        me = client.me()
    except SkymistError:
        client.close()
        raise
    import panel as pn  # takes seconds

    from skymist.app.frame import frame, prepare

    asked = {key: value[-1].decode() for key, value in pn.state.session_args.items()}
    visitor = Visitor("", me["name"], me["role"], Look.parse(look), {**asked, **query})
    prepare(page, visitor.look)
    shown = frame(page, Visit(client, visitor))
    finalize(shown, client.close)
    return shown
