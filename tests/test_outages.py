"""Outages: windows missing in a row are told once, by the first window after them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from task_models import day, moments, write_model

from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.report import Check, Report
from monitoring_sdk.stages import build_baseline, evaluate_window, walk
from monitoring_sdk.window import Window

ROWS = 50


def serving(folder: Path, *, dark: tuple[int, ...] = (), **changes: object) -> MonitorConfig:
    """A model without labels that serves nothing on some days."""
    at = moments(ROWS)
    frame = pd.DataFrame({"id": np.arange(len(at)), "at": at, "y_pred": np.arange(len(at)) % 2})
    number = np.repeat(np.arange(len(at) // ROWS), ROWS)
    config = write_model(folder, frame[~np.isin(number, dark)], frame.iloc[:0], **changes)
    source = config.source.model_copy(update={"labels": None})
    return config.model_copy(update={"source": source})


@pytest.fixture(autouse=True)
def _baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))


def run(config: MonitorConfig, store: Store, *numbers: int) -> list[Report]:
    """Evaluate some days, each at its own end."""
    days = [Window(day(n), day(n + 1)) for n in numbers]
    return list(walk(config, days, store))


def missing(report: Report) -> list[Check]:
    return [c for c in report.checks if c.name == "missing_windows"]


def test_a_scheduler_that_was_down_is_told_once_when_it_is_back(tmp_path: Path) -> None:
    """Five days have rows, but nobody looked: each of them alone is no finding."""
    config = serving(tmp_path)
    build_baseline(config, now=datetime(2026, 1, 1, tzinfo=UTC))
    store = open_store("sqlite://")
    before, after, later = run(config, store, 21, 27, 28)
    assert [c.value for c in missing(before)] == [0.0]
    (check,) = missing(after)
    assert (check.status, check.value, check.threshold_from) == ("alert", 5.0, "contract")
    assert check.reason == (
        "5 windows missing before this one, since 2024-03-23 00:00 UTC: "
        "0 without rows, 5 never evaluated"
    )
    (incident,) = after.incidents
    assert incident.checks == ("operations/missing_windows",)
    assert [c.status for c in missing(later)] == ["ok"]
    assert later.status == "ok"


def test_days_without_rows_are_told_by_the_first_with_some(tmp_path: Path) -> None:
    config = serving(tmp_path, dark=(23, 24, 25), window={"every": "1d", "expect_within": "9d"})
    build_baseline(config, now=datetime(2026, 1, 1, tzinfo=UTC))
    store = open_store("sqlite://")
    reports = run(config, store, 22, 23, 24, 25, 26, 27)
    assert [r.status for r in reports] == ["ok", *["no_data"] * 3, "alert", "ok"]
    assert [[c.value for c in missing(r)] for r in reports] == [[0.0], [], [], [], [3.0], [0.0]]
    (check,) = missing(reports[4])
    assert check.reason is not None
    assert check.reason.endswith("3 without rows, 0 never evaluated")
    assert len(store.incidents(config.model)) == 1


def test_one_missing_window_is_shown_and_pages_nobody(tmp_path: Path) -> None:
    config = serving(tmp_path)
    build_baseline(config, now=datetime(2026, 1, 1, tzinfo=UTC))
    _, after = run(config, open_store("sqlite://"), 21, 23)
    (check,) = missing(after)
    assert (check.status, check.value) == ("ok", 1.0)
    assert check.reason is not None
    assert check.reason.startswith("1 window missing before this one")


def test_the_first_window_ever_looked_at_misses_nothing(tmp_path: Path) -> None:
    config = serving(tmp_path)
    build_baseline(config, now=datetime(2026, 1, 1, tzinfo=UTC))
    window = Window(day(30), day(31))
    report = evaluate_window(config, window, window.end, open_store("sqlite://"))
    assert [c.value for c in missing(report)] == [0.0]


def test_weekends_are_no_outage_where_the_reference_has_them(tmp_path: Path) -> None:
    """1 March 2024 is a Friday: days 1 and 2 are a weekend, and so on."""
    weekends = tuple(n for n in range(35) if n % 7 in (1, 2))
    config = serving(tmp_path, dark=weekends, window={"every": "1d", "expect_within": "30d"})
    build_baseline(config, now=datetime(2026, 1, 1, tzinfo=UTC))
    store = open_store("sqlite://")
    reports = run(config, store, *range(20, 27))
    monday = reports[4]
    (check,) = missing(monday)
    assert (check.status, check.value, check.threshold) == ("ok", 2.0, 2.0)


def test_a_limit_of_the_users_goes_first(tmp_path: Path) -> None:
    rule = {"missing_windows": {"max": 0, "severity": "warning"}}
    config = serving(tmp_path, thresholds=rule)
    build_baseline(config, now=datetime(2026, 1, 1, tzinfo=UTC))
    _, after = run(config, open_store("sqlite://"), 21, 23)
    (check,) = missing(after)
    assert (check.status, check.severity, check.threshold_from) == ("alert", "warning", "user")
