"""Dask's own dashboard behind our login: pages, files and live messages for operators, nothing for anybody else."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import Site, check_problem, opened, running, serving
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from skymist.api import Limits
from skymist.records import runners
from skymist.workflow.process import own_name

LIMITS = Limits(per_second=1e6, burst=1_000_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service, and a runner whose cluster has a dashboard."""
    with (
        opened(tmp_path_factory.mktemp("dask"), limits=LIMITS) as settings,
        running(settings, dask_dashboard=True),
        serving(settings, "websockets-sansio") as found,
    ):
        found.scan(found.event())
        yield found


@pytest.fixture(scope="module")
def path(site: Site) -> str:
    return find_path(site)


def find_path(site: Site) -> str:
    """Return where the dashboard of the cluster is, once its runner has told."""
    end = time.monotonic() + 60
    while not (held := site.call("viewer", "GET", "/operations").json()["clusters"]) or not held[0]["dashboard"]:
        assert time.monotonic() < end, held
        time.sleep(0.05)
    return str(held[0]["dashboard"]).removesuffix("/status")


def get(site: Site, path: str, role: str | None = "operator", method: str = "GET", **headers: str) -> httpx.Response:
    """Ask as a browser does; the path goes out as it is."""
    cookies = {} if role is None else {"Cookie": f"skymist_token={site.tokens.get(role, role)}"}
    with httpx.Client(trust_env=False) as client:
        url = httpx.URL(site.url).copy_with(raw_path=path.encode())
        return client.request(method, url, headers={"Sec-Fetch-Site": "none", **cookies, **headers})


@contextmanager
def talking(
    site: Site, path: str, role: str | None = "operator", origin: str | None = None
) -> Iterator[ClientConnection]:
    """Open the WebSocket of a page, as the page does."""
    page = get(site, path)
    (token,) = re.findall(r'"token":"([^"]+)"', page.text)
    cookies = {} if role is None else {"Cookie": f"skymist_token={site.tokens[role]}"}
    with connect(
        f"{site.url.replace('http', 'ws', 1)}{path}/ws", origin=Origin(origin or site.url), additional_headers=cookies,
        subprotocols=[Subprotocol("bokeh"), Subprotocol(token)], proxy=None, compression=None,
    ) as socket:  # fmt: skip
        yield socket


def test_an_operator_sees_the_page_and_what_belongs_to_it(site: Site, path: str) -> None:
    page = get(site, f"{path}/status")
    assert page.status_code == 200
    assert "Dask" in page.text
    # With Panel in the process there are more scripts than Bokeh's own.
    scripts = re.findall(r'<script[^>]* src="(static/js/bokeh\.min[^"]+)"', page.text)
    script = get(site, f"{path}/{scripts[0]}")
    assert (script.status_code, len(script.content) > 100_000) == (200, True)
    assert script.headers["cache-control"] == "private, max-age=86400"
    assert get(site, f"{path}/statics/css/base.css").headers["content-type"].startswith("text/css")
    for name in ("workers", "tasks", "system", "graph", "info/main/workers.html"):
        assert get(site, f"{path}/{name}").status_code == 200
    head = get(site, f"{path}/statics/css/base.css", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")


def test_a_page_may_load_and_talk_to_nothing_but_itself(site: Site, path: str) -> None:
    page, host = get(site, f"{path}/status"), site.url.removeprefix("http://")
    policy = page.headers["content-security-policy"]
    assert f"connect-src {host}{path}/ ws://{host}{path}/ wss://{host}{path}/;" in policy
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox allow-scripts allow-same-origin")
    assert (page.headers["x-content-type-options"], page.headers["cache-control"]) == ("nosniff", "no-store")
    assert "set-cookie" not in page.headers
    info = get(site, f"{path}/info/main/workers.html").text
    assert "https://cdn" not in info
    (style,) = re.findall(r'href="\.\./\.\./(statics/css/[^"]+)"', info)
    assert get(site, f"{path}/{style}").status_code == 200


def test_a_page_is_live(site: Site, path: str) -> None:
    with talking(site, f"{path}/workers") as socket:
        assert socket.subprotocol == "bokeh"
        assert '"msgtype":"ACK"' in str(socket.recv(30)).replace(" ", "") + str(socket.recv(30)).replace(" ", "")
        socket.send('{"msgid":"1","msgtype":"PULL-DOC-REQ"}')
        socket.send("{}")
        socket.send("{}")
        while "PULL-DOC-REPLY" not in (told := str(socket.recv(30))):
            assert told


@pytest.mark.parametrize("role", [None, "viewer", "analyst", "approver", "skymist_" + "0" * 64])
def test_nobody_else_sees_it(site: Site, path: str, role: str | None) -> None:
    for name in ("", "/status", "/statics/css/base.css"):
        answer = get(site, path + name, role)
        check_problem(answer, 403 if role in ("viewer", "analyst", "approver") else 401)


@pytest.mark.parametrize("role", [None, "viewer"])
def test_nobody_else_hears_it(site: Site, path: str, role: str | None) -> None:
    with pytest.raises(InvalidStatus, match="403"), talking(site, f"{path}/status", role):
        pass


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_site_hears_nothing(site: Site, path: str, origin: str) -> None:
    with pytest.raises(InvalidStatus, match="403"), talking(site, f"{path}/status", origin=origin):
        pass


def test_a_page_of_another_site_loads_nothing(site: Site, path: str) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
    check_problem(get(site, f"{path}/status", **foreign), 403)


def test_a_program_comes_in_with_its_token(site: Site, path: str) -> None:
    answer = get(site, f"{path}/status", None, Authorization=f"Bearer {site.tokens['operator']}")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "more",
    ["/../../v1/me", "/..%2f..%2fv1/me", "/%2e%2e/status", "/statics/..%2f..%2f..%2fscheduler.py",
     "/statics/%252e%252e/x", "/proxy/80/127.0.0.1/", "/proxy%2f80/x", "/jupyter/lab", "/api/v1/retire_workers",
     "/status%00", "/..%5cx", "/./status"],
)  # fmt: skip
def test_there_is_no_way_out_of_it(site: Site, path: str, more: str) -> None:
    with closing(HTTPConnection(site.url.removeprefix("http://"))) as raw:  # others would tidy the path up
        raw.request("GET", path + more, headers={"Cookie": f"skymist_token={site.tokens['operator']}"})
        answer = raw.getresponse()
        assert (answer.status, json.loads(answer.read())["status"]) == (404, 404)


def test_an_unknown_cluster_leads_nowhere(site: Site, path: str) -> None:
    for name in (
        "/dask/local.00000000/status",
        "/dask/127.0.0.1:80/status",
        "/dask/x/status",
        "/dask/",
        "/dask//status",
    ):
        assert get(site, name).status_code == 404
    with pytest.raises(InvalidStatus, match="403"), connect(
        f"{site.url.replace('http', 'ws', 1)}/dask/local.00000000/status/ws", origin=Origin(site.url), proxy=None,
        additional_headers={"Cookie": f"skymist_token={site.tokens['operator']}"},
    ):  # fmt: skip
        pass


def test_pages_are_only_looked_at(site: Site, path: str) -> None:
    answer = get(site, f"{path}/status", method="POST")
    assert answer.status_code in (401, 405)


def test_the_way_to_the_first_page_stays_here(site: Site, path: str) -> None:
    for name in (path, f"{path}/"):
        answer = get(site, name)
        assert (answer.status_code, answer.headers["location"]) == (307, f"{path}/status")


class Odd(BaseHTTPRequestHandler):
    """What another process at a port that a runner has recorded might answer."""

    seen: list[dict[str, str]] = []  # noqa: RUF012 (the handler's class is made once)

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers))
        self.send_response(302 if self.path.startswith("/go") else 200)
        if self.path.startswith("/go"):
            self.send_header("Location", {"/go/out": "http://evil.example/", "/go/up": "//evil.example/x",
                                          "/go/on": "/status?x=1"}[self.path])  # fmt: skip
        self.send_header("Set-Cookie", "skymist_token=stolen")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words: Any) -> None:
        pass


@contextmanager
def recorded(folder: Path, address: str, owner: str = "") -> Iterator[Site]:
    """A service whose records say that a cluster has its dashboard there."""
    held = {"id": "odd.00000000", "name": "odd", "state": "running", "asked": None, "workers": 1, "threads": 1,
            "scans": 0, "since": "2026-03-04T05:06:07+00:00", "idle_since": None, "dashboard": address}  # fmt: skip
    with opened(folder) as settings, serving(settings, "websockets-sansio") as site:
        with settings.database.begin() as session:
            runners.report(session, owner or own_name(), 1, [held])
        yield site


@pytest.fixture
def odd() -> Iterator[int]:
    Odd.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_redirects_elsewhere_are_not_followed_and_secrets_stay_here(tmp_path: Path, odd: int) -> None:
    with recorded(tmp_path, f"http://127.0.0.1:{odd}") as site:
        page = get(site, "/dask/odd.00000000/status", **{"X-Forwarded-For": "1.2.3.4", "Authorization": ""})
        assert page.text == "ok"
        assert {name.lower() for name in Odd.seen[0]} <= {
            "host",
            "accept",
            "accept-encoding",
            "user-agent",
            "connection",
        }
        assert "set-cookie" not in page.headers
        assert "access-control-allow-origin" not in page.headers
        for name in ("go/out", "go/up"):
            check_problem(get(site, f"/dask/odd.00000000/{name}"), 502, "elsewhere")
        assert get(site, "/dask/odd.00000000/go/on").headers["location"] == "/dask/odd.00000000/status?x=1"


@pytest.mark.parametrize(
    "address",
    ["http://192.0.2.1:80", "http://169.254.169.254:80", "https://127.0.0.1:1", "http://127.0.0.1:1@evil.example",
     "file:///etc", ""],
)  # fmt: skip
def test_only_this_machines_loopback_interface_is_asked(tmp_path: Path, address: str) -> None:
    with recorded(tmp_path, address) as site:
        check_problem(get(site, "/dask/odd.00000000/status"), 404, "no dashboard")
        assert site.call("viewer", "GET", "/operations").json()["clusters"][0]["dashboard"] == ""


def test_a_runner_of_another_machine_means_its_own_loopback_interface(tmp_path: Path, odd: int) -> None:
    with recorded(tmp_path, f"http://127.0.0.1:{odd}", "elsewhere:1:1.00") as site:
        check_problem(get(site, "/dask/odd.00000000/status"), 404, "it is on elsewhere")
    assert Odd.seen == []


def test_what_a_dead_runner_has_recorded_is_not_asked(tmp_path: Path, odd: int) -> None:
    with recorded(tmp_path, f"http://127.0.0.1:{odd}", own_name().rsplit(":", 1)[0] + ":1.00") as site:
        check_problem(get(site, "/dask/odd.00000000/status"), 404, "no runner holds this cluster")
    assert Odd.seen == []


def test_one_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with recorded(tmp_path, "http://127.0.0.1:1") as site:
        check_problem(get(site, "/dask/odd.00000000/status"), 503, "does not answer")
        headers = {"Cookie": f"skymist_token={site.tokens['operator']}"}
        with pytest.raises(InvalidStatus, match="403"), connect(
            f"{site.url.replace('http', 'ws', 1)}/dask/odd.00000000/status/ws", origin=Origin(site.url), proxy=None,
            additional_headers=headers,
        ):  # fmt: skip
            pass


def test_a_login_has_to_be_shown_again_after_a_while(tmp_path: Path) -> None:
    limits = Limits(per_second=1e6, burst=1_000_000, stream_seconds=1.0)
    with (
        opened(tmp_path, limits=limits) as settings,
        running(settings, dask_dashboard=True),
        serving(settings, "websockets-sansio") as site,
    ):
        site.scan(site.event())
        with talking(site, f"{find_path(site)}/workers") as socket:
            for _ in socket:  # ends with the connection, as it does in good order
                pass
            assert socket.close_code == 1001
