"""What a scan submits to Kubernetes: the custom resources of dask-kubernetes' operator, and what belongs to them."""

from typing import TYPE_CHECKING, Any

from skymist.errors import RequestError

if TYPE_CHECKING:
    from skymist.cluster.kubernetes import Kubernetes

Manifest = dict[str, Any]

COMM_PORT, HTTP_PORT = 8786, 8787

LABELS = {"app.kubernetes.io/name": "skymist", "app.kubernetes.io/managed-by": "skymist"}

CERTIFICATE, KEY = "tls.crt", "tls.key"
"""Keys of the Secret."""

_TLS_SETTINGS = {
    "CA_FILE": CERTIFICATE,
    "SCHEDULER__CERT": CERTIFICATE,
    "SCHEDULER__KEY": KEY,
    "WORKER__CERT": CERTIFICATE,
    "WORKER__KEY": KEY,
}

_SCHEDULER_SETTINGS = {
    # The operator asks for these; all else that Dask can serve, above all its dashboard, is left out.
    "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": '["distributed.http.scheduler.api", "distributed.http.health"]',
    # Nodes vanish through no fault of the block that ran there; Dask would give the block up after the fourth.
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "20",
    # A scan keeps a few short blocks a thread in flight; with Dask's 5 s they would never ask for another worker.
    "DASK_DISTRIBUTED__ADAPTIVE__TARGET_DURATION": "10ms",
}


_ONE_THREAD = "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"


def manifests(of: "Kubernetes", run: str, workers: int | None, pem: tuple[str, str]) -> list[Manifest]:
    """Return what is submitted; the first, the DaskCluster, owns the others.

    Parameters
    ----------
    of : Kubernetes
        The settings.
    run : str
        Name of the DaskCluster.
    workers : int, optional
        How many; the minimum by default.
    pem : tuple of str
        Certificate and key of this run; not used where ``tls`` is off.
    """
    found = [_dask_cluster(of, run, workers, pem)]
    if of.tls == "secret":
        found.append(_secret(of, run, pem))
    if of.service_type == "LoadBalancer":
        found.append(_client_service(of, run))
    return found


def autoscaler(of: "Kubernetes", run: str) -> Manifest:
    """Return what keeps the number of workers between the minimum and the maximum; submitted when there is one.

    The operator looks for the scheduler's pod at once, and where there is none yet after two seconds it looks again
    only after a minute (kopf's pause after an error; seen with dask-kubernetes 2026.3.0).
    """
    spec = {"cluster": run, "minimum": of.minimum, "maximum": of.maximum}
    return _resource(of, "kubernetes.dask.org/v1", "DaskAutoscaler", run, spec=spec)


def toleration(text: str) -> Manifest:
    """Return a toleration from the text of a taint, ``KEY=VALUE:EFFECT`` or ``KEY:EFFECT``.

    Raises
    ------
    RequestError
        If it is neither.
    """
    taint, _, effect = text.rpartition(":")
    key, equals, value = taint.partition("=")
    if not key or effect not in _EFFECTS:
        raise RequestError(f"toleration {text!r} must be KEY=VALUE:EFFECT, with one of {', '.join(_EFFECTS)} as effect")
    return {
        "key": key,
        "effect": effect,
        **({"operator": "Equal", "value": value} if equals else {"operator": "Exists"}),
    }


_EFFECTS = "NoSchedule", "PreferNoSchedule", "NoExecute"


def _resource(of: "Kubernetes", version: str, kind: str, name: str, **content: Any) -> Manifest:
    metadata = {"name": name, "namespace": of.namespace, "labels": dict(LABELS)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def _dask_cluster(of: "Kubernetes", run: str, workers: int | None, pem: tuple[str, str]) -> Manifest:
    spec = {
        "idleTimeout": of.idle_timeout_s,
        "scheduler": {"spec": _scheduler(of, run, pem), "service": _scheduler_service(run)},
        "worker": {"replicas": workers or of.minimum, "spec": _worker(of, run, pem)},
    }
    return _resource(of, "kubernetes.dask.org/v1", "DaskCluster", run, spec=spec)


def _secret(of: "Kubernetes", run: str, pem: tuple[str, str]) -> Manifest:
    content = dict(zip((CERTIFICATE, KEY), pem, strict=True))
    return _resource(of, "v1", "Secret", run, type="kubernetes.io/tls", immutable=True, stringData=content)


def _scheduler_service(run: str) -> Manifest:
    """Return the service for workers and operator; it is never reached from outside the cluster."""
    ports = [_service_port("tcp-comm", COMM_PORT), _service_port("http-dashboard", HTTP_PORT)]
    return {"type": "ClusterIP", "selector": _scheduler_labels(run), "ports": ports}


def _client_service(of: "Kubernetes", run: str) -> Manifest:
    """Return the service for a client outside the cluster: the encrypted port and no other."""
    spec = {
        "type": "LoadBalancer",
        "selector": _scheduler_labels(run),
        "ports": [_service_port("tcp-comm", COMM_PORT)],
        **_given(loadBalancerSourceRanges=list(of.source_ranges)),
    }
    service = _resource(of, "v1", "Service", f"{run}-client", spec=spec)
    service["metadata"].update(_given(annotations=dict(of.service_annotations)))
    return service


def _scheduler_labels(run: str) -> dict[str, str]:
    return {"dask.org/cluster-name": run, "dask.org/component": "scheduler"}


def _service_port(name: str, port: int) -> Manifest:
    return {"name": name, "protocol": "TCP", "port": port, "targetPort": name}


def _scheduler(of: "Kubernetes", run: str, pem: tuple[str, str]) -> Manifest:
    where = ["--host", "$(POD_IP)", "--port", str(COMM_PORT), "--dashboard-address", f"$(POD_IP):{HTTP_PORT}"]
    settings = {**_SCHEDULER_SETTINGS, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{of.worker_ttl_s} s"}
    container = {
        **_container(of, run, "scheduler", settings, pem),
        "args": ["dask", "scheduler", *where, "--no-dashboard", *_protocol(of)],
        "resources": {"requests": dict(of.scheduler_requests), "limits": dict(of.scheduler_limits)},
        "ports": [_port("tcp-comm", COMM_PORT), _port("http-dashboard", HTTP_PORT)],
        "readinessProbe": {**_health(), "periodSeconds": 1, "timeoutSeconds": 10},
        # Generous: a scheduler that is only busy must not be restarted, which would end the scan.
        "livenessProbe": {**_health(), "initialDelaySeconds": 60, "periodSeconds": 30, "timeoutSeconds": 30},
    }
    return _pod(of, container, of.scheduler_node_selector, of.scheduler_tolerations)


def _health() -> Manifest:
    return {"httpGet": {"port": "http-dashboard", "path": "/health"}}


def _worker(of: "Kubernetes", run: str, pem: tuple[str, str]) -> Manifest:
    where = ["--host", "$(POD_IP)", "--dashboard-address", "$(POD_IP):0", "--no-dashboard"]
    what = ["--name", "$(DASK_WORKER_NAME)", "--nthreads", str(of.threads), "--death-timeout", "60"]
    # Kubernetes restarts what ends. For a nanny that is silent, too, the scheduler would wait 30 s more.
    what += ["--no-nanny"]
    scheme = "tcp" if of.tls == "off" else "tls"
    settings = {
        # The operator would say tcp.
        "DASK_SCHEDULER_ADDRESS": f"{scheme}://{run}-scheduler.{of.namespace}.svc:{COMM_PORT}",
        "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": '["distributed.http.health"]',
        **dict.fromkeys(_ONE_THREAD, "1"),  # as a nanny does: Dask's threads are enough
    }
    container = {
        **_container(of, run, "worker", settings, pem),
        "args": ["dask", "worker", *where, *what, *_protocol(of)],
        "resources": {"requests": dict(of.requests), "limits": dict(of.limits)},
    }
    return _pod(of, container, of.node_selector, of.tolerations)


def _protocol(of: "Kubernetes") -> list[str]:
    return [] if of.tls == "off" else ["--protocol", "tls"]


def _port(name: str, port: int) -> Manifest:
    return {"name": name, "containerPort": port, "protocol": "TCP"}


def _container(of: "Kubernetes", run: str, name: str, settings: dict[str, str], pem: tuple[str, str]) -> Manifest:
    # See `skymist.cluster.start`.
    plain = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False", **settings, **of.environment}
    return {
        "name": name,
        "image": of.image,
        "imagePullPolicy": of.image_pull_policy,
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            *_tls(of, run, pem),
            *({"name": key, "value": value} for key, value in plain.items()),
        ],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def _tls(of: "Kubernetes", run: str, pem: tuple[str, str]) -> list[Manifest]:
    """Return the environment that gives Dask certificate and key; one pair serves every role of the run."""
    if of.tls == "off":
        return []
    text = dict(zip((CERTIFICATE, KEY), pem, strict=True))
    given: list[Manifest] = [{"name": "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION", "value": "true"}]
    for setting, key in _TLS_SETTINGS.items():
        secret = {"valueFrom": {"secretKeyRef": {"name": run, "key": key}}}
        source = secret if of.tls == "secret" else {"value": text[key]}
        given.append({"name": f"DASK_DISTRIBUTED__COMM__TLS__{setting}", **source})
    return given


def _pod(of: "Kubernetes", container: Manifest, nodes: dict[str, str], tolerations: tuple[str, ...]) -> Manifest:
    return {
        "containers": [container],
        # Nothing in the pods talks to Kubernetes.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        **_given(
            imagePullSecrets=[{"name": name} for name in of.image_pull_secrets],
            nodeSelector=dict(nodes),
            tolerations=[toleration(text) for text in tolerations],
            priorityClassName=of.priority_class,
            serviceAccountName=of.service_account,
        ),
    }


def _given(**optional: Any) -> Manifest:
    """Return what has a value: Kubernetes' own defaults hold for the rest."""
    return {key: value for key, value in optional.items() if value}
