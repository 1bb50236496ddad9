"""The form in which a scan is asked for: of an event, or like another scan."""

import time
from collections.abc import Mapping
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from skymist.app.models.launch import Launch, expected
from skymist.app.parts.again import again
from skymist.app.parts.go import Go
from skymist.app.visit import Visit
from skymist.model.options import Option

QUIET_S, TICK_MS = 0.3, 150
"""After which time without a change the service is asked, and how often that is looked at."""

_ABOUT = {
    "levels": "NSIDE:CELLS,... from coarse to fine: so many of the cells before are split.",
    "cone": "RA,DEC,RADIUS or SEED,RADIUS in degrees. Empty: the whole sky.",
    "seeds": "Fits of the coarser level from which a cell starts.",
    "seed": "Of all random numbers.",
    "workers": "Empty: as many as the cluster's configuration says.",
    "priority": "Greater goes first.",
}
_NAMES = {
    "reco": "Reconstruction", "levels": "Levels", "cone": "Cone", "seeds": "Seeds", "seed": "Random seed",
    "cluster": "Cluster", "workers": "Workers", "priority": "Priority",
}  # fmt: skip
_WIDE, _NARROW = 330, 155
_WEIGHS = " auto weighs what fits the event, which takes some seconds when it is asked for the first time."


def launch_form(visit: Visit, event: str, base: Mapping[str, Any] | None = None) -> Any:
    """Return the form for a scan of an event, or for one like another scan.

    Parameters
    ----------
    visit : Visit
    event : str
        Any name of an event or alert that the service knows.
    base : mapping, optional
        What the service says of a scan that the new one is to be like.

    Returns
    -------
    panel.viewable.Viewable
        It loads what it shows, and goes to the page of the scan once this is started.
    """
    form = LaunchForm(visit, Launch(event=event, base=None if base is None else dict(base)))
    pn.state.onload(visit.guarded(form.load), threaded=True)
    return form.view


class LaunchForm:
    """Widgets of a `Launch`.

    Attributes
    ----------
    view : panel.viewable.Viewable
    """

    def __init__(self, visit: Visit, model: Launch) -> None:
        self.visit, self.model = visit, model
        self._fields: dict[str, Any] = {}
        self._changed_at, self._filling = 0.0, False
        self._go = Go()
        self._about = pn.pane.HTML("", margin=(10, 10), styles={"flex": "1 1 300px"})
        self._options = pmui.FlexBox(gap="0px", margin=0)
        self._cost = pn.pane.HTML("", sizing_mode="stretch_width", margin=(6, 10))
        self._trouble = pmui.Alert(object="", severity="error", visible=False, sizing_mode="stretch_width")
        self._start = pmui.Button(
            label="Start scan", color="primary", variant="contained", icon="play_arrow", disabled=True, margin=10
        )  # fmt: skip
        self._start.on_click(visit.guarded(self._press))
        self._ticking = again(visit.guarded(self._tick), TICK_MS, start=False)
        self.view = self._build()
        model.param.watch(visit.guarded(self._mark), ["errors", "values"])
        model.param.watch(visit.guarded(self._tell), ["estimate", "errors", "stale"])

    def load(self) -> None:
        """Ask what can be chosen, and a moment later what the scan would take as it is."""
        self.model.load(self.visit.client)
        kinds = {_title(each): each["name"] for each in self.model.reconstructions}
        self._filling = True  # with other options a choice takes the first of them for a moment
        self._fields["reco"].param.update(options=kinds, value=self.model.value("reco"))
        if self.model.base is None:
            clusters = list(self.model.clusters)
            self._fields["cluster"].param.update(options=clusters, value=self.model.value("cluster"))
        self._filling = False
        self._show_kind()
        self._tell()
        self._ticking.start()

    def _build(self) -> Any:
        """Return the form, with nothing in it yet that the service has to tell."""
        model, remix = self.model, self.model.base is not None
        self._add("reco", pmui.Select(options=[], width=_WIDE, label="Reconstruction"))
        for name, width in (("levels", _WIDE), ("cone", _WIDE), ("seeds", _NARROW), ("seed", _NARROW)):
            self._add(name, pmui.TextInput(value=str(model.value(name)), width=width, label=_NAMES[name]))
        self._around = pmui.Select(options=[""], value="", label="Around an earlier reconstruction", width=_WIDE)
        self._around.param.watch(self.visit.guarded(self._take_seed), "value")
        where = [] if remix else self._where()
        self._replace = pmui.RadioButtonGroup(
            options={"Beside it": False, "In its place": True}, value=False, label="Where the new scan goes", margin=10,
        )  # fmt: skip
        self._replace.param.watch(self.visit.guarded(self._take_place), "value")
        sky = [self._fields[name] for name in ("levels", "cone")]
        starts = [self._fields[name] for name in ("seeds", "seed")]
        head = [pmui.FlexBox(self._fields["reco"], self._about, gap="0px", align_items="center"), self._options]
        return pmui.Column(
            *head, pmui.FlexBox(*sky, self._around, *starts, gap="0px"), pmui.FlexBox(*where, gap="0px"),
            self._cost, self._trouble, *([self._remixed(), self._replace] if remix else []),
            pmui.Row(self._start, self._go), sizing_mode="stretch_width", css_classes=["launch-form"],
        )  # fmt: skip

    def _where(self) -> list[Any]:
        self._add("cluster", pmui.Select(options=["local"], value="local", width=_WIDE, label="Cluster"))
        for name in ("workers", "priority"):
            value = str(self.model.value(name))
            self._add(name, pmui.TextInput(value=value, width=_NARROW, label=_NAMES[name]))
        return [self._fields[name] for name in ("cluster", "workers", "priority")]

    def _remixed(self) -> Any:
        base = self.model.base or {}
        workers = "as many workers as that says" if base.get("workers") is None else f"{base['workers']} workers"
        where = f"{base.get('cluster')} with {workers} and priority {base.get('priority')}"
        words = f"It runs on {where}, as the other scan does."
        return pmui.Typography(escape(words), variant="body2", margin=(0, 10))

    def _add(self, name: str, widget: Any) -> None:
        """Have the model take what a widget holds."""
        self._fields[name] = widget
        widget.margin = (8, 10)
        if hasattr(widget, "helper_text"):
            widget.helper_text = self._help(name)
        widget.param.watch(self.visit.guarded(lambda change: self._put(name, change.new)), "value")

    def _put(self, name: str, value: Any) -> None:
        if self._filling or (value == self.model.value(name) and name not in self.model.errors):
            return
        self.model.put(name, value)
        if name == "reco":
            self._show_kind()
        self._changed_at = time.monotonic()
        self._tell()
        if not self._ticking.running:
            self._ticking.start()

    def _tick(self) -> None:
        """Ask for the estimate once nobody has changed anything for a moment."""
        if time.monotonic() - self._changed_at < QUIET_S:
            return
        if self._ticking.running:
            self._ticking.stop()
        if self.model.stale:
            self._look()

    def _look(self) -> None:
        self.model.look(self.visit.client)
        seeds = (self.model.estimate or {}).get("seeds")
        if seeds is not None and self._around.options != ["", *seeds]:
            self._around.options = ["", *seeds]
            self._around.disabled = not seeds

    def _take_seed(self, change: Any) -> None:
        if change.new:
            self._fields["cone"].value = f"{change.new},10"

    def _take_place(self, change: Any) -> None:
        self.model.replace = bool(change.new)
        self._tell()

    def _show_kind(self) -> None:
        """Show the reconstruction that is chosen, with its options."""
        kind, model = self.model.kind, self.model
        levels = f" Its levels: {kind['levels']}." if kind["levels"] else ""
        self._about.object = escape(f"{kind.get('about', '')}{levels}")
        for name in [each for each in self._fields if each.startswith("options.")]:
            del self._fields[name]
        for option in model.options:
            name = f"options.{option.name}"
            self._add(name, _widget(option, model.value(name), self._label(name)))
        self._options.objects = [each for name, each in self._fields.items() if name.startswith("options.")]
        self._mark()

    def _mark(self, *_: Any) -> None:
        """Show at each field what is wrong there, and whether it was changed."""
        for name, widget in list(self._fields.items()):
            if name.startswith("options.") and self._option(name) is None:
                continue  # of the reconstruction before; it is just going away
            error, label = self.model.errors.get(name), self._label(name)
            if widget.label != label:
                widget.label = label
            if hasattr(widget, "helper_text"):
                widget.param.update(error_state=error is not None, helper_text=error or self._help(name))
        others = [words for name, words in self.model.errors.items() if name not in self._fields]
        self._trouble.param.update(object=escape("; ".join(others)), visible=bool(others))

    def _label(self, name: str) -> str:
        """Return what a field is called, with its unit, and whether somebody changed it."""
        option, changed = self._option(name), " (changed)" if self.model.changed(name) else ""
        if option is None:
            return f"{_NAMES[name]}{changed}"
        return f"{option.name} [{option.unit}]{changed}" if option.unit else f"{option.name}{changed}"

    def _option(self, name: str) -> Option | None:
        """Return the option that a field is for; None if it is for none."""
        return next((each for each in self.model.options if f"options.{each.name}" == name), None)

    def _help(self, name: str) -> str:
        """Return what stands below a field: what it is, which values it takes, and what it was before."""
        was = "was" if self.model.base is not None else "default"
        default = self.model.default(name) if name != "reco" else None
        if (option := self._option(name)) is not None:
            rule = "" if option.choices else f"{option.rule or 'any value'}; "
            return f"{rule}{was} {default}"
        if name == "levels" and self.model.kind["levels"] and not self.model.default(name):
            return f"{_ABOUT[name]} Empty: {self.model.kind['levels']}."
        changed = f" {was.capitalize()}: {default or 'empty'}." if self.model.changed(name) and name != "reco" else ""
        return f"{_ABOUT.get(name, '')}{changed}"

    def _tell(self, *_: Any) -> None:
        """Say what the scan would be and take, and let it be started if nothing is wrong."""
        model, found = self.model, self.model.estimate
        may = bool(model.known) or self.visit.may("analyst")
        ready = found is not None and not model.errors and may
        self._start.param.update(disabled=not ready, label=_verb(model))
        if model.errors:
            self._cost.object = "<p>No estimate: something is to be mended first.</p>"
        elif found is None or model.stale:
            weighs = _WEIGHS if model.value("reco") == "auto" else ""
            self._cost.object = f"<p>Estimating …{weighs}</p>" if model.event else ""
        else:
            refusal = "" if may else "<p>To start it, the role analyst is needed.</p>"
            self._cost.object = _cost(found, str(model.value("cluster"))) + refusal

    def _press(self, *_: Any) -> None:
        """Start the scan, and go to its page; of one that is there already only the latter."""
        model = self.model
        if model.known:
            self._go.to = f"/scan?id={model.known}"
            return
        self._start.disabled = True
        if not (found := model.start(self.visit.client)):
            self._mark()
            return
        known = " is there already" if model.was_there else " is asked for"
        self.visit.say(f"scan {found[:12]}{known}: /scan?id={found[:12]}", "success")
        self._go.to = f"/scan?id={found}"


def _title(kind: Mapping[str, Any]) -> str:
    return "auto: what fits the event" if kind["name"] == "auto" else str(kind["name"])


def _verb(model: Launch) -> str:
    """Return what the button does."""
    if model.known:
        return "Open this scan"
    return "Start scan" if model.base is None else "Start remix"


def _cost(found: Mapping[str, Any], cluster: str) -> str:
    """Return in HTML what the service expects."""
    lines = [f"<b>{escape(expected(found, cluster))}</b>", f"Estimated from {escape(found['basis'])}."]
    if found["basis"].startswith("unknown"):
        why = found["basis"].removeprefix("unknown: ")
        lines[1] = escape(f"{why[:1].upper()}{why[1:]}.")
    if found["why"]:
        lines.insert(0, f"auto chooses <b>{escape(found['reconstruction'])}</b>: {escape(found['why'])}.")
    if found["state"] is not None:
        link = f'<a href="/scan?id={found["scan_id"]}">scan {found["scan_id"][:12]}</a>'
        lines.append(f"The same wish is the same scan: {link} is there already, and it is <b>{found['state']}</b>.")
    return "".join(f"<p style='margin:2px 0'>{line}</p>" for line in lines)


def _widget(option: Option, value: Any, label: str) -> Any:
    """Return what an option is set with: a choice, a switch or a text, with its bounds in words."""
    told = {"label": label, "description": option.about or None}
    if option.choices:
        return pmui.Select(options=list(option.choices), value=value, width=_NARROW + 40, **told)
    if option.kinds == ("bool",):
        return pmui.Switch(value=bool(value), **told)
    return pmui.TextInput(value="" if value is None else str(value), width=_NARROW + 40, **told)
