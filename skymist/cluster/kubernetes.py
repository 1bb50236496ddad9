"""Kubernetes."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Kubernetes:
    """Pods of a Kubernetes cluster."""

    def connect(self, name: str, workers: int | None) -> "AbstractContextManager[Client]":
        """Start it, yield a client with at least one worker, and clean up."""
        raise NotImplementedError

    def show(self, name: str) -> str:
        """Return the manifests that would be submitted."""
        raise NotImplementedError
