"""REST: the service for programs, over HTTP; `app.create_app` puts it together."""

from skymist.api.app import create_app
from skymist.api.settings import ApiSettings, Limits, Oidc

__all__ = ["ApiSettings", "Limits", "Oidc", "create_app"]
