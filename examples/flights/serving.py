"""Stand in for the serving process: score flights as they come up, file labels as they land."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from examples.flights.data import FEATURES, ZONE
from examples.flights.training import Model, predict

PREDICTION_COLUMNS = ("id", "timestamp", *FEATURES, "y_pred", "y_pred_proba", "latency_ms")


@dataclass(frozen=True)
class Served:
    """What one day of serving left on disk."""

    day: date
    predictions: int
    labels: int


def serve(
    model: Model,
    flights: pd.DataFrame,
    folder: str | Path,
    start: date,
    end: date,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Served]:
    """Serve the New York days `start` up to, but without, `end`, one at each step.

    A day leaves `predictions/date=<day>/part-0.parquet`, the flights scheduled to depart on it,
    and `labels/date=<day>/part-0.parquet`, the labels that became known on it, whenever their
    flights departed. A day served again replaces its files in one step, or leaves them alone where
    nothing but the measured latency differs.

    Parameters
    ----------
    flights
        Every flight that is ever served, as `load_flights` gives them: a label is filed only for
        these.
    clock
        Seconds, for measuring the latency.
    """
    root = Path(folder)
    for step in range((end - start).days):
        day = start + timedelta(days=step)
        scored = score(model, flights[_on(flights["timestamp"], day)], clock)
        known = flights[_known_on(flights["label_timestamp"], day)].sort_values(
            ["label_timestamp", "id"]
        )
        labels = known[["id", "late", "label_timestamp"]].rename(columns={"late": "y_true"})
        _write(scored, root / "predictions" / f"date={day}", ignoring="latency_ms")
        _write(labels, root / "labels" / f"date={day}")
        yield Served(day, len(scored), len(labels))


def score(
    model: Model, flights: pd.DataFrame, clock: Callable[[], float] = time.perf_counter
) -> pd.DataFrame:
    """Score flights as a caller would ask for them: one call for each hour of departures.

    `latency_ms` is the wall time of the whole call that a row was part of: what its caller waited.
    """
    day = flights.sort_values(["timestamp", "id"])
    probability, latency = np.empty(len(day)), np.empty(len(day))
    hour = day["timestamp"].dt.floor("h").to_numpy()
    ends = [*(np.flatnonzero(hour[1:] != hour[:-1]) + 1).tolist(), len(day)]
    for rows in map(slice, [0, *ends[:-1]], ends):
        batch = day.iloc[rows]
        started = clock()
        probability[rows] = predict(model, batch)
        latency[rows] = (clock() - started) * 1000
    called = (probability >= model.threshold).astype("int64")
    answered = day.assign(y_pred=called, y_pred_proba=probability, latency_ms=latency)
    return answered[list(PREDICTION_COLUMNS)]


def _on(moments: pd.Series, day: date) -> pd.Series:
    """Tell which moments lie on a New York day, of 23, 24 or 25 hours."""
    start, end = _bounds(day)
    return (moments >= start) & (moments < end)


def _known_on(moments: pd.Series, day: date) -> pd.Series:
    """Tell which moments have come by the end of a New York day, its last one included.

    Who looks at that moment knows of them, whether the next day is served yet or not.
    """
    start, end = _bounds(day)
    return (moments > start) & (moments <= end)


def _bounds(day: date) -> tuple[pd.Timestamp, pd.Timestamp]:
    return pd.Timestamp(day, tz=ZONE), pd.Timestamp(day + timedelta(days=1), tz=ZONE)


def _write(frame: pd.DataFrame, folder: Path, ignoring: str | None = None) -> None:
    """Replace a folder's one file in one step; a day without rows has no file.

    A file that says the same already stays, so that a repeated day is not taken for a revised one.
    """
    path = folder / "part-0.parquet"
    if frame.empty:
        path.unlink(missing_ok=True)
        return
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
    if path.exists() and _same(pq.read_table(path, partitioning=None), table, ignoring):
        return
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / ".part-0.parquet.unfinished"
    pq.write_table(table, unfinished, compression="zstd")
    os.replace(unfinished, path)


def _same(old: pa.Table, new: pa.Table, ignoring: str | None) -> bool:
    if old.column_names != new.column_names:
        return False
    names = [name for name in new.column_names if name != ignoring]
    return bool(old.select(names).equals(new.select(names)))
