"""One Dask cluster in Kubernetes, from its creation to its deletion."""

import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from skymist.cluster.kubernetes_manifests import COMM_PORT, Manifest
from skymist.cluster.leaving import leaving
from skymist.errors import RequestError, ScanError

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

T = TypeVar("T")

POLL_S = 0.25

ANSWER_S = 30

ATTEMPT_S = 10

OPERATOR = "install it with Helm: chart dask-kubernetes-operator of https://helm.dask.org"


class Run:
    """What was created under one name, and how long it may take to start.

    Parameters
    ----------
    name : str
        Of the DaskCluster.
    namespace : str
    context : str, optional
        Of the kubeconfig.
    timeout_s : int
        From here to the first worker.

    Raises
    ------
    RequestError
        If kr8s is not installed, or no cluster can be reached.
    """

    def __init__(self, name: str, namespace: str, context: str | None, timeout_s: int) -> None:
        self.name, self.namespace, self.timeout_s = name, namespace, timeout_s
        self.deadline = time.monotonic() + timeout_s
        self.api = _api(context, namespace)
        self._owner: Any = None

    @contextmanager
    def submitted(self, manifests: list[Manifest]) -> Iterator[None]:
        """Create what the manifests say and delete it in the end; the first, the DaskCluster, owns the others."""
        try:
            with _refusals():
                self._owner = self._create(manifests[0])
            for manifest in manifests[1:]:
                self.add(manifest)
            yield
        finally:
            self._delete(manifests[0])

    def add(self, manifest: Manifest) -> None:
        """Create something that the DaskCluster owns."""
        reference = {
            "apiVersion": self._owner.raw["apiVersion"],
            "kind": self._owner.raw["kind"],
            "name": self.name,
            "uid": self._owner.metadata.uid,
        }
        with _refusals():
            self._create({**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [reference]}})

    @contextmanager
    def reached(self, service_type: str, security: "Security | None") -> "Iterator[Client]":
        """Wait for scheduler and worker and yield a client."""
        self._until("the operator has not taken it up; does it run, and watch this namespace?", self._phase)
        self._until("its scheduler is not ready", self._scheduler)
        with self._address(service_type) as place:
            address = f"{'tls' if security else 'tcp'}://{place}"
            client: Any = self._until(
                f"its scheduler at {address} cannot be reached", lambda: _client(address, security)
            )
            with leaving(client):
                self._until("it has no worker", lambda: client.scheduler_info(n_workers=1)["workers"])
                yield client

    def _create(self, manifest: Manifest) -> Any:
        resource = self._resource(manifest)
        resource.create()
        return resource

    def _resource(self, manifest: Manifest) -> Any:
        from kr8s.objects import object_from_spec

        return object_from_spec(manifest, api=self.api, allow_unknown_type=True)

    def _delete(self, cluster: Manifest) -> None:
        """Delete the cluster; Kubernetes then deletes what it owns. A finished scan is not lost if this fails."""
        import httpx
        import kr8s

        try:
            self._resource(cluster).delete()
        except kr8s.NotFoundError:
            pass  # it was never created, or the idle timeout was faster
        except (kr8s.ServerError, kr8s.APITimeoutError, httpx.HTTPError, OSError) as error:
            command = f"kubectl delete daskcluster {self.name} --namespace {self.namespace}"
            warnings.warn(f"{self.name} could not be deleted ({error}); this does it: {command}", stacklevel=2)

    def _phase(self) -> Any:
        """Return how far the operator says it is."""
        from kr8s.objects import new_class

        return self._status(new_class("DaskCluster", "kubernetes.dask.org/v1", asyncio=False), self.name).get("phase")

    def _scheduler(self) -> Any:
        """Return the scheduler's pod if it is ready."""
        return next((pod for pod in self._pods("scheduler") if pod.ready()), None)

    def _pods(self, component: str = "") -> list[Any]:
        from kr8s.objects import Pod

        labels = {"dask.org/cluster-name": self.name, **({"dask.org/component": component} if component else {})}
        return list(Pod.list(namespace=self.namespace, label_selector=labels, api=self.api))

    @contextmanager
    def _address(self, service_type: str) -> Iterator[str]:
        """Yield HOST:PORT of the scheduler as seen from here."""
        inside = f"{self.name}-scheduler.{self.namespace}.svc"
        if service_type == "LoadBalancer":
            yield f"{self._until('its load balancer has no address', self._balancer)}:{COMM_PORT}"
        elif _resolves(inside):
            yield f"{inside}:{COMM_PORT}"
        else:
            with self._until("its scheduler is not ready", self._scheduler).portforward(COMM_PORT, "auto") as port:
                yield f"127.0.0.1:{port}"

    def _balancer(self) -> Any:
        """Return the address of the load balancer, if it has one."""
        from kr8s.objects import Service

        places = self._status(Service, f"{self.name}-client").get("loadBalancer", {}).get("ingress") or [{}]
        return places[0].get("hostname") or places[0].get("ip")

    def _status(self, kind: Any, name: str) -> Any:
        return kind.get(name, namespace=self.namespace, api=self.api).raw.get("status", {})

    def _until(self, failure: str, found: Callable[[], T | None]) -> T:
        """Return what is found, as soon as that is something."""
        with _refusals():
            while not (it := found()):
                if self._left() <= 0:
                    raise ScanError(f"{self.name}: {failure} ({self.timeout_s} s){self._trouble()}")
                time.sleep(POLL_S)
        return it

    def _left(self) -> float:
        return self.deadline - time.monotonic()

    def _trouble(self) -> str:
        """Say what keeps pods from running."""
        found = {f"{pod.name}: {reason}" for pod in self._pods() if (reason := _why_not(pod.raw.get("status", {})))}
        return "".join(f"; pod {it}" for it in sorted(found))


def _api(context: str | None, namespace: str) -> Any:
    """Return the connection to Kubernetes; kr8s finds it as kubectl does, or inside of a pod."""
    try:
        import httpx
        import kr8s
    except ImportError:
        raise RequestError('Kubernetes needs kr8s: pip install "skymist[kubernetes]"') from None
    try:
        api = kr8s.api(context=context, namespace=namespace)
        api.timeout = ANSWER_S  # kr8s would wait for ever
        return api
    except (ValueError, OSError, httpx.HTTPError, kr8s.APITimeoutError) as error:
        hint = "kubectl get pods must work here (KUBECONFIG, ~/.kube/config)"
        raise RequestError(f"no Kubernetes cluster can be reached: {error}; {hint}") from None


@contextmanager
def _refusals() -> Iterator[None]:
    """Tell what Kubernetes refuses in a sentence."""
    import httpx
    import kr8s

    try:
        yield
    except kr8s.ServerError as error:
        missing = error.response is not None and error.response.status_code == 404
        if missing and 'namespaces "' not in str(error):  # which it says of a namespace that is not there
            raise RequestError(f"Kubernetes does not know DaskCluster: the operator is missing; {OPERATOR}") from None
        raise ScanError(f"Kubernetes refuses: {error}") from None
    except kr8s.NotFoundError as error:
        raise ScanError(f"it was deleted while it started: {error}") from None
    except (kr8s.APITimeoutError, httpx.HTTPError) as error:
        raise ScanError(f"Kubernetes does not answer: {error}") from None


def _client(address: str, security: "Security | None") -> "Client | None":
    """Return a client, if the scheduler can be reached: load balancers also accept what leads nowhere yet."""
    from distributed import Client

    try:
        return Client(address, security=security, timeout=ATTEMPT_S, set_as_default=False)
    except (OSError, ValueError):  # ValueError: the connection was closed before encryption began
        return None


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, COMM_PORT)
    except OSError:
        return False
    return True


def _why_not(status: Manifest) -> str:
    """Return why a pod does not run, from its status; nothing if it does."""
    waiting = [it["state"].get("waiting") for it in status.get("containerStatuses", [])]
    unfit = [it for it in status.get("conditions", []) if it["type"] == "PodScheduled" and it["status"] == "False"]
    found = [*(it for it in waiting if it), *unfit]
    return ": ".join(found[0][key] for key in ("reason", "message") if key in found[0]) if found else ""
