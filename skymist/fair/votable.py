"""VOTable 1.4, the XML of the virtual observatory; and what a cone search answers with.

References: https://www.ivoa.net/documents/VOTable/20191021,
https://www.ivoa.net/documents/REC/DAL/ConeSearch-20080222.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement
from xml.sax.saxutils import escape

from skymist.errors import RequestError
from skymist.fair.entry import COLUMNS, Column, Entry, Type, Values, texts, values_of

_SPACE = "http://www.ivoa.net/xml/VOTable/v1.3"  # of all versions since
_DATATYPES = {Type.WHOLE: "long", Type.NUMBER: "double", Type.FLAG: "boolean"}
_CONE_UCDS = {
    "identifier": "ID_MAIN",
    "ra": "POS_EQ_RA_MAIN",
    "dec": "POS_EQ_DEC_MAIN",
    "radius_90": "OBS_ANG-SIZE",  # may be left out, but then is taken for zero
}
_VERBS = 1, 2, 3
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_EMPTY = "<TABLEDATA />"


def write_votable(columns: Sequence[Column], values: Values, about: Mapping[str, str]) -> bytes:
    """Return a VOTable with its rows; see `skymist.fair.catalog.write_table`."""
    root, table = _document(columns, values, about)
    SubElement(SubElement(table, "DATA"), "TABLEDATA")
    head, tail = _text(root).split(_EMPTY)
    return _bytes(f"{head}<TABLEDATA>\n{_rows(columns, values)}</TABLEDATA>{tail}")


def describe(columns: Sequence[Column], values: Values, about: Mapping[str, str]) -> bytes:
    """Return a VOTable without its rows, which are elsewhere."""
    root, _ = _document(columns, values, about)
    return _bytes(_text(root))


def cone_votable(entries: Sequence[Entry], verb: int, about: Mapping[str, str]) -> bytes:
    """Return what a cone search (Simple Cone Search 1.03) found.

    Identifier, position and its error have the words of the first UCDs, as that standard wants it.

    Parameters
    ----------
    entries : sequence of Entry
        Those in the cone; no two have the same identifier.
    verb : int
        How much is told of each: 1 (least), 2 or 3 (all).
    about : mapping of str to str
        As for `skymist.fair.catalog.write_table`.

    Raises
    ------
    RequestError
        If there is no such verbosity.
    """
    if verb not in _VERBS:
        raise RequestError(f"VERB is {verb}, neither of 1, 2 and 3")
    columns = [replace(each, ucd=_CONE_UCDS.get(each.name, each.ucd)) for each in COLUMNS if each.verb <= verb]
    return write_votable(columns, values_of(entries), about)


def error_votable(message: str) -> bytes:
    """Return what a cone search says that cannot be done (Simple Cone Search 1.03, erratum 3)."""
    root = _root()
    SubElement(root, "INFO", ID="Error", name="Error", value=message)
    SubElement(root, "RESOURCE", type="results")
    return _bytes(_text(root))


def _root() -> Element:
    return Element("VOTABLE", version="1.4", xmlns=_SPACE)


def _document(columns: Sequence[Column], values: Values, about: Mapping[str, str]) -> tuple[Element, Element]:
    """Return the document around the rows, and the table in it."""
    root = _root()
    resource = SubElement(root, "RESOURCE", type="results")
    if description := about.get("description"):
        SubElement(resource, "DESCRIPTION").text = description
    for name, value in about.items():
        if value and name != "description":
            SubElement(resource, "INFO", name=name, value=value)
    SubElement(resource, "COOSYS", ID="icrs", system="ICRS")
    SubElement(resource, "TIMESYS", ID="utc", timescale="UTC", refposition="TOPOCENTER")
    if page := about.get("reference_url"):
        SubElement(resource, "LINK", {"content-role": "doc", "title": "landing page", "href": page})
    table = SubElement(resource, "TABLE", name="alerts")
    for column in columns:
        _field(table, column, values[column.name])
    return root, table


def _field(table: Element, column: Column, values: Sequence[object]) -> None:
    told = {"name": column.name, "ucd": column.ucd, "unit": column.unit, "datatype": _DATATYPES.get(column.type, "")}
    if column.type in (Type.TEXT, Type.TIME):
        told |= {"datatype": "char" if all(str(each).isascii() for each in values) else "unicodeChar", "arraysize": "*"}
    if column.type is Type.TIME:
        told |= {"xtype": "timestamp", "ref": "utc"}
    if column.name in ("ra", "dec"):
        told |= {"ref": "icrs"}
    field = SubElement(table, "FIELD", {key: value for key, value in told.items() if value})
    SubElement(field, "DESCRIPTION").text = column.description


def _rows(columns: Sequence[Column], values: Values) -> str:
    cells = []
    for column in columns:
        found = texts(column.type, values[column.name])
        cells.append([escape(each) for each in found] if column.type is Type.TEXT else found)
    return "".join(f"<TR><TD>{'</TD><TD>'.join(row)}</TD></TR>\n" for row in zip(*cells, strict=True))


def _text(root: Element) -> str:
    ElementTree.indent(root)
    return str(ElementTree.tostring(root, encoding="unicode"))


def _bytes(text: str) -> bytes:
    """Return the file; what no XML can contain is replaced."""
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + _NOT_XML.sub("\ufffd", text).encode() + b"\n"
