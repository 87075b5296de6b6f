"""Equal label age: a window is compared with reference windows as they were when so old.

Labels that come late change metrics: charged-back payments are known weeks after the others. A
window that is judged on the labels of two days is therefore held against reference windows as they
looked after two days, and one that is judged at the end of its time against these as they looked
then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.alarms.provisional import MIN_WINDOWS, ReferenceSeries
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.evaluate import MIN_ROWS
from monitoring_sdk.label_due import known_until
from monitoring_sdk.measure import Measurement, measure_metrics
from monitoring_sdk.profile.segments import Segmentation
from monitoring_sdk.report import Check, check_key
from monitoring_sdk.stages.joining import Joined, join_rows
from monitoring_sdk.window import Window, parse_duration

MARK = "~age="
"""Between a metric's name and a label age, in the names of a baseline's series."""

_PARTS = (0.0, 0.25, 0.5, 1.0)
_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))


def label_ages(delay: timedelta, deadline: timedelta) -> tuple[timedelta, ...]:
    """Return the label ages at which reference windows are measured, the youngest first.

    Examples
    --------
    >>> [age_text(age) for age in label_ages(timedelta(days=2), timedelta(days=14))]
    ['2d', '5d', '8d', '14d']
    """
    ages = (delay + part * (deadline - delay) for part in _PARTS)
    return tuple(dict.fromkeys(timedelta(seconds=round(a.total_seconds())) for a in ages))


def age_text(age: timedelta) -> str:
    """Write a length of time as `parse_duration` reads it.

    Examples
    --------
    >>> age_text(timedelta(days=2)), age_text(timedelta(hours=36))
    ('2d', '36h')
    """
    for unit, one in _UNITS:
        if not age % one:
            return f"{age // one}{unit}"
    return f"{int(age.total_seconds())}s"


@dataclass(frozen=True, eq=False)
class _Rung:
    """The labels of reference rows at one age, and the windows that have reached it."""

    suffix: str
    label: pa.Array
    windows: frozenset[Window]


def reference_performance(
    config: MonitorConfig,
    windows: Sequence[Window],
    now: datetime,
    segmentations: Sequence[Segmentation] = (),
) -> dict[Window, tuple[Measurement, ...]]:
    """Measure the performance of reference windows, and of their segments.

    Where labels have a timestamp, a metric is measured at several label ages: under its own name
    at `labels.deadline`, and as `accuracy~age=2d` at younger ones. Ages between which no label
    changes are one. A window is left out at an age that it has not reached by now.

    Parameters
    ----------
    now : datetime
        Labels known by now are used.

    Returns
    -------
    dict
        A window without a label is left out.
    """
    if config.source.labels is None or not windows:
        return {}
    joined = join_rows(config, windows, now)
    measured: dict[Window, list[Measurement]] = {}
    for rung in _rungs(joined, windows):
        for window in windows:
            if window in rung.windows:
                measured.setdefault(window, []).extend(
                    _measure(joined, window, rung, segmentations)
                )
    return {window: tuple(found) for window, found in measured.items() if found}


def _measure(
    joined: Joined, window: Window, rung: _Rung, segmentations: Sequence[Segmentation]
) -> Iterator[Measurement]:
    config, every = joined.config, joined.rows_in(window)
    for part in (joined.main(every), *joined.slices(every, segmentations)):
        if part.version is not None:
            continue  # a shadow is held against the champion's series
        rows = joined.labelled(part.rows, rung.label)
        if rows.n < (1 if part.segment is None else MIN_ROWS):
            continue
        for m in measure_metrics(rows, config.task, config.metric_names, part.segment):
            yield dataclasses.replace(m, name=m.name + rung.suffix)


def _rungs(joined: Joined, windows: Sequence[Window]) -> list[_Rung]:
    """Return the ages at which the labels of the reference rows differ."""
    labels = joined.config.labels
    if joined.config.columns.label_timestamp is None:
        due = windows if labels.missing_is is None else _reached(joined, windows, labels.delay)
        return [_Rung("", joined.label, frozenset(due))]
    ends = _ends(joined, windows)
    found: list[tuple[timedelta, _Rung]] = []
    for age in label_ages(labels.delay, labels.deadline):
        reached = _reached(joined, windows, age)
        label = joined.label_at(ends, age)
        if found:
            mature = pa.array(_rows_of(joined, reached))
            if label.take(mature).equals(found[-1][1].label.take(mature)):
                continue
        found.append((age, _Rung(f"{MARK}{age_text(age)}", label, reached)))
    *younger, (age, last) = found
    final = dataclasses.replace(last, suffix="")
    if not younger:
        return [final]
    # The last labels to differ may have come long before the deadline: they hold from then on.
    early = [last] if age < labels.deadline else []
    return [final, *(rung for _, rung in younger), *early]


def _reached(joined: Joined, windows: Sequence[Window], age: timedelta) -> frozenset[Window]:
    """Return the windows that are so old, and whose missing labels are known to be missing."""
    config, until = joined.config, joined.as_of
    if config.labels.missing_is is not None and config.columns.label_timestamp is not None:
        known = known_until(until, joined.found.newest, config.cadence.approximate)
        if known is None:
            return frozenset()
        until = known
    return frozenset(w for w in windows if w.end + age <= until)


def _rows_of(joined: Joined, windows: frozenset[Window]) -> NDArray[np.int64]:
    rows = [joined.rows_in(w) for w in windows]
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)


def _ends(joined: Joined, windows: Sequence[Window]) -> NDArray[np.int64]:
    """Return the end of each row's window in microseconds since 1970; 0 outside of them."""
    ends = np.zeros(joined.table.num_rows, np.int64)
    for window in windows:
        end = np.datetime64(window.end.replace(tzinfo=None), "us").astype(np.int64)
        ends[joined.rows_in(window)] = end
    return ends


def series_at(
    reference: Mapping[str, ReferenceSeries],
    measured: Measurement,
    age: timedelta,
    deadline: timedelta,
    ages: Collection[timedelta],
) -> tuple[ReferenceSeries, ...]:
    """Return the reference series to hold a performance metric against.

    A shadow version is held against the champion's.

    Parameters
    ----------
    reference : mapping
        The baseline's series, by check key.
    measured : Measurement
    age : timedelta
        How old the window was when its labels were read.
    deadline : timedelta
        The age of the series under the metric's own name.
    ages : collection of timedelta
        From `known_ages`; asked once, for it reads the names of all series.

    Returns
    -------
    tuple of ReferenceSeries
        That of the greatest age not above the window's, where enough windows have reached it;
        behind it that of the next greater age, where there is one. Empty where there is none.
    """
    plain = check_key(measured.family, measured.name, segment=measured.segment)
    keys = {deadline: plain}
    for young in ages:
        name = f"{measured.name}{MARK}{age_text(young)}"
        keys[young] = check_key(measured.family, name, segment=measured.segment)
    known = [(a, reference[keys[a]]) for a in sorted(keys) if keys[a] in reference]
    if len(keys) == 1:
        return tuple(series for _, series in known)
    enough = [k for k in known if sum(v is not None for v in k[1].values) >= MIN_WINDOWS]
    reached = [k for k in enough if k[0] <= age] or [k for k in known if k[0] <= age]
    older = [series for a, series in enough if reached and a > max(age, reached[-1][0])]
    # At the very age of a series its labels are those that the window has.
    exact = bool(reached) and reached[-1][0] == age
    return tuple(series for _, series in reached[-1:]) + tuple([] if exact else older[:1])


def between_ages(found: Sequence[Check]) -> Check:
    """Return the verdict on a value of an age that lies between those of the reference's series.

    Labels have come since the younger age, and those up to the older one have not: only what is
    amiss beside both is amiss.

    Parameters
    ----------
    found : sequence of Check
        The value held against the younger series, and against the older one where there is one.
    """
    young, *older = found
    if not young.exceeded or not older or young.threshold_from == "user":
        return young
    (old,) = older
    if not old.exceeded:
        return old
    if old.direction != young.direction:  # beyond the one and not yet at the other
        return dataclasses.replace(young, status="ok", exceeded=False, reason=None)
    return old if young.status == "alert" else young


def reached_age(
    ages: Collection[timedelta], age: timedelta, deadline: timedelta
) -> timedelta | None:
    """Return the greatest label age of the reference's series that a window has reached.

    None where the reference knows one age alone, or the window is younger than all.
    """
    return max((a for a in {*ages, deadline} if a <= age), default=None) if ages else None


def known_ages(reference: Mapping[str, ReferenceSeries]) -> frozenset[timedelta]:
    """Return the label ages, other than the last, of which a baseline has series."""
    marked = (key.partition("[")[0].partition(MARK)[2] for key in reference)
    return frozenset(parse_duration(text) for text in set(marked) if text)


def youngest_keys(reference: Mapping[str, ReferenceSeries], deadline: timedelta) -> dict[str, str]:
    """Return, of each metric that is known at several label ages, the key of the youngest.

    Examples
    --------
    >>> one = ReferenceSeries((0.9,) * 9, (50,) * 9)
    >>> keys = ("performance/f1", "performance/f1~age=2d", "performance/f1~age=5d")
    >>> youngest_keys(dict.fromkeys(keys, one), timedelta(days=14))
    {'performance/f1': 'performance/f1~age=2d'}
    """
    found: dict[str, tuple[timedelta, str]] = {}
    for key, series in reference.items():
        head, mark, tail = key.partition(MARK)
        if not mark or sum(v is not None for v in series.values) < MIN_WINDOWS:
            continue
        text, bracket, segment = tail.partition("[")
        plain = head + bracket + segment
        age = parse_duration(text)
        if age < deadline and (plain not in found or age < found[plain][0]):
            found[plain] = age, key
    return {plain: key for plain, (_, key) in found.items()}


def age_shifts(
    reference: Mapping[str, ReferenceSeries], age: timedelta, deadline: timedelta
) -> dict[str, float]:
    """Return by how much metrics differ at a label age from what they are at the youngest.

    Means over the reference windows that have both; by the key of the metric. Empty where labels
    do not change with age.
    """
    found = {}
    for plain, youngest in youngest_keys(reference, deadline).items():
        head, bracket, segment = plain.partition("[")
        ages = {deadline: plain} | {
            known: f"{head}{MARK}{age_text(known)}{bracket}{segment}"
            for known in known_ages({youngest: reference[youngest]} | _aged(reference, head))
        }
        reached = max((a for a in ages if a <= age and ages[a] in reference), default=None)
        if reached is None or ages[reached] == youngest:
            continue
        pairs = zip(reference[ages[reached]].values, reference[youngest].values, strict=True)
        gaps = [a - b for a, b in pairs if a is not None and b is not None]
        if gaps:
            found[plain] = float(np.mean(gaps))
    return found


def _aged(reference: Mapping[str, ReferenceSeries], head: str) -> dict[str, ReferenceSeries]:
    return {k: s for k, s in reference.items() if k.startswith(head + MARK)}
