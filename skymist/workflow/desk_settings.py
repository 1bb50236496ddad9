"""What a site says of its circulars and notices, as far as they are drafted and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skymist.model.region import DEFAULT_CALIBRATION


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
    """

    reporter: str = ""
    contact: str = ""
    templates: Path | None = None
    catalogs: Sequence[str] = ("neutrino-candidates",)
    calibration: str = DEFAULT_CALIBRATION
    map_url: str = ""
    authority: str = "example"
    automatic: bool = True
