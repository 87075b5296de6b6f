"""One text for each level of a category, whatever type it was stored in."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from decimal import Decimal

import numpy as np

# Above this neighbouring floats are further apart than one, and 1e300 reads better than digits.
_EXACT_INTEGERS = 2.0**53


def canonical_level(value: object) -> str:
    """Return the text of a level, the same for 1, 1.0, Decimal("1.00") and "1".

    Text is kept as it stands. Nulls and NaN are no levels: the caller counts them apart.

    Examples
    --------
    >>> [canonical_level(x) for x in (1, 1.0, "1", True, 0.5, "Yes ")]
    ['1', '1', '1', 'true', '0.5', 'Yes ']
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return _number(float(str(value)))  # through text: float32 0.1 is the level 0.1
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def _number(value: float) -> str:
    if math.isfinite(value) and value.is_integer() and abs(value) <= _EXACT_INTEGERS:
        return str(int(value))
    return repr(value)


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        return str(value)
    return format(value, "f").rstrip("0").rstrip(".") if "." in format(value, "f") else f"{value:f}"
