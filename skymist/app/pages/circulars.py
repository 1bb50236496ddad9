"""All circulars and notices, and what of them waits for somebody."""

from typing import Any

import panel as pn
import panel_material_ui as pmui

from skymist.app.models.circulars import ALL, ICONS, KINDS, MOST, ROLES, STATES, Circulars, age, clock, moment
from skymist.app.parts.again import again
from skymist.app.parts.facts import Facts
from skymist.app.visit import Visit

POLL_MS = 2000
FEW = 5
"""That a card names of what waits."""

_HEAD = "font-size:18px;font-weight:500;margin:0"
LOADING = "Asking the service …"
COLUMNS = ["Number", "Alert", "State", "Who edits", "Revision", "Changed (UTC)", "Told as"]


def page(visit: Visit) -> Any:
    """Return the page; ``kind``, ``state`` and ``world`` in its address are filters."""
    view = View(visit)
    pn.state.onload(visit.guarded(view.begin), threaded=True)
    return view.layout


class View:
    """What stands on the page, kept as the model is."""

    def __init__(self, visit: Visit) -> None:
        who, filters = visit.visitor, ("kind", "state", "world")
        opened = {key: visit.query[key] for key in filters if key in visit.query}
        self.model = Circulars(visit.client, who.name, who.role, **opened)
        if pn.state.location is not None:
            pn.state.location.sync(self.model, {key: key for key in filters})
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0, "theme": visit.look.theme}
        self.waiting = {name: Facts(columns=["What"], none=LOADING, **wide) for name in self._waiting()}
        self.table = Facts(columns=COLUMNS, none=LOADING, **wide)
        guarded = self._guarded = visit.guarded
        self.model.param.watch(guarded(lambda *_: self.load()), list(filters))
        self.model.param.watch(guarded(lambda *_: self.refresh()), ["found", "waiting"])
        self.layout = self._lay_out()

    def begin(self) -> None:
        """Look, and again and again, once the browser is there: what is shown before may never get to it."""
        again(self._guarded(self.load), POLL_MS)
        self.load()

    def load(self) -> None:
        """Ask the service, and show what it says."""
        self.model.load()

    def _lay_out(self) -> Any:
        choices = (("kind", "Kind", KINDS), ("state", "State", STATES), ("world", "World", ROLES))
        filters = [
            pmui.Select.from_param(self.model.param[key], label=label, options=[ALL, *known], size="small", width=190,
                                   margin=(4, 4))
            for key, label, known in choices
        ]  # fmt: skip
        cards = [self._card(name, shown) for name, shown in self.waiting.items()]
        return pmui.Column(
            pmui.Grid(*cards, container=True, spacing=1, sizing_mode="stretch_width", margin=(4, 0)),
            pmui.FlexBox(*filters, margin=(8, 0, 0, 0)), self.table, sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def _card(self, name: str, shown: Any) -> Any:
        head = pn.pane.HTML(f'<h2 style="{_HEAD}">{name}</h2>', margin=(4, 12))
        body = pmui.Column(shown, margin=(0, 12, 8, 12), sizing_mode="stretch_width")
        paper = pmui.Paper(head, body, variant="outlined", sizing_mode="stretch_width", margin=0)
        size = {"xs": 12, "sm": 6, "lg": 12 // len(self.waiting)}
        return pmui.Grid(paper, size=size, sizing_mode="stretch_width")

    def _waiting(self) -> dict[str, list[dict[str, Any]]]:
        """Return what waits, by what it waits for."""
        model, found = self.model, {}
        if model.may_approve:
            found = {"For you to approve": model.to_approve, "Approved, to be sent": model.to_send}
        return {**found, "Drafts nobody edits": model.free, "You are editing": model.mine}

    def refresh(self) -> None:
        """Show what the model knows now."""
        for name, items in self._waiting().items():
            more = [[f"and {len(items) - FEW} more"]] if len(items) > FEW else []
            self.waiting[name].param.update(none="Nothing.", rows=[[_brief(each)] for each in items[:FEW]] + more)
        model = self.model
        most = f", the latest {MOST}" if len(model.found) == MOST else ""
        self.table.param.update(
            none="No circular or notice is like that.",
            caption=f"{len(model.found)} circulars and notices{most}; times are UTC",
            rows=[self._row(each) for each in model.found],
        )

    def _row(self, told: dict[str, Any]) -> list[Any]:
        holder = told["locked_by"]
        name = f"/alert?name={told['alert']}&role={told['role']}"
        state = {"text": f"{ICONS[told['state']]} {told['state']}", "more": told["error"]}
        revision = f"{told['head']}, by {told['edited_by']}" if told["edited_by"] else str(told["head"])
        return [
            {**_link(told), "keep": True}, {"text": told["alert"], "href": name, "more": told["role"], "keep": True},
            {**state, "keep": not told["error"]},
            {"text": holder, "more": f"until {clock(told['locked_until'])}"} if holder else "–", revision,
            {"text": moment(told["changed"]).removesuffix(" UTC"), "more": age(told["changed"]), "keep": True},
            {"text": told["number"], "more": moment(told["sent"])} if told["number"] else "–",
        ]  # fmt: skip


def _link(told: dict[str, Any]) -> dict[str, str]:
    href = f"/circular?id={told['id']}"
    return {"text": f"{told['kind'].capitalize()} {told['id']}", "href": href, "more": told["template"]}


def _brief(told: dict[str, Any]) -> dict[str, str]:
    by = f", edited by {told['edited_by']}" if told["edited_by"] else ""
    words = told["error"] or f"{told['template']}, {told['role']}, {age(told['changed'])}{by}"
    return {**_link(told), "text": f"{told['kind'].capitalize()} {told['id']}: {told['alert']}", "more": words}
