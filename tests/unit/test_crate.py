"""RO-Crate metadata: valid by others' validator, and readable by others' library."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from archives import SITE, validate

from skymist.errors import RequestError
from skymist.fair import crate
from skymist.fair.crate import Part
from skymist.fair.record import Activity, Agent, File, Record, Site, Source, Status
from skymist.model.identity import Thing

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
INPUT, MAP, FITS, ROWS, INNER, DOCUMENT = (letter * 64 for letter in "abcdef")
PARTS = (
    Part("records/", "Records", "Rows", parts=(Part("records/alerts.jsonl", "alerts", "2 rows", ROWS, 10),)),
    Part("inputs/", "Inputs", "Messages", parts=(Part(f"inputs/{INPUT}", "x.i3", "An event", INPUT, 3),)),
    Part("maps/observation/x.zarr/", "x.zarr", "A map", MAP, standard=crate.ZARR,
         parts=(Part("maps/observation/x.zarr/zarr.json", "zarr.json", "What is in it", INNER, 2),)),
    Part("files/observation/x.multiorder.fits.gz", "x", "A map", FITS, 4),
)  # fmt: skip


def record(thing: Thing, number: int = 1, **changes: Any) -> tuple[Record, Part]:
    more: dict[str, Any] = {}
    if thing != Thing.ALERT:
        files = File("x.zarr", "zarr", "", "", MAP, 3), File("x.fits", "fits", "", "", FITS, 4)
        made = Activity("sky scan with bowl", {}, {"skymist": "0.1.0", "numpy": "2.0"}, started=NOW, ended=NOW)
        more = {"files": files, "activity": made, "sources": (Source(INPUT, "x.i3", "event", NOW),)}
    said = {"title": f"The {thing}", "description": "What it is.", "version": "1", "created": NOW, "changed": NOW}
    more |= {"site": SITE, "agents": SITE.creators}
    found = Record(f"ivo://example/skymist#{thing}_{number}", thing, **{**said, **more, **changes})
    return found, Part(f"metadata/{found.fragment}/datacite.json", found.title, found.description, DOCUMENT, 2)


RECORDS = record(Thing.ALERT), record(Thing.SCAN), record(Thing.MAP)


def made(*records: tuple[Record, Part], site: Site = SITE, parts: tuple[Part, ...] = PARTS) -> dict[str, Any]:
    return crate.metadata("Archive", "All of it.", NOW, site, parts, records or RECORDS)


def by_id(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entity["@id"]: entity for entity in document["@graph"]}


def write(folder: Path, document: dict[str, Any]) -> Path:
    """Write a crate in which there is everything that its metadata tell of."""
    for key in by_id(document):
        if ":" not in key and not key.startswith("#"):
            path = folder / key
            (path if key.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if not key.endswith("/"):
                path.write_text("{}")
    (folder / crate.METADATA).write_text(json.dumps(document))
    (folder / crate.PREVIEW).write_text(crate.preview(made()))
    return folder


def test_it_is_valid_by_all_that_is_required_and_recommended(tmp_path: Path) -> None:
    assert validate(write(tmp_path / "crate", made()), "RECOMMENDED", tmp_path / "cache") == []


def test_a_site_of_which_little_is_known_is_valid(tmp_path: Path) -> None:
    folder = write(tmp_path / "crate", made(site=Site(), parts=PARTS[:1]))
    assert validate(folder, "REQUIRED", tmp_path / "cache") == []


def test_the_validator_misses_what_is_left_out(tmp_path: Path) -> None:
    document = made()
    for key in ("license", "datePublished", "hasPart"):
        del by_id(document)["./"][key]
    told = " ".join(validate(write(tmp_path / "crate", document), "REQUIRED", tmp_path / "cache"))
    for words in ("MUST have a `license`", "MUST have a `datePublished`", "MUST reference all Data Entities"):
        assert words in told


def test_others_read_it(tmp_path: Path) -> None:
    from rocrate.rocrate import ROCrate

    found = ROCrate(str(write(tmp_path, made())))
    assert found.root_dataset["license"]["identifier"] == "CC-BY-4.0"
    action = found.dereference("ivo://example/skymist#scan_1")
    assert [each.id for each in action["result"]] == ["maps/observation/x.zarr/", PARTS[3].path]
    assert action["object"].id == f"inputs/{INPUT}"
    assert (action["instrument"]["name"], action["instrument"]["version"]) == ("skymist", "0.1.0")
    assert {each.id for each in found.data_entities} >= {each.path for each in PARTS}


def test_each_scan_has_its_own_software_and_what_it_made() -> None:
    old = Activity("sky scan with bowl", {"seed": 1}, {"skymist": "0.1.0", "numpy": "1.26"}, started=NOW)
    new = replace(old, request={"seed": 2}, software={"skymist": "0.1.0", "numpy": "2.1"})
    other = File("y.fits", "fits", "", "", ROWS, 3)
    found = by_id(made(
        record(Thing.MAP, 1, activity=old), record(Thing.MAP, 2, activity=new, files=(other,)),
        *(record(Thing.SCAN, number, activity=each, files=()) for number, each in enumerate((old, new), 1)),
        record(Thing.SCAN, 3, activity=None),
    ))  # fmt: skip
    one, two = (found[f"ivo://example/skymist#scan_{number}"] for number in (1, 2))
    assert [found[each["instrument"]["@id"]]["softwareRequirements"] for each in (one, two)] == [
        "numpy 1.26",
        "numpy 2.1",
    ]
    assert [each["@id"] for each in one["result"]] == ["maps/observation/x.zarr/", PARTS[3].path]
    assert two["result"] == {"@id": "records/alerts.jsonl"}
    assert "ivo://example/skymist#scan_3" not in found  # which nobody has carried out


@pytest.mark.parametrize("contact", ["archive@example.org", "https://example.org/contact"])
def test_who_keeps_it_is_what_it_is(contact: str) -> None:
    keeper = Agent("Example shift", "creator", "person", "https://orcid.org/0000-0002-1825-0097")
    other = Agent('The "shift" <x>', "creator", "person")
    found = by_id(made(site=Site(publisher=keeper.name, creators=(keeper, other), contact=contact)))
    assert (found[keeper.identifier]["@type"], found["./"]["publisher"]) == ("Person", {"@id": keeper.identifier})
    assert found["#agent_The%20%22shift%22%20%3Cx%3E"]["affiliation"] == {"@id": keeper.identifier}
    (point,) = [each for each in found.values() if each["@type"] == "ContactPoint"]
    word, prefix = ("url", "") if "://" in contact else ("email", "mailto:")
    assert (point["@id"], point[word]) == (prefix + contact, contact)


def test_a_record_is_its_first_document_and_says_what_it_is_about() -> None:
    alert = record(Thing.ALERT, status=Status.RETRACTED, doi="10.5072/x")
    found = by_id(made(alert, *RECORDS[1:]))
    assert found["metadata/alert_1/datacite.json"] | {"identifier": "", "about": ""} == {
        "@id": "metadata/alert_1/datacite.json", "@type": "File", "name": "The alert", "description": "What it is.",
        "encodingFormat": "application/json", "contentSize": "2", "sha256": DOCUMENT, "version": "1",
        "conformsTo": {"@id": "http://datacite.org/schema/kernel-4"}, "creativeWorkStatus": "retracted",
        "dateCreated": "2026-03-04T05:06:07Z", "dateModified": "2026-03-04T05:06:07Z", "identifier": "", "about": "",
    }  # fmt: skip
    identifiers = [found[f"metadata/{name}_1/datacite.json"]["identifier"] for name in ("alert", "map")]
    assert identifiers == [
        ["ivo://example/skymist#alert_1", "https://doi.org/10.5072/x"],
        "ivo://example/skymist#map_1",
    ]
    assert found["metadata/map_1/datacite.json"]["about"] == {"@id": "maps/observation/x.zarr/"}
    assert found["metadata/scan_1/datacite.json"]["about"] == {"@id": "ivo://example/skymist#scan_1"}
    assert "about" not in found["metadata/alert_1/datacite.json"]


def test_names_of_people_are_those_of_the_site_only() -> None:
    people = {entity["name"] for entity in made()["@graph"] if entity["@type"] in ("Person", "Organization")}
    assert people == {agent.name for agent in SITE.creators}


def test_the_same_is_said_in_the_same_words() -> None:
    assert json.dumps(made()) == json.dumps(made())


def test_a_licence_that_nobody_knows_is_refused() -> None:
    with pytest.raises(RequestError, match="mine"):
        made(site=Site(licence="mine"))


def test_the_page_for_people_shows_all_parts_and_no_markup_of_others() -> None:
    found = crate.preview(made(record(Thing.ALERT, description="<b>&")))
    assert found.startswith("<!DOCTYPE html>")
    for part in PARTS:
        assert f'href="{part.path}"' in found
    assert "What it is." not in found
    assert "&lt;b&gt;&amp;" in found
    assert "<b>" not in found
