"""Where alerts go: each check to the first route that it fits, a message to all of its checks'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal

from monitoring_sdk.config_alerts import Alerts, Route
from monitoring_sdk.report import Check

Whom = str | Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver: a channel of Slack (None: the console), or a URL of Apprise as the file has it.

    `mention` is whom its route calls, in place of the owner's; it takes no part in comparisons.
    """

    kind: Literal["slack", "apprise"]
    address: str | None
    mention: str | None = field(default=None, compare=False)


def whom(mention: Whom, severity: str) -> str | None:
    """Say who is called for a severity; one name alone is for what is critical.

    Examples
    --------
    >>> whom("@oncall", "critical"), whom("@oncall", "warning"), whom({"warning": "@a"}, "warning")
    ('@oncall', None, '@a')
    """
    if isinstance(mention, Mapping):
        return mention.get(severity)
    return mention if severity == "critical" else None


def usual_targets(alerts: Alerts, mention: Whom = None) -> tuple[Target, ...]:
    """Return where critical alerts go that fit no route; the console where nothing is set up."""
    call = whom(mention, "critical")
    slack = [Target("slack", alerts.slack.channel, call)] if alerts.slack.channel else []
    found = [*slack, *(Target("apprise", a, call) for a in alerts.apprise)]
    return tuple(found) or (Target("slack", None, call),)


def every_target(alerts: Alerts, model: str) -> tuple[Target, ...]:
    """Return all receivers that are set up for a model, once each."""
    routed = [t for r in alerts.routes if _of_model(r, model) for t in _targets(r, None)]
    usual = [t for t in usual_targets(alerts) if t.address is not None]
    return tuple({(t.kind, t.address): t for t in reversed([*usual, *routed])}.values())[::-1]


def _of_model(route: Route, model: str) -> bool:
    return not route.models or any(fnmatchcase(model, name) for name in route.models)


def _targets(route: Route, mention: Whom) -> tuple[Target, ...]:
    call = whom(mention if route.mention is None else route.mention, route.severity)
    slack = [] if route.slack is None else [Target("slack", route.slack.channel, call)]
    return (*slack, *(Target("apprise", a, call) for a in route.apprise))


def fits(route: Route, model: str, check: Check) -> bool:
    """Say whether a check of a model fulfils a route's conditions.

    Examples
    --------
    >>> from monitoring_sdk.window import Window
    >>> day = Window.from_dict({"start": "2013-06-03T04:00Z", "end": "2013-06-04T04:00Z"})
    >>> jfk = Check("performance", "accuracy", day, "alert", segment={"origin": "JFK"})
    >>> route = Route.model_validate({"segment": {"origin": "JFK"}, "slack": {"channel": "C1"}})
    >>> fits(route, "flights", jfk)
    True
    """
    segment = {k: str(v) for k, v in (check.segment or {}).items()}
    return (
        _of_model(route, model)
        and route.severity == check.severity
        and (not route.family or check.family in route.family)
        and all(segment.get(k) == str(v) for k, v in route.segment.items())
    )


def routed(
    alerts: Alerts, model: str, checks: Sequence[Check], mention: Whom = None
) -> dict[Target, tuple[Check, ...]]:
    """Say where checks go, and which of them go there.

    Parameters
    ----------
    alerts : Alerts
    model : str
    checks : sequence of Check
        A critical one that fits no route goes where `alerts` itself says, a warning nowhere.
        Without any, the answer is where `alerts` itself says.
    mention : str or mapping, optional
        The owner's: a name, or a name for each severity.

    Returns
    -------
    dict of Target to tuple of Check
        In the order of the checks; each target once.
    """
    usual = usual_targets(alerts, mention)
    if not checks:
        return dict.fromkeys(usual, ())
    found: dict[tuple[str, str | None], tuple[Target, list[Check]]] = {}
    for check in checks:
        route = next((r for r in alerts.routes if fits(r, model, check)), None)
        if route is not None:
            targets = _targets(route, mention)
        else:
            targets = usual if check.severity == "critical" else ()
        for target in targets:
            _, own = found.setdefault((target.kind, target.address), (target, []))
            own.append(check)
    return {target: tuple(own) for target, own in found.values()}


def maintained_until(alerts: Alerts, zone: str, at: datetime) -> datetime | None:
    """Return the end of the maintenance that a moment lies in, the latest of several; or None."""
    ends = [end for m in alerts.maintenance if (end := m.ends(at, zone)) is not None]
    return max(ends, default=None)
