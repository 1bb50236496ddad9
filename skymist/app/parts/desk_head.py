"""The head of the desk: which text it is, where it stands on its way, who is editing; in words and signs."""

from collections.abc import Mapping
from html import escape
from typing import Any

from skymist.app.models.circulars import ICONS, clock, moment

STYLE = """
.desk { --ink: #1a1a1a; --soft: #595959; --edge: #c9ced8; --link: #0b4aa2; --on: #0b4aa2; --onink: #fff;
  color: var(--ink); font: 15px/1.5 Roboto, sans-serif; }
.desk.dark { --ink: #f0f0f0; --soft: #b3bccb; --edge: #3a4354; --link: #8fbcff; --on: #8fbcff; --onink: #10141c; }
h1 { font-size: 20px; font-weight: 600; margin: 4px 0; display: flex; flex-wrap: wrap; gap: 2px 14px;
  align-items: baseline; }
h1 small { font-size: 14px; font-weight: 400; color: var(--soft); }
a { color: var(--link); }
ol { list-style: none; display: flex; flex-wrap: wrap; gap: 4px; margin: 4px 0; padding: 0; }
li { padding: 2px 12px; border: 1px solid var(--edge); border-radius: 14px; color: var(--soft); font-size: 14px; }
li[aria-current] { background: var(--on); color: var(--onink); border-color: var(--on); font-weight: 600; }
p { margin: 2px 0; color: var(--soft); font-size: 14px; font-variant-numeric: tabular-nums; }
"""

_WAY = "draft", "approved", "sending", "sent"


def head(told: Mapping[str, Any], me: str, theme: str) -> str:
    """Return the head of a publication as HTML."""
    alert, role = escape(told["alert"]), escape(told["role"])
    link = f'<a href="/alert?name={alert}&amp;role={role}">{alert}</a>'
    title = f"{escape(told['kind'].capitalize())} {told['id']}"
    about = f"{role}, drafted as {escape(told['template'])}, {moment(told['created'])}"
    return (
        f'<div class="desk {theme}"><h1><span>{title}</span> {link} <small>{about}</small></h1>'
        f'<ol aria-label="state">{_steps(told["state"])}</ol><p>{_people(told, me)}</p></div>'
    )


def _steps(state: str) -> str:
    way = _WAY if state in _WAY else (*_WAY[:2], state)
    return "".join(
        f"<li{' aria-current=step' if each == state else ''}>{ICONS[each]} {escape(each)}</li>" for each in way
    )


def _people(told: Mapping[str, Any], me: str) -> str:
    holder = told["locked_by"]
    who = "you are" if holder == me else f"{escape(holder)} is"
    said = [
        f"revision {told['head']}" + (f", edited by {escape(told['edited_by'])}" if told["edited_by"] else ""),
        f"{who} editing until {clock(told['locked_until'])}" if holder else "nobody is editing",
    ]
    if told["approver"]:
        said.append(f"revision {told['approved']} approved by {escape(told['approver'])}")
    if told["state"] == "sending":
        said.append(f"is being sent by {escape(told['channel'])}, confirmed by {escape(told['sender'])}")
    if told["number"]:
        said.append(f"{escape(told['channel'])} {escape(told['number'])}, {moment(told['sent'], seconds=True)}")
    if many := len(told.get("comments", ())):
        said.append(f"{many} comment{'' if many == 1 else 's'}")
    return " · ".join(said)
