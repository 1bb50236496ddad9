"""Workers as pods, through the operator of dask-kubernetes.

Its KubeCluster is not used: it talks to the scheduler without TLS only, and its service opens the scheduler's HTTP
interface together with the scheduler. So the custom resources are created here, and the operator does the rest.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING

from skymist.cluster.kubernetes_manifests import autoscaler, manifests, toleration
from skymist.errors import RequestError

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

_CHOICES = {
    "image_pull_policy": ("Always", "IfNotPresent", "Never"),
    "service_type": ("ClusterIP", "LoadBalancer"),
    "tls": ("secret", "environment", "off"),
}

_POSITIVE = "minimum", "maximum", "threads", "start_timeout_s", "worker_ttl_s", "idle_timeout_s"

_TEXTS = (
    "environment",
    "requests",
    "limits",
    "scheduler_requests",
    "scheduler_limits",
    "node_selector",
    "scheduler_node_selector",
    "service_annotations",
)

_HIDDEN = "(made for each run)"


@dataclass(frozen=True)
class Kubernetes:
    """A cluster of pods for one scan; ``cluster_configs/kubernetes.yaml`` explains each value.

    Attributes
    ----------
    context : str, optional
        Of the kubeconfig.
    namespace : str
        Where everything is created.
    service_account, priority_class : str, optional
        Of all pods.
    environment : dict of str to str
        Variables of all pods; they go before those that skymist sets.
    image : str
        Of scheduler and workers; what starts its arguments.
    image_pull_policy : str
        ``Always``, ``IfNotPresent`` or ``Never``.
    image_pull_secrets : tuple of str
        Names of Secrets.
    minimum, maximum : int
        Workers, if the caller does not say how many.
    threads : int
        Of a worker.
    requests, limits : dict of str to str
        Resources of a worker, as Kubernetes writes them.
    node_selector : dict of str to str
        Labels of the nodes for workers.
    tolerations : tuple of str
        Taints that workers tolerate, ``KEY=VALUE:EFFECT`` or ``KEY:EFFECT``.
    scheduler_requests, scheduler_limits, scheduler_node_selector, scheduler_tolerations
        The same for the scheduler.
    service_type : str
        ``ClusterIP`` or ``LoadBalancer``: how a client reaches the scheduler.
    service_annotations : dict of str to str
        Of the load balancer.
    source_ranges : tuple of str
        Networks from which the load balancer may be reached.
    tls : str
        ``secret``, ``environment`` or ``off``: how pods get the certificate of the run.
    start_timeout_s : int
        Until there is a worker [s].
    worker_ttl_s : int
        How long a worker may be silent [s].
    idle_timeout_s : int
        How long a cluster outlives its work [s].
    """

    context: str | None
    namespace: str
    service_account: str | None
    priority_class: str | None
    environment: dict[str, str] = field(repr=False)  # people put credentials there in spite of all warnings
    image: str
    image_pull_policy: str
    image_pull_secrets: tuple[str, ...]
    minimum: int
    maximum: int
    threads: int
    requests: dict[str, str]
    limits: dict[str, str]
    node_selector: dict[str, str]
    tolerations: tuple[str, ...]
    scheduler_requests: dict[str, str]
    scheduler_limits: dict[str, str]
    scheduler_node_selector: dict[str, str]
    scheduler_tolerations: tuple[str, ...]
    service_type: str
    service_annotations: dict[str, str]
    source_ranges: tuple[str, ...]
    tls: str
    start_timeout_s: int
    worker_ttl_s: int
    idle_timeout_s: int

    def __post_init__(self) -> None:
        for key, choices in _CHOICES.items():
            if getattr(self, key) not in choices:
                raise RequestError(f"{key} must be one of {', '.join(choices)}, not {getattr(self, key)!r}")
        for key in _POSITIVE:
            if getattr(self, key) < 1:
                raise RequestError(f"{key} must be at least 1, not {getattr(self, key)}")
        if self.minimum > self.maximum:
            raise RequestError(f"minimum {self.minimum} is more than maximum {self.maximum}")
        for key in _TEXTS:
            _check_texts(key, getattr(self, key))
        for text in (*self.tolerations, *self.scheduler_tolerations):
            toleration(text)

    @contextmanager
    def connect(self, name: str, workers: int | None) -> "Iterator[Client]":  # noqa: ARG002 (the protocol's)
        """Create the cluster, yield a client with at least one worker, and delete the cluster.

        Parameters
        ----------
        name : str
            Of the configuration.
        workers : int, optional
            Exactly so many pods; between the minimum and the maximum by default.

        Yields
        ------
        distributed.Client

        Raises
        ------
        RequestError
            If something is not installed, no cluster is known, or it lacks the operator's resources.
        ScanError
            If Kubernetes refuses, or no worker comes in time.
        """
        from skymist.cluster.kubernetes_run import Run

        security = None if self.tls == "off" else _certificate()
        pem = (security.tls_client_cert, security.tls_client_key) if security else ("", "")
        run = Run(_new_name(), self.namespace, self.context, self.start_timeout_s)
        with run.submitted(manifests(self, run.name, workers, pem)), run.reached(self.service_type, security) as client:
            if workers is None:
                run.add(autoscaler(self, run.name))  # whose description says why not earlier
            yield client

    def capacity(self, workers: int | None) -> int:
        """Return how many cells are evaluated at a time once all pods run."""
        return (workers or self.maximum) * self.threads

    def show(self, name: str) -> str:
        """Return the manifests as YAML, without certificate and key; a run has a name of its own."""
        import yaml

        run = "skymist-0123456789"
        documents = [*manifests(self, run, None, (_HIDDEN, _HIDDEN)), autoscaler(self, run)]
        head = f"# {name}: 0123456789 stands for what is made anew for each run; the DaskCluster owns the rest\n"
        return head + yaml.safe_dump_all(documents, sort_keys=False)


def _new_name() -> str:
    """Return a name that no other run has, so that nobody attaches to a cluster left by a killed client."""
    return f"skymist-{token_hex(5)}"


def _certificate() -> "Security":
    from distributed.security import Security

    try:
        return Security.temporary()
    except ImportError:
        raise RequestError('TLS needs cryptography: pip install "skymist[kubernetes]"') from None


def _check_texts(key: str, values: dict[str, str]) -> None:
    for name, value in values.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise RequestError(f"{key}: {name} must be text, not {value!r} (put it in quotes)")
