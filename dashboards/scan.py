"""Scan: ``panel serve dashboards/scan.py``, of the service in SKYMIST_SERVER."""

from skymist.app import launch

launch("scan").servable(title="Scan - skymist")
