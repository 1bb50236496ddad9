import ast
import importlib.util
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from skymist.cluster.kubernetes import Kubernetes
from skymist.cluster.kubernetes_manifests import Manifest, autoscaler, manifests
from skymist.errors import RequestError

ROOT = Path(__file__).parents[2]
VERSIONS = "1.28", kubernetes_validate.latest_version()

FULL: dict[str, Any] = {
    "context": "site",
    "service_account": "scanner",
    "priority_class": "urgent",
    "environment": {"HTTPS_PROXY": ""},
    "image_pull_secrets": ("registry",),
    "node_selector": {"cloud.google.com/gke-spot": "true"},
    "tolerations": ("cloud.google.com/gke-spot=true:NoSchedule", "dedicated:NoExecute"),
    "scheduler_node_selector": {"kubernetes.io/arch": "amd64"},
    "scheduler_tolerations": ("a=b:PreferNoSchedule",),
    "service_type": "LoadBalancer",
    "service_annotations": {"networking.gke.io/load-balancer-type": "Internal"},
    "source_ranges": ("192.0.2.0/24",),
}


def kubernetes(**values: Any) -> Kubernetes:
    shipped = yaml.safe_load((ROOT / "cluster_configs" / "kubernetes.yaml").read_text())
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in shipped.items()}
    return Kubernetes(**{**given, **values})


def rendered(workers: int | None = None, **values: Any) -> dict[str, Manifest]:
    settings = kubernetes(**values)
    found = [*manifests(settings, "skymist-1", workers, ("CERTIFICATE", "KEY")), autoscaler(settings, "skymist-1")]
    return {it["kind"]: it for it in found}


def container(cluster: Manifest, component: str) -> Manifest:
    (found,) = cluster["spec"][component]["spec"]["containers"]
    return dict(found)


def environment(cluster: Manifest, component: str) -> dict[str, Any]:
    return {it["name"]: it.get("value", it.get("valueFrom")) for it in container(cluster, component)["env"]}


def closed(schema: Any) -> Any:
    """Return a schema of Kubernetes' dialect that refuses fields it does not know, as JSON schema."""
    if isinstance(schema, list):
        return [closed(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        found["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        found.pop("type", None)
    return found


@cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    package = importlib.util.find_spec("dask_kubernetes")
    assert package is not None
    assert package.origin is not None
    (path,) = Path(package.origin).parent.glob(f"operator/deployment/helm/*/crds/{kind.lower()}.yaml")
    (version,) = yaml.safe_load(path.read_text())["spec"]["versions"]
    found = closed(version["schema"]["openAPIV3Schema"])
    # Those that every resource has are not in the schema of a custom one.
    found["properties"] |= {"apiVersion": {"const": "kubernetes.dask.org/v1"}, "kind": {"const": kind}, "metadata": {}}
    return jsonschema.Draft202012Validator(found)


def check(manifest: Manifest) -> None:
    """Raise for whatever Kubernetes would refuse or ignore."""
    if manifest["kind"].startswith("Dask"):
        validator(manifest["kind"]).validate(manifest)
    plain = [as_pod(manifest, it) for it in ("scheduler", "worker")] if manifest["kind"] == "DaskCluster" else []
    if manifest["kind"] == "DaskCluster":
        service = manifest["spec"]["scheduler"]["service"]
        plain.append({"apiVersion": "v1", "kind": "Service", "metadata": manifest["metadata"], "spec": service})
    elif not manifest["kind"].startswith("Dask"):
        plain.append(manifest)
    for version in VERSIONS:
        for resource in plain:
            kubernetes_validate.validate(resource, version, strict=True)


def as_pod(cluster: Manifest, component: str) -> Manifest:
    spec = cluster["spec"][component]["spec"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": cluster["metadata"], "spec": spec}


@pytest.mark.parametrize("tls", ["secret", "environment", "off"])
@pytest.mark.parametrize("values", [{}, FULL], ids=["shipped", "full"])
@pytest.mark.parametrize("workers", [None, 3])
def test_kubernetes_would_accept_every_manifest(tls: str, values: dict[str, Any], workers: int | None) -> None:
    found = rendered(workers, tls=tls, **values)
    for manifest in found.values():
        check(manifest)
    assert ("Secret" in found) == (tls == "secret")
    assert ("Service" in found) == (values is FULL)
    assert found["DaskCluster"]["spec"]["worker"]["replicas"] == (workers or 1)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every object with fields of Kubernetes' own naming."""
    if isinstance(value, dict) and not set(path[-1:]) & set(FREE):
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


FREE = "metadata", "labels", "annotations", "selector", "nodeSelector", "requests", "limits", "stringData"


def test_a_field_that_kubernetes_does_not_know_is_refused_wherever_it_is() -> None:
    refused = jsonschema.ValidationError, kubernetes_validate.ValidationError
    tried = 0
    for kind, manifest in rendered(**FULL).items():
        for path in places(manifest):
            wrong = yaml.safe_load(yaml.safe_dump(manifest))
            inner = wrong
            for key in path:
                inner = inner[key]
            inner["noSuchField"] = "1"
            with pytest.raises(refused):
                check(wrong)
            tried += 1
        assert tried, kind
    assert tried > 60


def test_what_is_shown_is_what_is_submitted_without_the_key() -> None:
    settings = kubernetes(**FULL)
    shown = settings.show("cloud")
    assert "cloud" in shown.splitlines()[0]
    run = "skymist-0123456789"
    hidden = manifests(settings, run, None, ("(made for each run)",) * 2)
    assert list(yaml.safe_load_all(shown)) == [*hidden, autoscaler(settings, run)]
    assert "&id" not in shown
    assert "PRIVATE KEY" not in kubernetes(tls="environment").show("cloud")
    assert "hunter2" not in repr(kubernetes(environment={"PASSWORD": "hunter2"}))


def test_tls_is_the_default_and_its_key_only_in_the_secret() -> None:
    found = rendered()
    assert found["Secret"]["stringData"] == {"tls.crt": "CERTIFICATE", "tls.key": "KEY"}
    assert "KEY" not in yaml.safe_dump(found["DaskCluster"]).replace("_KEY", "")
    for component in ("scheduler", "worker"):
        values = environment(found["DaskCluster"], component)
        key = values[f"DASK_DISTRIBUTED__COMM__TLS__{component.upper()}__KEY"]
        assert key == {"secretKeyRef": {"name": "skymist-1", "key": "tls.key"}}
        assert values["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] == "true"
    assert environment(found["DaskCluster"], "worker")["DASK_SCHEDULER_ADDRESS"].startswith(
        "tls://skymist-1-scheduler."
    )


def test_only_the_scheduler_is_reached_from_outside_and_it_serves_what_the_operator_asks_for() -> None:
    found = rendered(**FULL)
    assert found["DaskCluster"]["spec"]["scheduler"]["service"]["type"] == "ClusterIP"
    assert [it["port"] for it in found["Service"]["spec"]["ports"]] == [8786]
    routes = environment(found["DaskCluster"], "scheduler")["DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES"]
    assert ast.literal_eval(routes) == ["distributed.http.scheduler.api", "distributed.http.health"]
    assert all(importlib.util.find_spec(it) for it in ast.literal_eval(routes))


@pytest.mark.parametrize("component", ["scheduler", "worker"])
def test_dask_understands_the_commands(component: str) -> None:
    from click.testing import CliRunner
    from distributed.cli import dask_scheduler, dask_worker

    command = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}[component]
    dask, name, *arguments = container(rendered()["DaskCluster"], component)["args"]
    assert (dask, name) == ("dask", component)
    assert name in {it.name for it in distribution("distributed").entry_points if it.group == "dask_cli"}
    known = {option for it in command.params for option in (*it.opts, *it.secondary_opts)}
    assert {it for it in arguments if it.startswith("--")} <= known
    assert CliRunner().invoke(command, [*arguments, "--version"]).exit_code == 0


def test_every_run_has_a_name_of_its_own() -> None:
    from skymist.cluster.kubernetes import _new_name

    names = {_new_name() for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(r"skymist-[0-9a-f]{10}", name) for name in names)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tls": "on"}, "tls must be one of secret, environment, off, not 'on'"),
        ({"service_type": "NodePort"}, "service_type must be one of ClusterIP, LoadBalancer, not 'NodePort'"),
        ({"minimum": 0}, "minimum must be at least 1, not 0"),
        ({"minimum": 30}, "minimum 30 is more than maximum 20"),
        ({"environment": {"THREADS": 1}}, "environment: THREADS must be text, not 1 (put it in quotes)"),
        ({"tolerations": ("spot",)}, "toleration 'spot' must be KEY=VALUE:EFFECT"),
        ({"scheduler_tolerations": ("a=b:Never",)}, "toleration 'a=b:Never' must be KEY=VALUE:EFFECT"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=re.escape(message)):
        kubernetes(**values)


def test_without_a_cluster_or_its_packages_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(RequestError, match="no Kubernetes cluster can be reached"), kubernetes().connect("it", None):
        pass
    monkeypatch.setitem(sys.modules, "kr8s", None)
    with pytest.raises(RequestError, match=r"skymist\[kubernetes\]"), kubernetes().connect("it", None):
        pass


def dockerfile() -> list[str]:
    """Return the instructions of the Dockerfile, one a line."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def copied() -> list[str]:
    lines = [line for line in dockerfile() if line.startswith("COPY") and "--from" not in line]
    return [path for line in lines for path in shlex.split(line)[1:-1]]


def test_the_image_copies_what_exists_and_installs_extras_that_exist() -> None:
    assert copied()
    assert all((ROOT / path).exists() for path in copied())
    extras = re.search(r"\.\[([a-z,-]+)\]", "\n".join(dockerfile()))
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras is not None
    assert set(extras[1].split(",")) <= set(known)


def test_pods_do_not_run_as_root() -> None:
    (user,) = [line.split()[1] for line in dockerfile() if line.startswith("USER")]
    assert re.fullmatch(r"[1-9][0-9]*(:[1-9][0-9]*)?", user), "runAsNonRoot needs a number"
    assert rendered()["DaskCluster"]["spec"]["worker"]["spec"]["securityContext"]["runAsNonRoot"] is True


def test_what_the_image_must_not_hold_is_left_out() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    assert {it[1:] for it in ignored if it.startswith("!")} == set(copied())
