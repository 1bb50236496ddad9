"""Write VOEvents: XML of the IVOA, as brokers of telescopes read it.

Reference: https://www.ivoa.net/documents/VOEvent/20110711. Parameters have the names that GCN's VOEvents of IceCube
had, so that whoever read those reads ours.
"""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from skymist.errors import RequestError
from skymist.model.alert import Kind, Revision, Role, Tense
from skymist.model.identity import ivo

SPACE = "http://www.ivoa.net/xml/VOEvent/v2.0"
PACKETS = {"gold": "173", "bronze": "174", "cascade": "176"}
_COORDINATES = "UTC-ICRS-TOPO"
_SITE = "IceCube, geographic South Pole"


def ivorn_of(revision: Revision, authority: str, number: int | None = None) -> str:
    """Return the identifier of a revision: ``ivo://AUTHORITY/skymist#RUN_EVENT_NUMBER``."""
    return ivo(authority, f"{revision.key}_{revision.number if number is None else number}")


def write_voevent(
    revision: Revision, *, sent: np.datetime64, authority: str, tense: Tense = Tense.TEST, author: str = "",
    before: int | None = None, ivorn: str = "", before_ivorn: str = "",
) -> bytes:  # fmt: skip
    """Return a revision as a VOEvent 2.0.

    Parameters
    ----------
    revision : Revision
        Of one of the streams, with a number.
    sent : numpy.datetime64
        When it goes out, UTC.
    authority : str
        Of the identifier: a name that the sender has registered, or ``example``.
    tense : Tense
        What it refers to: a test, if nothing else is said.
    author : str
        Who sends it.
    before : int, optional
        Number of the revision that it takes the place of, or takes back.
    ivorn, before_ivorn : str, optional
        Identifiers of an archive, of this revision and the one before; they need neither number nor stream.

    Raises
    ------
    RequestError
        If the revision has no number, or its stream has none of GCN's packet types, and no identifier is given.
    """
    if not ivorn and (revision.number is None or revision.stream not in PACKETS):
        lacks = "number" if revision.number is None else f"stream with a packet type ({', '.join(PACKETS)})"
        raise RequestError(f"a VOEvent of {revision.key} needs a {lacks}")
    ElementTree.register_namespace("voe", SPACE)
    role = {Role.OBSERVATION: "observation", Role.PREDICTION: "prediction", Role.TEST: "test"}[tense.role]
    root = Element(f"{{{SPACE}}}VOEvent", version="2.0", role=role,
                   ivorn=ivorn or ivorn_of(revision, authority))  # fmt: skip
    _who(root, sent, authority, author)
    _what(root, revision, tense)
    _where(root, revision)
    _why(root, revision)
    cited = before_ivorn if before is None else ivorn_of(revision, authority, before)
    if cited:
        cite = "retraction" if revision.kind == Kind.RETRACTION else "supersedes"
        SubElement(SubElement(root, "Citations"), "EventIVORN", cite=cite).text = cited
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)) + b"\n"


def _who(root: Element, sent: np.datetime64, authority: str, author: str) -> None:
    who = SubElement(root, "Who")
    SubElement(who, "AuthorIVORN").text = f"ivo://{authority}/skymist"
    if author:
        SubElement(SubElement(who, "Author"), "title").text = author
    SubElement(who, "Date").text = str(np.datetime_as_string(sent, unit="s"))


def _what(root: Element, revision: Revision, tense: Tense) -> None:
    what = SubElement(root, "What")
    values: list[tuple[str, object, str, str]] = [
        ("Packet_Type", PACKETS.get(revision.stream), "", ""),
        ("run_id", revision.run, "", "meta.id"),
        ("event_id", revision.event, "", "meta.id"),
        ("Rev", revision.number, "", "meta.id"),
        ("event_name", revision.name, "", "meta.id"),
        ("signalness", revision.signalness, "", "stat.probability"),
        ("FAR", revision.far_per_year, "yr^-1", "stat.probability"),
        ("energy", revision.energy_tev, "TeV", "phys.energy"),
        ("src_error_90", _radius(revision), "deg", "stat.error"),
        ("src_error_50", revision.radius_50, "deg", "stat.error"),
        ("skymap_fits", revision.map_url, "", "meta.ref.url"),
    ]
    for name, value, unit, ucd in values:
        if value not in (None, "") and (revision.kind != Kind.RETRACTION or unit == ""):
            param = SubElement(what, "Param", _told(name=name, value=str(value), unit=unit, ucd=ucd))
            if name == "src_error_90":
                with_it = "statistical and systematic" if revision.systematic else "statistical only"
                SubElement(param, "Description").text = f"Radius that holds the source with 90 % ({with_it})."
    flags = SubElement(what, "Group", name="Trigger_ID")
    is_test, retracts = tense.role == Role.TEST, revision.kind == Kind.RETRACTION
    for name, flag in (("Test", is_test), ("RADec_valid", revision.ra is not None and not retracts),
                       ("Retraction", retracts), ("InternalTest", False)):  # fmt: skip
        SubElement(flags, "Param", name=name, value=str(flag).lower())


def _told(**values: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def _radius(revision: Revision) -> float | None:
    if revision.radius_90 is None and revision.circle_90 is not None:
        return float(f"{revision.circle_90:.6g}")
    return revision.radius_90


def _where(root: Element, revision: Revision) -> None:
    data = SubElement(SubElement(root, "WhereWhen"), "ObsDataLocation")
    SubElement(data, "ObservatoryLocation", id=_SITE)
    place = SubElement(data, "ObservationLocation")
    SubElement(place, "AstroCoordSystem", id=_COORDINATES)
    coordinates = SubElement(place, "AstroCoords", coord_system_id=_COORDINATES)
    instant = SubElement(SubElement(coordinates, "Time", unit="s"), "TimeInstant")
    SubElement(instant, "ISOTime").text = str(np.datetime_as_string(revision.time, unit="ns"))
    if revision.ra is None or revision.kind == Kind.RETRACTION:
        return
    position = SubElement(coordinates, "Position2D", unit="deg")
    for name, text in (("Name1", "RA"), ("Name2", "Dec")):
        SubElement(position, name).text = text
    pair = SubElement(position, "Value2")
    for name, value in (("C1", revision.ra), ("C2", revision.dec)):
        SubElement(pair, name).text = str(value)
    if (radius := _radius(revision)) is not None:
        SubElement(position, "Error2Radius").text = str(radius)


def _why(root: Element, revision: Revision) -> None:
    why = SubElement(root, "Why")
    share = None if revision.kind == Kind.RETRACTION else revision.signalness
    inference = SubElement(why, "Inference", {} if share is None else {"probability": str(share)})
    SubElement(inference, "Concept").text = "astrophysical neutrino"
    if revision.name:
        SubElement(inference, "Name").text = revision.name
    if revision.comment:
        SubElement(why, "Description").text = revision.comment
