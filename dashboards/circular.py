"""Circular: ``panel serve dashboards/circular.py``, of the service in SKYMIST_SERVER."""

from skymist.app import launch

launch("circular").servable(title="Circular - skymist")
