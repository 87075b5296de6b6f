"""The monitor file: one pydantic model, every fault of a file reported at once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from monitoring_sdk import config_problems
from monitoring_sdk.config_problems import not_allowed, shown
from monitoring_sdk.drift.methods import METHODS
from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.metrics.operations import OPERATIONS
from monitoring_sdk.metrics.table import DEFAULTS, METRICS
from monitoring_sdk.window import EVERY_ALLOWED, Cadence, parse_duration, parse_time
from monitoring_sdk.yaml_file import interpolate, read_mapping

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _duration(value: Any) -> timedelta:
    try:
        return parse_duration(value)
    except (ConfigError, OverflowError):
        raise not_allowed("not a length of time", ["15min", "8h", "2d"]) from None


def _every(value: str) -> str:
    try:
        Cadence(value)
    except ConfigError:
        raise not_allowed("not a window length", EVERY_ALLOWED) from None
    return value


def _zone(value: str) -> str:
    try:
        Cadence("1d", value)
    except ConfigError:
        raise not_allowed("unknown time zone", ["UTC", "Europe/Berlin", "..."]) from None
    return value


def _scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise not_allowed("must be one value")
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Every = Annotated[str, AfterValidator(_every)]
Zone = Annotated[str, AfterValidator(_zone)]
Scalar = Annotated[bool | int | float | str, BeforeValidator(_scalar)]
SeverityName = Literal["critical", "warning"]


class _Section(BaseModel):
    # A limit that is NaN would never be passed.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, value: Any) -> Any:
        """Take a key without a value (`alerts:`) as one that is not there."""
        if not isinstance(value, dict):
            return value
        return {k: v for k, v in value.items() if v is not None or k not in cls.model_fields}


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
    positive: Scalar = 1
    label: str | None = None
    label_timestamp: TimestampColumn | None = None
    latency_ms: str | None = None
    error: str | None = None
    numeric: Names = ()
    categorical: Names = ()
    exclude: Names = ()


class WindowSettings(_Section):
    """How time is cut, and how long data may take to arrive."""

    every: Every = "1d"
    timezone: Zone = "UTC"
    lag: Duration = timedelta()
    expect_within: Duration | None = None


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
    every: Every | None = None

    @field_validator("start", "end", mode="before")
    @classmethod
    def _moment(cls, value: Any) -> Any:
        # Naive moments stay naive here: their zone is known only to the whole file.
        try:
            parse_time(value)
        except (ConfigError, OverflowError):
            raise not_allowed("not a time", ["2013-06-04", "2013-06-04T04:00:00Z"]) from None
        return value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())


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
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be above max")
        return self


def _as_lists(value: Any) -> Any:
    """A rule stands for a list of one."""
    if not isinstance(value, dict):
        return value
    return {k: (v,) if isinstance(v, dict) else v for k, v in value.items()}


Thresholds = Annotated[dict[str, tuple[Rule, ...]], BeforeValidator(_as_lists)]


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

    when: Annotated[tuple[Literal["performance", "drift"], ...], BeforeValidator(_names)] = (
        "performance",
    )
    cooldown: Duration = timedelta(days=7)
    hook: Hook | None = None
    approval: Literal[False] = False


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


def _rules_without_column(thresholds: Mapping[str, Sequence[Rule]] | None) -> list[str]:
    return [
        f"thresholds.{name}.columns: {name} is not computed for each column"
        for name, rules in (thresholds or {}).items()
        if name not in METHODS and any(rule.columns for rule in rules)
    ]


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
    thresholds: Thresholds = Field(default_factory=dict)
    alerts: Alerts = Alerts()
    retraining: Retraining | None = None

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
        return _names(value)

    @model_validator(mode="after")
    def _consistent(self) -> MonitorConfig:
        problems = [
            *_labels_lack(self.source, self.columns),
            *_span_fault(self.baseline, self.window),
            *_rules_without_column(self.thresholds),
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
        has = {"prediction", "score"} if self.columns.score else {"prediction"}
        usual = (n for n in DEFAULTS[self.task] if METRICS[n].needs <= has)
        limited = (n for n in self.thresholds if n in METRICS)
        return tuple(dict.fromkeys((*(usual if self.metrics is None else self.metrics), *limited)))

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


def _names_problems(filled: dict[str, Any], data: dict[str, Any]) -> list[str]:
    """Check the names of metrics, methods and thresholds; each fault is a line.

    A name is shown as `data`, the file, has it: a variable's content is nobody's business.
    """
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
        given, written = (
            list(v) if isinstance(v, list | dict) else [v]
            for v in (filled.get(section), data.get(section))
        )
        for name, came in zip(given, written, strict=True):
            if not isinstance(name, str):
                continue
            where = f"{section}.{name}" if section == "thresholds" else section
            if name in later:
                problems.append(f"{where}: {came} is not supported yet")
            elif name not in allowed:
                problems.append(
                    explain("unknown name", where=where, got=shown(came), allowed=allowed)
                )
    return problems


def _between_sections(filled: dict[str, Any]) -> list[str]:
    """Return the faults between sections that are right by themselves.

    Pydantic looks for these only in a file without any other fault, and gives them no place.
    """

    def section(kind: Any, key: str) -> Any:
        try:
            return TypeAdapter(kind).validate_python(filled.get(key))
        except ValidationError:
            return None

    return [
        *_labels_lack(section(Sources, "source"), section(Columns, "columns")),
        *_span_fault(
            section(BaselineSettings, "baseline"),
            section(WindowSettings, "window") if filled.get("window") else WindowSettings(),
        ),
        *_rules_without_column(section(Thresholds, "thresholds")),
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
        filled = interpolate(data, "", problems)
    except RecursionError:
        raise ConfigError(f"{where}: an alias holds itself") from None
    problems += _names_problems(filled, data)
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
