"""What a site says of its circulars and notices, as far as they are drafted and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skymist.model.alert import Role
from skymist.model.region import DEFAULT_CALIBRATION

GCN_ITSELF = "https://gcn.nasa.gov", "kafka.gcn.nasa.gov"
"""Where what goes out reaches the world."""


@dataclass(frozen=True)
class DeskSettings:
    """What a site says of its circulars.

    Attributes
    ----------
    reporter, contact : str
        Who reports, and whom to ask; empty: nobody is named.
    templates : Path, optional
        Folder of the site's own templates.
    catalogs : sequence of str
        In which counterparts are looked for: names, or files of descriptions.
    calibration : str
        Of the regions.
    map_url : str
        Where maps are for everybody; ``{name}`` and ``{scan}`` stand for the alert and the scan. Empty: nowhere.
    authority : str
        Of identifiers of VOEvents (``ivo://AUTHORITY/...``): a name that the site has registered.
    automatic : bool
        Whether each alert that was scanned gets a draft by itself.
    real : bool
        Whether what is about the real sky goes out, and nothing else; otherwise only tests.
    destinations : mapping of str to str
        By kind of publication, the address to which it goes; those that are not there are not sent from here.
    """

    reporter: str = ""
    contact: str = ""
    templates: Path | None = None
    catalogs: Sequence[str] = ("neutrino-candidates",)
    calibration: str = DEFAULT_CALIBRATION
    map_url: str = ""
    authority: str = "example"
    automatic: bool = True
    real: bool = False
    destinations: Mapping[str, str] = field(default_factory=dict)

    def hindrance(self, kind: str, role: str) -> str:
        """Return why a publication of this kind and world cannot go out from here, in words; empty if it can."""
        if kind not in self.destinations:
            return f"this site sends no {kind}s: its settings say no address"
        return wrong_sky(role, real=self.real)

    def is_stand_in(self, kind: str) -> bool:
        """Return whether publications of a kind go to another service than GCN's own, such as one for tests."""
        host = self.destinations.get(kind, "").partition(", ")[0]
        return host.rstrip("/") not in GCN_ITSELF


def wrong_sky(role: str, *, real: bool) -> str:
    """Return why what is told in this world cannot go out, in words; empty if it can."""
    if (role == Role.OBSERVATION) == real:
        return ""
    goes, is_it = ("the real sky", "a test") if real else ("tests", "about the real sky")
    return f"only {goes} may go out from here (setting `real`), and this is {is_it}"
