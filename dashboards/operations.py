"""Operations: ``panel serve dashboards/operations.py``, of the service in SKYMIST_SERVER."""

from skymist.app import launch

launch("operations").servable(title="Operations - skymist")
