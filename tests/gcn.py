"""A stand-in for GCN's service of circulars: its API, its archive and its tokens, on this machine.

It behaves as the real one (https://gcn.nasa.gov/docs/circulars): refuses what has no keyword in the subject, no body,
no token or the wrong scope; numbers what it takes, the same text as often as it comes; gives an archive that is
searched by words and shows new circulars only after a while; and it can fail in the ways in which services fail.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SCOPE = "gcn.nasa.gov/circular-submitter"
KEYWORDS = "icecube", "grb", "fermi"
REPLIES = "re: ", "fwd: ", "automatic reply: ", "vacation"


@dataclass
class Gcn:
    """The service, and what it has taken.

    Attributes
    ----------
    circulars : list of dict
        In the order in which they came.
    indexing_s : float
        Until the archive finds a new circular.
    trouble : list of str
        What goes wrong with the next requests to send, the first first: ``500`` (and other statuses; nothing is taken),
        ``lost`` (it is taken, but the connection ends without an answer), ``dropped`` (neither), ``slow`` (taken, and
        answered after `slow_s`).
    """

    circulars: list[dict[str, Any]] = field(default_factory=list)
    indexing_s: float = 0.0
    trouble: list[str] = field(default_factory=list)
    slow_s: float = 1.0
    scope: str = f"openid {SCOPE}"
    requests: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def settings(self) -> dict[str, Any]:
        """Return what skymist is told of it."""
        return {
            "url": self.url, "token_url": f"{self.url}/oauth2/token", "client_id": "skymist", "client_secret": "s3cret",
            "refresh_token": "r3fresh",
        }  # fmt: skip

    def put(self, subject: str, body: str) -> dict[str, Any]:
        with self.lock:
            circular = {
                "circularId": 40000 + len(self.circulars), "subject": subject, "body": body, "submittedHow": "api",
                "createdOn": int(time.time() * 1000), "submitter": "skymist at a test <skymist@example.org>",
            }  # fmt: skip
            self.circulars.append(circular)
            return circular


@contextmanager
def running(**settings: Any) -> Iterator[Gcn]:
    """Yield a service that listens on this machine."""
    gcn = Gcn(**settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.gcn = True, gcn
    gcn.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield gcn
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def gcn(self) -> Gcn:
        return self.server.gcn

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, status: int, content: str, kind: str = "text/plain") -> None:
        body = content.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.gcn.requests.append(f"POST {self.path}")
        if self.path == "/oauth2/token":
            self.give_token(parse_qs(content.decode()))
        elif self.path == "/api/circulars":
            self.take(content)
        else:
            self.answer(404, "")

    def give_token(self, form: dict[str, list[str]]) -> None:
        wanted = {"grant_type": ["refresh_token"], "client_id": ["skymist"], "client_secret": ["s3cret"],
                  "refresh_token": ["r3fresh"]}  # fmt: skip
        if form != wanted:
            self.answer(400, json.dumps({"error": "invalid_grant"}), "application/json")
            return
        token = {"access_token": "acc3ss", "expires_in": 3600, "token_type": "Bearer"}
        self.answer(200, json.dumps(token), "application/json")

    def take(self, content: bytes) -> None:
        problem = self.problem(content)
        if problem:
            self.answer(*problem)
            return
        trouble = self.gcn.trouble.pop(0) if self.gcn.trouble else ""
        if trouble.isdecimal():
            self.answer(int(trouble), "trouble")
            return
        if trouble == "dropped":
            self.close_connection = True
            return
        document = json.loads(content)
        circular = self.gcn.put(document["subject"], document["body"])
        if trouble == "lost":
            self.close_connection = True
            return
        if trouble == "slow":
            time.sleep(self.gcn.slow_s)
        self.answer(200, json.dumps(circular), "application/json")

    def problem(self, content: bytes) -> tuple[int, str] | None:
        if not self.headers.get("Authorization", "").startswith("Bearer "):
            return 403, "Bearer missing"
        if self.headers["Authorization"] != "Bearer acc3ss":
            return 403, "Invalid token"
        if SCOPE not in self.gcn.scope.split():
            return 403, "Invalid scope"
        try:
            document = json.loads(content)
        except ValueError:
            return 500, "not JSON"
        subject, body = document.get("subject"), document.get("body")
        if not isinstance(subject, str) or not isinstance(body, str):
            return 400, ""
        words = subject.lower()
        if not any(each in words for each in KEYWORDS) or any(each in words for each in REPLIES):
            return 400, "subject is invalid"
        return None if body else (400, "body is invalid")

    def do_GET(self) -> None:
        self.gcn.requests.append(f"GET {self.path}")
        url = urlsplit(self.path)
        if url.path == "/circulars":
            self.search(parse_qs(url.query))
            return
        number = url.path.removeprefix("/circulars/").removesuffix(".json")
        found = [each for each in self.gcn.circulars if str(each["circularId"]) == number]
        if found and url.path.endswith(".json"):
            self.answer(200, json.dumps(found[0], indent=2), "application/json")
        else:
            self.answer(404, "")

    def search(self, query: dict[str, list[str]]) -> None:
        words = set("".join(query.get("query", [])).lower().split())
        latest = time.time() * 1000 - 1000 * self.gcn.indexing_s
        found = [
            each for each in reversed(self.gcn.circulars)
            if each["createdOn"] <= latest and words & set(each["subject"].lower().split())
        ][:100]  # fmt: skip
        items = "".join(
            f'<li value="{each["circularId"]}"><a class="usa-link" href="/circulars/{each["circularId"]}?view=index">'
            f"{each['subject']}</a></li>"
            for each in found
        )
        self.answer(200, f"<html><body><ol>{items}</ol></body></html>", "text/html")
