"""The sections of a monitor file, each validated by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from monitoring_sdk.config_problems import not_allowed
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.profile.levels import canonical_level
from monitoring_sdk.window import EVERY_ALLOWED, Cadence, parse_duration, parse_time


def as_names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def as_list(value: Any) -> Any:
    """Take one value for a list of one."""
    return value if isinstance(value, list | tuple) else (value,)


def _text(value: Any) -> Any:
    """Take a version for its text, whether it was written `7` or `"7"`."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _duration(value: Any) -> timedelta:
    try:
        return parse_duration(value)
    except (ConfigError, OverflowError):
        raise not_allowed("not a length of time", ["15min", "8h", "2d"]) from None


def _moment(value: Any) -> datetime:
    """Read a moment; a naive one stays naive, for its zone is known only to the whole file."""
    try:
        at, day = parse_time(value), timedelta(days=1)
        # In whatever zone it will be: the first and the last day that there are have no neighbour.
        _ = (at - day, at + day)
    except (ConfigError, OverflowError):
        raise not_allowed("not a time", ["2013-06-04", "2013-06-04T04:00:00Z"]) from None
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())


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


def _by_level(value: Any) -> Any:
    """Take the classes of a mapping for their texts, whether they were written `0` or `"0"`."""
    if not isinstance(value, dict):
        return value
    scalars = all(isinstance(k, bool | int | float | str) for k in value)
    return {canonical_level(k): v for k, v in value.items()} if scalars else value


Names = Annotated[tuple[str, ...], BeforeValidator(as_names)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Every = Annotated[str, AfterValidator(_every)]
Zone = Annotated[str, AfterValidator(_zone)]
Version = Annotated[str, BeforeValidator(_text)]
Scalar = Annotated[bool | int | float | str, BeforeValidator(_scalar)]
SeverityName = Literal["critical", "warning"]


class Section(BaseModel):
    """A mapping of the file: no key that is not known, and nothing changed once it is read."""

    # A limit that is NaN would never be passed.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, value: Any) -> Any:
        """Take a key without a value (`alerts:`) as one that is not there."""
        if not isinstance(value, dict):
            return value
        return {k: v for k, v in value.items() if v is not None or k not in cls.model_fields}


class Partition(Section):
    """How the folders of a source are named, so that a window reads only its own."""

    column: str
    format: str = "%Y-%m-%d"


class SourceSpec(Section):
    """Where rows come from: files (`path`), or a database (`url` with `table` or `query`)."""

    path: str | None = Field(default=None, repr=False)
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


class FeatureSource(SourceSpec):
    """A table of features, joined to the predictions by `on`; default: the id columns."""

    on: Names = ()


class Sources(Section):
    """The prediction rows, the labels where they come, and features that lie elsewhere."""

    predictions: SourceSpec
    labels: SourceSpec | None = None
    features: FeatureSource | None = None


class TimestampColumn(Section):
    """A column of moments; numbers count `unit` since 1970 in UTC."""

    column: str
    unit: Literal["s", "ms", "us", "ns"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value


class Columns(Section):
    """Which column plays which part; features may be globs."""

    id: Names = ()
    timestamp: TimestampColumn
    prediction: str
    score: Annotated[str | dict[str, str] | None, BeforeValidator(_by_level)] = None
    positive: Scalar = 1
    label: str | None = None
    label_timestamp: TimestampColumn | None = None
    latency_ms: str | None = None
    error: str | None = None
    model_version: str | None = None
    weight: str | None = None
    query: str | None = None
    item: str | None = None
    numeric: Names = ()
    categorical: Names = ()
    text: Names = ()
    datetime: Names = ()
    embedding: Names = ()
    exclude: Names = ()
    segments: Annotated[tuple[Names, ...], BeforeValidator(as_names)] = ()

    @property
    def scores(self) -> tuple[str, ...]:
        """The score columns: one, one for each class, or none."""
        if isinstance(self.score, dict):
            return tuple(self.score.values())
        return () if self.score is None else (self.score,)


class WindowSettings(Section):
    """How time is cut, and how long data may take to arrive."""

    every: Every = "1d"
    timezone: Zone = "UTC"
    lag: Duration = timedelta()
    expect_within: Duration | None = None


class Eligible(Section):
    """Which prediction rows can get a label at all: those whose column has one of these values."""

    column: str
    values: Annotated[tuple[Scalar, ...], BeforeValidator(as_list)] = Field(
        alias="in", min_length=1
    )


class LabelSettings(Section):
    """When labels are due: after `delay`, at `coverage`, or at `give_up` with what there is.

    `missing_is` is the label of a row that has none when the delay is past; `eligible` says which
    rows can get one.
    """

    delay: Duration = timedelta()
    coverage: float = Field(default=0.9, gt=0, le=1)
    give_up: Duration | None = None
    missing_is: Scalar | None = None
    eligible: Eligible | None = None

    @model_validator(mode="after")
    def _order(self) -> LabelSettings:
        if self.give_up is not None and self.give_up < self.delay:
            raise ValueError("give_up must not be shorter than delay")
        return self

    @property
    def deadline(self) -> timedelta:
        """How long after a window its labels are waited for; default: the delay and 14 days."""
        return self.delay + timedelta(days=14) if self.give_up is None else self.give_up


class BaselineSettings(Section):
    """The span of reference rows; times without an offset are in `window.timezone`.

    `phase` compares a window with those of the same hour or day alone; `reference` with the whole
    span (`fixed`), with the last windows before it (`rolling`, over `length`), or with the one
    before it (`previous`).
    """

    start: Moment
    end: Moment
    every: Every | None = None
    phase: Literal["hour_of_day", "day_of_week", "hour_of_week"] | None = None
    reference: Literal["fixed", "rolling", "previous"] = "fixed"
    length: Duration | None = None

    @model_validator(mode="after")
    def _length_of_rolling(self) -> BaselineSettings:
        if (self.length is not None) != (self.reference == "rolling"):
            raise ValueError("length belongs to `reference: rolling`, which needs it")
        if self.phase is not None and self.reference != "fixed":
            raise ValueError("phase needs `reference: fixed`")
        return self


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


class Rule(Section):
    """A fixed limit of the user's; beyond it the check alerts."""

    min: float | None = None
    max: float | None = None
    columns: Names = ()
    segment: dict[str, Scalar] = Field(default_factory=dict)
    severity: SeverityName = "critical"

    @model_validator(mode="after")
    def _some_limit(self) -> Rule:
        if self.min is None and self.max is None:
            raise ValueError("a rule needs min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be above max")
        return self


def as_lists(value: Any) -> Any:
    """A rule stands for a list of one."""
    if not isinstance(value, dict):
        return value
    return {k: (v,) if isinstance(v, dict) else v for k, v in value.items()}


Thresholds = Annotated[dict[str, tuple[Rule, ...]], BeforeValidator(as_lists)]


class Versions(Section):
    """Values of `columns.model_version`: the one that pages, and those that are only watched."""

    champion: Version
    shadow: Annotated[tuple[Version, ...], BeforeValidator(as_list)] = ()

    @model_validator(mode="after")
    def _apart(self) -> Versions:
        if self.champion in self.shadow:
            raise ValueError("the champion cannot be a shadow as well")
        return self


class Estimation(Section):
    """Performance without labels: which estimators; the first is judged, the others are shown."""

    methods: Names | None = None


class Payoff(Section):
    """What each outcome of a binary prediction is worth: `business_value` is its mean."""

    tp: float
    fp: float
    fn: float
    tn: float
