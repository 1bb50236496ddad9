from .calibrations import calibrations_figure as calibrations_figure
from .captions import caption as caption
from .combined import combined_figure as combined_figure
from .coverage import coverage_figure as coverage_figure
from .difference import difference_figure as difference_figure
from .event import event_figure as event_figure
from .whole_sky import sky_figure as sky_figure
from .zoom import zoom_figure as zoom_figure

__all__ = [
    "calibrations_figure",
    "caption",
    "combined_figure",
    "coverage_figure",
    "difference_figure",
    "event_figure",
    "sky_figure",
    "zoom_figure",
]
