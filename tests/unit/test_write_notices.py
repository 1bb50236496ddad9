"""Notices that we write: valid by GCN's schema and the IVOA's, and read back they say the same."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import comet
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from lxml import etree
from nine import revisions
from referencing import Registry, Resource

from skymist.alerts import read_revisions
from skymist.alerts.notice_checks import check_notice
from skymist.alerts.write_json import notice_of, write_json
from skymist.alerts.write_voevent import ivorn_of, write_voevent
from skymist.errors import RequestError
from skymist.model.alert import Kind, Revision, Tense, base_name, radius_of
from skymist.model.circular import Level, errors

NINE = revisions()
SENT = np.datetime64("2023-08-01T12:00:00.123456", "ns")
NOW = np.datetime64("2030-01-01T00:00:00.5", "ns")
FULL = replace(
    NINE[7], energy_tev=127.29, signalness=0.34064, systematic=False, map_url="https://example.org/a.fits.gz"
)
BACK = replace(NINE[7], kind=Kind.RETRACTION, number=2, comment="An air shower.")


@pytest.fixture(scope="module")
def schema(shared: Path) -> Draft202012Validator:
    folder = shared / "gcn" / "schema"
    contents = [json.loads(path.read_text()) for path in folder.rglob("*.schema.json")]
    registry = Registry().with_resources(
        (each["$id"], Resource.from_contents(each)) for each in contents if "$id" in each
    )
    wanted = next(each for each in contents if str(each.get("$id", "")).endswith("/single_neutrino_alerts.schema.json"))
    return Draft202012Validator(wanted, registry=registry)


@pytest.fixture(scope="module")
def xsd() -> Any:
    return etree.XMLSchema(etree.parse(Path(comet.__file__).parent / "schema" / "VOEvent-v2.0.xsd"))


def kept(revision: Revision) -> dict[str, Any]:
    """What a notice can tell of a revision, as it is read back."""
    told = {key: value for key, value in revision.to_dict().items() if key not in ("errors_90", "selection", "catalog")}
    if revision.kind == Kind.RETRACTION:
        told = {key: value for key, value in told.items() if key in ("run", "event", "time", "number", "kind", "stream",
                "name", "comment")}  # fmt: skip
    elif revision.errors_90 is not None and revision.radius_90 is None:
        told["radius_90"] = radius_of(revision.errors_90, revision.dec)
    return told


def check_same(revision: Revision, found: Revision) -> None:
    told, read = kept(revision), found.to_dict()
    if revision.comment:
        assert read.get("comment", read.get("extra", {}).get("additional_info")) == told.pop("comment")
    for key in ("far_per_year", "radius_90"):
        if key in told:
            assert read[key] == pytest.approx(told.pop(key), rel=1e-5)
    told |= {"kind": str(revision.kind), "tense": str(found.tense)}
    assert {key: read.get(key) for key in told} == told
    assert found.doubts == ()


@pytest.mark.parametrize("revision", [*NINE, FULL, BACK], ids=lambda each: f"{each.name} {each.kind}")
def test_a_notice_is_valid_and_says_the_same(revision: Revision, schema: Draft202012Validator) -> None:
    for kind, number in ((revision.kind, 2), (Kind.INITIAL, 0), (Kind.UPDATE, 1)):
        if revision.kind == Kind.RETRACTION and kind != Kind.RETRACTION:
            continue
        told = replace(revision, kind=kind, number=number)
        content = write_json(told, sent=NOW)
        schema.validate(json.loads(content))
        (found,) = read_revisions(content)
        assert found.tense == Tense.TEST
        check_same(told, found)
        wanted = replace(told, tense=Tense.TEST)
        only = [each for each in check_notice(content, wanted) if each.rule != "sequence"]
        assert only == []


def test_all_rows_of_gcns_table_can_be_written(shared: Path, schema: Draft202012Validator) -> None:
    for row in read_revisions((shared / "catalogs" / "amon_gold_bronze.txt").read_bytes()):
        row = replace(row, name=f"{base_name(row)}A")  # the table has none
        content = write_json(row, sent=NOW, tense=Tense.CURRENT)
        schema.validate(json.loads(content))
        (found,) = read_revisions(content)
        assert (found.key, found.time, found.ra, found.dec) == (row.key, row.time, row.ra, row.dec)
        assert found.far_per_year == pytest.approx(row.far_per_year, rel=1e-5)
        assert errors(check_notice(content, row)) == [] or row.doubts


def test_what_a_notice_looks_like() -> None:
    notice = notice_of(replace(FULL, number=0), sent=SENT)
    assert list(notice)[:6] == ["$schema", "mission", "instrument", "messenger", "pipeline", "record_number"]
    assert (notice["alert_tense"], notice["pipeline"], notice["id"]) == (
        "test",
        "Bronze Track Alert",
        ["137840_57034692"],
    )
    assert notice["trigger_time"] == "2023-04-16T05:22:26.150Z"
    assert notice["far"] == pytest.approx(2.53 / (365 * 86400), rel=1e-5)
    assert notice["ra_dec_error"] == pytest.approx(0.635, abs=0.001)
    assert write_json(FULL, sent=SENT) == write_json(FULL, sent=SENT)
    back = notice_of(BACK, sent=SENT)
    assert not {"ra", "dec", "nu_energy", "far", "ra_dec_error"} & set(back)
    assert back["additional_info"] == "An air shower."
    with pytest.raises(RequestError, match="needs the number of the revision"):
        notice_of(replace(FULL, number=None), sent=SENT)


@given(
    ra=st.floats(0, 360), dec=st.floats(-90, 90), radius=st.floats(0.01, 90), energy=st.floats(0.1, 1e5),
    signalness=st.floats(0.01, 1), far=st.floats(1e-3, 20), number=st.integers(0, 9), tense=st.sampled_from(Tense),
)  # fmt: skip
def test_any_notice_reads_back(
    ra: float, dec: float, radius: float, energy: float, signalness: float, far: float, number: int, tense: Tense
) -> None:
    told = replace(
        FULL, ra=ra, dec=dec, radius_90=radius, errors_90=None, energy_tev=energy, signalness=signalness,
        far_per_year=far, number=number, kind=Kind.UPDATE if number else Kind.INITIAL,
    )  # fmt: skip
    content = write_json(told, sent=NOW, tense=tense)
    (found,) = read_revisions(content)
    assert found.tense == tense
    check_same(told, found)
    assert check_notice(content, replace(told, tense=tense)) == []


PLANTED: dict[str, tuple[str, Any, str]] = {
    "rate per year": ("far", 2.53, "rates of notices are in Hz"),
    "digit": ("ra", 345.35, "345.35 here and 345.85 in the records"),
    "sign": ("dec", -9.14, "disagrees"),
    "arcmin": ("ra_dec_error", 38.1, "disagrees"),
    "no radius": ("ra_dec_error", -1, "no radius or ellipse"),
    "wrong event": ("id", ["137840_57034693"], "disagrees"),
    "wrong name": ("event_name", ["IceCube-230417A"], "event_name is"),
    "no list": ("event_name", 5, "which is no str or list"),
    "tense": ("alert_tense", "current", "disagrees"),
    "no tense": ("alert_tense", "injections", "none of current"),
    "type": ("alert_type", "Initial", "none of initial"),
    "text for number": ("nu_energy", "127.29", "which is no int or float"),
    "energy in GeV": ("nu_energy", 127290.0, "disagrees"),
    "beyond the pole": ("dec", 91.0, "not from -90 to 90"),
    "probability": ("p_astro", 34.0, "not from 0 to 1"),
    "topology": ("alert_topology", "Cascade", "the pipeline is Bronze Track Alert"),
    "pipeline": ("pipeline", "Gold Track Alert", "disagrees"),
    "time": ("trigger_time", "2023-04-16T05:23:26.150Z", "disagrees"),
    "no time": ("trigger_time", "yesterday", "trigger_time is"),
    "other field": ("signalness", 0.34, "no field of these notices"),
    "half a position": ("dec", None, "half a position"),
    "map": ("healpix_url", "http://example.org/a.fits.gz", "not https"),
    "true for a number": ("record_number", True, "which is no int"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_planted_errors_are_found_by_name(what: str) -> None:
    told = replace(FULL, number=0, tense=Tense.TEST)
    field, value, words = PLANTED[what]
    notice = notice_of(told, sent=NOW)
    notice = {key: each for key, each in (notice | {field: value}).items() if each is not None}
    found = check_notice(json.dumps(notice).encode(), told)
    assert any(words in f"{each.rule} {each.why}" for each in found), found
    assert what in ("other field", "map", "wrong name") or errors(found)


def test_what_is_missing_or_no_notice_is_told() -> None:
    assert {each.where for each in check_notice(b"{}")} == {
        "$schema", "mission", "messenger", "id", "event_name", "record_number", "alert_datetime", "alert_type",
        "alert_tense", "trigger_time",
    }  # fmt: skip
    assert "not JSON" in str(check_notice(b"{")[0])
    assert "a JSON object" in str(check_notice(b"[]")[0])
    both = {**notice_of(BACK, sent=NOW), "ra": 1.0, "dec": 2.0}
    assert "no position" in str(errors(check_notice(json.dumps(both).encode()))[0])


def test_the_official_example_is_odd_in_one_place(shared: Path) -> None:
    content = next((shared / "gcn").rglob("single_neutrino*.example.json")).read_bytes()
    found = check_notice(content)
    assert [(each.level, each.rule, each.where) for each in found] == [(Level.WARNING, "sequence", "alert_type")]


@pytest.mark.parametrize(
    "revision", [*NINE, FULL, BACK, replace(NINE[0], stream="cascade")], ids=lambda each: each.name
)
@pytest.mark.parametrize("tense", Tense)
def test_a_voevent_is_valid_and_says_the_same(revision: Revision, tense: Tense, xsd: Any) -> None:
    content = write_voevent(revision, sent=NOW, authority="example", tense=tense, author="A site", before=0)
    xsd.assertValid(etree.fromstring(content))
    (found,) = read_revisions(content)
    assert found.tense.role == tense.role
    assert (found.key, found.number, found.stream, found.name) == (
        revision.key, revision.number, revision.stream, revision.name,
    )  # fmt: skip
    assert found.time == revision.time
    assert found.doubts == ()
    if revision.kind == Kind.RETRACTION:
        assert (found.kind, found.ra) == (Kind.RETRACTION, None)
        assert b'cite="retraction"' in content
    else:
        assert (found.ra, found.dec, found.far_per_year) == (revision.ra, revision.dec, revision.far_per_year)
        assert found.radius_90 == pytest.approx(radius_of(revision.errors_90, revision.dec), rel=1e-5)
        assert (found.energy_tev, found.signalness, found.map_url) == (
            revision.energy_tev, revision.signalness, revision.map_url,
        )  # fmt: skip
        assert b'cite="supersedes"' in content
    assert ivorn_of(revision, "example", 0).encode() in content


def test_a_voevent_needs_a_stream_and_a_number() -> None:
    for wrong in (replace(FULL, stream=""), replace(FULL, number=None)):
        with pytest.raises(RequestError, match="needs a"):
            write_voevent(wrong, sent=NOW, authority="example")
