"""Build the baseline that ships with the package: a binary model with 45 % positive predictions.

Run `python -m examples.quickstart FOLDER` to write it to `FOLDER/quickstart/v1`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from monitoring_sdk.adapters import baselines
from monitoring_sdk.baseline import Baseline, collect_reference
from monitoring_sdk.measure import Layout, measure_columns, measure_metrics
from monitoring_sdk.metrics.labelled import labelled
from monitoring_sdk.profile.grid import Grid, fit_categorical
from monitoring_sdk.profile.profile import profile_batches
from monitoring_sdk.window import Window

WINDOWS, ROWS, POSITIVE, ACCURACY = 30, 200, 0.45, 0.9
START = datetime(2025, 1, 1, tzinfo=UTC)


def build() -> Baseline:
    """Draw predictions and labels, seeded; exactly 45 % of the predictions are positive."""
    chance = np.random.default_rng(0)
    said = (np.arange(WINDOWS * ROWS) < POSITIVE * WINDOWS * ROWS).astype(int)
    chance.shuffle(said)
    true = np.where(chance.random(len(said)) < ACCURACY, said, 1 - said)
    counts = {"0": int((said == 0).sum()), "1": int((said == 1).sum())}
    grid = Grid({"prediction": fit_categorical(counts, salt="quickstart")})
    layout = Layout(prediction="prediction")
    whole = profile_batches([pa.record_batch({"prediction": said})], grid)
    windows, measured = [], []
    for day in range(WINDOWS):
        rows = slice(day * ROWS, (day + 1) * ROWS)
        profile = profile_batches([pa.record_batch({"prediction": said[rows]})], grid)
        known = labelled(true[rows], prediction=said[rows])
        found = [*measure_columns(profile, whole, grid, layout), *measure_metrics(known, "binary")]
        measured.append(found)
        windows.append(Window(START + timedelta(days=day), START + timedelta(days=day + 1)))
    return Baseline(
        model="quickstart",
        version="",
        created=START,
        span=Window(windows[0].start, windows[-1].end),
        valid_from=None,
        layout=layout,
        grid=grid,
        profile=whole,
        windows=tuple(windows),
        reference=collect_reference(measured),
        notes=("drawn at random by examples/quickstart.py",),
    )


if __name__ == "__main__":
    print(baselines.save(build(), sys.argv[1]).version)
