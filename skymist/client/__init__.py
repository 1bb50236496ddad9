"""The service from Python: `connect` to it, ask for scans, follow them, take their maps home.

>>> import skymist
>>> service = skymist.connect("https://alerts.example.org")  # doctest: +SKIP
>>> scan = service.scan("event.json", reco="track-mpe").wait()  # doctest: +SKIP
>>> skymist.best_fit(scan.skymap())  # doctest: +SKIP
"""

from skymist.client.calls import remember_token
from skymist.client.scan import Scan
from skymist.client.service import Client, connect

__all__ = ["Client", "Scan", "connect", "remember_token"]
