"""Stale models: those of which no window was evaluated for two periods, and who is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

from monitoring_sdk.render.numbers import moment, short, window_words
from monitoring_sdk.render.watched import Notice
from monitoring_sdk.report import timestamp
from monitoring_sdk.stages.status import Standing

PERIODS = 2
STALE: Literal["stale"] = "stale"
EVALUATED: Literal["evaluated"] = "evaluated"
"""The kinds of transition by which a stale spell is told of: its beginning, and its end."""

_COUNTED = 1000
"""More periods than these are not counted: windows may be of a minute."""


@dataclass(frozen=True, slots=True)
class Stale:
    """That nobody looks at a model.

    Attributes
    ----------
    since : datetime or None
        The end of the newest window that was evaluated; None where none ever was.
    periods : int
        The windows that are due since then, at most 1,000; 0 where none was ever evaluated.
    due : datetime
        The end of the newest window that should have been evaluated.
    """

    since: datetime | None
    periods: int
    due: datetime

    @property
    def spell(self) -> str:
        """What the spell is named by: where it began."""
        return "never" if self.since is None else timestamp(self.since)


def stale_of(standing: Standing, now: datetime) -> Stale | None:
    """Say whether a model is stale.

    It is when its last two windows are past, with their lag, and neither was evaluated: a window
    that ended in `error` was not. One that was never looked at is stale too. None where it is not,
    or has no monitor file.
    """
    config = standing.monitored.config
    if config is None:
        return None
    due, since = config.cadence.latest(now, config.window.lag), standing.evaluated
    if since is None:
        return Stale(None, 0, due.end)
    if since > config.cadence.previous(due.start):
        return None
    missed = config.cadence.windows(since, due.end)
    return Stale(since, sum(1 for _ in islice(missed, _COUNTED)), due.end)


def stale_models(found: Sequence[Standing], now: datetime) -> list[str]:
    """Say which models are stale, a line each; a broken file is one: nobody looks there."""
    said = []
    for standing in found:
        name = standing.monitored.model
        if standing.monitored.path is not None and standing.monitored.config is None:
            said.append(f"{name}: its monitor file is broken, so nobody looks at it")
        elif (stale := stale_of(standing, now)) is not None:
            last = "never" if stale.since is None else f"{stale.since:%Y-%m-%d %H:%M} UTC"
            said.append(
                f"{name}: no window was judged for two periods; last judged: {last}, "
                f"due: {stale.due:%Y-%m-%d %H:%M} UTC"
            )
    return said


def next_word(stale: Stale | None, told: Sequence[str]) -> str | None:
    """Choose what is to be told of a model: that a stale spell began, or ended, or nothing.

    A spell goes on until the model is stale no more, so that windows which are made up for, one
    after the other, are no spells of their own.

    Parameters
    ----------
    stale : Stale or None
    told : sequence of str
        The transitions of this kind that were told, oldest first.

    Returns
    -------
    str or None
        `stale:<spell>` or `evaluated:<spell>`, each once for a spell.

    Examples
    --------
    >>> from datetime import UTC
    >>> late = Stale(datetime(2013, 6, 4, tzinfo=UTC), 2, datetime(2013, 6, 6, tzinfo=UTC))
    >>> began = next_word(late, [])
    >>> began, next_word(late, [began]), next_word(None, [])
    ('stale:2013-06-04T00:00:00Z', None, None)
    >>> next_word(None, [began]), next_word(None, [began, "evaluated:2013-06-04T00:00:00Z"])
    ('evaluated:2013-06-04T00:00:00Z', None)
    """
    spells = [t.partition(":")[2] for t in told if t.startswith(f"{STALE}:")]
    going_on = spells[-1] if spells and f"{EVALUATED}:{spells[-1]}" not in told else None
    if stale is None:
        return None if going_on is None else f"{EVALUATED}:{going_on}"
    began = f"{STALE}:{stale.spell}"
    return began if going_on is None and began not in told else None


def stale_notice(standing: Standing, stale: Stale, links: Mapping[str, str]) -> Notice:
    """Write what is told when a spell begins."""
    zone, model = _zone(standing), short(standing.monitored.model)
    if stale.since is None:
        title = f"{model}: no window has ever been evaluated"
    else:
        many = f"{stale.periods:,}" + ("+" if stale.periods == _COUNTED else "")
        title = f"{model}: no window has been evaluated since {moment(stale.since, zone)}"
        title += f", {many} periods"
    config = standing.monitored.config
    facts = {
        "Last evaluated": "never" if stale.since is None else moment(stale.since, zone),
        "Due": moment(stale.due, zone),
        **({} if config is None else {"Every": config.window.every}),
    }
    return Notice(title, [f"Last run: {last_run(standing)}"], facts, links=links)


def last_run(standing: Standing) -> str:
    """Say what is known of the last run: the newest verdict, if only that it ended in an error."""
    if standing.window is None or standing.as_of is None:
        return "none is known; is there a schedule, and a worker?"
    zone = _zone(standing)
    why = f" ({short(standing.reason, 300)})" if standing.reason else ""
    return (
        f"on {window_words(standing.window, zone)}, as of {moment(standing.as_of, zone)}: "
        f"{standing.status}{why}"
    )


def evaluated_notice(standing: Standing) -> Notice:
    """Write the quiet end of a spell."""
    at = moment(standing.evaluated, _zone(standing)) if standing.evaluated else "now"
    return Notice(f"{short(standing.monitored.model)}: evaluated again, up to {at}", quiet=True)


def _zone(standing: Standing) -> str:
    config = standing.monitored.config
    return "UTC" if config is None else config.window.timezone
