"""One alert: all that is known of it, and the ways to everything else."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from skymist.app.models import revisions
from skymist.app.models.alert import Action, AlertView
from skymist.app.parts.again import again
from skymist.app.parts.alert_head import KEYS, alert_head
from skymist.app.parts.downloads import downloads
from skymist.app.parts.revisions import revisions_table, written
from skymist.app.parts.timeline import timeline_list
from skymist.app.visit import Visit
from skymist.errors import SkymistError
from skymist.model.calibrations import NAMES as CALIBRATIONS

PERIOD_MS = 1000
"""Between two looks at what is new."""

TABS = {"timeline": "Timeline", "maps": "Maps", "event": "Event", "revisions": "Revisions", "downloads": "Downloads"}

ICONS = {"open": "description", "draft": "edit_note", "scan": "radar", "retract": "undo", "release": "public",
         "withdraw": "public_off"}  # fmt: skip


@dataclass(frozen=True)
class _Question:
    """What a dialog asks: the label of its field, the verb of its button, what it does, whether one line will do."""

    label: str
    verb: str
    act: Callable[[str], None]
    line: bool = False


class Place(param.Parameterized):
    """Where on the page somebody is; it stands in the page's address."""

    tab: Any = param.Selector(default="timeline", objects=list(TABS))
    hide = param.String(default="", doc="Kinds of steps that are not shown, parted by commas")


def page(visit: Visit) -> Any:
    """Return the page."""
    return AlertPage(visit).view


class AlertPage:
    """The page of one alert, for one visit.

    Parameters
    ----------
    visit : Visit
    """

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.model = AlertView(
            visit.client, visit.query.get("name", ""), visit.query.get("role", "observation"),
            access=visit.visitor.role, angles=visit.look.angles,
        )  # fmt: skip
        self.place = Place()
        theme = visit.look.theme
        self.head, self.steps = alert_head(theme), timeline_list(theme)
        self.table, self.files = revisions_table(theme), downloads(theme, list(CALIBRATIONS))
        self.table.object = written({})
        self.files.calibration = self.model.calibration
        self.buttons, self.dialogs = pmui.Row(margin=(6, 0, 4, 0)), pmui.Column(margin=0)
        self.sections = {
            "timeline": _section(self.steps), "maps": _section(_waiting("The maps")),
            "event": _section(_waiting("The event")), "revisions": _section(self.table),
            "downloads": _section(self.files),
        }  # fmt: skip
        self.tabs = pmui.Tabs(
            *((TABS[name], each) for name, each in self.sections.items()), sizing_mode="stretch_width"
        )
        shown = self.head, self.buttons, self.tabs, self.dialogs
        self.view = _keyed(pmui.Column(*shown, sizing_mode="stretch_width", margin=0))
        self._opened: dict[str, Any] = {}
        self._actions: list[Action] = []
        self._connect()

    def _connect(self) -> None:
        """Have everything follow everything, and the address tell where on the page one is."""
        if pn.state.location is not None:
            pn.state.location.sync(self.place, {"tab": "tab", "hide": "hide"})
        self.model.timeline.hide(self.place.hide.split(","))
        self.steps.hidden = self.model.timeline.hidden
        self.tabs.active = list(TABS).index(self.place.tab)
        self.tabs.param.watch(self.visit.guarded(self._turn), "active")
        self.steps.param.watch(self.visit.guarded(self._sift), "hidden")
        self.files.param.watch(self.visit.guarded(self._calibrate), "calibration")
        pn.state.onload(self.visit.guarded(self.load), threaded=True)

    # --- loading and looking again

    def load(self) -> None:
        """Ask the service, show it, and from then on what is new."""
        try:
            self.model.load()
        except SkymistError:
            # There is nothing to show but the message, and the way to all others.
            self.view[:] = [pmui.Button(label="All alerts", href="/alerts", target="_self", variant="outlined")]
            raise
        self._show()
        self._open(self.place.tab)
        again(self.visit.guarded(self.look), PERIOD_MS)

    def look(self) -> None:
        """Show what is new."""
        if self.model.refresh():
            self._show()
            self._pass_on()

    def _show(self) -> None:
        """Show what is known; parts that are the same are not drawn again."""
        timeline = self.model.timeline
        self.head.head = {**self.model.head, "events": len(self.model.alert["events"])}
        self.steps.param.update(steps=timeline.steps, kinds=timeline.kinds, scale=timeline.scale)
        table = written(revisions.table(self.model.alert, self.visit.look.angles))
        if table != self.table.object:
            self.table.object = table
        self._list_files()
        if self.model.actions != self._actions:
            self._actions = self.model.actions
            self.buttons[:] = [self._button(each, first=number == 0) for number, each in enumerate(self._actions)]

    def _pass_on(self) -> None:
        """Give what is new to the parts that show maps and the event; those that had nothing to show look again."""
        alert, scans = self.model.alert, self.model.scans
        for name, given in (("maps", (alert, scans)), ("event", (scans,))):
            part = self._opened.get(name)
            if part is not None:
                part.take(*given)
            else:
                self._opened.pop(name, None)
        self._open(self.place.tab)

    # --- tabs

    def _turn(self, *_: Any) -> None:
        self.place.tab = list(TABS)[self.tabs.active]
        if self.model.alert:
            self._open(self.place.tab)

    def _open(self, name: str) -> None:
        """Make what a tab shows when it is opened for the first time."""
        if name in self._opened:
            return
        make: dict[str, Callable[[], Any]] = {"maps": self._maps, "event": self._event, "downloads": self._downloads}
        self._opened[name] = made = make[name]() if name in make else None
        if name in ("maps", "event"):
            self.sections[name][:] = [made if made is not None else _line(self._nothing(name))]

    def _nothing(self, name: str) -> str:
        if name == "event":
            return "No file of the event came in: there is nothing to show in the detector."
        return "There is no map and no position yet: a scan gives one."

    def _maps(self) -> Any:
        if not self.model.scans and self.model.alert["ra"] is None:
            return None
        return _part("sky", "sky_view")(self.visit, self.model.alert, self.model.scans)

    def _event(self) -> Any:
        events = self.model.alert["events"]
        return _part("event_view", "event_view")(self.visit, events[0], self.model.scans) if events else None

    def _downloads(self) -> None:
        self.model.load_files()
        self.files.loaded = True
        self._list_files()

    def _list_files(self) -> None:
        groups = self.model.groups
        for each in groups:
            each["folded"] = each["title"] == "Records of the archive"
        if groups != self.files.groups:
            self.files.groups = groups

    def _calibrate(self, *_: Any) -> None:
        self.model.calibration = self.files.calibration
        self._list_files()

    def _sift(self, *_: Any) -> None:
        self.model.timeline.hide(self.steps.hidden)
        self.place.hide = ",".join(self.model.timeline.hidden)

    # --- actions

    def _button(self, action: Action, *, first: bool) -> Any:
        """Return the button of an action; the first is what the shifter most likely wants."""
        look = {"variant": "contained" if first else "outlined", "icon": ICONS[action.name], "margin": (0, 10, 0, 0)}
        look["color"] = "error" if action.name in ("retract", "withdraw") else "primary"
        if action.href:
            return pmui.Button(label=action.label, href=action.href, target="_self", **look)
        act = {
            "draft": self._draft, "scan": self._scan, "retract": self._ask_to_retract, "release": self._ask_to_release,
            "withdraw": self._ask_to_withdraw,
        }[action.name]  # fmt: skip
        return pmui.Button(label=action.label, on_click=self.visit.guarded(act), **look)

    def _draft(self, *_: Any) -> None:
        self.head.go = self.model.draft()

    def _scan(self, *_: Any) -> None:
        alert = self.model.alert
        # The name alone would be that of an observation; ids of events are of one world.
        event = alert["name"] if self.model.role == "observation" else alert["events"][0]
        form = _part("launch_form", "launch_form")(self.visit, event)
        self._dialog(f"New scan of {alert['name']}", form, width="lg")

    def _ask_to_retract(self, *_: Any) -> None:
        name = self.model.alert["name"]
        words = f"{name} stays in the records and is shown as retracted. Circulars that were sent stay as they are."
        self._ask(
            f"Retract {name}?", words, _Question("Reason, for all who read the alert", "Retract", self._retracted)
        )

    def _retracted(self, reason: str) -> None:
        self.model.retract(reason)
        self.visit.say(f"{self.model.alert['name']} is retracted.", "success")

    def _ask_to_release(self, *_: Any) -> None:
        words = "Everybody will see the alert with all its revisions. Leave the time empty to release it now."
        question = _Question("From (UTC), such as 2026-01-01 12:00", "Release", self._released, line=True)
        self._ask(f"Release {self.model.alert['name']} to the public?", words, question)

    def _released(self, at: str) -> None:
        self.model.release(at)
        self.visit.say(f"{self.model.alert['name']}: {self.model.head['release']}.", "success")

    def _ask_to_withdraw(self, *_: Any) -> None:
        words = "The alert will be private again; if anybody may have seen it, a tombstone tells the reason."
        question = _Question("Reason, for the tombstone", "Withdraw", self._withdrawn)
        self._ask(f"Withdraw {self.model.alert['name']} from the public?", words, question)

    def _withdrawn(self, reason: str) -> None:
        self.model.withdraw(reason)
        self.visit.say(f"{self.model.alert['name']} is not public any more.", "success")

    def _ask(self, title: str, words: str, question: _Question) -> None:
        """Ask for words in a dialog, and do something with them; it stays open if that is refused."""
        kind = pmui.TextInput if question.line else pmui.TextAreaInput
        field = kind(label=question.label, sizing_mode="stretch_width", **({} if question.line else {"rows": 3}))
        refused = pmui.Alert(severity="error", visible=False, sizing_mode="stretch_width")

        def act(*_: Any) -> None:
            try:
                question.act(field.value_input or field.value)
            except SkymistError as trouble:
                refused.param.update(object=str(trouble), visible=True)
                return
            dialog.open = False
            self._show()

        do = pmui.Button(label=question.verb, variant="contained", on_click=self.visit.guarded(act))
        leave = pmui.Button(label="Cancel", variant="outlined", on_click=lambda *_: setattr(dialog, "open", False))
        content = pmui.Column(_line(words), field, refused, pmui.Row(do, leave), sizing_mode="stretch_width")
        dialog: Any = self._dialog(title, content)

    def _dialog(self, title: str, content: Any, width: str = "sm") -> Any:
        dialog = pmui.Dialog(
            content, title=title, open=True, close_on_click=True, show_close_button=True, width_option=width
        )
        self.dialogs[:] = [dialog]
        return dialog


def _part(module: str, name: str) -> Callable[..., Any]:
    """Return what makes a part; parts that need much are imported when they are shown."""
    found: Callable[..., Any] = getattr(import_module(f"skymist.app.parts.{module}"), name)
    return found


def _keyed(view: Any) -> Any:
    """Return the same, which tells what keys do here."""
    view.skymist_keys = KEYS
    return view


def _section(content: Any) -> Any:
    """Return what a tab shows; Panel's own column, as Bokeh's figures cannot be put into Material's later on."""
    return pn.Column(content, sizing_mode="stretch_width", margin=(10, 0, 0, 0))


def _line(words: str) -> Any:
    return pmui.Typography(words, margin=(4, 0))


def _waiting(what: str) -> Any:
    return _line(f"{what} will be here in a moment.")
