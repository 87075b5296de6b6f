"""Models of every task, walked window by window: a failure pages, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from task_models import BASELINE_DAYS, FAILURE_DAY, day, multiclass, ranking, regression

from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.metrics.rows import read_rows
from monitoring_sdk.metrics.table import metric
from monitoring_sdk.report import Check
from monitoring_sdk.stages import build_baseline, walk
from monitoring_sdk.stages.concept import ConceptChain
from monitoring_sdk.stages.judged import judge_windows, result_of
from monitoring_sdk.stages.performance import join_labels
from monitoring_sdk.window import Window

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = {
    "multiclass": ["accuracy", "f1_macro", "recall@first", "roc_auc_ovr", "log_loss"],
    "regression": ["mae", "rmse", "r2", "bias", "quantile_error@0.9"],
    "ranking": ["ndcg@10", "recall@3", "map@10", "mrr"],
}


def days(config: MonitorConfig, start: int, end: int) -> list[Window]:
    return list(config.cadence.windows(day(start), day(end)))


def values(checks: Iterable[Check], window: Window) -> dict[str, float | None]:
    """Return the metrics of a window by name, beside which bets and gaps are none."""
    return {
        c.name: c.value
        for c in checks
        if c.family == "performance" and c.window == window and not c.name.startswith("concept_")
    }


@pytest.mark.parametrize("write", [multiclass, regression, ranking], ids=lambda f: f.__name__)
def test_a_failure_pages_and_the_days_before_it_do_not(
    write: Callable[..., MonitorConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    config = write(tmp_path)
    config = config.model_copy(update={"metrics": tuple(NAMES[config.task])})
    baseline = build_baseline(config, now=NOW)
    for name in config.metric_names:
        series = baseline.reference[f"performance/{name}"]
        assert len([v for v in series.values if v is not None]) == BASELINE_DAYS
    store = open_store("sqlite://")
    windows = days(config, FAILURE_DAY - 5, FAILURE_DAY + 3)
    reports = list(walk(config, windows, store))
    assert [r.status for r in reports[:5]] == ["ok"] * 5
    (incident,) = store.incidents(config.model)
    assert day(FAILURE_DAY + 1) <= incident.opened <= day(FAILURE_DAY + 2)
    assert incident.families == ("performance",)
    assert set(values(reports[0].checks, windows[0])) == set(config.metric_names)
    assert not [c for c in reports[0].checks if c.value is None and c.status != "no_data"]


@pytest.mark.parametrize("write", [multiclass, regression, ranking], ids=lambda f: f.__name__)
def test_values_are_those_of_the_joined_rows_and_late_labels_revise_them(
    write: Callable[..., MonitorConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the labels of one day come two days late; both verdicts are kept."""
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    config = write(tmp_path, labels={"delay": "0h", "coverage": 0.4})
    config = config.model_copy(update={"metrics": tuple(NAMES[config.task])})
    labels = pd.read_parquet(tmp_path / "labels.parquet")
    predictions = pd.read_parquet(tmp_path / "predictions.parquet")
    late = (predictions["at"] >= day(25)) & (predictions["at"] < day(26))
    late &= predictions["id"] % 2 == 0
    labels.loc[late, "known_at"] = day(27.5)
    labels.sample(frac=1, random_state=0).to_parquet(tmp_path / "labels.parquet")
    build_baseline(config, now=NOW)
    store = open_store("sqlite://")
    window, *after = days(config, 25, 30)
    (first,) = walk(config, [window], store)
    list(walk(config, after, store))
    (newest,) = store.results(config.model, window.start, window.end, "performance")
    assert newest.revision == 2

    def expected(known: pd.Series) -> dict[str, float | None]:
        own = (predictions["at"] >= window.start) & (predictions["at"] < window.end)
        rows, columns = predictions[own & known], config.columns
        score = columns.score
        found = read_rows(
            config.task,
            labels["y_true"][own & known],
            prediction=rows["y_pred"],
            score={k: rows[v] for k, v in score.items()}
            if isinstance(score, dict)
            else None
            if score is None
            else rows[score],
            query=rows.get("query"),
            item=rows.get("item"),
        )
        return {name: metric(name, found).value for name in config.metric_names}

    early = labels["known_at"] <= window.end
    assert values(first.checks, window) == pytest.approx(expected(early))
    assert values(newest.checks, window) == pytest.approx(expected(early | late))
    coverages = [
        {c.coverage for c in checks if c.family == "performance" and c.window == window}
        for checks in (first.checks, newest.checks)
    ]
    assert coverages == [{0.5}, {1.0}]


def test_the_quiet_days_of_many_models_stay_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten days of eight seeds, judged by performance alone."""
    pages, store = 0, open_store("sqlite://")
    for seed in range(8):
        root = tmp_path / str(seed)
        monkeypatch.setenv("MONITORING_BASELINES", str(root / "baselines"))
        config = regression(root, seed=10 + seed, estimation={"methods": []})
        build_baseline(config, now=NOW)
        windows = days(config, BASELINE_DAYS, FAILURE_DAY)
        for judged in judge_windows(config, windows, NOW, 200):
            chain = ConceptChain(config, store, judged.window)
            pages += any(c.pages for c in result_of(config, judged, NOW, chain).checks)
    assert pages == 0


def test_a_lacking_column_of_weights_or_queries_is_never_left_out_in_silence(
    tmp_path: Path,
) -> None:
    """Without their weights rows would count alike: another number, under the same name."""
    for part, write in (("weight", regression), ("query", ranking)):
        config = write(tmp_path / part)
        columns = config.columns.model_copy(update={part: "elsewhere"})
        config = config.model_copy(update={"columns": columns})
        (judged,) = join_labels(config, days(config, 3, 4), NOW)
        name = config.metric_names[0]
        assert metric(name, judged.rows).reason == "predictions lack the column elsewhere"


def test_weights_count(tmp_path: Path) -> None:
    config = regression(tmp_path)
    rows = pd.read_parquet(tmp_path / "predictions.parquet")
    rows["w"] = rows["id"] % 3
    rows.to_parquet(tmp_path / "predictions.parquet")
    columns = config.columns.model_copy(update={"weight": "w"})
    config = config.model_copy(update={"columns": columns})
    (judged,) = join_labels(config, days(config, 3, 4), NOW)
    labels = pd.read_parquet(tmp_path / "labels.parquet")["y_true"]
    own = (rows["at"] >= day(3)) & (rows["at"] < day(4))
    error = (rows["y_pred"] - labels).abs()[own]
    expected = (error * rows["w"][own]).sum() / rows["w"][own].sum()
    assert metric("mae", judged.rows).value == pytest.approx(expected)
