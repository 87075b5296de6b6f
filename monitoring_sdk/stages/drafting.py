"""`monitoring init`: sample the sources, and draft the monitor file of what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from monitoring_sdk.adapters.sources import listing
from monitoring_sdk.adapters.sources.source import open_source, read_table
from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.config_sections import SourceSpec, TimestampColumn
from monitoring_sdk.drafting.draft import draft as guess_file
from monitoring_sdk.drafting.facts import observe
from monitoring_sdk.drafting.guess import Draft
from monitoring_sdk.drafting.moments import Moments, find_moments, find_timestamp
from monitoring_sdk.drafting.parts import Given, Sampled
from monitoring_sdk.drafting.text import file_text
from monitoring_sdk.drafting.truth import label_inside
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.stages.places import (
    labels_beside,
    model_name,
    predictions_within,
    source_spec,
    written,
)
from monitoring_sdk.stages.sampling import read_sample, with_partition

SAMPLE_ROWS = 200_000
"""So many rows, spread over all of them, are looked at."""

SAMPLE_VALUES = 20_000_000
LABEL_ROWS = 1_000_000

ORIGIN = "monitoring init"
PREDICTIONS_URL, LABELS_URL = "MONITORING_PREDICTIONS_URL", "MONITORING_LABELS_URL"


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
    data = predictions_within(data) if table is None else data
    predictions, moments = _predictions(source_spec(data, table, "--table"), given)
    found = _labels(data, labels, labels_table or (labels and table), predictions, moments, given)
    return guess_file(model or model_name(data, table), predictions, found, _moments, given)


def _moments(column: Any, unit: str | None) -> Any:
    return to_utc(column, unit)


def _most_rows(columns: int) -> int:
    return max(1000, min(SAMPLE_ROWS, SAMPLE_VALUES // max(columns, 1)))


def _predictions(spec: SourceSpec, given: Given) -> tuple[Sampled, Mapping[str, Moments]]:
    found: list[Moments] = []

    def timestamp(head: pa.Table) -> TimestampColumn:
        at, _ = find_timestamp(find_moments(head, to_utc, given.timestamp), head, given.timestamp)
        found.append(at)
        return TimestampColumn(column=at.column, unit=at.unit)

    table, rows, span = read_sample(spec, _most_rows, timestamp)
    name = listing.redacted(spec.path or spec.table or "")
    if not rows:
        raise ConfigError(f"{name}: no rows to guess from")
    (at,) = found
    if span is None:
        raise ConfigError(f"{name}: no row has a moment in {at.column}")
    moments = find_moments(table, to_utc, given.timestamp)
    spec = with_partition(spec, table, moments.get(at.column, at))
    looked = "all" if table.num_rows == rows else f"{table.num_rows} of"
    place, said = written(spec, PREDICTIONS_URL)
    why = "; ".join([*said, f"{looked} {rows} rows looked at"])
    return Sampled(place, rows, table, span, why), moments


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
        labels = None if inside else labels_beside(data)
        said = "found beside the predictions"
    if labels is None:
        return None
    spec = source_spec(labels, table, "--labels-table")
    source = open_source(spec)
    rows, names = source.count(None, None), source.schema().names
    most = max(1000, min(LABEL_ROWS, SAMPLE_VALUES // max(len(names), 1)))
    read = read_table(source, names, limit=most)
    known = [m for m in find_moments(read, to_utc).values() if not m.dates]
    for at in known:
        spec = spec if spec.partition is not None else with_partition(spec, read, at)
    place, secret = written(spec, LABELS_URL)
    return Sampled(place, rows, read, why="; ".join([*secret, said]))
