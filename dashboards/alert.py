"""Alert: ``panel serve dashboards/alert.py``, of the service in SKYMIST_SERVER."""

from skymist.app import launch

launch("alert").servable(title="Alert - skymist")
