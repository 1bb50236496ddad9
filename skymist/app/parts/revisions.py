"""All revisions of an alert side by side; what is said otherwise than in the one before is marked."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import panel as pn

_CSS = Path(__file__).with_name("revisions.css").read_text(encoding="utf-8")


def revisions_table(theme: str) -> Any:
    """Return an empty table."""
    return pn.pane.HTML("", stylesheets=[_CSS], css_classes=[theme], sizing_mode="stretch_width", margin=0)


def written(table: dict[str, Any]) -> str:
    """Return the table as HTML.

    Parameters
    ----------
    table : dict
        As `skymist.app.models.alert.AlertView.revisions_table`.
    """
    if not table:
        return "<p role='status'>Revisions are being loaded…</p>"
    heads = "".join(_head(each) for each in table["columns"])
    rows = "".join(_row(each["label"], each["cells"]) for each in table["rows"])
    note = "▲ marks what a revision says otherwise than the one to its left; – is what it does not say."
    return (
        f"<p class='note'>{note}</p><div class='scroll' tabindex='0' role='region' aria-label='revisions side by side'>"
        f"<table><thead><tr><th scope='col'><span class='hidden'>what is said</span></th>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _head(column: dict[str, str]) -> str:
    link = f"<a href='{escape(column['href'])}' download>message as it came</a>" if column["href"] else column["none"]
    return (
        f"<th scope='col'><strong>{escape(column['label'])}</strong><br><span>{escape(column['kind'])}</span><br>"
        f"<span>came {escape(column['received'])} UTC</span><br>{link}</th>"
    )


def _row(label: str, cells: Sequence[dict[str, Any]]) -> str:
    return f"<tr><th scope='row'>{escape(label)}</th>{_cells(cells)}</tr>"


def _cells(cells: Iterable[dict[str, Any]]) -> str:
    return "".join(
        f"<td class='changed'><span class='mark' title='changed'>▲</span> <strong>{escape(each['text'])}</strong>"
        f"<span class='hidden'> (changed)</span><br><small>{escape(each['note'])}</small></td>"
        if each["changed"]
        else f"<td>{escape(each['text'])}</td>"
        for each in cells
    )
