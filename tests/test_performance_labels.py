"""Late, missing and impossible labels: equal label age, `missing_is`, `eligible`, lost ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from task_models import BASELINE_DAYS, DAYS, day, label_table, moments, write_model

from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.evaluate import judge
from monitoring_sdk.labels import with_missing
from monitoring_sdk.measure import Measurement
from monitoring_sdk.metrics.table import metric
from monitoring_sdk.report import Check
from monitoring_sdk.stages import build_baseline, labelled_rows, span_document, walk
from monitoring_sdk.stages.concept import ConceptChain
from monitoring_sdk.stages.judged import judge_windows, result_of
from monitoring_sdk.stages.label_age import (
    age_text,
    between_ages,
    known_ages,
    label_ages,
    series_at,
)
from monitoring_sdk.stages.performance import Judged, join_labels
from monitoring_sdk.value import Value
from monitoring_sdk.window import Window, parse_duration

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 400
FRAUD = {"delay": "2d", "give_up": "14d", "missing_is": 0}


@pytest.fixture(autouse=True)
def _baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))


def payments(
    folder: Path, *, seed: int = 4, until: float = DAYS, slower: int = 99, **changes: Any
) -> MonitorConfig:
    """Payments of which one in eight is charged back: half within a day, the rest in ten.

    There is a label for these alone, and none after the day `until`. From the day `slower` on the
    model no longer finds any.
    """
    chance = np.random.default_rng(seed)
    at = moments(ROWS)
    fraud = chance.uniform(size=len(at)) < 0.125
    found = np.where(fraud, chance.uniform(size=len(at)) < 0.8, chance.uniform(size=len(at)) < 0.02)
    found &= np.repeat(np.arange(DAYS), ROWS) < slower
    ages = np.where(chance.uniform(size=len(at)) < 0.5, 1.0, 10.0) * chance.uniform(size=len(at))
    frame = pd.DataFrame({"id": np.arange(len(at)), "at": at, "y_pred": found.astype(int)})
    known = label_table(frame["id"], 1, at + pd.to_timedelta(ages, "D"))[fraud]
    known = known[known["known_at"] < pd.Timestamp(day(until))]
    changes = {"metrics": ["recall", "precision"], "labels": FRAUD, **changes}
    return write_model(folder, frame, known, **changes)


def verdict(config: MonitorConfig, found: Judged, as_of: datetime) -> ResultRow:
    """Judge joined labels as of a moment, without a store."""
    chain = ConceptChain(config, open_store("sqlite://"), found.window)
    return result_of(config, found, as_of, chain)


def judged(config: MonitorConfig, window: Window, as_of: datetime) -> dict[str, Check]:
    """Judge one window as of a moment, without a store."""
    (found,) = judge_windows(config, [window], as_of, ROWS)
    assert found.due.judged, found.due
    return {c.name: c for c in verdict(config, found, as_of).checks}


# --- Equal label age ----------------------------------------------------------------------------


def test_ages_lie_between_delay_and_deadline() -> None:
    ages = label_ages(timedelta(days=2), timedelta(days=14))
    assert [age_text(a) for a in ages] == ["2d", "5d", "8d", "14d"]
    assert label_ages(timedelta(days=1), timedelta(days=1)) == (timedelta(days=1),)
    for text in ("2d", "36h", "90min", "5s"):
        assert age_text(parse_duration(text)) == text


def test_late_labels_move_a_metric_and_are_no_change(tmp_path: Path) -> None:
    """Precision rises for two weeks as fraud becomes known; each day is compared with its like."""
    config = payments(tmp_path)
    baseline = build_baseline(config, now=NOW)
    keys = sorted(k for k in baseline.reference if k.startswith("performance/precision"))
    assert keys == [f"performance/precision{a}" for a in ("", "~age=2d", "~age=5d", "~age=8d")]
    usual = {k: np.median([v for v in baseline.reference[k].values if v]) for k in keys}
    assert usual[keys[1]] < usual[keys[2]] < usual[keys[3]] < usual[keys[0]]
    window = Window(day(BASELINE_DAYS + 1), day(BASELINE_DAYS + 2))
    for age, key in ((2, keys[1]), (4.9, keys[1]), (5, keys[2]), (8, keys[3]), (14, keys[0])):
        check = judged(config, window, window.end + timedelta(days=age))["precision"]
        assert check.value is not None
        assert check.effect == pytest.approx(check.value - usual[key])
        assert check.status == "ok"
    # Against fully matured windows the young one would have paged.
    young = judged(config, window, window.end + timedelta(days=2))["precision"]
    ripe = judged(config, window, window.end + timedelta(days=14))["precision"]
    assert young.value is not None
    assert ripe.threshold is not None
    assert young.value < ripe.threshold


@pytest.mark.parametrize(
    ("value", "age", "status", "exceeded"),
    [
        (0.95, 2, "ok", False),
        (0.88, 2, "alert", True),  # at the very age of a series it is that one which counts
        (0.88, 4, "ok", False),
        (0.85, 7, "ok", False),
        (0.80, 4, "ok", True),  # beyond what is usual at either age, far beyond at one
        (0.70, 4, "alert", True),
        (0.90, 14, "ok", False),
        (0.70, 14, "alert", True),
    ],
)
def test_between_two_ages_a_value_is_amiss_only_beside_both(
    value: float, age: float, status: str, exceeded: bool
) -> None:
    """Accuracy falls from 0.95 after two days to 0.85 after ten, where labels tell of mistakes."""
    chance = np.random.default_rng(0).normal(0, 0.01, 30)

    def series(level: float) -> ReferenceSeries:
        return ReferenceSeries(tuple(level + chance), (ROWS,) * 30)

    reference = {
        "performance/accuracy~age=2d": series(0.95),
        "performance/accuracy": series(0.85),
    }
    measured = Measurement("performance", "accuracy", Value(value, n=ROWS), "below")
    known = series_at(
        reference, measured, timedelta(days=age), timedelta(days=10), known_ages(reference)
    )
    window = Window(day(0), day(1))
    check = between_ages(
        [judge(measured, window, reference={measured.key: s}, thresholds={}) for s in known]
    )
    assert (check.status, check.exceeded) == (status, exceeded)


def test_beyond_one_age_and_not_yet_at_the_other_is_between_them() -> None:
    measured = Measurement("performance", "bias", Value(0.5, n=ROWS), "both")
    chance = np.random.default_rng(0).normal(0, 0.01, 30)
    checks = [
        judge(
            measured,
            Window(day(0), day(1)),
            reference={measured.key: ReferenceSeries(tuple(level + chance), (ROWS,) * 30)},
            thresholds={},
        )
        for level in (0.0, 1.0)
    ]
    assert [c.exceeded for c in checks] == [True, True]
    check = between_ages(checks)
    assert (check.status, check.exceeded) == ("ok", False)


def test_a_walk_over_quiet_payments_is_quiet_and_a_blind_model_pages(tmp_path: Path) -> None:
    config = payments(tmp_path, slower=30)
    build_baseline(config, now=NOW)
    store = open_store("sqlite://")
    reports = list(walk(config, list(config.cadence.windows(day(22), day(35))), store))
    pages = {
        c.window.start for r in reports for c in r.checks if c.pages and c.family == "performance"
    }
    assert pages
    assert min(pages) >= day(30)


def test_the_same_labels_at_another_age_are_another_verdict(tmp_path: Path) -> None:
    config = payments(tmp_path)
    build_baseline(config, now=NOW)
    window = Window(day(20), day(21))
    marks = []
    for age in (10, 13.9, 14, 30):
        as_of = window.end + timedelta(days=age)
        (found,) = judge_windows(config, [window], as_of, ROWS)
        marks.append(verdict(config, found, as_of).fingerprint)
    # A label comes within ten days: later only what the window is held against changes.
    assert [m.rpartition("-")[0] for m in marks] == [marks[0].rpartition("-")[0]] * 4
    assert [m.rpartition("-")[2] for m in marks] == ["8d", "8d", "14d", "14d"]


def test_a_baseline_keeps_no_age_that_its_windows_have_not_reached(tmp_path: Path) -> None:
    config = payments(tmp_path)
    baseline = build_baseline(config, now=day(BASELINE_DAYS + 3))
    known = {
        key.partition("~age=")[2]: sum(v is not None for v in series.values)
        for key, series in baseline.reference.items()
        if key.startswith("performance/precision")
    }
    # Windows that ended 1 to 18 days ago or more: 2d, 5d, 8d and 14d ago.
    assert known == {"2d": 20, "5d": 18, "8d": 15, "": 9}


def test_labels_that_all_come_in_time_give_one_series(tmp_path: Path) -> None:
    at = moments(50)
    truth = np.arange(len(at)) % 2
    frame = pd.DataFrame({"id": np.arange(len(at)), "at": at, "y_pred": truth})
    config = write_model(tmp_path, frame, label_table(frame["id"], truth, at), metrics=["accuracy"])
    baseline = build_baseline(config, now=NOW)
    assert [k for k in baseline.reference if "age" in k] == []
    assert len(baseline.reference["performance/accuracy"].values) == BASELINE_DAYS


# --- Missing labels that mean something ---------------------------------------------------------


def test_a_missing_label_is_a_negative_and_both_are_counted(tmp_path: Path) -> None:
    config = payments(tmp_path)
    build_baseline(config, now=NOW)
    window = Window(day(22), day(23))
    predictions = pd.read_parquet(tmp_path / "predictions.parquet")
    own = predictions[(predictions["at"] >= window.start) & (predictions["at"] < window.end)]
    labels = pd.read_parquet(tmp_path / "labels.parquet")
    as_of = window.end + timedelta(days=6)
    positive = own["id"].isin(labels["id"][labels["known_at"] <= as_of])
    check = judged(config, window, as_of)["recall"]
    assert check.n == ROWS
    assert check.value == own["y_pred"][positive].mean()
    assert check.coverage == positive.mean()
    assert check.reason == f"{positive.sum()} labelled + {ROWS - positive.sum()} by missing_is"


def test_a_stale_label_table_is_not_taken_for_good_news(tmp_path: Path) -> None:
    """The table is last written to on the 25th day: what is missing later is not known."""
    config = payments(tmp_path, until=25)
    build_baseline(config, now=NOW)
    newest = pd.read_parquet(tmp_path / "labels.parquet")["known_at"].max()
    for start, stale in ((21, False), (22, False), (23, True), (28, True)):
        window = Window(day(start), day(start + 1))
        (found,) = judge_windows(config, [window], NOW, ROWS)
        assert (found.due.state == "waiting") == stale, window
        if stale:
            assert found.due.reason.startswith(
                f"label table is stale: newest label {newest:%Y-%m-%d %H:%M} UTC, needed until "
            )
    store = open_store("sqlite://")
    *_, last = walk(config, list(config.cadence.windows(day(26), day(31))), store)
    (check,) = [c for c in last.checks if c.name == "recall" and c.window == last.window]
    assert check.status == "insufficient"
    assert not store.results(config.model, day(26), day(31), "performance")


def test_without_a_label_yet_and_without_timestamps_it_says_so(tmp_path: Path) -> None:
    window = Window(day(1), day(2))
    (found,) = join_labels(payments(tmp_path, until=0), [window], NOW)
    assert found.due.state == "waiting"
    assert found.due.reason.startswith("label table is stale: it has no label yet")
    undated = payments(tmp_path / "undated", columns={"label_timestamp": None})
    (found,) = join_labels(undated, [window], NOW)
    assert found.due.state == "ready"
    assert found.note is not None
    assert found.note.endswith("whether their table is stale cannot be told")


def test_who_looks_at_windows_is_told_that_the_label_table_is_stale(tmp_path: Path) -> None:
    """Its own labels are not due when a window is looked at: what others wait for is said."""
    config = payments(tmp_path, until=22.5)
    build_baseline(config, now=NOW)
    store = open_store("sqlite://")
    windows = list(config.cadence.windows(day(20), day(28)))
    *_, last = walk(config, windows, store)
    (reason,) = {c.reason for c in last.checks if c.family == "performance" and c.value is None}
    assert reason is not None
    assert reason.startswith("labels are due at 2024-03-31 00:00 UTC; 5 earlier windows overdue: ")
    assert "label table is stale: newest label 2024-03-23" in reason
    found: Any = span_document(config, windows, last.as_of, store, checks=True)
    shown = {r["window"]["start"]: r["checks"] for r in found["windows"]}
    said = {
        start[:10]: {c["reason"] for c in checks if c["key"] == "performance/recall"}
        for start, checks in shown.items()
    }
    assert "by missing_is" in str(said["2024-03-21"])
    assert "label table is stale: newest label 2024-03-23" in str(said["2024-03-24"])
    assert said["2024-03-28"] == {"labels are due at 2024-03-31 00:00 UTC"}


def test_an_empty_table_without_timestamps_is_stale(tmp_path: Path) -> None:
    config = payments(tmp_path, until=0, columns={"label_timestamp": None})
    (found,) = join_labels(config, [Window(day(1), day(2))], NOW)
    assert (found.due.state, found.due.judged) == ("waiting", False)


def test_a_trainer_gets_the_negatives_whose_time_is_over(tmp_path: Path) -> None:
    """The table ends on the 25th day, labels are due after two: rows of the 22nd have theirs."""
    config = payments(tmp_path, until=25)
    rows = labelled_rows(config, Window(day(0), day(DAYS)), NOW)
    assert set(rows["y_true"].dropna()) == {0, 1}
    newest = pd.Timestamp(rows["known_at"].max()).tz_convert("UTC")
    negatives = rows[rows["y_true"] == 0]["at"]
    assert negatives.max() <= newest - pd.Timedelta(days=2)
    settled = rows["at"] <= newest - pd.Timedelta(days=2)
    assert rows.loc[settled, "y_true"].notna().all()
    assert set(rows.loc[~settled, "y_true"].dropna()) <= {1}


@pytest.mark.parametrize(
    ("labels", "missing_is", "filled"),
    [
        (pa.array([1, None], pa.int8()), 0, [1, 0]),
        (pa.array([True, None]), False, [True, False]),
        (pa.array([True, None]), 0, ["true", "0"]),
        (pa.array(["bad", None]), "good", ["bad", "good"]),
        (pa.array([1, None]), "good", ["1", "good"]),
        (pa.array([2.5, None]), 0, [2.5, 0.0]),
        (pa.nulls(2), 0, [0, 0]),
    ],
    ids=str,
)
def test_what_is_missing_is_of_the_labels_type_or_all_are_text(
    labels: pa.Array, missing_is: object, filled: list[object]
) -> None:
    has_id = np.array([True, True])
    assert with_missing(labels, missing_is, has_id).to_pylist() == filled
    assert with_missing(labels, missing_is, ~has_id).to_pylist()[1] is None


# --- Rows that can get no label -----------------------------------------------------------------


def loans(folder: Path, **changes: Any) -> MonitorConfig:
    """Loans of which those approved get a label, 30 in 100."""
    chance = np.random.default_rng(5)
    at = moments(ROWS)
    approved = chance.uniform(size=len(at)) < 0.3
    truth = chance.integers(0, 2, len(at))
    said = np.where(chance.uniform(size=len(at)) < 0.9, truth, 1 - truth)
    decision = np.where(approved, "approve", "decline")
    frame = pd.DataFrame({"id": np.arange(len(at)), "at": at, "y_pred": said, "decision": decision})
    labels = label_table(frame["id"], truth, at)[approved]
    eligible = {"delay": "0h", "eligible": {"column": "decision", "in": ["approve"]}}
    return write_model(
        folder, frame, labels, **{"labels": eligible, "metrics": ["accuracy"]} | changes
    )


def test_eligible_rows_alone_count_and_are_said(tmp_path: Path) -> None:
    config = loans(tmp_path)
    build_baseline(config, now=NOW)
    window = Window(day(22), day(23))
    predictions = pd.read_parquet(tmp_path / "predictions.parquet")
    own = predictions[(predictions["at"] >= window.start) & (predictions["at"] < window.end)]
    able = int((own["decision"] == "approve").sum())
    check = judged(config, window, window.end)["accuracy"]
    assert (check.n, check.coverage, check.status) == (able, 1.0, "ok")
    share = round(100 * able / ROWS)
    assert check.reason == f"on eligible rows: {able} of {ROWS} ({share} %)"
    # Without the setting seven in ten labels are waited for until they are given up.
    config = loans(tmp_path, labels={"delay": "0h"})
    (found,) = join_labels(config, [window], window.end)
    assert found.due.state == "waiting"


def test_eligible_values_are_compared_by_name_and_the_column_must_be_there(tmp_path: Path) -> None:
    chosen = {"delay": "0h", "eligible": {"column": "id", "in": ["1", 2.0]}}
    (found,) = join_labels(loans(tmp_path, labels=chosen), [Window(day(0), day(1))], NOW)
    assert found.counts.rows == ROWS
    assert found.note is not None
    assert found.note.startswith(f"on eligible rows: 2 of {ROWS} ")
    chosen = {"delay": "0h", "eligible": {"column": "verdict", "in": ["approve"]}}
    (found,) = join_labels(loans(tmp_path, labels=chosen), [Window(day(0), day(1))], NOW)
    assert metric("accuracy", found.rows).reason == "predictions lack the column verdict"


# --- What joins nothing -------------------------------------------------------------------------


def test_ids_that_join_nothing_are_counted_and_never_page(tmp_path: Path) -> None:
    config = loans(tmp_path)
    build_baseline(config, now=NOW)
    predictions = pd.read_parquet(tmp_path / "predictions.parquet").astype({"id": "Int64"})
    labels = pd.read_parquet(tmp_path / "labels.parquet").astype({"id": "Int64"})
    in_window = np.flatnonzero((predictions["at"] >= day(22)) & (predictions["at"] < day(23)))
    predictions.loc[in_window[:10], "id"] = pd.NA
    labels.loc[labels.index[:12], "id"] = pd.NA
    predictions.to_parquet(tmp_path / "predictions.parquet")
    labels.to_parquet(tmp_path / "labels.parquet")
    before, report = walk(
        config, list(config.cadence.windows(day(21), day(23))), open_store("sqlite://")
    )
    seen = int((labels["known_at"] <= report.as_of).sum())
    (check,) = [c for c in report.checks if c.name == "null_ids"]
    assert (check.status, check.severity, check.pages) == ("alert", "warning", False)
    assert check.value == 10 / ROWS
    assert check.reason == (
        f"10 of {ROWS} predictions have no id and never get a label; "
        f"12 of {seen} label rows have no id and join nothing"
    )
    (check,) = [c for c in before.checks if c.name == "null_ids"]
    assert check.reason is not None
    assert check.reason.startswith("12 of")
    assert report.status == "ok"


def test_a_window_without_the_column_of_decisions_alerts(tmp_path: Path) -> None:
    config = loans(tmp_path)
    build_baseline(config, now=NOW)
    path = tmp_path / "predictions.parquet"
    pd.read_parquet(path).drop(columns="decision").to_parquet(path)
    (report,) = walk(
        config, list(config.cadence.windows(day(22), day(23))), open_store("sqlite://")
    )
    (check,) = [c for c in report.checks if c.name == "column_present"]
    assert (check.column, check.status, check.severity) == ("decision", "alert", "critical")
    checks = [c for c in report.checks if c.name == "accuracy"]
    assert report.window in {c.window for c in checks}
    assert {(c.status, c.value) for c in checks} == {("undefined", None)}
    assert {c.reason for c in checks} == {"predictions lack the column decision"}
