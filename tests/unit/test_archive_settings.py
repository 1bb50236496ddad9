"""What a site says of its archive."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.fair.record import Agent, Site
from skymist.workflow.archive.settings import ArchiveSettings, DataCiteSettings, SnapshotSettings, archive_settings
from skymist.workflow.settings import ServiceSettings

ACCOUNT = {"prefix": "10.12345", "username": "EXAMPLE.SKYMIST", "password": "$DATACITE"}
ENVIRONMENT = {"DATACITE": "s3cret"}

WHOLE = """
circulars:
  authority: of.circulars
archive:
  publisher: The archive of a site
  creators:
    - Some Body
    - {name: Our Team, kind: organisation, identifier: https://ror.org/02mhbdp94}
  licence: CC0-1.0
  contact: archive@example.org
  home: https://archive.example.org/public
  public: true
  snapshots: {to: s3://copies/of-it, every_hours: 12, keep: 3}
  datacite: {prefix: "10.12345", username: EXAMPLE.SKYMIST, password: $DATACITE}
"""


def load(tmp_path: Path, text: str) -> ArchiveSettings:
    """Read a file as the service does."""
    (tmp_path / "skymist.yaml").write_text(text)
    found = ServiceSettings.load(tmp_path / "skymist.yaml", tmp_path)
    return archive_settings(found.archive, str((found.circulars or {}).get("authority", "example")), ENVIRONMENT)


def test_the_whole_thing(tmp_path: Path) -> None:
    assert load(tmp_path, WHOLE) == ArchiveSettings(
        Site(
            "of.circulars", "The archive of a site",
            (Agent("Some Body", "creator"), Agent("Our Team", "creator", "organisation", "https://ror.org/02mhbdp94")),
            "CC0-1.0", "archive@example.org", "https://archive.example.org/public",
        ),
        True, SnapshotSettings("s3://copies/of-it", 12, 3), DataCiteSettings("10.12345", "EXAMPLE.SKYMIST", "s3cret"),
    )  # fmt: skip
    own = load(tmp_path, WHOLE.replace("archive:\n", "archive:\n  authority: of.its.own\n"))
    assert own.site.authority == "of.its.own"


@pytest.mark.parametrize("text", ["", "archive:\n", "archive: {}\n", "archive: {snapshots: null, datacite: null}\n"])
def test_nothing_need_be_said(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == ArchiveSettings() == archive_settings(None)
    assert ArchiveSettings().public is False


def test_what_is_no_mapping_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"skymist\.yaml: archive: 'yes please' is not of its type \(a mapping or null"):
        load(tmp_path, "archive: yes please\n")


@pytest.mark.parametrize(
    ("archive", "what", "known"),
    [
        ({"publik": True}, "setting of the archive", "authority, contact, creators, datacite, home, licence, public"),
        ({1: 2}, "setting of the archive is called '1'", "publisher, snapshots"),
        ({"snapshots": {"to": "x", "often": 1}}, "setting of snapshots", "every_hours, keep, to"),
        ({"datacite": {**ACCOUNT, "pasword": "x"}}, "setting of datacite", "password, prefix, url, username"),
        ({"creators": [{"name": "We", "orcid": "1"}]}, "part of a creator", "identifier, kind, name"),
        ({"creators": [{"name": "We", "kind": "robot"}]}, "kind of creator", "organisation, person"),
    ],
)
def test_wrong_names_are_told_with_the_right_ones(archive: Any, what: str, known: str) -> None:
    with pytest.raises(UnknownNameError, match=what) as failed:
        archive_settings(archive, environment=ENVIRONMENT)
    assert known in str(failed.value)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        *(({key: value}, f"archive: {key} is text, not {value!r}") for value in (5, True, None, ["x"], {"x": 1})
          for key in ("authority", "publisher", "licence", "contact", "home")),
        *(({key: ""}, f"archive: {key} is text") for key in ("authority", "publisher", "licence", "home")),
        *(({"public": value}, "public is true or false, not") for value in ("yes", 1, None, [])),
        *(({"creators": value}, "creators are a list, such as") for value in ("We", {"name": "We"}, 5, None)),
        *(({"creators": [value]}, "a creator has a name, and may have kind and identifier")
          for value in ("", 5, None, {}, {"kind": "person"}, {"name": 5}, {"name": ""}, {"name": "We", "kind": 1})),
        ({"creators": [{"name": "We", "identifier": "0000-0002-1825-0097"}]}, "no ORCID or ROR as a URL"),
        ({"licence": "MIT"}, "'MIT' is no licence of data; there are, by SPDX: CC-BY-4.0, "),
        ({"authority": "a b"}, "'a b' is no authority of IVOA identifiers, such as"),
        *(({"snapshots": value}, "snapshots is a mapping, with to, every_hours, keep") for value in ("x", 5, ["x"])),
        *(({"datacite": value}, "datacite is a mapping, with prefix, username, password") for value in ("x", True)),
        ({"snapshots": {}}, "snapshots: to is missing"),
        ({"snapshots": {"to": 5}}, "snapshots: to is text, not a int"),
        ({"snapshots": {"to": ""}}, "snapshots: to is a folder or URL"),
        *(({"snapshots": {"to": "x", "every_hours": value}}, "every_hours is above 0")
          for value in (0, -1, float("nan"), float("inf"))),
        *(({"snapshots": {"to": "x", "every_hours": value}}, "every_hours is a number") for value in ("1", None, True)),
        *(({"snapshots": {"to": "x", "keep": value}}, "keep is a whole number") for value in ("1", 1.5, True, None)),
        ({"snapshots": {"to": "x", "keep": 0}}, "at least 1 is kept"),
        *(({"datacite": {key: value for key, value in ACCOUNT.items() if key != left}}, f"datacite: {left} is missing")
          for left in ACCOUNT),
        *(({"datacite": {**ACCOUNT, key: 12345}}, f"datacite: {key} is text, not a int") for key in ACCOUNT),
        *(({"datacite": {**ACCOUNT, key: ""}}, "username and password are not empty") for key in
          ("username", "password")),
        *(({"datacite": {**ACCOUNT, "prefix": value}}, "is no prefix of DOIs, such as 10.12345")
          for value in ("", "12345", "10.", "10.12", "10.12345/", "10.12345/x", "10.x")),
        ({"datacite": {**ACCOUNT, "password": "$NOWHERE"}}, "setting password of datacite is in the variable NOWHERE"),
    ],
)  # fmt: skip
def test_whatever_makes_no_sense_is_named(archive: Any, message: str) -> None:
    with pytest.raises(RequestError) as failed:
        archive_settings(archive, environment=ENVIRONMENT)
    assert message in str(failed.value)


@pytest.mark.parametrize("url", ["https://example.org", "https://example.org:8443/a/", "http://localhost:1",
                                 "http://127.0.0.1/x", "http://[::1]:5/"])  # fmt: skip
def test_urls_that_are_safe(url: str) -> None:
    found = archive_settings({"home": url, "datacite": {**ACCOUNT, "url": url}}, environment=ENVIRONMENT)
    assert found.datacite is not None
    assert (found.site.home, found.datacite.url) == (url, url)


@pytest.mark.parametrize("url", [
    "http://example.org", "ftp://127.0.0.1", "file:///etc", "http://127.0.0.1.example.org", "https://", "example.org",
    "https://[::1", "https://u:s3cret@example.org", "http://127.0.0.1@example.org", "https://example.org/?x=1",
    "https://example.org/#x",
])  # fmt: skip
def test_urls_that_are_not(url: str) -> None:
    for archive in ({"home": url}, {"datacite": {**ACCOUNT, "url": url}}):
        with pytest.raises(RequestError, match=r"home|datacite: url") as failed:
            archive_settings(archive, environment=ENVIRONMENT)
        assert "s3cret" not in str(failed.value)


def test_secrets_stay_secret() -> None:
    found = archive_settings({"datacite": ACCOUNT}, environment=ENVIRONMENT)
    assert found.datacite is not None
    assert found.datacite.password == "s3cret"
    assert "s3cret" not in repr(found)
    for wrong in ({"prefix": 5}, {"url": "http://example.org"}, {"username": ""}, {"else": 1}):
        with pytest.raises(RequestError) as failed:
            archive_settings({"datacite": {**ACCOUNT, **wrong}}, environment=ENVIRONMENT)
        assert "s3cret" not in str(failed.value)
    with pytest.raises(RequestError, match="password is text") as failed:
        archive_settings({"datacite": {**ACCOUNT, "password": 8675309}})
    assert "8675309" not in str(failed.value)


def test_every_setting_of_the_site_can_be_given() -> None:
    for item in fields(Site):
        if item.name != "creators":
            value = {"licence": "CC0-1.0", "home": "https://example.org"}.get(item.name, "else")
            assert getattr(archive_settings({item.name: value}).site, item.name) == value
