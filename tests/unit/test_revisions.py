"""Revisions side by side: what each of them says in words, and how a difference is told."""

from typing import Any

import numpy as np
import pytest

from skymist.model.alert import Kind, Revision, Tense
from skymist.model.revisions import MOVED, QUANTITIES, Difference, differences, distance_deg, label_of

TIME = np.datetime64("2026-03-04T05:06:07", "ns")
THERE = {"ra": 40.0, "dec": 10.0}


def revision(number: int | None = 0, **said: Any) -> Revision:
    return Revision(137840, 1, TIME, number, **said)


def words(said: Revision) -> dict[str, str]:
    return {each.name: each.write(said) for each in QUANTITIES}


def test_all_that_a_revision_says_has_words_and_a_unit() -> None:
    said = revision(
        ra=40.125, dec=-0.5, radius_90=1.25, errors_90=(0.4, 0.6, 0.85, 0.7), systematic=True, energy_tev=127.3,
        signalness=0.5, far_per_year=2.0, stream="gold", selection="gfu", kind=Kind.UPDATE, tense=Tense.TEST,
        map_url="https://example.org/a.fits", comment="a comment",
    )  # fmt: skip
    assert words(said) == {
        "position": "RA 40.12°, Dec -0.50°",
        "radius_90": "1.25°",
        "errors_90": "RA +0.4° −0.6°, Dec +0.85° −0.7°",
        "systematic": "with systematics",
        "energy_tev": "127.3 TeV",
        "signalness": "0.5",
        "far_per_year": "2 per year",
        "stream": "gold",
        "selection": "gfu",
        "kind": "update",
        "tense": "test",
        "map_url": "https://example.org/a.fits",
        "comment": "a comment",
    }


def test_what_a_revision_does_not_say_has_no_words() -> None:
    assert {name: text for name, text in words(revision()).items() if text} == {"kind": "initial", "tense": "current"}


def test_errors_without_systematics_are_called_so() -> None:
    assert words(revision(systematic=False))["systematic"] == "statistical only"


def test_asymmetric_errors_have_a_radius_too() -> None:
    assert words(revision(dec=60.0, errors_90=(1.0, 1.0, 2.0, 2.0)))["radius_90"] == "1.00°"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (200, "200 TeV"),
        (1.00004, "1 TeV"),
        (123_456.7, "123500 TeV"),
        (0.00012346, "0.0001235 TeV"),
    ],
)
def test_numbers_have_four_digits_and_no_exponent(value: float, text: str) -> None:
    assert words(revision(energy_tev=value))["energy_tev"] == text


def test_a_revision_is_called_by_its_catalog_or_its_number_or_what_it_does() -> None:
    assert label_of(revision(0, catalog="IceCat-1")) == "IceCat-1"
    assert label_of(revision(0)) == "revision 0"
    assert label_of(revision(None, kind=Kind.RETRACTION)) == "retraction"


@pytest.mark.parametrize("missing", ["ra", "dec"])
def test_half_a_position_is_none(missing: str) -> None:
    half, whole = revision(**{**THERE, missing: None}), revision(**THERE)
    assert distance_deg(half, whole) is None
    assert distance_deg(whole, half) is None
    assert words(half)["position"] == ""
    told = Difference("place", "position", "", "RA 40.00°, Dec +10.00°")
    assert differences(half, whole) == (told,)
    assert differences(whole, half) == (Difference("place", "position", told.new, ""),)
    assert differences(half, revision()) == ()


@pytest.mark.parametrize(
    ("degrees", "text"), [(0.00011, "0.4″"), (0.0099015, "35.6″"), (0.0101, "0.01°"), (1.234, "1.23°")]
)
def test_a_move_is_told_in_seconds_of_arc_below_a_hundredth_of_a_degree(degrees: float, text: str) -> None:
    moved = differences(revision(ra=40.0, dec=0.0), revision(ra=40.0, dec=-degrees))
    assert moved == (Difference(MOVED, "position", "", text),)
    assert str(moved[0]) == f"moved by {text}"


def test_a_move_by_less_than_a_ten_thousandth_of_a_degree_is_none() -> None:
    assert differences(revision(ra=40.0, dec=0.0), revision(ra=40.0, dec=0.00009)) == ()


def test_all_differences_are_told_in_the_order_in_which_people_look() -> None:
    before = revision(**THERE, radius_90=1.0, stream="gold", comment="first")
    after = revision(1, ra=40.0, dec=12.0, kind=Kind.UPDATE, energy_tev=120.0, stream="bronze", comment="")
    assert [(each.name, str(each)) for each in differences(before, after)] == [
        ("position", "moved by 2.00°"),
        ("radius_90", "radius with 90 % not said any more"),
        ("energy_tev", "energy 120 TeV (not said before)"),
        ("stream", "stream gold → bronze"),
        ("kind", "kind initial → update"),
        ("comment", "comment not said any more"),
    ]
