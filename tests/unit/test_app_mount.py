"""The pages come after the API, or not at all; what the settings say of who logs in."""

import importlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import PANELS, showing
from serving import check_problem, opened, serving

from skymist.api import ApiSettings
from skymist.app import mount
from skymist.errors import ReadError, RequestError, SkymistError, UnknownNameError
from skymist.workflow.settings import ServiceSettings

pytestmark = PANELS
serve = importlib.import_module("skymist.cli.serve")


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ApiSettings]:
    with opened(tmp_path) as found:
        yield found


def test_without_panel_there_is_the_api_alone(
    settings: ApiSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = importlib.import_module("skymist.app.mount")
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "panel" else object())
    with serving(settings, add=serve._add_pages) as site:
        assert site.call("viewer", "GET", "/me").status_code == 200
        for path in ("/alerts", "/login", "/"):
            check_problem(site.as_(None).get(f"{site.url}{path}"), 404)
    told = [record.getMessage() for record in caplog.records if record.name == "skymist.cli.serve"]
    assert told == ["no dashboard: panel is not installed (pip install 'skymist[dashboard]')"]


def test_one_page_that_is_out_of_order_does_not_close_the_others(
    settings: ApiSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module, found = importlib.import_module("skymist.app.mount"), importlib.import_module

    def broken(name: str) -> Any:
        if name.endswith("pages.watch"):
            raise ImportError("half of it")
        return found(name)

    monkeypatch.setattr(module, "import_module", broken)
    with showing(settings) as dashboard:
        assert dashboard.get("/operations").status_code == 200
        assert dashboard.get("/watch").status_code == 200
    assert [record.getMessage() for record in caplog.records if record.exc_info] == ["the page watch is out of order"]


def test_pages_that_cannot_be_made_leave_the_api(
    settings: ApiSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("skymist.app.sessions.Pages.__init__", broken)
    with showing(settings) as dashboard:
        assert dashboard.get("/v1/me").status_code == 200
        answer = dashboard.get("/operations")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "The dashboard is starting" in answer.text
    assert any("the dashboard does not run" in record.getMessage() for record in caplog.records)
    assert mount.__module__ == "skymist.app.mount"


USUAL = {"issuer": "https://id.example.org", "audience": "skymist", "jwks_url": "https://id.example.org/keys",
         "roles": {"shifters": "analyst"}}  # fmt: skip


def of(**changes: Any) -> ServiceSettings:
    return ServiceSettings("records.sqlite", "scans", **changes)


def test_a_secret_of_the_issuer_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    home = "https://id.example.org"
    more = {"authorize_url": f"{home}/in", "token_url": f"{home}/token", "client_id": "us"}
    monkeypatch.setenv("OUR_SECRET", "pass")
    found = serve._oidc(of(oidc={**USUAL, **more, "client_secret": "$OUR_SECRET"}))
    assert found is not None
    assert (found.client_secret, found.audiences) == ("pass", ("skymist", "us"))
    assert serve._oidc(of()) is None
    with pytest.raises(RequestError, match="client_secret of oidc is in the variable NOWHERE_SET"):
        serve._oidc(of(oidc={**USUAL, **more, "client_secret": "$NOWHERE_SET"}))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"isuer": "x"}, UnknownNameError, "no setting of oidc is called 'isuer'; there are: algorithms, audience"),
        ({"roles": ["shifters"]}, RequestError, "roles"),
        ({"roles": {"shifters": 3}}, UnknownNameError, "no role is called '3'"),
        ({"claim": 5}, RequestError, "claim"),
        ({"algorithms": ["HS256"]}, UnknownNameError, "no signature algorithm is called 'HS256'"),
        ({"client_id": "us"}, RequestError, "takes authorize_url, token_url and client_id"),
    ],
)
def test_settings_of_an_issuer_that_make_no_sense(
    changes: dict[str, Any], error: type[SkymistError], words: str
) -> None:
    with pytest.raises(error, match=words):
        serve._oidc(of(oidc={**USUAL, **changes}))


def test_an_issuer_without_what_it_needs() -> None:
    with pytest.raises(RequestError, match="oidc needs audience, jwks_url, roles"):
        serve._oidc(of(oidc={"issuer": "https://id.example.org"}))


@pytest.mark.parametrize(
    "origin", ["alerts.example.org", "https://a.example.org/x", "ftp://a", "https://", "", 5, "http://a b"]
)
def test_origins_look_like_origins(tmp_path: Path, origin: object) -> None:
    with pytest.raises(RequestError, match=r"origins: .* is none; they look like https://"):
        of(origins=(origin,))
    path = tmp_path / "service.yaml"
    path.write_text("origins: ['" + str(origin) + "']")
    with pytest.raises(ReadError, match=r"service\.yaml"):
        ServiceSettings.load(path, tmp_path)


def test_origins_are_kept_as_browsers_send_them() -> None:
    assert of(origins=("https://Alerts.Example.org:8443", "http://[::1]:80")).origins == (
        "https://alerts.example.org:8443", "http://[::1]:80",
    )  # fmt: skip


def test_the_log_does_not_tell_of_each_page_that_comes_and_goes() -> None:
    def line(text: str, *words: object) -> logging.LogRecord:
        return logging.LogRecord("uvicorn.error", logging.INFO, "", 0, text, words, None)

    assert not serve._is_no_socket(line('%s - "WebSocket %s" [accepted]', "127.0.0.1", "/alerts/ws"))
    assert not serve._is_no_socket(line("connection open"))
    assert serve._is_no_socket(line("Started server process [%d]", 1))
