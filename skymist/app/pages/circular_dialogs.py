"""What is asked before something of a circular cannot be undone."""

from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from skymist.app.models.circular import Circular
from skymist.app.pages.circular_side import PRE, going_out
from skymist.app.visit import Visit


class Dialogs:
    """One for each thing that is asked; `all` goes onto the page."""

    def __init__(self, model: Circular, visit: Visit) -> None:
        self.model, self.visit = model, visit
        self._sending = pn.pane.HTML("", stylesheets=[PRE], sizing_mode="stretch_width", margin=0)
        self._dry = pn.pane.HTML("", stylesheets=[PRE], sizing_mode="stretch_width", margin=0)
        self.name = pmui.TextInput(label="Name of the alert", sizing_mode="stretch_width")
        self.number = pmui.TextInput(label="Number that it has there", max_length=100, sizing_mode="stretch_width")
        self.reason = pmui.TextInput(label="Reason", max_length=2000, sizing_mode="stretch_width")
        self.confirm = pmui.Button(label="Send it now", variant="contained", disabled=True)
        self.name.param.watch(self._match, "value_input")
        self.name.param.watch(self._match, "value")
        self.send = self._dialog("Send", self._sending, self.name, self.confirm, act=self._send)
        self.dry = self._dialog("Dry run: nothing is sent", self._dry)
        self.hand = self._dialog(
            "Sent by hand", _words("Somebody has sent what is approved by GCN's form or by e-mail, and it was taken."),
            self.number, pmui.Button(label="Note the number", variant="contained"),
            act=lambda: model.sent_by_hand(_value(self.number)),
        )  # fmt: skip
        self.away = self._dialog(
            "Withdraw", _words("It is put aside, and can be made a draft again. All see the reason in the log."),
            self.reason, pmui.Button(label="Withdraw it", variant="contained"),
            act=lambda: model.withdraw(_value(self.reason)),
        )  # fmt: skip
        self._holder = _words("")
        self.force = self._dialog(
            "Unlock by force", self._holder, pmui.Button(label="Unlock it", variant="contained"),
            act=lambda: model.unlock(by_force=True),
        )  # fmt: skip
        self.all = [self.send, self.dry, self.hand, self.away, self.force]

    def _dialog(self, title: str, *shown: Any, act: Any = None) -> Any:
        """Return a dialog, the last of whose objects is the button that does it."""
        close = pmui.Button(label="Cancel" if act else "Close", variant="text")
        row = pmui.FlexBox(*([shown[-1]] if act else []), close, margin=(8, 0))
        body = shown[:-1] if act else shown
        made = pmui.Dialog(*body, row, title=title, open=False, width_option="md", close_on_click=True)
        close.on_click(lambda *_: setattr(made, "open", False))
        if act:

            def do(*_: Any) -> None:
                made.open = False
                act()

            shown[-1].on_click(self.visit.guarded(do))
        return made

    def ask_to_send(self) -> None:
        """Show what goes out and where, and ask for the name of the alert."""
        self.model.look()
        told = self.model.document
        ask = f"<p>Type <b>{escape(told['alert'])}</b> to have it sent. It cannot be taken back.</p>"
        self._sending.object = ask + going_out(self.model, readable=True)
        self.name.param.update(value="", value_input="")
        self.confirm.disabled = True
        short = self.model.preview["sha256"][:12]
        where = "a stand-in" if self.model.preview["stand_in"] else "GCN"
        self.send.param.update(title=f"Send to {where}: {told['kind']} {told['id']}, {short}", open=True)

    def dry_run(self) -> None:
        """Show what would go out, and the other ways to send it."""
        self.model.look()
        told, more = self.model.preview, ""
        if told["web_link"]:
            more += (
                f'<p><a href="{escape(told["web_link"])}" target="_blank" rel="noopener">GCN\'s form, filled in</a></p>'
            )
        if told["email"]:
            more += f"<h3>As an e-mail</h3><pre tabindex=0 aria-label='e-mail'>{escape(told['email'])}</pre>"
        if told["voevent"]:
            more += f"<h3>As a VOEvent</h3><pre tabindex=0 aria-label='VOEvent'>{escape(told['voevent'])}</pre>"
        self._dry.object = going_out(self.model, readable=True) + more
        self.dry.open = True

    def ask_number(self) -> None:
        """Ask what it is called where somebody has sent it."""
        self.number.param.update(value="", value_input="")
        self.hand.open = True

    def ask_reason(self) -> None:
        """Ask why it is withdrawn."""
        self.reason.param.update(value="", value_input="")
        self.away.open = True

    def ask_to_break(self) -> None:
        """Ask whether a lock of somebody else is broken."""
        holder = escape(self.model.document["locked_by"])
        self._holder.object = (
            f"<p>{holder} is editing. What they have typed is not lost, but cannot count any more.</p>"
        )
        self.force.open = True

    def _match(self, *_: Any) -> None:
        self.confirm.disabled = _value(self.name).strip() != self.model.document.get("alert")

    def _send(self) -> None:
        self.model.send(_value(self.name))


def _words(text: str) -> Any:
    return pn.pane.HTML(f"<p>{text}</p>", stylesheets=[PRE], sizing_mode="stretch_width", margin=0)


def _value(field: Any) -> str:
    return str(field.value_input or field.value or "")
