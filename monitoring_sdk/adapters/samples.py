"""Labelled sample rows beside a baseline: a file that is rebuilt where it is missing.

It lies in the baseline's folder, out of its checksums and out of version control: rows of data are
no part of what a baseline publishes.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring_sdk.adapters.baselines import baselines_root

SAMPLE, ESTIMATES = "sample.parquet", "estimates.json"


def _place(model: str, version: str, name: str, root: str | None = None) -> Path:
    return Path(root or baselines_root()) / model / version / name


def read_sample(model: str, version: str) -> pa.Table | None:
    """Return a baseline's sample; None where there is none that can be read."""
    try:
        return pq.read_table(_place(model, version, SAMPLE))
    except (OSError, pa.ArrowException):
        return None


def write_sample(model: str, version: str, table: pa.Table, root: str | None = None) -> None:
    """Keep a sample; where the folder cannot be written to, go on without."""
    path = _place(model, version, SAMPLE, root)
    draft = path.with_name(f".{uuid.uuid4().hex}.parquet")
    try:
        pq.write_table(table, draft, compression="zstd")
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)


def read_estimates(model: str, version: str, key: str) -> Mapping[str, Any] | None:
    """Return what was estimated of a baseline's own windows under some settings."""
    try:
        found = json.loads(_place(model, version, ESTIMATES).read_text(encoding="utf-8"))
        return found[key] if isinstance(found[key], dict) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_estimates(model: str, version: str, key: str, found: Mapping[str, Any]) -> None:
    """Keep what was estimated, in the place of what other settings gave."""
    path = _place(model, version, ESTIMATES)
    draft = path.with_name(f".{uuid.uuid4().hex}.json")
    try:
        draft.write_text(json.dumps({key: found}, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
