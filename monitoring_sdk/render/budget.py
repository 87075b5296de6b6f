"""Checks judged by the budget, in words: the mean over a horizon beside what is usual."""

from __future__ import annotations

import math
from collections.abc import Mapping

from monitoring_sdk.alarms.adjusted import ADJUSTED
from monitoring_sdk.alarms.layout import ANY, MIX
from monitoring_sdk.render.numbers import number, pair, short, unit_of
from monitoring_sdk.report import Check

MOMENTS: Mapping[str, str] = {
    "location": "location",
    "scale": "spread",
    "skew": "skew",
    "tails": "tails",
    ADJUSTED: "location beside the other columns",
}
"""What is watched of a number's distribution, in standard deviations of the reference."""

SHARE = "share@"

_TOGETHER = {ANY: "distribution as a whole", MIX: "mix of levels"}


def watched_label(name: str) -> str | None:
    """Name what is watched of a column; None for any other check.

    Examples
    --------
    >>> watched_label("scale"), watched_label("share@UA"), watched_label("psi")
    ('spread', 'share of UA', None)
    """
    if name.startswith(SHARE):
        return f"share of {short(name.removeprefix(SHARE))}"
    return _TOGETHER.get(name) or MOMENTS.get(name)


def is_budgeted(check: Check) -> bool:
    """Say whether a check was judged by the mean over some windows."""
    return check.horizon is not None and check.status in ("ok", "alert") and check.value is not None


def over(check: Check) -> str:
    """Say how many windows a check looks back on; nothing for the window alone."""
    return f" over the last {check.horizon} windows" if (check.horizon or 1) > 1 else ""


def budget_words(check: Check, what: str) -> str | None:
    """Say what a check judged by the budget found; None for any other.

    Parameters
    ----------
    what : str
        The name of what was measured.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitoring_sdk.window import Window
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> moved = Check("drift", "location", day, "alert", "distance", value=0.4, usual=0.01,
    ...               effect=0.31, threshold=0.21, direction="above", exceeded=True, horizon=7)
    >>> budget_words(moved, "location")
    'location moved +0.31 sd over the last 7 windows, past +0.2'
    >>> fell = Check("performance", "accuracy", day, "alert", value=0.71, usual=0.83,
    ...              effect=-0.12, threshold=0.78, direction="below", exceeded=True, horizon=1)
    >>> budget_words(fell, "accuracy")
    'accuracy fell to 0.71, below its limit 0.78 (usually 0.83)'
    """
    if not is_budgeted(check):
        return None
    if check.usual is None:
        return _together(check)
    if check.effect is None or check.threshold is None or not math.isfinite(check.usual):
        return None
    if check.name in MOMENTS and check.family in ("drift", "prediction"):
        sign = "past" if check.exceeded else "limit"
        limit = check.threshold - check.usual
        return f"{what} moved {_signed(check.effect)} sd{over(check)}, {sign} {_signed(limit)}"
    return _moved(check, what)


def _together(check: Check) -> str:
    of = "locations of all columns" if check.column is None else "its distribution"
    if check.name == MIX:
        of = "its levels, beside the way in which they often move,"
    unlike = "unlike the reference" if check.exceeded else "like the reference"
    return f"{of} taken together{over(check)}: {unlike} ({_part(check)} of the threshold)"


def _part(check: Check) -> str:
    return number(check.score, "%", 2)


def _moved(check: Check, what: str) -> str:
    assert check.usual is not None
    assert check.effect is not None
    mean = check.usual + check.effect
    unit = "%" if check.name.startswith(SHARE) else unit_of(check.name)
    found, limit = pair(mean, check.threshold, unit)
    usual = number(check.usual, unit)
    if not check.exceeded:
        return f"{what} {found}{over(check)}, limit {limit} (usually {usual})"
    beyond = check.direction or "beyond"
    verb = "fell" if mean < check.usual else "rose"
    return f"{what} {verb} to {found}{over(check)}, {beyond} its limit {limit} (usually {usual})"


def _signed(value: float) -> str:
    return ("+" if value >= 0 else "-") + number(abs(value))
