"""How time is cut, how late labels come, and which rows are the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.drafting.guess import Guess
from monitoring_sdk.window import Cadence, Window

ENOUGH_ROWS = 200
"""So many rows in a window let a share of one half be known to 7 points."""

SOME_ROWS = 30
MANY_WINDOWS, SOME_WINDOWS = 20, 6
_EVERY = ("1d", "1h", "1w", "1mo")
_REFERENCE_SHARE = 0.6
_REFERENCE_LEAST, _REFERENCE_MOST = 14, 60
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


def choose_window(rows: int, low: datetime, high: datetime, *, dates: bool = False) -> Guess:
    """Choose the length of windows: days where they have rows enough, else what has.

    Parameters
    ----------
    rows : int
        Of the whole source.
    low, high : datetime
        Its first and last moment.
    dates : bool
        Whether moments have no time of day.

    Examples
    --------
    >>> choose_window(100_000, datetime(2018, 1, 1, tzinfo=UTC),
    ...     datetime(2019, 9, 1, tzinfo=UTC)).value
    '1w'
    """
    span = max(high - low, _MICROSECOND)
    for least in (MANY_WINDOWS, SOME_WINDOWS):
        for enough in (ENOUGH_ROWS, SOME_ROWS):
            for every in _EVERY[:1] + _EVERY[2:] if dates else _EVERY:
                length = Cadence(every).approximate
                mean = rows * (length / span)
                if mean >= enough and span / length >= least:
                    few = "" if enough == ENOUGH_ROWS else ", few: a window tells little"
                    return Guess("window.every", every, f"{mean:.0f} rows a window{few}", not few)
    every = "1d" if dates or span >= timedelta(days=5) else "1h"
    why = (
        f"no length gives windows of {SOME_ROWS} rows and enough of them: there are {rows} rows in "
        f"{_in_words(span)}; add data, or choose for what is to come"
    )
    return Guess("window.every", every, why, sure=False)


def choose_baseline(every: str, low: datetime, high: datetime) -> tuple[Guess, Guess]:
    """Choose the reference: the first 60 % of the complete windows, at least 14, at most 60.

    Of fewer than 20 windows a quarter is left to be watched.
    A first window that lacks more than a quarter of its time is passed over.
    """
    cadence = Cadence(every)
    first = cadence.floor(low)
    if low - first > 0.25 * (cadence.next(first) - first):
        first = cadence.next(first)
    windows = list(cadence.windows(first, high + _MICROSECOND))
    if not windows:
        end = cadence.next(cadence.floor(high))
        windows = [Window(cadence.floor(low), end)]
    count = round(_REFERENCE_SHARE * len(windows))
    left = len(windows) - math.ceil(len(windows) / 4)
    count = min(max(count, min(_REFERENCE_LEAST, left), 1), _REFERENCE_MOST)
    enough = count >= _REFERENCE_LEAST
    why = f"the first {count} of {len(windows)} complete windows"
    why += "; choose a span in which the model was as it should be"
    if not enough:
        why += f" (fewer than {_REFERENCE_LEAST} windows say little of what is usual)"
    start, end = windows[0].start, windows[count - 1].end
    return (
        Guess("baseline.start", _written(start), why, sure=enough),
        Guess("baseline.end", _written(end), "", sure=enough),
    )


def choose_labels(
    delays: NDArray[np.float64], labelled: float | None, every: str
) -> tuple[Guess, ...]:
    """Choose when labels are due.

    Parameters
    ----------
    delays : array of float
        Seconds from prediction to label; empty where nobody says when labels were known.
    labelled : float or None
        Share of rows, old enough for it, that have a label; None where that is not known.
    every : str
        The length of windows.

    Examples
    --------
    >>> [g.value for g in choose_labels(np.full(100, 80_000.0), 0.97, "1d")]
    ['23h', 0.9, '47h']
    """
    coverage = _coverage(labelled)
    known = delays[np.isfinite(delays)]
    if not len(known):
        why = "when labels become known is in no column: say how long they take"
        return Guess("labels.delay", "0d", why, sure=False), coverage
    usual, last = (timedelta(seconds=max(0.0, float(np.quantile(known, q)))) for q in (0.95, 0.999))
    delay = _rounded_up(usual)
    give_up = max(_rounded_up(last), delay + Cadence(every).approximate)
    return (
        Guess("labels.delay", _length(delay), f"95 % of labels come within {_in_words(usual)}"),
        coverage,
        Guess(
            "labels.give_up",
            _length(_rounded_up(give_up)),
            f"99.9 % come within {_in_words(last)}; then a window is judged with what there is",
        ),
    )


def _coverage(labelled: float | None) -> Guess:
    if labelled is None:
        return Guess("labels.coverage", 0.9, "how many rows get a label is not known", sure=False)
    value = min(0.9, max(0.05, math.floor((labelled - 0.05) * 20) / 20))
    why = f"{100 * labelled:.1f} % of the rows that are old enough have a label"
    return Guess("labels.coverage", round(value, 2), why, sure=labelled >= 0.5)


def _rounded_up(span: timedelta) -> timedelta:
    for unit, most in ((timedelta(minutes=1), 120), (timedelta(hours=1), 48)):
        count = math.ceil(span / unit)
        if count < most:
            return count * unit
    return timedelta(days=math.ceil(span / timedelta(days=1)))


def _length(span: timedelta) -> str:
    """Write a length as a monitor file has it.

    Examples
    --------
    >>> _length(timedelta(hours=36)), _length(timedelta(days=3)), _length(timedelta())
    ('36h', '3d', '0d')
    """
    seconds = int(span / _SECOND)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _in_words(span: timedelta) -> str:
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if span.total_seconds() >= 2 * size:
            return f"{span.total_seconds() / size:.1f} {unit}"
    return f"{span.total_seconds():.0f} seconds"


def _written(at: datetime) -> str:
    at = at.astimezone(UTC)
    return at.strftime("%Y-%m-%d" if (at.hour, at.minute) == (0, 0) else "%Y-%m-%dT%H:%M:%SZ")


def seconds_between(
    before: NDArray[np.datetime64], after: NDArray[np.datetime64]
) -> NDArray[np.float64]:
    """Return the seconds between moments, NaN where one is missing."""
    apart = after - before
    return np.where(np.isnat(apart), np.nan, apart / np.timedelta64(1, "s"))


def share_labelled(
    at: NDArray[np.datetime64], has: Sequence[bool] | NDArray[np.bool_], delays: NDArray[np.float64]
) -> float | None:
    """Return the share of rows with a label, among those whose label must have come by now."""
    has = np.asarray(has)
    if not has.any():
        return None
    known = delays[np.isfinite(delays)]
    wait = float(np.quantile(known, 0.99)) if len(known) else 0.0
    # Labels may end before predictions do: what came after the last of them is no gap.
    newest = min(np.nanmax(at) - np.timedelta64(int(wait * 1e6), "us"), np.nanmax(at[has]))
    old = at <= newest
    return float(has[old].mean()) if old.any() else None
