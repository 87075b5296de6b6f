"""When an incident asks for retraining: at most once, and never on the word of broken data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from monitoring_sdk.decision import trigger_id
from monitoring_sdk.report import Check, Incident, Trigger
from monitoring_sdk.window import Window


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
    when: Collection[str],
    cooldown: timedelta,
    last: Trigger | None,
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
        The deciding window; the cooldown runs on its end, not on the clock.
    when : collection of str
        Families, and names of checks (`concept_drift`), that ask for retraining.
    cooldown : timedelta
        From one trigger's window to the next one's. An incident that outlasts it triggers then.
    last : Trigger or None
        The model's newest one.

    Returns
    -------
    Trigger or None
        Its id follows from the incident's: an incident triggers once.

    Examples
    --------
    >>> day = Window.from_dict({"start": "2013-06-03T04:00Z", "end": "2013-06-04T04:00Z"})
    >>> check = Check("performance", "accuracy", day, "alert", value=0.71, threshold=0.8,
    ...               direction="below")
    >>> incident = Incident("i", "flights", day.end)
    >>> week = timedelta(days=7)
    >>> trigger = policy(incident, [check], window=day, when=["performance"], cooldown=week,
    ...                  last=None)
    >>> trigger.reason
    'performance/accuracy is 0.71, below 0.8'
    >>> policy(incident, [check], window=day, when=["performance"], cooldown=week, last=trigger)
    """
    if incident is None or incident.closed is not None:
        return None
    reasons = [c for c in checks if c.pages and (c.family in when or c.name in when)]
    if not reasons or quality_failed(checks):
        return None
    if last is not None and (
        last.incident == incident.id or window.end - last.window_end < cooldown
    ):
        return None
    text = "; ".join(_reason(c) for c in reasons[:3])
    if len(reasons) > 3:
        text += f"; and {len(reasons) - 3} more"
    return Trigger(trigger_id(incident.id), incident.model, incident.id, text, window.end)


def _reason(check: Check) -> str:
    if check.value is None:
        return check.key
    text = f"{check.key} is {check.value:.4g}"
    if check.threshold is not None:
        text += f", {check.direction or 'beyond'} {check.threshold:.4g}"
    return text
