"""News go where hooks say: by a real SMTP server, and to what answers as Slack and Matrix do; and nowhere else."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as Mailbox
from desks import notice, take_notice

from skymist.errors import RequestError, UnknownNameError
from skymist.model.alert import Role, Tense
from skymist.records import Database, inputs, log, tables
from skymist.workflow.herald import Herald
from skymist.workflow.hooks import Email, Hook, Matrix, Slack, make_hooks
from skymist.workflow.service import retract

SITE = "https://skymist.example.org"


class Webhooks(ThreadingHTTPServer):
    """Takes whatever is sent, unless it is told to refuse."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.taken: list[tuple[str, str, dict[str, Any], str]] = []
        self.refuse = 0
        self.url = f"http://127.0.0.1:{self.server_port}/hook/secret"

    @property
    def texts(self) -> list[str]:
        return [body.get("text") or body["body"] for _, _, body, _ in self.taken]


class _Taker(BaseHTTPRequestHandler):
    server: Webhooks

    def take(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = 503 if self.server.refuse else 200
        self.server.refuse = max(0, self.server.refuse - 1)
        if status == 200:
            self.server.taken.append((self.command, self.path, body, self.headers.get("Authorization", "")))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = take

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def webhooks() -> Iterator[Webhooks]:
    server = Webhooks()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path}/r.sqlite")
    found.upgrade()
    yield found
    found.close()


def test_a_new_alert_a_revision_and_a_retraction_are_told_once(database: Database, webhooks: Webhooks) -> None:
    hook = Hook("room", Slack(webhooks.url), ("alert", "revision", "retraction"))
    herald = Herald(database, [hook], SITE)
    alert = take_notice(database, notice())
    take_notice(database, notice(number=1))
    retract(database, alert, "flasher run", "ana")
    herald.look()
    herald.look()
    first, second, third = webhooks.texts
    assert "is new" in first
    assert f"{SITE}/alert?name=" in first
    assert "RA" in first
    assert "new revision" in second
    assert "is retracted" in third
    Herald(database, [hook], SITE).look()
    assert len(webhooks.texts) == 3


def test_nothing_that_happened_before_there_was_a_hook_is_told(records: Database, webhooks: Webhooks) -> None:
    take_notice(records, notice())
    Herald(records, [Hook("room", Slack(webhooks.url))]).look()
    assert webhooks.texts == []


def test_tests_wake_nobody_unless_somebody_wants_them(records: Database, webhooks: Webhooks) -> None:
    usual, keen = Hook("usual", Slack(webhooks.url)), Hook("keen", Slack(webhooks.url), roles=(Role.TEST,))
    herald = Herald(records, [usual, keen])
    take_notice(records, notice(), Tense.TEST)
    herald.look()
    assert len(webhooks.texts) == 1


def test_a_hook_that_cannot_be_reached_is_told_later_and_holds_up_no_other(
    records: Database, webhooks: Webhooks
) -> None:
    gone = Slack("http://127.0.0.1:9/hook")
    herald = Herald(records, [Hook("gone", gone), Hook("room", Slack(webhooks.url))])
    take_notice(records, notice())
    webhooks.refuse = 1
    herald.look()
    assert webhooks.texts == []
    take_notice(records, notice(event=2))
    for listener in herald._listeners:
        listener.due = 0.0
    herald.look()
    assert len(webhooks.texts) == 2
    assert herald._listeners[0].pause_s > herald._listeners[1].pause_s


def test_what_was_missed_while_nobody_told_is_told_late(records: Database, webhooks: Webhooks) -> None:
    hook = Hook("room", Slack(webhooks.url))
    Herald(records, [hook])
    take_notice(records, notice())
    Herald(records, [hook]).look()
    assert len(webhooks.texts) == 1


def test_matrix_knows_what_is_sent_twice(records: Database, webhooks: Webhooks) -> None:
    room = Matrix(webhooks.url.removesuffix("/hook/secret"), "!room:example.org", "t0ken")
    herald = Herald(records, [Hook("matrix", room)], SITE)
    take_notice(records, notice())
    herald.look()
    ((method, path, body, token),) = webhooks.taken
    assert (method, token, body["msgtype"]) == ("PUT", "Bearer t0ken", "m.text")
    assert path.startswith("/_matrix/client/v3/rooms/%21room%3Aexample.org/send/m.room.message/")
    with records.begin() as session:
        last = session.query(tables.LogEntry).filter_by(subject="hook", action="begun").one()
        log.note(session, "test", "begun", "hook", "again", upto=last.details["upto"])
    Herald(records, [Hook("again", room)], SITE).look()
    assert webhooks.taken[1][1] == path


def test_mail_goes_by_a_real_server(records: Database) -> None:
    class Kept(Mailbox):
        def __init__(self) -> None:
            super().__init__()
            self.messages: list[Any] = []

        def handle_message(self, message: Any) -> None:
            self.messages.append(message)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    box = Kept()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        mail = Email("127.0.0.1", "skymist@example.org", ["shift@example.org", "b@example.org"], port, tls="none")
        herald = Herald(records, [Hook("mail", mail)], SITE)
        take_notice(records, notice())
        herald.look()
    finally:
        server.stop()
    (message,) = box.messages
    assert message["Subject"].startswith("[skymist] ")
    assert "is new" in message["Subject"]
    assert message["To"] == "shift@example.org, b@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert f"{SITE}/alert?name=" in message.get_payload()


def test_what_comes_from_outside_makes_no_links_or_mentions(records: Database, webhooks: Webhooks) -> None:
    herald = Herald(records, [Hook("room", Slack(webhooks.url), ("quarantine",))])
    with records.begin() as session:
        item, _ = inputs.receive(session, b"x", "notice", "test")
        inputs.quarantine(session, item, "<!channel> & <https://evil.example|click>")
    herald.look()
    assert "<" not in webhooks.texts[0]
    assert "&lt;!channel&gt; &amp; " in webhooks.texts[0]


SLACK = {"name": "room", "kind": "slack", "url": "$ROOM"}
MAIL = {"name": "mail", "kind": "email", "host": "example.org", "sender": "a@example.org", "to": ["b@example.org"]}


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({**SLACK, "kind": "pigeon"}, UnknownNameError, "slack"),
        ({**SLACK, "colour": "red"}, UnknownNameError, "url"),
        ({**SLACK, "when": ["dinner"]}, UnknownNameError, "retraction"),
        ({**SLACK, "when": "alert"}, RequestError, "is a list"),
        ({**SLACK, "roles": ["king"]}, UnknownNameError, "observation"),
        ({**SLACK, "streams": ["silver"]}, UnknownNameError, "gold"),
        ({**SLACK, "url": "$ELSEWHERE"}, RequestError, "ELSEWHERE, which is not set"),
        ({**SLACK, "url": "http://example.org/hook"}, RequestError, "https"),
        ({"name": "room", "kind": "slack"}, RequestError, "needs url"),
        ({"kind": "slack"}, RequestError, "name"),
        ({**MAIL, "tls": "none"}, RequestError, "encrypted"),
        ({**MAIL, "to": []}, RequestError, "list"),
        ({**MAIL, "tls": "ssl"}, UnknownNameError, "starttls"),
    ],
)
def test_hooks_that_make_no_sense(given: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make_hooks([given], {"ROOM": "https://hooks.example.org/secret"})


def test_hooks_of_the_settings() -> None:
    (hook,) = make_hooks([{**SLACK, "streams": ["gold"]}], {"ROOM": "https://hooks.example.org/secret"})
    assert hook.channel == Slack("https://hooks.example.org/secret")
    assert hook.streams == ("gold",)
    assert make_hooks([]) == []
    with pytest.raises(RequestError, match="two hooks"):
        make_hooks([SLACK, SLACK], {"ROOM": "https://hooks.example.org/secret"})
