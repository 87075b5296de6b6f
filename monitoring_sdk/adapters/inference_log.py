"""An inference log on disk: predictions and labels as Parquet that the flows read as a source."""

from __future__ import annotations

import json
import os
import uuid
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PARTITION = "date"


def append(folder: Path, kind: str, rows: pd.DataFrame, timestamp: str) -> Path | None:
    """Append rows to `<folder>/<kind>/date=YYYY-MM-DD/`, each call as files of its own.

    A file appears whole or not at all, so that a reader never sees half of one.

    Parameters
    ----------
    folder : Path
        The log of one model.
    kind : str
        `predictions` or `labels`.
    rows : DataFrame
        With a timestamp in UTC in the column `timestamp`.

    Returns
    -------
    Path or None
        Of the last file written; None without rows.
    """
    written = None
    days = rows[timestamp].dt.strftime("%Y-%m-%d")
    for day, part in rows.groupby(days, sort=True):
        place = folder / kind / f"{PARTITION}={day}"
        place.mkdir(parents=True, exist_ok=True)
        name = f"{datetime.now().timestamp():.6f}-{uuid.uuid4().hex[:8]}.parquet"
        draft = place / f".{name}.tmp"
        pq.write_table(pa.Table.from_pandas(part, preserve_index=False), draft, compression="zstd")
        written = place / name
        os.replace(draft, written)
    return written


def note(folder: Path, text: str, at: datetime) -> Path:
    """Keep an alert's text in the log's own record, a line of JSON each."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "alerts.jsonl"
    with open(path, "a", encoding="utf-8") as out:
        out.write(json.dumps({"at": at.isoformat(), "text": text}, ensure_ascii=False) + "\n")
    return path
