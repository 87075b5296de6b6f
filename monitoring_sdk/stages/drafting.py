"""`monitoring init`: sample the sources, and draft the monitor file of what is there."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from monitoring_sdk.adapters.sources import listing
from monitoring_sdk.adapters.sources.source import Source, open_source, read_table, together
from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.config_sections import Partition, SourceSpec, TimestampColumn
from monitoring_sdk.drafting.draft import Given, Sampled
from monitoring_sdk.drafting.draft import draft as guess_file
from monitoring_sdk.drafting.facts import observe
from monitoring_sdk.drafting.guess import Draft
from monitoring_sdk.drafting.moments import Moments, find_moments, find_timestamp
from monitoring_sdk.drafting.text import file_text
from monitoring_sdk.drafting.truth import label_inside
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.stages.scan import every
from monitoring_sdk.window import Window

SAMPLE_ROWS = 200_000
"""So many rows, spread over all of them, are looked at."""

SAMPLE_VALUES = 20_000_000
LABEL_ROWS = 1_000_000
HEAD_ROWS = 10_000
SLICES = 8

ORIGIN = "monitoring init"

_DATABASES = re.compile(
    r"(postgres|postgresql|mysql|mariadb|sqlite|mssql|oracle|duckdb|snowflake)\b"
)
_PASSWORD = re.compile(r"://[^/@:]*:[^/]+@")
_PREDICTIONS = re.compile(r"predictions?|inferences?|scores?")
_PLAIN_NAMES = frozenset({"predictions", "prediction", "inference", "inferences", "data", "scores"})
_FOLDER_DATES = ("%Y-%m-%d", "%Y%m%d", "%Y-%m")


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft and its text, and where that was written."""

    draft: Draft
    text: str
    path: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        guesses = [
            {"key": g.key, "value": _plain(g.value), "why": g.why, "sure": g.sure}
            for g in self.draft.guesses
        ]
        path = None if self.path is None else str(self.path)
        about = {"schema": 1, "model": self.draft.model, "path": path}
        return {**about, "guesses": guesses, "text": self.text}

    def summary(self) -> str:
        """Say what was written, and what wants a second look."""
        doubtful = [f"look at {g.key}: {g.why}" for g in self.draft.doubtful if g.why]
        return "\n".join([f"{self.path} written", *doubtful, f"next: monitoring check {self.path}"])


def _plain(value: Any) -> Any:
    return [i.value for i in value] if isinstance(value, tuple) else value


def draft_file(
    data: str,
    *,
    out: Path | None = None,
    table: str | None = None,
    labels: str | None = None,
    labels_table: str | None = None,
    model: str | None = None,
    ids: Sequence[str] = (),
    **asked: str | None,
) -> Drafted:
    """Draft a monitor file and write it to `out`, where that is given and not there yet.

    Raises
    ------
    ConfigError
        When the file is there, or no monitor is possible.
    SourceError
        When a source cannot be read.
    """
    if out is not None and out.exists():
        raise ConfigError(f"{out}: there already; nothing is written over it")
    draft = draft_monitor(
        data,
        table=table,
        labels=labels,
        labels_table=labels_table,
        model=model or (out.stem if out is not None else None),
        given=Given(id=tuple(ids), **asked),
    )
    text = file_text(draft, f"{ORIGIN} {listing.redacted(data)}")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    return Drafted(draft, text, out)


def draft_monitor(
    data: str,
    *,
    table: str | None = None,
    labels: str | None = None,
    labels_table: str | None = None,
    model: str | None = None,
    given: Given = Given(),  # noqa: B008 (frozen)
) -> Draft:
    """Draft a monitor file from where the predictions are, and the labels.

    Parameters
    ----------
    data : str
        A file, a glob, a folder, an fsspec URL, or with `table` a database URL. In a folder that
        holds `predictions`, these; beside a path that ends in `predictions...`, `labels...` is
        taken for the labels where the rows hold none.
    labels, labels_table : str, optional
        Where labels come from, where that is elsewhere.
    model : str, optional
        Its name; default: after the file, its folder or the table.
    given : Given
        What needs no guess.

    Raises
    ------
    ConfigError
        Where no monitor is possible, with what is missing.
    SourceError
        When a source cannot be read.
    """
    data = _within(data) if table is None else data
    spec, why = _spec(data, table, "MONITORING_PREDICTIONS_URL", "--table")
    predictions, moments = _predictions(spec, why, given)
    found = _labels(data, labels, labels_table or (labels and table), predictions, moments, given)
    return guess_file(model or _name(data, table), predictions, found, _moments, given)


def _moments(column: Any, unit: str | None) -> Any:
    return to_utc(column, unit)


def _within(data: str) -> str:
    """Return the predictions inside of a folder that holds them beside other things."""
    fs, inner = listing.filesystem(data)
    if not fs.isdir(inner):
        return data
    for name in ("predictions", "predictions.parquet", "predictions.csv"):
        if fs.exists(f"{inner.rstrip('/')}/{name}"):
            return f"{data.rstrip('/')}/{name}"
    return data


def _spec(data: str, table: str | None, variable: str, option: str) -> tuple[SourceSpec, str]:
    if table is not None:
        return SourceSpec(url=data, table=table), _secret(data, variable)
    if _DATABASES.match(data.lower()) and "://" in data:
        raise ConfigError(f"a database URL needs {option}: which table has the rows")
    return SourceSpec(path=data), _secret(data, variable)


def _secret(data: str, variable: str) -> str:
    if not _PASSWORD.search(data):
        return ""
    return f"set {variable} to the URL: a password does not belong into a file"


def _written(spec: SourceSpec, why: str) -> str | dict[str, Any]:
    """Return a source as a monitor file names it; a password stays in the environment."""
    place = spec.url or spec.path or ""
    if why:
        place = "${" + why.split()[1] + "}"
    if spec.url is not None:
        return {"url": place, "table": spec.table}
    if spec.partition is None:
        return place
    return {"path": place, "partition": spec.partition.model_dump()}


def _predictions(spec: SourceSpec, why: str, given: Given) -> tuple[Sampled, Mapping[str, Moments]]:
    source = open_source(spec)
    rows, names = source.count(None, None), source.schema().names
    if not rows:
        raise ConfigError(f"{source.name}: no rows to guess from")
    most = max(1000, min(SAMPLE_ROWS, SAMPLE_VALUES // max(len(names), 1)))
    table = read_table(source, names, limit=most if rows <= most else HEAD_ROWS)
    at, _ = find_timestamp(find_moments(table, to_utc), table, given.timestamp)
    column = TimestampColumn(column=at.column, unit=at.unit)
    span = source.bounds(column)
    if span is None:
        raise ConfigError(f"{source.name}: no row has a moment in {at.column}")
    if rows > most:
        table = _spread(source, names, column, span, rows, most)
    moments = find_moments(table, to_utc)
    spec = _with_partition(spec, table, moments.get(at.column, at))
    looked = "all" if table.num_rows == rows else f"{table.num_rows} of"
    said = "; ".join(filter(None, (why, f"{looked} {rows} rows looked at")))
    return Sampled(_written(spec, why), rows, table, span, said), moments


def _spread(
    source: Source,
    names: Sequence[str],
    at: TimestampColumn,
    span: tuple[datetime, datetime],
    rows: int,
    most: int,
) -> pa.Table:
    """Read rows from all over the source.

    Text files can only be read from their beginning: every so many-th row of one pass. Others are
    asked for the first rows of equal slices of time, which skips what lies between.
    """
    files = getattr(source, "path", None)
    if files is not None and not all(e.parquet for e in listing.list_entries(files)):
        step, seen, kept = math.ceil(rows / most), 0, []
        for batch in source.scan(names):
            kept.append(every(batch, seen, step, names))
            seen += batch.num_rows
        return together(kept).combine_chunks()
    low, high = span
    length = (high - low) / SLICES
    tables = []
    for i in range(SLICES):
        end = low + (i + 1) * length if i < SLICES - 1 else high
        window = Window(low + i * length, end)
        if window.start < window.end:
            tables.append(
                read_table(source, names, window=window, timestamp=at, limit=most // SLICES)
            )
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


def _with_partition(spec: SourceSpec, table: pa.Table, at: Moments | None) -> SourceSpec:
    """Name the folders of dates, where they follow the moments of the rows within a day."""
    if spec.path is None or at is None:
        return spec
    entries = listing.list_entries(spec.path)
    for name in dict(entries[0].partitions) if entries else ():
        values = sorted({dict(e.partitions).get(name, "") for e in entries})
        form = next((f for f in _FOLDER_DATES if _dated(values, f)), None)
        if form is None or name not in table.column_names:
            continue
        text = [str(v) for v in table.column(name).to_pylist()]
        days = pd.to_datetime(pd.Series(text), format=form).to_numpy().astype("datetime64[us]")
        apart = (at.at - days) / np.timedelta64(1, "D")
        # A folder of a local day holds moments from a day before it in UTC to a day after it.
        most = 33 if form == "%Y-%m" else 2
        if ((apart >= -1) & (apart <= most)).mean() == 1.0:
            partition = Partition(column=name, format=form)
            return SourceSpec(path=spec.path, partition=partition)
    return spec


def _dated(values: Sequence[str], form: str) -> bool:
    try:
        return all(datetime.strptime(v, form) for v in values)
    except ValueError:
        return False


def _labels(
    data: str,
    labels: str | None,
    table: str | None,
    predictions: Sampled,
    moments: Mapping[str, Moments],
    given: Given,
) -> Sampled | None:
    """Sample the labels of another source: as asked, or found beside the predictions."""
    said = "as asked"
    if labels is None and table is not None:
        labels = data
    if labels is None:
        rows = predictions.table
        # The label's column may be asked for by name, and stand in a file beside.
        inside = given.label in rows.column_names or label_inside(observe(rows), [], moments)
        labels = None if inside else _beside(data)
        said = "found beside the predictions"
    if labels is None:
        return None
    spec, why = _spec(labels, table, "MONITORING_LABELS_URL", "--labels-table")
    source = open_source(spec)
    rows, names = source.count(None, None), source.schema().names
    most = max(1000, min(LABEL_ROWS, SAMPLE_VALUES // max(len(names), 1)))
    read = read_table(source, names, limit=most)
    known = [m for m in find_moments(read, to_utc).values() if not m.dates]
    for at in known:
        spec = spec if spec.partition is not None else _with_partition(spec, read, at)
    return Sampled(_written(spec, why), rows, read, why="; ".join(filter(None, (why, said))))


def _beside(data: str) -> str | None:
    """Return the labels that lie beside the predictions, named as they are."""
    fs, inner = listing.filesystem(data)
    folder, slash, last = inner.rstrip("/").rpartition("/")
    if "*" in last or not _PREDICTIONS.search(last):
        return None
    name = _PREDICTIONS.sub("labels", last)
    if not slash or not fs.exists(f"{folder}/{name}"):
        return None
    start = data.rstrip("/")[: -len(last)]
    return f"{start}{name}"


def _name(data: str, table: str | None) -> str:
    """Name the model after its table, its file, or the folder where the file has no own name."""
    if table is not None:
        name = table.rpartition(".")[2]
    else:
        path = re.split(r"[*?\[]", listing.redacted(data))[0].rstrip("/")
        steps = [s for s in path.split("/") if s and not s.endswith(":") and "=" not in s]
        names = [s.split(".")[0] for s in reversed(steps)] or ["model"]
        name = next((n for n in names if n.lower() not in _PLAIN_NAMES and n), names[0])
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).lstrip("_.-")
    return name or Path(data).stem or "model"
