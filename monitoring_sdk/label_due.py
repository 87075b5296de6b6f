"""When a window may be judged: its labels are due, and those still missing are waited for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from monitoring_sdk.window import Window


@dataclass(frozen=True, slots=True)
class DueState:
    """Whether a window's performance may be judged, and why."""

    state: Literal["pending", "waiting", "ready", "given_up"]
    reason: str

    @property
    def judged(self) -> bool:
        """Whether it is judged now: ready, or given up waiting."""
        return self.state in ("ready", "given_up")


def labels_due(
    window: Window,
    as_of: datetime,
    delay: timedelta,
    coverage: float,
    give_up: timedelta | None,
    seen_coverage: float | None,
) -> DueState:
    """Say whether the labels of a window are due.

    Parameters
    ----------
    window : Window
        The predictions' window.
    as_of : datetime
        The moment of the run, aware.
    delay : timedelta
        Labels are not expected before `window.end + delay`.
    coverage : float
        The share of labelled predictions, in [0, 1], that is enough.
    give_up : timedelta or None
        From `window.end + give_up` on the window is judged with what there is; None waits on.
    seen_coverage : float or None
        The share labelled as of `as_of`; None where there is no prediction.

    Returns
    -------
    DueState
        `pending` before the delay is past, then `ready` once coverage is reached, else
        `waiting`, and in the end `given_up`.

    Examples
    --------
    >>> from datetime import UTC
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> labels_due(day, datetime(2013, 6, 7, tzinfo=UTC), timedelta(days=2), 0.9,
    ...            timedelta(days=14), 0.5)
    DueState(state='waiting', reason='50.0 % of the labels are known, 90.0 % are asked for')
    """
    due = window.end + delay
    if as_of < due:
        return DueState("pending", f"labels are due at {due.isoformat()}")
    if seen_coverage is None:
        return DueState("ready", "no predictions, so no labels to wait for")
    known = f"{_percent(seen_coverage)} of the labels are known, {_percent(coverage)} are asked for"
    if seen_coverage >= coverage:
        return DueState("ready", known)
    if give_up is not None and as_of >= window.end + give_up:
        return DueState("given_up", f"{known}; given up at {(window.end + give_up).isoformat()}")
    return DueState("waiting", known)


def filled_labels_due(
    window: Window,
    as_of: datetime,
    delay: timedelta,
    step: timedelta,
    newest: datetime | None,
    *,
    dated: bool = True,
) -> DueState:
    """Say whether a missing label of a window can be taken for one that will never come.

    That is so when the delay is past and the label table was still written to when it ended: a
    table that nobody has written to since holds no label because nobody looked.

    Parameters
    ----------
    window, as_of, delay
        As for `labels_due`.
    step : timedelta
        How often, at the least, a table is written to that is not stale.
    newest : datetime or None
        The latest timestamp of any label row seen.
    dated : bool
        Whether label rows have a timestamp; without, it cannot be told, and they are believed.

    Returns
    -------
    DueState
        `pending`, `waiting` while the table is stale, else `ready`.

    Examples
    --------
    >>> from datetime import UTC
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> filled_labels_due(day, datetime(2013, 6, 9, tzinfo=UTC), timedelta(days=2),
    ...                   timedelta(days=1), datetime(2013, 6, 4, tzinfo=UTC)).reason
    'label table is stale: newest label 2013-06-04 00:00 UTC, needed until 2013-06-05 00:00 UTC'
    """
    due = window.end + delay
    if as_of < due:
        return DueState("pending", f"labels are due at {due.isoformat()}")
    if not dated:
        return DueState(
            "ready", "labels have no timestamp: whether their table is stale cannot be told"
        )
    needed = due - step
    if newest is None or newest < needed:
        last = "it has no label yet" if newest is None else f"newest label {_moment(newest)}"
        return DueState("waiting", f"label table is stale: {last}, needed until {_moment(needed)}")
    return DueState("ready", f"newest label {_moment(newest)}")


def known_until(as_of: datetime, newest: datetime | None, step: timedelta) -> datetime | None:
    """Return until when a label that is missing is known to be missing; None: it never is.

    Parameters
    ----------
    as_of : datetime
        The moment up to which labels were read.
    newest, step
        As for `filled_labels_due`.

    Examples
    --------
    >>> from datetime import UTC
    >>> june = datetime(2013, 6, 1, tzinfo=UTC)
    >>> known_until(datetime(2013, 6, 9, tzinfo=UTC), june, timedelta(days=1)).day
    2
    """
    return None if newest is None else min(as_of, newest + step)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _percent(share: float) -> str:
    # Rounded down, so that a share just below what is asked for does not read as if it were there.
    return f"{math.floor(share * 1000 + 1e-9) / 10:.1f} %"
