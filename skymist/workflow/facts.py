"""Facts: all that a circular may state of an alert, each with where it comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from skymist.circulars.links import TOPIC, first_notice
from skymist.model import region as regions
from skymist.model import sky
from skymist.model.alert import Alert, Revision
from skymist.model.circular import Fact, Value
from skymist.records import tables

PROBABILITY = {"gold": "high", "bronze": "moderate"}
PURITY = {"gold": 50, "bronze": 30}
"""Percent of astrophysical neutrinos in a stream, on average (Blaufuss et al. 2019, ICRC, PoS 358, 1021)."""

CONTAINMENT = 0.9
EPOCH = "J2000"


def of_alert(record: tables.Alert, alert: Alert) -> list[Fact]:
    """Return what notices, or a catalog, say of an alert: of each thing the last word; position and errors together."""
    first = alert.first
    found = [
        Fact("name", record.name, source="alert", source_id=str(record.id), detail=f"named by {record.named_by}"),
        Fact("key", f"{alert.run}_{alert.event}", source="alert", source_id=str(record.id)),
        *_moment(first), *_stream(alert), *_numbers(alert), *_first(replace(first, stream=record.stream)),
    ]  # fmt: skip
    if (placed := alert.last("ra")) is not None:
        found += _place(placed)
    if alert.retracted:
        found += _taken_back(alert.current)
    return found


def of_map(skymap: xr.Dataset, scan_id: str, calibration: str) -> list[Fact]:
    """Return position and errors of a sky map, which go before those of notices."""
    best, area = regions.best_fit(skymap), regions.region(skymap, CONTAINMENT, calibration)
    about = skymap.attrs["reconstruction"]
    values: dict[str, Value] = {
        "ra": _turned(np.degrees(best.ra)), "dec": round(float(np.degrees(best.dec)), 4),
        **{key: round(float(getattr(area, key)), 4) for key in ("ra_plus", "ra_minus", "dec_plus", "dec_minus")},
        "area_90": round(area.area_deg2, 4), "containment": round(100 * CONTAINMENT), "epoch": EPOCH,
        "reconstruction": f"{about['name']} (version {about['version']})", "calibration": area.calibration,
    }  # fmt: skip
    detail = f"scan {scan_id[:12]}, {about['name']}, calibration {area.calibration}"
    return [Fact(name, value, source="scan", source_id=scan_id, detail=detail) for name, value in values.items()]


def of_matches(matches: list[Mapping[str, Any]], trials: Mapping[str, Any], most: int) -> Iterator[Fact]:
    """Yield what `skymist.workflow.match.match_map` has found, of each catalog at most so many sources."""
    for found in matches:
        about = found["catalog"]
        title = str(about["title"])
        same = {"source": "catalog", "source_id": about["sha256"], "detail": f"{title}, version {about['version']}"}
        inside, chance = [each for each in found["inside"] if each["inside_90"]], found["chance"]
        yield Fact("sources_inside", len(inside), title, **same)
        for name, key in (("expected_by_chance", "expected_scrambled"), ("p_chance", "p_number"), ("p_best", "p_best")):
            if chance.get(key) is not None:
                yield Fact(name, chance[key], title, **same)
        for source in inside[:most] or filter(None, [found["nearest"]]):
            yield from _source(source, title, same, inside=bool(inside))
    if trials.get("p_best") is not None:
        detail = f"{len(matches)} catalogs"
        yield Fact("p_global", trials["p_best"], source="catalog", detail=detail)


def of_others(matches: list[Mapping[str, Any]], time: np.datetime64) -> Iterator[Fact]:
    """Yield other alerts in the region: separations, and how long before this one they were."""
    for found in matches:
        for other in (each for each in found["inside"] if each["inside_90"]):
            then = np.datetime64(other["properties"]["time"].removesuffix("Z"), "ns")
            before = (time - then) / np.timedelta64(1, "D")
            yield Fact("separation", other["separation_deg"], other["name"], source="alert", source_id=other["name"])
            yield Fact("days", round(float(before), 4), other["name"], source="alert", source_id=other["name"])


def moved(now: Mapping[tuple[str, str], Fact], before: Mapping[tuple[str, str], Fact], what: str) -> Iterator[Fact]:
    """Yield where a position was before, and by how much it has moved."""
    places = [[facts.get((name, "")) for name in ("ra", "dec")] for facts in (now, before)]
    if any(each is None for place in places for each in place):
        return
    (ra, dec), (old_ra, old_dec) = ([float(each.value) for each in place if each] for place in places)
    apart = np.degrees(sky.separation(*np.radians([ra, dec, old_ra, old_dec])))
    for name, value in (("previous_ra", old_ra), ("previous_dec", old_dec), ("shift", round(float(apart), 4))):
        yield Fact(name, value, source="circular", detail=what)


def merged(*groups: list[Fact]) -> list[Fact]:
    """Return all facts, of several of one key the last; what belongs to one position is not mixed with another's."""
    of_position = {"ra", "dec", "ra_plus", "ra_minus", "dec_plus", "dec_minus", "radius_90", "area_90", "systematic",
                   "map_url"}  # fmt: skip
    found: dict[tuple[str, str], Fact] = {}
    for facts in groups:
        if any(fact.key == ("ra", "") for fact in facts):
            found = {key: fact for key, fact in found.items() if key[1] or key[0] not in of_position}
        found |= {fact.key: fact for fact in facts}
    return list(found.values())


def _told_by(revision: Revision) -> dict[str, str]:
    """Return where what a revision says comes from, in the words of `Fact`."""
    number = "" if revision.number is None else f"revision {revision.number}"
    issued = "" if revision.issued is None else f"issued {np.datetime_as_string(revision.issued, 's')}Z"
    detail = ", ".join(filter(None, (revision.catalog or number, issued))) or "a revision"
    return {"source": "revision", "source_id": revision.id, "detail": detail}


def _moment(revision: Revision) -> Iterator[Fact]:
    """Yield day and time of day, rounded to 0.01 s together: the one may change with the other."""
    time = (revision.time + np.timedelta64(5, "ms")).astype("datetime64[ms]")
    text = str(np.datetime_as_string(time, unit="ms"))
    yield Fact("time", str(revision.to_dict()["time"]), **_told_by(revision))
    yield Fact("date", text[:10], **_told_by(revision))
    yield Fact("clock", text[11:22], **_told_by(revision))


def _stream(alert: Alert) -> Iterator[Fact]:
    by = alert.last("stream")
    if by is None:
        return
    yield Fact("stream", by.stream, **_told_by(by))
    if by.stream in PROBABILITY:
        about = {"source": "setting", "detail": "mean of the stream"}
        yield Fact("probability", PROBABILITY[by.stream], **about)
        yield Fact("purity", PURITY[by.stream], **about)


def _numbers(alert: Alert) -> Iterator[Fact]:
    for name in ("far_per_year", "signalness", "energy_tev"):
        by = alert.last(name)
        if by is not None and getattr(by, name) > 0:
            yield Fact(name, float(f"{getattr(by, name):.6g}"), **_told_by(by))


def _first(revision: Revision) -> Iterator[Fact]:
    if link := first_notice(revision):
        yield Fact("notice_url", link, **_told_by(revision))
    elif revision.topology == "track":
        yield Fact("topic", TOPIC, **_told_by(revision))


def _place(revision: Revision) -> Iterator[Fact]:
    """Yield the position that a revision gives, with its errors and its map."""
    by = _told_by(revision)
    assert revision.ra is not None and revision.dec is not None  # noqa: PT018 (a position has both)
    values: dict[str, Value] = {"ra": _turned(revision.ra), "dec": round(revision.dec, 4), "epoch": EPOCH}
    if revision.errors_90 is not None:
        names = "ra_plus", "ra_minus", "dec_plus", "dec_minus"
        values |= dict(zip(names, (round(each, 4) for each in revision.errors_90), strict=True))
    elif revision.radius_90 is not None:
        values["radius_90"] = round(revision.radius_90, 4)
    if revision.errors_90 is not None or revision.radius_90 is not None:
        values["containment"] = round(100 * CONTAINMENT)
    if revision.systematic is not None:
        values["systematic"] = "yes" if revision.systematic else "no"
    if revision.map_url:
        values["map_url"] = revision.map_url
    yield from (Fact(name, value, **by) for name, value in values.items())


def _taken_back(revision: Revision) -> Iterator[Fact]:
    if revision.comment:
        words = revision.comment if revision.comment.endswith((".", "!")) else f"{revision.comment}."
        yield Fact("reason", words, **_told_by(revision))


def _source(source: Mapping[str, Any], title: str, same: Mapping[str, str], *, inside: bool) -> Iterator[Fact]:
    name = str(source["name"])
    values: dict[str, Value] = {
        "catalog": title, "inside": "yes" if inside else "no", "source_ra": _turned(source["ra"]),
        "source_dec": round(float(source["dec"]), 4), "separation": round(float(source["separation_deg"]), 4),
        "searched_probability": float(f"{source['searched_probability']:.3g}"),
    }  # fmt: skip
    yield from (Fact(key, value, name, **same) for key, value in values.items())


def _turned(ra: float) -> float:
    """Return a right ascension in degrees that is not written as 360.00."""
    turned = float(ra) % 360
    return 0.0 if round(turned, 2) >= 360 else round(turned, 4)
