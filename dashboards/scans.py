"""Scans: ``panel serve dashboards/scans.py``, of the service in SKYMIST_SERVER."""

from skymist.app import launch

launch("scans").servable(title="Scans - skymist")
