"""The monitor file: one pydantic model, every fault of a file reported at once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import (
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from monitoring_sdk import config_problems
from monitoring_sdk.config_alarm import Alarm, Event
from monitoring_sdk.config_alerts import Alerts, Owner, as_written
from monitoring_sdk.config_names import Task, is_metric, names_problems
from monitoring_sdk.config_privacy import Privacy, Retention, shown_levels
from monitoring_sdk.config_retraining import Retraining, never_allowed
from monitoring_sdk.config_sections import (
    BaselineSettings,
    Columns,
    Estimation,
    Expectation,
    LabelSettings,
    Payoff,
    Rule,
    Section,
    Sources,
    Thresholds,
    Versions,
    WindowSettings,
    as_names,
)
from monitoring_sdk.drift.joint import OF_EMBEDDINGS
from monitoring_sdk.drift.methods import METHODS
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.estimation.table import DEFAULTS as USUAL_ESTIMATORS
from monitoring_sdk.metrics.table import DEFAULTS, find_metric
from monitoring_sdk.window import Cadence, parse_time
from monitoring_sdk.yaml_file import interpolate, read_mapping

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _labels_lack(source: Sources | None, columns: Columns | None) -> list[str]:
    if source is None or columns is None or source.labels is None:
        return []
    lacking = [n for n, v in (("id", columns.id), ("label", columns.label)) if not v]
    return [f"source.labels needs columns.{' and columns.'.join(lacking)}"] if lacking else []


def _span_fault(baseline: BaselineSettings | None, window: WindowSettings | None) -> list[str]:
    if baseline is None or window is None:
        return []
    start, end = (parse_time(t, window.timezone) for t in (baseline.start, baseline.end))
    return ["baseline.start must be before baseline.end"] if start >= end else []


def _calendar_faults(calendar: Sequence[Event] | None, window: WindowSettings | None) -> list[str]:
    if calendar is None or window is None:
        return []
    zone = window.timezone
    return [
        f"calendar.{i}: start must be before end"
        for i, event in enumerate(calendar)
        if parse_time(event.start, zone) >= parse_time(event.end, zone)
    ]


def _rules_without_column(thresholds: Mapping[str, Sequence[Rule]] | None) -> list[str]:
    return [
        f"thresholds.{name}.columns: {name} is not computed for each column"
        for name, rules in (thresholds or {}).items()
        if name not in (*METHODS, *OF_EMBEDDINGS) and any(rule.columns for rule in rules)
    ]


def _parts_lack(task: str, columns: Columns | None, versions: Versions | None) -> list[str]:
    """Name the columns that a task, or another section, cannot do without."""
    if columns is None:
        return []
    problems = []
    if isinstance(columns.score, dict) and task != "multiclass":
        problems.append(f"columns.score: a column for each class is for multiclass, not {task}")
    if isinstance(columns.score, str) and task == "multiclass":
        problems.append("columns.score: multiclass takes a column for each class: {class: column}")
    if task == "ranking" and columns.query is None:
        problems.append("columns.query: required for ranking: which rows make one list")
    if versions is not None and columns.model_version is None:
        problems.append("versions needs columns.model_version")
    for i, crossing in enumerate(columns.segments):
        if len(set(crossing)) < len(crossing):
            problems.append(f"columns.segments.{i}: names a column twice")
    return problems


class MonitorConfig(Section):
    """One monitored model.

    Notes
    -----
    `load_config` reads it from `monitors/<model>.yaml`; a fault there is a `ConfigError` that lists
    every fault of the file.
    """

    model: str
    task: Task = "binary"
    owner: Owner = Owner()
    source: Sources
    columns: Columns
    window: WindowSettings = WindowSettings()
    labels: LabelSettings = LabelSettings()
    baseline: BaselineSettings | None = None
    versions: Versions | None = None
    quality: tuple[Expectation, ...] = ()
    metrics: tuple[str, ...] | None = None
    drift: tuple[str, ...] | None = None
    estimation: Estimation = Estimation()
    business_value: Payoff | None = None
    thresholds: Thresholds = Field(default_factory=dict)
    alarm: Alarm = Alarm()
    calendar: tuple[Event, ...] = ()
    alerts: Alerts = Alerts()
    retraining: Retraining | None = None
    privacy: Privacy = Privacy()
    retention: Retention = Retention()

    @model_validator(mode="before")
    @classmethod
    def _labels_beside_predictions(cls, value: Any) -> Any:
        """Take labels from the prediction rows where no other source of them is named."""
        if not isinstance(value, dict):
            return value
        source, columns = value.get("source"), value.get("columns")
        named = isinstance(columns, dict) and columns.get("label") is not None
        if named and isinstance(source, dict) and source.get("labels") is None:
            return {**value, "source": {**source, "labels": source.get("predictions")}}
        return value

    @field_validator("model")
    @classmethod
    def _model_name(cls, value: str) -> str:
        if not MODEL_NAME.fullmatch(value):
            raise ValueError("a model's name has letters, digits, dots, dashes and underscores")
        return value

    @field_validator("metrics", "drift", mode="before")
    @classmethod
    def _as_names(cls, value: Any) -> Any:
        return as_names(value)

    @model_validator(mode="after")
    def _consistent(self) -> MonitorConfig:
        problems = [
            *_labels_lack(self.source, self.columns),
            *_span_fault(self.baseline, self.window),
            *_calendar_faults(self.calendar, self.window),
            *_rules_without_column(self.thresholds),
            *_parts_lack(self.task, self.columns, self.versions),
            *shown_levels(self.columns, self.privacy),
            *never_allowed(self.retraining, self.window),
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def span(self, baseline: BaselineSettings) -> tuple[datetime, datetime]:
        """Return start and end of a baseline's span in UTC."""
        zone = self.window.timezone
        return parse_time(baseline.start, zone), parse_time(baseline.end, zone)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics to compute: those asked for, or by default, and those that have a limit."""
        has = {"prediction"} | {n for n in ("score", "query", "item") if getattr(self.columns, n)}
        usual = (n for n in DEFAULTS[self.task] if find_metric(n, self.task).needs <= has)
        limited = (n for n in self.thresholds if is_metric(n, self.task))
        return tuple(dict.fromkeys((*(usual if self.metrics is None else self.metrics), *limited)))

    @property
    def estimators(self) -> tuple[str, ...]:
        """The ways to estimate performance without labels: the one that is judged comes first."""
        if self.estimation.methods is not None:
            return self.estimation.methods
        usual = USUAL_ESTIMATORS.get(self.task)
        can = self.task == "regression" or self.columns.score is not None
        return (usual,) if usual is not None and can else ()

    @property
    def cadence(self) -> Cadence:
        """How this model's time is cut."""
        return Cadence(self.window.every, self.window.timezone)

    @property
    def reference_cadence(self) -> Cadence:
        """How the baseline's span is cut."""
        every = self.baseline.every if self.baseline else None
        return Cadence(every or self.window.every, self.window.timezone)

    def settings_hash(self) -> str:
        """Hash the settings that change numbers or verdicts, not places or receivers.

        What is left at its default is left out: a key that a later version adds changes no hash.
        The first half is of what changes numbers: where it is the same, verdicts follow from
        numbers that are known.
        """
        aside = {"owner", "source", "alerts", "retraining", "baseline", "retention", *_OF_VERDICTS}
        data = self.model_dump(mode="json", exclude=aside, exclude_defaults=True)
        if self.baseline is not None:
            compared = {"phase", "reference", "length"}
            data |= self.baseline.model_dump(mode="json", include=compared, exclude_defaults=True)
        verdicts = self.model_dump(mode="json", include=_OF_VERDICTS, exclude_defaults=True)
        # What has a limit is computed whether it is asked for or not.
        data |= {"limited": sorted(self.thresholds)} if self.thresholds else {}
        return _hash(data) + _hash(verdicts)


_OF_VERDICTS = {"thresholds", "alarm", "calendar"}


def _hash(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:8]


def _between_sections(filled: dict[str, Any]) -> list[str]:
    """Return the faults between sections that are right by themselves.

    Pydantic looks for these only in a file without any other fault, and gives them no place.
    """

    def section(kind: Any, key: str) -> Any:
        try:
            return TypeAdapter(kind).validate_python(filled.get(key))
        except ValidationError:
            return None

    window = section(WindowSettings, "window") if filled.get("window") else WindowSettings()
    return [
        *_labels_lack(section(Sources, "source"), section(Columns, "columns")),
        *_span_fault(section(BaselineSettings, "baseline"), window),
        *_calendar_faults(section(tuple[Event, ...], "calendar"), window),
        *_rules_without_column(section(Thresholds, "thresholds")),
        *_parts_lack(
            str(filled.get("task", "binary")),
            section(Columns, "columns"),
            section(Versions, "versions") if filled.get("versions") else None,
        ),
        *shown_levels(section(Columns, "columns"), section(Privacy, "privacy")),
        *never_allowed(
            section(Retraining, "retraining") if filled.get("retraining") else None, window
        ),
    ]


def parse_config(data: dict[str, Any], where: str = "monitor") -> MonitorConfig:
    """Validate a monitor given as a mapping, as `load_config` does with a file's.

    Raises
    ------
    ConfigError
        With every fault of the mapping, a line each.
    """
    problems: list[str] = config_problems.not_yet(data)
    later = tuple(p.split(": ")[0] for p in problems)
    try:
        filled = as_written(interpolate(data, "", problems), data)
    except RecursionError:
        raise ConfigError(f"{where}: an alias holds itself") from None
    problems += names_problems(filled, data)
    config = None
    try:
        config = MonitorConfig.model_validate(filled)
    except ValidationError as error:
        problems += config_problems.describe(error, MonitorConfig, data, skip=later)
        problems += _between_sections(filled)
    if problems or config is None:
        raise ConfigError([f"{where}: {p}" for p in problems])
    return config


def load_config(path: str | Path) -> MonitorConfig:
    """Read and validate a monitor file.

    Raises
    ------
    ConfigError
        With every fault of the file, a line each: where, what came, what is allowed.
    """
    return parse_config(read_mapping(path), str(path))
