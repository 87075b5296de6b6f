"""Measure a window: every quantity with what is needed to judge it, no verdict yet.

Reference windows and monitored ones pass through the same functions, so that a limit and the value
beside it always mean the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitoring_sdk.alarms.provisional import Direction, Scale
from monitoring_sdk.drift.methods import DEFAULTS as DRIFT_DEFAULTS
from monitoring_sdk.drift.methods import METHODS, drift, page_floor
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.operations import OPERATIONS, Served, operation
from monitoring_sdk.metrics.probabilistic import no_probability
from monitoring_sdk.metrics.rows import LabelledRows
from monitoring_sdk.metrics.table import DEFAULTS as METRIC_DEFAULTS
from monitoring_sdk.metrics.table import find_metric
from monitoring_sdk.profile.derived import derived_kinds
from monitoring_sdk.profile.grid import Grid
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.report import Family, check_key
from monitoring_sdk.value import Value

METRIC_FLOOR = 0.005
"""Smallest loss of a performance metric worth a page."""

RELATIVE_METRIC_FLOOR = 0.02
"""The same as a share of the usual value, of metrics that are in units of the label."""

RAW_UNITS = frozenset(
    {
        "mae",
        "mse",
        "rmse",
        "median_absolute_error",
        "max_error",
        "quantile_error",
        "bias",
        "business_value",
        "novelty",
    }
)

_LOSSES = ("mae", "mse", "rmse", "rmsle", "mape", "wape", "median_absolute_error", "quantile_error")
_SCALE: Mapping[str, Scale] = {
    **dict.fromkeys(_LOSSES, "log"),
    "r2": "log_to_1",
    "explained_variance": "log_to_1",
}
"""Errors may have long tails: such losses differ by factors, not by amounts."""

OPERATION_FLOOR = {"rows": 0.3}
"""Smallest departure from the usual level worth a page, as a share of it; others: a half."""

SAMPLED = ("latency_p50", "latency_p95", "latency_p99", "error_rate")

OF_EVERY_SEGMENT = "label_noise"
"""The metric of segments that is watched whatever metrics are asked for."""

ALWAYS = ("null_share", "unseen_share")
"""Shares that are watched whatever distances are asked for."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a model by the part that they play."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    prediction: str | None = None
    scores: tuple[str, ...] = ()
    numeric_prediction: bool = False
    text: tuple[str, ...] = ()
    datetime: tuple[str, ...] = ()
    embedding: tuple[str, ...] = ()
    segments: tuple[tuple[str, ...], ...] = ()
    version: str | None = None

    def family(self, column: str) -> Family:
        """Say whether a column is an input or an output of the model."""
        return "prediction" if column in (self.prediction, *self.scores) else "drift"

    def family_of(self, method: str, column: str) -> Family:
        """Say the family of a method's check; shares of nulls and of the unseen are quality."""
        return "quality" if METHODS[method].family == "quality" else self.family(column)

    @property
    def model(self) -> tuple[str, ...]:
        """The columns that the model itself writes: with several versions, each its own."""
        return (*((self.prediction,) if self.prediction is not None else ()), *self.scores)

    @property
    def told_apart_by(self) -> tuple[str, ...]:
        """The columns by which rows are told apart, once each: those of segments, the version."""
        names = [name for crossing in self.segments for name in crossing]
        return tuple(dict.fromkeys([*names, *([self.version] if self.version else [])]))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is looked at as such, once each."""
        more = (*self.text, *self.datetime, *self.embedding, *self.told_apart_by)
        return tuple(dict.fromkeys([*self.kinds, *more]))

    @property
    def kinds(self) -> dict[str, str]:
        """Every profiled column of the source, numeric or categorical, in order."""
        kinds = dict.fromkeys(self.numeric, "numeric") | dict.fromkeys(
            self.categorical, "categorical"
        )
        if self.prediction is not None:
            kinds[self.prediction] = "numeric" if self.numeric_prediction else "categorical"
        return kinds | dict.fromkeys(self.scores, "numeric")

    @property
    def profiled(self) -> dict[str, str]:
        """The kinds of the columns that are profiled: those of the source, and derived ones."""
        return self.kinds | derived_kinds(self.text, self.datetime)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value and how it is to be judged.

    From `noise` to `scale` they are as `alarms.provisional.limits` takes them; `least` is the
    smallest value that there can be. Then comes the slice of the rows that the value is of:
    `version` None stands for all of them, or the champion's.
    """

    family: Family
    name: str
    value: Value
    direction: Direction
    column: str | None = None
    noise: float = 0.5
    floor: float = 0.0
    relative_floor: float = 0.0
    centred: bool = True
    counted: bool = False
    scale: Scale = "linear"
    least: float | None = None
    segment: Mapping[str, str] | None = None
    version: str | None = None

    @property
    def key(self) -> str:
        """The address of the check."""
        return check_key(self.family, self.name, self.column, self.segment, self.version)


def methods_for(
    kind: str, wanted: Sequence[str] | None, limited: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the drift methods for a kind of column: those asked for that suit it, or the default.

    What has a limit (`limited`, names of any kind) is computed whether it is asked for or not.

    Examples
    --------
    >>> methods_for("categorical", ["psi", "ks"], ["hellinger", "accuracy"])
    ('psi', 'hellinger', 'null_share', 'unseen_share')
    """
    names = DRIFT_DEFAULTS[kind] if wanted is None else wanted
    found = (n for n in dict.fromkeys((*names, *limited, *ALWAYS)) if n in METHODS)
    return tuple(n for n in found if kind in METHODS[n].kinds)


def measure_columns(
    profile: Profile,
    reference: Profile,
    grid: Grid,
    layout: Layout,
    wanted: Sequence[str] | None = None,
    limited: Iterable[str] = (),
    *,
    columns: Iterable[str] | None = None,
    segment: Mapping[str, str] | None = None,
    version: str | None = None,
) -> tuple[Measurement, ...]:
    """Measure the distance of every column of a profile to the reference's.

    Columns that the profile lacks are left out; preflight has spoken of them.

    Parameters
    ----------
    columns : iterable of str, optional
        Only these; all by default.
    segment, version : optional
        The slice of the rows that the profile is of.
    """
    found, limited = [], tuple(limited)
    kinds = layout.profiled if columns is None else {c: layout.profiled[c] for c in columns}
    for column, kind in kinds.items():
        if not all(column in known.columns for known in (profile, reference, grid)):
            continue
        cells = grid.columns[column]
        # Levels that are new by nature have no shares to compare: how many there are is left.
        more = () if getattr(cells, "closed", True) else ("distinct_ratio",)
        for name in methods_for(kind, wanted, (*limited, *more)):
            method = METHODS[name]
            found.append(
                Measurement(
                    layout.family_of(name, column),
                    name,
                    drift(name, reference.columns[column], profile.columns[column], cells),
                    method.direction,
                    column,
                    noise=method.noise,
                    floor=page_floor(name, reference.columns[column]),
                    centred=method.family == "quality",
                    segment=segment,
                    version=version,
                    counted=name in ALWAYS,
                )
            )
    return tuple(found)


_WORSE: Mapping[str, Direction] = {"higher": "below", "lower": "above", "zero": "both"}


def metrics_for(task: str, wanted: Sequence[str] | None, rows: LabelledRows) -> tuple[str, ...]:
    """Return the metrics asked for, or the task's defaults that the columns allow."""
    if wanted is not None:
        return tuple(wanted)
    return tuple(n for n in METRIC_DEFAULTS[task] if find_metric(n, task).needs <= rows.columns)


def least_of(name: str, better: str) -> float | None:
    """Return the smallest value of a metric of which more is better; None without one.

    Examples
    --------
    >>> least_of("f1", "higher"), least_of("mcc", "higher"), least_of("r2", "higher")
    (0.0, -1.0, None)
    """
    base = name.partition("@")[0]
    if better != "higher" or base in RAW_UNITS or _SCALE.get(base) == "log_to_1":
        return None
    return -1.0 if base == "mcc" else 0.0


def _scored_by_probability(rows: LabelledRows) -> bool:
    if not isinstance(rows, Labelled):
        return False
    score = rows.scored.score
    return len(score) > 0 and no_probability(score) is None


def measure_metrics(
    rows: LabelledRows,
    task: str,
    wanted: Sequence[str] | None = None,
    segment: Mapping[str, str] | None = None,
    version: str | None = None,
) -> tuple[Measurement, ...]:
    """Measure the performance metrics of labelled rows: of all, of a segment or of a version.

    Of a segment of a binary model that scores by probabilities the label noise is measured whether
    it is asked for or not: nothing tells sooner that labels turned there.
    """
    names = list(metrics_for(task, wanted, rows))
    if segment is not None and OF_EVERY_SEGMENT not in names and _scored_by_probability(rows):
        names.append(OF_EVERY_SEGMENT)
    found = []
    for name in names:
        row, raw = find_metric(name, task), name.partition("@")[0] in RAW_UNITS
        found.append(
            Measurement(
                "performance",
                name,
                row.compute(rows),
                _WORSE[row.better],
                floor=0.0 if raw else METRIC_FLOOR,
                relative_floor=RELATIVE_METRIC_FLOOR if raw else 0.0,
                scale=_SCALE.get(name.partition("@")[0], "linear"),
                least=least_of(name, row.better),
                segment=segment,
                version=version,
            )
        )
    return tuple(found)


def measure_operations(served: Served, names: Sequence[str]) -> tuple[Measurement, ...]:
    """Measure how the service itself did."""
    found = []
    for name in names:
        worse: Direction = "above" if OPERATIONS[name].better == "lower" else "below"
        found.append(
            Measurement(
                "operations",
                name,
                operation(name, served),
                "both" if name == "rows" else worse,
                # Counts and delays do not have the sampling noise that a mean has.
                noise=0.5 if name in SAMPLED else 0.0,
                floor=0.01 if name == "error_rate" else 0.0,
                relative_floor=OPERATION_FLOOR.get(name, 0.5),
                # The wait for one more row has a long tail, as a distance has.
                centred=name != "staleness",
            )
        )
    return tuple(found)
