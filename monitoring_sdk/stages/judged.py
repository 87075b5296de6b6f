"""Judged windows: the verdict on a window's performance, once its labels are due."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.evaluate import MIN_ROWS, judge
from monitoring_sdk.measure import measure_metrics, metrics_for
from monitoring_sdk.metrics.labelled import Labelled
from monitoring_sdk.metrics.probabilistic import reliability_curve
from monitoring_sdk.metrics.rows import LabelledRows
from monitoring_sdk.profile.segments import Segmentation
from monitoring_sdk.report import Check, Status, overall_status
from monitoring_sdk.stages.concept import ConceptChain
from monitoring_sdk.stages.handle import baseline_for
from monitoring_sdk.stages.label_age import (
    age_text,
    between_ages,
    known_ages,
    reached_age,
    series_at,
)
from monitoring_sdk.stages.performance import GROUP_ROWS, Judged, JudgedSlice, join_labels
from monitoring_sdk.stages.reference import series_for
from monitoring_sdk.stages.scan import declared_segmentations
from monitoring_sdk.window import Window

OF_SCORES = ("log_loss", "brier", "ece", "roc_auc")


def _key(
    config: MonitorConfig, judged: Judged, as_of: datetime, baseline: Baseline
) -> tuple[str, str, str]:
    """Return what a verdict on a window's performance depends on, beside model and window.

    These are the baseline's version, the hash of the settings, and the fingerprint of the labels.
    """
    age = as_of - judged.window.end
    ages = known_ages(series_for(baseline, judged.window))
    reached = reached_age(ages, age, config.labels.deadline)
    # At another label age the same labels are held against other values.
    fingerprint = judged.fingerprint + (f"-{age_text(reached)}" if reached else "")
    return baseline.version, config.settings_hash(), fingerprint


def result_of(
    config: MonitorConfig, judged: Judged, as_of: datetime, concept: ConceptChain
) -> ResultRow:
    """Judge the performance of one window against the baseline that is valid for it."""
    baseline = baseline_for(config, judged.window)
    reference, age = series_for(baseline, judged.window), as_of - judged.window.end
    main = JudgedSlice(judged.rows, judged.coverage)
    tests = max(1, sum(part.segment is not None for part in judged.slices))
    ages = known_ages(reference)
    checks = [
        _with_note(check, judged)
        for part in (main, *judged.slices)
        for check in _checks_of(config, judged.window, part, reference, age, ages, tests)
    ]
    beside = (*concept.checks(judged, baseline), *concept.gaps(judged.window, checks))
    checks += [_with_note(check, judged) for check in beside]
    checks = _with_curve(checks, judged.rows)
    status, reason = overall_status(checks)
    if judged.due.state == "given_up":
        reason = judged.due.reason
        checks = [dataclasses.replace(c, reason=c.reason or reason) for c in checks]
    version, settings, fingerprint = _key(config, judged, as_of, baseline)
    return ResultRow(
        model=config.model,
        window=judged.window,
        part="performance",
        baseline=version,
        settings=settings,
        fingerprint=fingerprint,
        as_of=as_of,
        status=status,
        reason=reason,
        rows=judged.rows.n,
        checks=tuple(checks),
    )


def standing(
    config: MonitorConfig, judged: Judged, as_of: datetime, concept: ConceptChain
) -> ResultRow | None:
    """Return the verdict that was given on the very same labels, if one was.

    Later bets go on from this window's as it is now, even if the one that stands began elsewhere.
    """
    row, baseline = concept.known.get(judged.window), baseline_for(config, judged.window)
    if row is None or row.status == "error":
        return None
    if (row.baseline, row.settings, row.fingerprint) != _key(config, judged, as_of, baseline):
        return None
    concept.pass_over(judged, baseline)
    return row


def _checks_of(
    config: MonitorConfig,
    window: Window,
    part: JudgedSlice,
    reference: Mapping[str, ReferenceSeries],
    age: timedelta,
    ages: Collection[timedelta],
    tests: int,
) -> Iterator[Check]:
    """Judge the metrics of the main rows or of a slice, against values of the same label age."""
    whole = part.segment is None and part.version is None
    if not whole and part.rows.n < MIN_ROWS:
        for name in metrics_for(config.task, config.metric_names, part.rows):
            yield Check(
                "performance",
                name,
                window,
                "insufficient",
                segment=part.segment,
                version=part.version,
                n=part.rows.n,
                coverage=part.coverage,
                reason=f"{part.rows.n} labelled rows, {MIN_ROWS} needed",
            )
        return
    for m in measure_metrics(
        part.rows, config.task, config.metric_names, part.segment, part.version
    ):
        known = series_at(reference, m, age, config.labels.deadline, ages)
        yield between_ages(
            [
                judge(
                    m,
                    window,
                    reference=series,
                    thresholds=config.thresholds,
                    coverage=part.coverage,
                    tests=1 if part.segment is None else tests,
                )
                for series in ([{m.key: s} for s in known] or [{}])
            ]
        )


def _with_curve(checks: Sequence[Check], rows: LabelledRows) -> list[Check]:
    """Keep the reliability curve of binary scores beside the first metric of their quality."""
    bins = reliability_curve(rows) if isinstance(rows, Labelled) else ()
    at = next((i for i, c in enumerate(checks) if bins and c.name in OF_SCORES), None)
    if at is None:
        return list(checks)
    curve = [[b.n, b.mean_score, b.share, *b.interval] for b in bins]
    kept = dataclasses.replace(checks[at], state={"reliability": curve})
    return [*checks[:at], kept, *checks[at + 1 :]]


def _with_note(check: Check, judged: Judged) -> Check:
    if judged.note is None or check.segment or check.version:
        return check
    reason = judged.note if check.reason is None else f"{check.reason}; {judged.note}"
    return dataclasses.replace(check, reason=reason)


def pending_checks(
    config: MonitorConfig,
    window: Window,
    reason: str,
    coverage: float | None = None,
    status: Status = "insufficient",
) -> tuple[Check, ...]:
    """Return the performance checks of a window that is not judged yet, with the reason."""
    return tuple(
        Check("performance", name, window, status, coverage=coverage, reason=reason)
        for name in config.metric_names
    )


def _groups(windows: Sequence[Window], rows: int) -> Iterator[Sequence[Window]]:
    """Cut windows into runs whose rows are read together."""
    size = max(1, GROUP_ROWS // max(rows, 1))
    for i in range(0, len(windows), size):
        yield windows[i : i + size]


def judge_windows(
    config: MonitorConfig, windows: Sequence[Window], as_of: datetime, rows: int
) -> Iterator[Judged]:
    """Join the labels known as of a moment to the rows of some windows."""

    def segmentations(window: Window) -> Sequence[Segmentation]:
        return declared_segmentations(config, baseline_for(config, window))

    for group in _groups(windows, rows):
        yield from join_labels(config, group, as_of, segmentations)


def awaited(config: MonitorConfig, windows: Sequence[Window], as_of: datetime) -> dict[Window, str]:
    """Say what the labels wait for of those windows that cannot be judged as of a moment."""
    found = judge_windows(config, windows, as_of, 0)
    return {judged.window: judged.due.reason for judged in found if not judged.due.judged}
