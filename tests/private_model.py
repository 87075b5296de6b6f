"""A small model whose data is full of what must not get about, and a look at all that it leaves."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monitoring_sdk.adapters import results
from monitoring_sdk.window import Window

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
BASELINE_DAYS, ROWS = 8, 240
DAYS = BASELINE_DAYS + 2
SCRIPT = "<script>alert(1)</script>"
INJECTION = '"; drop table x; --'
RAW = {
    "id": "id-qzvkwx",
    "rare level": "rare-qzvkwx",
    "level of a dropped column": "DE89-qzvkwx",
    "word of a text": "wordqzvkwx",
    "smallest value": "-7654321.125",
    "largest value": "8765432.375",
    "label": "label-qzvkwx",
}
"""What no output may hold, by where it is planted."""


def day(number: int) -> Window:
    """Return a day, counted from 0."""
    return Window(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


def rows_of(number: int) -> pd.DataFrame:
    """Return a day's predictions, secrets among them; the last day's are shifted."""
    chance = np.random.default_rng(number)
    score = chance.uniform(size=ROWS)
    size = chance.normal(size=ROWS) + (3.0 if number == DAYS - 1 else 0.0)
    size[:2] = float(RAW["smallest value"]), float(RAW["largest value"])
    town = chance.choice(["Bonn", "Ulm", SCRIPT], ROWS).astype(object)
    town[2] = RAW["rare level"] + str(number)
    shop = np.where(np.arange(ROWS) < 200, "north", "south").astype(object)
    shop[200:240] = np.where(np.arange(40) < 4 + 36 * (number < DAYS - 1), "south", "north")
    at = pd.Timestamp(FIRST) + pd.to_timedelta(number * 86_400 + np.arange(ROWS) * 300.0, "s")
    return pd.DataFrame(
        {
            "id": [f"{RAW['id']}-{number}-{i}" for i in range(ROWS)],
            "at": at,
            "size": size,
            INJECTION: chance.normal(size=ROWS),
            SCRIPT: town,
            "iban": np.where(
                chance.uniform(size=ROWS) < 0.5, RAW["level of a dropped column"], "x"
            ),
            "shop": shop,
            "note": [f"{RAW['word of a text']} sent on" for _ in range(ROWS)],
            "score": score,
            "y_pred": (score > 0.5).astype(int),
        }
    )


def labels_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the labels, known when the day is over; a last one is of no class."""
    chance = np.random.default_rng(len(rows))
    label = (chance.uniform(size=len(rows)) < rows["score"]).astype(int).astype(str)
    if rows["size"].iloc[5:].mean() > 1:
        label[:2] = RAW["label"], RAW["label"] + "2"
    return pd.DataFrame({"id": rows["id"], "y_true": label, "known_at": rows["at"].max()})


def write(folder: Path) -> None:
    """Write the days, a file each."""
    for number in range(DAYS):
        rows = rows_of(number)
        for part, frame in (("rows", rows), ("labels", labels_of(rows))):
            (folder / part).mkdir(parents=True, exist_ok=True)
            frame.to_parquet(folder / part / f"{number}.parquet")


def monitor(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return the monitor file, as a mapping."""
    return {
        "model": "private",
        "source": {"predictions": str(folder / "rows"), "labels": str(folder / "labels")},
        "columns": {
            "id": "id",
            "timestamp": "at",
            "prediction": "y_pred",
            "score": "score",
            "label": "y_true",
            "label_timestamp": "known_at",
            "numeric": ["size", INJECTION],
            "categorical": [SCRIPT, "iban"],
            "text": ["note"],
            "segments": ["shop"],
        },
        "window": {"every": "1d", "lag": "1h"},
        "labels": {"coverage": 0.5, "give_up": "1h"},
        "baseline": {"start": "2024-03-01", "end": "2024-03-09"},
        "metrics": ["accuracy"],
        "thresholds": {"ks": {"columns": ["size"], "max": 0.3}},
        "alerts": {"slack": {"channel": "C0123456"}},
        **changes,
    }


def kept_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each text that lies in a folder: files, and what a store keeps packed."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.suffix == ".db":
            yield from kept_in_store(path)
        elif path.suffix == ".parquet":
            table = pd.read_parquet(path)
            yield path.name, table.to_csv()
        else:
            yield path.name, path.read_bytes().decode("utf-8", "replace")


def kept_in_store(path: Path) -> Iterator[tuple[str, str]]:
    """Yield every row of every table, unpacked."""
    with sqlite3.connect(path) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            for row in connection.execute(f'SELECT * FROM "{name}"'):
                yield f"{path.name} {name}", " ".join(map(_text, row))
    connection.close()


def _text(value: Any) -> str:
    return json.dumps(results.unpack_json(value)) if isinstance(value, bytes) else str(value)
