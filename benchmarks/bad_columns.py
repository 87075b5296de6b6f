"""Every column of a rich model spoilt in eighteen ways: what becomes of the window.

    python -m benchmarks.bad_columns [binary] [regression]

A column of the predictions or of the labels is replaced by words, lists, moments, bytes, nulls and
so on, or is missing; the window then goes through every stage. An ending is a report, or one error
of ours that names the thing; anything else is a crash.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from monitoring_sdk import stages
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.errors import MonitoringError
from monitoring_sdk.window import Window

FIRST = datetime(2024, 2, 29, tzinfo=UTC)
DAYS, ROWS = 10, 200
DAY = Window(FIRST + timedelta(days=DAYS), FIRST + timedelta(days=DAYS + 1))
SOME_DAY = pd.Timestamp("2024-01-01", tz="UTC")

KINDS: dict[str, Callable[[int], Any] | None] = {
    "missing": None,
    "words": lambda n: ["x y"] * n,
    "empty text": lambda n: [""] * n,
    "lists": lambda n: [["a", "b"]] * n,
    "structs": lambda n: [{"a": 1}] * n,
    "bytes": lambda n: [b"\xff\xfe"] * n,
    "moments": lambda n: pd.Series([SOME_DAY] * n),
    "dates": lambda n: [SOME_DAY.date()] * n,
    "durations": lambda n: pd.Series([pd.Timedelta("1h")] * n),
    "nulls": lambda n: [None] * n,
    "NaN": lambda n: [np.nan] * n,
    "infinities": lambda n: [np.inf] * n,
    "-1e308": lambda n: [-1e308] * n,
    "zeros": lambda n: [0] * n,
    "2**62": lambda n: [2**62] * n,
    "booleans": lambda n: [True, False] * (n // 2),
    "decimals": lambda n: [Decimal("1.50")] * n,
    "a dictionary": lambda n: pd.Categorical(["u", "v"] * (n // 2)),
}


def rows_of(start: datetime, task: str) -> pd.DataFrame:
    """Return a day's predictions, with a column for every part that there is."""
    chance = np.random.default_rng(int(start.timestamp()))
    score = chance.uniform(size=ROWS)
    at = pd.Timestamp(start) + pd.to_timedelta(np.arange(ROWS) * 400.0, "s")
    said = (score > 0.5).astype(int) if task == "binary" else score * 10
    columns = {
        "id": np.arange(ROWS) + int(start.timestamp()),
        "at": at,
        "size": chance.normal(size=ROWS),
        "kind": chance.choice(["a", "b", "c"], ROWS),
        "y_pred": said,
        "latency": chance.exponential(10, ROWS),
        "err": [None] * (ROWS - 1) + ["timeout"],
        "weight": chance.uniform(1, 2, ROWS),
        "version": "7",
        "shop": np.where(np.arange(ROWS) % 2, "north", "south"),
        "note": "paid in full today",
        "due": at + pd.Timedelta("1D"),
        "vector": [list(v) for v in chance.normal(size=(ROWS, 4))],
    }
    return pd.DataFrame(columns | ({"score": score} if task == "binary" else {}))


def labels_of(rows: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return labels that come an hour after the day."""
    chance = np.random.default_rng(1)
    if task == "binary":
        truth = (chance.uniform(size=len(rows)) < rows["score"]).astype(int)
    else:
        truth = rows["y_pred"] + chance.normal(size=len(rows))
    known = rows["at"].min() + pd.Timedelta("25h")
    return pd.DataFrame({"id": rows["id"], "y_true": truth, "known_at": known})


def config_of(folder: Path, task: str) -> MonitorConfig:
    """Return a monitor that uses all of the columns."""
    columns = {
        "id": "id", "timestamp": "at", "prediction": "y_pred", "label": "y_true",
        "label_timestamp": "known_at", "numeric": ["size"], "categorical": ["kind"],
        "latency_ms": "latency", "error": "err", "weight": "weight", "model_version": "version",
        "segments": ["shop"], "text": ["note"], "datetime": ["due"], "embedding": ["vector"],
    }  # fmt: skip
    return parse_config(
        {
            "model": "rich",
            "task": task,
            "source": {"predictions": str(folder / "rows"), "labels": str(folder / "labels")},
            "columns": columns | ({"score": "score"} if task == "binary" else {}),
            "window": {"every": "1d", "lag": "2h"},
            "labels": {"delay": "1h", "give_up": "1h"},
            "baseline": {"start": "2024-02-29", "end": "2024-03-10"},
            "versions": {"champion": "7"},
            "drift": ["psi", "ks", "wasserstein", "domain_classifier_auc", "pca_error"],
            "metrics": ["accuracy", "roc_auc"] if task == "binary" else ["mae", "r2"],
        }
    )


def write(folder: Path, name: str, rows: pd.DataFrame, labels: pd.DataFrame) -> None:
    """Write a day's files."""
    for part, frame in (("rows", rows), ("labels", labels)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        frame.to_parquet(folder / part / f"{name}.parquet")


def spoilt(frame: pd.DataFrame, column: str, kind: str) -> pd.DataFrame | None:
    """Return a frame with one column changed; None where Parquet cannot hold that."""
    make = KINDS[kind]
    changed = (
        frame.drop(columns=column) if make is None else frame.assign(**{column: make(len(frame))})
    )
    try:
        pa.Table.from_pandas(changed)
    except (pa.ArrowException, OverflowError):
        return None
    return changed


def ending(config: MonitorConfig) -> str:
    """Take the window through the stages, and say how that ended."""
    try:
        report = stages.evaluate_window(
            config, DAY, DAY.end + timedelta(hours=2), open_store("sqlite://")
        )
        json.dumps(report.to_dict(), allow_nan=False)
    except MonitoringError:
        return "one error"
    except Exception as error:
        return f"crash: {type(error).__name__}"
    return f"report: {report.status}"


def measure(task: str, folder: Path) -> Counter[tuple[str, str]]:
    """Spoil each column in each way; count the endings by column."""
    for number in range(DAYS):
        rows = rows_of(FIRST + timedelta(days=number), task)
        write(folder, str(number), rows, labels_of(rows, task))
    stages.build_baseline(config_of(folder, task), now=DAY.end + timedelta(days=9))
    rows = rows_of(DAY.start, task)
    good = {"rows": rows, "labels": labels_of(rows, task)}
    found: Counter[tuple[str, str]] = Counter()
    for part, frame in good.items():
        for column in frame.columns:
            for kind in KINDS:
                changed = spoilt(frame, column, kind)
                if changed is None:
                    continue
                with tempfile.TemporaryDirectory() as day:
                    write(Path(day), "day", **{**good, part: changed})
                    found[f"{part}.{column}", ending(config_of(Path(day), task))] += 1
    return found


def main() -> None:
    """Print a table for each task."""
    with tempfile.TemporaryDirectory() as place:
        for task in sys.argv[1:] or ["binary", "regression"]:
            folder = Path(place) / task
            os.environ["MONITORING_BASELINES"] = str(folder / "baselines")
            found = measure(task, folder)
            ends = sorted({end for _, end in found})
            print(f"\n{task}: {sum(found.values())} windows\n")
            print("| column | " + " | ".join(ends) + " |")
            print("|---" * (len(ends) + 1) + "|")
            for column in dict.fromkeys(c for c, _ in found):
                counts = (str(found[column, end] or "") for end in ends)
                print(f"| {column} | " + " | ".join(counts) + " |")


if __name__ == "__main__":
    main()
