"""Pull: reach the sources for one window and say what is there, without holding its rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.adapters.folders import folder, reached
from monitoring_sdk.adapters.sources.columns import resolve_features
from monitoring_sdk.adapters.sources.joined import JoinedSource
from monitoring_sdk.adapters.sources.source import Source, open_source
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig, load_config
from monitoring_sdk.errors import BaselineError, ConfigError, explain
from monitoring_sdk.fleet import load_fleet
from monitoring_sdk.measure import Layout
from monitoring_sdk.window import Window

MONITOR_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Handle:
    """One window of one model, small enough to hand to another process.

    Attributes
    ----------
    fingerprint : str
        Of the source's rows in the window: the same rows are never judged twice.
    layout : Layout
        What the monitor file asks for, with its globs resolved.
    fields : tuple of (str, str)
        Columns of the source and their Arrow types.
    """

    config: MonitorConfig
    window: Window
    as_of: datetime
    rows: int
    fingerprint: str
    baseline: str
    layout: Layout
    fields: tuple[tuple[str, str], ...]

    @property
    def result_key(self) -> tuple[str, str, str]:
        """What a verdict on this window's data depends on, beside model and window."""
        return self.baseline, self.config.settings_hash(), self.fingerprint


def monitors_root() -> Path:
    """Return the folder of monitor files; one behind a URL does what a path does."""
    return folder(os.environ.get("MONITORING_MONITORS") or "monitors", "MONITORING_MONITORS")


def monitor_files(root: Path | None = None) -> list[Path]:
    """Return the monitor files of a folder, by name; those that begin with `_` are none.

    Raises
    ------
    MonitoringError
        When the folder is behind a URL and cannot be reached.
    """
    root = root or monitors_root()
    with reached(root):
        found = [
            p for p in root.glob("*") if p.suffix in MONITOR_SUFFIXES and p.name[0] not in "_."
        ]
    return sorted(found, key=str)


def find_config(model: str | Path) -> tuple[MonitorConfig, Path]:
    """Load a monitor file by its path, or by its model's name from the folder of monitors.

    Raises
    ------
    ConfigError
        When there is no such file, or it is wrong, or that of the fleet is.
    """
    path, root = Path(model), monitors_root()
    with reached(root):
        load_fleet(root)
        if path.suffix in MONITOR_SUFFIXES:
            return load_config(path), path
        path = root / f"{model}.yaml"
        if path.is_file():
            return load_config(path), path
    known = sorted(p.stem for p in monitor_files(root) if p.suffix == ".yaml")
    raise ConfigError(explain("no monitor file for this model", got=str(model), allowed=known))


def layout_of(config: MonitorConfig, schema: pa.Schema, known: Layout | None = None) -> Layout:
    """Resolve a monitor's feature columns on a schema.

    A column that the baseline knows and a glob, or inference, would have found is asked for even
    where the window lacks it: that it is gone is a finding.
    """
    if known is not None:
        lost = [c for c in (*known.numeric, *known.categorical) if c not in schema.names]
        for column in lost:
            kind = pa.float64() if column in known.numeric else pa.string()
            schema = schema.append(pa.field(column, kind))
    joins = () if config.source.features is None else config.source.features.on
    # A key is no feature unless it is named as one.
    schema = pa.schema([f for f in schema if f.name not in joins])
    features = resolve_features(config.columns, schema)
    return Layout(
        features.numeric,
        features.categorical,
        config.columns.prediction,
        config.columns.scores,
        numeric_prediction=config.task in ("regression", "ranking"),
        text=config.columns.text,
        datetime=config.columns.datetime,
        embedding=config.columns.embedding,
        segments=config.columns.segments,
        version=None if config.versions is None else config.columns.model_version,
    )


def open_predictions(config: MonitorConfig) -> Source:
    """Open the source of the prediction rows, features of a table of their own among them."""
    predictions, spec = open_source(config.source.predictions), config.source.features
    if spec is None:
        return predictions
    ids, on = config.columns.id, spec.on or config.columns.id
    if not on:
        raise ConfigError(f"{config.model}: source.features needs `on`, or columns.id")
    each = set(ids) <= set(on) and bool(ids)
    return JoinedSource(predictions, open_source(spec), on, config.columns.timestamp, each)


def baseline_for(config: MonitorConfig, window: Window) -> Baseline:
    """Load the baseline that is valid for a window."""
    return baselines.for_window(baselines_root(), config.model, window)


def baseline_of(handle: Handle) -> Baseline:
    """Load the baseline that a handle was pulled for."""
    return baselines.load(baselines_root(), handle.config.model, handle.baseline)


def pull_window(config: MonitorConfig, window: Window, as_of: datetime) -> Handle:
    """Reach the source of one window.

    Raises
    ------
    SourceError
        When the source cannot be reached, or lacks the timestamp.
    BaselineError
        When the model has no baseline, or one that keeps more of the data than it may.
    """
    fitted = baseline_for(config, window)
    if more := config.privacy.beyond(fitted.privacy):
        raise BaselineError(
            f"{config.model}: baseline {fitted.version} keeps more of the data than "
            f"privacy.{' and privacy.'.join(more)} allows: build a new one, and remove this one"
        )
    source = open_predictions(config)
    at = config.columns.timestamp
    schema = source.schema(window, at)
    return Handle(
        config=config,
        window=window,
        as_of=as_of,
        rows=source.count(window, at),
        fingerprint=source.fingerprint(window, at),
        baseline=fitted.version,
        layout=layout_of(config, schema, fitted.layout),
        fields=tuple(
            (name, str(kind)) for name, kind in zip(schema.names, schema.types, strict=True)
        ),
    )


def present(handle: Handle, columns: Sequence[str | None]) -> list[str]:
    """Return those columns that the source has, once each."""
    names = {name for name, _ in handle.fields}
    return [c for c in dict.fromkeys(columns) if c is not None and c in names]
