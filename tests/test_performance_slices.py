"""Segments and versions of labelled rows: found where they fail, silent where they do not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from task_models import DAYS, FAILURE_DAY, day, failing, label_table, moments, write_model

from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.report import Check, Report
from monitoring_sdk.stages import build_baseline, walk
from monitoring_sdk.stages.concept import ConceptChain
from monitoring_sdk.stages.judged import judge_windows, result_of
from monitoring_sdk.window import Window

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 600
SITES = ("EWR", "JFK", "LGA", "SWF")
SHARES = (0.6, 0.2, 0.18, 0.02)


@pytest.fixture(autouse=True)
def _baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))


def sites(folder: Path, *, wrong: str = "JFK", seed: int = 6, **changes: Any) -> MonitorConfig:
    """A model at four sites, one too small to be watched, that fails at one of them."""
    chance = np.random.default_rng(seed)
    at = moments(ROWS)
    site = chance.choice(SITES, len(at), p=SHARES)
    truth = chance.integers(0, 2, len(at))
    right = chance.uniform(size=len(at)) < np.where(failing(ROWS) & (site == wrong), 0.7, 0.9)
    frame = pd.DataFrame({"id": np.arange(len(at)), "at": at, "site": site})
    frame["y_pred"] = np.where(right, truth, 1 - truth)
    return write_model(
        folder,
        frame,
        label_table(frame["id"], truth, at),
        **{"metrics": ["accuracy"], "columns": {"segments": ["site"]}, **changes},
    )


def of_days(config: MonitorConfig, start: int, end: int) -> list[Check]:
    """Judge the performance of some days, without a store."""
    windows = list(config.cadence.windows(day(start), day(end)))
    found = judge_windows(config, windows, NOW, ROWS)
    return [
        c
        for judged in found
        for c in result_of(
            config, judged, NOW, ConceptChain(config, open_store("sqlite://"), judged.window)
        ).checks
    ]


def test_a_failure_at_one_site_is_found_there(tmp_path: Path) -> None:
    config = sites(tmp_path)
    baseline = build_baseline(config, now=NOW)
    assert "performance/accuracy[site=JFK]" in baseline.reference
    assert not [c for c in of_days(config, 20, FAILURE_DAY) if c.status == "alert"]
    store = open_store("sqlite://")
    windows = list(config.cadence.windows(day(FAILURE_DAY - 1), day(DAYS)))
    first, *reports = walk(config, windows, store)
    assert first.status == "ok"
    (incident,) = store.incidents(config.model)
    assert incident.opened == day(FAILURE_DAY + 1)
    # That errors exceed what inputs and scores explain is told as well.
    assert {k.partition("[")[0] for k in incident.checks} <= {
        "performance/accuracy",
        "performance/concept_drift",
    }
    assert "performance/accuracy[site=JFK]" in incident.checks
    check = next(c for c in reports[1].checks if c.status == "alert" and c.segment)
    assert check.segment == {"site": "JFK"}
    assert check.n is not None
    assert 80 < check.n < 160


def test_a_small_segment_is_insufficient_whatever_its_value(tmp_path: Path) -> None:
    config = sites(tmp_path, wrong="SWF")
    build_baseline(config, now=NOW)
    small = [c for c in of_days(config, FAILURE_DAY, DAYS) if c.segment == {"site": "other"}]
    assert len(small) == DAYS - FAILURE_DAY
    for check in small:
        assert check.n is not None
        assert check.n < 30
        assert (check.status, check.value) == ("insufficient", None)
        assert check.reason == f"{check.n} labelled rows, 30 needed"


def test_a_limit_of_the_users_for_a_segment_holds_there_alone(tmp_path: Path) -> None:
    rule = {"accuracy": {"segment": {"site": "JFK"}, "min": 0.99, "severity": "warning"}}
    config = sites(tmp_path, thresholds=rule)
    build_baseline(config, now=NOW)
    checks = of_days(config, 20, 21)
    by_limit = {c.key: c.severity for c in checks if c.threshold_from == "user"}
    assert by_limit == {"performance/accuracy[site=JFK]": "warning"}


def scored_sites(folder: Path, *, turned: float, seed: int = 8, **changes: Any) -> MonitorConfig:
    """A calibrated model at four sites; from the failure on, labels at one of them are turned."""
    chance = np.random.default_rng(seed)
    at = moments(ROWS)
    site = chance.choice(SITES, len(at), p=SHARES)
    score = chance.beta(0.7, 1.4, len(at))
    truth = chance.uniform(size=len(at)) < score
    truth ^= failing(ROWS) & (site == "JFK") & (chance.uniform(size=len(at)) < turned)
    frame = pd.DataFrame({"id": np.arange(len(at)), "at": at, "site": site, "score": score})
    frame["y_pred"] = (score > 0.5).astype(int)
    labels = label_table(frame["id"], truth.astype(int), at)
    columns = {"segments": ["site"], "score": "score"}
    return write_model(
        folder, frame, labels, **{"metrics": ["recall"], "columns": columns, **changes}
    )


def test_labels_that_turn_at_one_site_page_whatever_metrics_are_listed(tmp_path: Path) -> None:
    config = scored_sites(tmp_path, turned=0.15)
    baseline = build_baseline(config, now=NOW)
    assert baseline.watching is not None
    of_segments = {w.key for w in baseline.watching.watched if w.segment is not None}
    # Recall moves with too little to be watched of a segment; the smallest site is not watched.
    assert of_segments == {f"performance/label_noise[site={s}]" for s in ("EWR", "JFK", "LGA")}
    store = open_store("sqlite://")
    list(walk(config, list(config.cadence.windows(day(20), day(DAYS))), store))
    found = {c for i in store.incidents(config.model) for c in i.checks if "[" in c}
    assert found == {"performance/label_noise[site=JFK]"}
    assert min(i.opened for i in store.incidents(config.model)) > day(FAILURE_DAY)


def test_scores_that_are_no_probabilities_have_no_label_noise(tmp_path: Path) -> None:
    config = scored_sites(tmp_path, turned=0.0)
    path = tmp_path / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame["score"] *= 1000
    frame.to_parquet(path)
    build_baseline(config, now=NOW)
    assert not [c for c in of_days(config, 20, DAYS) if c.name == "label_noise"]


# --- Versions -----------------------------------------------------------------------------------


def versions(folder: Path, *, mirrored: bool, **changes: Any) -> MonitorConfig:
    """Version 7 serves; version 8 answers half of the time worse: the same requests, or a part.

    A canary takes over a twentieth of the requests more every day, from the twentieth on.
    """
    chance = np.random.default_rng(11)
    at = moments(ROWS)
    truth = chance.integers(0, 2, len(at))

    def says(right: float) -> np.ndarray:
        return np.where(chance.uniform(size=len(at)) < right, truth, 1 - truth)

    frame = pd.DataFrame({"id": np.arange(len(at)), "at": at, "y_pred": says(0.9), "version": 7})
    shadow = frame.assign(y_pred=says(0.6), version=8)
    number = np.repeat(np.arange(DAYS), ROWS)
    share = np.clip((number - 20) / 20, 0, 1)
    taken = (number >= 20) if mirrored else chance.uniform(size=len(at)) < share
    rows = pd.concat([frame if mirrored else frame[~taken], shadow[taken]], ignore_index=True)
    return write_model(
        folder,
        rows,
        label_table(frame["id"], truth, at),
        **{
            "metrics": ["accuracy"],
            "columns": {"model_version": "version"},
            "versions": {"champion": 7, "shadow": [8]},
            **changes,
        },
    )


def reports_of(config: MonitorConfig, start: int, end: int) -> list[Report]:
    build_baseline(config, now=NOW)
    store = open_store("sqlite://")
    return list(walk(config, list(config.cadence.windows(day(start), day(end))), store))


def of(report: Report, name: str, version: str | None) -> Check:
    (check,) = [
        c
        for c in report.checks
        if (c.name, c.version, c.segment, c.window) == (name, version, None, report.window)
    ]
    return check


@pytest.mark.parametrize("mirrored", [True, False], ids=["mirrored", "canary"])
def test_a_shadow_is_judged_beside_the_champion_and_never_pages(
    mirrored: bool, tmp_path: Path
) -> None:
    config = versions(tmp_path, mirrored=mirrored)
    reports = reports_of(config, 24, 30)
    labels = pd.read_parquet(tmp_path / "labels.parquet").set_index("id")["y_true"]
    rows = pd.read_parquet(tmp_path / "predictions.parquet")
    for report in reports:
        own = rows[(rows["at"] >= report.window.start) & (rows["at"] < report.window.end)]
        right = own["y_pred"].to_numpy() == labels.loc[own["id"]].to_numpy()
        for version, name in ((7, None), (8, "8")):
            check = of(report, "accuracy", name)
            assert check.value == right[own["version"] == version].mean()
            assert check.n == (own["version"] == version).sum()
        assert of(report, "accuracy", None).status == "ok"
        assert of(report, "accuracy", "8").status == "alert"
        assert (report.status, report.incidents) == ("ok", ())
        # A request is one, whoever answered it.
        assert of(report, "rows", None).value == ROWS
        assert of(report, "rows", "8").value == (own["version"] == 8).sum()


def test_a_shadow_s_errors_are_its_own(tmp_path: Path) -> None:
    config = versions(tmp_path, mirrored=True, columns={"model_version": "version", "error": "err"})
    rows = pd.read_parquet(tmp_path / "predictions.parquet")
    rows["err"] = np.where((rows["version"] == 8) & (rows["id"] % 2 == 0), "timeout", None)
    rows.to_parquet(tmp_path / "predictions.parquet")
    report = reports_of(config, 24, 25)[0]
    assert of(report, "error_rate", None).value == 0.0
    assert of(report, "error_rate", "8").value == 0.5
    assert report.status == "ok"


def test_windows_without_the_champion_have_no_labelled_rows(tmp_path: Path) -> None:
    config = versions(tmp_path, mirrored=False)
    build_baseline(config, now=NOW)
    rows = pd.read_parquet(tmp_path / "predictions.parquet")
    rows.loc[rows["at"] >= day(25), "version"] = 8
    rows.to_parquet(tmp_path / "predictions.parquet")
    (judged,) = judge_windows(config, [Window(day(26), day(27))], NOW, ROWS)
    assert (judged.rows.n, judged.coverage) == (0, None)
    (shadow,) = judged.slices
    assert (shadow.version, shadow.rows.n) == ("8", ROWS)
