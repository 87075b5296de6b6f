"""A model whose rows come from regions of unequal size, as a monitor on disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.window import Window

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
REGIONS = {"north": 0.34, "south": 0.26, "east": 0.2, "west": 0.1, "isles": 0.06, "hills": 0.04}
BASELINE_DAYS = 20

Change = Callable[[pd.DataFrame], pd.DataFrame]


def day(number: int) -> Window:
    """Return the window of a day, counted from 0."""
    return Window(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


def rows(days: int, rows_a_day: int = 1000, *, seed: int = 0) -> pd.DataFrame:
    """Draw rows of which nothing changes; `day` says of which day each is."""
    chance = np.random.default_rng(seed)
    count = days * rows_a_day
    number = np.repeat(np.arange(days), rows_a_day)
    at = pd.Timestamp(FIRST) + pd.to_timedelta(number, "D")
    region = chance.choice(list(REGIONS), count, p=list(REGIONS.values()))
    level = pd.Series(region).map({r: i for i, r in enumerate(REGIONS)}).to_numpy()
    fare = chance.lognormal(0.1 * level, 0.8)
    fare[chance.random(count) < 0.01] = np.nan
    score = chance.beta(2, 3 + level)
    return pd.DataFrame(
        {
            "id": np.arange(count),
            "day": number,
            "at": at + pd.to_timedelta(np.tile(np.linspace(0, 86_000, rows_a_day), days), "s"),
            "region": region,
            "size": chance.normal(level, 1),
            "fare": fare,
            "stops": chance.poisson(0.4, count),
            "kind": chance.choice(["a", "b", "c", "d"], count, p=[0.5, 0.3, 0.15, 0.05]),
            "score": score,
            "y_pred": (score > 0.4).astype(int),
        }
    )


def monitor(folder: Path, table: pd.DataFrame, **more: Any) -> MonitorConfig:
    """Write the rows, and return a monitor of them whose segments are the regions."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "predictions.parquet"
    table.drop(columns="day").to_parquet(path, index=False, row_group_size=1000)
    columns = {
        "id": "id",
        "timestamp": "at",
        "prediction": "y_pred",
        "score": "score",
        "numeric": ["size", "fare", "stops"],
        "categorical": ["kind", "region"],
        "segments": ["region"],
    }
    data: dict[str, Any] = {
        "model": "sliced",
        "source": {"predictions": str(path)},
        "baseline": {"start": "2024-03-01", "end": f"{day(BASELINE_DAYS).start:%Y-%m-%d}"},
    }
    columns |= more.pop("columns", {})
    return parse_config({**data, "columns": columns, **more})
