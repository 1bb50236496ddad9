"""All scans, live, and the form for a new one."""

import time
from collections.abc import Iterable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from skymist.app.models import scan_rows
from skymist.app.models.counts import of_scans
from skymist.app.models.launch import Launch
from skymist.app.models.scans import BY_FILTERS, STATE_FILTERS, EventChoice, ScanList
from skymist.app.parts import table
from skymist.app.parts.again import again
from skymist.app.parts.filters import Filters
from skymist.app.parts.headline import Headline
from skymist.app.parts.launch_form import LaunchForm
from skymist.app.parts.table import Table
from skymist.app.visit import Visit

PERIOD_MS = 1000
"""Between looks for what is new."""
COUNTS_S = 10.0
"""Between looks at counts of the site though nothing has changed."""

KEYS = table.KEYS

_HINT = "Choose an event that the service knows, or send the file of one in: any format that skymist reads."


def page(visit: Visit) -> Any:
    """Return the page."""
    view = ScansPage(visit).view
    view.skymist_keys = KEYS
    return view


class ScansPage:
    """What shows a `ScanList`, and asks for more scans.

    Attributes
    ----------
    view : panel.viewable.Viewable
    """

    def __init__(self, visit: Visit) -> None:
        self.visit, self.here, self._counted = visit, pn.state.location is not None, 0.0
        self.scans = ScanList(visit.client, visit.visitor.name).take(visit.query)
        self.choice = EventChoice(event=visit.query.get("event", ""))
        shown: dict[str, Any] = {"theme": visit.look.theme, "sizing_mode": "stretch_width"}
        self.headline = Headline(label="scans that have not ended", **shown)
        self.filters = Filters(
            fields=_fields(self.scans.reconstruction), values=self.scans.values(), label="filters of the list", **shown
        )
        self.table = Table(
            columns=[dict(each) for each in scan_rows.COLUMNS], label="Scans", selected=self.scans.selected,
            page=self.scans.page, **shown,
        )  # fmt: skip
        self._new = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._open = pmui.Button(label="New scan", icon="add", variant="contained", margin=(12, 10, 4, 0))
        self.view: Any = pmui.Column(
            self.headline, self._open, self._new, self.filters, self.table, sizing_mode="stretch_width", margin=0
        )
        self._connect()
        pn.state.onload(visit.guarded(self.begin), threaded=True)

    def _connect(self) -> None:
        guarded, scans = self.visit.guarded, self.scans
        self.headline.on_choose(guarded(lambda key: self.clear(state="" if scans.state == key else key)))
        self._open.on_click(guarded(self._toggle_new))
        self.filters.on_change(guarded(self.filter))
        self.table.param.watch(guarded(self.moved), ["page", "selected"])
        scans.param.watch(guarded(self.changed), [*ScanList.FILTERS, "page"])
        scans.param.watch(guarded(lambda _: self.show_address()), "selected")

    def begin(self) -> None:
        """Show what there is, and look again and again."""
        self.load()
        kinds = sorted(each["name"] for each in self.visit.client.reconstructions() if each["name"] != "auto")
        self.filters.fields = _fields(*kinds)
        if "new" in self.visit.query:
            self._toggle_new()
        again(self.visit.guarded(self.look), PERIOD_MS)

    def moved(self, *events: Any) -> None:
        """Do as somebody said at the table."""
        self.scans.param.update(**{event.name: event.new for event in events})

    def filter(self, name: str, text: str) -> None:
        """Look for what somebody said in a field; without a name, for everything."""
        if name in ScanList.FILTERS:
            self.scans.accept(name, text)
        elif not name:
            self.clear()

    def clear(self, **changes: Any) -> None:
        """Look for everything, but for some changes."""
        self.scans.clear(**changes)
        self.table.param.update(page=self.scans.page, selected=self.scans.selected)

    def changed(self, *events: Any) -> None:
        """Show what is looked for now; another search begins at its first page."""
        if self.scans.page != 1 and all(event.name != "page" for event in events):
            self.table.page = 1  # which comes back here
            return
        self.load()

    def load(self) -> None:
        """Show the page of the list that was asked for, or the last one."""
        wanted = self.scans.page
        self.scans.load()
        self.show()
        if self.scans.page != wanted:
            self.table.page = self.scans.page

    def look(self) -> None:
        """Show what is new."""
        if self.scans.look():
            self.show()
        elif time.monotonic() > self._counted + COUNTS_S:
            self.count()

    def count(self) -> None:
        """Show how many there are that have not ended."""
        self._counted = time.monotonic()
        self.headline.items = of_scans(self.visit.client.overview()["scans"], self.scans.state)

    def show(self) -> None:
        """Show the rows."""
        scans = self.scans
        self.table.param.update(
            rows=scan_rows.rows(scans.items, scans.fresh), more=scans.more, filled=True, empty=_empty(scans),
            news=scans.trouble or (f"{len(scans.fresh)} new" if scans.fresh else ""),
        )  # fmt: skip
        self.filters.values = scans.values()
        self.count()
        self.show_address()

    def show_address(self) -> None:
        """Have the address of the page say what is shown."""
        if self.here:
            self.headline.address = f"/scans{self.scans.address()}"

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
            self._form.objects = [pmui.Typography(_HINT, variant="body2", margin=(0, 10, 12, 10))]
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


def _fields(*kinds: str) -> list[dict[str, Any]]:
    """Return what can be looked for; `kinds` are the names of reconstructions that are known."""
    return [
        {"name": "state", "label": "State", "options": _options("any", STATE_FILTERS)},
        {"name": "reconstruction", "label": "Reconstruction", "options": _options("any", kinds), "width": 170},
        {"name": "alert", "label": "Alert", "hint": "IceCube-… or RUN_EVENT", "width": 210},
        {"name": "by", "label": "Asked for by", "options": _options("everybody", BY_FILTERS)},
    ]


def _options(usual: str, others: Iterable[str]) -> list[tuple[str, str]]:
    return [("", usual), *((each, each) for each in others if each)]


def _empty(scans: ScanList) -> str:
    """Return why no scan is shown."""
    if scans.trouble:
        return f"{scans.trouble}."
    if scans.narrowed():
        return "No scan passes these filters."
    return "There is no scan yet. New scan asks for one; rules ask for them when alerts come in."
