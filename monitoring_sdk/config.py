"""The monitor file: one pydantic model, every fault of a file reported at once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from monitoring_sdk import config_problems
from monitoring_sdk.drift.methods import METHODS
from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.metrics.operations import OPERATIONS
from monitoring_sdk.metrics.table import METRICS
from monitoring_sdk.window import Cadence, parse_duration, parse_time
from monitoring_sdk.yaml_file import interpolate, read_mapping

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _duration(value: Any) -> timedelta:
    try:
        return parse_duration(value)
    except ConfigError as error:
        raise ValueError(str(error)) from None


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
SeverityName = Literal["critical", "warning"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Partition(_Section):
    """How the folders of a source are named, so that a window reads only its own."""

    column: str
    format: str = "%Y-%m-%d"


class SourceSpec(_Section):
    """Where rows come from: files (`path`), or a database (`url` with `table` or `query`)."""

    path: str | None = None
    partition: Partition | None = None
    url: str | None = Field(default=None, repr=False)
    table: str | None = None
    query: str | None = None
    history: Literal["latest"] = "latest"

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_place(self) -> SourceSpec:
        if (self.path is None) == (self.url is None):
            raise ValueError("give either a path, or a url with a table or a query")
        if self.url is not None and (self.table is None) == (self.query is None):
            raise ValueError("a url needs either a table or a query")
        if self.url is not None and self.partition is not None:
            raise ValueError("partition belongs to files, not to a url")
        return self


class Sources(_Section):
    """The prediction rows, and the labels where they come."""

    predictions: SourceSpec
    labels: SourceSpec | None = None


class TimestampColumn(_Section):
    """A column of moments; numbers count `unit` since 1970 in UTC."""

    column: str
    unit: Literal["s", "ms", "us", "ns"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value


class Columns(_Section):
    """Which column plays which part; features may be globs."""

    id: Names = ()
    timestamp: TimestampColumn
    prediction: str
    score: str | None = None
    positive: bool | int | float | str = 1
    label: str | None = None
    label_timestamp: TimestampColumn | None = None
    latency_ms: str | None = None
    error: str | None = None
    numeric: Names = ()
    categorical: Names = ()
    exclude: Names = ()


class WindowSettings(_Section):
    """How time is cut, and how long data may take to arrive."""

    every: str = "1d"
    timezone: str = "UTC"
    lag: Duration = timedelta()
    expect_within: Duration | None = None

    @model_validator(mode="after")
    def _cadence(self) -> WindowSettings:
        try:
            Cadence(self.every, self.timezone)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self


class LabelSettings(_Section):
    """When labels are due: after `delay`, at `coverage`, or at `give_up` with what there is."""

    delay: Duration = timedelta()
    coverage: float = Field(default=0.9, gt=0, le=1)
    give_up: Duration | None = None

    @model_validator(mode="after")
    def _order(self) -> LabelSettings:
        if self.give_up is not None and self.give_up < self.delay:
            raise ValueError("give_up must not be shorter than delay")
        return self

    @property
    def deadline(self) -> timedelta:
        """How long after a window its labels are waited for; default: the delay and 14 days."""
        return self.delay + timedelta(days=14) if self.give_up is None else self.give_up


class BaselineSettings(_Section):
    """The span of reference rows; times without an offset are in `window.timezone`."""

    start: datetime
    end: datetime
    every: str | None = None

    @field_validator("start", "end", mode="before")
    @classmethod
    def _moment(cls, value: Any) -> Any:
        # Naive moments stay naive here: their zone is known only to the whole file.
        try:
            parse_time(value)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


class Expectation(BaseModel):
    """One Great Expectations type with its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    severity: SeverityName = "critical"

    @property
    def arguments(self) -> dict[str, Any]:
        """What the expectation is given, `column` among it."""
        return dict(self.model_extra or {})

    @property
    def column(self) -> str | None:
        """The column it speaks of, None for a whole table."""
        return self.arguments.get("column")


class Rule(_Section):
    """A fixed limit of the user's; beyond it the check alerts."""

    min: float | None = None
    max: float | None = None
    columns: Names = ()
    severity: SeverityName = "critical"

    @model_validator(mode="after")
    def _some_limit(self) -> Rule:
        if self.min is None and self.max is None:
            raise ValueError("a rule needs min or max")
        return self


class Slack(_Section):
    """Where alerts go; the token comes from the environment."""

    channel: str | None = None


class Alerts(_Section):
    """The ways out."""

    slack: Slack = Slack()


class Owner(_Section):
    """Who looks after the model."""

    team: str | None = None
    mention: str | None = None
    runbook: str | None = None


class Hook(_Section):
    """What is called to retrain: a Prefect deployment or a command."""

    deployment: str | None = None
    command: Names | None = None

    @model_validator(mode="after")
    def _one(self) -> Hook:
        if (self.deployment is None) == (self.command is None):
            raise ValueError("give either a deployment or a command")
        return self


class Retraining(_Section):
    """When a retraining is asked for, and of whom."""

    when: tuple[Literal["performance", "drift"], ...] = ("performance",)
    cooldown: Duration = timedelta(days=7)
    hook: Hook | None = None
    approval: Literal[False] = False


class MonitorConfig(_Section):
    """One monitored model.

    Notes
    -----
    `load_config` reads it from `monitors/<model>.yaml`; a fault there is a `ConfigError` that lists
    every fault of the file.
    """

    model: str
    task: Literal["binary"] = "binary"
    owner: Owner = Owner()
    source: Sources
    columns: Columns
    window: WindowSettings = WindowSettings()
    labels: LabelSettings = LabelSettings()
    baseline: BaselineSettings | None = None
    quality: tuple[Expectation, ...] = ()
    metrics: tuple[str, ...] | None = None
    drift: tuple[str, ...] | None = None
    thresholds: dict[str, tuple[Rule, ...]] = Field(default_factory=dict)
    alerts: Alerts = Alerts()
    retraining: Retraining | None = None

    @field_validator("model")
    @classmethod
    def _model_name(cls, value: str) -> str:
        if not MODEL_NAME.fullmatch(value):
            raise ValueError("a model's name has letters, digits, dots, dashes and underscores")
        return value

    @field_validator("metrics", "drift", mode="before")
    @classmethod
    def _as_names(cls, value: Any) -> Any:
        return _names(value)

    @field_validator("thresholds", mode="before")
    @classmethod
    def _as_lists(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: (v,) if isinstance(v, dict) else v for k, v in value.items()}

    @model_validator(mode="after")
    def _consistent(self) -> MonitorConfig:
        if self.source.labels is not None:
            lacking = [
                n for n, v in (("id", self.columns.id), ("label", self.columns.label)) if not v
            ]
            if lacking:
                raise ValueError(f"source.labels needs columns.{' and columns.'.join(lacking)}")
        if self.baseline is not None and self.span(self.baseline)[0] >= self.span(self.baseline)[1]:
            raise ValueError("baseline.start must be before baseline.end")
        if self.baseline is not None and self.baseline.every is not None:
            try:
                Cadence(self.baseline.every, self.window.timezone)
            except ConfigError as error:
                raise ValueError(f"baseline.every: {error}") from None
        return self

    def span(self, baseline: BaselineSettings) -> tuple[datetime, datetime]:
        """Return start and end of a baseline's span in UTC."""
        zone = self.window.timezone
        return parse_time(baseline.start, zone), parse_time(baseline.end, zone)

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
        """Hash the settings that change numbers or verdicts, not places or receivers."""
        data = self.model_dump(
            mode="json", exclude={"owner", "source", "alerts", "retraining", "baseline"}
        )
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def _names_problems(data: dict[str, Any]) -> list[str]:
    """Check the names of metrics, methods and thresholds; each fault is a line."""
    problems = []
    tables: Sequence[tuple[str, Sequence[str], Sequence[str]]] = (
        ("metrics", tuple(METRICS), config_problems.LATER_METRICS),
        ("drift", tuple(METHODS), config_problems.LATER_DRIFT),
        (
            "thresholds",
            (*METRICS, *METHODS, *OPERATIONS),
            (*config_problems.LATER_METRICS, *config_problems.LATER_DRIFT),
        ),
    )
    for section, allowed, later in tables:
        given = data.get(section)
        names = (
            [given]
            if isinstance(given, str)
            else list(given or ())
            if isinstance(given, list | dict)
            else []
        )
        for name in names:
            where = f"{section}.{name}" if section == "thresholds" else section
            if name in later:
                problems.append(f"{where}: {name} is not supported yet")
            elif name not in allowed:
                problems.append(explain("unknown name", where=where, got=name, allowed=allowed))
    return problems


def parse_config(data: dict[str, Any], where: str = "monitor") -> MonitorConfig:
    """Validate a monitor given as a mapping, as `load_config` does with a file's.

    Raises
    ------
    ConfigError
        With every fault of the mapping, a line each.
    """
    problems: list[str] = config_problems.not_yet(data)
    later = tuple(p.split(": ")[0] for p in problems)
    filled = interpolate(data, "", problems)
    problems += _names_problems(data)
    config = None
    try:
        config = MonitorConfig.model_validate(filled)
    except ValidationError as error:
        problems += config_problems.describe(error, MonitorConfig, data, skip=later)
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
