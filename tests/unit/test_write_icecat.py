"""Tables like IceCat-1 that we write: read back they say the same."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymist.alerts import read_revisions
from skymist.alerts.write_icecat import COLUMNS, write_icecat
from skymist.errors import RequestError
from skymist.model.alert import Kind, Revision, Tense

ICECAT, AMON = "catalogs/icecat1.csv", "catalogs/amon_gold_bronze.txt"
TIME = np.datetime64("2023-03-05T13:48:01.920000001", "ns")
NOTICE = Revision(140001, 11, TIME, number=1, name="IceCube-Cascade 230305A", stream="cascade", ra=0.0, dec=-90.0)
ENTRY = Revision(
    140001, 11, TIME, tense=Tense.ARCHIVAL, name="IceCube-230305A", stream="gold", selection="gfu", catalog="IceCat-1",
    extra={"cr_veto": True, "other_i3types": ["ehe-gold", "hese-bronze"], "eventmjd": 60008.57502222222},
)  # fmt: skip


def test_icecat_1_comes_back(shared: Path) -> None:
    content = (shared / ICECAT).read_bytes()
    known = read_revisions(content)
    written = write_icecat(known)
    assert len(known) == 348
    assert [each.id for each in read_revisions(written)] == [each.id for each in known]
    assert ",".join(COLUMNS).encode() == content.splitlines()[0] == written.splitlines()[0]


def test_others_read_in_it_what_they_read_in_icecat_1(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "written.csv"
    path.write_bytes(write_icecat(read_revisions((shared / ICECAT).read_bytes())))
    written, known = pd.read_csv(path), pd.read_csv(shared / ICECAT)
    for table in (written, known):  # IceCat-1 does not always write microseconds
        table["START"] = pd.to_datetime(table["START"], format="ISO8601")
    pd.testing.assert_frame_equal(written, known, check_exact=True)


def test_notices_are_written_as_far_as_columns_go(shared: Path) -> None:
    known = read_revisions((shared / AMON).read_bytes())
    found = read_revisions(write_icecat(known))
    assert len(found) == len(known) == 287
    for back, row in zip(found, known, strict=True):
        assert back.catalog == "IceCat-like table"  # which these are no part of
        for name in ("run", "event", "time", "ra", "dec", "energy_tev", "signalness", "far_per_year", "errors_90"):
            assert getattr(back, name) == getattr(row, name)
        assert back.doubts == row.doubts
    table = pd.read_csv(BytesIO(write_icecat(known)))
    assert list(table["I3TYPE"]) == [row.stream for row in known]
    mjd = (np.array([row.time for row in known]) - np.datetime64("1858-11-17", "ns")) / np.timedelta64(1, "D")
    assert np.array_equal(table["EVENTMJD"], mjd)
    assert table[["RA_ERR_PLUS", "CASCADE_SCR", "CR_VETO", "OTHER_I3TYPES"]].isna().all(axis=None)


def test_what_a_row_looks_like() -> None:
    _, entry, notice = write_icecat([ENTRY, NOTICE]).decode().splitlines()
    assert entry == (
        "IC230305A,140001,11,2023-03-05 13:48:01.920000001,60008.57502222222,gfu-gold,,,,,,,,,,,,,,,TRUE,"
        '"ehe-gold,hese-bronze"'
    )
    assert notice.startswith("ICCascade 230305A,140001,11,2023-03-05 13:48:01.920000001,60008.575022222")
    assert notice.endswith(",cascade,0.0,-90.0" + "," * 14)
    entry_back, notice_back = read_revisions(write_icecat([ENTRY, NOTICE]))
    assert entry_back == ENTRY
    later = replace(ENTRY, time=np.datetime64("2024-01-01", "ns"), extra={})
    for other in (later, replace(later, time=np.datetime64("2010-12-31T23:59:59", "ns"))):
        assert read_revisions(write_icecat([other]))[0].catalog == "IceCat-like table"
    assert (notice_back.name, notice_back.time, notice_back.dec) == (NOTICE.name, NOTICE.time, -90.0)
    assert write_icecat([]) == f"{','.join(COLUMNS)}\n".encode()


def test_a_retraction_cannot_be_told() -> None:
    with pytest.raises(RequestError, match="cannot tell that 140001_11 is retracted"):
        write_icecat([ENTRY, replace(NOTICE, kind=Kind.RETRACTION)])


@given(st.dictionaries(st.sampled_from(["event_name", "i3type", "cr_veto", "other_i3types"]), st.text(max_size=20)))
def test_no_text_harms_other_rows(extra: dict[str, str]) -> None:
    odd = replace(ENTRY, name="", stream="", selection="", extra=extra)
    content = write_icecat([ENTRY, odd, ENTRY])
    assert len(content.decode().split("\n")) == 5
    if "\0" not in "".join(extra.values()):  # which no table may hold
        first, _, last = read_revisions(content)
        assert first == last == ENTRY
