"""Rights: licences by their SPDX identifier, and access in the words of COAR.

References: https://spdx.org/licenses and https://vocabularies.coar-repositories.org/access_rights
"""

from typing import NamedTuple

from skymist.errors import RequestError
from skymist.fair.record import Access, Record, Status


class Right(NamedTuple):
    """A licence, or a kind of access.

    Attributes
    ----------
    identifier : str
        Of SPDX or COAR.
    name : str
    url : str
        Of the licence's text, or of the word in its vocabulary.
    """

    identifier: str
    name: str
    url: str


_CREATIVE_COMMONS = "https://creativecommons.org"
LICENCES = {
    right.identifier: right
    for right in (
        Right("CC-BY-4.0", "Creative Commons Attribution 4.0 International", f"{_CREATIVE_COMMONS}/licenses/by/4.0/"),
        Right(
            "CC-BY-SA-4.0",
            "Creative Commons Attribution Share Alike 4.0 International",
            f"{_CREATIVE_COMMONS}/licenses/by-sa/4.0/",
        ),
        Right(
            "CC-BY-NC-4.0",
            "Creative Commons Attribution Non Commercial 4.0 International",
            f"{_CREATIVE_COMMONS}/licenses/by-nc/4.0/",
        ),
        Right("CC0-1.0", "Creative Commons Zero v1.0 Universal", f"{_CREATIVE_COMMONS}/publicdomain/zero/1.0/"),
        Right(
            "ODbL-1.0",
            "Open Data Commons Open Database License v1.0",
            "https://opendatacommons.org/licenses/odbl/1-0/",
        ),
        Right(
            "ODC-By-1.0",
            "Open Data Commons Attribution License v1.0",
            "https://opendatacommons.org/licenses/by/1-0/",
        ),
        Right(
            "PDDL-1.0",
            "Open Data Commons Public Domain Dedication & License 1.0",
            "https://opendatacommons.org/licenses/pddl/1-0/",
        ),
    )
}
"""Of data, by SPDX identifier."""

_COAR = "http://purl.org/coar/access_right"
OPEN = Right("c_abf2", "open access", f"{_COAR}/c_abf2")
_METADATA_ONLY = Right("c_14cb", "metadata only access", f"{_COAR}/c_14cb")
_ACCESS = {
    Access.OPEN: OPEN,
    Access.EMBARGOED: Right("c_f1cf", "embargoed access", f"{_COAR}/c_f1cf"),
    Access.CLOSED: Right("c_16ec", "restricted access", f"{_COAR}/c_16ec"),
}


def licence(identifier: str) -> Right:
    """Return a licence of data.

    Raises
    ------
    RequestError
        If it is none of `LICENCES`; the message lists them.
    """
    if identifier not in LICENCES:
        raise RequestError(f"{identifier!r} is no licence of data; there are, by SPDX: {', '.join(LICENCES)}")
    return LICENCES[identifier]


def access_right(record: Record) -> Right:
    """Return who may have the content of a record; of what was withdrawn, nobody has more than the metadata."""
    return _METADATA_ONLY if record.status == Status.WITHDRAWN else _ACCESS[record.access]
