from .client import connect
from .errors import ReadError, RequestError, ScanError, SkymistError, StoreError, UnknownNameError
from .model.comparison import compare
from .model.contour import contour
from .model.event import Event, Losses, Particle, Pulses, TimeWindows
from .model.reconstruction import Directions, Fit, Reconstruction, Status
from .model.region import BestFit, Region, best_fit, region
from .model.request import Cone, Level, ScanRequest
from .readers import read_event, read_events, write_table
from .workflow.calibrate import calibrate
from .workflow.evaluate import evaluate
from .workflow.events import load_event
from .workflow.maps import load_map, read_skymap
from .workflow.scan import load_reconstruction, scan_event
from .workflow.show import show
from .workflow.simulate import simulate_event

__all__ = [
    "BestFit",
    "Cone",
    "Directions",
    "Event",
    "Fit",
    "Level",
    "Losses",
    "Particle",
    "Pulses",
    "ReadError",
    "Reconstruction",
    "Region",
    "RequestError",
    "ScanError",
    "ScanRequest",
    "SkymistError",
    "Status",
    "StoreError",
    "TimeWindows",
    "UnknownNameError",
    "best_fit",
    "calibrate",
    "compare",
    "connect",
    "contour",
    "evaluate",
    "load_event",
    "load_map",
    "load_reconstruction",
    "read_event",
    "read_events",
    "read_skymap",
    "region",
    "scan_event",
    "show",
    "simulate_event",
    "write_table",
]
