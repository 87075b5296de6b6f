"""Concept drift through the whole pipeline: told from covariate shift, diagnosed, and shown."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from monitoring_sdk import cli, stages
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import MonitorConfig, load_config
from monitoring_sdk.render.reliability import reliability_chart, reliability_figure
from monitoring_sdk.report import Report
from monitoring_sdk.stages.newest import newest_reports
from monitoring_sdk.window import Window

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAYS, BASELINE_DAYS, CHANGE, ROWS = 30, 20, 26, 400

MONITOR = """\
model: concept
source:
  predictions: {folder}/rows.parquet
  labels: {folder}/labels.parquet
columns:
  id: id
  timestamp: at
  prediction: y_pred
  score: score
  label: y_true
  label_timestamp: known_at
  numeric: [x, z]
  categorical: [kind]
labels: {{delay: 1d}}
baseline: {{start: 2024-03-01, end: 2024-03-21}}
retraining:
  when: [concept_drift]
  hook: {{command: ["true"]}}
"""


def write(folder: Path, change: str | None, seed: int = 3) -> Path:
    """Write a model that misses a bend of x, and what happens from the day of the change on."""
    chance = np.random.default_rng(seed)
    n, day = DAYS * ROWS, np.repeat(np.arange(DAYS), ROWS)
    late = day >= CHANGE
    x = chance.normal(size=n) + np.where(late & (change == "covariate"), 1.0, 0.0)
    z, kind = chance.normal(size=n), chance.choice(["a", "b", "c"], n)
    score = 1 / (1 + np.exp(-(1.5 * x + z)))
    truth = 1 / (1 + np.exp(-(1.5 * x + z - 0.8 * np.maximum(x - 0.5, 0) ** 2)))
    label = chance.uniform(size=n) < truth
    flipped = late & {"reversal": np.ones(n, bool), "segment": kind == "b"}.get(
        str(change), np.zeros(n, bool)
    )
    label = np.where(flipped, ~label, label)
    at = pd.Timestamp(FIRST) + pd.to_timedelta(day * 86_400 + np.tile(np.arange(ROWS), DAYS), "s")
    pd.DataFrame(
        {"id": np.arange(n), "at": at, "x": x, "z": z, "kind": kind, "score": score}
    ).assign(y_pred=(score > 0.5).astype(int)).to_parquet(folder / "rows.parquet")
    pd.DataFrame(
        {"id": np.arange(n), "y_true": label.astype(int), "known_at": at + pd.Timedelta(hours=12)}
    ).to_parquet(folder / "labels.parquet")
    path = folder / "concept.yaml"
    path.write_text(MONITOR.format(folder=folder))
    return path


def windows_of(config: MonitorConfig) -> list[Window]:
    start, end = (FIRST + timedelta(days=d) for d in (BASELINE_DAYS, DAYS))
    return list(config.cadence.windows(start, end))


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[Report]]]:
    """Build the baseline, and watch the days before the change, which are the same for all."""
    folder = tmp_path_factory.mktemp("concept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITORING_BASELINES", str(folder / "baselines"))
        config = load_config(write(folder, None))
        windows = windows_of(config)
        stages.build_baseline(config, now=windows[0].start)
        store = open_store(f"sqlite:///{folder / 'store.db'}")
        before = windows[: CHANGE - BASELINE_DAYS]
        reports = list(stages.walk(config, before, store, notify=True))
        store.close()
        yield folder, reports


def watched(
    calm: tuple[Path, list[Report]], folder: Path, change: str | None
) -> tuple[list[Report], list[Report]]:
    """Return what each day's run said, and the newest verdict on each day."""
    config = load_config(write(calm[0], change))
    shutil.copy(calm[0] / "store.db", folder / "store.db")
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    windows, before = windows_of(config), calm[1]
    reports = [*before, *stages.walk(config, windows[len(before) :], store, notify=True)]
    return reports, newest_reports(config, windows, reports[-1].as_of, store)


def alerts(report: Report, family: str) -> set[str]:
    return {c.key for c in report.checks if c.family == family and c.status == "alert"}


def test_a_reversal_is_concept_drift_in_its_first_labelled_window(
    calm: tuple[Path, list[Report]], tmp_path: Path
) -> None:
    reports, newest = watched(calm, tmp_path, "reversal")
    first = CHANGE - BASELINE_DAYS
    for report in newest[:first]:
        assert alerts(report, "performance") == set()
    assert "performance/concept_drift" in alerts(newest[first], "performance")
    for report in newest:
        assert alerts(report, "drift") | alerts(report, "prediction") == set()
        assert alerts(report, "estimate") == set()
    curve = next(
        c.state["reliability"] for c in newest[0].checks if c.state and "reliability" in c.state
    )
    assert sum(bin_[0] for bin_ in curve) == ROWS
    figure = reliability_figure(newest, "UTC")
    assert figure is not None
    assert figure.caption.startswith("400 labelled rows of 2024-03-29")
    alt.LayerChart.from_dict(reliability_chart(curve).to_dict(), validate=True)
    # What is realised lies as far below its estimate as outcomes no longer follow the inputs.
    usual, gone = (
        next(c for c in r.checks if c.name == "concept_gap@accuracy")
        for r in (newest[0], newest[first])
    )
    assert usual.interval[0] < 0 < usual.interval[1]
    assert gone.value < -0.4
    assert gone.interval[1] < 0
    # The labels of that day come a day later: in that run it is told, diagnosed, and retrained.
    told = reports[first + 1]
    assert told.diagnosis is not None
    assert told.diagnosis["kind"] == "concept"
    assert [t.reason.split()[0] for t in told.triggers] == ["performance/concept_drift"]
    assert newest[first].diagnosis == told.diagnosis


def test_a_covariate_shift_is_not(calm: tuple[Path, list[Report]], tmp_path: Path) -> None:
    reports, newest = watched(calm, tmp_path, "covariate")
    assert not any("concept_drift" in k for r in newest for k in alerts(r, "performance"))
    assert "drift/ks/x" in alerts(newest[-1], "drift")
    assert not any(r.triggers for r in reports)
    kinds = {r.diagnosis["kind"] for r in reports if r.diagnosis is not None}
    assert kinds <= {"covariate", "none"}


def test_the_segment_that_carries_it_is_named(
    calm: tuple[Path, list[Report]], tmp_path: Path
) -> None:
    reports, newest = watched(calm, tmp_path, "segment")
    assert "performance/concept_drift" in alerts(newest[-2], "performance")
    found = [r.diagnosis for r in reports if r.diagnosis is not None]
    assert found
    assert found[0]["kind"] == "concept"
    assert "kind = b" in found[0]["sentence"]
    asked = [str(calm[0] / "concept.yaml"), "--window-end", "2024-03-29"]
    shown = CliRunner().invoke(cli.main, ["diagnose", *asked])
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith("concept: Mean loss rose from ")
    assert "kind = b" in shown.output
    told = json.loads(CliRunner().invoke(cli.main, ["diagnose", *asked, "--json"]).output)
    assert (told["diagnosis"]["kind"], told["reason"]) == ("concept", None)
    early = CliRunner().invoke(cli.main, ["diagnose", *asked, "--as-of", "2024-03-29"])
    assert early.exit_code == 0
    unlabelled = CliRunner().invoke(cli.main, ["diagnose", *asked, "--as-of", "2024-03-28"])
    assert (unlabelled.exit_code, unlabelled.output[:12]) == (1, "no diagnosis")
    document = reports[-1].to_dict()
    assert all("state" not in check for check in document["checks"])
