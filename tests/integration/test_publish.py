"""From a file that comes in to a circular at GCN: the service as its users start it, two people, one circular."""

import json
import signal
import threading
from pathlib import Path

import gcn
import pytest
import yaml
from integration.test_serve import started, until

import skymist
from skymist.client import Client
from skymist.errors import ConflictError
from skymist.workflow.events import demo_path

pytestmark = pytest.mark.integration


def test_an_event_becomes_a_circular_that_is_sent_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gcn.running(indexing_s=0.2) as service:
        monkeypatch.setenv("GCN_SECRET", "s3cret")
        settings = {**service.settings(), "client_secret": "$GCN_SECRET", "settle_s": 1.0}
        said = {"circulars": {"reporter": "The shift", "contact": "Ask the shift.", "gcn": settings}}
        (tmp_path / "service.yaml").write_text(yaml.safe_dump(said))
        with started(tmp_path, monkeypatch, f"--config={tmp_path}/service.yaml") as site:
            (site.incoming / "event.csv").write_bytes(demo_path().read_bytes())
            with skymist.connect(site.url) as shifter:
                until(lambda: len([*shifter.circulars.find(role="test")]) == 1)
                until(lambda: all(each["state"] == "complete" for each in site.scans().values()))
                (draft,) = shifter.circulars.find(role="test")
                until(lambda: "stale" not in json.dumps(shifter.circulars.check(draft["id"])))
                number = draft["id"]
                shown = shifter.circulars.show(number)
                assert shown["texts"][0]["who"] == "workflow"
                assert shifter.circulars.check(number) == []
                body = shown["body"].replace("The shift reports", "The shift is pleased to report")
                head = shifter.circulars.edit(number, shown["revision"], shown["subject"], body)["head"]
                with pytest.raises(ConflictError, match="somebody else has to approve it"):
                    shifter.circulars.approve(number, head)
                other = skymist.connect(site.url, _token(shifter))
                with other as approver:
                    approver.circulars.approve(number, head)
                    confirm = approver.circulars.preview(number)["sha256"]
                    service.trouble = ["slow"]
                    approver.circulars.send(number, confirm)
                    killed = threading.Timer(0.7, lambda: site.parts()["workflow"].send_signal(signal.SIGKILL))
                    killed.start()
                    until(lambda: approver.circulars.show(number)["state"] == "sent")
                    killed.join()
                assert [each["body"] for each in service.circulars] == [body]
                assert shifter.circulars.show(number)["number"] == "40000"


def _token(client: Client) -> str:
    """Return the token of a second person."""
    return str(client._calls.post("tokens", {"owner": "second", "role": "approver"})["token"])
