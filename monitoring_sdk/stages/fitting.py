"""Fit on the reference rows what every window is counted by: the grid, and the segments."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from monitoring_sdk.adapters.sources.source import Source, read_table, together
from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import BaselineError, SourceError
from monitoring_sdk.evaluate import MIN_ROWS
from monitoring_sdk.measure import Layout
from monitoring_sdk.profile.categorical import count_levels
from monitoring_sdk.profile.grid import (
    CategoricalGrid,
    Grid,
    NumericGrid,
    drop_levels,
    fit_categorical,
    fit_numeric,
)
from monitoring_sdk.profile.joint import JointSpec, fit_joint
from monitoring_sdk.profile.numeric import numeric_values
from monitoring_sdk.profile.segments import Segmentation, count_crossings, fit_segmentation
from monitoring_sdk.profile.sliced import column_at
from monitoring_sdk.stages.kept_rows import SAMPLE_ROWS, TABLE_ROWS, every
from monitoring_sdk.stages.scan import of_champion, slicing_of, utc_moments
from monitoring_sdk.window import Window

if TYPE_CHECKING:
    import pandas as pd

COLUMNS_AT_ONCE = 8
"""Exact quantiles need a column's values in memory: so many columns are held at a time."""

Progress = Callable[[str, int, int], None]


def fit_grid(
    config: MonitorConfig,
    source: Source,
    span: Window,
    layout: Layout,
    smallest: int | None,
    progress: Progress,
) -> Grid:
    """Fit the grid of every column; of what the model writes on the champion's rows alone.

    Parameters
    ----------
    smallest : int or None
        Rows of the smallest reference window.

    Raises
    ------
    BaselineError
        When a column is missing, or there are no rows, or none of the champion.
    """
    kinds, grids = layout.kinds, {}
    version = [layout.version] if layout.version is not None else []
    missing = sorted(set(layout.columns) - set(source.schema().names))
    if missing:
        raise BaselineError(
            f"{config.model}: the data has no column {', '.join(missing)}; "
            f"it has {', '.join(source.schema().names)}"
        )
    for done, names in _groups(layout):
        progress("columns", done, len(kinds))
        beside = version if any(n in layout.model for n in names) else []
        table = read_table(
            source,
            list(dict.fromkeys([*names, *beside])),
            window=span,
            timestamp=config.columns.timestamp,
        )
        if table.num_rows == 0:
            raise BaselineError(f"{config.model}: no rows between {span.start} and {span.end}")
        columns = {name: table.column(name) for name in table.column_names}
        if beside:
            columns = _of_champion(config, columns, span)
        for name in names:
            grids[name] = _fit_column(config, columns[name], kinds[name], name, smallest)
    progress("columns", len(kinds), len(kinds))
    return Grid({name: grids[name] for name in kinds})


def _groups(layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield columns to read together, and how many came before: inputs first, then outputs."""
    apart = layout.model if layout.version is not None else ()
    done = 0
    for names in ([c for c in layout.kinds if c not in apart], list(dict.fromkeys(apart))):
        for i in range(0, len(names), COLUMNS_AT_ONCE):
            yield done, names[i : i + COLUMNS_AT_ONCE]
            done += COLUMNS_AT_ONCE


def _of_champion(
    config: MonitorConfig, columns: Mapping[str, pa.ChunkedArray], span: Window
) -> dict[str, pa.ChunkedArray]:
    slicing = slicing_of(config)
    kept = of_champion(columns, slicing)
    if not all(len(kept[name]) for name in slicing.model if name in kept):
        raise BaselineError(
            f"{config.model}: no row of version {slicing.champion}, the champion, "
            f"between {span.start} and {span.end}"
        )
    return kept


def _fit_column(
    config: MonitorConfig, column: pa.ChunkedArray, kind: str, name: str, smallest: int | None
) -> NumericGrid | CategoricalGrid:
    privacy = config.privacy
    if kind == "numeric":
        values = [numeric_values(chunk, name)[0] for chunk in column.chunks]
        return fit_numeric(np.concatenate(values) if values else np.zeros(0), privacy.spare)
    if privacy.drops(name):
        return drop_levels()
    counts: Counter[str] = Counter()
    for chunk in column.chunks:
        counts.update(count_levels(chunk))
    return fit_categorical(
        counts, salt=config.model, min_count=privacy.min_count, smallest=smallest
    )


def smallest_window(
    config: MonitorConfig, source: Source, span: Window, windows: Sequence[Window]
) -> int | None:
    """Return the rows of the smallest reference window that is judged; None without one."""
    if not windows:
        return None
    at = config.columns.timestamp
    starts = np.array([w.start.replace(tzinfo=None) for w in windows], "datetime64[us]")
    ends = np.array([w.end.replace(tzinfo=None) for w in windows], "datetime64[us]")
    rows = np.zeros(len(windows), np.int64)
    for batch in source.scan([at.column], window=span, timestamp=at):
        moments = to_utc(batch.column(0), at.unit).to_numpy(zero_copy_only=False)
        moments = moments.astype("datetime64[us]")
        place = np.searchsorted(starts, moments, side="right") - 1
        inside = (place >= 0) & (moments < ends[place])
        rows += np.bincount(place[inside], minlength=len(windows))
    return min((int(n) for n in rows if n >= MIN_ROWS), default=None)


def fit_segmentations(
    config: MonitorConfig, source: Source, span: Window, windows: int
) -> tuple[Segmentation, ...]:
    """Choose the segments to watch: the most frequent that have enough rows in a usual window."""
    wanted = tuple(dict.fromkeys(config.columns.segments))
    counts: dict[tuple[str, ...], Counter[tuple[str, ...]]] = {c: Counter() for c in wanted}
    names = list(dict.fromkeys(name for crossing in wanted for name in crossing))
    at = config.columns.timestamp
    for batch in source.scan(names, window=span, timestamp=at) if names else ():
        for crossing, count in counts.items():
            count.update(count_crossings(partial(column_at, batch), crossing))
    # A segment that would be hidden in a usual window has nothing to watch.
    least = max(MIN_ROWS, config.privacy.min_count) * max(1, windows)
    return tuple(fit_segmentation(c, count, least=least) for c, count in counts.items())


def fit_whole_rows(
    config: MonitorConfig, source: Source, span: Window, layout: Layout
) -> tuple[JointSpec, Grid]:
    """Learn what is counted of whole rows from a sample, and the grid of derived columns."""
    try:
        spec, grids = fit_joint(
            span_rows(config, source, span, layout.columns, TABLE_ROWS),
            numeric=layout.numeric,
            categorical=[c for c in layout.categorical if not config.privacy.drops(c)],
            text=layout.text,
            datetimes=layout.datetime,
            embeddings=layout.embedding,
            timezone=config.window.timezone,
            salt=config.model,
            moments=utc_moments,
            min_count=config.privacy.min_count,
            spare=config.privacy.spare,
        )
    except SourceError as error:
        raise BaselineError(f"{config.model}: {error}") from None
    return spec, Grid(grids)


def span_rows(
    config: MonitorConfig, source: Source, span: Window, names: Sequence[str], most: int
) -> pa.Table:
    """Read every so many-th row of a span."""
    at = config.columns.timestamp
    step = max(1, math.ceil(source.count(span, at) / most))
    kept, seen = [], 0
    for batch in source.scan(list(names), window=span, timestamp=at):
        kept.append(every(batch, seen, step, batch.schema.names))
        seen += batch.num_rows
    if not kept:
        schema = source.schema()
        return pa.schema([schema.field(n) for n in names if n in schema.names]).empty_table()
    return together(kept)


def sample_rows(
    config: MonitorConfig, source: Source, span: Window, layout: Layout
) -> Mapping[str, pd.Series]:
    """Read every so many-th row of the span, to write expectations from."""
    version = layout.version
    names = list(dict.fromkeys([*layout.kinds, *([version] if version else [])]))
    table = span_rows(config, source, span, names, SAMPLE_ROWS)
    columns = {name: table.column(name) for name in table.column_names}
    return {c: x.to_pandas() for c, x in of_champion(columns, slicing_of(config)).items()}
