"""Status: one line a model, over the monitor files of the folder and the models of the store."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from monitoring_sdk.adapters.store import Store
from monitoring_sdk.alarms.budget import Budget
from monitoring_sdk.config import MonitorConfig, load_config
from monitoring_sdk.errors import ConfigError, MonitoringError, explain
from monitoring_sdk.feedback import acknowledged, silenced_until
from monitoring_sdk.fleet import load_fleet
from monitoring_sdk.report import SCHEMA, Incident, Status, timestamp
from monitoring_sdk.routing import maintained_until
from monitoring_sdk.stages.fleet import alerts_of, budget_of, incident_groups
from monitoring_sdk.stages.handle import (
    MONITOR_SUFFIXES,
    find_config,
    monitor_files,
    monitors_root,
)
from monitoring_sdk.stages.newest import joint_status
from monitoring_sdk.stages.outbox_state import outbox_standing
from monitoring_sdk.window import Window

_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))


@dataclass(frozen=True, slots=True)
class Monitored:
    """A model by its monitor file; one whose file is broken goes by the file's name.

    `path` is None for a model that the store alone knows.
    """

    model: str
    path: Path | None
    config: MonitorConfig | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a model stands.

    Attributes
    ----------
    window, status, reason, rows
        Of the newest window that was judged; None before there is one.
    incident : Incident or None
        The open one.
    spent : int
        Incidents that opened in the budget's last period, up to the end of that window.
    silenced_until : datetime or None
        While no alert is made for it: by a silence, or by maintenance.
    as_of, evaluated : datetime or None
        As of when that window was judged; the end of the newest one that did not end in `error`.
    """

    monitored: Monitored
    window: Window | None = None
    status: Status | None = None
    reason: str | None = None
    rows: int | None = None
    incident: Incident | None = None
    acknowledged: bool = False
    budget: Budget | None = None
    spent: int = 0
    silenced_until: datetime | None = None
    as_of: datetime | None = None
    evaluated: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        path, config, until = self.monitored.path, self.monitored.config, self.silenced_until
        budget = None if self.budget is None else budget_words(self.budget)
        incident = None
        if self.incident is not None:
            incident = {**self.incident.to_dict(), "acknowledged": self.acknowledged}
        return {
            "model": self.monitored.model,
            "file": None if path is None else str(path),
            "problems": list(self.monitored.problems),
            "timezone": "UTC" if config is None else config.window.timezone,
            "window": None if self.window is None else self.window.to_dict(),
            "status": self.status,
            "reason": self.reason,
            "rows": self.rows,
            "incident": incident,
            "budget": None if budget is None else {"spent": self.spent, "allowed": budget},
            "silenced_until": None if until is None else timestamp(until),
        }


def budget_words(budget: Budget) -> str:
    """Write a budget as a monitor file has it.

    Examples
    --------
    >>> from monitoring_sdk.alarms.budget import parse_budget
    >>> budget_words(parse_budget("1 per 30d")), budget_words(parse_budget("0.5 per 36h"))
    ('1 per 30d', '0.5 per 36h')
    """
    fits = [(unit, size) for unit, size in _UNITS if budget.period % size == timedelta()]
    unit, size = fits[0] if fits else ("s", timedelta(seconds=1))
    return f"{budget.pages:g} per {budget.period / size:g}{unit}"


def monitored_models(store: Store) -> list[Monitored]:
    """Return every model that a file of the folder, or the store, knows of, by name.

    Whatever is wrong with one file harms no other.
    """
    found = [_read(path) for path in monitor_files()]
    named = {m.model for m in found}
    found += [Monitored(model, None) for model in store.models() if model not in named]
    return sorted(found, key=lambda m: m.model)


def _read(path: Path) -> Monitored:
    try:
        config = load_config(path)
    except ConfigError as error:
        return Monitored(path.stem, path, None, error.problems)
    except (MonitoringError, OSError, ValueError, RecursionError) as error:
        return Monitored(path.stem, path, None, (f"{path}: {error or type(error).__name__}",))
    return Monitored(config.model, path, config)


def model_called(store: Store, text: str) -> str:
    """Return the model of a name, or of the path of its monitor file.

    Raises
    ------
    ConfigError
        When neither a file of the folder nor the store knows it.
    """
    if Path(text).suffix in MONITOR_SUFFIXES:
        return find_config(text)[0].model
    known = [m.model for m in monitored_models(store)]
    if text not in known:
        raise ConfigError(explain("no such model", where="MODEL", got=text, allowed=known))
    return text


def _with_budget(monitored: Monitored) -> tuple[Monitored, Budget | None]:
    """Return the budget that holds for a model; a fault in the fleet's file is one of its own."""
    if monitored.config is None:
        return monitored, None
    try:
        return monitored, budget_of(monitored.config)
    except ConfigError as error:
        problems = (*monitored.problems, *error.problems)
        return dataclasses.replace(monitored, problems=problems), None


def standing_of(monitored: Monitored, store: Store, now: datetime) -> Standing:
    """Say how a model stands.

    Parameters
    ----------
    monitored : Monitored
    store : Store
    now : datetime
        By the clock, for its silence.
    """
    model = monitored.model
    said = store.feedback(model)
    monitored, budget = _with_budget(monitored)
    silenced = _quiet_until(monitored, silenced_until(said, now), now)
    rows = store.last_window(model)
    if "data" not in rows:
        return Standing(monitored, budget=budget, silenced_until=silenced)
    data = rows["data"]
    incident = next((i for i in store.incidents(model) if i.closed is None), None)
    end = data.window.end
    spent = len(store.incidents(model, end - budget.period, end)) if budget is not None else 0
    return Standing(
        monitored,
        data.window,
        joint_status(data, rows.get("performance")),
        data.reason,
        data.rows,
        incident,
        incident is not None and acknowledged(said, incident.id),
        budget,
        spent,
        silenced,
        data.as_of,
        store.evaluated_until(model),
    )


def _quiet_until(monitored: Monitored, silenced: datetime | None, now: datetime) -> datetime | None:
    """Return how long no alert is made: by a silence, or by maintenance."""
    config, ends = monitored.config, [silenced]
    if config is not None:
        # A fault in the fleet's file is among the model's problems.
        with contextlib.suppress(ConfigError):
            ends.append(maintained_until(alerts_of(config), config.window.timezone, now))
    return max((end for end in ends if end is not None), default=None)


def standings(store: Store, now: datetime) -> list[Standing]:
    """Say how every model stands, by name."""
    return [standing_of(monitored, store, now) for monitored in monitored_models(store)]


def status_document(found: Sequence[Standing], store: Store, now: datetime) -> dict[str, Any]:
    """Return the JSON document of `monitoring status`.

    `groups`: open incidents of several models that one column of a source can explain; `outbox`:
    what has not arrived.
    """
    return {
        "schema": SCHEMA,
        "as_of": timestamp(now),
        "models": [s.to_dict() for s in found],
        "groups": _open_groups(found, store),
        "outbox": outbox_standing(store, now).to_dict(),
    }


def _open_groups(found: Sequence[Standing], store: Store) -> list[dict[str, Any]]:
    configs = [s.monitored.config for s in found if s.monitored.config is not None]
    still = {s.incident.id for s in found if s.incident is not None}
    try:
        fleet = load_fleet(monitors_root())
    except ConfigError:
        # Each model's line says so already.
        return []
    groups = incident_groups(store, configs, fleet)["groups"]
    return [g for g in groups if still & set(g["incidents"])]
