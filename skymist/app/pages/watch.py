"""The screen on the wall: readable from across the room, and nobody has to touch it."""

from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from skymist.app.models import angles
from skymist.app.models.watch import DECISIONS, Watch
from skymist.app.parts.again import again
from skymist.app.parts.bell import Bell
from skymist.app.parts.live_map import live_map
from skymist.app.visit import Visit
from skymist.plot.style import style_of

PERIOD_MS = 2000

_MARKS = {"running": "▶", "queued": "…", "waiting": "…"}


def page(visit: Visit) -> Any:
    """Return the page."""
    return _Wall(visit).view


class _Wall:
    def __init__(self, visit: Visit) -> None:
        self.visit, self.watch = visit, Watch(visit.client)
        self.text = pn.pane.HTML("<p>Looking…</p>", sizing_mode="stretch_width", stylesheets=[_css(visit.look.theme)])
        self.live: Any = None
        self.bell = Bell(dark=visit.look.theme == "dark", margin=(0, 0, 12, 0))
        self.map = pn.Column(sizing_mode="stretch_width")  # Bokeh's figures cannot be put into one of Material UI later
        self.news = pn.pane.HTML("", sizing_mode="stretch_width", stylesheets=[_css(visit.look.theme)])
        self.view = pmui.Column(self.bell, self.text, self.map, self.news, sizing_mode="stretch_width")
        pn.state.onload(visit.guarded(self.begin), threaded=True)

    def begin(self) -> None:
        """Show what there is, and look again and again."""
        self.look()
        again(self.visit.guarded(self.look), PERIOD_MS)

    def look(self) -> None:
        """Show how things are now."""
        before = self.watch.shown
        self.bell.ring(self.watch.look())
        self.text.object = html(self.watch, self.visit.look.angles)
        self.news.object = news_html(self.watch)
        if self.watch.shown and self.watch.shown != before:
            if self.live is not None:
                self.live.close()
            self.live = live_map(self.visit, self.watch.shown)
            self.map[:] = [self.live]


def html(watch: Watch, how: str) -> str:
    """Return what is written on the wall."""
    return f'<div class="wall">{_latest(watch.alerts, how)}{_lists(watch)}</div>'


def news_html(watch: Watch) -> str:
    """Return what has happened, as it is written below the map."""
    news = [f"<span>{escape(each['time'][11:16])}</span> {escape(each['text'])}" for each in watch.news]
    return f'<div class="wall news">{_list("News (UTC)", news, "none yet")}</div>'


def _latest(alerts: list[dict[str, Any]], how: str) -> str:
    if not alerts:
        return "<section class='latest'><h1>No alerts yet</h1></section>"
    first, rest = alerts[0], alerts[1:]
    name = f"<s>{escape(first['name'])}</s> retracted" if first["retracted"] else escape(first["name"])
    facts = [
        first["stream"], angles.position(first["ra"], first["dec"], how, first["time"]),
        angles.radius(first["radius_90"]), angles.energy(first["energy_tev"]),
    ]  # fmt: skip
    said = [escape(each) for each in facts if each not in ("", angles.UNKNOWN)]
    more = "".join(f"<li>{_row(each)}</li>" for each in rest)
    return (
        f"<section class='latest'><h2>Latest alert, {angles.age(first['time'])} old</h2><h1>{name}</h1>"
        f"<p class='facts'>{' &nbsp; '.join(said)}</p><ol>{more}</ol></section>"
    )


def _row(alert: dict[str, Any]) -> str:
    name = escape(alert["name"])
    name = f"<s>{name}</s> (retracted)" if alert["retracted"] else name
    return f"{name} <span>{escape(alert['stream'] or 'no stream')}, {escape(angles.utc(alert['time']))} UTC</span>"


def _lists(watch: Watch) -> str:
    scans = [
        f"{_MARKS[each['state']]} {escape(each['alert'] or 'event')} "
        f"<span>{escape(each['request']['reconstruction'])}, {_share(each)}</span>"
        for each in watch.scans
    ]
    waiting = [
        f"{escape(each['alert'])} <span>{each['kind']} {each['id']}, {DECISIONS[each['state']]}</span>"
        for each in watch.decisions
    ]
    bad = [
        f"⚠ {escape(each['name'])} <span>{escape(each['state'])} {escape(each['trouble'])}</span>"
        for each in watch.streams
        if each["state"] not in ("listening", "connecting")
    ]
    good = f"{len(watch.streams)} listening" if watch.streams else "none is configured"
    return "".join([
        _list("Scans", scans, "none is running"), _list("Waiting for somebody", waiting, "nothing"),
        _list("Streams", bad, good),
    ])  # fmt: skip


def _share(scan: dict[str, Any]) -> str:
    progress = scan.get("progress")
    if not progress or not progress["total"]:
        return str(scan["state"])
    eta = "" if progress["eta"] is None else f", {progress['eta']:.0f} s left"
    return f"{progress['done'] / progress['total']:.0%}{eta}"


def _list(title: str, items: list[str], nothing: str) -> str:
    rows = "".join(f"<li>{each}</li>" for each in items) or f"<li class='none'>{nothing}</li>"
    return f"<section><h2>{title}</h2><ul>{rows}</ul></section>"


def _css(theme: str) -> str:
    style = style_of(theme)
    faint = "#5a5f6b" if theme == "light" else "#aab2c0"
    return (
        f".wall {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 12px 32px; "
        f"color: {style.ink}; font: 20px/1.4 Roboto, sans-serif; }}"
        ".news { display: block; } .latest { grid-column: 1 / -1; }"
        "h1 { font-size: clamp(36px, 6vw, 88px); margin: 0; line-height: 1.1; }"
        f"h2 {{ font-size: 18px; font-weight: 500; margin: 0 0 4px; color: {faint}; }}"
        ".facts { font-size: clamp(20px, 2.4vw, 36px); margin: 8px 0; }"
        "ul, ol { list-style: none; margin: 0; padding: 0; } ol { columns: 320px auto; font-size: 18px; }"
        f"li {{ break-inside: avoid; }} li span, li.none {{ color: {faint}; }}"
    )
