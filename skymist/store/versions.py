"""Bring the table of an older data model to this one, step by step."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from skymist.errors import ReadError
from skymist.model.skymap import SCHEMA_VERSION

Columns = dict[str, NDArray[Any]]
Attributes = dict[str, Any]

STEPS: dict[int, Callable[[Columns, Attributes], tuple[Columns, Attributes]]] = {}
"""By version, what makes the next one of it. The first version is still the only one."""


def upgrade(columns: Columns, attributes: Attributes, source: str) -> tuple[Columns, Attributes]:
    """Return the columns and attributes of a stored map as this data model has them.

    Raises
    ------
    ReadError
        If no steps lead here from its version; `source` says where it is.
    """
    version = found = attributes.get("schema_version")
    while version != SCHEMA_VERSION:
        if version not in STEPS:
            oldest = min((*STEPS, SCHEMA_VERSION))
            known = f"version {oldest}" if oldest == SCHEMA_VERSION else f"versions {oldest} to {SCHEMA_VERSION}"
            raise ReadError(f"its data model is version {found!r}; this skymist knows {known}", source)
        columns, attributes = STEPS[version](columns, attributes)
        version += 1
        attributes = {**attributes, "schema_version": version}
    return columns, attributes
