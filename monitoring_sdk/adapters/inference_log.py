"""An inference log on disk: predictions and labels as Parquet that the flows read as a source."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitoring_sdk.adapters.folders import replacing

LOGS = Path(".monitoring/log")
"""Where processes and the collector log, unless they are told another folder."""

PARTITION = "date"
PREDICTIONS, LABELS = "predictions", "labels"
KINDS = (PREDICTIONS, LABELS)


def write_days(
    folder: Path, kind: str, rows: pa.Table, moments: pa.ChunkedArray, name: str
) -> list[Path]:
    """Write rows to `<folder>/<kind>/date=YYYY-MM-DD/<name>.parquet`, a file for each day.

    A file appears whole or not at all, and only when the disk, or the remote folder, has it. The
    name is the caller's, so that whoever was interrupted and starts over replaces files and doubles
    none.

    Parameters
    ----------
    folder : Path
        The log of one model, as `folders.folder` returns it.
    kind : str
        `predictions` or `labels`.
    moments : array of timestamps
        In UTC, of the rows; they say the day.

    Returns
    -------
    list of Path
    """
    days = pc.strftime(moments, format="%Y-%m-%d")
    written = []
    for day in sorted(d for d in pc.unique(days).to_pylist() if d is not None):
        part = rows.filter(pc.equal(days, day))
        place = folder / kind / f"{PARTITION}={day}"
        written.append(place / f"{name}.parquet")
        with replacing(written[-1]) as out:
            pq.write_table(part, out, compression="zstd")
    return written


def note(folder: Path, text: str, at: datetime) -> Path:
    """Keep an alert's text in the log's own record, a line of JSON each."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "alerts.jsonl"
    with open(path, "a", encoding="utf-8") as out:
        out.write(json.dumps({"at": at.isoformat(), "text": text}, ensure_ascii=False) + "\n")
    return path
