"""The fleet as the folder of monitor files has it: whose budget is what, and what is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from monitoring_sdk.adapters.folders import stamp
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.alarms.budget import parse_budget
from monitoring_sdk.alarms.judging import Budget
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_alerts import Alerts
from monitoring_sdk.config_sections import SourceSpec
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.fleet import (
    FLEET_FILE,
    Broken,
    Cause,
    FleetConfig,
    Member,
    effective,
    group,
    load_fleet,
)
from monitoring_sdk.render.keys import parts_of
from monitoring_sdk.report import SCHEMA
from monitoring_sdk.stages.handle import monitor_files, monitors_root
from monitoring_sdk.yaml_file import interpolate, read_mapping


def budget_of(config: MonitorConfig) -> Budget:
    """Return the budget that holds for a model: its own, or its share of the fleet's.

    The fleet is the folder of monitor files; a model that has no file there has its own budget.

    Raises
    ------
    ConfigError
        When `_fleet.yaml` is wrong, or the budgets that models state leave nothing to split.
    """
    root = monitors_root()
    fleet = load_fleet(root)
    if fleet is None or fleet.budget is None:
        return config.alarm.allowed
    try:
        return effective(config, fleet, members(root))
    except ConfigError as error:
        raise ConfigError(
            [p.replace(FLEET_FILE, str(root / FLEET_FILE), 1) for p in error.problems]
        ) from None


def alerts_of(config: MonitorConfig) -> Alerts:
    """Return who is told of a model: what its own file says, beside what the fleet's does.

    Raises
    ------
    ConfigError
        When `_fleet.yaml` is wrong.
    """
    fleet = load_fleet(monitors_root())
    return config.alerts.beside(None if fleet is None else fleet.alerts)


def check_budget(config: MonitorConfig, found: list[str]) -> list[str]:
    """Say which budget holds for a model; return what is wrong with the fleet's file."""
    try:
        found.append(f"alarm budget: {budget_of(config)}")
    except ConfigError as error:
        return list(error.problems)
    return []


def members(root: Path) -> tuple[Member, ...]:
    """Return the models of a folder as they count when a budget is split.

    Nothing else of a file is read: a fault in one must not stop the other models. A file that
    cannot be read counts as a model of tier 1.
    """
    return tuple(_member(p, stamp(p)) for p in monitor_files(root))


# Parsing takes long, and a backfill asks at every window.
@lru_cache(maxsize=4096)
def _member(path: Path, version: str) -> Member:
    try:
        data = interpolate(read_mapping(path), "", [])
    except (ConfigError, RecursionError):
        return Member(path.stem)
    model, tier = data.get("model"), _at(data, "owner", "tier")
    budget = None
    if (stated := _at(data, "alarm", "budget")) is not None:
        try:
            budget = parse_budget(stated)
        except (ConfigError, OverflowError):
            budget = None
    fits = str(tier).isdigit() and int(tier) >= 1
    return Member(str(model or path.stem), int(tier) if fits else 1, budget)


def causes_of(config: MonitorConfig, keys: Sequence[str]) -> frozenset[Cause]:
    """Return the source columns that checks of a model speak of.

    What the model itself writes lies beside its predictions; any other column may come from the
    table of features as well.
    """
    source, columns = config.source, config.columns
    features = () if source.features is None else (_place(source.features),)
    written = {columns.prediction, *columns.scores}
    found = {column for key in keys if (column := parts_of(key).column) is not None}
    return frozenset(
        (place, column)
        for column in found
        for place in (_place(source.predictions), *(() if column in written else features))
    )


def _place(spec: SourceSpec) -> str:
    return " ".join(filter(None, (spec.path, spec.url, spec.table, spec.query)))


def incident_groups(
    store: Store, configs: Sequence[MonitorConfig], fleet: FleetConfig | None
) -> dict[str, Any]:
    """Return the JSON of the incidents of several models that one source column can explain.

    Parameters
    ----------
    store : Store
    configs : sequence of MonitorConfig
        Of the models that count.
    fleet : FleetConfig or None
        Without one nothing is grouped.
    """
    if fleet is None:
        return {"schema": SCHEMA, "groups": []}
    broken = [
        Broken(incident, causes_of(config, incident.checks))
        for config in configs
        for incident in store.incidents(config.model)
    ]
    return {"schema": SCHEMA, "groups": [g.to_dict() for g in group(broken, fleet.group.within)]}


def _at(data: Mapping[str, Any], section: str, key: str) -> Any:
    found = data.get(section)
    return found.get(key) if isinstance(found, Mapping) else None
