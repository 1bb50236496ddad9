"""Who may do what: tokens, roles, limits, and what all answers have in common."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from serving import Site, check_problem, opened, serving

from skymist.api import ApiSettings, Limits
from skymist.api.limits import Buckets
from skymist.errors import StoreError
from skymist.records import Database
from skymist.records.tokens import Access


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ApiSettings]:
    with opened(tmp_path) as found:
        yield found


@pytest.fixture
def site(settings: ApiSettings) -> Iterator[Site]:
    with serving(settings) as found:
        yield found


def test_every_operation_needs_exactly_the_role_that_its_document_says(site: Site) -> None:
    document = site.call(None, "GET", "/openapi.json").json()
    names = {"scan_id": "0" * 64, "name": "1_1", "event": "1_1", "key": "x", "input_id": "0" * 64, "token_id": "0" * 16,
             "publication_id": "1", "fragment": "1_1", "format": "json"}  # fmt: skip
    for template, operations in document["paths"].items():
        for method, operation in operations.items():
            path = template.format(**names).removeprefix("/v1")
            if path == "/health":
                assert "x-role" not in operation
                continue
            assert site.call(None, method, path).status_code == 401
            for role in Access:
                status = site.call(role, method, path).status_code
                if role.includes(Access(operation["x-role"])):
                    assert status not in (401, 403), (method, path, role)
                else:
                    assert status == 403, (method, path, role)


def test_who_has_no_valid_token_is_not_let_in(site: Site) -> None:
    for header in ("", "Bearer", "Basic YTpi", "Bearer skymist_x", "Bearer " + "x" * 9000):
        answer = site.call(None, "GET", "/me", headers={"Authorization": header})
        check_problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_revoked_token_is_not_let_in(site: Site) -> None:
    made = site.call("operator", "POST", "/tokens", json={"owner": "ana", "role": "viewer", "days": 3}).json()
    me = site.call(made["token"], "GET", "/me").json()
    assert (me["name"], me["role"]) == ("ana", "viewer")
    assert datetime.fromisoformat(me["expires"]) - datetime.now(UTC) < timedelta(days=3)
    listed = site.call("operator", "GET", "/tokens").json()["items"]
    assert made["token"] not in json.dumps(listed)
    assert made["id"] in {each["id"] for each in listed}
    assert site.call("operator", "DELETE", f"/tokens/{made['id']}").status_code == 204
    check_problem(site.call(made["token"], "GET", "/me"), 401, "unknown, expired or revoked")
    check_problem(site.call("operator", "DELETE", f"/tokens/{made['id']}"), 409, "is revoked already")
    check_problem(site.call("operator", "DELETE", "/tokens/0000000000000000"), 404, "no token is called")
    entries = site.call("operator", "GET", "/log?subject=token&who=operator").json()["items"]
    assert [each["action"] for each in entries] == ["revoked", "created"]


def test_403_names_the_role(site: Site) -> None:
    problem = check_problem(site.call("viewer", "GET", "/log"), 403)
    assert problem["detail"] == "this needs the role operator; viewer is viewer"


def test_all_answers_are_private_and_not_to_be_run(site: Site) -> None:
    for role, path in ((None, "/me"), ("viewer", "/me"), ("viewer", "/none"), (None, "/health")):
        headers = site.call(role, "GET", path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


def test_problems_of_paths_methods_and_queries(site: Site) -> None:
    check_problem(site.call(None, "GET", "/docs"), 404)
    answer = site.call("operator", "PUT", "/scans", json={})
    check_problem(answer, 405)
    assert answer.headers["allow"] == "GET, POST"
    check_problem(site.call("viewer", "GET", "/scans?stat=queued"), 422, "stat")
    check_problem(site.call("viewer", "GET", "/me?x=1"), 422, "there is no query parameter 'x' here; there are: none")
    problem = check_problem(site.call("viewer", "GET", "/scans?limit=0&state=lost"), 422)
    assert {each["where"] for each in problem["faults"]} == {"query.limit", "query.state.0"}
    assert "input" not in json.dumps(problem["faults"])


REFUSED = (
    "/alerts/%00", "/events/a%00b", "/scans/%00%00%00%00%00%00%00%00", "/scans?rule=%00", "/scans?after=%00",
    "/alerts?after=99999999999999999999", "/events?run=9223372036854775808", "/log?after=-1",
    "/scans?since=0001-01-01T00:00:00%2B14:00", "/scans?since=2026-01-01T00:00:00", "/scans?until=0.5",
    "/log?subject_id=%ED%A0%80%00",
)  # fmt: skip
NOT_FOUND = ("/alerts/9223372036854775807_1", "/alerts/999999999999999999_999999999999999999", "/events/%ED%A0%80",
             "/alerts/" + "9" * 90, "/events/1_2", "/events?after=" + "9" * 64)  # fmt: skip


def test_what_no_database_can_hold_is_refused(database: Database) -> None:
    with serving(ApiSettings(database, "scans")) as site:
        for path in REFUSED:
            check_problem(site.call("operator", "GET", path), 422)
        for path in NOT_FOUND:
            check_problem(site.call("operator", "GET", path), 422 if "?" in path else 404, " is called ")


def test_a_defect_is_told_without_its_traceback(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("skymist.records.tokens.everyone", fail)
    answer = site.call("operator", "GET", "/tokens")
    check_problem(answer, 500, "a defect of skymist")
    assert "secret" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_database_that_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StoreError("postgresql://somewhere: connection refused")

    monkeypatch.setattr("skymist.records.Database.check", fail)
    answer = site.call(None, "GET", "/health")
    check_problem(answer, 503)
    assert "somewhere" not in answer.text


def test_a_body_is_counted_as_it_comes(settings: ApiSettings) -> None:
    limits = Limits(body_bytes=1000, event_bytes=2000)
    with serving(replace(settings, limits=limits)) as site:
        check_problem(site.call("analyst", "POST", "/notices", content=b"x" * 1001), 413, "at most 1000 bytes")
        check_problem(site.call("analyst", "POST", "/notices", content=iter([b"x" * 600] * 2)), 413, "at most 1000")
        check_problem(site.call("analyst", "POST", "/events", content=iter([b"x" * 1500] * 2)), 413, "at most 2000")
        check_problem(site.call("analyst", "POST", "/events", content=iter([b"x" * 1500])), 422, "quarantine")
        check_problem(site.call("analyst", "POST", "/scans", content=b" " * 1001), 413)
        check_problem(site.call("analyst", "POST", "/events", content=b""), 422, "the body is empty")


def test_who_asks_too_much_has_to_wait(settings: ApiSettings) -> None:
    with serving(replace(settings, limits=Limits(per_second=1e-3, burst=3))) as site:
        statuses = [site.call("viewer", "GET", "/me").status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 200, 429]  # the first one was counted for its address
        assert [site.call("analyst", "GET", "/me").status_code for _ in range(2)] == [200, 200]
        guesses = [site.call(f"skymist_{k}", "GET", "/me") for k in range(3)]
        assert [each.status_code for each in guesses] == [401, 429, 429]
        check_problem(guesses[-1], 429, "too many requests")
        assert int(guesses[-1].headers["retry-after"]) > 900


def test_buckets_fill_again_and_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    time = 0.0
    monkeypatch.setattr("time.monotonic", lambda: time)
    monkeypatch.setattr("skymist.api.limits.MOST_BUCKETS", 2)
    buckets = Buckets(per_second=2, burst=1)
    assert [buckets.take("t", "a"), buckets.take("t", "a")] == [0, 0.5]
    time = 0.25
    assert buckets.take("t", "a") == 0.25
    time = 0.5
    assert buckets.take("t", "a") == 0
    assert [buckets.take("", "b"), buckets.take("", "c"), buckets.take("", "a")] == [0, 0, 0]  # a was forgotten
