"""Notices as VOEvent 2.0, as GCN wrote them for IceCube's alerts until 2026.

References: https://www.ivoa.net/documents/VOEvent/20110711 and https://gcn.gsfc.nasa.gov/amon.html
"""

import re
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import ElementTree

from skymist.alerts.values import Draft, day_number_time, kind_of, shown, systematic, time, whole
from skymist.errors import ReadError
from skymist.model.alert import Revision, Tense

_STREAMS = {"173": "gold", "174": "bronze", "176": "cascade"}
_ROLES = {"observation": Tense.CURRENT, "prediction": Tense.PLANNED, "test": Tense.TEST}
_FLAGS = "Test", "InternalTest", "Retraction"
_IDENTIFIER = re.compile(r"_(\d{1,15})_(\d{1,15})_(\d{1,15})$", re.ASCII)
_TJD_ZERO = "1968-05-24"

_Params = dict[str, Element]


def read_voevent(content: bytes) -> Revision:
    """Return what a VOEvent of one of IceCube's streams says.

    Raises
    ------
    ReadError
        If it is no such VOEvent, or does not tell run, event, time and what world it is of.
    """
    root = _parsed(content)
    params = _params(root)
    stream = _take(params, "Packet_Type")
    if stream not in _STREAMS:
        known = ", ".join(f"{number} ({name})" for number, name in _STREAMS.items())
        raise ReadError(f"Packet_Type is {shown(stream)}; read are {known}")
    run, event = whole("run_id", _take(params, "run_id")), whole("event_id", _take(params, "event_id"))
    draft = Draft(extra={"ivorn": root.get("ivorn", "")})
    when = time("ISOTime", _text(root, "ISOTime"))
    tense, retraction = _world(draft, root, params)
    number = draft.count("Rev", _take(params, "Rev"))
    _compare(draft, root, params, (run, event, number), when)
    ra, dec = draft.position(_text(root, "C1"), _text(root, "C2"))
    said = {
        "number": number,
        "kind": kind_of(number, retraction),
        "tense": tense,
        "issued": draft.time("Date", _text(root, "Date")),
        "name": draft.name(_take(params, "event_name"), when),
        "stream": _STREAMS[stream],
        "ra": ra,
        "dec": dec,
        "systematic": _systematic(params),
        "radius_50": draft.radius("src_error_50", _take(params, "src_error_50")),
        "radius_90": draft.radius("src_error_90", _take(params, "src_error_90")),
        "energy_tev": _energy(draft, params),
        "signalness": draft.number("signalness", _take(params, "signalness"), 0, 1),
        "far_per_year": draft.number("FAR", _take(params, "FAR"), 0),
        "map_url": draft.url("skymap_fits", _take(params, "skymap_fits")),
    }
    draft.extra |= {name.lower(): param.get("value", "") for name, param in params.items()}
    return draft.revision(run, event, when, **said)


def _parsed(content: bytes) -> Element:
    try:
        root: Element = ElementTree.fromstring(content, forbid_dtd=True)
    except ParseError as error:
        raise ReadError(f"not XML: {error}", offset=error.position[0]) from error
    except (ValueError, LookupError) as error:  # declarations of entities, encodings nobody knows
        raise ReadError(f"not XML, or not harmless: {error}") from error
    if _tag(root) != "VOEvent":
        raise ReadError(f"its root is {shown(_tag(root))}, not VOEvent")
    return root


def _tag(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _params(root: Element) -> _Params:
    """Return all parameters, those of groups included, by name; the first where there are several."""
    found: _Params = {}
    for element in root.iter():
        if _tag(element) == "Param":
            found.setdefault(element.get("name", ""), element)
    return found


def _take(params: _Params, name: str) -> str:
    param = params.pop(name, None)
    return "" if param is None else param.get("value", "").strip()


def _text(root: Element, name: str) -> str:
    """Return the text of the first element of that name."""
    return next((element.text or "" for element in root.iter() if _tag(element) == name), "").strip()


def _world(draft: Draft, root: Element, params: _Params) -> tuple[Tense, bool]:
    """Return what world it is of, and whether it is a retraction."""
    role = root.get("role", "observation")  # the default of VOEvent 2.0
    if role not in _ROLES:
        raise ReadError(f"its role is {shown(role)}, none of {', '.join(_ROLES)}")
    test, internal, retraction = (_flag(name, _take(params, name)) for name in _FLAGS)
    if role == "observation" and (test or internal):
        draft.doubts.append("its role is observation, but it is flagged as a test: taken for a test")
    return Tense.TEST if test or internal else _ROLES[role], retraction


def _flag(name: str, value: str) -> bool:
    if value.lower() not in ("", "true", "false"):
        raise ReadError(f"the flag {name} is {shown(value)}, neither true nor false")
    return value.lower() == "true"


def _compare(draft: Draft, root: Element, params: _Params, numbers: tuple[int, int, int], when: np.datetime64) -> None:
    """Note where it says the same twice, and differently."""
    found = _IDENTIFIER.search(root.get("ivorn", ""))
    named = tuple(map(int, found.groups())) if found else numbers
    if named != numbers:
        draft.doubts.append(f"its ivorn is of {'_'.join(map(str, named))}, the notice of {'_'.join(map(str, numbers))}")
    days = draft.number("Event_TJD", _take(params, "Event_TJD"))
    seconds = draft.number("Event_SOD", _take(params, "Event_SOD"))
    draft.agree(when, day_number_time(days, _TJD_ZERO, seconds), "the time in Event_TJD and Event_SOD")


def _systematic(params: _Params) -> bool | None:
    param = params.get("src_error_90")
    return None if param is None else systematic(" ".join(param.itertext()))


def _energy(draft: Draft, params: _Params) -> float | None:
    unit = params["energy"].get("unit", "TeV") if "energy" in params else "TeV"
    if unit != "TeV":
        # Before 2020, energies in TeV were labelled GeV.
        draft.doubts.append(f"the energy is said to be in {unit}; taken for TeV")
    return draft.number("energy", _take(params, "energy"), 0)
