"""Names of things of the archive: what they are made of, and that they stay for ever."""

from uuid import UUID

import pytest

from skymist.errors import RequestError
from skymist.model.alert import Role
from skymist.model.identity import Thing, alert_fragment, content_fragment, ivo, revision_fragment, uuid_of

SHA256 = "0123456789abcdef" * 4


@pytest.mark.parametrize("authority", ["abc", "IceCube", "0-_.", "example.org"])
def test_an_identifier_has_an_authority_and_a_fragment(authority: str) -> None:
    assert ivo(authority, "137840_1") == f"ivo://{authority}/skymist#137840_1"


@pytest.mark.parametrize(
    "authority", ["", "ab", ".abc", "-abc", "exam ple", "example.org/", "example.org\n", "münchen"]
)
def test_what_is_no_authority_is_refused(authority: str) -> None:
    with pytest.raises(RequestError) as error:
        ivo(authority, "137840_1")
    assert str(error.value) == f"{authority!r} is no authority of IVOA identifiers, such as example.org"


def test_the_uuid_of_an_identifier_is_pinned() -> None:
    """A change here gives all records of all archives other numbers: it must never happen."""
    assert uuid_of("ivo://example/skymist#137840_57034692") == UUID("f075a4f3-5c44-5711-a03d-71dc60af06ad")


@pytest.mark.parametrize(
    ("role", "fragment"),
    [(Role.OBSERVATION, "137840_1"), (Role.TEST, "test_137840_1"), (Role.PREDICTION, "prediction_137840_1")],
)
def test_only_an_observation_does_not_tell_its_role(role: Role, fragment: str) -> None:
    assert alert_fragment(role, 137840, 1) == fragment


@pytest.mark.parametrize(
    ("number", "catalog", "words"),
    [
        (0, "", "0"),
        (12, "IceCat-1", "12"),
        (None, "IceCat-1.2", "icecat-1.2"),
        (None, "Sky Map  of others", "sky-map-of-others"),
        (None, "", "retraction"),
    ],
)
def test_a_revision_is_named_by_its_number_or_its_catalog(number: int | None, catalog: str, words: str) -> None:
    assert revision_fragment("137840_1", number, catalog, SHA256, taken=False) == f"137840_1_{words}"
    assert revision_fragment("137840_1", number, catalog, SHA256, taken=True) == f"137840_1_{words}-01234567"


def test_scans_and_maps_are_named_by_sixteen_digits() -> None:
    assert content_fragment(Thing.SCAN, SHA256) == "scan_0123456789abcdef"
    assert content_fragment(Thing.MAP, SHA256[1:]) == "map_123456789abcdef0"
