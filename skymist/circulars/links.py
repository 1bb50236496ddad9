"""Links: where the first notice of an alert of IceCube is, by the time of the event."""

import numpy as np

from skymist.model.alert import Revision

TOPIC = "gcn.notices.icecube.gold_bronze_track_alerts"
"""Of GCN, where notices of tracks are since February 2026; they have no pages of their own."""

_PAGES = "https://gcn.gsfc.nasa.gov"
_GOLD_AND_BRONZE = np.datetime64("2019-06-19")
"""From then on; streams before had EVENT_RUN in the address."""

_ONLY_KAFKA = np.datetime64("2026-02-01")


def first_notice(revision: Revision) -> str:
    """Return the address of the page of the first notice, empty if there is none.

    Examples
    --------
    >>> first_notice(Revision(137840, 57034692, np.datetime64("2023-04-16T05:22:26"), stream="bronze"))
    'https://gcn.gsfc.nasa.gov/notices_amon_g_b/137840_57034692.amon'
    """
    if revision.time >= _ONLY_KAFKA:
        return ""
    if revision.time < _GOLD_AND_BRONZE:
        return f"{_PAGES}/notices_amon/{revision.event}_{revision.run}.amon"
    folder = "notices_amon_icecube_cascade" if revision.topology == "cascade" else "notices_amon_g_b"
    return f"{_PAGES}/{folder}/{revision.key}.amon"
