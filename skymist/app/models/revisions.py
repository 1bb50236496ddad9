"""All revisions of an alert as a table: what each says, and what it says otherwise than the one before."""

from collections.abc import Mapping, Sequence
from typing import Any

from skymist.app.models import angles
from skymist.model.alert import SILENT, Revision
from skymist.model.revisions import MOVED, QUANTITIES, differences, label_of

Json = dict[str, Any]


def table(alert: Mapping[str, Any], how: str = "deg") -> Json:
    """Return the revisions of an alert side by side.

    Parameters
    ----------
    alert : mapping
        As ``GET /v1/alerts/NAME`` answers.
    how : str
        How positions are written.

    Returns
    -------
    dict
        ``columns`` (label, kind, received, href, none), in the order of the revisions, and ``rows`` (label, cells), of
        what any of them says; a cell has its text, whether it differs from that of the last revision before it that
        told telescopes something, and a note. Empty without revisions.
    """
    said = [Revision.from_dict(each["content"]) for each in alert.get("revisions", ())]
    if not said:
        return {}
    notes = _notes(said)
    rows = [("issued (UTC)", [_cell(_issued(each)) for each in said])]
    for quantity in QUANTITIES:
        label = angles.names(how) if quantity.name == MOVED else quantity.label
        texts = [_position(each, how) if quantity.name == MOVED else quantity.write(each) for each in said]
        cells = [_cell(text, found.get(quantity.name)) for text, found in zip(texts, notes, strict=True)]
        rows.append((label, cells))
    rows.append(("doubts", [_cell("; ".join(each.doubts)) for each in said]))
    return {
        "columns": [_column(kept, each) for kept, each in zip(alert["revisions"], said, strict=True)],
        "rows": [
            {"label": label, "cells": cells}
            for label, cells in rows
            if any(each["text"] != angles.UNKNOWN for each in cells)
        ],
    }


def _notes(said: Sequence[Revision]) -> list[dict[str, str]]:
    """Return by revision what it says otherwise, by quantity, and in which way."""
    found: list[dict[str, str]] = []
    before: Revision | None = None
    for each in said:
        changed = () if before is None or each.catalog in SILENT else differences(before, each)
        name = "" if before is None else label_of(before)
        # What a revision does not say, such as a retraction, it does not change.
        told = {one.name: _note(one.name, one.old, one.new, name) for one in changed if one.new}
        found.append({MOVED if key == "place" else key: note for key, note in told.items()})
        before = before if each.catalog in SILENT else each
    return found


def _note(name: str, old: str, new: str, before: str) -> str:
    if name == MOVED:
        return f"{new} from {before}"
    return f"{old} in {before}" if old and len(old) < 60 else f"other than in {before}" if old else f"not in {before}"


def _column(kept: Mapping[str, Any], said: Revision) -> Json:
    source = kept["input_id"]
    return {
        "label": label_of(said), "kind": str(said.kind), "received": angles.utc(kept["received"]),
        "href": f"/v1/inputs/{source}/content" if source else "", "none": "" if source else "made here",
    }  # fmt: skip


def _cell(text: str, note: str | None = None) -> Json:
    return {"text": text or angles.UNKNOWN, "changed": note is not None, "note": note or ""}


def _position(said: Revision, how: str) -> str:
    return "" if said.ra is None or said.dec is None else angles.position(said.ra, said.dec, how, said.time)


def _issued(said: Revision) -> str:
    return "" if said.issued is None else angles.utc(said.issued)
