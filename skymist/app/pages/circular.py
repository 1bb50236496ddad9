"""The desk of one circular or notice: edit it, see what is wrong, compare, approve, send."""

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from skymist.app.models.circular import MOST_LINES, Circular
from skymist.app.pages.circular_dialogs import Dialogs
from skymist.app.pages.circular_side import Side
from skymist.app.parts.again import again
from skymist.app.parts.desk_head import STYLE, head
from skymist.app.parts.editor import Editor
from skymist.app.visit import Visit

POLL_MS = 1000
KEYS = {"Ctrl+S": "save a revision", "Esc": "hide what a mark means"}

_FLAT = {"paddingTop": "2px", "paddingBottom": "2px", "& .MuiAlert-message": {"width": "100%"}}

Act = Callable[[], None]


def page(visit: Visit) -> Any:
    """Return the page of a publication: ``?id=N``, and ``&revision=K`` of one of its revisions."""
    number = visit.query.get("id", "")
    if not number.isdecimal() or not int(number):
        visit.say(f"id={number[:40]!r} is no number of a circular, such as /circular?id=1", "error")
        return pmui.Column(pmui.Button(label="All circulars and notices", href="/circulars", variant="text"))
    view = View(visit, int(number))
    view.layout.skymist_keys = KEYS
    pn.state.onload(visit.guarded(view.load), threaded=True)
    again(visit.guarded(view.poll), POLL_MS)
    return view.layout


class View:
    """What stands on the page, kept as the model is."""

    def __init__(self, visit: Visit, number: int) -> None:
        self.visit, who = visit, visit.visitor
        opened = {key: _number(visit.query.get(key)) for key in ("revision", "old", "new")}
        self.model = Circular(
            visit.client, number, who.name, who.role, lambda words, kind: visit.say(words, kind), **opened
        )
        if pn.state.location is not None:
            pn.state.location.sync(self.model, {key: key for key in opened})
        self._loaded = False
        self.head = pn.pane.HTML("", sizing_mode="stretch_width", stylesheets=[STYLE], margin=0)
        self.reasons = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 0, 4, 0), styles={"font-size": "14px"})
        self.banners = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._told: tuple[Any, ...] = ()
        self.editor = Editor(
            theme=visit.look.theme, whose=f"{number}.{who.name}", sizing_mode="stretch_width", margin=(0, 10, 10, 0)
        )
        self.dialogs, self.side = Dialogs(self.model, visit), Side(self.model, visit)
        self.buttons = self._make_buttons()
        self.layout = self._lay_out()
        self._link()

    def load(self) -> None:
        """Ask the service for everything."""
        self.model.load()
        self._loaded = True
        self.refresh()

    def poll(self) -> None:
        """See what others have done."""
        if self._loaded:
            self.model.poll()

    def _lay_out(self) -> Any:
        actions = pmui.FlexBox(*self.buttons.values(), gap="6px", sizing_mode="stretch_width", margin=(4, 0))
        main = pmui.Grid(self.editor, size={"xs": 12, "xl": 8}, sizing_mode="stretch_width")
        side = pmui.Grid(self.side.layout, size={"xs": 12, "xl": 4}, sizing_mode="stretch_width")
        both = pmui.Grid(main, side, container=True, spacing=1, sizing_mode="stretch_width")
        return pmui.Column(
            self.head,
            actions,
            self.reasons,
            self.banners,
            both,
            *self.dialogs.all,
            sizing_mode="stretch_width",
            margin=0,
        )

    def _make_buttons(self) -> dict[str, Any]:
        acts: dict[str, tuple[str, Act]] = {
            "lock": ("Lock", self._lock),
            "redraft": ("Draft again with new facts", self.model.redraft),
            "approve": ("Approve", self.model.approve),
            "send": ("Send …", self.dialogs.ask_to_send),
            "dry run": ("Dry run …", self.dialogs.dry_run),
            "by hand": ("Sent by hand …", self.dialogs.ask_number),
            "withdraw": ("Withdraw …", self.dialogs.ask_reason),
            "reopen": ("Make it a draft again", self.model.reopen),
        }
        made = {}
        for name, (label, act) in acts.items():
            variant = "contained" if name in ("approve", "send") else "outlined"
            made[name] = pmui.Button(label=label, variant=variant, size="small", margin=0, disabled=name != "dry run")
            made[name].on_click(self._doing(act))
        return made

    def _doing(self, act: Act) -> Callable[..., None]:
        """Return a callback that does something and shows what has become of it."""

        def do(*_: Any) -> None:
            act()
            self.refresh()

        return self.visit.guarded(do)

    def _link(self) -> None:
        guarded, model, editor = self.visit.guarded, self.model, self.editor
        editor.param.watch(guarded(lambda event: model.type(dict(event.new))), "typed")
        editor.param.watch(guarded(lambda event: self._save(dict(event.new["text"]), str(event.new["note"]))), "saving")
        editor.param.watch(self._doing(model.discard), "dropping")
        for name in ("text", "marks", "condition"):
            model.param.watch(guarded(partial(self._pass_on, name)), name)
        watched = ["document", "condition", "marks", "restored", "aside", "preview", "revision", "notice"]
        model.param.watch(guarded(lambda *_: self.refresh()), watched)

    def _save(self, text: dict[str, Any], note: str) -> None:
        self.model.save(text, note)
        self.refresh()

    def _pass_on(self, name: str, *_: Any) -> None:
        setattr(self.editor, name, getattr(self.model, name))

    def _lock(self) -> None:
        holder = self.model.document["locked_by"]
        if holder not in ("", self.model.me):
            self.dialogs.ask_to_break()
        elif holder:
            self.model.unlock()
        else:
            self.model.lock()

    # --- keeping what is shown as the model is

    def refresh(self) -> None:
        """Show what the model knows now."""
        model, told = self.model, self.model.document
        if not told or not model.text:  # the service is still being asked
            return
        kind = str(told["kind"])
        self.editor.param.update(
            readonly=not model.editable, what=kind, most=MOST_LINES if kind == "circular" else 0
        )  # fmt: skip
        self.head.object = head(told, model.me, self.visit.look.theme)
        self._refresh_buttons()
        self._refresh_banners()
        self.side.refresh()

    def _refresh_buttons(self) -> None:
        model = self.model
        told = model.hindrances()
        for name, why in told.items():
            if name in self.buttons:
                self.buttons[name].disabled = bool(why)
        self.reasons.object = self._reasons(told)
        holder = model.document["locked_by"]
        self.buttons["lock"].label = (
            "Lock" if not holder else "Unlock" if holder == model.me else f"Unlock by force (of {holder}) …"
        )
        self.buttons["lock"].disabled = not model.editable

    def _reasons(self, told: dict[str, str]) -> str:
        """Return why what is grey is grey, as far as the state does not say it."""
        state, groups = f"it is {self.model.document['state']}", dict[str, list[str]]()
        for name, why in told.items():
            if why and why != state and name in self.buttons:
                groups.setdefault(why, []).append(self.buttons[name].label.removesuffix(" …"))
        lines = (f"{', '.join(names)}: {why}" for why, names in groups.items())
        return "".join(f"<span>{escape(line)}.</span> " for line in lines)

    def _refresh_banners(self) -> None:
        """Show what needs a decision, in words."""
        told = self._banners()
        key = tuple((kind, words, tuple(acts)) for kind, words, acts in told)
        if key == self._told:
            return
        self._told = key
        self.banners[:] = [self._banner(*each) for each in told]

    def _banner(self, kind: str, words: str, acts: dict[str, Act]) -> Any:
        buttons = [pmui.Button(label=label, variant="outlined", size="small", margin=0) for label in acts]
        for button, act in zip(buttons, acts.values(), strict=True):
            button.on_click(self._doing(act))
        text = pn.pane.HTML(f"<span>{escape(words)}</span>", margin=0, styles={"font-size": "15px"})
        row = pmui.FlexBox(text, *buttons, gap="4px 16px", align_items="center", margin=0)
        return pmui.Alert(row, severity=kind, sizing_mode="stretch_width", margin=(2, 0), sx=_FLAT)

    def _banners(self) -> list[tuple[str, str, dict[str, Act]]]:
        model, told = self.model, self.model.document
        found: list[tuple[str, str, dict[str, Act]]] = []
        if model.condition.get("kind") == "rival":
            words = f"{model.condition['words']}. What you type here is not kept until you choose."
            choices = {"Take what the other window has": model.take_other, "Keep what is here": model.keep_mine}
            found.append(("error", words, choices))
        if model.revision is not None:
            words = f"This is revision {model.revision}; revision {told['head']} counts."
            found.append(("info", words, {"Open the one that counts": partial(model.open, None)}))
        if model.restored and model.is_dirty:
            words = f"Restored from {model.restored}: what you had typed and not saved."
            found.append(("info", words, {"Discard what was restored": model.discard}))
        if model.aside:
            found.append(("warning", _aside(model.aside), {}))
        if model.is_dirty and model.text["base"] != told["head"]:
            words = f"Revision {told['head']} was saved while you were editing revision {model.text['base']}."
            found.append(("warning", f"{words} When you save, both are put together.", {}))
        if told["locked_by"] not in ("", model.me) and model.editable:
            words = f"{told['locked_by']} is editing: what you save now is kept aside, and can be put together."
            found.append(("warning", words, {}))
        if model.editable and told["state"] == "approved" and not told["error"]:
            found.append(("info", "It is approved; any edit takes the approval away.", {}))
        if told["error"]:
            found.append(("error", f"It has not gone out: {told['error']}", {}))
        return found


def _aside(aside: dict[str, Any]) -> str:
    many = aside["conflicts"]
    marked = f"{many} place{'' if many == 1 else 's'} that both have changed are marked <<<<<<< ======= >>>>>>>; "
    return (
        f"Your text is kept aside as revision {aside['revision']}: {aside['reason']}. Here both are put together; "
        f"{marked if many else ''}save it when it is right."
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
