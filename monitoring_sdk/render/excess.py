"""How far a value is along the way to its limit."""

from __future__ import annotations

import math

RATIO_MAX = 10.0


def side(value: float | None, threshold: float | None, exceeded: bool) -> str:
    """Say on which side of a value its limit lies, from the verdict alone.

    Examples
    --------
    >>> side(0.71, 0.78, True), side(0.8, 0.78, False), side(0.3, 0.2, True)
    ('below', 'below', 'above')
    """
    if value is None or threshold is None or value == threshold:
        return "above"
    return "below" if (value > threshold) != exceeded else "above"


def excess(value: float | None, threshold: float | None, direction: str) -> float | None:
    """Say how far a value is along the way to its limit: 1 at the limit, capped at 10.

    A measure whose best value is 1 and whose limit lies below is compared by what is missing to
    1: accuracy 0.71 against 0.78 is 0.29 / 0.22.

    Returns
    -------
    float or None
        In [0, 10]; None where there is no value or no limit.

    Examples
    --------
    >>> round(excess(0.71, 0.78, "below"), 2), excess(3, 2, "above"), excess(None, 1, "above")
    (1.32, 1.5, None)
    """
    if value is None or threshold is None:
        return None
    if not (math.isfinite(value) and math.isfinite(threshold)):
        return None
    if direction == "below" and -1 <= threshold < 1 and value <= 1:
        part, whole = 1 - value, 1 - threshold
    elif direction == "below":
        part, whole = threshold, value
    else:
        part, whole = value, threshold
    if whole > 0:
        return min(max(part / whole, 0.0), RATIO_MAX)
    beyond = value < threshold if direction == "below" else value > threshold
    return RATIO_MAX if beyond else 0.0
