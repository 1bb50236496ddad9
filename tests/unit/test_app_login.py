"""Logging in with a browser: by a token or at an issuer; what the cookie opens, and for whom it does not."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from issuer import CLIENT, SECRET, Issuer, issuing
from serving import Site, check_problem, opened, serving

from skymist.api import ApiSettings, Limits, Oidc, login
from skymist.api.limits import COOKIE
from skymist.api.oidc import Detour
from skymist.app import door


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ApiSettings]:
    with opened(tmp_path) as found:
        yield found


def add_login(app: Any) -> None:
    app.include_router(login.router)


@pytest.fixture
def site(settings: ApiSettings) -> Iterator[Site]:
    with serving(settings, add=add_login) as found:
        yield found


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as found:
        yield found


class Browser(httpx.Client):
    """Keeps cookies, and says of what site its forms are."""

    def __init__(self, site: Site) -> None:
        super().__init__(base_url=site.url, timeout=60, trust_env=False)
        self.site = site

    def send_form(self, path: str, origin: str | None = "", **form: str) -> httpx.Response:
        headers = {} if origin is None else {"Origin": origin or self.site.url}
        return self.post(path, data=form, headers=headers)

    def log_in(self, role: str = "viewer", to: str = "") -> httpx.Response:
        return self.send_form("/login", token=self.site.tokens[role], to=to)

    def follow(self, answer: httpx.Response) -> httpx.Response:
        return self.get(answer.headers["location"])


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    with Browser(site) as found:
        yield found


def set_cookie(answer: httpx.Response, name: str = COOKIE) -> "Morsel[str]":
    lines = [line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{name}=")]
    return SimpleCookie(lines[0])[name]


def check_refused(answer: httpx.Response, status: int, words: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert words in answer.text
    assert COOKIE not in "".join(each for each in answer.headers.get_list("set-cookie") if "Max-Age=0" not in each)


def test_the_pages_and_the_api_know_the_cookie_by_the_same_name() -> None:
    assert (door.COOKIE, door.HOME) == (COOKIE, login.HOME)


def test_a_token_lets_in_and_a_cookie_keeps_it(site: Site, browser: Browser) -> None:
    page = browser.get("/login?to=/alert?name=IceCube-170922A%26role=test")
    assert page.status_code == 200
    assert '<label for="token">' in page.text
    assert 'value="/alert?name=IceCube-170922A&amp;role=test"' in page.text
    answer = browser.send_form(
        "/login", token=f" {site.tokens['viewer']}\n", to="/alert?name=IceCube-170922A&role=test"
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/alert?name=IceCube-170922A&role=test")
    kept = set_cookie(answer)
    assert kept.value == site.tokens["viewer"]
    assert (kept["httponly"], kept["samesite"], kept["path"], kept["secure"]) == (True, "lax", "/", "")
    assert 89 * 86400 < int(kept["max-age"]) <= 90 * 86400
    assert browser.follow(browser.get("/login?to=/v1/me")).json()["role"] == "viewer"
    left = browser.send_form("/logout")
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert COOKIE not in browser.cookies
    check_problem(browser.get("/v1/me"), 401)


def test_the_page_needs_no_script_and_nothing_from_elsewhere(browser: Browser) -> None:
    page = browser.get("/login")
    assert "<script" not in page.text
    assert "http" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; style-src 'sha256-" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["referrer-policy"] == "same-origin"  # without it, a browser does not say who sends the form
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("to", "home"),
    [
        ("/alerts", False), ("/scan?id=1%2F2#x", False), ("/v1/scans/1/result?format=fits", False),
        ("//evil.example.org", True), ("/\\evil.example.org", True), ("https://evil.example.org/", True),
        ("javascript:alert(1)", True), ("/a\r\nSet-Cookie: x=y", True), ("/\tevil.example.org", True), ("", True),
        ("alerts", True), ("/login?to=/login", True), ("/logout", True), ("/" + "a" * 2000, True), ("/é", True),
        ("/%0d%0a/../..//evil.example.org", False),
    ],
)  # fmt: skip
def test_nobody_is_sent_to_another_site(browser: Browser, to: str, home: bool) -> None:
    wanted = login.HOME if home else to
    assert browser.log_in(to=to).headers["location"] == wanted
    assert browser.get("/login", params={"to": to}).headers["location"] == wanted
    assert urlsplit(wanted).netloc == ""


def test_the_page_tells_what_went_wrong(site: Site, browser: Browser) -> None:
    check_refused(browser.send_form("/login", token="skymist_no"), 401, "unknown, expired or revoked")
    check_refused(browser.send_form("/login", token=" "), 422, "Please enter a token")
    check_refused(browser.send_form("/login"), 422, "Please enter a token")
    check_refused(browser.send_form("/login", token="x" * 5000), 401, "unknown, expired or revoked")
    script = browser.send_form("/login", token="<script>", to='/"><script>')
    check_refused(script, 401, "&gt;&lt;script&gt;")
    assert "<script" not in script.text
    assert browser.post("/login", content=b"\xff=%ff&token", headers={"Origin": site.url}).status_code == 422
    browser.cookies.set(COOKIE, "skymist_old", domain="127.0.0.1")
    ended = browser.get("/login?to=/scans")
    check_refused(ended, 401, "Your login has ended")
    assert COOKIE not in browser.cookies


@pytest.mark.parametrize(
    "origin", ["https://evil.example.org", "null", None, "http://127.0.0.1:1", "http://[", "http://"]
)
def test_forms_of_other_sites_are_refused(site: Site, browser: Browser, origin: str | None) -> None:
    answer = browser.send_form("/login", origin, token=site.tokens["viewer"])
    check_refused(answer, 403, "from the login page of this service itself")
    browser.cookies.set(COOKIE, site.tokens["viewer"])
    assert browser.send_form("/logout", origin).status_code == 403
    assert COOKIE in browser.cookies


def test_behind_a_proxy_with_tls_the_cookie_is_secure(settings: ApiSettings) -> None:
    behind = replace(settings, origins=("https://alerts.example.org",))
    with serving(behind, add=add_login) as site, Browser(site) as browser:
        token = site.tokens["viewer"]
        by_setting = browser.send_form("/login", "https://alerts.example.org", token=token)
        assert (by_setting.status_code, set_cookie(by_setting)["secure"]) == (303, True)
        named = {"Host": "other.example.org", "Origin": "https://other.example.org"}
        assert set_cookie(browser.post("/login", data={"token": token}, headers=named))["secure"] is True
        told = {"X-Forwarded-Proto": "https", "Origin": site.url}
        assert set_cookie(browser.post("/login", data={"token": token}, headers=told))["secure"] is True


def test_the_cookie_is_the_api_key_for_what_only_reads(browser: Browser) -> None:
    browser.log_in("operator")
    assert browser.get("/v1/me").json()["role"] == "operator"
    assert browser.get("/v1/log").status_code == 200
    for method, path in (("POST", "/v1/scans"), ("POST", "/v1/tokens"), ("DELETE", "/v1/tokens/0000000000000000"),
                         ("POST", "/v1/events?name=e.csv")):  # fmt: skip
        check_problem(browser.request(method, path, json={}, headers={"Origin": browser.site.url}), 401, "a token is")
    answer = browser.get("/v1/log")
    assert "sandbox" in answer.headers["content-security-policy"]
    browser.log_in("viewer")
    check_problem(browser.get("/v1/log"), 403, "this needs the role operator; viewer is viewer")


def test_a_header_goes_before_the_cookie(browser: Browser) -> None:
    browser.log_in("operator")
    headers = {"Authorization": f"Bearer {browser.site.tokens['viewer']}"}
    assert browser.get("/v1/me", headers=headers).json()["role"] == "viewer"
    for header in ("Bearer skymist_no", "Basic YTpi", "Bearer"):
        check_problem(browser.get("/v1/me", headers={"Authorization": header}), 401)


def test_a_revoked_token_opens_nothing_from_then_on(browser: Browser) -> None:
    made = browser.site.call("operator", "POST", "/tokens", json={"owner": "ana", "role": "viewer", "days": 3}).json()
    browser.send_form("/login", token=made["token"])
    assert browser.get("/v1/me").json()["name"] == "ana"
    assert browser.site.call("operator", "DELETE", f"/tokens/{made['id']}").status_code == 204
    check_problem(browser.get("/v1/me"), 401, "unknown, expired or revoked")
    check_refused(browser.send_form("/login", token=made["token"]), 401, "unknown, expired or revoked")


FETCHED = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
FOLLOWED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FRAMED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}


@pytest.mark.parametrize(
    ("site_of", "how", "status"),
    [
        ("cross-site", FETCHED, 403), ("cross-site", FRAMED, 403), ("same-site", FETCHED, 403), ("cross-site", {}, 403),
        ("cross-site", FOLLOWED, 200), ("same-origin", FETCHED, 200), ("none", FOLLOWED, 200), (None, {}, 200),
    ],
)  # fmt: skip
def test_other_sites_may_link_but_not_fetch(
    browser: Browser, site_of: str | None, how: dict[str, str], status: int
) -> None:
    browser.log_in()
    headers = {**how, **({} if site_of is None else {"Sec-Fetch-Site": site_of})}
    assert browser.get("/v1/me", headers=headers).status_code == status
    own = {"Authorization": f"Bearer {browser.site.tokens['viewer']}"}
    assert browser.get("/v1/me", headers={**headers, **own}).status_code == 200


def test_a_cookie_and_a_header_with_the_same_token_share_a_limit(settings: ApiSettings) -> None:
    few = replace(settings, limits=Limits(per_second=0.001, burst=6))
    with serving(few, add=add_login) as site, Browser(site) as browser:
        browser.log_in()
        assert [browser.get("/v1/me").status_code for _ in range(3)] == [200] * 3
        assert [site.call("viewer", "GET", "/me").status_code for _ in range(4)] == [200] * 3 + [429]
        check_problem(browser.get("/v1/me"), 429)


def test_attempts_to_log_in_are_limited(settings: ApiSettings) -> None:
    few = replace(settings, limits=Limits(per_second=0.001, burst=5))
    with serving(few, add=add_login) as site, Browser(site) as browser:
        tried = [browser.send_form("/login", token=f"skymist_{k}") for k in range(6)]
        assert [each.status_code for each in tried] == [401] * 5 + [429]
        assert int(tried[-1].headers["retry-after"]) > 0


def test_while_tokens_cannot_be_checked_the_page_says_so(site: Site, browser: Browser) -> None:
    browser.log_in()
    with site.database.begin() as session:
        session.connection().exec_driver_sql("ALTER TABLE tokens RENAME TO gone")
    check_refused(browser.log_in(), 503, "cannot be checked at present")
    answer = browser.get("/login")
    check_refused(answer, 503, "cannot be checked at present")
    assert COOKIE in browser.cookies


# At an issuer.


@pytest.fixture
def elsewhere(settings: ApiSettings, issuer: Issuer) -> ApiSettings:
    oidc = Oidc(
        "https://id.example.org", "skymist", issuer.url, {"shifters": "analyst"},
        authorize_url=f"{issuer.home}/authorize", token_url=f"{issuer.home}/token", client_id=CLIENT,
        client_secret=SECRET, scope="openid groups",
    )  # fmt: skip
    return replace(settings, oidc=oidc)


@pytest.fixture
def visitor(elsewhere: ApiSettings) -> Iterator[Browser]:
    with serving(elsewhere, add=add_login) as site, Browser(site) as browser:
        yield browser


def go_and_come_back(visitor: Browser, to: str = "/v1/me") -> httpx.Response:
    there = visitor.get("/login/oidc", params={"to": to})
    return visitor.follow(visitor.follow(there))


def test_who_logs_in_at_the_issuer_is_let_in(visitor: Browser, issuer: Issuer) -> None:
    page = visitor.get("/login?to=/scan?id=1%262")
    assert "Log in with id.example.org" in page.text
    assert 'href="/login/oidc?to=/scan%3Fid%3D1%262"' in page.text
    there = visitor.get("/login/oidc?to=/v1/me")
    asked = parse_qs(urlsplit(there.headers["location"]).query)
    assert asked["redirect_uri"] == [f"{visitor.site.url}/login/callback"]
    kept = set_cookie(there, login.DETOUR)
    assert (kept["httponly"], kept["samesite"], kept["path"], kept["max-age"]) == (True, "lax", "/login", "600")
    assert asked["code_challenge"][0] not in kept.value
    back = visitor.follow(there)
    answer = visitor.follow(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/v1/me")
    assert login.DETOUR not in visitor.cookies
    assert int(set_cookie(answer)["max-age"]) <= 300
    me = visitor.follow(answer).json()
    assert (me["name"], me["role"]) == ("oidc:ana", "analyst")


def test_each_way_to_the_issuer_has_secrets_of_its_own() -> None:
    first, second = Detour.begin("/alerts"), Detour.begin("/alerts")
    assert not {first.state, first.nonce, first.verifier} & {second.state, second.nonce, second.verifier}
    assert Detour.parse(first.kept()) == first
    for text in ("", "e30=", "WzEsMiwzLDRd", "x" * 99, "W10=", "é", "[" * 5000, Detour("a", "", "c", "d").kept()):
        assert Detour.parse(text) is None


def test_an_answer_to_another_browser_is_refused(visitor: Browser, issuer: Issuer) -> None:
    back = visitor.follow(visitor.get("/login/oidc"))
    with Browser(visitor.site) as other:
        check_refused(other.get(back.headers["location"]), 403, "did not begin in this browser")
        other.get("/login/oidc")
        check_refused(other.get(back.headers["location"]), 403, "did not begin in this browser")
    assert len(issuer.codes) == 1  # nobody has shown it
    check_refused(visitor.get("/login/callback?code=x"), 403, "did not begin in this browser")


def test_an_answer_is_taken_once(visitor: Browser) -> None:
    there = visitor.get("/login/oidc")
    back, kept = visitor.follow(there), visitor.cookies[login.DETOUR]
    assert visitor.follow(back).status_code == 303
    check_refused(visitor.follow(back), 403, "did not begin in this browser")
    visitor.cookies.set(login.DETOUR, kept, path="/login")
    check_refused(visitor.follow(back), 403, "does not confirm who you are")


def test_a_code_of_somebody_else_is_of_no_use(visitor: Browser, issuer: Issuer) -> None:
    theirs = visitor.follow(visitor.get("/login/oidc")).headers["location"]
    stolen = parse_qs(urlsplit(theirs).query)["code"][0]
    mine = parse_qs(urlsplit(visitor.follow(visitor.get("/login/oidc")).headers["location"]).query)
    answer = visitor.get("/login/callback", params={"code": stolen, "state": mine["state"][0]})
    check_refused(answer, 403, "does not confirm who you are")


@pytest.mark.parametrize(
    "said",
    [
        {"nonce": "another"}, {"nonce": None}, {"aud": "other"}, {"aud": ["other", CLIENT], "azp": "other"},
        {"iss": "https://evil.example.org"}, {"exp": datetime(2026, 1, 1, tzinfo=UTC)}, {"sub": None}, {"kid": "two"},
    ],
)  # fmt: skip
def test_a_token_that_is_not_for_this_login_is_refused(visitor: Browser, issuer: Issuer, said: dict[str, Any]) -> None:
    issuer.said = said
    check_refused(go_and_come_back(visitor), 403, "does not confirm who you are")


def test_who_has_no_role_is_told_so(visitor: Browser, issuer: Issuer) -> None:
    issuer.said = {"groups": ["guests"]}
    check_refused(go_and_come_back(visitor), 403, "none of the values of groups in your token gives a role")
    visitor.cookies.set(COOKIE, issuer.token(groups=["guests"]))
    check_refused(visitor.get("/login"), 403, "You may not come in here")


def test_a_token_that_no_cookie_can_hold_is_refused(visitor: Browser, issuer: Issuer) -> None:
    issuer.said = {"groups": ["shifters", *(f"group {k}" for k in range(400))]}
    check_refused(go_and_come_back(visitor), 403, "too long for a cookie")


def test_an_issuer_that_refuses(visitor: Browser, issuer: Issuer) -> None:
    issuer.refuses = "access_denied"
    answer = go_and_come_back(visitor)
    check_refused(answer, 403, "does not let you in (access_denied)")
    assert "call us" not in answer.text  # words in an address are anybody's
    issuer.refuses = "<script>"
    check_refused(go_and_come_back(visitor), 403, "(no reason is given)")


def test_an_answer_of_another_issuer_is_refused(visitor: Browser) -> None:
    back = visitor.follow(visitor.get("/login/oidc")).headers["location"]
    evil = back.replace("id.example.org", "evil.example.org")
    check_refused(visitor.get(evil), 403, "comes from another issuer")


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"token_url": "http://127.0.0.1:9/token"}, 503, "does not answer"),
        ({"client_secret": "wrong"}, 403, "does not confirm who you are"),
        ({"client_secret": None}, 403, "does not confirm who you are"),
    ],
)
def test_an_issuer_that_cannot_be_asked(
    elsewhere: ApiSettings, changes: dict[str, Any], status: int, words: str
) -> None:
    assert elsewhere.oidc is not None
    broken = replace(elsewhere, oidc=replace(elsewhere.oidc, **changes))
    with serving(broken, add=add_login) as site, Browser(site) as browser:
        check_refused(go_and_come_back(browser), status, words)


def test_an_issuer_that_answers_nonsense(visitor: Browser, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Callable[..., tuple[int, Any]]] = [
        lambda *_: (200, []), lambda *_: (200, {}), lambda *_: (200, {"id_token": 5}),
        lambda *_: (200, {"id_token": "x"}), lambda *_: (302, {"id_token": issuer.token()}),
        lambda *_: (400, {"error": "a\nb" * 99}),
    ]  # fmt: skip
    for answer in answers:
        monkeypatch.setattr(issuer, "redeem", answer)
        check_refused(go_and_come_back(visitor), 403, "does not confirm who you are")


def test_without_an_issuer_there_is_no_other_place_to_log_in(browser: Browser) -> None:
    check_refused(browser.get("/login/oidc"), 404, "knows no other place")
    assert "/login/oidc" not in browser.get("/login").text
    check_refused(browser.get("/login/callback?code=x&state=y"), 403, "did not begin in this browser")


def test_the_issuer_is_told_the_address_that_browsers_know(elsewhere: ApiSettings) -> None:
    behind = replace(elsewhere, origins=("https://alerts.example.org",))
    with serving(behind, add=add_login) as site, Browser(site) as browser:
        there = browser.get("/login/oidc")
        asked = parse_qs(urlsplit(there.headers["location"]).query)
        assert asked["redirect_uri"] == ["https://alerts.example.org/login/callback"]
        assert set_cookie(there, login.DETOUR)["secure"] is True


def test_a_secret_is_not_shown(elsewhere: ApiSettings) -> None:
    assert SECRET not in repr(elsewhere)
