"""All scans, live, and the form for a new one."""

import threading
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from skymist.app.models.launch import Launch
from skymist.app.models.scan import ENDED
from skymist.app.models.scans import BY_FILTERS, STATE_FILTERS, EventChoice, ScanList
from skymist.app.parts.launch_form import LaunchForm
from skymist.app.visit import Visit
from skymist.errors import StoreError

PERIOD_MS = 1000
"""After which time the service is asked again."""

_COLUMNS = {
    "scan": "Scan", "what": "What is scanned", "progress": "Progress", "where": "Runs on", "asked": "Asked for (UTC)",
}  # fmt: skip
"""Of the table, in two lines each, so that all of them can be read on narrow screens, too."""

_FILTERS = {"state": "any", "reconstruction": "", "alert": "", "by": "everybody"}
_LINKS = {"light": "#0b4aa2", "dark": "#8fbcff"}
_STYLE = """
.tabulator .tabulator-row .tabulator-cell { white-space: normal; height: auto !important; line-height: 1.35; }
.tabulator-cell a { color: %s; }
.tabulator-cell div { white-space: nowrap; }
.tabulator-row.tabulator-selected a { color: inherit; }
.tabulator-cell small { font-size: 13px; opacity: 0.85; }
.tabulator-cell .bar { display: inline-block; width: 60px; height: 8px; border-radius: 4px; overflow: hidden;
  border: 1px solid currentColor; margin-right: 6px; }
.tabulator-cell .bar span { display: block; height: 100%%; background: currentColor; }
"""


def page(visit: Visit) -> Any:
    """Return the page."""
    view = ScansPage(visit)
    pn.state.onload(visit.guarded(view.load), threaded=True)
    return view.view


class ScansPage:
    """What shows a `ScanList`, and asks for more scans.

    Attributes
    ----------
    view : panel.viewable.Viewable
    """

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.model, self.choice = ScanList(visit.visitor.name), EventChoice(event=visit.query.get("event", ""))
        self._busy, self._location = threading.Lock(), pn.state.location  # None in a notebook
        self._shown: list[str] = []  # ids, in the order of the rows
        self._take_query()
        self._note = pn.pane.HTML("<p>Scans are being looked up …</p>", sizing_mode="stretch_width", margin=(0, 10))
        self._table = self._make_table()
        self._more = pmui.Button(label="Show more", variant="outlined", visible=False, margin=10)
        self._more.on_click(visit.guarded(self._show_more))
        self._new = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._open = pmui.Button(label="New scan", icon="add", variant="contained", margin=(12, 10))
        self._open.on_click(visit.guarded(self._toggle_new))
        self.view = pmui.Column(
            pmui.FlexBox(self._open, *self._make_filters(), gap="0px", align_items="center"),
            self._new, self._note, self._table, self._more, sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def load(self) -> None:
        """Ask for the scans, and follow them from now on."""
        kinds = sorted(each["name"] for each in self.visit.client.reconstructions() if each["name"] != "auto")
        self._reconstruction.options = {"any": "", **{name: name for name in kinds}}
        self._look()
        if "new" in self.visit.query:
            self._toggle_new()
        pn.state.add_periodic_callback(self.visit.guarded(self._look), period=PERIOD_MS)

    def _take_query(self) -> None:
        """Take the filters that the page's address has; what makes no sense there counts as none."""
        query = self.visit.query
        if query.get("state") in STATE_FILTERS:
            self.model.state = query["state"]
        if query.get("by") in BY_FILTERS:
            self.model.by = query["by"]
        self.model.reconstruction, self.model.alert = query.get("reconstruction", ""), query.get("alert", "")

    def _make_filters(self) -> list[Any]:
        model = self.model
        state = pmui.Select(label="Show state", options=list(STATE_FILTERS), value=model.state, width=150)
        kind = model.reconstruction
        chosen = {"any": "", **({kind: kind} if kind else {})}
        self._reconstruction = pmui.Select(label="Show reconstruction", options=chosen, value=kind, width=170)
        alert = pmui.TextInput(label="Show alert", value=model.alert, placeholder="IceCube-… or RUN_EVENT", width=210)
        by = pmui.Select(label="Show asked for by", options=list(BY_FILTERS), value=model.by, width=150)
        for name, widget in (("state", state), ("reconstruction", self._reconstruction), ("alert", alert), ("by", by)):
            widget.margin = (8, 10)
            widget.param.watch(self.visit.guarded(lambda change, name=name: self._filter(name, change.new)), "value")
        return [state, self._reconstruction, alert, by]

    def _make_table(self) -> Any:
        return pn.widgets.Tabulator(
            _frame([]), titles=_COLUMNS, formatters={name: {"type": "html"} for name in _COLUMNS},
            show_index=False, disabled=True, selectable=1, layout="fit_columns", sizing_mode="stretch_width",
            theme="midnight" if self.visit.look.theme == "dark" else "simple", margin=(0, 10),
            stylesheets=[_STYLE % _LINKS[self.visit.look.theme]],
            configuration={"columnDefaults": {"headerSort": False}, "maxHeight": 900},
        )  # fmt: skip

    def _filter(self, name: str, value: Any) -> None:
        """Show other scans, and put into the address which."""
        if value == getattr(self.model, name):
            return
        setattr(self.model, name, value)
        if self._location is not None:
            told = {key: getattr(self.model, key) for key, default in _FILTERS.items()
                    if getattr(self.model, key) != default}  # fmt: skip
            self._location.search = f"?{urlencode(told)}" if told else ""
        self._look()

    def _show_more(self, *_: Any) -> None:
        self.model.show_more()
        self._look()

    def _look(self) -> None:
        """Show what is new: only the cells that changed if the scans are the same."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            changed = self.model.refresh(self.visit.client)
        except StoreError:  # the service is being started again: the page goes on when that is back
            return
        finally:
            self._busy.release()
        if changed is None:
            self._show_all()
        elif changed:
            self._patch(changed)
        self._more.visible = self.model.more

    def _show_all(self) -> None:
        """Show other rows; the one that was selected stays so."""
        table, rows = self._table, self.model.rows
        chosen = {self._shown[row] for row in table.selection if row < len(self._shown)}
        self._shown = [row["id"] for row in rows]
        table.value = _frame(rows)
        table.selection = [number for number, each in enumerate(self._shown) if each in chosen]
        table.visible = bool(rows)
        self._note.param.update(visible=not rows, object=f"<p>{escape(_empty(self.model))}</p>")

    def _patch(self, changed: Mapping[str, list[tuple[int, Any]]]) -> None:
        touched = {number for patches in changed.values() for number, _ in patches}
        shown = {number: _cells(self.model.rows[number]) for number in touched}
        before = self._table.value
        patches = {
            column: [(number, cells[column]) for number, cells in shown.items()
                     if before[column].iloc[number] != cells[column]]
            for column in _COLUMNS
        }  # fmt: skip
        self._table.patch({column: cells for column, cells in patches.items() if cells})

    def _toggle_new(self, *_: Any) -> None:
        """Open the form for a new scan, or close it."""
        if self._new.objects:
            self._new.objects = []
            self._open.label = "New scan"
            return
        self._open.label = "Close form"
        self.choice.load(self.visit.client)
        known = self.choice.options
        self._event = pmui.Select(
            label="Event", options={"choose one": "", **known}, value=self.choice.event, width=520, searchable=True,
            margin=(8, 10),
        )  # fmt: skip
        self._event.param.watch(self.visit.guarded(lambda change: self._choose(change.new)), "value")
        upload = pmui.FileInput(label="Upload an event file", margin=(14, 10), disabled=not self.visit.may("analyst"))
        upload.param.watch(self.visit.guarded(lambda _: self._upload(upload)), "value")
        self._form = pmui.Column(sizing_mode="stretch_width", margin=0)
        choice = pmui.FlexBox(self._event, upload, gap="0px", align_items="center")
        self._new.objects = [pmui.Paper(choice, self._form, sizing_mode="stretch_width", margin=10, elevation=2)]
        self._choose(self.choice.event)

    def _choose(self, event: str) -> None:
        """Show the form for an event."""
        self.choice.event = event
        if not event:
            hint = "Choose an event that the service knows, or send the file of one in: any format that skymist reads."
            self._form.objects = [pmui.Typography(hint, variant="body2", margin=(0, 10, 12, 10))]
            return
        form = LaunchForm(self.visit, Launch(event=event))
        self._form.objects = [form.view]
        form.load()

    def _upload(self, file: Any) -> None:
        if not file.filename:
            return
        found = self.choice.upload(self.visit.client, str(file.filename), file.value or b"")
        self.visit.say(f"{file.filename} is an event of {', '.join(self.choice.alerts) or 'no alert'}", "success")
        self._event.options = {"choose one": "", **self.choice.options}
        self._event.value = found


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([_cells(row) for row in rows], columns=list(_COLUMNS))


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row in HTML; what comes from outside is escaped."""
    told = {key: escape(str(value)) for key, value in row.items()}
    link = escape(f"/alert?{urlencode({'name': row['alert'], 'role': row['role']})}")
    alert = f'<a href="{link}">{told["alert"]}</a>' if row["alert"] else "no alert"
    took = f"{'took' if row['state'] in ENDED else 'for'} {told['took']}"
    speed = ", ".join(told[name] for name in ("level", "rate", "remains") if row[name])
    bar = f'<span class="bar"><span style="width:{row["done"]}%"></span></span>{row["done"]} %'
    return {
        "scan": _lines(told["shown_state"], f'<a href="/scan?id={row["id"]}">{row["id"][:12]}</a>', row["error"]),
        "what": _lines(alert, told["reconstruction"]), "progress": _lines(bar, speed),
        "where": _lines(told["workers"], took if row["took"] else ""),
        "asked": _lines(told["asked"], f"by {told['who']}"),
    }  # fmt: skip


def _lines(first: str, second: str, title: str = "") -> str:
    """Return two lines in HTML."""
    return f'<div title="{escape(title)}">{first}</div><small>{second or "&nbsp;"}</small>'


def _empty(model: ScanList) -> str:
    """Return why no scan is shown."""
    if model.trouble:
        return model.trouble
    if model.filtered:
        return "No scan passes these filters."
    return "There is no scan yet. New scan asks for one; rules ask for them when alerts come in."
