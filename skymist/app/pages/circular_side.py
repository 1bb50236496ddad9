"""Beside the text of a circular: how it will look, what is different from what, what was said, and its history."""

import json
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from skymist.app.models import marks
from skymist.app.models.circular import MOST_LINES, Circular, archived, line_count
from skymist.app.models.circulars import moment
from skymist.app.models.compare import changes
from skymist.app.parts.diff import Diff
from skymist.app.parts.facts import Facts
from skymist.app.visit import Visit

PRE = """
:host { font: 15px/1.45 Roboto, sans-serif; }
pre { margin: 4px 0; padding: 8px 12px; border: 1px solid #8a8a8a; border-radius: 4px; white-space: pre-wrap;
  overflow-wrap: anywhere; font: 13px/1.55 "Roboto Mono", "DejaVu Sans Mono", monospace; max-height: 640px;
  overflow: auto; }
p { margin: 4px 0; } h2 { margin: 10px 0 2px; font-size: 14px; } code { overflow-wrap: anywhere; }
"""
_NARROW = {"& .MuiTab-root": {"minWidth": 0, "padding": "6px 9px", "textTransform": "none"},
           "& .MuiTabs-indicator": {"height": "3px"}}  # fmt: skip
"""Tabs that all fit side by side."""

USUAL = 0
"""Instead of the number of a revision: no choice."""

UNSAVED = "what is typed now"


class Side:
    """The tabs; `refresh` shows what the model knows now."""

    def __init__(self, model: Circular, visit: Visit) -> None:
        self.model, self.visit, theme = model, visit, visit.look.theme
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
        self.preview = pn.pane.HTML("", stylesheets=[PRE], **wide)
        self.diff = Diff(theme=theme, **wide)
        self.old = pmui.Select(label="From", options=[], size="small", width=200, margin=(4, 4))
        self.new = pmui.Select(label="To", options=[], size="small", width=200, margin=(4, 4))
        self._setting = False
        self.notice = Facts(columns=["Value", "Last notice", "This text", "Change"], theme=theme, **wide,
                            none="No notice of this alert has a position.")  # fmt: skip
        self.facts = Facts(columns=["Fact", "Value", "Where from"], theme=theme, **wide, none="It states no facts.")
        self.history = Facts(columns=["Revision", "Who", "When", "Note"], theme=theme, **wide)
        self.comments = Facts(
            columns=["Who", "When", "What"], theme=theme, none="Nobody has said anything yet.", **wide
        )
        self.words = pmui.TextAreaInput(
            label="What you have to say", placeholder="for all who see this here", rows=2, max_length=2000,
            sizing_mode="stretch_width", margin=(8, 0),
        )  # fmt: skip
        self.say = pmui.Button(label="Comment", variant="outlined", size="small", margin=0)
        self._link()
        self.layout = pmui.Tabs(
            ("Preview", self.preview),
            ("Changes", pmui.Column(pmui.FlexBox(self.old, self.new, margin=0), self.diff, **wide)),
            ("Notice", self.notice), ("Facts", self.facts), ("History", self.history),
            ("Comments", pmui.Column(self.comments, self.words, self.say, **wide)),
            sizing_mode="stretch_width", margin=0, dynamic=False, sx=_NARROW,
        )  # fmt: skip

    def _link(self) -> None:
        guarded = self.visit.guarded
        self.say.on_click(guarded(lambda *_: self._comment()))
        for choice, name in ((self.old, "old"), (self.new, "new")):
            choice.param.watch(guarded(lambda event, name=name: self._choose(name, event.new)), "value")
        self.model.param.watch(guarded(lambda *_: self._refresh_diff()), ["old", "new"])

    def _comment(self) -> None:
        self.model.comment(self.words.value_input or self.words.value)
        self.words.param.update(value="", value_input="")

    def _choose(self, name: str, value: Any) -> None:
        if not self._setting:
            setattr(self.model, name, value or None)

    def refresh(self) -> None:
        """Show what the model knows now."""
        model, told = self.model, self.model.document
        self.preview.object = self._preview()
        self._refresh_choices()
        self._refresh_diff()
        self.notice.param.update(
            caption=f"By {model.notice_name}; in bold what is different." if model.notice else "",
            rows=[{"cells": [row.label, row.old or "–", row.new or "–", row.change], "differs": row.differs}
                  for row in model.notice],
        )  # fmt: skip
        self.facts.rows = [
            [{"text": marks.label(each), "more": marks.about(each)}, marks.value(each),
             {"text": marks.source(each), "href": marks.link(each, told["alert"], told["role"])}]
            for each in told["facts"]
        ]  # fmt: skip
        self.history.rows = [self._revision(each) for each in reversed(told["texts"])]
        self.comments.rows = [
            [each["who"], {"text": moment(each["created"]), "more": f"revision {each['number']}"}, each["text"]]
            for each in told["comments"]
        ]
        why = model.hindrances()["comment"]
        self.say.param.update(disabled=bool(why), description=why)
        self.words.disabled = bool(why)

    def _revision(self, text: dict[str, Any]) -> dict[str, Any]:
        told, number = self.model.document, text["number"]
        state = [
            "counts" if number == told["head"] else "", "approved" if number == told["approved"] else "",
            "kept aside" if text["aside"] else "", f"made of {text['base']}" if text["base"] else "",
        ]  # fmt: skip
        link = f"/circular?id={told['id']}&revision={number}"
        shown = {"text": f"revision {number}", "href": link, "more": ", ".join(filter(None, state))}
        return {"cells": [shown, text["who"], moment(text["created"], seconds=True), text["note"]]}

    def _preview(self) -> str:
        model, told = self.model, self.model.document
        subject, body = model.subject_and_body
        found = marks.count(model.marks["findings"]).capitalize() if model.marks else "Being checked"
        if told["kind"] != "circular":
            return f"<p>{escape(found)}</p><pre tabindex=0>{escape(body)}</pre>"
        lines = line_count(body)
        fits = "fits" if lines <= MOST_LINES else "is too long for GCN"
        number = told["number"] if told["state"] == "sent" else ""
        return (
            f"<p>As archives of GCN will show it{', with changes that are not saved' if model.is_dirty else ''}. "
            f"{lines} line{'' if lines == 1 else 's'}: {fits}. {escape(found)}.</p>"
            f"<pre tabindex=0 aria-label='as archived'>{escape(archived(subject, body, number, told['sent']))}</pre>"
            f"{going_out(model)}"
        )

    def _refresh_choices(self) -> None:
        texts, model = self.model.document["texts"], self.model
        options = {f"{each['number']} ({each['who']})": each["number"] for each in texts}
        olds: dict[str, int | None] = {"the one before": None, **options}
        news: dict[str, int | None] = {
            UNSAVED if model.is_dirty else f"the last ({model.document['head']})": None,
            **options,
        }
        self._setting = True
        for choice, known, chosen in ((self.old, olds, model.old), (self.new, news, model.new)):
            value = chosen or USUAL
            if choice.options != known:
                choice.param.update(options=known, value=value)
            elif choice.value != value:
                choice.value = value
        self._setting = False

    def _refresh_diff(self) -> None:
        model = self.model
        if not model.document:
            return
        live = model.is_dirty and model.new is None and model.old is None
        told = model.unsaved() if live else model.compared()
        new = UNSAVED if live else f"revision {told['new']}"
        many = changes(told["subject"]) + changes(told["body"])
        head = f"Revision {told['old']} → {new}" + (f": {many} place{'' if many == 1 else 's'}" if many else "")
        parts = [{"title": title, "pieces": told[key]} for title, key in (("Subject", "subject"), ("Text", "body"))]
        self.diff.param.update(head=head, parts=parts)


def going_out(model: Circular, *, readable: bool = False) -> str:
    """Return where what goes out would go, and its bytes, as HTML; `readable` with the text as people read it."""
    told = model.preview
    if not told:
        return ""
    where = f"a stand-in, not GCN: {told['destination']}" if told["stand_in"] else told["destination"]
    where = where if told["destination"] else "nowhere: this site sends none"
    why = f"<p>⚠ {escape(told['hindrance'])}</p>" if told["hindrance"] else ""
    text = json.loads(told["content"]) if readable and told["kind"] == "circular" else None
    words = "" if text is None else f"Subject: {text['subject']}\n\n{text['body']}"
    shown = "" if text is None else f"<pre tabindex=0 aria-label='text that goes out'>{escape(words)}</pre>"
    return (
        f"<h2>What goes out (revision {told['revision']})</h2><p>To {escape(where)}, by {escape(told['channel'])}.</p>"
        f"{why}{shown}<p>Byte for byte, SHA-256 <code>{told['sha256']}</code></p>"
        f"<pre tabindex=0 aria-label='bytes that go out'>{escape(told['content'])}</pre>"
    )
