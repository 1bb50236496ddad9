"""The list of alerts: what came in, what is running, what needs a decision; what could not be read, and sending in."""

import time
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from skymist.app.models import alert_rows, quarantine
from skymist.app.models.alerts import SHOWS, STATES, STREAMS, AlertList, key_of
from skymist.app.models.counts import FILTERS, Counts
from skymist.app.models.quarantine import Quarantine
from skymist.app.parts import table
from skymist.app.parts.again import again
from skymist.app.parts.drop import Drop, Files
from skymist.app.parts.filters import Filters
from skymist.app.parts.headline import Headline
from skymist.app.parts.table import Table
from skymist.app.visit import Visit

PERIOD_MS = 1000
"""Between looks for what is new."""
COUNTS_S, AGES_S = 10.0, 20.0
"""Between looks at counts of the site though nothing has changed, and between those at the clock."""

KEYS = {**table.KEYS, "/": "search"}

_VIEWS = tuple(zip(SHOWS, ("Alerts", "Could not be read", "Send in"), strict=True))
_FIELDS = (
    {"name": "stream", "label": "Stream", "options": [("", "any"), *((each, each) for each in STREAMS[1:])]},
    {"name": "role", "label": "World",
     "options": [("observation", "real sky"), ("prediction", "predictions"), ("test", "tests")]},
    {"name": "state", "label": "Scan", "options": [("", "any"), *((each, each) for each in STATES[1:])]},
    {"name": "retracted", "label": "Retracted", "options": [("", "shown, too"), ("no", "left out"), ("yes", "alone")]},
    {"name": "needs", "label": "Needs a decision", "flag": True},
    {"name": "since", "label": "Since (UTC)", "hint": "2023-04-16 or 24 h", "width": 170, "folded": True},
    {"name": "until", "label": "Until (UTC)", "hint": "2023-04-16 05:22", "width": 170, "folded": True},
    {"name": "energy", "label": "Energy (TeV)", "hint": "100 or 100:500", "folded": True},
    {"name": "signalness", "label": "Signalness", "hint": "0.5 or 0.5:0.9", "folded": True},
    {"name": "far", "label": "FAR (1/yr), at most", "hint": "1 or 0.1:1", "folded": True},
    {"name": "cone", "label": "Cone (degrees, ICRS)", "hint": "RA,DEC,RADIUS", "width": 190, "folded": True},
)  # fmt: skip


def page(visit: Visit) -> Any:
    """Return the page."""
    view = _Desk(visit).view
    view.skymist_keys = KEYS
    return view


class _Desk:
    """The list with all around it; `alerts` says what is shown."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.here = visit, pn.state.location is not None
        self.alerts, self.counts = AlertList(visit.client).take(visit.query), Counts(visit.client)
        self.unread: _Unread | None = None
        self._counted = self._dated = 0.0
        self.headline = Headline(
            label="how much there is to do", search_label="Search name or run_event",
            words=self.alerts.words, views=[{"key": "", "text": text} for _, text in _VIEWS], theme=visit.look.theme,
            sizing_mode="stretch_width",
        )  # fmt: skip
        self.table = Table(
            columns=alert_rows.columns(visit.look.angles), label="Alerts", theme=visit.look.theme,
            sort=self.alerts.sort, selected=self.alerts.selected, page=self.alerts.page, sizing_mode="stretch_width",
        )  # fmt: skip
        self.filters = Filters(
            fields=[dict(each) for each in _FIELDS], values=self.alerts.values(), usual={"role": "observation"},
            label="filters of the list", theme=visit.look.theme, sizing_mode="stretch_width",
        )  # fmt: skip
        listed = pmui.Column(self.filters, self.table, sizing_mode="stretch_width", margin=0)
        self.parts = [listed, *(pmui.Column(sizing_mode="stretch_width", margin=0, visible=False) for _ in SHOWS[1:])]
        self.view: Any = pmui.Column(self.headline, *self.parts, sizing_mode="stretch_width", margin=0)
        self._connect()
        pn.state.onload(visit.guarded(self.begin), threaded=True)

    def _connect(self) -> None:
        guarded, alerts = self.visit.guarded, self.alerts
        self.headline.on_choose(guarded(self.choose))
        self.headline.param.watch(guarded(lambda event: alerts.param.update(words=event.new)), "words")
        self.table.param.watch(guarded(self.moved), ["sort", "page", "selected"])
        self.filters.on_change(guarded(self.filter))
        alerts.param.watch(guarded(self.changed), [*AlertList.FILTERS, "sort", "page"])
        alerts.param.watch(guarded(self.turned), "show")
        alerts.param.watch(guarded(lambda _: self.show_address()), "selected")

    def begin(self) -> None:
        """Show what there is, and look again and again."""
        self.load()
        self.count()
        self.turned()
        again(self.visit.guarded(self.look), PERIOD_MS)

    def moved(self, *events: Any) -> None:
        """Do as somebody said at the table."""
        self.alerts.param.update(**{event.name: event.new for event in events})

    def filter(self, name: str, text: str) -> None:
        """Look for what somebody said in a field; without a name, for everything."""
        if not name:
            self.clear()
        elif name in AlertList.FILTERS:
            self.alerts.accept(name, text)

    def changed(self, *events: Any) -> None:
        """Show what is looked for now; another search begins at its first page."""
        if self.alerts.page != 1 and all(event.name != "page" for event in events):
            self.table.page = 1  # which comes back here
            return
        self.load()
        self.tell()

    def load(self) -> None:
        """Show the page of the list that was asked for, or the last one."""
        wanted = self.alerts.page
        self.alerts.load()
        self.show()
        if self.alerts.page != wanted:
            self.table.page = self.alerts.page

    def clear(self, **changes: Any) -> None:
        """Look for everything, but for some changes.

        Only here the controls are told what they are to say. Elsewhere it is they who tell: what they are told while
        somebody uses them would undo what has just been done.
        """
        self.alerts.clear(**changes)
        self.table.param.update(sort=self.alerts.sort, page=self.alerts.page, selected=self.alerts.selected)
        self.headline.words = self.alerts.words

    def turned(self, *_: Any) -> None:
        """Show another part of the page; what is not looked at yet is not made yet, as that takes time."""
        active = SHOWS.index(self.alerts.show)
        if active and not len(self.parts[active]):
            made: Any = _Unread(self.visit) if active == 1 else _Intake(self.visit)
            self.unread = made if active == 1 else self.unread
            self.parts[active][:] = [made.view]
        for at, part in enumerate(self.parts):
            part.visible = at == active
        if active == 1 and self.unread:
            self.unread.load()
        self.tell()
        self.show_address()

    def look(self) -> None:
        """Show what is new."""
        changed, now = self.alerts.look(), time.monotonic()
        if changed or now > self._dated + AGES_S:
            self.show()
        if changed or now > self._counted + COUNTS_S:
            self.count()
            if self.alerts.show == SHOWS[1] and self.unread:
                self.unread.load()

    def count(self) -> None:
        """Find out how much there is to do."""
        self._counted = time.monotonic()
        self.counts.load()
        self.tell()

    def tell(self) -> None:
        """Show how much there is to do, and what of it is shown."""
        views = [
            {"key": f"show {name}", "text": text, "href": f"/alerts?show={name}", "current": name == self.alerts.show}
            for name, text in _VIEWS
        ]
        self.headline.param.update(items=self.counts.items(self.alerts.param.values()), views=views)

    def choose(self, key: str) -> None:
        """Look for what a count is of; once more, for everything again."""
        if key.startswith("show "):
            self.alerts.show = key.removeprefix("show ")
            return
        wanted = FILTERS[key]
        chosen = all(getattr(self.alerts, name) == value for name, value in wanted.items())
        self.clear(**({} if chosen else wanted))

    def show(self) -> None:
        """Show the rows."""
        self._dated, alerts = time.monotonic(), self.alerts
        rows = alert_rows.rows(alerts.items, self.visit.look.angles, alerts.fresh)
        empty = "No alert fits." if alerts.narrowed() else "No alert has come in yet."
        self.table.param.update(
            rows=rows, more=alerts.more, filled=True, news=alerts.trouble or _news(alerts.fresh, alerts.items),
            empty=f"{alerts.trouble}." if alerts.trouble else empty,
        )  # fmt: skip
        self.filters.values = alerts.values()
        self.show_address()

    def show_address(self) -> None:
        """Have the address of the page say what is shown."""
        if self.here:
            self.headline.address = f"/alerts{self.alerts.address()}"


def _news(fresh: list[str], items: list[dict[str, Any]]) -> str:
    names = [each["name"] for each in items if key_of(each) in fresh]
    return f"{len(names)} new alert{'' if len(names) == 1 else 's'}: {', '.join(names[:3])}" if names else ""


class _Unread:
    """What could not be read."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.quarantine, self.may = visit, Quarantine(visit.client), visit.may("analyst")
        self.table = Table(
            columns=[dict(each) for each in quarantine.COLUMNS], label="Messages that could not be read",
            empty="all messages could be read", theme=visit.look.theme, size=quarantine.MOST,
            sizing_mode="stretch_width",
        )  # fmt: skip
        self.table.on_action(visit.guarded(lambda row, _: self.retry(row)))
        words = "Messages that could not be read are kept byte for byte; a later version of skymist may read them."
        refused = "Those who may send messages in (analysts) see here what could not be read."
        shown = [pmui.Typography(words if self.may else refused, variant="body2"), *([self.table] if self.may else [])]
        self.view = pmui.Column(*shown, sizing_mode="stretch_width", margin=0)

    def load(self) -> None:
        """Show them."""
        if self.may:
            self.quarantine.load()
            self.table.param.update(rows=quarantine.rows(self.quarantine.items, self.may), filled=True)

    def retry(self, input_id: str) -> None:
        """Have one read again."""
        self.visit.say(*self.quarantine.retry(input_id))
        self.load()


class _Intake:
    """Where people send files in."""

    def __init__(self, visit: Visit) -> None:
        self.visit, may = visit, visit.may("analyst")
        self.kind = pmui.Select(
            label="These files are", options=quarantine.KINDS, value="", size="small", width=180, disabled=not may
        )
        self.files = Drop(disabled=not may, theme=visit.look.theme, sizing_mode="stretch_width")
        self.files.on_files(visit.guarded(self.take))
        self.outcome = pmui.Column(sizing_mode="stretch_width", margin=0)
        words = (
            "Notices (JSON, VOEvent, text of GCN) and events (realtime messages, tables of pulses): what can be read "
            "becomes part of the records at once, and rules may have it scanned; what cannot is kept in quarantine."
        )
        self.view = pmui.Column(
            pmui.Typography(words if may else f"{words} This needs the role analyst.", variant="body2"),
            self.kind, self.files, self.outcome, sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def take(self, files: Files) -> None:
        """Send in what was chosen, and show what came of each."""
        told = [quarantine.send(self.visit.client, name, content, self.kind.value) for name, content in files]
        self.outcome[:] = [
            pmui.Alert(object=_told(each), severity=each["severity"], sizing_mode="stretch_width") for each in told
        ]


def _told(outcome: dict[str, Any]) -> str:
    links = ", ".join(f'<a href="{escape(href)}">{escape(name)}</a>' for name, href in outcome["links"])
    return f"{escape(outcome['words'])} {links}".strip()
