"""Notices in JSON, VOEvent and text become revisions, or one clear error."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymist.alerts import read_revisions, read_table, split
from skymist.errors import ReadError
from skymist.model.alert import Kind, Revision, Role, Tense

EXAMPLE = "gcn/schema/gcn/notices/icecube/single_neutrino_alerts.gold_bronze_track_alerts.example.json"

NOTICE: dict[str, Any] = {
    "id": ["140000_123"],
    "event_name": ["IceCube-240102B"],
    "trigger_time": "2024-01-02T03:04:05.678901234Z",
    "alert_datetime": "2024-01-02T03:04:55Z",
    "alert_tense": "current",
    "alert_type": "update",
    "record_number": 1,
    "pipeline": "Gold Track Alert",
    "ra": 10.5,
    "dec": -3.25,
    "ra_dec_error": [2.0, 0.5, 30.0],
    "containment_probability": 0.9,
    "systematic_included": True,
    "healpix_url": "https://example.org/map.fits.gz",
    "nu_energy": 200.5,
    "p_astro": 0.55,
    "far": 1e-7,
}

VOEVENT = """<?xml version="1.0" encoding="UTF-8"?>
<voe:VOEvent xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0" version="2.0" role="observation"
    ivorn="ivo://example/AMON#ICECUBE_BRONZE_Event_25_140000_000000123_1">
  <Who><Date>2024-01-02T03:04:55</Date></Who>
  <What>
    <Param name="Packet_Type" value="174"/>
    <Param name="run_id" value="140000"/>
    <Param name="event_id" value="123"/>
    <Param name="Event_TJD" value="20311" unit="days"/>
    <Param name="Event_SOD" value="11045.68" unit="sec"/>
    <Param name="Rev" value="1"/>
    <Param name="signalness" value="0.55"/>
    <Param name="FAR" value="3.1536" unit="yr^-1"/>
    <Param name="energy" value="200.5" unit="TeV"/>
    <Param name="src_error_90" value="1.5" unit="deg"><Description>statistical only</Description></Param>
    <Param name="src_error_50" value="0.6" unit="deg"/>
    <Group name="Trigger_ID">
      <Param name="Test" value="false"/>
      <Param name="InternalTest" value="false"/>
      <Param name="Retraction" value="false"/>
    </Group>
  </What>
  <WhereWhen><ISOTime>2024-01-02T03:04:05.68</ISOTime><Value2><C1>10.5</C1><C2>-3.25</C2></Value2></WhereWhen>
</voe:VOEvent>
"""

TRACK = """\
TITLE:            GCN/AMON NOTICE
NOTICE_DATE:      Tue 02 Jan 24 03:04:55 UT
NOTICE_TYPE:      ICECUBE Astrotrack Bronze
STREAM:           25
RUN_NUM:          140000
EVENT_NUM:        123
SRC_RA:           11.0000d {+00h 44m 00s} (current),
                  10.5000d {+00h 42m 00s} (J2000),
                   9.9000d {+00h 39m 36s} (1950)
SRC_DEC:          -3.2500d {-03d 15' 00"} (J2000),
                  -3.1200d {-03d 07' 12"} (current),
                  -3.5200d {-03d 31' 12"} (1950)
SRC_ERROR:        90.00 [arcmin radius, stat-only, 90% containment]
SRC_ERROR50:      36.00 [arcmin radius, stat-only, 50% containment]
DISCOVERY_DATE:   20311 TJD;     2 DOY;   24/01/02 (yy/mm/dd)
DISCOVERY_TIME:   11045 SOD {03:04:05.68} UT
REVISION:         1
ENERGY:           2.0050e+02 [TeV]
SIGNALNESS:       5.5000e-01 [dn]
FAR:              3.1536 [yr^-1]
SUN_POSTN:        282.00d {+18h 48m 00s}  -22.90d {-22d 54' 00"}
COMMENTS:         IceCube Bronze event.
COMMENTS:         The position error is statistical only, there is no systematic added.
"""

CASCADE = (
    TRACK.replace("Astrotrack Bronze", "Cascade")
    .replace("arcmin radius, stat-only", "deg radius, stat+systematic")
    .replace("RUN_NUM", "EVENT_NAME:       IceCubeCascade-240102a\nRUN_NUM")
    + "SKYMAP_FITS_URL:  https://example.org/map.fits\n"
)


def as_json(**changes: Any) -> bytes:
    return json.dumps(NOTICE | changes).encode()


def without(*keys: str) -> bytes:
    return json.dumps({key: value for key, value in NOTICE.items() if key not in keys}).encode()


def one(content: bytes | str) -> Revision:
    (revision,) = read_revisions(content if isinstance(content, bytes) else content.encode())
    assert Revision.from_dict(json.loads(json.dumps(revision.to_dict()))) == revision
    assert len(revision.id) == 64
    return revision


def reason(content: bytes | str) -> str:
    with pytest.raises(ReadError) as caught:
        read_revisions(content if isinstance(content, bytes) else content.encode(), "topic 7")
    assert str(caught.value).startswith("topic 7")
    return str(caught.value)


def test_the_official_example_is_read(shared: Path) -> None:
    found = one((shared / EXAMPLE).read_bytes())
    assert (found.key, found.name, found.stream) == ("137840_57034692", "IceCube-230416A", "bronze")
    assert (found.number, found.kind, found.tense) == (1, Kind.INITIAL, Tense.CURRENT)
    assert found.time == np.datetime64("2023-04-16T05:22:26.150574", "ns")
    assert found.issued == np.datetime64("2023-04-16T05:42:00", "ns")
    assert (found.ra, found.dec, found.radius_90, found.radius_50) == (345.82, 9.01, 0.5, None)
    assert (found.energy_tev, found.signalness, found.systematic) == (127.29, 0.34064, False)
    assert found.far_per_year == pytest.approx(2.53, abs=0.005)  # what the circular says
    assert found.map_url.endswith(".fits.gz")
    assert found.extra["alert_topology"] == "Track"
    assert found.doubts == ()
    assert found.id == one((shared / EXAMPLE).read_bytes()).id


@pytest.mark.parametrize(
    ("file", "key", "stream", "name", "radius_90", "energy", "doubts"),
    [
        ("sample_astrotrack_alert.xml", "132642_58895105", "gold", "", 1.1102, 23.8726, 1),
        ("sample_astrotrack_alert_2021.xml", "135363_69917294", "gold", "", 1.1102, 320.04, 3),
        ("sample_cascade.txt", "134244_34406854", "cascade", "IceCube-Cascade 200701B", 44.0584, 10.9901, 0),
    ],
)
def test_gcn_samples_of_voevents_are_read(
    shared: Path, file: str, key: str, stream: str, name: str, radius_90: float, energy: float, doubts: int
) -> None:
    found = one((shared / "gcn/voevent" / file).read_bytes())
    assert (found.key, found.stream, found.name, found.number) == (key, stream, name, 0)
    assert (found.radius_90, found.energy_tev, found.kind) == (radius_90, energy, Kind.INITIAL)
    assert found.tense.role == Role.OBSERVATION
    assert len(found.doubts) == doubts
    if doubts == 3:  # the sample is the one of 2019 with some of its values changed
        assert found.doubts[0] == "its ivorn is of 132642_58895105_0, the notice of 135363_69917294_0"
        assert "TJD" in found.doubts[1]
        assert found.doubts[2] == "the event is later than the notice"
    if doubts == 1:
        assert found.doubts == ("the energy is said to be in GeV; taken for TeV",)
        assert found.time == np.datetime64("2019-06-02T19:48:12.01", "ns")
        assert (found.ra, found.dec, found.far_per_year, found.signalness) == (242.8166, 11.9, 55.0681, 0.0457)


def test_one_event_is_the_same_in_all_formats() -> None:
    told = [one(as_json(pipeline="Bronze Track Alert", ra_dec_error=1.5)), one(VOEVENT), one(TRACK)]
    for found in told:
        assert found.doubts == ()
        assert (found.key, found.number, found.kind, found.stream) == ("140000_123", 1, Kind.UPDATE, "bronze")
        assert abs(found.time - told[0].time) < np.timedelta64(10, "ms")
        assert found.issued == np.datetime64("2024-01-02T03:04:55", "ns")
        assert (found.ra, found.dec, found.energy_tev, found.signalness) == (10.5, -3.25, 200.5, 0.55)
        assert found.radius_90 == pytest.approx(1.5)
        assert found.far_per_year == pytest.approx(3.1536)
        assert found.tense == Tense.CURRENT
    assert [found.radius_50 for found in told] == [None, 0.6, pytest.approx(0.6)]
    assert [found.systematic for found in told] == [True, False, False]


def test_an_ellipse_is_kept_with_the_radius_of_the_same_area() -> None:
    found = one(as_json())
    assert (found.ellipse_90, found.radius_90) == ((2.0, 0.5, 30.0), 1.0)
    assert found.time == np.datetime64("2024-01-02T03:04:05.678901234", "ns")
    assert one(as_json(ra_dec_error=[2.0])).ellipse_90 is None
    assert one(as_json(ra_dec_error=[2.0, 0.5])).ellipse_90 == (2.0, 0.5, 0.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": "140000_123"}, {"event": 123}),
        ({"id": ["x7", "140000_123"]}, {"event": 123, "extra": {"id": ["x7", "140000_123"]}}),
        ({"event_name": "IceCube-240102B"}, {"name": "IceCube-240102B"}),
        ({"event_name": None}, {"name": ""}),
        ({"record_number": None}, {"number": 0}),
        ({"record_number": 2.0}, {"number": 2}),
        ({"record_number": None, "alert_type": None}, {"kind": Kind.INITIAL}),
        ({"alert_type": "retraction"}, {"kind": Kind.RETRACTION}),
        ({"alert_tense": "injections"}, {"tense": Tense.INJECTION}),
        ({"alert_tense": "test"}, {"tense": Tense.TEST}),
        ({"healpix_url": None}, {"map_url": ""}),
        ({"containment_probability": None}, {"radius_90": 1.0}),
        ({"containment_probability": 0.5}, {"radius_50": 1.0, "radius_90": None, "ellipse_90": None}),
        ({"ra_dec_error": None}, {"radius_90": None}),
        ({"ra": "10.5"}, {"ra": 10.5}),
        ({"pipeline": "Cascade Alert"}, {"topology": "cascade"}),
        ({"new_field": {"a": [1, None]}}, {"extra": {"new_field": {"a": [1, None]}}}),
        ({"trigger_time": "2024-01-02 03:04:05"}, {"time": np.datetime64("2024-01-02T03:04:05", "ns")}),
        ({"alert_type": "retraction", "nu_energy": 0, "p_astro": 0, "far": 1e-3}, {"energy_tev": 0.0}),
    ],
)
def test_what_documentation_and_schema_allow_is_no_doubt(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    found = one(as_json(**changes))
    assert found.doubts == ()
    given = {key: getattr(found, key) for key in expected}
    if "extra" in given:
        given["extra"] = {key: found.extra[key] for key in expected["extra"]}
    assert given == expected


@pytest.mark.parametrize(
    ("changes", "doubt", "expected"),
    [
        ({"ra": 361}, "ra is 361: above 360", {"ra": None, "dec": None}),
        ({"dec": -90.5}, "dec is -90.5: below -90", {"ra": None, "dec": None}),
        ({"dec": None}, "half a position", {"ra": None}),
        ({"ra": True}, "ra is True: no finite number", {"ra": None}),
        ({"far": -1e-8}, "far is -1e-08: below 0", {"far_per_year": None}),
        ({"far": 1000 / 31_536_000}, "1000 false alarms a year", {"far_per_year": pytest.approx(1000)}),
        ({"nu_energy": -1}, "nu_energy is -1: below 0", {"energy_tev": None}),
        ({"nu_energy": 0}, "the energy is 0", {"energy_tev": 0.0}),
        ({"nu_energy": 0, "p_astro": 0, "far": 1e-4}, "looks like a retraction", {"kind": Kind.UPDATE}),
        ({"p_astro": 1.5}, "p_astro is 1.5: above 1", {"signalness": None}),
        ({"ra_dec_error": 0}, "ra_dec_error is 0", {"radius_90": None}),
        ({"ra_dec_error": [0.5, 2.0]}, "smaller semi-axis first", {"ellipse_90": (0.5, 2.0, 0.0)}),
        ({"ra_dec_error": [1, 2, 3, 4]}, "no radius or ellipse", {"radius_90": None}),
        ({"containment_probability": 0.68}, "no radius or ellipse", {"radius_90": None, "radius_50": None}),
        ({"alert_datetime": "2024-01-02T03:04:00Z"}, "the event is later than the notice", {"event": 123}),
        ({"alert_datetime": "soon"}, "alert_datetime is 'soon'", {"issued": None}),
        ({"alert_tense": None}, "no alert_tense", {"tense": Tense.CURRENT}),
        ({"alert_type": "second"}, "alert_type is 'second', none of initial", {"kind": Kind.UPDATE}),
        ({"record_number": 1.5}, "record_number is 1.5: not whole", {"number": 0}),
        ({"record_number": -1}, "record_number is -1: below 0", {"number": 0}),
        ({"pipeline": "Silver"}, "pipeline is 'Silver'", {"stream": ""}),
        ({"systematic_included": 1}, "systematic_included", {"systematic": None}),
        ({"healpix_url": "file:///etc/passwd"}, "no address in the web", {"map_url": ""}),
        ({"healpix_file": "§"}, "healpix_file is not base64", {"event": 123}),
        ({"event_name": "Unicorn"}, "event_name is 'Unicorn'", {"name": ""}),
        ({"event_name": "IceCube-240103A"}, "but the event was on 2024-01-02", {"name": "IceCube-240103A"}),
        ({"id": ["140000_123", "140000_124"]}, "ids of 2 events", {"event": 123}),
    ],
)
def test_what_cannot_be_right_is_a_doubt(changes: dict[str, Any], doubt: str, expected: dict[str, Any]) -> None:
    found = one(as_json(**changes))
    assert doubt in "; ".join(found.doubts)
    assert {key: getattr(found, key) for key in expected} == expected


def test_what_has_another_probability_is_kept_besides() -> None:
    found = one(as_json(containment_probability=0.68))
    assert found.extra["ra_dec_error"] == [2.0, 0.5, 30.0]
    assert found.extra["containment_probability"] == 0.68


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 400])
def test_numbers_that_json_cannot_hold_are_doubts_and_can_be_kept(number: str) -> None:
    text = as_json(nu_energy="X", other="X").decode().replace('"X"', number)
    found = one(text)
    assert found.energy_tev is None
    assert found.extra["other"] == number
    assert "no finite number" in found.doubts[0]


def test_of_a_map_within_the_notice_only_size_and_hash_are_kept() -> None:
    content = bytes(range(256)) * 8000
    found = one(as_json(healpix_file=base64.b64encode(content).decode()))
    assert found.extra == {"healpix_file": {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"hello", "IceCat-1"),
        (b"\xff\xfe\x00", "IceCat-1"),
        (b'{"id": ', "at 7: not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "nested over 16 deep"),
        (as_json(text="x" * (1 << 20)), "the limit is 1048576"),
        (as_json(healpix_file="A" * (8 << 20)), "the limit is 8388608"),
        (TRACK + " x\n" * (1 << 19), "the limit is 1048576"),
        ("<a>" * (1 << 19), "the limit is 1048576"),
        (as_json(healpix_file="A" * 100, text="x" * (1 << 20)), "beside the map; the limit is 1048576"),
        (without("id"), "no RUN_EVENT"),
        (without("id", "event_name"), "no RUN_EVENT"),
        (without("trigger_time"), "it has no trigger_time"),
        (as_json(id=137840), "no RUN_EVENT"),
        (as_json(id=["1_" + "9" * 20]), "not a whole number of up to 15 digits"),
        (as_json(trigger_time="2023-02-30T00:00:00Z"), "trigger_time is '2023-02-30T00:00:00Z'"),
        (as_json(trigger_time="1066-10-14T09:00:00Z"), "of the years 1970 to 2261"),
        (as_json(trigger_time=1.7e9), "trigger_time is 1700000000.0"),
        (as_json(alert_tense="rehearsal"), "none of current, archival, planned, injection, commanded, test"),
        (as_json(alert_tense=["test"]), "none of current"),
        (as_json(comment="\ud800"), "not UTF-8"),
        (as_json(comment="a\0b"), "a character of number 0"),
        ("<a/>", "its root is 'a', not VOEvent"),
        ("<VOEvent>", "at 1: not XML"),
        ("<VOEvent/>", "read are 173 (gold), 174 (bronze), 176 (cascade)"),
        ('<?xml version="1.0" encoding="klingon"?><VOEvent/>', "not XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><VOEvent>&b;</VOEvent>', "not XML, or not harmless"),
        (VOEVENT.replace('"174"', '"119"'), "Packet_Type is '119'"),
        (VOEVENT.replace("observation", "utility"), "none of observation, prediction, test"),
        (VOEVENT.replace('name="Test" value="false"', 'name="Test" value="maybe"'), "flag Test is 'maybe'"),
        (VOEVENT.replace('value="140000"', 'value=""'), "it has no run_id"),
        (VOEVENT.replace("ISOTime", "Time"), "it has no ISOTime"),
        (TRACK.replace("Astrotrack Bronze", "Astrotrack"), "NOTICE_TYPE is 'ICECUBE Astrotrack'"),
        (TRACK.replace("ICECUBE A", "Rehearsed ICECUBE A"), "NOTICE_TYPE is 'Rehearsed"),
        (TRACK.replace("EVENT_NUM:        123", "EVENT_NUM: 1.5"), "EVENT_NUM is '1.5'"),
        (TRACK.replace("24/01/02", "24/13/02"), "DISCOVERY_DATE with DISCOVERY_TIME"),
        (TRACK.replace("DISCOVERY_TIME", "OTHER_TIME"), "no yy/mm/dd and hh:mm:ss"),
    ],
)
def test_what_is_useless_is_one_clear_error(content: bytes | str, words: str) -> None:
    assert words in reason(content)


def test_a_text_with_a_backslash_is_no_character_of_number_0() -> None:
    assert one(as_json(comment=r"\u0000")).extra["comment"] == r"\u0000"


@pytest.mark.parametrize(
    ("old", "new", "doubt", "expected"),
    [
        ("_000000123_1", "_000000123_0", "its ivorn is of 140000_123_0, the notice of 140000_123_1", {}),
        ('"200.5" unit="TeV"', '"200.5" unit="GeV"', "said to be in GeV", {"energy_tev": 200.5}),
        ('"20311"', '"20312"', "is +86400 s from the time of the event", {"event": 123}),
        ("<C1>10.5</C1>", "", "half a position", {"dec": None}),
        ('name="Test" value="false"', 'name="Test" value="true"', "flagged as a test", {"tense": Tense.TEST}),
        ('InternalTest" value="false"', 'InternalTest" value="true"', "flagged as a test", {"tense": Tense.TEST}),
        ('role="observation"', 'role="test"', "", {"tense": Tense.TEST}),
        ('role="observation"', 'role="prediction"', "", {"tense": Tense.PLANNED}),
        ('Retraction" value="false"', 'Retraction" value="true"', "", {"kind": Kind.RETRACTION}),
        ("statistical only", "combined statistical and the systematic", "", {"systematic": True}),
        ('<Param name="Rev" value="1"/>', "", "", {"number": 0, "kind": Kind.INITIAL}),
        ("<What>", '<What><Param name="AMON_ID" value="7"/>', "", {"event": 123}),
    ],
)
def test_voevents_say_what_they_are(old: str, new: str, doubt: str, expected: dict[str, Any]) -> None:
    assert old in VOEVENT
    found = one(VOEVENT.replace(old, new))
    assert doubt in "; ".join(found.doubts)
    assert {key: getattr(found, key) for key in expected} == expected


def test_what_a_voevent_says_besides_is_kept() -> None:
    found = one(VOEVENT.replace("<What>", '<What><Param name="AMON_ID" value="7"/>'))
    assert found.extra["amon_id"] == "7"
    assert found.extra["ivorn"].endswith("_1")


def test_errors_of_cascades_are_in_degrees() -> None:
    found = one(CASCADE)
    assert (found.stream, found.topology, found.name) == ("cascade", "cascade", "IceCube-Cascade 240102A")
    assert (found.radius_90, found.radius_50, found.systematic) == (90.0, 36.0, True)
    assert found.map_url == "https://example.org/map.fits"
    assert found.doubts == ()
    assert one(re.sub(r" \[.*", "", TRACK.replace("[TeV]", "TeV"))).radius_90 == pytest.approx(1.5)  # units not told
    assert one(re.sub(r"(SRC_ERR.*) \[.*", r"\1", CASCADE)).radius_90 == 90.0


@pytest.mark.parametrize(
    ("old", "new", "doubt", "expected"),
    [
        ("ICECUBE Astro", "Injected ICECUBE Astro", "", {"tense": Tense.INJECTION}),
        ("ICECUBE Astro", "TEST ICECUBE Astro", "", {"tense": Tense.TEST}),
        ("Bronze\n", "Bronze Retraction\n", "", {"kind": Kind.RETRACTION}),
        ("Bronze event.", "Bronze event. Retracted.", "speak of a retraction", {"kind": Kind.UPDATE}),
        ("Bronze event.", "This is a TEST.", "speak of a test", {"tense": Tense.CURRENT}),
        ("(J2000)", "(1875)", "nothing in degrees for J2000", {"ra": None, "dec": None}),
        ("[arcmin", "[deg", "not in arcmin as usual", {"radius_90": 90.0}),
        ("[TeV]", "[GeV]", "taken for TeV", {"energy_tev": 200.5}),
        ("11045 SOD", "11055 SOD", "is +9 s from the time of the event", {"event": 123}),
        ("24/01/02", "2024/01/02", "", {"event": 123}),
        ("Tue 02 Jan 24", "Tue 02 Jan 2024", "", {"issued": np.datetime64("2024-01-02T03:04:55", "ns")}),
        ("Tue 02 Jan 24", "Tue 02 Foo 24", "NOTICE_DATE is", {"issued": None}),
        ("REVISION:         1", "REVISION:         0", "", {"number": 0, "kind": Kind.INITIAL}),
        ("\n", "\r\n", "", {"energy_tev": 200.5, "ra": 10.5}),
        ("COMMENTS", "RUN_NUM: 7\nCOMMENTS", "", {"run": 140_000}),
    ],
)
def test_texts_say_what_they_are(old: str, new: str, doubt: str, expected: dict[str, Any]) -> None:
    assert old in TRACK
    found = one(TRACK.replace(old, new))
    assert doubt in "; ".join(found.doubts)
    assert bool(doubt) == bool(found.doubts)
    assert {key: getattr(found, key) for key in expected} == expected


def test_comments_and_all_other_lines_of_a_text_are_kept() -> None:
    found = one(TRACK)
    assert found.comment.startswith("IceCube Bronze event. The position error")
    assert found.extra["stream"] == "25"
    assert found.extra["sun_postn"].startswith("282.00d")


def test_a_notice_is_its_own_only_message() -> None:
    for content in (as_json(), VOEVENT.encode(), TRACK.encode(), b"", b"nonsense", b"\xff"):
        assert list(split(content)) == [content]


def accepted(content: bytes) -> None:
    """Check that content gives revisions that can be kept, or a `ReadError` that can be printed."""
    for found in read_table(content, "fuzz"):
        if isinstance(found, Revision):
            assert Revision.from_dict(json.loads(json.dumps(found.to_dict()))).id == found.id
        else:
            assert str(found).encode()


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(content: bytes) -> None:
    accepted(content)


BASES = [as_json(), VOEVENT.encode(), TRACK.encode(), CASCADE.encode()]


@given(st.sampled_from(BASES), st.data())
def test_no_change_of_a_notice_does_harm(base: bytes, data: st.DataObject) -> None:
    content = bytearray(base)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=8))
    accepted(bytes(content))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(list(NOTICE.values())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*NOTICE, "healpix_file", "other"]), ANYTHING, min_size=1, max_size=4))
def test_no_value_in_a_notice_does_harm(changes: dict[str, Any]) -> None:
    accepted(as_json(**changes))
