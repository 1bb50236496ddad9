"""An OpenID Connect issuer on loopback: it signs tokens, and lets one person log in by authorization code with PKCE."""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "skymist web", "pass:word"
"""Of the service, as the issuer knows it; with letters that have to be quoted."""


class Issuer(ThreadingHTTPServer):
    """Publishes a key on loopback and signs tokens with it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Endpoints)
        self.key, self.other = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
        self.asked = 0
        self.home = f"http://127.0.0.1:{self.server_port}"
        self.url = f"{self.home}/keys"
        self.codes: dict[str, dict[str, str]] = {}
        self.refuses = ""  # the reason why nobody may log in
        self.said: dict[str, Any] = {}  # claims that its tokens have beside, or instead of, the usual ones

    def token(self, *, key: Any = None, kid: str = "one", algorithm: str = "RS256", **claims: Any) -> str:
        usual = {"iss": "https://id.example.org", "aud": "skymist", "sub": "ana", "groups": ["shifters", "staff"],
                 "exp": datetime.now(UTC) + timedelta(minutes=5)}  # fmt: skip
        said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(said, key or self.key, algorithm, {"kid": kid})

    def authorize(self, asked: dict[str, str]) -> str:
        """Return where a browser is sent to that comes to log in."""
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        if self.refuses:
            said = {"error": self.refuses, "error_description": "<b>call us</b>"}
        else:
            said = {"code": secrets.token_urlsafe(16)}
            self.codes[said["code"]] = asked
        said |= {"state": asked["state"], "iss": "https://id.example.org"}
        return f"{asked['redirect_uri']}?{urlencode(said)}"

    def redeem(self, given: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Return the token for a code: once, to whom it was given, who has the verifier."""
        own = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
        if [unquote(each) for each in own] != [CLIENT, SECRET]:
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(given["code"], None)
        digest = hashlib.sha256(given["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        right = asked and (asked["code_challenge"], asked["redirect_uri"]) == (challenge, given["redirect_uri"])
        if not right or given["grant_type"] != "authorization_code" or len(given["code_verifier"]) < 43:
            return 400, {"error": "invalid_grant"}
        token = self.token(**{"aud": CLIENT, "nonce": asked["nonce"], **self.said})
        return 200, {"id_token": token, "access_token": "opaque", "token_type": "Bearer"}


class _Endpoints(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/authorize":
            self._answer(302, b"", Location=self.server.authorize(_flat(url.query)))
            return
        self.server.asked += 1
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.server.key.public_key(), as_dict=True)
        self._answer(200, json.dumps({"keys": [{**public, "kid": "one", "alg": "RS256", "use": "sig"}]}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, document = self.server.redeem(_flat(body), self.headers.get("Authorization", ""))
        self._answer(status, json.dumps(document).encode())

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def _flat(query: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(query).items()}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Start an issuer, and stop it."""
    with Issuer() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            found.shutdown()
            thread.join()
