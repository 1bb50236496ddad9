"""The dashboard: pages over the service, seen through its REST API only; `mount` serves them beside it."""

from skymist.app.launch import launch
from skymist.app.mount import mount

__all__ = ["launch", "mount"]
