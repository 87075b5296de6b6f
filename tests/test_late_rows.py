"""Rows that come late, or never: no verdict too early, and one alert once they are overdue."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_model import day, write_small_model

from monitoring_sdk import stages
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.report import Report
from monitoring_sdk.stages import metrics
from monitoring_sdk.stages.concept import state_of
from monitoring_sdk.stages.performance import Judged
from monitoring_sdk.window import Window

OUTAGE = 23
WINDOW = Window(day(OUTAGE), day(OUTAGE + 1))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MonitorConfig:
    """A model that serves nothing on one day; its rows are expected within eight hours."""
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    file = write_small_model(tmp_path, sys.executable)
    file.write_text(file.read_text().replace("{every: 1d}", "{every: 1d, expect_within: 8h}"))
    config, _ = stages.find_config(file)
    stages.build_baseline(config, now=datetime.now(UTC))
    path = tmp_path / "predictions.parquet"
    rows = pd.read_parquet(path)
    rows.to_parquet(tmp_path / "all.parquet")
    rows[rows["at"].dt.floor("D") != WINDOW.start].to_parquet(path)
    return config


@pytest.fixture
def store() -> Store:
    """A store in memory."""
    return open_store("sqlite://")


def look(config: MonitorConfig, store: Store, hours: float) -> Report:
    """Look at the window so many hours after its end."""
    return stages.evaluate_window(config, WINDOW, WINDOW.end + timedelta(hours=hours), store)


def late(report: Report) -> list[str]:
    """Return the windows that the report finds overdue."""
    return [
        f"{c.window.start:%m-%d}"
        for c in report.checks
        if c.name == "data_late" and c.status == "alert"
    ]


def test_no_rows_are_no_data_and_then_late_once(config: MonitorConfig, store: Store):
    early = look(config, store, 0)
    assert (early.status, late(early), early.incidents) == ("no_data", [], ())
    overdue = look(config, store, 9)
    assert (overdue.status, late(overdue)) == ("no_data", ["03-24"])
    assert len(overdue.incidents) == 1
    look(config, store, 10)
    assert len(store.incidents("small")) == 1
    assert [m.message.transition for m in store.messages()] == ["opened"]


def test_the_next_window_finds_that_nobody_looked_when_rows_were_overdue(
    config: MonitorConfig, store: Store
):
    look(config, store, 0)
    following = Window(WINDOW.end, WINDOW.end + timedelta(days=1))
    report = stages.evaluate_window(config, following, following.end, store)
    assert late(report) == ["03-24"]
    assert report.rows == 200
    assert len(store.incidents("small")) == 1
    # A run that is repeated, as after a crash, reads the verdict back.
    handle = stages.pull_window(config, following, following.end)
    assert stages.stored_row(handle, store) is not None
    again = stages.evaluate_window(config, following, following.end, store)
    assert late(again) == ["03-24"]


def test_rows_that_come_in_time_are_judged(config: MonitorConfig, store: Store, tmp_path: Path):
    look(config, store, 0)
    pd.read_parquet(tmp_path / "all.parquet").to_parquet(tmp_path / "predictions.parquet")
    report = look(config, store, 4)
    assert (report.status, report.rows) == ("ok", 200)
    assert store.decided_until("small") == WINDOW.end
    assert store.incidents("small") == []


def test_patience_of_several_windows_is_told_once_when_it_ends(config: MonitorConfig, store: Store):
    patient = config.model_copy(
        update={"window": config.window.model_copy(update={"expect_within": timedelta(days=2)})}
    )
    windows = list(patient.cadence.windows(WINDOW.start, WINDOW.end + timedelta(days=4)))
    found = [late(report) for report in stages.walk(patient, windows, store)]
    assert found == [[], [], ["03-24"], [], []]
    assert len(store.incidents("small")) == 1


def correct_a_label(tmp_path: Path, of: Window) -> None:
    """Turn the label of a window's first row round."""
    path = tmp_path / "labels.parquet"
    labels = pd.read_parquet(path)
    theirs = (labels["known_at"] - timedelta(hours=12)).dt.floor("D") == of.start
    first = labels.index[theirs][0]
    labels.loc[first, "y_true"] = 1 - labels.loc[first, "y_true"]
    labels.to_parquet(path)


def test_performance_is_computed_again_only_when_labels_changed(
    config: MonitorConfig, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Each label is known in a day, and awaited for longer; one is corrected afterwards."""
    computed = []
    result_of = metrics.result_of

    def counted(config: MonitorConfig, judged: Judged, *rest: Any) -> ResultRow:
        computed.append(judged.window.start.day)
        return result_of(config, judged, *rest)

    monkeypatch.setattr(metrics, "result_of", counted)
    days = [config.cadence.ending(day(n)) for n in range(25, 30)]
    verdicts = [stages.evaluate_window(config, w, w.end, store) for w in days[:3]]
    # The first look makes up for days that nobody looked at; on the 24th nothing was served.
    assert computed == [21, 22, 23, 25, 26]
    assert [
        {c.window.start.day for c in r.checks if c.family == "performance" and c.value is not None}
        for r in verdicts
    ] == [{21, 22, 23}, {25}, {26}]
    computed.clear()
    correct_a_label(tmp_path, days[0])
    stages.evaluate_window(config, days[3], days[3].end, store)
    assert computed == [25, 27]
    revisions = store.results("small", days[0].start, days[0].end, "performance", newest=False)
    assert len(revisions) == 2
    computed.clear()
    stages.evaluate_window(config, days[3], days[3].end, store, recompute=True)
    assert computed == [21, 22, 23, 25, 26, 27]


def test_bets_go_on_from_corrected_ones(config: MonitorConfig, tmp_path: Path):
    """What is not computed again leaves the same evidence as if all of it were."""
    days = [config.cadence.ending(day(n)) for n in range(25, 31)]
    bets = {}
    for recompute in (True, False):
        store = open_store("sqlite://")
        for at, window in enumerate(days):
            if at == 3:
                correct_a_label(tmp_path, days[0])
            stages.evaluate_window(config, window, window.end, store, recompute=recompute)
        correct_a_label(tmp_path, days[0])
        last = store.results("small", days[-2].start, days[-2].end, "performance")[0]
        bets[recompute] = state_of(last.checks, "bet")
    assert bets[True]["windows"] > 5
    assert bets[False] == bets[True]
