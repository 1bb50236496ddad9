"""What the archive says of a record, by the standards' own validators; each of them finds what is planted."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyshacl
import pytest
from astropy.io import votable
from astropy.io.votable import tree
from astropy.io.votable.ucd import parse_ucd
from astropy.time import Time
from hypothesis import given, settings
from lxml import etree
from prov.model import ProvDocument, ProvElement, ProvRelation
from rdflib import DCTERMS, PROV, RDF, SDO, Graph, Namespace, URIRef
from records import ALERT, HOME, KEY, MAP, REVISION, SAMPLES, SCAN, SCANNED, SITE, records

from skymist.errors import RequestError
from skymist.fair.datacite import datacite
from skymist.fair.json_ld import json_ld
from skymist.fair.licences import LICENCES, access_right, licence
from skymist.fair.obscore import COLUMNS, NEVER_NULL, obscore
from skymist.fair.provenance import provenance, provenance_json
from skymist.fair.record import Access, Agent, Record, Relation, Status, said, stamp
from skymist.model.request import Level, ScanRequest

with warnings.catch_warnings():  # its way to resolve references is one that jsonschema has given up
    warnings.simplefilter("ignore", DeprecationWarning)
    from datacite import schema45

# rdflib's own readers and writers use what rdflib has given up.
pytestmark = pytest.mark.filterwarnings("ignore:(ConjunctiveGraph|Dataset[.].*) is deprecated:DeprecationWarning")
SH = Namespace("http://www.w3.org/ns/shacl#")
FORMATS: tuple[Callable[[Record], dict[str, Any]], ...] = (datacite, json_ld, provenance_json, obscore)
every = pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)


@pytest.fixture(autouse=True, scope="module")
def no_network() -> Iterator[None]:
    """No document is read with the help of another one somewhere else."""

    def refuse(*anything: Any) -> None:
        raise AssertionError("a test of documents asked the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


def without(document: Any, *path: str | int) -> Any:
    """Return a copy of a document without what is at a place."""
    copy = json.loads(json.dumps(document))
    place = copy
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return copy


def put(document: Any, value: Any, *path: str | int) -> Any:
    """Return a copy of a document with another value at a place."""
    copy = json.loads(json.dumps(document))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copy


def empties(document: Any) -> Iterator[Any]:
    """Go through what says nothing."""
    for value in document.values() if isinstance(document, dict) else document:
        if value in ("", None, [], {}):
            yield value
        elif isinstance(value, dict | list):
            yield from empties(value)


@every
def test_all_formats_are_json_that_says_something(record: Record) -> None:
    for form in FORMATS:
        document = form(record)
        assert json.loads(json.dumps(document, allow_nan=False)) == document
        if form != obscore:
            assert list(empties(document)) == []


# DataCite


def datacite_errors(document: dict[str, Any]) -> list[str]:
    """Return what is wrong in a document: by the schema, and by what it says of formats only in words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = [error.message for error in schema45.validator.iter_errors(document)]
    moment = r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?)?)?"  # W3CDTF
    found += [each["date"] for each in document.get("dates", ()) if not re.fullmatch(moment, each["date"])]
    found += [each for each in addresses(document) if not re.fullmatch(r"[a-z]+:[^\s<>\"{}|\\^`]+", each)]
    return found


def addresses(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "url" or key.lower().endswith("uri"):
                yield value
            else:
                yield from addresses(value)
    elif isinstance(document, list):
        for value in document:
            yield from addresses(value)


@every
def test_datacite_is_valid(record: Record) -> None:
    document = datacite(record)
    assert datacite_errors(document) == []
    assert etree.fromstring(schema45.tostring(document).encode()).tag == "{http://datacite.org/schema/kernel-4}resource"


@pytest.mark.parametrize(
    "path", [("creators",), ("titles",), ("publisher",), ("publicationYear",), ("types",), ("schemaVersion",),
             ("creators", 0), ("creators", 0, "name"), ("titles", 0, "title"), ("publisher", "name"),
             ("types", "resourceTypeGeneral"), ("dates", 0, "dateType"), ("contributors", 0, "contributorType"),
             ("relatedIdentifiers", 0, "relationType"), ("relatedIdentifiers", 0, "relatedIdentifierType"),
             ("alternateIdentifiers", 0, "alternateIdentifierType"), ("descriptions", 0, "descriptionType")],
    ids=str,
)  # fmt: skip
def test_the_validator_of_datacite_finds_an_omission(path: tuple[str | int, ...]) -> None:
    assert datacite_errors(without(datacite(MAP), *path)) != []


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("doi:10.5072/a", ("doi",)),
        ("16 April 2023", ("dates", 0, "date")),
        ("Begun", ("dates", 0, "dateType")),
        ("a page", ("url",)),
        ("IVOID", ("relatedIdentifiers", 0, "relatedIdentifierType")),
        ("Map", ("types", "resourceTypeGeneral")),
        (2023, ("publicationYear",)),
        ({}, ("identifiers",)),
    ],
)
def test_the_validator_of_datacite_finds_a_fault(value: Any, path: tuple[str | int, ...]) -> None:
    assert datacite_errors(put(datacite(MAP), value, *path)) != []


def test_datacite_names_a_record_with_and_without_doi() -> None:
    document = datacite(MAP)
    assert document["doi"] == MAP.doi
    assert [each["alternateIdentifier"] for each in document["alternateIdentifiers"]] == [MAP.identifier, MAP.uuid.urn]
    assert without(document, "doi") == datacite(replace(MAP, doi=""))
    assert MAP.doi.encode() in schema45.tostring(document).encode()


def test_datacite_tells_people_dates_and_rights() -> None:
    document = datacite(REVISION)
    assert [each["name"] for each in document["creators"]] == ["IceCube Collaboration"]
    assert [(each["contributorType"], each["nameType"]) for each in document["contributors"]] == [
        ("Distributor", "Organizational"),
        ("DataCurator", "Personal"),
    ]
    assert {each["dateType"]: each["date"] for each in document["dates"]} == {
        "Created": "2023-04-16T05:30:01.250000Z",
        "Updated": "2023-04-17T08:00:00Z",
        "Collected": REVISION.time,
        "Available": "2023-04-16T06:00:00Z",
    }
    assert document["rightsList"][0]["rightsIdentifier"] == "CC-BY-4.0"
    assert document["rightsList"][1]["rights"] == "open access"
    assert [each["relatedIdentifier"] for each in document["relatedIdentifiers"]] == [
        f"{HOME}/records/{KEY}",
        f"{HOME}/records/{KEY}_0",
    ]
    (orcid,) = datacite(SCANNED)["contributors"][0]["nameIdentifiers"]
    assert orcid["nameIdentifierScheme"] == "ORCID"
    assert datacite(MAP)["publisher"]["publisherIdentifierScheme"] == "ROR"
    assert "geoLocations" not in document


def test_datacite_tells_the_end_and_what_is_no_observation() -> None:
    end = "withdrawn: A wrong geometry."
    gone = {"dateType": "Withdrawn", "date": "2023-04-17T08:00:00Z", "dateInformation": end}
    assert datacite(SAMPLES["withdrawn map"])["dates"][-1] == gone
    taken_back = datacite(SAMPLES["retracted alert"])  # which everybody can still have
    assert "Withdrawn" not in [each["dateType"] for each in taken_back["dates"]]
    for name, words in (("retracted alert", "retracted: An air shower."), ("withdrawn map", end)):
        assert {"description": words, "descriptionType": "Other"} in datacite(SAMPLES[name])["descriptions"]
    assert "formats" not in datacite(SAMPLES["withdrawn map"])
    embargo = datacite(SAMPLES["embargoed map"])
    assert embargo["publicationYear"] == "2031"
    assert embargo["dates"][-1]["dateInformation"] == "end of the embargo"
    for record in SAMPLES.values():
        told = [each["description"] for each in datacite(record)["descriptions"]]
        assert ("No observation of the sky: a test or a simulation." in told) == record.simulated


# schema.org


def graph_of(document: dict[str, Any]) -> Graph:
    return Graph().parse(data=json.dumps(document), format="json-ld")


@pytest.fixture(scope="module")
def shapes() -> Graph:
    return Graph().parse(Path(__file__).parents[1] / "shapes.ttl")


def faults(document: dict[str, Any], shapes: Graph) -> set[str]:
    """Return the properties with which SHACL finds fault; ``?`` where it is not with one of them."""
    conforms, report, _ = pyshacl.validate(graph_of(document), shacl_graph=shapes)
    assert isinstance(report, Graph)
    results = list(report.subjects(RDF.type, SH.ValidationResult))
    assert conforms == (not results)
    return {re.split("[/#]", str(report.value(each, SH.resultPath) or "?"))[-1] for each in results}


@every
def test_json_ld_has_its_shape(record: Record, shapes: Graph) -> None:
    assert faults(json_ld(record), shapes) == set()


@pytest.mark.parametrize(
    "path", [("name",), ("description",), ("creator",), ("publisher",), ("license",), ("identifier",), ("sameAs",),
             ("version",), ("keywords",), ("inLanguage",), ("additionalType",), ("about",),
             ("includedInDataCatalog",), ("dateCreated",), ("dateModified",), ("datePublished",),
             ("conditionsOfAccess",), ("dcterms:accessRights",), ("isAccessibleForFree",), ("creativeWorkStatus",),
             ("creator", 0, "name"), ("creator", 0, "@type"), ("publisher", "name"), ("contributor", 0, "roleName"),
             ("contributor", 0, "contributor"), ("contributor", 0, "contributor", "name"), ("identifier", 1),
             ("identifier", 2), ("identifier", 0, "value"), ("identifier", 0, "propertyID"),
             ("includedInDataCatalog", "name"), ("includedInDataCatalog", "url"), ("about", 0, "@type"),
             ("spatialCoverage", "additionalProperty", 0), ("spatialCoverage", "additionalProperty", 1, "unitText"),
             ("variableMeasured", 0, "name"), ("variableMeasured", 0, "value"), ("distribution", 0, "name"),
             ("distribution", 1, "encodingFormat"), ("distribution", 1, "contentSize"),
             ("distribution", 1, "sha256"), ("prov:wasGeneratedBy", "name"), ("prov:wasGeneratedBy", "instrument"),
             ("prov:wasGeneratedBy", "instrument", 0, "softwareVersion"), ("isBasedOn", 0, "@id"),
             ("prov:wasDerivedFrom", 0, "@id")],
    ids=str,
)  # fmt: skip
def test_the_shapes_find_an_omission(path: tuple[str | int, ...], shapes: Graph) -> None:
    document = without(json_ld(MAP), *path)
    if path[-1] == "@id":  # of what has no name and no property, JSON-LD says nothing
        document = put(document, {"name": "a"}, *path[:-1])
    assert str(path[0]).rpartition(":")[2] in faults(document, shapes)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("https://archive.example.org/1", ("@id",)),
        ("Dataset", ("@type",)),
        ("yesterday", ("datePublished",)),
        ("2023-04-16", ("temporalCoverage",)),
        ("short", ("description",)),
        (" ", ("name",)),
        (["one", "two"], ("version",)),
        ("yes", ("isAccessibleForFree",)),
        ("published", ("creativeWorkStatus",)),
        ({"@value": "CC-BY-4.0"}, ("license",)),
        ("https://example.org/open", ("dcterms:accessRights",)),
        ("http://astrothesaurus.org/neutrinos", ("about", 0, "@id")),
        ("local:1", ("identifier", 0, "value")),
        ("0F" * 32, ("distribution", 1, "sha256")),
        ("40001", ("distribution", 1, "contentSize")),
        ("FITS", ("distribution", 1, "encodingFormat")),
        ("a file", ("distribution", 1, "@type")),
        ("per year", ("variableMeasured", 0, "unitText")),
        ("energy of it", ("variableMeasured", 0, "propertyID")),
        (360.5, ("spatialCoverage", "additionalProperty", 0, "value")),
        (-90.5, ("spatialCoverage", "additionalProperty", 1, "value")),
        ("Thing", ("spatialCoverage", "@type")),
        ("CreateAction", ("prov:wasGeneratedBy", "@type")),
    ],
)
def test_the_shapes_find_a_fault(value: Any, path: tuple[str | int, ...], shapes: Graph) -> None:
    found = faults(put(json_ld(MAP), value, *path), shapes)
    assert (str(path[0]).rpartition(":")[2] if not str(path[0]).startswith("@") else "?") in found


def test_the_shapes_want_a_reason_and_a_place(shapes: Graph) -> None:
    for name in ("retracted alert", "withdrawn map"):
        assert faults(without(json_ld(SAMPLES[name]), "correction"), shapes) == {"?"}
    nowhere = replace(MAP, files=tuple(replace(file, url="") for file in MAP.files))
    assert faults(json_ld(nowhere), shapes) == {"?"}
    assert faults(json_ld(replace(nowhere, access=Access.CLOSED)), shapes) == set()


def words_of(document: Any) -> Iterator[str]:
    """Go through the properties and types of a JSON-LD document."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "@type":
                yield from [value] if isinstance(value, str) else value
            elif key not in ("@id", "@context"):
                yield key
                yield from words_of(value)
    elif isinstance(document, list):
        for value in document:
            yield from words_of(value)


def is_word(word: str) -> bool:
    prefix, _, name = word.rpartition(":")
    return name in {"": SDO, "dcterms": DCTERMS, "prov": PROV}[prefix]


@every
def test_json_ld_has_only_words_of_its_vocabularies(record: Record) -> None:
    words = set(words_of(json_ld(record)))
    assert len(words) > 25
    assert {word for word in words if not is_word(word)} == set()
    assert not is_word("energyOfIt")
    assert not is_word("prov:wasMadeOf")


def test_json_ld_is_a_graph_with_names() -> None:
    graph, me = graph_of(json_ld(MAP)), URIRef(MAP.identifier)
    assert {str(each) for each in graph.objects(me, SDO.sameAs)} == {f"https://doi.org/{MAP.doi}", MAP.uuid.urn}
    assert graph.value(me, SDO.license) == URIRef("https://creativecommons.org/licenses/by/4.0/")
    assert {str(each) for each in graph.objects(me, PROV.wasDerivedFrom)} == {
        f"hash://sha256/{'1e' * 32}",
        "ivo://example.org/skymist#scan_0123456789abcdef",
    }
    assert graph.value(me, SDO.isAccessibleForFree).toPython() is True  # type: ignore[union-attr]
    assert (URIRef("http://astrothesaurus.org/uat/1100"), RDF.type, SDO.DefinedTerm) in graph


def test_json_ld_tells_how_a_record_stands() -> None:
    told = {name: json_ld(record) for name, record in SAMPLES.items()}
    assert [each["roleName"] for each in told["revision"]["contributor"]] == ["sender", "approver"]
    assert [each["@id"] for each in told["revision"]["dcterms:replaces"]] == [f"ivo://example.org/skymist#{KEY}_0"]
    assert [each["@id"] for each in told["superseded revision"]["dcterms:isReplacedBy"]] == [
        f"ivo://example.org/skymist#{KEY}_1"
    ]
    assert [each["@id"] for each in told["alert"]["hasPart"]] == [
        f"ivo://example.org/skymist#{KEY}_{number}" for number in (0, 1)
    ]
    assert [each["@id"] for each in told["alert"]["subjectOf"]] == [
        "https://gcn.nasa.gov/circulars/33633",
        "https://doi.org/10.3847/1538-4365/acfa95",
    ]
    assert told["alert"]["citation"][0]["@id"] == "https://ui.adsabs.harvard.edu/abs/2023ApJS..269...25A"
    assert told["alert"]["dcterms:relation"][0]["@id"].endswith("#scan_0123456789abcdef")
    for name, words, free in (
        ("map", "open access", True),
        ("embargoed map", "embargoed access", False),
        ("closed alert", "restricted access", False),
        ("withdrawn map", "metadata only access", False),
    ):
        assert (told[name]["conditionsOfAccess"], told[name]["isAccessibleForFree"]) == (words, free)
    assert "distribution" not in told["withdrawn map"]
    assert "spatialCoverage" not in told["retracted alert"]
    assert told["simulated map"]["publisher"]["contactPoint"]["url"] == "https://archive.example.org/contact"
    assert "contactPoint" not in told["bare alert"]["publisher"]
    for name, record in SAMPLES.items():
        assert ("disambiguatingDescription" in told[name]) == record.simulated


# PROV


def read(text: str, form: str = "json", **options: str) -> ProvDocument:
    return ProvDocument.deserialize(content=text, format=form, **options)


def dangling(document: ProvDocument) -> set[str]:
    """Return what is related to something, but of what nothing else is said."""
    told = {str(each.identifier) for each in document.get_records(ProvElement)}
    named = {
        str(value) for each in document.get_records(ProvRelation) for name, value in each.formal_attributes
        if value is not None and name.localpart != "time"
    }  # fmt: skip
    return named - told


@every
def test_provenance_comes_back(record: Record) -> None:
    document = provenance(record)
    assert dangling(document) == set()
    for form, options in (("json", {}), ("provn", {}), ("jsonld", {}), ("rdf", {"rdf_format": "trig"})):
        text = str(document.serialize(format=form, **options))
        assert read(text, form, **options) == document
    assert read(json.dumps(provenance_json(record))) == document


def test_a_changed_provenance_is_another_one() -> None:
    document = provenance_json(MAP)
    for kind in sorted(set(document) - {"prefix"}):
        for name in document[kind]:
            changed = read(json.dumps(without(document, kind, name)))
            assert changed != provenance(MAP)
            if kind in ("entity", "activity", "agent"):
                assert dangling(changed) == {name}
    source = f"sha256:{'1e' * 32}"
    assert read(json.dumps(put(document, "1e" * 31 + "1f", "entity", source, "schema:sha256"))) != provenance(MAP)


def pairs(document: dict[str, Any], kind: str) -> set[tuple[str, ...]]:
    """Return the first two things of each relation of a kind."""
    return {tuple(str(value) for value in list(each.values())[:2]) for each in document.get(kind, {}).values()}


CONTENT = "skymist:content_sha256"


def test_a_map_is_generated_by_its_scan() -> None:
    document = provenance_json(MAP)
    request = ScanRequest(
        "ab" * 32,
        "track-mpe",
        "2",
        {"beta": 0.7, "pulses": "InIce"},
        (Level(8, 0), Level(64, 12), Level(512, 24)),
        seed=7,
    )
    assert request.to_dict() == SCAN.request
    activity, plan = f"archive:activity_{request.id[:16]}", f"sha256:{request.id}"
    me, source = "archive:map_00112233445566aa", f"sha256:{'1e' * 32}"
    assert pairs(document, "wasGeneratedBy") == {(me, activity)}
    assert pairs(document, "used") == {(activity, plan), (activity, source)}
    assert pairs(document, "wasDerivedFrom") == {(me, source), (me, "archive:scan_0123456789abcdef")}
    (told,) = document["activity"].values()
    assert (told["prov:startTime"], told["prov:endTime"]) == ("2023-04-16T05:29:00+00:00", "2023-04-16T05:30:00+00:00")
    assert told["skymist:request_seed"]["$"] == "7"
    assert json.loads(told["skymist:request_levels"]) == SCAN.request["levels"]
    assert json.loads(told["skymist:request_options"]) == SCAN.request["options"]
    assert (told["skymist:host_processor"], told["skymist:cluster"]) == ("x86_64", "local")
    assert json.loads(document["entity"][plan]["prov:value"]) == SCAN.request
    assert "skymist:request_cone" not in told
    orcid = "web_1:0000-0000-0000-0001"
    workers = {each["prov:agent"]: each.get("prov:plan") for each in document["wasAssociatedWith"].values()}
    assert workers == {orcid: None, **{f"software:{name}-{version}": plan for name, version in SCAN.software.items()}}
    assert pairs(document, "actedOnBehalfOf") == {(orcid, "web:04wxnsj81")}
    files = {value["prov:entity"] for value in document["hadMember"].values() if value["prov:collection"] == me}
    hashes = [{key: document["entity"][name].get(key) for key in ("schema:sha256", CONTENT)} for name in files]
    assert {each["schema:sha256"] or each[CONTENT] for each in hashes} == {file.sha256 for file in MAP.files}
    assert [each[CONTENT] for each in hashes if each[CONTENT]] == [MAP.files[0].sha256]
    assert activity in provenance_json(SCANNED)["activity"]


def test_a_revision_is_of_its_message_and_sender() -> None:
    document, me = provenance_json(REVISION), f"archive:{KEY}_1"
    assert pairs(document, "wasDerivedFrom") == {(me, f"sha256:{'0f' * 32}"), (me, f"archive:{KEY}_0")}
    (revision,) = [each for each in document["wasDerivedFrom"].values() if "prov:type" in each]
    assert (revision["prov:usedEntity"], revision["prov:type"]["$"]) == (f"archive:{KEY}_0", "prov:Revision")
    assert pairs(document, "specializationOf") == {(me, f"archive:{KEY}")}
    sender = "agent:IceCube%20Collaboration"
    roles = {each["prov:type"]["$"]: each["prov:agent"] for each in document["wasAttributedTo"].values()}
    assert roles["skymist:sender"] == roles["skymist:creator"] == sender
    assert document["agent"][sender]["prov:type"]["$"] == "prov:Organization"
    (generated,) = document["wasGeneratedBy"].values()
    assert generated == {"prov:entity": me, "prov:time": "2023-04-16T05:30:01.250000+00:00"}
    assert pairs(document, "wasInvalidatedBy") == set()


def test_an_end_invalidates() -> None:
    document = provenance_json(SAMPLES["retracted alert"])
    end = "archive:retracted_137841_1"
    assert pairs(document, "wasInvalidatedBy") == {("archive:137841_1", end)}
    assert document["activity"][end]["dcterms:description"] == "An air shower."
    assert pairs(document, "wasAssociatedWith") == {(end, "agent:Shift%20of%20the%20archive")}
    assert pairs(provenance_json(SAMPLES["superseded revision"]), "wasInvalidatedBy") == set()


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    code = (
        "import json, records\n"
        "from skymist.fair import datacite, json_ld, obscore, provenance\n"
        "forms = datacite.datacite, json_ld.json_ld, obscore.obscore, provenance.provenance_json\n"
        "print(json.dumps([form(each) for each in records.SAMPLES.values() for form in forms]))"
    )
    path = os.pathsep.join([str(tests), str(tests.parent)])
    said_by = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": path},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said_by) == 1


# ObsCore


def table_of(rows: list[dict[str, Any]]) -> tree.TableElement:
    """Return rows as a table of the Virtual Observatory, written and read back by astropy."""
    file = tree.VOTableFile()
    table = tree.TableElement(file)
    file.resources.append(tree.Resource())
    file.resources[0].tables.append(table)
    for name, datatype, unit, ucd, utype in COLUMNS:
        size = {"arraysize": "*"} if datatype == "char" else {}
        about = said({"unit": unit, "ucd": ucd, "utype": f"obscore:{utype}"})
        table.fields.append(tree.Field(file, name=name, datatype=datatype, **size, **about))
    table.create_arrays(len(rows))
    for index, row in enumerate(rows):
        nothing = ("" if column.datatype == "char" else 0 for column in COLUMNS)
        table.array[index] = tuple(
            other if value is None else value for value, other in zip(row.values(), nothing, strict=True)
        )
        table.array.mask[index] = tuple(value is None for value in row.values())
    content = io.BytesIO()
    file.to_xml(content)
    content.seek(0)
    return votable.parse(content, verify="exception").get_first_table()


TYPES = {"char": str, "int": int, "long": int, "double": float}


def row_errors(row: dict[str, Any]) -> list[str]:
    """Return what is wrong in a row, by the reference."""
    wrong = [] if list(row) == [column.name for column in COLUMNS] else ["columns"]
    wrong += [each.name for each in COLUMNS if type(row.get(each.name)) not in (TYPES[each.datatype], type(None))]
    wrong += [name for name in NEVER_NULL if row.get(name) is None]
    region = row.get("s_region")
    number = r"-?\d+(\.\d+)?(e-?\d+)?"
    if region is not None and not re.fullmatch(rf"CIRCLE ICRS {number} {number} {number}", region):
        wrong.append("s_region")
    limits = {"s_ra": (0, 360), "s_dec": (-90, 90), "s_fov": (0, 360), "calib_level": (0, 4), "pol_xel": (0, 0)}
    for name, (low, high) in limits.items():
        if row.get(name) is not None and not low <= row[name] <= high:
            wrong.append(name)
    kinds = "image", "cube", "spectrum", "sed", "timeseries", "visibility", "event", "measurements"
    return wrong if row.get("dataproduct_type") in kinds else [*wrong, "dataproduct_type"]


def test_obscore_rows_are_right() -> None:
    rows = [obscore(record) for record in SAMPLES.values() if record.fragment]
    assert [row_errors(row) for row in rows] == [[]] * len(rows)
    different = {record.identifier for record in SAMPLES.values()}
    assert {row["obs_publisher_did"] for row in rows} == different


@pytest.mark.parametrize("name", [*NEVER_NULL, "dataproduct_type"])
def test_a_wrong_row_is_found(name: str) -> None:
    assert name in row_errors(put(obscore(MAP), None, name))
    assert row_errors(without(obscore(MAP), name)) != []


@pytest.mark.parametrize(
    ("name", "value"), [("s_ra", 360.5), ("s_ra", 12), ("s_region", "circle 1 2"), ("t_min", "now")]
)
def test_a_wrong_value_is_found(name: str, value: Any) -> None:
    assert row_errors(put(obscore(MAP), value, name)) == [name]


def test_obscore_has_the_mandatory_columns() -> None:
    assert len(COLUMNS) == len({column.name for column in COLUMNS}) == 30
    assert len({column.utype for column in COLUMNS}) == 30
    for column in COLUMNS:
        parse_ucd(column.ucd, check_controlled_vocabulary=True)
    with pytest.raises(ValueError, match="nonsense"):
        parse_ucd("meta.nonsense", check_controlled_vocabulary=True)
    for record in SAMPLES.values():
        if ucd := obscore(record)["o_ucd"]:
            parse_ucd(str(ucd), check_controlled_vocabulary=True)


def test_obscore_goes_through_a_votable() -> None:
    rows = [obscore(record) for record in SAMPLES.values()]
    table = table_of(rows)
    for index, row in enumerate(rows):
        found = table.array[index]
        for name, value in row.items():
            if value is not None:
                assert found[name] == value
            elif not isinstance(found[name], str):
                assert np.ma.is_masked(found[name])


def test_obscore_tells_where_and_when() -> None:
    row = obscore(MAP)
    assert (row["s_ra"], row["s_dec"], row["s_fov"], row["s_resolution"]) == (345.85, 9.14, 1.2, 2160)
    assert row["s_region"] == "CIRCLE ICRS 345.85 9.14 0.6"
    assert row["t_min"] == row["t_max"] == pytest.approx(Time("2023-04-16T05:22:26.15", scale="utc").mjd, abs=1e-10)
    assert row_errors(obscore(replace(MAP, ra=345, dec=9, radius_90=1))) == []
    assert (row["access_url"], row["access_format"], row["access_estsize"]) == (
        MAP.files[1].url,
        "application/gzip",
        41,
    )
    assert row["em_min"] is row["em_max"] is None
    region = obscore(SAMPLES["map of a region"])
    assert (region["s_region"], region["s_ra"]) == (None, None)
    radius = np.radians(region["s_fov"] / 2)  # type: ignore[operator]
    assert 2 * np.pi * (1 - np.cos(radius)) * np.degrees(1) ** 2 == pytest.approx(15_000)
    whole = obscore(replace(SAMPLES["map of a region"], area_90_deg2=41_252.97))
    assert whole["s_fov"] == pytest.approx(360)


def test_obscore_keeps_an_event_together_and_worlds_apart() -> None:
    rows = {name: obscore(record) for name, record in SAMPLES.items()}
    assert {rows[name]["obs_id"] for name in ("alert", "revision", "scan", "map")} == {KEY}
    assert rows["simulated map"]["obs_id"] == "map_0000000000000001"
    assert rows["test revision"]["obs_id"] == f"test_{KEY}"
    for name, record in SAMPLES.items():
        assert (rows[name]["obs_collection"] == "skymist-simulated") == record.simulated
    assert (rows["withdrawn map"]["access_format"], rows["withdrawn map"]["access_estsize"]) == ("text/html", None)
    assert rows["closed alert"]["access_url"] is None
    assert rows["bare alert"]["t_min"] is None


# What all share


@given(records())
@settings(max_examples=60, deadline=None)
def test_any_record_can_be_told(record: Record) -> None:
    document = datacite(record)
    assert datacite_errors(document) == []
    assert provenance(record) == read(json.dumps(provenance_json(record), allow_nan=False))
    assert row_errors(obscore(record)) == []
    graph = graph_of(json_ld(record))
    assert str(graph.value(URIRef(record.identifier), SDO.name)) == record.title
    json.dumps([document, json_ld(record), obscore(record)], allow_nan=False)


def test_licences_are_known_by_spdx() -> None:
    assert licence("CC-BY-4.0").url == "https://creativecommons.org/licenses/by/4.0/"
    assert all(name == right.identifier for name, right in LICENCES.items())
    with pytest.raises(RequestError, match=r"'CC-BY' is no licence of data; there are, by SPDX: .*CC0-1.0"):
        licence("CC-BY")
    wrong = replace(MAP, site=replace(SITE, licence="mine"))
    for form in (datacite, json_ld, provenance_json):
        with pytest.raises(RequestError, match="'mine' is no licence"):
            form(wrong)
    assert access_right(replace(MAP, status=Status.WITHDRAWN)).name == "metadata only access"


def test_a_record_without_creator_is_told() -> None:
    nobody = replace(MAP, agents=(Agent("skymist", "scanner", "software"),))
    for form in (datacite, json_ld):
        with pytest.raises(RequestError, match=r"skymist#map_00112233445566aa has no agent whose part is creator"):
            form(nobody)


def test_times_and_targets_are_written_one_way() -> None:
    summer = timezone(timedelta(hours=2))
    moment = datetime(2023, 4, 16, 5, 22, 26, tzinfo=UTC)
    assert (
        stamp(moment)
        == stamp(moment.replace(tzinfo=None))
        == stamp(moment.astimezone(summer))
        == "2023-04-16T05:22:26Z"
    )
    assert Relation("Cites", "10.1000/a<b>c", "DOI").iri == "https://doi.org/10.1000/a%3Cb%3Ec"
    assert Relation("Cites", "2018A&A...616A...1G", "bibcode").iri.endswith("/abs/2018A%26A...616A...1G")
    assert Relation("HasPart", ALERT.identifier).iri == ALERT.identifier
    assert said({"a": 0, "b": False, "c": "", "d": None, "e": [], "f": ()}) == {"a": 0, "b": False}
