"""What the OpenAPI document says is what happens, whatever is sent and whoever sends it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import schemathesis
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import BaseSchema
from unit.test_api_access import Site, check_problem, serving
from unit.test_api_results import carry_out

from skymist import cluster
from skymist.api import ApiSettings, Limits, create_app
from skymist.records import Database
from skymist.records.tokens import Access

pytestmark = pytest.mark.integration

DOCUMENT = create_app(ApiSettings(Database("sqlite:///none"), "scans")).openapi()


def cases(examples: int, *, coverage: bool = False, mode: str = "all") -> BaseSchema:
    """Return the operations of the document, with so many examples of each; the same in each run."""
    generation = {"max-examples": examples, "mode": mode, "deterministic": True, "no-shrink": True, "database": "none",
                  "with-security-parameters": False}  # fmt: skip
    # What a document cannot say (which events, names and options there are) is refused, too.
    checks = {"positive_data_acceptance": {"enabled": False}}
    phases = {"coverage": {"enabled": coverage}, "stateful": {"enabled": False}}
    config = {"seed": 5, "generation": generation, "phases": phases, "checks": checks}
    return schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig.from_dict(config))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service whose streams end soon, and which lets nobody wait."""
    folder = tmp_path_factory.mktemp("site")
    limits = Limits(per_second=1e6, burst=1_000_000, stream_seconds=0.01)
    with closing(Database(f"sqlite:///{folder}/records.sqlite")) as database:
        database.upgrade()
        with serving(ApiSettings(database, str(folder / "scans"), limits=limits)) as found:
            yield found


@pytest.fixture(scope="module")
def known(site: Site) -> dict[str, str]:
    """What paths may name: an event, its alert, a scan of it with a map and the like."""
    scan = site.scan(site.event())["id"]
    with cluster.connect("local", 1) as client:
        carry_out(site, scan, client)
    unread = check_problem(site.call("analyst", "POST", "/notices", content=b"{"), 422)["input"]
    token = site.call("operator", "POST", "/tokens", json={"owner": "ana", "role": "viewer"}).json()["id"]
    return {"scan_id": scan, "name": "137840_1", "event": "137840_1", "input_id": unread, "token_id": token,
            "key": "zarr.json"}  # fmt: skip


def as_(site: Site, role: str | None) -> dict[str, str]:
    return {} if role is None else {"Authorization": f"Bearer {site.tokens[role]}"}


@cases(10, coverage=True).parametrize()
def test_the_document_holds_for_whatever_is_sent(case: schemathesis.Case, site: Site) -> None:
    case.call_and_validate(base_url=site.url, headers=as_(site, Access.OPERATOR))


@cases(8, mode="positive").parametrize()
def test_the_document_holds_for_what_there_is(case: schemathesis.Case, site: Site, known: dict[str, str]) -> None:
    load_all_checks()
    case.path_parameters = {name: known[name] for name in case.path_parameters}
    if isinstance(body := case.body, dict) and "event" in body:
        case.body = {**body, "event": "137840/1", "reco": "bowl", "options": {}}
    if not case.path.endswith("/rescan"):  # what an earlier case has deleted or cancelled is brought back
        site.call("analyst", "POST", f"/scans/{known['scan_id']}/rescan")
    answer = case.call(base_url=site.url, headers=as_(site, Access.OPERATOR))
    told = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name.endswith("_conformance")]
    case.validate_response(answer, checks=[*told, CHECKS.get_one("not_a_server_error")])


@cases(3).parametrize()
def test_nobody_does_what_is_beyond_the_role(case: schemathesis.Case, site: Site, known: dict[str, str]) -> None:
    needed: Any = case.operation.definition.raw.get("x-role")
    case.path_parameters = {name: known[name] for name in case.path_parameters}
    for role in (None, *Access):
        if needed is not None and (role is None or not role.includes(Access(needed))):
            answer = case.call(base_url=site.url, headers=as_(site, role))
            # A body that is no JSON, or no text at all, is told so, whoever sends it; nothing is done with it.
            unread = {400, 422} if isinstance(case.body, bytes) or not isinstance(case.body, dict) else set()
            assert answer.status_code in {401 if role is None else 403, *unread}
