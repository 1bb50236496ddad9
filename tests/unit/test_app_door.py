"""Who comes in to the pages: nobody without a token, to nobody else's session, from no other site."""

import asyncio
import base64
import json
import logging
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from bokeh.util.token import generate_jwt_token, generate_session_id, get_session_id, get_token_payload
from fastapi import FastAPI
from pages import PANELS, Dashboard, ended, hear, say, showing
from serving import check_problem, opened
from websockets.exceptions import InvalidStatus

from skymist.app.door import COOKIE, UNKNOWN, Door
from skymist.app.sitemap import PAGES
from skymist.errors import StoreError

PATHS = [page.path for page in PAGES.values()]
pytestmark = PANELS


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("site")
    origins, patience = ("https://alerts.example.org",), {"look_again_s": 0.05, "check_s": 0.05, "linger_s": 60.0}
    with opened(folder, origins=origins) as settings, showing(settings, **patience) as found:
        yield found


def refused(dashboard: Dashboard, token: str, **how: Any) -> bool:
    """Return whether a connection is refused before it is accepted."""
    with pytest.raises(InvalidStatus) as found:
        dashboard.socket(token, **how)
    return bool(found.value.response.status_code == 403)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_without_a_valid_cookie_leads_to_the_login(dashboard: Dashboard, path: str) -> None:
    for who in (None, "skymist_no", ""):
        answer = dashboard.get(f"{path}?name=a%26b", who)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/login?to={quote(f'{path}?name=a%26b', safe='')}"
        assert answer.headers["cache-control"] == "no-store"
    header = dashboard.get(path, None, Authorization=f"Bearer {dashboard.site.tokens['viewer']}")
    assert header.status_code == 303  # a page is for a browser


def test_the_front_door_leads_to_the_alerts(dashboard: Dashboard) -> None:
    assert dashboard.get("/", None).headers["location"] == "/alerts"


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_for_who_has_a_cookie(dashboard: Dashboard, path: str) -> None:
    answer = dashboard.get(path)
    assert answer.status_code == 200
    assert f"<title>{PAGES[path[1:]].title} - skymist</title>" in answer.text.replace("\n", "")
    with dashboard.socket(dashboard.page(path), path) as socket:
        assert hear(socket).msgtype == "ACK"


def test_what_a_browser_may_do_with_a_page(dashboard: Dashboard) -> None:
    headers = dashboard.get("/operations").headers
    policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
    assert "'unsafe-inline'" not in policy["script-src"]
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert "http" not in headers["content-security-policy"]
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_each_page_has_another_word_for_its_scripts(dashboard: Dashboard) -> None:
    words = set()
    for _ in range(2):
        answer = dashboard.get("/operations")
        word = answer.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
        assert len(word) >= 20
        own = answer.text.count("<script") - answer.text.count("src=") - answer.text.count('type="application/json"')
        assert answer.text.count(f'nonce="{word}"') >= own > 0
        words.add(word)
    assert len(words) == 2


def test_files_may_be_kept_and_components_are_for_who_is_in(dashboard: Dashboard) -> None:
    known = dashboard.get("/static/js/bokeh.min.js?v=1", None)
    assert (known.status_code, known.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert dashboard.get("/static/js/bokeh.min.js", None).headers["cache-control"] == "public, no-cache"
    assert dashboard.get("/static/none.js?v=1", None).headers["cache-control"] == "no-store"
    component = "/components/panel.widgets.tables/Tabulator/_stylesheets/css/tabulator.css"
    assert dashboard.get(component, None).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["antigravity/x/_css/y", "os/path/_css/passwd", "panel/x", "panel.config/config/_css/a", "skymist/app/door/x", ""],
)
def test_what_is_asked_for_is_never_imported_for_that(dashboard: Dashboard, path: str) -> None:
    assert dashboard.get(f"/components/{path}").status_code == 404
    assert "antigravity" not in sys.modules


def test_the_token_is_in_no_page_and_in_no_session_token(dashboard: Dashboard) -> None:
    secret = dashboard.site.tokens["operator"]
    for path in PATHS:
        answer = dashboard.get(f"{path}?name=x", "operator")
        session = dashboard.page(f"{path}?name=x", "operator")
        payload = get_token_payload(session)
        for text in (answer.text, str(answer.headers), json.dumps(payload, default=str), session):
            assert secret not in text
            assert secret.removeprefix("skymist_") not in text
        assert (payload["headers"], payload["cookies"]) == ({}, {})
        with dashboard.socket(session, path, "operator") as socket:
            hear(socket)
            say(socket, "PULL-DOC-REQ")
            assert secret not in json.dumps(hear(socket).content, default=str)


def test_a_connection_needs_a_valid_cookie(dashboard: Dashboard) -> None:
    token = dashboard.page()
    for who in (None, "skymist_no"):
        assert refused(dashboard, token, who=who)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.org", "null", None, "http://127.0.0.1", "http://127.0.0.1:1", "http://[", "file://"],
)
def test_a_connection_from_another_site_is_refused(dashboard: Dashboard, origin: str | None) -> None:
    assert refused(dashboard, dashboard.page(), origin=origin)


def test_a_connection_from_a_site_of_the_settings_is_accepted(dashboard: Dashboard) -> None:
    with dashboard.socket(dashboard.page(), origin="https://alerts.example.org") as socket:
        assert hear(socket).msgtype == "ACK"


def test_forged_and_altered_session_tokens_are_refused(dashboard: Dashboard, caplog: pytest.LogCaptureFixture) -> None:
    right = dashboard.page()
    own, signature = right.split(".")
    payload = json.loads(base64.urlsafe_b64decode(own + "=" * (-len(own) % 4)))
    bomb = base64.urlsafe_b64encode(zlib.compress(b"[" * 10**6)).decode().rstrip("=")
    deep = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
    forged = {
        "unsigned": own,
        "of another key": generate_jwt_token(get_session_id(right), b"another key", signed=True),
        "unsigned, of a new session": generate_jwt_token(generate_session_id(signed=False), signed=False),
        "altered": _token({**payload, "session_expiry": payload["session_expiry"] + 999}) + f".{signature}",
        "bomb": _token({**payload, "__bk__zlib_": bomb}) + f".{signature}",
        "cut": right[:-1], "no token": "x", "two signatures": f"{right}.{signature}", "deep": f"{deep}.{signature}",
    }  # fmt: skip
    with caplog.at_level(logging.WARNING):
        for name, token in forged.items():
            assert refused(dashboard, token), name
        for protocols in ([], ["bokeh"], ["other", right], ["bokeh", right, "x"]):
            assert refused(dashboard, right, subprotocols=protocols or None)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    with dashboard.socket(right) as socket:
        assert hear(socket).msgtype == "ACK"


def _token(payload: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")


def test_an_old_session_token_is_refused(dashboard: Dashboard) -> None:
    right = dashboard.page()
    payload = {key: value for key, value in get_token_payload(right).items() if key != "session_expiry"}
    key = dashboard.pages.key
    assert not refused_by(dashboard, generate_jwt_token(get_session_id(right), key, True, payload))
    assert refused(dashboard, generate_jwt_token(get_session_id(right), key, True, payload, expiration=-1))


def refused_by(dashboard: Dashboard, token: str) -> bool:
    with dashboard.socket(token) as socket:
        return bool(hear(socket).msgtype != "ACK")


def test_nobody_joins_the_session_of_somebody_else(dashboard: Dashboard) -> None:
    token = dashboard.page(who="viewer")
    assert refused(dashboard, token, who="operator")
    with dashboard.socket(token, who="viewer"):
        assert refused(dashboard, token, who="operator")
    made = dashboard.site.call("operator", "POST", "/tokens", json={"owner": "viewer", "role": "viewer", "days": 3})
    assert refused(dashboard, token, who=made.json()["token"])  # a name is not a person


def test_a_session_is_of_one_page(dashboard: Dashboard) -> None:
    assert refused(dashboard, dashboard.page("/operations"), path="/alerts")


def test_nobody_chooses_the_id_of_a_session(dashboard: Dashboard) -> None:
    mine = get_session_id(dashboard.page(who="viewer"))
    for name in (mine, "chosen", generate_session_id(dashboard.pages.key, signed=True)):
        answer = dashboard.get(f"/operations?bokeh_session_id={name}&bokeh-session-id={name}", "operator")
        assert answer.status_code == 200
        assert get_session_id(dashboard.page(f"/operations?bokeh_session_id={name}", "operator")) != name
    headers = {"Bokeh-Session-Id": mine}
    assert mine not in dashboard.get("/operations", "operator", **headers).text


def test_a_page_closes_when_its_token_is_revoked(dashboard: Dashboard) -> None:
    made = dashboard.site.call("operator", "POST", "/tokens", json={"owner": "ana", "role": "viewer", "days": 3}).json()
    with dashboard.socket(dashboard.page(who=made["token"]), who=made["token"]) as socket:
        assert hear(socket).msgtype == "ACK"
        with dashboard.socket(dashboard.page()) as other:
            hear(other)
            assert dashboard.site.call("operator", "DELETE", f"/tokens/{made['id']}").status_code == 204
            assert ended(socket) == UNKNOWN
            say(other, "PULL-DOC-REQ")
            assert hear(other).msgtype == "PULL-DOC-REPLY"
    check_problem(dashboard.get("/v1/me", made["token"]), 401)
    assert dashboard.get("/operations", made["token"]).status_code == 303


def test_requests_of_pages_are_limited_and_measured_like_others(dashboard: Dashboard) -> None:
    dashboard.get("/operations")
    metrics = dashboard.site.call("viewer", "GET", "/metrics").text
    assert 'route="/operations"' in metrics


def test_the_rest_is_not_the_doors(dashboard: Dashboard) -> None:
    assert dashboard.get("/v1/health", None).status_code == 200
    check_problem(dashboard.get("/alerts/", None), 404)
    check_problem(dashboard.get("/alerts/ws", None), 404)
    check_problem(dashboard.http.post("/alerts", headers=dashboard.cookie("viewer")), 405)


# The door alone.


@dataclass
class Someone:
    name: str
    role: str
    expires: datetime


class Asked:
    """A request as a server passes it on, and what is answered."""

    def __init__(self, kind: str) -> None:
        path = "/alerts" if kind == "http" else "/alerts/ws"
        headers = [(b"cookie", f"{COOKIE}=x".encode()), (b"host", b"a")]
        self.scope = {"type": kind, "path": path, "headers": headers, "query_string": b"", "method": "GET"}
        self.sent: list[dict[str, Any]] = []

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def receive(self) -> Any:
        await asyncio.Event().wait()


async def waiting(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    await receive()


def test_until_there_are_pages_whoever_wants_one_is_asked_to_wait() -> None:
    here = Someone("ana", "viewer", datetime.now(UTC) + timedelta(days=1))
    door, page, socket = (
        Door(FastAPI(), lambda _: here, lambda _: True, lambda: False, 1),
        Asked("http"),
        Asked("websocket"),
    )
    asyncio.run(door(page.scope, page.receive, page.send))
    assert page.sent[0]["status"] == 503
    assert dict(page.sent[0]["headers"])[b"retry-after"] == b"2"
    asyncio.run(door(socket.scope, socket.receive, socket.send))
    assert [each["type"] for each in socket.sent] == ["websocket.close"]


def test_while_tokens_cannot_be_checked_nobody_comes_in_and_who_is_in_stays_until_it_expires() -> None:
    away, asked = False, 0

    def who(_: str) -> Someone:
        nonlocal asked
        asked += 1
        if away:
            raise StoreError("the database is away")
        return here

    def door() -> Door:
        return Door(waiting, who, lambda _: True, lambda: True, 0.001)  # type: ignore[arg-type]

    async def stay(socket: Asked) -> bool:
        nonlocal away, asked
        away, asked = False, 0
        talk = asyncio.create_task(door()(socket.scope, socket.receive, socket.send))
        while not socket.sent and not talk.done():
            await asyncio.sleep(0)
        away = True
        while asked < 3 and not talk.done():
            await asyncio.sleep(0)
        stays = not talk.done()
        talk.cancel()
        await asyncio.wait({talk})
        return stays

    here = Someone("ana", "viewer", datetime.now(UTC) + timedelta(days=1))
    assert asyncio.run(stay(Asked("websocket")))
    here, gone = Someone("ana", "viewer", datetime.now(UTC)), Asked("websocket")
    assert not asyncio.run(stay(gone))
    assert gone.sent[-1] == {"type": "websocket.close", "code": UNKNOWN, "reason": "the login has ended"}
    for kind, refusal in (("http", {"status": 503}), ("websocket", {"code": UNKNOWN})):
        late = Asked(kind)
        asyncio.run(door()(late.scope, late.receive, late.send))
        assert refusal.items() <= late.sent[0].items()


def test_what_goes_wrong_inside_is_not_hidden_by_the_door() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    here, asked = Someone("ana", "viewer", datetime.now(UTC) + timedelta(days=1)), Asked("websocket")
    door = Door(fails, lambda _: here, lambda _: True, lambda: True, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(door(asked.scope, asked.receive, asked.send))
