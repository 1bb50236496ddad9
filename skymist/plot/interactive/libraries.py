"""The libraries that interactive figures need: imported late, and without a trace in HoloViews' global state."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from skymist.errors import RequestError


def library(name: str) -> Any:
    """Return a module of the extra ``interactive``.

    Raises
    ------
    RequestError
        If it, or what it needs, is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise RequestError(f"interactive figures need {error.name}: pip install 'skymist[interactive]'") from None


@contextmanager
def holoviews() -> Iterator[Any]:
    """Give HoloViews with Bokeh as its current backend; afterwards that is the one that was loaded before, if any.

    Without a loaded one HoloViews names one that it cannot use: then Bokeh stays, as after its plain import.

    Raises
    ------
    RequestError
        If HoloViews or Bokeh are not installed.
    """
    hv = library("holoviews")
    before = hv.Store.current_backend if hv.Store.renderers else "bokeh"
    try:
        library("holoviews.plotting.bokeh")  # makes itself the current backend when it is first imported
        hv.Store.current_backend = "bokeh"
        yield hv
    finally:
        if before in hv.Store.renderers:
            hv.Store.current_backend = before
