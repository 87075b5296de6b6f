"""Small monitored models of every task on disk: thirty-five days, wrong from the thirtieth on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monitoring_sdk.config import MonitorConfig, parse_config

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAYS, BASELINE_DAYS, FAILURE_DAY = 35, 20, 30
CLASSES = ("economy", "business", "first")


def day(number: float) -> datetime:
    """Return the first moment of a day, counted from 0."""
    return FIRST + timedelta(days=number)


def moments(rows_a_day: int, days: int = DAYS) -> pd.Series:
    """Return the timestamps of evenly spread rows, day after day."""
    at = pd.Timestamp(FIRST) + pd.to_timedelta(np.repeat(np.arange(days), rows_a_day), "D")
    seconds = np.tile(np.linspace(0, 86_000, rows_a_day), days)
    return pd.Series(at + pd.to_timedelta(seconds, "s"))


def failing(rows_a_day: int, days: int = DAYS) -> np.ndarray:
    """Say which rows lie in the days on which the model is wrong."""
    return np.repeat(np.arange(days), rows_a_day) >= FAILURE_DAY


def write_model(
    folder: Path, predictions: pd.DataFrame, known: pd.DataFrame, **changes: Any
) -> MonitorConfig:
    """Write predictions and labels, and return their monitor; `changes` replace its sections."""
    folder.mkdir(parents=True, exist_ok=True)
    predictions.to_parquet(folder / "predictions.parquet", row_group_size=1000)
    known.to_parquet(folder / "labels.parquet")
    columns = {
        "id": "id",
        "timestamp": "at",
        "prediction": "y_pred",
        "label": "y_true",
        "label_timestamp": "known_at",
        **changes.pop("columns", {}),
    }
    return parse_config(
        {
            "model": "small",
            "source": {
                "predictions": str(folder / "predictions.parquet"),
                "labels": str(folder / "labels.parquet"),
            },
            "columns": columns,
            "window": {"every": "1d"},
            "labels": {"delay": "0h"},
            "baseline": {"start": str(day(0)), "end": str(day(BASELINE_DAYS))},
            "drift": ["psi"],
            **changes,
        }
    )


def label_table(ids: Any, truth: Any, at: pd.Series, age: timedelta = timedelta(0)) -> pd.DataFrame:
    """Return a label table in which each label is known so long after its prediction."""
    return pd.DataFrame({"id": ids, "y_true": truth, "known_at": at + age})


def multiclass(folder: Path, *, seed: int = 1, **changes: Any) -> MonitorConfig:
    """A model of three classes, with a score for each, that guesses from the failure on."""
    chance, rows = np.random.default_rng(seed), 250
    at = moments(rows)
    raw = chance.dirichlet((0.6, 0.6, 0.6), len(at))
    truth = np.array([chance.choice(3, p=p) for p in raw])
    truth = np.where(failing(rows), chance.integers(0, 3, len(at)), truth)
    frame = pd.DataFrame({"id": np.arange(len(at)), "at": at})
    frame["y_pred"] = np.array(CLASSES)[raw.argmax(axis=1)]
    score: Mapping[str, str] = {name: f"p_{name}" for name in CLASSES}
    for place, column in enumerate(score.values()):
        frame[column] = raw[:, place]
    labels = label_table(frame["id"], np.array(CLASSES)[truth], at)
    return write_model(
        folder, frame, labels, task="multiclass", columns={"score": score}, **changes
    )


def regression(folder: Path, *, seed: int = 2, **changes: Any) -> MonitorConfig:
    """A model of a number, whose errors are twice as large from the failure on."""
    chance, rows = np.random.default_rng(seed), 200
    at = moments(rows)
    said = chance.normal(1000, 200, len(at))
    error = chance.normal(0, 50, len(at)) * np.where(failing(rows), 2.0, 1.0)
    frame = pd.DataFrame({"id": np.arange(len(at)), "at": at, "y_pred": said})
    labels = label_table(frame["id"], said + error, at)
    return write_model(folder, frame, labels, task="regression", **changes)


def ranking(folder: Path, *, seed: int = 3, **changes: Any) -> MonitorConfig:
    """A model that puts ten items in order for each of sixty queries a day; at last, at random."""
    chance, queries, items = np.random.default_rng(seed), 60, 10
    rows = queries * items
    at = moments(rows)
    relevance = chance.normal(size=len(at))
    noise = chance.normal(size=(2, len(at)))
    frame = pd.DataFrame({"id": np.arange(len(at)), "at": at})
    frame["query"] = np.arange(len(at)) // items
    frame["item"] = chance.integers(0, 500, len(at))
    # From the failure on the score has the same distribution, and nothing to do with the truth.
    frame["score"] = np.where(failing(rows), noise[1], relevance) + noise[0]
    ordered = frame.groupby("query")["score"]
    frame["y_pred"] = ordered.rank(ascending=False, method="first").astype(int)
    labels = label_table(frame["id"], (relevance > 1.0).astype(int), at)
    columns = {"query": "query", "item": "item", "score": "score"}
    return write_model(folder, frame, labels, task="ranking", columns=columns, **changes)
