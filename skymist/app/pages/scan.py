"""One scan: followed live by everybody who looks, and what it has found."""

import threading
import time
from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import urlencode

import panel as pn
import panel_material_ui as pmui

from skymist.app.feed import News
from skymist.app.models.angles import position
from skymist.app.models.launch import duration
from skymist.app.models.scan import STATES, ScanView
from skymist.app.parts.again import again
from skymist.app.parts.launch_form import launch_form
from skymist.app.parts.live_map import live_map
from skymist.app.parts.progress import Progress
from skymist.app.visit import Visit
from skymist.errors import RequestError, StoreError

PERIOD_MS = 2500
"""After which time it is asked how a scan is, if its map does not hear of it."""

RARELY = 2
"""If it does, it is asked only every so many times: somebody may have deleted or replaced it, or may run it again."""

SILENT_S = 5.0
"""After which time nothing was heard."""


def page(visit: Visit) -> Any:
    """Return the page."""
    view = ScanPage(visit)
    pn.state.onload(visit.guarded(view.load), threaded=True)
    return view.view


class ScanPage:
    """What shows a `ScanView`.

    Attributes
    ----------
    view : panel.viewable.Viewable
    """

    def __init__(self, visit: Visit) -> None:
        self.visit, self.model = visit, ScanView(asked=visit.query.get("id", ""))
        self._busy, self._waiting, self._looks = threading.Lock(), False, 0
        self._heard, self._over = float("-inf"), False  # when the map told something, and whether that was the last
        self._live: Any = None
        self._drawn: tuple[str, int] | None = None  # id and attempt of the scan whose map is shown
        self._title = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10))
        self._note = pmui.Alert(object="", severity="info", visible=False, sizing_mode="stretch_width")
        self._progress = Progress(theme=visit.look.theme, sizing_mode="stretch_width", margin=(0, 10))
        self._asked = Progress(
            label="what was asked for", theme=visit.look.theme, sizing_mode="stretch_width", margin=(12, 10)
        )
        self._map = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._remix = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._make_buttons()
        left = pmui.Column(self._map, self._asked, sizing_mode="stretch_width", margin=0)
        right = pmui.Column(self._progress, sizing_mode="stretch_width", margin=0)
        self.view = pmui.Column(
            self._title, self._note, self._buttons, self._remix,
            pmui.Grid(pmui.Grid(right, size={"xs": 12, "lg": 4}), pmui.Grid(left, size={"xs": 12, "lg": 8}),
                      container=True, spacing=1, sizing_mode="stretch_width"),
            self._sure, sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self._watch()

    def _make_buttons(self) -> None:
        made = {"variant": "outlined", "size": "small", "disabled": True, "margin": (4, 4)}
        refusal = "" if self.visit.may("analyst") else "To cancel, rescan or remix it, the role analyst is needed."
        self._cancel = pmui.Button(label="Cancel", icon="stop", color="error", **made)
        self._rescan = pmui.Button(label="Rescan", icon="replay", **made)
        self._open = pmui.Button(label="Remix", icon="tune", **made)
        self._workers = pmui.TextInput(label="Workers", value="", width=110, size="small", disabled=True)
        self._resize = pmui.Button(label="Set workers", icon="groups", **made)
        self._buttons = pmui.FlexBox(
            self._cancel, self._rescan, self._open, self._workers, self._resize,
            pmui.Typography(refusal, variant="body2", visible=bool(refusal)), gap="4px", align_items="center",
            margin=(0, 6), visible=False,
        )  # fmt: skip
        yes = pmui.Button(label="Yes, cancel it", color="error", variant="contained")
        no = pmui.Button(label="No, let it run", variant="outlined")
        self._sure = pmui.Dialog(
            pmui.Typography("What was computed is kept, and Rescan goes on from there."), pmui.Row(yes, no),
            title="Cancel this scan?", open=False,
        )  # fmt: skip
        act = self.visit.guarded
        self._cancel.on_click(lambda _: setattr(self._sure, "open", True))
        no.on_click(lambda _: setattr(self._sure, "open", False))
        yes.on_click(act(self._do_cancel))
        self._rescan.on_click(act(lambda _: self.model.rescan(self.visit.client)))
        self._resize.on_click(act(lambda _: self.model.set_workers(self.visit.client, _count(self._workers.value))))
        self._open.on_click(act(self._toggle_remix))

    def _watch(self) -> None:
        """Show what changes, and nothing else."""
        act, watch = self.visit.guarded, self.model.param.watch
        watch(act(self._show_head), ["document", "state", "successor"])
        watch(act(self._show_progress), ["document", "state", "progress"])
        watch(act(self._show_map), ["document", "state"])

    def load(self) -> None:
        """Ask for the scan, and follow it from now on."""
        try:
            self.model.load(self.visit.client)
        except RequestError as refusal:
            self._title.object = f'<h1 style="{_HEAD}">No such scan</h1><p>{escape(str(refusal))}.</p>{_ALL}'
            return
        self._buttons.visible = True
        again(self.visit.guarded(self._look), PERIOD_MS)

    def _look(self) -> None:
        """Ask how it is, if that is due."""
        self._looks += 1
        silent = self._over or time.monotonic() - self._heard > SILENT_S
        if (silent and not self.model.ended) or self._looks % RARELY == 0:
            self._ask()

    def _ask(self) -> None:
        """Ask how it is, after what is being asked now; once is enough for all who wait for that."""
        if self._waiting:
            return
        self._waiting = True
        with self._busy:
            self._waiting = False
            try:
                self.model.poll(self.visit.client)
                self.model.lost = ""
            except StoreError as trouble:  # the service is being started again: the page goes on when that is back
                self.model.lost = str(trouble)

    def _hear(self, news: News) -> None:
        """Take what the map heard; in the event loop, where nothing can be asked, so that a thread does that."""
        self._heard, self._over = time.monotonic(), news.ended
        told = news.progress
        if (told is not None and not self.model.take(told)) or (news.ended and not self.model.ended):
            in_thread(self.visit.guarded(self._ask))

    def _do_cancel(self, *_: Any) -> None:
        self._sure.open = False
        self.model.cancel(self.visit.client)

    def _toggle_remix(self, *_: Any) -> None:
        if self._remix.objects:
            self._remix.objects = []
            self._open.label = "Remix"
            return
        form = launch_form(self.visit, self.model.document["event_id"], self.model.document)
        head = pn.pane.HTML(
            f'<h2 style="{_HEAD}">A scan like this one, with some words changed</h2>', margin=(8, 10, 0, 10)
        )
        self._remix.objects = [pmui.Paper(head, form, sizing_mode="stretch_width", margin=(6, 10), elevation=2)]
        self._open.label = "Close remix"

    def _show_head(self, *_: Any) -> None:
        model, may = self.model, self.visit.may("analyst")
        self._title.object = _head(model)
        replaced = f"Scan {escape(model.asked[:12])} was replaced: this is scan {model.id[:12]}, which took its place."
        self._note.param.update(visible=model.successor, object=replaced)
        self._cancel.disabled = not may or model.ended or model.state == "cancelling"
        self._rescan.disabled = not may or not model.ended
        self._open.disabled = not may or not model.document or model.state == "deleted"
        self._workers.disabled = self._resize.disabled = not may or model.ended
        if (workers := model.document.get("workers")) is not None:
            self._workers.value = str(workers)

    def _show_progress(self, *_: Any) -> None:
        model, angles = self.model, self.visit.look.angles
        slow = [
            {"place": position(each["ra"], each["dec"], angles), "nside": str(each["nside"]),
             "seconds": duration(each["seconds"]) if each["seconds"] >= 0.1 else f"{1000 * each['seconds']:.2g} ms",
             "worker": each["worker"]}
            for each in model.slow_cells
        ]  # fmt: skip
        self._progress.put(
            bars=model.bars, numbers=model.numbers, slow=slow, trouble=model.trouble,
            result=model.result(angles), files=model.files,
        )  # fmt: skip
        self._asked.put(facts=model.facts)

    def _show_map(self, *_: Any) -> None:
        """Show the map as it grows: anew if the scan is run again, or another one took its place."""
        document = self.model.document
        if not document or self._drawn == (document["id"], document["attempt"]):
            return
        before, self._drawn = self._drawn, (document["id"], document["attempt"])
        if before is not None and before[0] == document["id"]:
            self._live.follow()
            return
        if self._live is not None:
            self._live.close()
        self._live = live_map(self.visit, self.model.id, self.visit.guarded(self._hear))
        self._map.objects = [self._live]


def _count(text: str) -> int:
    """Return a number of workers that somebody has typed."""
    if not text.strip().isdecimal():
        raise RequestError(f"workers: {text[:20]!r} is no number of workers, such as 4")
    return int(text)


def in_thread(act: Callable[[], None]) -> None:
    """Do something for the page that is shown, which may wait for the service."""
    pn.state.execute(act, schedule="thread" if pn.config.nthreads is not None else "auto")


def _head(model: ScanView) -> str:
    """Return in HTML what is scanned, and what the scan is doing."""
    document, (sign, words, kind) = model.document, STATES.get(model.state, ("…", "being looked up", "default"))
    title = escape(model.title)
    if name := document.get("alert"):
        link = escape(f"/alert?{urlencode({'name': name, 'role': document['role']})}")
        kind = escape(document["request"]["reconstruction"])
        title = f'{kind} of <a style="color:inherit" href="{link}">{escape(name)}</a>'
    chip = f'<span role="status" class="state {kind}" style="{_CHIP}">{sign} {escape(words)}</span>'
    return f'<h1 style="{_HEAD}">{title} {chip}</h1>'


_HEAD = "font-size:22px;font-weight:500;margin:6px 0"
_ALL = '<p><a style="color:inherit" href="/scans">All scans</a></p>'
_CHIP = (
    "border:1px solid currentColor;border-radius:12px;padding:1px 10px;font-size:15px;vertical-align:middle;"
    "white-space:nowrap"
)
