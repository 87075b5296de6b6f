"""A small monitored model on disk: forty days of two hundred predictions, drifting at the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

MODEL = "small"
FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = 40
ROWS_A_DAY = 200
BASELINE_DAYS = 20
DRIFT_DAY = 30
"""From this day on `size` lies two standard deviations higher."""

MONITOR = """\
model: small
source:
  predictions: {folder}/predictions.parquet
  labels: {folder}/labels.parquet
columns:
  id: id
  timestamp: at
  prediction: y_pred
  score: score
  label: y_true
  label_timestamp: known_at
  numeric: [size]
  categorical: [kind]
window: {{every: 1d}}
labels: {{delay: 1d}}
baseline: {{start: 2024-03-01, end: 2024-03-21}}
quality:
  - {{type: expect_column_values_to_be_between, column: size, min_value: -100, severity: critical}}
drift: [psi, ks]
metrics: [accuracy, roc_auc]
thresholds:
  psi: {{columns: [size], max: 0.5}}
retraining:
  when: [drift]
  hook: {{command: [{python}, -c, "open('{folder}/hook.txt', 'a').write('called ')"]}}
"""


def day(number: int) -> datetime:
    """Return the first moment of a day, counted from 0."""
    return FIRST + timedelta(days=number)


def write_small_model(folder: Path, python: str, *, seed: int = 7) -> Path:
    """Write predictions, labels and the monitor file; return the path of the file."""
    chance = np.random.default_rng(seed)
    rows = DAYS * ROWS_A_DAY
    number = np.repeat(np.arange(DAYS), ROWS_A_DAY)
    at = pd.Timestamp(FIRST) + pd.to_timedelta(number, "D")
    at += pd.to_timedelta(np.tile(np.linspace(0, 86_000, ROWS_A_DAY), DAYS), "s")
    size = chance.normal(size=rows) + np.where(number >= DRIFT_DAY, 2.0, 0.0)
    score = chance.uniform(size=rows)
    ids = np.arange(rows)
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(
        {
            "id": ids,
            "at": at,
            "size": size,
            "kind": chance.choice(["a", "b", "c"], rows),
            "score": score,
            "y_pred": (score > 0.5).astype(int),
        }
    ).to_parquet(folder / "predictions.parquet", row_group_size=1000)
    pd.DataFrame(
        {
            "id": ids,
            "y_true": (chance.uniform(size=rows) < score).astype(int),
            "known_at": at + pd.Timedelta(hours=12),
        }
    ).to_parquet(folder / "labels.parquet")
    path = folder / "monitors" / f"{MODEL}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(MONITOR.format(folder=folder, python=python))
    return path
