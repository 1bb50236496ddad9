"""Types of what clients send: whatever passes can be kept by every database."""

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints, WithJsonSchema

MOST_ID = 2**63 - 1
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"

Text = Annotated[str, StringConstraints(max_length=200, pattern=PRINTABLE)]
"""One line."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=PRINTABLE)]
"""Of a record or thing."""

Id = Annotated[int, Field(ge=0, le=MOST_ID)]
"""Number of a record."""

FileName = Annotated[str, StringConstraints(max_length=200, pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.+ ()-]*)?$")]
"""Name without folders; may be empty."""


def _finite(value: Any) -> Any:
    """Refuse what is, or would be read as, a number that no computer has."""
    try:
        number = float(value) if isinstance(value, int | float | str) else 0.0
    except OverflowError:
        raise ValueError("is too large a number") from None
    except ValueError:
        return value
    if not math.isfinite(number):
        raise ValueError("is not a finite number")
    if isinstance(value, int) and abs(value) > MOST_ID:
        raise ValueError("is too large a number")
    return value


Option = Annotated[bool | int | float | Text | None, AfterValidator(_finite)]
"""Value of an option of a reconstruction."""

Options = Annotated[dict[Name, Option], Field(max_length=50)]


def _as_text(value: Any) -> Any:
    """Refuse bare numbers, which would be read as seconds of some epoch."""
    if isinstance(value, str) and not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", value):
        raise ValueError("is not a time such as 2026-01-01T00:00:00Z")
    return value


def _within_reach(value: datetime) -> datetime:
    if not 1900 <= value.year <= 2200:
        raise ValueError("is not between 1900 and 2200")
    return value.astimezone(UTC)


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_as_text),
    AfterValidator(_within_reach),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "description": "With its time zone, e.g. 2026-01-01T00:00:00Z"}
    ),
]
"""A point in time, UTC."""
