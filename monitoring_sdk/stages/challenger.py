"""Champion against challenger on live rows with labels, for whoever hears of a retraining's end."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.adapters.redaction import redact
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_sections import Versions
from monitoring_sdk.errors import ConfigError, MonitoringError
from monitoring_sdk.metrics.paired import Difference, paired_difference
from monitoring_sdk.metrics.table import Metric, find_metric
from monitoring_sdk.render.numbers import number, pair, short
from monitoring_sdk.report import Trigger
from monitoring_sdk.stages.handle import open_predictions
from monitoring_sdk.stages.joining import Joined, join_rows
from monitoring_sdk.window import Window

SPANS = tuple(timedelta(days=n) for n in (28, 14, 7, 2))
"""The newest rows are compared, of the longest span that has no more of them than this:"""
MOST_ROWS = 400_000
SECONDS = 20.0
"""Who brings the outcome waits for the comparison, so it may not take longer."""
_CHECK = re.compile(r"\bperformance/([\w@.%-]+)")


class _NotComparedError(Exception):
    """Why there is nothing to compare, in words."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """Labelled rows of champion and challenger: row i of both the same request, or only the days.

    Attributes
    ----------
    old, new : array of int64
        Numbers of rows in the joined table.
    groups : array of int
        The number of the day of each of `old`, then of each of `new`.
    """

    old: NDArray[np.int64]
    new: NDArray[np.int64]
    groups: NDArray[np.intp]
    same: bool

    @property
    def words(self) -> str:
        days = int(self.groups.max()) + 1
        if self.same:
            return f"on {len(self.new):,} rows of {days} days"
        return f"on {len(self.new):,} rows against {len(self.old):,} of the same {days} days"


def compared(
    store: Store, config: MonitorConfig, trigger: Trigger, version: str | None, now: datetime
) -> str:
    """Say how a challenger does against the champion, or why that cannot be said.

    Parameters
    ----------
    version : str, optional
        The challenger's; by default the only shadow of the monitor file.
    now : datetime
        Labels known by then count.

    Returns
    -------
    str
        Never an error: an outcome must not be lost for want of a comparison.
    """
    found: list[str] = []

    def work() -> None:
        try:
            found.append(_compared(store, config, trigger, version, now))
        except (_NotComparedError, MonitoringError) as error:
            found.append(f"not compared: {short(redact(str(error)), 200)}")
        except Exception as error:
            found.append(f"not compared: it could not be computed ({type(error).__name__})")

    # A source may hang, and nothing else here can end it.
    thread = threading.Thread(target=work, daemon=True, name="comparison")
    thread.start()
    thread.join(SECONDS)
    return found[0] if found else f"not compared: no result within {SECONDS:.0f} s"


def _compared(
    store: Store, config: MonitorConfig, trigger: Trigger, version: str | None, now: datetime
) -> str:
    versions = _versions(config, version)
    apart = config.model_copy(update={"versions": versions})
    joined = join_rows(apart, [_span(store, config, trigger)], now)
    if joined.fault is not None:
        raise _NotComparedError(joined.fault)
    label = joined.settled_label()
    rows = _rows(joined, label, versions)
    metric = _metric(config, trigger)

    def of(numbers: NDArray[np.int64], first: int) -> Callable[[NDArray[np.bool_]], float]:
        def measured(mask: NDArray[np.bool_]) -> float:
            kept = numbers[mask[first : first + len(numbers)]]
            value = metric.compute(joined.labelled(kept, label))
            if value.value is None:
                raise _NotComparedError(f"{metric.name} is undefined ({value.reason})")
            return value.value

        return measured

    old, new = of(rows.old, 0), of(rows.new, len(rows.old))
    every = np.ones(len(rows.groups), dtype=bool)
    difference = paired_difference(old, new, rows.groups, better=metric.better)
    values = pair(new(every), old(every))
    name = f"challenger {versions.shadow[0]}: {metric.name} {values[0]} against {values[1]}"
    return f"{name}, {_verdict(difference)} {rows.words}"


def _versions(config: MonitorConfig, version: str | None) -> Versions:
    """Return champion and challenger; where the file has moved on, the champion is its shadow."""
    declared, columns = config.versions, config.columns
    if config.source.labels is None or columns.label is None:
        raise _NotComparedError("the monitor file names no labels")
    if columns.model_version is None or declared is None:
        raise _NotComparedError("the monitor file names no versions")
    if version is None and len(declared.shadow) != 1:
        raise _NotComparedError("which version is the new one was not said")
    challenger = declared.shadow[0] if version is None else version
    if challenger != declared.champion:
        return Versions(champion=declared.champion, shadow=(challenger,))
    if len(declared.shadow) != 1:
        raise _NotComparedError(f"version {challenger} is the champion, and which was is not known")
    return Versions(champion=declared.shadow[0], shadow=(challenger,))


def _span(store: Store, config: MonitorConfig, trigger: Trigger) -> Window:
    end = store.decided_until(config.model) or trigger.window_end
    source = open_predictions(config)
    for length in SPANS:
        span = Window(end - length, end)
        if source.count(span, config.columns.timestamp) <= MOST_ROWS:
            return span
    raise _NotComparedError(f"there are more than {MOST_ROWS:,} rows in {SPANS[-1].days} days")


def _rows(joined: Joined, label: pa.Array, versions: Versions) -> _Rows:
    labelled = np.asarray(label.is_valid().to_numpy(zero_copy_only=False), bool)
    every = np.arange(len(joined.moments))
    challenger = next(s for s in joined.slices(every, ()) if s.version is not None)
    old, new = (part.rows[labelled[part.rows]] for part in (joined.main(every), challenger))
    for name, part in ((versions.shadow[0], new), (versions.champion, old)):
        if not len(part):
            raise _NotComparedError(f"no rows of version {name} with labels")
    ids, day_of = joined.found.history.ids, _days(joined)
    _, at_old, at_new = np.intersect1d(ids[old], ids[new], return_indices=True)
    # A shadow answers beside the champion; a canary's requests are nobody else's.
    same = 2 * len(at_new) >= len(new)
    if same:
        old, new = old[at_old], new[at_new]
        which = np.concatenate([day_of[old], day_of[old]])
    else:
        both = np.intersect1d(day_of[old], day_of[new])
        old, new = (part[np.isin(day_of[part], both)] for part in (old, new))
        which = np.concatenate([day_of[old], day_of[new]])
    count, groups = np.unique(which, return_inverse=True)
    if len(count) < 2:
        days = "one day" if len(count) else "no day in common"
        raise _NotComparedError(f"rows of both with labels are of {days}, and two are needed")
    return _Rows(old, new, groups, same)


def _days(joined: Joined) -> NDArray[np.datetime64]:
    zone = joined.config.window.timezone
    local = pd.DatetimeIndex(joined.moments, tz="UTC").tz_convert(zone).tz_localize(None)
    return local.to_numpy().astype("datetime64[D]")


def _metric(config: MonitorConfig, trigger: Trigger) -> Metric:
    """Return the metric that asked for the retraining, else the first that is watched."""
    for name in (*_CHECK.findall(trigger.reason), *config.metric_names):
        try:
            return find_metric(name, config.task)
        except ConfigError:
            continue  # such as `concept_drift`
    raise _NotComparedError("no metric is watched")


def _verdict(found: Difference) -> str:
    """Say in words which is better, and whether that may be chance.

    Examples
    --------
    >>> _verdict(Difference(0.03, 0.01, (0.01, 0.05)))
    'better by 0.03 (95 % interval 0.01 to 0.05)'
    >>> _verdict(Difference(-0.03, 0.02, (-0.07, 0.01)))
    'worse by 0.03 (95 % interval -0.01 to 0.07), which may be chance,'
    """
    low, high = found.interval
    chance = ", which may be chance," if low <= 0 <= high else ""
    if found.value < 0:
        low, high = -high, -low
    size = f"{number(abs(found.value))} (95 % interval {number(low)} to {number(high)})"
    return f"{'worse' if found.value < 0 else 'better'} by {size}{chance}"
