"""A stand-in for DataCite's service of DOIs: its REST API and its accounts, on this machine.

It behaves as the real one (https://support.datacite.org/docs/api, and the public code of datacite/lupo): a DOI is
made by POST and changed by PUT, which makes it, too, if there is none; what is taken, of another prefix, without the
right password or, unless it is a draft, not described as the schema wants, is refused in DataCite's words. A DOI is a
draft, registered or findable, and events that do not fit the state change nothing. It can fail as services fail.
"""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from datacite import schema45

from skymist.workflow.archive.settings import DataCiteSettings

USERNAME, PASSWORD, PREFIX = "EXAMPLE.SKYMIST", "pa55word:ü", "10.12345"
MEDIA = "application/vnd.api+json"
DRAFT, REGISTERED, FINDABLE = "draft", "registered", "findable"
NEXT = {
    ("register", DRAFT): REGISTERED, ("publish", DRAFT): FINDABLE, ("publish", REGISTERED): FINDABLE,
    ("hide", FINDABLE): REGISTERED,
}  # fmt: skip


@dataclass
class DataCite:
    """The service, and what it knows.

    Attributes
    ----------
    dois : dict
        Attributes by DOI, ``state`` among them.
    trouble : list of str
        What goes wrong with the next requests, the first first: ``500`` (and other statuses), ``dropped`` (the
        connection ends without an answer, and nothing is taken), ``lost`` (the same, but it is taken), ``page`` (a web
        page comes back, as if it had been taken).
    """

    dois: dict[str, dict[str, Any]] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def settings(self, **changes: str) -> DataCiteSettings:
        """Return what skymist is told of it."""
        given = {"prefix": PREFIX, "username": USERNAME, "password": PASSWORD, "url": self.url, **changes}
        return DataCiteSettings(**given)

    def save(self, doi: str, given: dict[str, Any]) -> list[dict[str, str]]:
        """Keep what is said of a DOI, and return what is wrong with it: then nothing changes."""
        known = self.dois.get(doi, {"state": DRAFT})
        found = {**known, **{key: value for key, value in given.items() if key not in ("event", "doi", "prefix")}}
        found["state"] = NEXT.get((given.get("event", ""), known["state"]), known["state"])
        wrong = []
        if not re.match(r"(ftp|http|https)://\S+", found.get("url", "")):
            wrong.append({"source": "url", "uid": doi, "title": "URL is not valid"})
        described = {key: value for key, value in found.items() if key != "state"}
        if found["state"] != DRAFT and not schema45.validator.is_valid({**described, "doi": doi}):
            wrong.append({"source": "metadata", "uid": doi, "title": "Is invalid"})
        if not wrong:
            self.dois[doi] = found
        return wrong


@contextmanager
def running() -> Iterator[DataCite]:
    """Yield a service that listens on this machine."""
    service = DataCite()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.service = True, service
    service.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def service(self) -> DataCite:
        return self.server.service

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, status: int, document: Any, kind: str = MEDIA) -> None:
        body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, title: str) -> None:
        self.answer(status, {"errors": [{"status": str(status), "title": title}]})

    def tell(self, status: int, doi: str) -> None:
        known = self.service.dois[doi]
        prefix, suffix = doi.split("/", 1)
        attributes = {**known, "doi": doi, "prefix": prefix, "suffix": suffix}
        self.answer(status, {"data": {"id": doi, "type": "dois", "attributes": attributes}})

    def do_GET(self) -> None:
        self.service.requests.append(f"GET {self.path}")
        doi = unquote(self.path).removeprefix("/dois/").lower()
        known = self.service.dois.get(doi)
        if known is None or (known["state"] != FINDABLE and not self.is_known()):
            self.refuse(404, "The resource you are looking for doesn't exist.")
        else:
            self.tell(200, doi)

    def do_POST(self) -> None:
        self.change("POST")

    def do_PUT(self) -> None:
        self.change("PUT")

    def change(self, method: str) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.service.requests.append(f"{method} {self.path}")
        with self.service.lock:
            trouble = self.service.trouble.pop(0) if self.service.trouble else ""
            if trouble == "dropped":
                self.close_connection = True
            elif trouble == "page":
                self.answer(201 if method == "POST" else 200, "<html>Welcome to the hotel</html>", "text/html")
            elif trouble.isdecimal():
                self.answer(int(trouble), f"<html>{trouble}</html>", "text/html")
            elif not self.is_known():
                self.refuse(401, "Bad credentials.")
            elif self.headers.get("Content-Type") != MEDIA:
                self.refuse(406, "The content type is not recognized.")
            else:
                self.take(method, content, lost=trouble == "lost")

    def is_known(self) -> bool:
        given = self.headers.get("Authorization", "")
        return given == "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()

    def take(self, method: str, content: bytes, lost: bool) -> None:
        try:
            given = json.loads(content)["data"]["attributes"]
        except (ValueError, KeyError, TypeError):
            self.refuse(400, "You need to provide a payload following the JSONAPI spec")
            return
        doi = (given["doi"] if method == "POST" else unquote(self.path).removeprefix("/dois/")).lower()
        known = doi in self.service.dois
        if not re.fullmatch(rf"{re.escape(PREFIX)}/[-._;()/:a-z0-9*~$=]+", doi):
            self.refuse(403, "You are not authorized to access this resource.")
            return
        wrong = [{"source": "doi", "uid": doi, "title": "This DOI has already been taken"}]
        if method == "PUT" or not known:
            wrong = self.service.save(doi, given)
        if lost:
            self.close_connection = True
        elif wrong:
            self.answer(422, {"errors": wrong})
        else:
            self.tell(200 if known else 201, doi)
