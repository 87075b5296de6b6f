"""Labelled sample rows beside a baseline: a file that is rebuilt where it is missing.

It lies in the baseline's folder, out of its checksums and out of version control: rows of data are
no part of what a baseline publishes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.adapters.folders import folder, is_remote, reached, write
from monitoring_sdk.errors import MonitoringError

SAMPLE, ESTIMATES = "sample.parquet", "estimates.json"


def _place(model: str, version: str, name: str, root: str | None = None) -> Path:
    return folder(root or baselines_root(), "MONITORING_BASELINES") / model / version / name


def read_sample(model: str, version: str) -> pa.Table | None:
    """Return a baseline's sample; None where there is none that can be read."""
    try:
        with reached(path := _place(model, version, SAMPLE)):
            return pq.read_table(pa.BufferReader(path.read_bytes()))
    except (MonitoringError, OSError, pa.ArrowException):
        return None


def write_sample(model: str, version: str, table: pa.Table, root: str | None = None) -> None:
    """Keep a sample; where the folder cannot be written to, go on without."""
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    _keep(_place(model, version, SAMPLE, root), buffer.getvalue().to_pybytes())


def _keep(path: Path, content: bytes) -> None:
    with suppress(MonitoringError), reached(path):
        # A baseline that is not there gets no folder by that.
        if is_remote(path) or path.parent.is_dir():
            write(path, content)


def read_estimates(model: str, version: str, key: str) -> Mapping[str, Any] | None:
    """Return what was estimated of a baseline's own windows under some settings."""
    try:
        with reached(path := _place(model, version, ESTIMATES)):
            found = json.loads(path.read_text(encoding="utf-8"))
        return found[key] if isinstance(found[key], dict) else None
    except (MonitoringError, ValueError, TypeError, KeyError):
        return None


def write_estimates(model: str, version: str, key: str, found: Mapping[str, Any]) -> None:
    """Keep what was estimated, in the place of what other settings gave."""
    text = json.dumps({key: found}, allow_nan=False) + "\n"
    _keep(_place(model, version, ESTIMATES), text.encode())
