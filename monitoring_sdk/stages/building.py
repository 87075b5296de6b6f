"""Build a baseline: fit the grid on the span, then pass each reference window through it."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.adapters.quality_generate import generate
from monitoring_sdk.adapters.sources.source import Source, read_table, together
from monitoring_sdk.baseline import Baseline, collect_reference
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_sections import TimestampColumn
from monitoring_sdk.errors import BaselineError
from monitoring_sdk.measure import (
    Layout,
    Measurement,
    measure_columns,
    measure_metrics,
    measure_operations,
)
from monitoring_sdk.profile.categorical import count_levels
from monitoring_sdk.profile.grid import (
    CategoricalGrid,
    Grid,
    NumericGrid,
    fit_categorical,
    fit_numeric,
)
from monitoring_sdk.profile.numeric import numeric_values
from monitoring_sdk.profile.profile import Profile, ProfileBuilder
from monitoring_sdk.stages.handle import layout_of, open_predictions
from monitoring_sdk.stages.performance import join_labels
from monitoring_sdk.stages.scan import SAMPLE_ROWS, every, scan_rows, served
from monitoring_sdk.window import Window

COLUMNS_AT_ONCE = 8
"""Exact quantiles need a column's values in memory: so many columns are held at a time."""

Progress = Callable[[str, int, int], None]


def _silent(what: str, done: int, total: int) -> None:
    pass


def build_baseline(
    config: MonitorConfig,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    valid_from: datetime | None = None,
    now: datetime,
    root: str | None = None,
    progress: Progress = _silent,
) -> Baseline:
    """Fit a baseline on a span of the predictions and save it as a new version.

    Parameters
    ----------
    start, end : datetime, optional
        The span; default: the monitor file's.
    valid_from : datetime, optional
        Logical time from which it holds; default: the beginning for the first version of a model,
        else the end of its span.
    now : datetime
        Labels known by now are used.
    progress : callable
        Told what is done, how many steps, of how many.

    Raises
    ------
    BaselineError
        When the span is not given, or has no rows.
    """
    span = _span(config, start, end)
    source = open_predictions(config)
    layout = layout_of(config, source.schema())
    at = config.columns.timestamp
    grid = _fit_grid(config, source, span, layout, progress)
    windows = tuple(config.reference_cadence.windows(span.start, span.end))
    profile, measured = _reference(config, span, windows, grid, layout, now, progress)
    root = baselines_root() if root is None else root
    known = baselines.versions(root, config.model)
    if valid_from is None and known:
        valid_from = span.end
    sample = _sample(source, span, layout, at)
    reference = collect_reference(measured)
    sizes = reference["operations/rows"].n if windows else (profile.rows,)
    suite = generate(sample, layout.kinds, sizes)
    notes = () if windows else ("no complete reference window lies in the span",)
    baseline = Baseline(
        model=config.model,
        version="",
        created=now,
        span=span,
        valid_from=valid_from,
        layout=layout,
        grid=grid,
        profile=profile,
        windows=windows,
        reference=reference,
        suite=tuple({"type": e.type, "severity": e.severity, **e.arguments} for e in suite),
        settings=config.settings_hash(),
        notes=notes,
    )
    return baselines.save(baseline, root)


def _span(config: MonitorConfig, start: datetime | None, end: datetime | None) -> Window:
    if config.baseline is not None:
        first, last = config.span(config.baseline)
        start, end = start or first, end or last
    if start is None or end is None:
        raise BaselineError(
            f"{config.model}: no span: give baseline.start and baseline.end in the monitor file, "
            "or --start and --end"
        )
    if start >= end:
        raise BaselineError(f"{config.model}: the span is empty: {start} is not before {end}")
    return Window(start, end)


def _fit_grid(
    config: MonitorConfig, source: Source, span: Window, layout: Layout, progress: Progress
) -> Grid:
    kinds, grids = layout.kinds, {}
    names = list(kinds)
    missing = sorted(set(names) - set(source.schema().names))
    if missing:
        raise BaselineError(
            f"{config.model}: the data has no column {', '.join(missing)}; "
            f"it has {', '.join(source.schema().names)}"
        )
    for i in range(0, len(names), COLUMNS_AT_ONCE):
        progress("columns", i, len(names))
        table = read_table(
            source,
            names[i : i + COLUMNS_AT_ONCE],
            window=span,
            timestamp=config.columns.timestamp,
        )
        if table.num_rows == 0:
            raise BaselineError(f"{config.model}: no rows between {span.start} and {span.end}")
        for name in table.column_names:
            grids[name] = _fit_column(table.column(name), kinds[name], name, config.model)
    progress("columns", len(names), len(names))
    return Grid({name: grids[name] for name in names})


def _fit_column(
    column: pa.ChunkedArray, kind: str, name: str, salt: str
) -> NumericGrid | CategoricalGrid:
    if kind == "numeric":
        values = [numeric_values(chunk, name)[0] for chunk in column.chunks]
        return fit_numeric(np.concatenate(values) if values else np.zeros(0))
    counts: Counter[str] = Counter()
    for chunk in column.chunks:
        counts.update(count_levels(chunk))
    return fit_categorical(counts, salt=salt)


def _reference(
    config: MonitorConfig,
    span: Window,
    windows: Sequence[Window],
    grid: Grid,
    layout: Layout,
    now: datetime,
    progress: Progress,
) -> tuple[Profile, list[list[Measurement]]]:
    """Profile the windows and what lies between and around them; measure each complete one."""
    columns = config.columns
    whole = [c for c in (columns.latency_ms, columns.error) if c is not None]
    profiles: dict[Window, Profile] = {}
    operations: dict[Window, tuple[Measurement, ...]] = {}
    pieces = _pieces(span, windows)
    for i, piece in enumerate(pieces):
        progress("windows", i, len(pieces))
        found = scan_rows(config, piece, grid, whole=whole)
        profiles[piece] = found.profile
        operations[piece] = tuple(
            _as_monitored(config, m) for m in measure_operations(*served(config, piece, found))
        )
    total = ProfileBuilder(grid).result()
    for profile in profiles.values():
        total = total.merge(profile)
    performance = _performance(config, windows, now)
    measured = []
    for window in windows:
        distances = measure_columns(
            profiles[window], total, grid, layout, config.drift, config.thresholds
        )
        measured.append([*distances, *operations[window], *performance.get(window, ())])
    progress("windows", len(pieces), len(pieces))
    return total, measured


def _as_monitored(config: MonitorConfig, m: Measurement) -> Measurement:
    """Scale a count of rows to the length of the monitored windows, where `every` is shorter."""
    if m.name != "rows" or m.value.value is None:
        return m
    longer = config.cadence.approximate / config.reference_cadence.approximate
    return dataclasses.replace(m, value=dataclasses.replace(m.value, value=m.value.value * longer))


def _pieces(span: Window, windows: Sequence[Window]) -> list[Window]:
    """Cut the span at the bounds of its windows."""
    bounds = sorted({span.start, span.end, *(w.start for w in windows), *(w.end for w in windows)})
    return [Window(a, b) for a, b in pairwise(bounds)]


def _performance(
    config: MonitorConfig, windows: Sequence[Window], now: datetime
) -> dict[Window, tuple[Measurement, ...]]:
    if config.source.labels is None:
        return {}
    return {
        judged.window: measure_metrics(judged.rows, config.task, config.metric_names)
        for judged in join_labels(config, windows, now)
        if judged.coverage
    }


def _sample(source: Source, span: Window, layout: Layout, at: TimestampColumn) -> pd.DataFrame:
    """Read every so many-th row of the span, to write expectations from."""
    step = max(1, math.ceil(source.count(span, at) / SAMPLE_ROWS))
    kept, seen = [], 0
    for batch in source.scan(list(layout.kinds), window=span, timestamp=at):
        kept.append(every(batch, seen, step, batch.schema.names))
        seen += batch.num_rows
    return together(kept).to_pandas()
