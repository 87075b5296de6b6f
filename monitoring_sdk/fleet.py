"""All models together: `_fleet.yaml`, the budget that they share, and incidents with one source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from monitoring_sdk.alarms.budget import parse_budget
from monitoring_sdk.alarms.judging import Budget
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_alarm import BudgetText
from monitoring_sdk.config_alerts import Alerts, as_written
from monitoring_sdk.config_problems import describe
from monitoring_sdk.config_sections import Duration, Section
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.report import Incident, timestamp
from monitoring_sdk.yaml_file import interpolate, read_mapping

FLEET_FILE = "_fleet.yaml"

Tier = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class Grouping(Section):
    """Which incidents of several models are one: how far apart they may open."""

    within: Duration = timedelta(hours=1)


class FleetConfig(Section):
    """What holds for all models of a folder together.

    Without `budget` each model has its own; without `split` all have an equal share. `alerts` holds
    where a model's own file says nothing; routes and maintenance are added to the model's own.
    """

    budget: BudgetText | None = None
    split: dict[Tier, Share] = Field(default_factory=dict)
    group: Grouping = Grouping()
    alerts: Alerts | None = None

    @model_validator(mode="after")
    def _whole(self) -> FleetConfig:
        if self.split and self.budget is None:
            raise ValueError("split needs a budget that it splits")
        if sum(self.split.values()) > 1 + 1e-9:
            total = f"{sum(self.split.values()):g}"
            raise ValueError(f"split: the shares come to {total}, more than the whole (1)")
        return self


def parse_fleet(data: dict[str, Any], where: str = FLEET_FILE) -> FleetConfig:
    """Validate what a fleet's file holds.

    Raises
    ------
    ConfigError
        With every fault, a line each.

    Examples
    --------
    >>> parse_fleet({"budget": "4 per 30d", "split": {1: 0.5, 2: 0.5}}).group.within
    datetime.timedelta(seconds=3600)
    """
    problems: list[str] = []
    try:
        found = FleetConfig.model_validate(as_written(interpolate(data, "", problems), data))
    except RecursionError:
        raise ConfigError(f"{where}: an alias holds itself") from None
    except ValidationError as error:
        problems += describe(error, FleetConfig, data) or [
            str(e["msg"]).removeprefix("Value error, ") for e in error.errors()
        ]
    if problems:
        raise ConfigError([f"{where}: {p}" for p in problems])
    return found


def load_fleet(folder: Path) -> FleetConfig | None:
    """Read the fleet's file of a folder of monitor files; None where there is none.

    Raises
    ------
    ConfigError
        With every fault of the file, a line each.
    """
    path = folder / FLEET_FILE
    return parse_fleet(read_mapping(path, "budget"), str(path)) if path.is_file() else None


@dataclass(frozen=True, slots=True)
class Member:
    """What of a model counts when a budget is split: its tier, and the budget that it states."""

    model: str
    tier: int = 1
    budget: Budget | None = None

    @classmethod
    def of(cls, config: MonitorConfig) -> Member:
        """Read it from a monitor's settings."""
        stated = config.alarm.allowed if config.alarm.stated else None
        return cls(config.model, config.owner.tier, stated)


def effective(config: MonitorConfig, fleet: FleetConfig | None, models: Sequence[Member]) -> Budget:
    """Return the budget that holds for a model.

    One that its own file states is kept, and is taken off the fleet's; the rest is split by tier,
    and within a tier equally. The share of a tier without models is nobody's.

    Parameters
    ----------
    config : MonitorConfig
    fleet : FleetConfig or None
    models : sequence of Member
        All of the fleet; a model that is not among them is none of it.

    Raises
    ------
    ConfigError
        When the budgets stated leave nothing for the others, or a tier has no share.

    Examples
    --------
    >>> from monitoring_sdk.config import parse_config
    >>> churn = parse_config({"model": "churn", "source": {"predictions": "p.parquet"},
    ...     "columns": {"timestamp": "t", "prediction": "y"}, "owner": {"tier": 2}})
    >>> fleet = parse_fleet({"budget": "4 per 30d", "split": {1: 0.5, 2: 0.5}})
    >>> ads = Member("ads", 2, parse_budget("1 per 30d"))
    >>> print(effective(churn, fleet, [Member.of(churn), Member("fraud"), Member("risk", 2), ads]))
    0.75 per 30d
    """
    own = config.alarm.allowed
    if fleet is None or fleet.budget is None or config.model not in {m.model for m in models}:
        return own
    whole = parse_budget(fleet.budget)
    members = {m.model: m for m in models} | {config.model: Member.of(config)}
    left = whole.pages - _stated_pages(whole, members)
    sharing = Counter(m.tier for m in members.values() if m.budget is None)
    if left < -1e-9 or (left < 1e-9 and sharing):
        raise ConfigError(_nothing_left(whole, members, sharing.total()))
    if config.alarm.stated:
        return own
    share = _share(config.owner.tier, fleet.split, sharing, config.model)
    return Budget(left * share, whole.period)


def _stated_pages(whole: Budget, members: Mapping[str, Member]) -> float:
    """Return the pages in the fleet's period that models state for themselves."""
    stated = (m.budget for m in members.values() if m.budget is not None)
    return sum(b.pages * (whole.period / b.period) for b in stated)


def _share(tier: int, split: Mapping[int, float], sharing: Mapping[int, int], model: str) -> float:
    if not split:
        return 1 / sum(sharing.values())
    if tier not in split:
        known = ", ".join(map(str, sorted(split)))
        raise ConfigError(
            f"{FLEET_FILE}: split: no share for tier {tier} (owner.tier of {model}); has: {known}"
        )
    return split[tier] / sharing[tier]


def _nothing_left(whole: Budget, members: Mapping[str, Member], others: int) -> str:
    stated = [f"{m.model} {m.budget}" for _, m in sorted(members.items()) if m.budget is not None]
    total = Budget(_stated_pages(whole, members), whole.period)
    more = "is more than" if others == 0 else f"leaves nothing for the other {others} of"
    return (
        f"{FLEET_FILE}: budget: what models state for themselves ({', '.join(stated)}) comes to "
        f"{total}, which {more} the fleet's {whole}"
    )


Cause = tuple[str, str]
"""A source of rows, and a column in it."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An incident, and the source columns that its paging checks speak of."""

    incident: Incident
    causes: frozenset[Cause]


@dataclass(frozen=True, slots=True)
class Group:
    """Incidents of several models that one source column can explain, in the order of opening."""

    incidents: tuple[Incident, ...]
    causes: frozenset[Cause]

    @property
    def models(self) -> tuple[str, ...]:
        """The models, that of the first incident first."""
        return tuple(i.model for i in self.incidents)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that all of the incidents share."""
        return tuple(sorted({column for _, column in self.causes}))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "models": list(self.models),
            "columns": list(self.columns),
            "opened": timestamp(self.incidents[0].opened),
            "incidents": [i.id for i in self.incidents],
        }


def group(broken: Sequence[Broken], within: timedelta) -> tuple[Group, ...]:
    """Group incidents of several models that share a source column and opened close together.

    Parameters
    ----------
    broken : sequence of Broken
        In any order.
    within : timedelta
        How long after the first incident of a group, by logical time, the others may open.

    Returns
    -------
    tuple of Group
        Each of two models or more; an incident is in one group at most, the oldest that it fits.
    """
    found: list[list[Broken]] = []
    shared: list[frozenset[Cause]] = []
    for one in sorted(broken, key=lambda b: (b.incident.opened, b.incident.model)):
        for i, members in enumerate(found):
            first = members[0].incident
            models = {m.incident.model for m in members}
            near = one.incident.opened - first.opened <= within
            if near and one.incident.model not in models and shared[i] & one.causes:
                members.append(one)
                shared[i] &= one.causes
                break
        else:
            found.append([one])
            shared.append(one.causes)
    return tuple(
        Group(tuple(m.incident for m in members), causes)
        for members, causes in zip(found, shared, strict=True)
        if len(members) > 1
    )
