"""The one pass over a window's rows, from which every later stage takes its part."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring_sdk.adapters.sources.columns import kind_of
from monitoring_sdk.adapters.sources.source import together
from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import SourceError
from monitoring_sdk.metrics.operations import Served
from monitoring_sdk.profile.derived import PCA_ERROR, DerivedSpec, derive
from monitoring_sdk.profile.grid import Grid
from monitoring_sdk.profile.joint import JointSpec, VectorBuilder
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.profile.segments import Segmentation, level_codes
from monitoring_sdk.profile.sliced import SlicedBuilder, Slicing
from monitoring_sdk.stages import serving
from monitoring_sdk.stages.handle import Handle, baseline_of, open_predictions, present
from monitoring_sdk.stages.kept_rows import KeptRows, every
from monitoring_sdk.window import Window


@dataclass(frozen=True)
class Pass:
    """What one pass over a window left.

    Attributes
    ----------
    sample : mapping of str to pa.ChunkedArray
        Evenly spaced rows of the columns that generated expectations read.
    whole : mapping of str to pa.ChunkedArray
        Every row of the columns that declared expectations, latency and errors need.
    ids : mapping of str to pa.ChunkedArray
        The ids, and beside them the version where versions are told apart; of a window with very
        many rows those of some ids, all of their rows.
    rows : pa.Table or None
        Evenly spaced rows of every column that the layout names.
    versions : mapping of str to int
        Rows of each version of the model, where versions are told apart.
    requests : mapping of str to int, optional
        Requests of each segment, by its key, where not every row is one.
    """

    profile: Profile
    sample: Mapping[str, pa.ChunkedArray]
    whole: Mapping[str, pa.ChunkedArray]
    ids: Mapping[str, pa.ChunkedArray]
    newest: datetime | None
    rows: pa.Table | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    requests: Mapping[str, int] | None = None


JOINT_ROWS = 200_000
"""Of windows with more rows, about this many are looked at in all features together."""

_last: dict[tuple[str, ...], Pass] = {}


def _identity(handle: Handle) -> tuple[str, ...]:
    return (handle.config.model, str(handle.window), *handle.result_key)


def forget() -> None:
    """Let go of the rows that the last pass kept."""
    _last.clear()


def scan(handle: Handle) -> Pass:
    """Read a window once; asked again for the same rows, give the same answer.

    Raises
    ------
    SourceError
        When the source breaks while it is read.
    """
    identity = _identity(handle)
    if identity not in _last:
        keep_pass(handle, _scan(handle))
    return _last[identity]


def keep_pass(handle: Handle, found: Pass) -> None:
    """Keep what a pass over a window left, until the next one."""
    _last.clear()
    _last[_identity(handle)] = found


def declared_columns(handle: Handle) -> list[str]:
    """Return the columns of which declared expectations read every row."""
    columns: list[str] = []
    for expectation in handle.config.quality:
        for value in expectation.arguments.values():
            for name in value if isinstance(value, list | tuple) else [value]:
                if isinstance(name, str):
                    columns.append(name)
    return present(handle, columns)


def slicing_of(config: MonitorConfig, segmentations: Sequence[Segmentation] = ()) -> Slicing:
    """Say how a monitor tells rows apart, by segments that its baseline knows and by version."""
    declared, columns = config.versions, config.columns
    if declared is None or columns.model_version is None:
        return Slicing(tuple(segmentations))
    model = (columns.prediction, *columns.scores)
    return Slicing(
        tuple(segmentations), columns.model_version, declared.champion, declared.shadow, model
    )


def declared_segmentations(config: MonitorConfig, baseline: Baseline) -> tuple[Segmentation, ...]:
    """Return what the baseline knows of the segments that the monitor file asks for."""
    known = {s.columns: s for s in baseline.segmentations}
    return tuple(known[c] for c in dict.fromkeys(config.columns.segments) if c in known)


def _scan(handle: Handle) -> Pass:
    config, baseline = handle.config, baseline_of(handle)
    wanted = {*handle.layout.profiled, PCA_ERROR}
    grid = Grid({c: g for c, g in baseline.grid.columns.items() if c in wanted})
    columns = config.columns
    version = handle.layout.version
    whole = [*declared_columns(handle), columns.latency_ms, columns.error, version]
    sampled = [str(e["column"]) for e in baseline.suite if "column" in e]
    found = scan_rows(
        config,
        handle.window,
        grid,
        slicing_of(config, declared_segmentations(config, baseline)),
        baseline.joint,
        whole=present(handle, whole),
        sampled=present(handle, sampled),
        ids=present(handle, [*columns.id, version] if columns.id else []),
        table=present(handle, handle.layout.columns),
        rows=handle.rows,
    )
    # More rows than before came while they were read, and have another fingerprint: they are
    # judged at the next look. Fewer would be judged as an outage that there was not.
    if found.profile.rows < handle.rows:
        raise SourceError(
            f"{open_predictions(config).name}: {handle.rows} rows when the window was pulled, "
            f"{found.profile.rows} when they were read: rows went away meanwhile; run it again"
        )
    return found


def scan_rows(
    config: MonitorConfig,
    window: Window,
    grid: Grid,
    slicing: Slicing | None = None,
    joint: JointSpec | None = None,
    *,
    whole: Sequence[str] = (),
    sampled: Sequence[str] = (),
    ids: Sequence[str] = (),
    table: Sequence[str] = (),
    rows: int = 0,
) -> Pass:
    """Read the rows of a window once: profile them, and keep some columns, samples and ids.

    Parameters
    ----------
    slicing : Slicing, optional
        How rows are told apart; the sample then has the champion's predictions alone.
    joint : JointSpec, optional
        What is counted of whole rows.
    table : sequence of str
        The columns of which whole rows are sampled.
    rows : int
        How many there are about: large windows are sampled.

    Raises
    ------
    SourceError
        When the source breaks while it is read.
    """
    at, by, spec = config.columns.timestamp, slicing or Slicing(), joint or JointSpec()
    apart = [*(c for s in by.segmentations for c in s.columns), *filter(None, [by.version])]
    raw = [c for c in grid.columns if c not in spec.derived.columns]
    names = [at.column, *raw, *spec.sources, *apart, *whole, *sampled, *ids, *table]
    builder, vectors = SlicedBuilder(grid, by, missing_ok=True), VectorBuilder(spec)
    # Which segment's requests a shadow answered too is told by the ids within it.
    beside = [*ids, *(apart if ids and by.shadow else [])]
    kept = KeptRows(
        whole,
        [*sampled, *filter(None, [by.version])],
        list(dict.fromkeys(beside)),
        table,
        rows,
        config.columns.id,
    )
    newest, seen, step = None, 0, max(1, -(-rows // JOINT_ROWS))
    source = open_predictions(config)
    wanted = list(dict.fromkeys(names))
    for batch in source.scan(wanted, window=window, timestamp=at, missing_ok=True):
        some = batch if step == 1 else every(batch, seen, step, spec.sources)
        builder.add(_with_derived(batch, some, -seen % step, step, spec.derived))
        vectors.add(some)
        kept.add(batch)
        seen += batch.num_rows
        top = pc.max(to_utc(batch.column(at.column), at.unit)).as_py() if batch.num_rows else None
        newest = max(filter(None, (newest, top)), default=None)
    profile, told = _with_vectors(builder.result(), vectors), _columns(kept.ids)
    return Pass(
        profile,
        of_champion(_columns(kept.samples), by),
        _columns(kept.whole),
        {c: told[c] for c in ids if c in told},
        newest,
        together(kept.rows) if table and kept.rows else None,
        dict(builder.versions),
        serving.requests_of_segments(config, by.segmentations, told, profile.rows),
    )


def _with_derived(
    batch: pa.RecordBatch, some: pa.RecordBatch, first: int, step: int, spec: DerivedSpec
) -> pa.RecordBatch:
    """Append the derived columns; what looks at all features, of some rows of a large window."""
    if step == 1 or spec.pca is None:
        return derive(batch, spec, moments=utc_moments)
    found = derive(batch, dataclasses.replace(spec, pca=None), moments=utc_moments)
    looked = derive(some, DerivedSpec(pca=spec.pca))
    if PCA_ERROR not in looked.schema.names:
        return found
    errors = np.full(batch.num_rows, np.nan)
    errors[first::step] = looked.column(PCA_ERROR).to_numpy(zero_copy_only=False)
    return found.append_column(PCA_ERROR, pa.array(errors, from_pandas=True))


def utc_moments(array: pa.Array, column: str) -> pa.Array:
    """Read a feature of moments as the timestamps are read; of numbers nobody says the unit."""
    if kind_of(array.type) == "numeric":
        raise SourceError(
            f"columns.datetime: column {column!r} holds numbers ({array.type}); allowed: "
            "timestamps, dates, or ISO 8601 text. List it under columns.numeric, or convert it"
        )
    return to_utc(array, column=column)


def _with_vectors(profile: Profile, vectors: VectorBuilder) -> Profile:
    problems = {**profile.problems, **{n: p for n, p in vectors.problems.items() if n}}
    return dataclasses.replace(profile, vectors=vectors.result(), problems=problems)


def of_champion(
    sample: Mapping[str, pa.ChunkedArray], slicing: Slicing
) -> dict[str, pa.ChunkedArray]:
    """Keep, of the columns that the model writes, the champion's rows."""
    if slicing.version is None or slicing.version not in sample:
        return dict(sample)
    codes = level_codes(sample[slicing.version], (slicing.champion,), slicing.version)
    rows = pa.array(codes == 0)
    return {c: x.filter(rows) if c in slicing.model else x for c, x in sample.items()}


def _columns(batches: Sequence[pa.RecordBatch]) -> dict[str, pa.ChunkedArray]:
    if not batches:
        return {}
    table = together(batches)
    return {name: table.column(name) for name in table.column_names}


def served(config: MonitorConfig, window: Window, found: Pass) -> tuple[Served, tuple[str, ...]]:
    """Return what a pass tells of the service, and which figures apply to it."""
    return serving.served(
        config,
        window,
        rows=found.profile.rows,
        whole=found.whole,
        ids=found.ids,
        newest=found.newest,
    )
