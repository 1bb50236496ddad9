"""Interactive figures as pages that need nothing from the network."""

from html import escape
from typing import Any

from skymist.plot.interactive.libraries import holoviews, library


def html(figure: Any, title: str = "skymist", caption: str = "") -> str:
    """Return an interactive figure as an HTML page that holds all it needs, scripts included.

    Parameters
    ----------
    figure : holoviews.Overlay or plotly.graph_objects.Figure
        Of `skymist.plot.interactive`.
    title : str
        Of the page.
    caption : str
        What the figure shows, for readers who do not see it: see `skymist.plot.caption`.

    Returns
    -------
    str

    Raises
    ------
    RequestError
        If what the figure needs is not installed.
    """
    paper, body, head = _plotly(figure) if hasattr(figure, "to_plotly_json") else _bokeh(figure)
    shown = f"<figure>{body}<figcaption>{escape(caption)}</figcaption></figure>"
    look = f"body {{ background: {paper[0]}; color: {paper[1]}; font-family: sans-serif; }} "
    look += "figcaption { margin-top: 3em; max-width: 60em; }"  # Bokeh's legend is taller than it says
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>{look}</style>\n{head}\n</head>\n<body>\n{shown}\n</body>\n</html>\n"
    )


def _plotly(figure: Any) -> tuple[tuple[str, str], str, str]:
    """Return colours of paper and ink, the figure, and its scripts."""
    body = library("plotly.io").to_html(figure, full_html=False, include_plotlyjs=True, include_mathjax=False)
    return (figure.layout.paper_bgcolor, figure.layout.font.color), body, ""


def _bokeh(figure: Any) -> tuple[tuple[str, str], str, str]:
    with holoviews() as hv:
        drawn = hv.render(figure, backend="bokeh")
    drawn.sizing_mode = None  # its frame has a size; HoloViews calls that fixed, which Bokeh takes for the whole
    script, body = library("bokeh.embed").components(drawn)
    # Of all resources only the core, as text: where Panel is installed the rest would ask a server for its own.
    core = library("bokeh.resources").Resources(mode="inline", components=["bokeh"]).js_raw
    scripts = "\n".join(f"<script>\n{each}\n</script>" for each in core)
    return (drawn.border_fill_color, drawn.title.text_color), f"{body}\n{script}", scripts
