"""What the OpenAPI document says is what happens, whatever is sent and whoever sends it."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.stateful.state_machine import StepInput, StepOutput
from schemathesis.schemas import BaseSchema
from serving import BOWL, PULSES, TABLE, Site, check_problem, opened, serving
from unit.test_api_alerts import notice
from unit.test_api_results import carry_out

from skymist import cluster
from skymist.api import ApiSettings, Limits, create_app
from skymist.records import Database
from skymist.records.tokens import Access
from skymist.workflow.archive.settings import ArchiveSettings

pytestmark = pytest.mark.integration

DOCUMENT = create_app(ApiSettings(Database("sqlite:///none"), "scans")).openapi()


def cases(examples: int, *, coverage: bool = False, mode: str = "all", stateful: bool = False) -> BaseSchema:
    """Return the operations of the document, with so many examples of each; the same in each run."""
    generation = {"max-examples": examples, "mode": mode, "deterministic": True, "no-shrink": True, "database": "none",
                  "with-security-parameters": False}  # fmt: skip
    # What a document cannot say (which events, names and options there are) is refused, too.
    checks = {"positive_data_acceptance": {"enabled": False}}
    phases = {"coverage": {"enabled": coverage}, "stateful": {"enabled": stateful}}
    config = {"seed": 5, "generation": generation, "phases": phases, "checks": checks}
    document = without_headers() if stateful else DOCUMENT
    return schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))


def without_headers() -> dict[str, Any]:
    """Return the document for walks, which would take X-File-Name for an id that nothing tells, and never upload."""
    document = deepcopy(DOCUMENT)
    for path in ("/v1/events", "/v1/notices"):
        told = document["paths"][path]["post"]
        told["parameters"] = [each for each in told["parameters"] if each["in"] != "header"]
    return document


@contextmanager
def quick(folder: Path) -> Iterator[Site]:
    """Yield a service whose streams end soon, and which lets nobody wait."""
    limits = Limits(per_second=1e6, burst=1_000_000, stream_seconds=0.01)
    with opened(folder, limits=limits, archive=ArchiveSettings(public=True)) as settings, serving(settings) as found:
        yield found


def fill(site: Site) -> dict[str, str]:
    """Return what paths may name: an event, its alert, a scan of it with a map and the like."""
    scan = site.scan(site.event())["id"]
    with cluster.connect("local", 1) as client:
        carry_out(site, scan, client)
    unread = check_problem(site.call("analyst", "POST", "/notices", content=b"{"), 422)["input"]
    token = site.call("operator", "POST", "/tokens", json={"owner": "ana", "role": "viewer"}).json()["id"]
    site.call("analyst", "POST", "/notices", content=notice(id=["137840_1"], event_name=None))
    drafted = site.call("analyst", "POST", "/publications", json={"alert": "137840_1"}).json()["id"]
    return {"scan_id": scan, "name": "137840_1", "event": "137840_1", "input_id": unread, "token_id": token,
            "key": "zarr.json", "publication_id": str(drafted), "fragment": released(site), "format": "datacite",
            "kind": "prov"}  # fmt: skip


def released(site: Site) -> str:
    """Release the alert, so that the public view has something to show, and return its fragment."""
    site.call("approver", "POST", "/records/137840_1/release", json={})
    return "137840_1"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with quick(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def known(site: Site) -> dict[str, str]:
    return fill(site)


def told(case: schemathesis.Case, answer: Any) -> None:
    """Check that an answer is one of those that the document tells of, and no defect."""
    load_all_checks()
    names = ["not_a_server_error", *(name for name in CHECKS.get_all_names() if name.endswith("_conformance"))]
    case.validate_response(answer, checks=[CHECKS.get_one(name) for name in names])


def as_(site: Site, role: str | None) -> dict[str, str]:
    return {} if role is None else {"Authorization": f"Bearer {site.tokens[role]}"}


@cases(10, coverage=True).parametrize()
def test_the_document_holds_for_whatever_is_sent(case: schemathesis.Case, site: Site) -> None:
    case.call_and_validate(base_url=site.url, headers=as_(site, Access.OPERATOR))


@cases(8, mode="positive").parametrize()
def test_the_document_holds_for_what_there_is(case: schemathesis.Case, site: Site, known: dict[str, str]) -> None:
    case.path_parameters = {name: known[name] for name in case.path_parameters}
    if isinstance(body := case.body, dict) and "event" in body:
        case.body = {**body, "event": "137840/1", "reco": "bowl", "options": {}}
    if isinstance(body := case.body, dict) and "alert" in body:
        case.body = {**body, "alert": "137840_1", "role": "observation"}
    if not case.path.endswith("/rescan"):  # what an earlier case has deleted or cancelled is brought back
        site.call("analyst", "POST", f"/scans/{known['scan_id']}/rescan")
    answer = case.call(base_url=site.url, headers=as_(site, Access.OPERATOR))
    told(case, answer)


@cases(3).parametrize()
def test_nobody_does_what_is_beyond_the_role(case: schemathesis.Case, site: Site, known: dict[str, str]) -> None:
    needed: Any = case.operation.definition.raw.get("x-role")
    case.path_parameters = {name: known[name] for name in case.path_parameters}
    for role in (None, *Access):
        if needed is not None and (role is None or not role.includes(Access(needed))):
            answer = case.call(base_url=site.url, headers=as_(site, role))
            assert answer.status_code == (401 if role is None else 403)


class Walk(cases(1, mode="positive", stateful=True).as_state_machine()):  # type: ignore[misc]
    """One thing after another: links, of the document or found in it, tell the names in paths."""

    site: Site
    role: str | None
    events: list[str]
    gone: list[str]
    seen: Counter[tuple[str, int]]
    wrong: list[Exception]

    def setup(self) -> None:
        self.rng, self.made = random.Random(self.rule_order_seed), dict[str, str]()

    def step(self, input: StepInput) -> StepOutput:
        sources = {"POST /v1/tokens"} if self.made else set()
        output: StepOutput = super().step(input)
        if input.transition is not None and input.applied_parameters:
            sources.add(input.transition.id.partition(" -> ")[0])
        if isinstance(body := input.case.body, dict) and body.get("event") in self.events:
            sources.add("POST /v1/events")
        label, status = input.case.operation.label, output.response.status_code
        self.seen.update([(label, status), *((f"{each} > {label}", status) for each in sources)])
        return output

    def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
        """Ask with the token that was made last."""
        made = [{"Authorization": f"Bearer {token}"} for token in self.made.values()]
        return {"base_url": self.site.url, "headers": made[-1] if made else as_(self.site, self.role)}

    def before_call(self, case: schemathesis.Case) -> None:
        """Send what makes sense, three times out of four: hardly anything of what is made up does."""
        if self.rng.random() < 0.25:
            return
        number, seed = self.rng.randrange(1, 6), 10 * self.rule_order_seed + self.rng.randrange(10)
        meant = {
            "POST /v1/events": (TABLE.format(run=137840, event=number) + PULSES).encode(),
            "POST /v1/notices": notice(id=[f"137840_{number}"], event_name=None),
            "POST /v1/scans": {"event": self.rng.choice(["137840/1", *self.events]), **BOWL, "seed": seed},
            "POST /v1/scans/{scan_id}/remix": {"changes": {"seed": number}, "replace": number == 1},
            "POST /v1/scans/{scan_id}/workers": {"workers": number},
            "POST /v1/alerts/{name}/retract": {"reason": "a test"},
            "POST /v1/publications": {"alert": "137840_1", "kind": self.rng.choice(["circular", "notice"])},
            "POST /v1/publications/{publication_id}/texts": {"base": 1, "subject": "IceCube-260304A - x", "body": "x"},
            "POST /v1/publications/{publication_id}/approve": {"revision": number},
            "POST /v1/tokens": {"owner": "ana", "role": self.role},
        }
        case.body = meant.get(case.operation.label, case.body)
        case.query = {"name": "e.csv"} if case.operation.label == "POST /v1/events" else {}
        if case.operation.label == "GET /v1/scans/{scan_id}" and self.gone and self.rng.random() < 0.5:
            case.path_parameters["scan_id"] = self.rng.choice(self.gone)

    def after_call(self, response: Any, case: schemathesis.Case) -> None:
        """Keep what links cannot hand on."""
        told = response.json() if response.status_code in (200, 201) and case.method == "POST" else {}
        if case.operation.label == "POST /v1/events" and told:
            self.events.append(told["event_id"])
        if case.operation.label == "POST /v1/tokens" and told and told["role"] == self.role:
            self.made[told["id"]] = told["token"]
        if case.operation.label == "DELETE /v1/scans/{scan_id}" and response.status_code == 204:
            self.gone.append(case.path_parameters["scan_id"])
        if case.operation.label == "DELETE /v1/tokens/{token_id}" and response.status_code == 204:
            self.made.pop(case.path_parameters["token_id"], None)

    def validate_response(self, response: Any, case: schemathesis.Case, *_: Any, **__: Any) -> None:
        try:
            self.check(response, case)
        except Exception as error:
            self.wrong.append(error)
            raise

    def check(self, response: Any, case: schemathesis.Case) -> None:
        needed: Any = case.operation.definition.raw.get("x-role")
        if needed is not None and self.role is None:
            assert response.status_code == 401
        elif needed is not None and not Access(self.role).includes(Access(needed)):
            assert response.status_code == 403
        else:
            assert response.status_code not in (401, 403)
        told(case, response)


WALKED = {
    ("POST /v1/events > POST /v1/scans", 201), ("POST /v1/scans", 201), ("POST /v1/scans/{scan_id}/remix", 201),
    ("POST /v1/scans/{scan_id}/cancel", 200), ("POST /v1/scans/{scan_id}/cancel", 409),
    ("POST /v1/scans/{scan_id}/rescan", 200), ("POST /v1/scans/{scan_id}/rescan", 409),
    ("POST /v1/scans/{scan_id}/workers", 200), ("DELETE /v1/scans/{scan_id}", 204), ("GET /v1/scans/{scan_id}", 200),
    ("GET /v1/scans/{scan_id}", 410), ("POST /v1/alerts/{name}/retract", 200),
    ("POST /v1/publications", 201), ("POST /v1/publications/{publication_id}/texts", 201),
    ("POST /v1/publications/{publication_id}/approve", 409), ("GET /v1/publications/{publication_id}", 200),
    ("POST /v1/quarantine/{input_id}/retry", 422), ("DELETE /v1/tokens/{token_id}", 204),
}  # fmt: skip
"""What an operator comes to do on the way, at least."""


@pytest.mark.parametrize("role", [None, *Access])
def test_whatever_was_done_before(tmp_path: Path, role: Access | None) -> None:
    seen: Counter[tuple[str, int]] = Counter()
    least, most, wanted = (16, 64, WALKED) if role == Access.OPERATOR else (3, 3, set())
    once = settings(max_examples=3, stateful_step_count=20, deadline=None, database=None, phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck))  # fmt: skip
    wrong: list[Exception] = []
    with quick(tmp_path) as site:
        fill(site)
        attributes = {"site": site, "role": role, "events": [], "gone": [], "seen": seen, "wrong": wrong}
        for number in range(most):  # where chance leads depends on the past: longer, until it was everywhere
            if number >= least and wanted <= set(seen):
                break
            walk = type("RoleWalk", (Walk,), {**attributes, "rule_order_seed": number})
            with suppress(FlakyStrategyDefinition):  # what a service does, and so what follows, depends on its past
                seed(number)(walk).run(settings=once)
    for error in wrong:
        raise error
    assert seen.total() > 5 * least
    assert wanted - set(seen) == set()
