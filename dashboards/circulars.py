"""Circulars: ``panel serve dashboards/circulars.py``, of the service in SKYMIST_SERVER."""

from skymist.app import launch

launch("circulars").servable(title="Circulars - skymist")
