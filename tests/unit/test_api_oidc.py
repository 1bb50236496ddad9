"""Tokens of an OpenID Connect issuer on loopback: only those that it signed, for us, in time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from issuer import Issuer, issuing
from serving import check_problem, opened, serving

from skymist.api import ApiSettings, Oidc
from skymist.errors import RequestError, UnknownNameError


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ApiSettings]:
    with opened(tmp_path) as found:
        yield found


LOGIN = {"authorize_url": "https://id.example.org/in", "token_url": "https://id.example.org/token", "client_id": "us"}


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
        ({"jwks_url": ""}, RequestError),
        ({"client_id": "us"}, RequestError),
        ({**LOGIN, "token_url": None}, RequestError),
        ({**LOGIN, "token_url": "http://id.example.org/token"}, RequestError),
        ({**LOGIN, "authorize_url": "ftp://id.example.org/in"}, RequestError),
        ({**LOGIN, "scope": "profile"}, RequestError),
    ],
)
def test_an_issuer_that_makes_no_sense(changes: dict[str, Any], error: type[RequestError]) -> None:
    usual = {"issuer": "https://id.example.org", "audience": "skymist", "jwks_url": "https://id.example.org/keys"}
    with pytest.raises(error):
        Oidc(**{**usual, "roles": {"shifters": "analyst"}, **changes})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as found:
        yield found


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
