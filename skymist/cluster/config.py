"""YAML to the settings of a cluster; a user's file is laid over the one that comes with skymist."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Protocol, get_args, get_origin, get_type_hints

from skymist.cluster.address import Address
from skymist.cluster.kubernetes import Kubernetes
from skymist.cluster.local import Local
from skymist.cluster.slurm import Slurm
from skymist.errors import ReadError, RequestError, UnknownNameError

if TYPE_CHECKING:
    from distributed import Client


class Cluster(Protocol):
    """A kind of cluster: a frozen dataclass whose fields are the keys of its file."""

    def connect(self, name: str, workers: int | None) -> "AbstractContextManager[Client]":
        """Start it, yield a client with at least one worker, and clean up."""
        ...

    def capacity(self, workers: int | None) -> int | None:
        """Return how many cells are evaluated at a time once all workers are there; None if nobody knows."""
        ...

    def show(self, name: str) -> str:
        """Return what would be submitted."""
        ...


KINDS: dict[str, type] = {"kubernetes": Kubernetes, "local": Local, "slurm": Slurm}

SUFFIXES = ".yaml", ".yml"

_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list of texts",
    dict: "a mapping",
    NoneType: "null",
}


def load(name: str, folder: Path | None = None) -> Cluster:
    """Return the cluster of that name; parameters and errors as for `skymist.cluster.connect`."""
    if is_address(name):
        return Address(name)
    path = locate(name, folder)
    own = _read(path)
    kind = own.get("kind", path.stem if path.stem in KINDS else _read_shipped(path.stem).get("kind"))
    if kind not in list(KINDS):  # a list, since anything may stand in a file
        raise RequestError(f"{path}: kind must be one of {', '.join(KINDS)}, not {kind!r}")
    values = {**_read_shipped(kind), **_read_shipped(path.stem), **own}
    values.pop("kind", None)
    return _build(KINDS[kind], values, path)


def files(folder: Path | None = None) -> dict[str, Path]:
    """Return the file of each name; those of the user's folder go before those of skymist."""
    places = [shipped(), *([folder] if folder is not None and folder.is_dir() else [])]
    return {path.stem: path for place in places for path in sorted(place.iterdir()) if path.suffix in SUFFIXES}


def shipped() -> Path:
    """Return the folder of the configurations that come with skymist."""
    package = Path(__file__).parents[1]
    installed = package / "cluster_configs"
    return installed if installed.is_dir() else package.parent / "cluster_configs"


def locate(name: str, folder: Path | None = None) -> Path:
    """Return the file of a cluster; `UnknownNameError` if there is none."""
    if name.endswith(SUFFIXES):
        return Path(name)
    known = files(folder)
    if name not in known:
        raise UnknownNameError("cluster", name, known)
    return known[name]


def is_address(name: str) -> bool:
    """Tell an address of a scheduler from a name or file."""
    return "://" in name


def label(name: str) -> str:
    """Return what a cluster is called: of a file, its name without folder and suffix."""
    return Path(name).stem if name.endswith(SUFFIXES) else name


def _read_shipped(name: str) -> dict[str, Any]:
    path = shipped() / f"{name}.yaml"
    return _read(path) if path.exists() else {}


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise RequestError(f"{path}: there is no such cluster configuration") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ReadError(f"is not YAML: {' '.join(str(error).split())}", str(path)) from error
    if not isinstance(values, dict | None):
        raise ReadError("must be a list of KEY: VALUE", str(path))
    return values or {}


def _build(kind: type, values: Mapping[str, Any], path: Path) -> Cluster:
    hints, known = get_type_hints(kind), [field.name for field in fields(kind)]
    for key, value in values.items():
        if key not in known:
            raise UnknownNameError(f"key of {path}", str(key), known)
        if not _fits(value, hints[key]):
            hint = " (put it in quotes)" if str in _types(hints[key]) and isinstance(value, int | float) else ""
            valid = " or ".join(_WORDS[it] for it in _types(hints[key]))
            raise RequestError(f"{path}: {key} must be {valid}, not {value!r}{hint}")
    try:
        built: Cluster = kind(**{key: tuple(it) if isinstance(it, list) else it for key, it in values.items()})
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from None
    return built


def _types(hint: Any) -> list[type]:
    """Return the types of a hint such as ``str | None``, without what is in them."""
    members = (hint,) if get_origin(hint) in _WORDS else get_args(hint) or (hint,)
    return [get_origin(member) or member for member in members]


def _fits(value: Any, hint: Any) -> bool:
    types = _types(hint)
    if isinstance(value, list):
        return tuple in types and all(isinstance(item, str) for item in value)
    return type(value) in types or (type(value) is int and float in types)
