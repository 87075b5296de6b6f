"""Alarms of a baseline: what is watched, and thresholds from the budget over its windows."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

from monitoring_sdk.alarms.budget import Alarms, Budget, fit_alarms
from monitoring_sdk.alarms.provisional import MIN_WINDOWS, ReferenceSeries
from monitoring_sdk.alarms.values import ValueForm, Values
from monitoring_sdk.alarms.watched import Watched
from monitoring_sdk.alarms.watching import Found, Watching, to_values
from monitoring_sdk.baseline import Baseline, collect_reference
from monitoring_sdk.comparison import Comparison
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import MonitoringError
from monitoring_sdk.feedback import Epoch
from monitoring_sdk.measure import Measurement
from monitoring_sdk.measure_watched import watched_beside
from monitoring_sdk.stages.estimate import estimates_of_windows
from monitoring_sdk.stages.fleet import budget_of
from monitoring_sdk.stages.label_age import youngest_keys
from monitoring_sdk.stages.reference_rows import coded
from monitoring_sdk.window import Window

_SET_ANEW = (14, 30, 60, 90, 120)
_LONGEST_GAP = 3
"""So many windows without a value keep those on either side of a gap apart."""


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """A window that thresholds may learn from, and its values by check key."""

    window: Window
    found: Found


def digest_only(config: MonitorConfig, column: str | None) -> bool:
    """Say whether what deviates in a column goes to the digest alone."""
    patterns = config.alarm.digest_only
    return column is not None and any(fnmatch.fnmatchcase(column, p) for p in patterns)


def in_budget(config: MonitorConfig, baseline: Baseline, watched: Watched) -> bool:
    """Say whether a value takes part in the budget.

    Where a window is compared with something nearer than the whole span, what its columns are
    usually like is that, and distances to it have limits of their own.
    """
    of_columns = watched.family in ("drift", "prediction")
    fixed = baseline.comparison == Comparison()
    return not digest_only(config, watched.column) and (fixed or not of_columns)


def watch(
    config: MonitorConfig,
    baseline: Baseline,
    form: ValueForm,
    measured: Sequence[Sequence[Measurement]],
    sample: pa.Table | None,
) -> tuple[Watching, dict[str, ReferenceSeries]]:
    """Choose what is watched beside the columns, and set the alarms of a baseline that is built.

    Parameters
    ----------
    baseline : Baseline
        Not yet saved.
    measured : sequence of sequences of Measurement
        For each reference window.
    sample : Table or None
        Its labelled rows.

    Returns
    -------
    Watching
    dict of str to ReferenceSeries
        What was estimated of the reference windows, by check key.
    """
    estimated = _estimates(config, baseline, sample)
    windows = [[*m, *e] for m, e in zip(measured, estimated, strict=True)]
    others, theory = watched_beside(windows, weighted=config.columns.weight is not None)
    series = collect_reference(estimated)
    watching = Watching(form, others, theory)
    reference = {**baseline.reference, **series}
    baseline = dataclasses.replace(baseline, watching=watching)
    alarms = fit_watching(config, baseline, reference_seen(baseline.windows, reference, config))
    return Watching(form, others, theory, alarms), series


def _estimates(
    config: MonitorConfig, baseline: Baseline, sample: pa.Table | None
) -> list[list[Measurement]]:
    """Return what is estimated of each reference window, as for a new one."""
    found: list[list[Measurement]] = [[] for _ in baseline.windows]
    if sample is None or not config.estimators:
        return found
    try:
        by_block = estimates_of_windows(config, coded(config, baseline, sample))
    except (ImportError, MonitoringError):
        return found
    for block, each in by_block.items():
        if block < len(found):
            found[block] = each
    return found


def reference_seen(
    windows: Sequence[Window], reference: Mapping[str, ReferenceSeries], config: MonitorConfig
) -> list[Seen]:
    """Return the reference windows as alarms see them: performance as it was when just due."""
    keys = youngest_keys(reference, config.labels.deadline)

    def found_at(i: int) -> Found:
        def found(key: str) -> tuple[float | None, int | None] | None:
            series = reference.get(keys.get(key, key))
            return None if series is None else (series.values[i], series.n[i])

        return found

    return [Seen(window, found_at(i)) for i, window in enumerate(windows)]


def phases_of(config: MonitorConfig, windows: Sequence[Window]) -> list[int] | None:
    """Return the phase of each window's season: its weekday, or where in the day it begins.

    None where windows are so long that they have neither.
    """
    length = config.cadence.approximate
    if length > timedelta(days=1) or config.reference_cadence != config.cadence:
        return None
    zone = ZoneInfo(config.window.timezone)
    starts = [w.start.astimezone(zone) for w in windows]
    if length == timedelta(days=1):
        return [start.weekday() for start in starts]
    minutes = round(length.total_seconds() / 60)
    return [(start.hour * 60 + start.minute) // minutes for start in starts]


def fit_watching(
    config: MonitorConfig,
    baseline: Baseline,
    seen: Sequence[Seen],
    *,
    budget: Budget | None = None,
    epochs: Sequence[Epoch] = (),
) -> Alarms | None:
    """Set alarms from windows, in order of time; None where there are fewer than five.

    Parameters
    ----------
    baseline : Baseline
        Says what is watched.
    budget : Budget, optional
        Default: that of the monitor file.
    epochs : sequence of Epoch
        What lies before the newest one of a family says nothing of it any more.
    """
    begins = {family: e.valid_from for e in epochs for family in e.families or _ALL}
    watching = baseline.watching
    assert watching is not None
    watched = watching.watched
    since = [begins.get(w.pages_under, begins.get(w.family)) for w in watched]
    windows: list[Window] = []
    values: list[Values | None] = []
    for one in seen:
        if windows:
            gap = _between(config, windows[-1], one.window)
            windows += gap
            values += [None] * len(gap)
        windows.append(one.window)
        hidden = {
            w.key
            for w, start in zip(watched, since, strict=True)
            if start is not None and one.window.start < start
        }
        values.append(to_values(watched, watching.theory, _without(one.found, hidden)))
    kept = tuple(w for w in _known(watched, values) if in_budget(config, baseline, w))
    if not kept:
        return None
    return fit_alarms(
        values,
        kept,
        budget or budget_of(config),
        config.cadence.approximate.total_seconds(),
        phases_of(config, windows),
    )


_ALL = ("drift", "prediction", "performance", "estimate", "quality")


def _without(found: Found, hidden: set[str]) -> Found:
    return found if not hidden else lambda key: None if key in hidden else found(key)


def _known(watched: Sequence[Watched], values: Sequence[Values | None]) -> tuple[Watched, ...]:
    """Keep what has a value in five windows at least."""
    counts = sum((v.n > 0).astype(int) for v in values if v is not None)
    return tuple(w for i, w in enumerate(watched) if values and counts[i] >= MIN_WINDOWS)  # type: ignore[index]


def _between(config: MonitorConfig, before: Window, after: Window) -> list[Window]:
    """Return the first windows of a gap, none where there is no gap."""
    found: list[Window] = []
    bound = before.end
    cadence = config.reference_cadence
    while bound < after.start and len(found) < _LONGEST_GAP:
        found.append(Window(bound, cadence.next(bound)))
        bound = found[-1].end
    return found


def windows_to_learn_from(total: int, per_day: int) -> int:
    """Return how many of some windows thresholds are set from: they are not set anew each time.

    From 14 days of windows on at 14, 30, 60, 90 and 120 days; before, every day.

    Examples
    --------
    >>> [windows_to_learn_from(n, 1) for n in (9, 20, 59, 66, 91, 300)]
    [9, 14, 30, 60, 90, 120]
    >>> windows_to_learn_from(100, 24)
    96
    """
    days = total // per_day
    kept = days if days < 14 else max(step for step in _SET_ANEW if step <= days)
    # With less than a day of windows each one counts: five are enough to begin with.
    return kept * per_day if kept else total
