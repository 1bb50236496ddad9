"""Tables of alerts become revisions, row by row."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymist.alerts import read_revisions, read_table, split
from skymist.errors import ReadError
from skymist.model.alert import Kind, Revision, Tense, by_time

AMON, ICECAT = "catalogs/amon_gold_bronze.txt", "catalogs/icecat1.csv"
ERRORS = ["RA_ERR_PLUS", "RA_ERR_MINUS", "DEC_ERR_PLUS", "DEC_ERR_MINUS"]

AMON_TABLE = """\
# Made for tests
# Run    EventNum  Rev  Date      Time UT      Notice  RA       Dec      Err90  Err50  Energy      Signalness  FAR     Comments
140001   11        1    24/03/05  13:48:01.92  BRONZE  262.79   +6.69    63.00  30.00  1.0700e+02  2.5888e-01  4.2015  Bronze. More words here.
140001   11        0    24/03/05  13:48:01.92  BRONZE  262.68   +6.65    90.00  36.00  1.0700e+02  2.5888e-01  4.2015  Bronze.
140000   12        0    24/02/01  00:00:00.00  GOLD    18.50    -33.52   52.20  18.60  2.4033e+03  6.7112e-01  0.3596  Gold.
"""  # noqa: E501

ICECAT_TABLE = """\
NAME,RUNID,EVENTID,START,EVENTMJD,I3TYPE,RA,DEC,RA_ERR_PLUS,RA_ERR_MINUS,DEC_ERR_PLUS,DEC_ERR_MINUS,ENERGY,FAR,SIGNAL,CASCADE_SCR,CR_VETO,OTHER_I3TYPES
IC240305A,140001,11,2024-03-05 13:48:01.920000,60374.57502222222,gfu-bronze,262.79,6.69,1.0,2.0,0.5,0.6,107.0,4.2,0.259,1e-7,TRUE,"ehe-gold,hese-bronze"
IC240201A,140000,12,2024-02-01 00:00:00,60341.0,ehe-gold,18.5,-33.52,151.5,2.0,0.5,0.6,2403.3,0.36,0.671,,False,None
"""  # noqa: E501

CHANGES = [
    ("IC240305A", "Unicorn", "event_name is 'Unicorn'", {"name": ""}),
    ("60374.575022", "60374.575122", "EVENTMJD is +9 s from", {"event": 11}),
    ("gfu-bronze,", "icecube-7,", "I3TYPE is 'icecube-7'", {"stream": "", "selection": ""}),
    (",1.0,2.0,", ",1.0,181,", "RA_ERR_MINUS is above 180", {"errors_90": (1.0, 181.0, 0.5, 0.6)}),
    (",1.0,2.0,", ",1.0,-2,", "RA_ERR_MINUS is '-2': below 0", {"errors_90": None}),
    ("TRUE", "perhaps", "CR_VETO is 'perhaps'", {"event": 11}),
    (",6.69,", ",96.69,", "dec is '96.69': above 90", {"ra": None}),
]


def cells(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)]


def round_trips(found: Revision) -> None:
    assert Revision.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert Revision.from_dict(found.to_dict()).id == found.id


def test_all_rows_of_gcns_table(shared: Path) -> None:
    columns = ["run", "event", "rev", "date", "time", "notice", "ra", "dec", "err90", "err50", "energy", "sig", "far"]
    table = pd.read_csv(
        shared / AMON, comment="#", sep=r"\s{2,}", engine="python", names=[*columns, "comment"], dtype={"time": str}
    )
    found = read_revisions((shared / AMON).read_bytes())
    assert len(found) == len(table) == 287
    for revision, row in zip(found, cells(table), strict=True):
        assert (revision.run, revision.event, revision.number) == (row["run"], row["event"], row["rev"])
        assert revision.time == np.datetime64(f"20{row['date'].replace('/', '-')}T{row['time']}", "ns")
        assert (revision.ra, revision.dec, revision.stream) == (row["ra"], row["dec"], row["notice"].lower())
        assert [revision.radius_90, revision.radius_50] == pytest.approx([row["err90"] / 60, row["err50"] / 60])
        assert (revision.energy_tev, revision.signalness) == (row["energy"], row["sig"])
        assert (revision.far_per_year, revision.comment) == (row["far"], row["comment"].strip())
        assert revision.kind == (Kind.UPDATE if row["rev"] else Kind.INITIAL)
        assert (revision.tense, revision.catalog, revision.systematic) == (Tense.CURRENT, "", False)
        round_trips(revision)
    (odd,) = [revision for revision in found if revision.doubts]
    assert (odd.key, odd.number) == ("139977_2910365", 1)
    assert (odd.energy_tev, odd.signalness, odd.far_per_year) == (0, 0, 1000)
    assert "looks like a retraction" in odd.doubts[0]


def test_all_rows_of_icecat_1(shared: Path) -> None:
    table = pd.read_csv(shared / ICECAT, keep_default_na=False)
    found = read_revisions((shared / ICECAT).read_bytes())
    assert len(found) == len(table) == 348
    for revision, row in zip(found, cells(table), strict=True):
        assert (revision.run, revision.event, revision.number) == (row["RUNID"], row["EVENTID"], None)
        assert revision.time == np.datetime64(row["START"].replace(" ", "T"), "ns")
        assert revision.name == row["NAME"].replace("IC", "IceCube-")
        assert f"{revision.selection}-{revision.stream}" == row["I3TYPE"]
        assert (revision.ra, revision.dec) == (row["RA"], row["DEC"])
        assert revision.errors_90 == tuple(row[name] for name in ERRORS)
        assert (revision.energy_tev, revision.far_per_year) == (row["ENERGY"], row["FAR"])
        assert (revision.signalness, revision.extra["cascade_scr"]) == (row["SIGNAL"], row["CASCADE_SCR"])
        assert revision.extra["cr_veto"] is (str(row["CR_VETO"]).lower() == "true")
        assert revision.extra["eventmjd"] == row["EVENTMJD"]
        others = row["OTHER_I3TYPES"]
        assert ",".join(revision.extra["other_i3types"]) == ("" if others == "None" else others)
        assert (revision.tense, revision.catalog, revision.doubts) == (Tense.ARCHIVAL, "IceCat-1", ())
        round_trips(revision)
    assert sum(revision.extra["cr_veto"] for revision in found) == 8
    assert max(max(revision.errors_90 or ()) for revision in found) == 151.51


@pytest.mark.parametrize("file", [AMON, ICECAT])
def test_each_row_is_a_message_of_its_own_in_the_order_of_events(shared: Path, file: str) -> None:
    content = (shared / file).read_bytes()
    whole = read_revisions(content)
    messages = list(split(content, file))
    alone = [revision for message in messages for revision in read_revisions(message)]
    assert alone == by_time(whole)
    assert [revision.id for revision in alone] == [revision.id for revision in by_time(whole)]
    assert len(set(messages)) == len(whole)
    assert list(split(messages[0])) == [messages[0]]


def test_made_tables_are_read() -> None:
    found = read_revisions(AMON_TABLE.encode())
    assert [(each.key, each.number) for each in found] == [("140001_11", 1), ("140001_11", 0), ("140000_12", 0)]
    assert [found[0].radius_90, found[0].radius_50] == pytest.approx([1.05, 0.5])
    assert found[0].comment == "Bronze. More words here."
    first, second = read_revisions(ICECAT_TABLE.encode())
    assert (first.extra["cr_veto"], first.extra["other_i3types"]) == (True, ["ehe-gold", "hese-bronze"])
    assert (second.extra["cr_veto"], second.extra["other_i3types"]) == (False, [])
    assert "cascade_scr" not in second.extra
    assert read_revisions(AMON_TABLE.replace("\n", "\r\n").encode()) == found
    assert read_revisions(b"\xef\xbb\xbf" + ICECAT_TABLE.encode()) == (first, second)


@pytest.mark.parametrize(("old", "new", "doubt", "expected"), CHANGES)
def test_what_cannot_be_right_is_a_doubt(old: str, new: str, doubt: str, expected: dict[str, Any]) -> None:
    assert old in ICECAT_TABLE
    found = read_revisions(ICECAT_TABLE.replace(old, new).encode())[0]
    assert doubt in "; ".join(found.doubts)
    assert {key: getattr(found, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("table", "old", "new", "line", "words"),
    [
        (AMON_TABLE, "140001   11        0    ", "140001   eleven    0    ", 4, "EventNum is 'eleven'"),
        (AMON_TABLE, "140001   11        0    24/03/05", "140001   11   0  24/03/35", 4, "Date with Time is"),
        (AMON_TABLE, "90.00  36.00  1.0700e+02  2.5888e-01  4.2015  Bronze.\n", "\n", 4, "8 columns, not 14"),
        (AMON_TABLE, "2.5888e-01  4.2015  Bronze.\n", "2.5888e-01  4.2015  \0\n", 4, "a character of number 0"),
        (ICECAT_TABLE, ",60374.57", ",7,60374.57", 2, "19 columns, not 18"),
        (ICECAT_TABLE, 'hese-bronze"', "hese-bronze", 2, "not CSV"),
        (ICECAT_TABLE, "140001,11", "140001,", 2, "it has no EVENTID"),
        (ICECAT_TABLE, "2024-03-05", "0024-03-05", 2, "START is"),
    ],
)
def test_a_bad_row_does_not_lose_the_others(table: str, old: str, new: str, line: int, words: str) -> None:
    assert table.count(old) == 1
    content = table.replace(old, new).encode()
    rows = list(read_table(content, "a.txt"))
    (bad,) = [row for row in rows if isinstance(row, ReadError)]
    assert str(bad).startswith(f"a.txt, at {line}: ")
    assert words in str(bad)
    assert [row for row in rows if row is not bad] == [
        each for each, row in zip(read_revisions(table.encode()), rows, strict=True) if row is not bad
    ]
    with pytest.raises(ReadError, match=f"at {line}"):
        read_revisions(content, "a.txt")
    *good, last = split(content)
    assert [revision for message in good for revision in read_revisions(message)] == by_time(
        row for row in rows if isinstance(row, Revision)
    )
    (again,) = read_table(last)  # what cannot be read comes last, and can be tried again alone
    assert isinstance(again, ReadError)
    assert again.reason == bad.reason


def test_bytes_that_are_no_text_harm_only_their_row() -> None:
    content = AMON_TABLE.encode().replace(b"Gold.", b"\xff\xfe")
    rows = list(read_table(content))
    assert [isinstance(row, ReadError) for row in rows] == [False, False, True]
    assert "UTF-8" in str(rows[2])
    assert list(split(content))[-1].endswith(b"\xff\xfe\n")


@pytest.mark.parametrize("table", [AMON_TABLE, ICECAT_TABLE])
def test_a_table_without_rows_is_an_error(table: str) -> None:
    header = "".join(line for line in table.splitlines(keepends=True) if line[0] in "#N").encode()
    with pytest.raises(ReadError, match=r"a\.txt: a table without rows"):
        read_revisions(header, "a.txt")
    assert list(split(header)) == [header]


def test_a_table_may_be_larger_than_a_notice_but_not_without_limit() -> None:
    comment = "x" * (1 << 20)
    assert len(read_revisions((AMON_TABLE + AMON_TABLE.splitlines()[-1] + comment).encode())) == 4
    with pytest.raises(ReadError, match="the limit is"):
        read_revisions((AMON_TABLE + "\n" * (8 << 20)).encode())


@pytest.mark.parametrize("header", ["Time\0 UT", "Time UT\0", "Comments Time UT", "Time Time UT", "Day UT"])
def test_other_columns_do_no_harm(header: str) -> None:
    content = AMON_TABLE.replace("Time UT", header).replace("Comments\n", "\n").encode()
    rows = list(read_table(content))
    assert all(isinstance(row, ReadError) for row in rows)
    assert len(rows) == len(list(split(content)))


@given(st.sampled_from([AMON_TABLE.encode(), ICECAT_TABLE.encode()]), st.data())
def test_no_change_of_a_table_does_harm(base: bytes, data: st.DataObject) -> None:
    content = bytearray(base)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=8))
    rows, messages = list(read_table(bytes(content))), list(split(bytes(content)))
    assert len(rows) == len(messages)
    for row in rows:
        if isinstance(row, Revision):
            round_trips(row)
        else:
            assert str(row).encode()
    again = [each for message in messages for each in read_table(message)]
    assert [isinstance(row, Revision) for row in again] == sorted(
        (isinstance(row, Revision) for row in rows), reverse=True
    )
