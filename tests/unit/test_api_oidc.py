"""Tokens of an OpenID Connect issuer on loopback: only those that it signed, for us, in time."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from serving import check_problem, opened, serving

from skymist.api import ApiSettings, Oidc
from skymist.errors import RequestError, UnknownNameError


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ApiSettings]:
    with opened(tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"jwks_url": "http://example.org/keys"}, RequestError),
        ({"jwks_url": "file:///etc/keys"}, RequestError),
        ({"issuer": ""}, RequestError),
        ({"audience": ""}, RequestError),
        ({"algorithms": ("HS256",)}, UnknownNameError),
        ({"algorithms": ("none",)}, UnknownNameError),
        ({"roles": {"x": "root"}}, UnknownNameError),
    ],
)
def test_an_issuer_that_makes_no_sense(changes: dict[str, Any], error: type[RequestError]) -> None:
    usual = {"issuer": "https://id.example.org", "audience": "skymist", "jwks_url": "https://id.example.org/keys"}
    with pytest.raises(error):
        Oidc(**{**usual, "roles": {"shifters": "analyst"}, **changes})


class Issuer(ThreadingHTTPServer):
    """Publishes a key on loopback and signs tokens with it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keys)
        self.key, self.other = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
        self.asked = 0
        self.url = f"http://127.0.0.1:{self.server_port}/keys"

    def token(self, *, key: Any = None, kid: str = "one", algorithm: str = "RS256", **claims: Any) -> str:
        usual = {"iss": "https://id.example.org", "aud": "skymist", "sub": "ana", "groups": ["shifters", "staff"],
                 "exp": datetime.now(UTC) + timedelta(minutes=5)}  # fmt: skip
        said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(said, key or self.key, algorithm, {"kid": kid})


class _Keys(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.asked += 1
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.server.key.public_key(), as_dict=True)
        content = json.dumps({"keys": [{**public, "kid": "one", "alg": "RS256", "use": "sig"}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def test_tokens_of_an_issuer(settings: ApiSettings, issuer: Issuer) -> None:
    roles = {"shifters": "analyst", "watchers": "viewer"}
    oidc = Oidc("https://id.example.org", "skymist", issuer.url, roles)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(issuer.key.public_key())
    with serving(replace(settings, oidc=oidc)) as site:
        me = site.call(issuer.token(), "GET", "/me").json()
        assert (me["name"], me["role"]) == ("oidc:ana", "analyst")
        assert site.call(issuer.token(groups="watchers"), "GET", "/me").json()["role"] == "viewer"
        assert site.call("viewer", "GET", "/me").json()["role"] == "viewer"
        check_problem(site.call(issuer.token(groups=["staff", 3]), "GET", "/me"), 403, "none of the values of groups")
        check_problem(site.call(issuer.token(sub="a\nb"), "GET", "/me"), 403)
        past = datetime.now(UTC) - timedelta(minutes=5)
        bad = [
            issuer.token(exp=past), issuer.token(exp=None), issuer.token(iss="https://evil.example.org"),
            issuer.token(aud="other"), issuer.token(sub=None), issuer.token(key=issuer.other),
            issuer.token(kid="two"), issuer.token(key="x" * 64, algorithm="HS256"), issuer.token()[:-9],
            jwt.encode({"sub": "ana"}, None, "none"), "a.b.c", public,
        ]  # fmt: skip
        for token in bad:
            check_problem(site.call(token, "GET", "/me", headers={}), 401)
        assert issuer.asked == 1  # an unknown key is not looked for again and again


def test_an_issuer_that_is_away(settings: ApiSettings, issuer: Issuer) -> None:
    oidc = Oidc("https://id.example.org", "skymist", "http://127.0.0.1:9/keys", {"shifters": "analyst"})
    with serving(replace(settings, oidc=oidc)) as site:
        check_problem(site.call(issuer.token(), "GET", "/me"), 503)
        assert site.call("viewer", "GET", "/me").status_code == 200
