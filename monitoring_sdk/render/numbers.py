"""Numbers, moments and names as people read them."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from monitoring_sdk.window import Window

NOTHING = "–"
SHARES = frozenset(
    {
        "null_share",
        "unseen_share",
        "unknown_version_share",
        "error_rate",
        "coverage",
        "mape",
        "wape",
    }
)
COUNTS = frozenset({"rows"})


def short(text: object, limit: int = 60) -> str:
    """Cut a long name in its middle, and make what a screen cannot show visible.

    Control characters (a terminal would obey some of them) become `\\ufffd`.

    Examples
    --------
    >>> short("a" * 40 + "b" * 40, 11)
    'aaaaa…bbbbb'
    """
    shown = "".join(c if c.isprintable() else "\ufffd" for c in str(text)) or "(empty)"
    if len(shown) <= limit:
        return shown
    head = limit // 2
    tail = limit - 1 - head
    return shown[:head] + "…" + (shown[-tail:] if tail else "")


def _plain(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e15 or size < 1e-6:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def number(value: float | None, unit: str = "", digits: int = 3) -> str:
    """Write a number with few significant digits; no number is a dash, never `nan`.

    Parameters
    ----------
    value : float or None
        Anything that is not finite is written as a dash.
    unit : str
        `%` multiplies by 100; any other text follows the number.
    digits : int
        Significant digits at least; more where rounding would hide a distance from 1.

    Examples
    --------
    >>> number(0.71234), number(0.99996), number(1234567.0), number(0.0125, "%"), number(None)
    ('0.712', '0.99996', '1,234,567', '1.25%', '–')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    shown = value * 100 if unit == "%" else value
    whole = 100.0 if unit == "%" else 1.0
    text = _plain(shown, digits)
    while abs(shown) < whole and digits < 8 and abs(float(text.replace(",", ""))) >= whole:
        digits += 1
        text = _plain(shown, digits)
    if not unit:
        return text
    return f"{text}{unit}" if unit == "%" else f"{text} {unit}"


def pair(value: float | None, other: float | None, unit: str = "") -> tuple[str, str]:
    """Write two numbers with as many digits as it takes to tell them apart.

    Examples
    --------
    >>> pair(0.77996, 0.78)
    ('0.77996', '0.78')
    """
    texts = number(value, unit), number(other, unit)
    for digits in range(4, 10):
        if texts[0] != texts[1] or value == other:
            break
        texts = number(value, unit, digits), number(other, unit, digits)
    return texts


def unit_of(name: str) -> str:
    """Return the unit in which a check's value is written: `%`, `ms`, `h` or none.

    Examples
    --------
    >>> unit_of("null_share"), unit_of("latency_p95"), unit_of("psi")
    ('%', 'ms', '')
    """
    if name in SHARES:
        return "%"
    if name == "staleness":
        return "h"
    return "ms" if name.startswith("latency") else ""


def moment(at: datetime, timezone: str = "UTC") -> str:
    """Write a moment in a time zone; the time of day only where it is not midnight.

    Examples
    --------
    >>> from datetime import UTC
    >>> moment(datetime(2013, 6, 3, 4, tzinfo=UTC), "America/New_York")
    '2013-06-03'
    """
    local = at.astimezone(ZoneInfo(timezone))
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return f"{local:%Y-%m-%d}"
    zone = "UTC" if timezone == "UTC" else local.tzname() or ""
    return f"{local:%Y-%m-%d %H:%M} {zone}".rstrip()


def window_words(window: Window, timezone: str = "UTC") -> str:
    """Write a window: its day where it is one, else its two ends.

    Examples
    --------
    >>> from datetime import UTC
    >>> window_words(Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC)))
    '2013-06-03'
    """
    start, end = moment(window.start, timezone), moment(window.end, timezone)
    one_day = timedelta(hours=22) < window.end - window.start < timedelta(hours=26)
    if one_day and len(start) == len(end) == 10:
        return start
    return f"{start} to {end}"


def duration(length: timedelta) -> str:
    """Write a length of time in its largest fitting unit.

    Examples
    --------
    >>> duration(timedelta(days=5)), duration(timedelta(minutes=90)), duration(timedelta(hours=1))
    ('5 days', '1.5 hours', '1 hour')
    """
    seconds = max(0.0, length.total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = number(round(seconds / size, 1))
            return f"{count} {unit}" if count == "1" else f"{count} {unit}s"
    return "less than a minute"
