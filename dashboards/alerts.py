"""Alerts: ``panel serve dashboards/alerts.py``, of the service in SKYMIST_SERVER."""

from skymist.app import launch

launch("alerts").servable(title="Alerts - skymist")
