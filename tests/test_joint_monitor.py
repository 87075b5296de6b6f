"""A monitor of columns together, of text, moments and embeddings, from baseline to verdict."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitoring_sdk import stages
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import MonitorConfig, load_config
from monitoring_sdk.errors import BaselineError
from monitoring_sdk.stages import scan
from monitoring_sdk.stages.checking import check_monitor
from monitoring_sdk.window import Window

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAYS, BASELINE_DAYS, CHANGE, ROWS = 34, 24, 30, 300
WORDS = ["the", "parcel", "is", "late", "again", "please", "refund", "my", "order", "thanks"]
NEW_WORDS = ["wo", "bleibt", "mein", "Geld", "für", "Bestellung"]

MONITOR = """\
model: joint
source: {{predictions: {folder}/rows.parquet}}
columns:
  id: id
  timestamp: at
  prediction: y_pred
  numeric: [x, y]
  categorical: [kind]
  text: [note]
  datetime: [due]
  embedding: [vector]
baseline: {{start: 2024-03-01, end: 2024-03-25}}
drift: [ks, total_variation, pca_error, correlation_change, domain_classifier_auc, frechet, mmd]
"""


def rows(change: str | None, seed: int) -> pd.DataFrame:
    """Return the rows of all days; from the day of the change on one thing is different.

    The days before it are the same whatever changes.
    """
    chance, other = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    n = DAYS * ROWS
    day = np.repeat(np.arange(DAYS), ROWS)
    late = day >= CHANGE
    x = chance.normal(size=n)
    y = 0.9 * x + np.sqrt(1 - 0.81) * chance.normal(size=n)
    if change == "together":
        # The same distribution of each, and nothing to do with each other.
        y = np.where(late, other.normal(size=n), y)
    notes = [" ".join(chance.choice(WORDS, 6)) for _ in range(n)]
    if change == "words":
        notes = [
            " ".join(other.choice(NEW_WORDS, 6)) if new else note
            for note, new in zip(notes, late, strict=True)
        ]
    hour = chance.integers(8, 18, n)
    if change == "hours":
        hour = np.where(late, other.integers(0, 6, n), hour)
    at = pd.Timestamp(FIRST) + pd.to_timedelta(day * 86_400 + np.tile(np.arange(ROWS), DAYS), "s")
    vector = chance.normal(size=(n, 8))
    if change == "vectors":
        # Each component keeps its distribution: only their covariance changes.
        own = vector[:, :1]
        vector = np.where(late[:, None], 0.8 * own + 0.6 * vector, vector)
    vectors: list[object] = list(vector)
    if change == "bad vectors":
        torn = [None, np.full(8, np.nan), np.ones(3)]
        vectors = [
            torn[i % 4] if new and i % 4 < 3 else v
            for i, (v, new) in enumerate(zip(vectors, late, strict=True))
        ]
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "at": at,
            "x": x,
            "y": y,
            "kind": chance.choice(["a", "b"], n),
            "note": notes,
            "due": at.normalize() + pd.to_timedelta(hour, "h"),
            "vector": vectors,
            "y_pred": chance.integers(0, 2, n),
        }
    )


def windows(config: MonitorConfig, first: int, last: int) -> list[Window]:
    return list(config.cadence.windows(FIRST + timedelta(days=first), FIRST + timedelta(days=last)))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build the baseline, and watch the days before the change, which are quiet."""
    folder = tmp_path_factory.mktemp("joint")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONITORING_BASELINES", str(folder / "baselines"))
        rows(None, seed=5).to_parquet(folder / "rows.parquet")
        (folder / "joint.yaml").write_text(MONITOR.format(folder=folder))
        config = load_config(folder / "joint.yaml")
        stages.build_baseline(config, now=FIRST + timedelta(days=BASELINE_DAYS))
        store = open_store(f"sqlite:///{folder / 'store.db'}")
        for report in stages.walk(config, windows(config, BASELINE_DAYS, CHANGE), store):
            assert [c.key for c in report.checks if c.status in ("alert", "error", "skipped")] == []
        store.close()
        yield folder


def alerts(watched: Path, folder: Path, change: str | None) -> set[str]:
    """Watch the days from the change on, and return the keys that alerted at the end."""
    rows(change, seed=5).to_parquet(watched / "rows.parquet")
    config = load_config(watched / "joint.yaml")
    shutil.copy(watched / "store.db", folder / "store.db")
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    reports = list(stages.walk(config, windows(config, CHANGE, DAYS), store))
    store.close()
    return {c.key for c in reports[-1].checks if c.status == "alert"}


@pytest.mark.parametrize(
    ("change", "found", "silent"),
    [
        (None, set(), {"drift"}),
        (
            "together",
            {"drift/pca_error", "drift/correlation_change", "drift/domain_classifier_auc"},
            {"drift/ks/x", "drift/ks/y"},
        ),
        ("words", {"drift/ks/note.oov", "drift/ks/note.non_ascii"}, {"drift/pca_error"}),
        ("hours", {"drift/total_variation/due.hour"}, {"drift/total_variation/due.weekday"}),
        ("vectors", {"drift/frechet/vector", "drift/mmd/vector"}, {"drift/pca_error"}),
        ("bad vectors", {"quality/null_share/vector"}, {"drift/frechet/vector"}),
    ],
)
def test_what_no_single_column_shows(
    watched: Path,
    tmp_path: Path,
    change: str | None,
    found: set[str],
    silent: set[str],
) -> None:
    alerting = alerts(watched, tmp_path, change)
    assert found <= alerting
    assert not alerting & silent
    if change is None:
        assert alerting == set()


def test_numbers_are_no_moments_and_it_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = rows(None, seed=5)
    table["due"] = table["due"].astype("int64")
    table.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "joint.yaml").write_text(MONITOR.format(folder=tmp_path))
    config = load_config(tmp_path / "joint.yaml")
    (problem,) = check_monitor(tmp_path / "joint.yaml").problems
    assert problem.startswith("columns.datetime.0: column 'due' holds numbers (int64)")
    with pytest.raises(BaselineError, match="holds numbers"):
        stages.build_baseline(config, now=FIRST + timedelta(days=BASELINE_DAYS))


def test_of_a_large_window_some_rows_are_looked_at_together(
    watched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows(None, seed=5).to_parquet(watched / "rows.parquet")
    config = load_config(watched / "joint.yaml")
    (window,) = windows(config, 25, 26)
    handle = stages.pull_window(config, window, window.end)
    whole = scan.scan(handle).profile
    scan.forget()
    monkeypatch.setattr(scan, "JOINT_ROWS", ROWS // 3)
    some = scan.scan(handle).profile
    scan.forget()
    assert (whole.vectors[""].n, some.vectors[""].n) == (ROWS, ROWS // 3)
    assert some.vectors["vector"].n == ROWS // 3
    errors = [p.columns["pca_error"] for p in (whole, some)]
    assert [e.count for e in errors] == [ROWS, ROWS // 3]
    assert errors[0].mean == pytest.approx(errors[1].mean, rel=0.3)
    assert {**some.columns, "pca_error": None} == {**whole.columns, "pca_error": None}
