"""When an incident asks for retraining: at most once, and never on the word of broken data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from monitoring_sdk.config_retraining import Retraining, is_quiet
from monitoring_sdk.decision import trigger_id
from monitoring_sdk.report import Check, Incident, Trigger, timestamp
from monitoring_sdk.window import Window

PENDING, AWAITING = "pending", "awaiting_approval"
PUT_OFF, LAPSED = "put_off", "lapsed"
DECLINED, FINISHED, FAILED = "declined", "finished", "failed"
PROMOTING, PROMOTED, KEPT = "promoting", "promoted", "kept"
UNASKED = (PUT_OFF, LAPSED)
"""States of what nobody was asked for: it waits for its time, or its incident closed before."""
ANSWERED = (PROMOTED, KEPT, FAILED, DECLINED)
"""States after which no answer is awaited any more."""


def quality_failed(checks: Sequence[Check]) -> bool:
    """Say whether a critical quality check failed or could not be run: the data may be broken.

    Levels that the reference did not have are no fault of the data by themselves: a model that
    meets a new world is what retraining is for.
    """
    return any(
        c.family == "quality" and c.severity == "critical" and c.status in ("alert", "error")
        for c in checks
        if c.name != "unseen_share" or c.threshold_from == "user"
    )


def policy(
    incident: Incident | None,
    checks: Sequence[Check],
    *,
    window: Window,
    settings: Retraining,
    known: Sequence[Trigger] = (),
    labelled: int = 0,
    lag: timedelta = timedelta(),
    timezone: str = "UTC",
) -> Trigger | None:
    """Return the trigger that this window records, or None.

    Parameters
    ----------
    incident : Incident or None
        The incident as it stands after this window.
    checks : sequence of Check
        Every check that this window's run judged. Only one that alerts, is critical and has its
        family or its name in `when` counts; `error`, `insufficient`, `undefined` and `skipped`
        never do.
    window : Window
        The deciding window. All pauses run on its end (quiet hours on its end and the lag), not on
        the clock.
    settings : Retraining
        The monitor file's section.
    known : sequence of Trigger
        The model's triggers of old, those that were put off among them.
    labelled : int
        Labelled rows that were judged since the incident opened.
    lag : timedelta
        `window.lag`.
    timezone : str
        Whose nights and months.

    Returns
    -------
    Trigger or None
        Its id follows from the incident's: an incident triggers once. In the state `put_off` it is
        only noted, with what it waits for as `outcome`; it follows, whatever the later windows
        say, with the first one at which it may and whose data is whole, if the incident is open.

    Examples
    --------
    >>> day = Window.from_dict({"start": "2013-06-03T04:00Z", "end": "2013-06-04T04:00Z"})
    >>> check = Check("performance", "accuracy", day, "alert", value=0.71, threshold=0.8,
    ...               direction="below")
    >>> incident = Incident("i", "flights", day.end)
    >>> trigger = policy(incident, [check], window=day, settings=Retraining())
    >>> trigger.reason
    'performance/accuracy is 0.71, below 0.8'
    >>> policy(incident, [check], window=day, settings=Retraining(), known=[trigger])
    >>> second = policy(Incident("j", "flights", day.end), [check], window=day,
    ...                 settings=Retraining(), known=[trigger])
    >>> second.state, second.outcome
    ('put_off', 'the cooldown since 2013-06-04T04:00:00Z ends at 2013-06-11T04:00:00Z')
    """
    if incident is None or incident.closed is not None or quality_failed(checks):
        return None
    own = next((t for t in known if t.incident == incident.id), None)
    if own is not None and own.state != PUT_OFF:
        return None
    if own is None:
        reasons = [c for c in checks if c.pages and _wanted(c, settings)]
        lasted = window.end - incident.opened
        if not reasons or lasted < settings.after or labelled < settings.min_labels:
            return None
        own = Trigger(
            trigger_id(incident.id), incident.model, incident.id, _reasons(reasons), window.end
        )
    why = pause(settings, asked(known), window.end, lag, timezone)
    if why is not None:
        return dataclasses.replace(own, state=PUT_OFF, outcome=why)
    state = AWAITING if settings.approval else PENDING
    return dataclasses.replace(own, window_end=window.end, state=state, outcome=None)


def asked(known: Sequence[Trigger]) -> list[Trigger]:
    """Return the triggers that were made, without those that are, or ended, put off."""
    return [t for t in known if t.state not in UNASKED]


def pause(
    settings: Retraining,
    made: Sequence[Trigger],
    end: datetime,
    lag: timedelta = timedelta(),
    timezone: str = "UTC",
) -> str | None:
    """Say why no retraining may be asked for at the end of a window; None where it may."""
    last = max((t.window_end for t in made), default=None)
    if last is not None and end - last < settings.cooldown:
        until = timestamp(last + settings.cooldown)
        return f"the cooldown since {timestamp(last)} ends at {until}"
    zone = ZoneInfo(timezone)
    month = end.astimezone(zone).strftime("%Y-%m")
    count = sum(t.window_end.astimezone(zone).strftime("%Y-%m") == month for t in made)
    if settings.max_per_month is not None and count >= settings.max_per_month:
        return f"{count} of {settings.max_per_month} were asked for in {month}"
    if is_quiet(settings.quiet, end + lag, timezone):
        return "quiet hours"
    return None


def _wanted(check: Check, settings: Retraining) -> bool:
    return check.family in settings.when or check.name in settings.when


def _reasons(reasons: Sequence[Check]) -> str:
    text = "; ".join(_reason(c) for c in reasons[:3])
    if len(reasons) > 3:
        text += f"; and {len(reasons) - 3} more"
    return text


def _reason(check: Check) -> str:
    if check.value is None:
        return check.key
    text = f"{check.key} is {check.value:.4g}"
    if check.threshold is not None:
        text += f", {check.direction or 'beyond'} {check.threshold:.4g}"
    return text
