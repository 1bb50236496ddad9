"""Watch: ``panel serve dashboards/watch.py``, of the service in SKYMIST_SERVER."""

from skymist.app import launch

launch("watch").servable(title="Watch - skymist")
