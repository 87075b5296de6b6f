"""Estimates in the pipeline: the sample beside the baseline, the checks, and what they say."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from task_models import DAYS, day, label_table, moments, multiclass, regression, write_model

from monitoring_sdk.adapters.samples import ESTIMATES, SAMPLE
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.domain import NEEDED
from monitoring_sdk.report import Check
from monitoring_sdk.stages import build_baseline
from monitoring_sdk.stages import estimate as estimating
from monitoring_sdk.stages import reference_rows as sampling
from monitoring_sdk.stages.diagnose import diagnose_window
from monitoring_sdk.stages.estimate import (
    calibrator_for,
    estimate_performance,
    forget_calibrators,
)
from monitoring_sdk.stages.handle import pull_window
from monitoring_sdk.stages.quality import Quality
from monitoring_sdk.window import Window

NOW = day(60)


def binary(folder: Path, **changes) -> MonitorConfig:
    """A model of two features that misses a third, which moves at the end."""
    chance, rows = np.random.default_rng(4), 300
    at = moments(rows)
    frame = pd.DataFrame({"id": np.arange(len(at)), "at": at})
    late = np.repeat(np.arange(DAYS), rows) >= 30
    frame["a"], frame["b"] = chance.normal(size=(2, len(at)))
    frame["noise"] = np.where(late, 0.8, chance.choice([0.1, 0.8], len(at), p=[0.8, 0.2]))
    margin = 2 * frame["a"] + frame["b"]
    frame["score"] = 1 / (1 + np.exp(-margin))
    frame["y_pred"] = (frame["score"] > 0.5).astype(int)
    flipped = chance.random(len(at)) < frame["noise"] / 2
    truth = np.where(flipped, 1 - frame["y_pred"], frame["y_pred"])
    columns = {"score": "score", "numeric": ["a", "b", "noise"]}
    labels = label_table(frame["id"], truth, at)
    return write_model(folder, frame, labels, columns=columns, **changes)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    for kept in (sampling._kept, estimating._series, estimating._calibrators):
        kept.clear()


def checks(config: MonitorConfig, number: int) -> dict[str, Check]:
    handle = pull_window(config, Window(day(number), day(number + 1)), NOW)
    return {c.name: c for c in estimate_performance(handle, Quality(()))}


def test_a_covariate_shift_is_judged_before_its_labels(tmp_path: Path):
    methods = {"methods": ["weighted_cbpe", "cbpe", "atc"]}
    config = binary(tmp_path / "m", estimation=methods, metrics=["accuracy", "roc_auc"])
    baseline = build_baseline(config, now=NOW)
    calm, moved = checks(config, 25), checks(config, 31)
    assert list(calm) == ["accuracy", "roc_auc", "accuracy@cbpe", "roc_auc@cbpe", "accuracy@atc"]
    assert calm["accuracy"].status == "ok"
    assert calm["accuracy"].threshold_from == "provisional"
    assert calm["accuracy"].value == pytest.approx(0.88, abs=0.03)
    assert "assumes no concept shift" in calm["accuracy"].reason
    # The truth is .60 then; scores alone do not show it.
    assert moved["accuracy"].value == pytest.approx(0.60, abs=0.04)
    assert moved["accuracy"].status == "alert"
    assert moved["accuracy@cbpe"].value > 0.8
    assert moved["accuracy@cbpe"].status == "ok"
    assert moved["accuracy@cbpe"].severity == "warning"
    reference = sampling.reference_rows(config, baseline)
    kept = calibrator_for(config, Window(day(31), day(32)), baseline, reference)
    forget_calibrators()
    again = calibrator_for(config, Window(day(31), day(32)), baseline, reference)
    assert kept is not again
    assert kept.to_dict() == again.to_dict()


def test_the_sample_is_kept_out_of_the_checksums_and_drawn_again(tmp_path: Path):
    config = binary(tmp_path / "m", metrics=["accuracy"])
    baseline = build_baseline(config, now=NOW)
    folder = tmp_path / "baselines" / config.model / baseline.version
    assert SAMPLE not in (folder / "sha256.json").read_text()
    # The baseline has the estimates of its own windows, for the settings that it was built under.
    assert not (folder / ESTIMATES).exists()
    assert checks(config, 25)["accuracy"].value is not None
    config = binary(tmp_path / "m", metrics=["accuracy"], thresholds={"psi": {"max": 9}})
    before = checks(config, 25)
    assert (folder / ESTIMATES).exists()
    sampling._kept.clear()
    estimating._series.clear()
    assert checks(config, 25) == before
    (folder / SAMPLE).unlink()
    (folder / ESTIMATES).unlink()
    sampling._kept.clear()
    estimating._series.clear()
    assert checks(config, 25) == before
    assert (folder / SAMPLE).exists()


def test_rows_of_another_model_are_no_reference(tmp_path: Path):
    config = binary(tmp_path / "m", metrics=["accuracy"])
    baseline = build_baseline(config, now=NOW)
    (tmp_path / "baselines" / config.model / baseline.version / SAMPLE).unlink()
    path = tmp_path / "m" / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame.assign(score=frame["score"] ** 2).to_parquet(path)
    found = sampling.reference_rows(config, baseline)
    assert isinstance(found, str)
    assert "not those it was built on" in found
    skipped = checks(config, 25)["accuracy"]
    assert skipped.status == "skipped"
    assert "not those it was built on" in skipped.reason


def test_without_labels_there_is_no_reference(tmp_path: Path):
    config = binary(tmp_path / "m", metrics=["accuracy"])
    source = config.source.model_copy(update={"labels": None})
    bare = config.model_copy(update={"source": source})
    build_baseline(bare, now=NOW)
    assert checks(bare, 25)["accuracy"].status == "skipped"


def test_what_is_lacking_is_said(tmp_path: Path):
    config = binary(tmp_path / "m", metrics=["accuracy"])
    # Built when no label of its span had come yet.
    early = build_baseline(config, now=day(-1))
    found = sampling.reference_rows(config, early)
    assert isinstance(found, str)
    assert "no label in the span of baseline v1 was known when it was built" in found
    later = build_baseline(config, now=NOW)
    (tmp_path / "baselines" / config.model / later.version / SAMPLE).unlink()
    path = tmp_path / "m" / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame[frame["at"] >= later.span.end].to_parquet(path)
    found = sampling.reference_rows(config, later)
    assert isinstance(found, str)
    assert "none of its rows is there any more" in found


def test_without_lightgbm_estimates_and_diagnoses_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = binary(tmp_path / "m", metrics=["accuracy"])
    build_baseline(config, now=NOW)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    skipped = checks(config, 25)["accuracy"]
    assert (skipped.status, skipped.reason) == ("skipped", f"needs {NEEDED}")
    window = Window(day(25), day(26))
    assert diagnose_window(config, window, NOW) == f"needs {NEEDED}"
    assert diagnose_window(config, Window(day(300), day(301)), NOW) == "the window has no rows"


def test_nothing_is_estimated_of_no_rows_or_bad_ones(tmp_path: Path):
    config = binary(tmp_path / "m", metrics=["accuracy"])
    build_baseline(config, now=NOW)
    handle = pull_window(config, Window(day(25), day(26)), NOW)
    assert estimate_performance(handle, Quality((), blocked="a column is missing")) == ()
    assert estimate_performance(dataclasses.replace(handle, rows=0), Quality(())) == ()


def test_other_tasks(tmp_path: Path):
    numbers = regression(tmp_path / "r")
    build_baseline(numbers, now=NOW)
    found = checks(numbers, 25)
    assert found["mae"].value == pytest.approx(40, abs=4)
    assert found["mae"].status == "ok"
    classes = multiclass(tmp_path / "c", model="classes")
    build_baseline(classes, now=NOW)
    found = checks(classes, 25)
    assert {"accuracy", "f1_macro", "roc_auc_ovr"} <= set(found)
    assert all(c.status == "ok" for c in found.values()), found
