"""A model for the crash benchmark: twenty days with two faults, an outage and late labels.

`work` takes it through what the flow `backfill` does, stage by stage, without an orchestrator, so
that a process that does it can be killed, and begun again, many times a minute.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from monitoring_sdk import stages
from monitoring_sdk.adapters.store import open_store

MODEL = "crashing"
FIRST = datetime(2024, 3, 1, tzinfo=UTC)
REFERENCE, WINDOWS, ROWS = 10, 20, 40
DRIFT, OUTAGE, WRONG = range(3, 6), 10, range(12, 15)
"""Windows, counted from the end of the reference, with each fault."""

MONITOR = """\
model: crashing
task: regression
source:
  predictions: {folder}/predictions.parquet
  labels: {folder}/labels.parquet
columns:
  id: id
  timestamp: at
  prediction: y_pred
  label: y_true
  label_timestamp: known_at
  numeric: [size]
window: {{every: 1d, expect_within: 8h}}
labels: {{delay: 1d, coverage: 0.6}}
baseline: {{start: 2024-03-01, end: 2024-03-11}}
quality:
  - {{type: expect_column_values_to_be_between, column: size, min_value: -100, severity: critical}}
drift: [psi]
metrics: [mae]
thresholds:
  psi: {{columns: [size], max: 1.5}}
  mae: {{max: 1.0}}
alerts: {{slack: {{channel: C0123456, digest: weekly}}}}
retraining:
  when: [drift, performance]
  cooldown: 3d
  hook: {{command: [sh, -c, "echo $MONITORING_TRIGGER_ID >> {folder}/hook.txt; sleep {hook}"]}}
"""


def day(number: int) -> datetime:
    """Return the begin of a window, counted from the end of the reference."""
    return FIRST + timedelta(days=REFERENCE + number)


AS_OF = day(WINDOWS + 10)
"""By then every label is known."""


def write_model(folder: Path, *, windows: int = WINDOWS, hook: float = 0.0, seed: int = 7) -> Path:
    """Write predictions, labels and the monitor file; return the path of the file.

    Parameters
    ----------
    folder : Path
    windows : int
        How many there are after the reference.
    hook : float
        Seconds that the retraining hook takes, after it has written down its trigger.
    seed : int
    """
    chance = np.random.default_rng(seed)
    days = REFERENCE + windows
    number = np.repeat(np.arange(-REFERENCE, windows), ROWS)
    at = pd.Timestamp(day(0)) + pd.to_timedelta(number, "D")
    at += pd.to_timedelta(np.tile(np.linspace(0, 86_000, ROWS), days), "s")
    size = chance.normal(size=days * ROWS) + np.where(np.isin(number, DRIFT), 3.0, 0.0)
    truth = size + chance.normal(scale=0.3, size=size.size)
    wrong = np.where(np.isin(number, WRONG), 2.0, 0.0)
    rows = pd.DataFrame(
        {"id": np.arange(size.size), "at": at, "size": size, "y_pred": size + wrong}
    )
    # A third of the labels come days later: what was judged on the others is revised.
    late = np.where(chance.uniform(size=size.size) < 0.3, 60, 12)
    known = at + pd.to_timedelta(late, "h")
    labels = pd.DataFrame({"id": rows["id"], "y_true": truth, "known_at": known})
    folder.mkdir(parents=True, exist_ok=True)
    rows[number != OUTAGE].to_parquet(folder / "predictions.parquet")
    labels.to_parquet(folder / "labels.parquet")
    path = folder / f"{MODEL}.yaml"
    path.write_text(MONITOR.format(folder=folder, hook=hook))
    return path


def work(file: Path, environment: Mapping[str, str], windows: int, page: bool) -> None:
    """Do what `monitoring backfill --notify` does of a span: the process that is killed."""
    os.environ.update(environment)
    config, _ = stages.find_config(file)
    span = tuple(config.cadence.windows(day(0), day(windows)))
    store = open_store()
    try:
        for _ in stages.walk(config, span, store, notify=True):
            stages.deliver_alerts(store)
            stages.deliver_triggers(store)
        stages.revise(config, span, AS_OF, store)
        if page:
            stages.publish(config, store)
    finally:
        store.close()
