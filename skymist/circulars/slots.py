"""Slots: what a circular may state, how it is written, and how it is compared when it is read back."""

from collections.abc import Mapping
from dataclasses import dataclass

from skymist.errors import UnknownNameError
from skymist.model.circular import Fact, Value


@dataclass(frozen=True)
class Slot:
    """How one kind of fact is written.

    Attributes
    ----------
    about : str
        What it is, with its unit.
    form : str
        Of numbers, as `format` takes it; empty for words.
    required : bool
        Whether a circular that tells of an observation has to state it.
    """

    about: str
    form: str = ""
    required: bool = False


SLOTS: Mapping[str, Slot] = {
    "name": Slot("name of the event, IceCube-YYMMDDX", required=True),
    "key": Slot("run and event, RUN_EVENT"),
    "date": Slot("UTC day of the event, YYYY-MM-DD", required=True),
    "clock": Slot("UTC time of day, to 0.01 s", required=True),
    "time": Slot("UTC time of the event, all digits"),
    "record_number": Slot("of a notice: how many were sent before", "d"),
    "tense": Slot("of a notice: what it refers to"),
    "issued": Slot("UTC time at which a notice was made"),
    "stream": Slot("selection: gold, bronze or cascade"),
    "probability": Slot("of an astrophysical origin, in words: high (gold) or moderate (bronze)"),
    "purity": Slot("mean share of astrophysical neutrinos in the stream, percent", ".0f"),
    "far_per_year": Slot("false alarms like this one, or more signal-like, per year", ".4g"),
    "signalness": Slot("probability of an astrophysical origin, 0 to 1", ".3g"),
    "energy_tev": Slot("most probable energy of the neutrino, TeV", ".4g"),
    "ra": Slot("right ascension, degrees, J2000", ".2f", required=True),
    "dec": Slot("declination, degrees, J2000", "+.2f", required=True),
    "ra_plus": Slot("90 % error towards greater right ascension, degrees", ".2f"),
    "ra_minus": Slot("90 % error towards smaller right ascension, degrees", ".2f"),
    "dec_plus": Slot("90 % error towards greater declination, degrees", ".2f"),
    "dec_minus": Slot("90 % error towards smaller declination, degrees", ".2f"),
    "radius_90": Slot("radius of the circle that holds the source with 90 %, degrees; where no other error is known",
                      ".2f"),
    "area_90": Slot("area of the 90 % region, square degrees", ".2f"),
    "containment": Slot("share of the truth that the errors hold, percent", ".0f"),
    "epoch": Slot("of the coordinates", required=True),
    "scan": Slot("id of the scan that a person has chosen for the position; otherwise the last one counts"),
    "reconstruction": Slot("that the position comes from"),
    "calibration": Slot("of the 90 % region"),
    "notice_url": Slot("where the first notice is, or empty"),
    "topic": Slot("of GCN, where notices are without a page of their own"),
    "map_url": Slot("where the sky map is"),
    "reporter": Slot("who reports; of the site's settings"),
    "contact": Slot("whom to ask; of the site's settings"),
    "detector_state": Slot("a sentence on the state of the detector, by a person"),
    "remark": Slot("a sentence on anything unusual, by a person"),
    "reason": Slot("why an alert is taken back"),
    "systematic": Slot("whether the errors contain what is not statistical: yes or no"),
    "previous_ra": Slot("right ascension that was told before, degrees", ".2f"),
    "previous_dec": Slot("declination that was told before, degrees", "+.2f"),
    "shift": Slot("angle between the position and that told before, degrees", ".2f"),
    "catalog": Slot("in which counterparts were looked for, or that a source is of, as circulars name it"),
    "sources_inside": Slot("number of sources of a catalog in the 90 % region", "d"),
    "expected_by_chance": Slot("number of sources that are in such a region by chance", ".2g"),
    "p_chance": Slot("probability of at least so many sources by chance", ".2g"),
    "p_best": Slot("probability that the best source of a catalog is as good by chance", ".2g"),
    "p_global": Slot("probability that the best source of all catalogs is as good by chance", ".2g"),
    "source_ra": Slot("right ascension of a source, degrees", ".2f"),
    "source_dec": Slot("declination of a source, degrees", "+.2f"),
    "separation": Slot("angle between a source, or another event, and the position, degrees", ".2f"),
    "inside": Slot("whether a source is in the 90 % region: yes or no"),
    "searched_probability": Slot("probability in the part of the map that is as good as where a source is", ".2g"),
    "days": Slot("time from another event to this one, days", ".2f"),
}  # fmt: skip
"""All of them. Facts of a source or of another event say whose they are (`skymist.model.circular.Fact.of`)."""

OBSERVATION = tuple(name for name, slot in SLOTS.items() if slot.required)
"""What a circular has to state that tells of an observation."""


def find(name: str) -> Slot:
    """Return a slot.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    if name not in SLOTS:
        raise UnknownNameError("slot of circulars", name, SLOTS)
    return SLOTS[name]


def written(fact: Fact) -> str:
    """Return a fact as a circular writes it.

    Examples
    --------
    >>> written(Fact("dec", 5.7204)), written(Fact("far_per_year", 1.174)), written(Fact("stream", "gold"))
    ('+5.72', '1.174', 'gold')
    """
    form = find(fact.name).form
    if not form:
        return str(fact.value)
    return format(int(fact.value) if form == "d" else float(fact.value), form)


def agrees(fact: Fact, value: Value, digits: int | None = None) -> bool:
    """Return whether a text states the value of a fact, as exactly as it is written there.

    Parameters
    ----------
    fact : Fact
    value : str, int or float
        That the text states.
    digits : int, optional
        After its decimal point; those of the slot if not given, and never more than these.
    """
    if isinstance(fact.value, str) or isinstance(value, str):
        return str(fact.value).casefold() == str(value).casefold()
    own = float(written(fact))
    if digits is None or value == own:
        return float(value) == own
    return digits > 0 and abs(value - float(fact.value)) <= 0.5000001 * 10.0**-digits
