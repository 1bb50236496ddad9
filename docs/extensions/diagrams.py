"""Diagrams in the language of Mermaid as pictures, without its script: boxes in layers, and arrows between them.

States (``stateDiagram-v2``) and flow charts (``flowchart``, ``graph``) are known, as far as this site uses them:
``A --> B``, ``A[words] -->|words| B``, ``subgraph A``. What has more is shown as it is written. GitHub draws the same
blocks by itself.
"""

import re
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

_NODE = r"(\[\*\]|[\w-]+)(?:\[\"?(.*?)\"?\]|\(+\"?(.*?)\"?\)+|\{\"?(.*?)\"?\})?"
_EDGE = re.compile(rf"^\s*{_NODE}\s*-->\s*(?:\|(.*?)\|)?\s*{_NODE}\s*(?::\s*(.*))?$")
_GROUP = re.compile(r"^\s*(?:subgraph\s+(\w+)|end)\s*$")
_BOX = re.compile(rf"^\s*{_NODE}\s*$")
_HEAD = re.compile(r"^\s*(stateDiagram-v2|(flowchart|graph) LR)\s*$")
_LINE, _LETTER, _STEP = 34, 7.8, 9
START = "[*]"


class Place(NamedTuple):
    """Where a box is: its left side, the middle of its height, and its size."""

    x: float
    y: float
    width: float
    high: float


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it with Sphinx."""
    app.add_directive("mermaid", Diagram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Diagram(Directive):
    """A fenced block of Mermaid."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the picture, or what is written if that cannot be drawn."""
        if not is_known(self.content):
            return [nodes.literal_block("", "\n".join(self.content), language="text")]
        edges, names = parse(self.content)
        said = "; ".join(f"{names[begin]} to {names[end]}" for begin, end, _ in edges if begin != START)
        picture = draw(edges, names)
        return [nodes.raw("", f'<figure class="diagram" aria-label="{escape(said)}">{picture}</figure>', format="html")]


def is_known(lines: Sequence[str]) -> bool:
    """Return whether a diagram has nothing that would be lost in the picture."""
    head, *rest = [line for line in lines if line.strip() and not line.lstrip().startswith("%%")] or [""]
    known = _EDGE, _GROUP, _BOX
    return bool(_HEAD.match(head) and rest and all(any(each.match(line) for each in known) for line in rest))


def parse(lines: Sequence[str]) -> tuple[list[tuple[str, str, str]], dict[str, str]]:
    """Return arrows (from, to, words at them), and the words in each box: of a group, also those of what is in it."""
    edges: list[tuple[str, str, str]] = []
    names: dict[str, str] = {}
    group = ""
    for line in lines[1:]:
        if found := _EDGE.match(line):
            begin, *begin_words, label, end = found.groups()[:6]
            *end_words, after = found.groups()[6:]
            names[begin] = _words(begin_words, names.get(begin, begin))
            names[end] = _words(end_words, names.get(end, end))
            edges.append((begin, end, label or after or ""))
        elif found := _GROUP.match(line):
            group = found[1] or ""
            names.setdefault(group, group)
        elif found := _BOX.match(line):
            said = _words(found.groups()[1:], found[1])
            if group:
                names[group] += f"\n{said}"
            else:
                names[found[1]] = said
    return edges, names


def _words(said: Sequence[str | None], otherwise: str) -> str:
    told = next((each for each in said if each), None)
    return told.strip("()") if told else otherwise


def layers(edges: Sequence[tuple[str, str, str]]) -> dict[str, int]:
    """Return the layer of each box: one more than that of the first one that leads to it."""
    found: dict[str, int] = {}
    for begin, end, _ in edges:
        found.setdefault(begin, 0)
        found.setdefault(end, found[begin] + 1)
    return found


def draw(edges: Sequence[tuple[str, str, str]], names: dict[str, str]) -> str:
    """Return the picture as SVG: layers from left to right, arrows back below all boxes."""
    layer = layers(edges)
    columns = [[name for name in layer if layer[name] == n] for n in range(max(layer.values()) + 1)]
    back = [edge for edge in edges if layer[edge[1]] <= layer[edge[0]] and not _beside(edge, columns[layer[edge[0]]])]
    high = max(sum(_high(names[name]) + _LINE for name in column) for column in columns)
    aside = _STEP * (len(back) + 2) if back else 0
    left, gap = 4.0 + aside, max(60, 2 * aside)
    place: dict[str, Place] = {}
    for column in columns:
        width, free = max(_width(names[name]) for name in column), high - sum(_high(names[name]) for name in column)
        top = free / len(column) / 2
        for name in column:
            place[name] = Place(left, top + _high(names[name]) / 2, width, _high(names[name]))
            top += _high(names[name]) + free / len(column)
        left += width + gap
    total = left - gap + 4.0 + aside, high + (_STEP * (len(back) + 1) if back else 0)
    drawn = [_back(edge, place, back.index(edge), high) if edge in back else _arrow(edge, place) for edge in edges]
    boxes = [_box(name, names[name], place[name]) for name in layer]
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="head" d="M0,0 L8,4 L0,8 z"/></marker></defs>'
    )
    size = f'viewBox="0 0 {total[0]:.0f} {total[1]:.0f}" width="{total[0]:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{head}{"".join(drawn)}{"".join(boxes)}</svg>'


def _beside(edge: tuple[str, str, str], column: Sequence[str]) -> bool:
    """Return whether an arrow leads to the next box above or below."""
    begin, end, _ = edge
    return end in column and abs(column.index(begin) - column.index(end)) == 1


def _width(text: str) -> float:
    return 14.0 if text == START else 24 + _LETTER * max(map(len, text.splitlines()))


def _high(text: str) -> float:
    return 16.0 + 18 * len(text.splitlines())


def _box(name: str, text: str, place: Place) -> str:
    x, y, width, high = place
    if name == START:
        return f'<circle class="start" cx="{x + width / 2:.0f}" cy="{y:.0f}" r="6"/>'
    rect = f'<rect class="box" x="{x:.0f}" y="{y - high / 2:.0f}" width="{width:.0f}" height="{high:.0f}" rx="6"/>'
    head, *rest = text.splitlines()
    lines = [f"<tspan font-weight='bold'>{escape(head)}</tspan>" if rest else escape(head), *map(escape, rest)]
    middle, first = x + width / 2, y - high / 2 + 22
    shown = (
        f'<text x="{middle:.0f}" y="{first + 18 * at:.0f}" text-anchor="middle">{line}</text>'
        for at, line in enumerate(lines)
    )
    return rect + "".join(shown)


def _arrow(edge: tuple[str, str, str], place: dict[str, Place]) -> str:
    """Return an arrow to a later layer, as a curve, or to the next box above or below."""
    (x0, y0, w0, high0), (x1, y1, w1, high1) = place[edge[0]], place[edge[1]]
    if x0 == x1:
        down = 1 if y1 > y0 else -1
        x = x0 + min(w0, w1) / 2 - 8 * down
        path = f"M{x:.0f},{y0 + down * high0 / 2:.0f} V{y1 - down * high1 / 2:.0f}"
        return _drawn(path, edge[2], x + 12, (y0 + y1) / 2 + 5)
    start = x0 + w0
    path = f"M{start:.0f},{y0:.0f} C{start + 36:.0f},{y0:.0f} {x1 - 36:.0f},{y1:.0f} {x1:.0f},{y1:.0f}"
    return _drawn(path, edge[2], (start + x1) / 2, (y0 + y1) / 2 - 5)


def _back(edge: tuple[str, str, str], place: dict[str, Place], at: int, high: float) -> str:
    """Return an arrow back: through the gaps between layers, and below all boxes."""
    (x0, y0, w0, _), (x1, y1, *_) = place[edge[0]], place[edge[1]]
    out, into, low, turn = x0 + w0 + _STEP * (at + 1), x1 - _STEP * (at + 1), high + _STEP * (at + 0.5), 6
    y0, y1 = y0 + 9, y1 + 9
    path = (
        f"M{x0 + w0:.0f},{y0:.0f} H{out - turn:.0f} Q{out:.0f},{y0:.0f} {out:.0f},{y0 + turn:.0f} V{low - turn:.0f} "
        f"Q{out:.0f},{low:.0f} {out - turn:.0f},{low:.0f} H{into + turn:.0f} Q{into:.0f},{low:.0f} "
        f"{into:.0f},{low - turn:.0f} V{y1 + turn:.0f} Q{into:.0f},{y1:.0f} {into + turn:.0f},{y1:.0f} H{x1:.0f}"
    )
    return _drawn(path, edge[2], (out + into) / 2, low - 3)


def _drawn(path: str, label: str, x: float, y: float) -> str:
    text = f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{escape(label)}</text>' if label else ""
    return f'<path class="edge" marker-end="url(#head)" d="{path}"/>{text}'
