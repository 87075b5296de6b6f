"""`monitoring check`: is the file right, are the sources there, do the expectations run?"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.adapters.quality import validate
from monitoring_sdk.adapters.sources.columns import kind_of
from monitoring_sdk.adapters.sources.joined import JoinedSource
from monitoring_sdk.adapters.sources.source import open_source, read_table
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig, load_config
from monitoring_sdk.errors import BaselineError, MonitoringError, explain
from monitoring_sdk.evaluate import rule_segment
from monitoring_sdk.report import slice_key
from monitoring_sdk.stages.fleet import check_budget
from monitoring_sdk.stages.handle import layout_of, open_predictions
from monitoring_sdk.stages.reference import mismatch
from monitoring_sdk.stages.scan import declared_segmentations
from monitoring_sdk.stages.targets import target_problems
from monitoring_sdk.window import Window

TRIED_ROWS = 100_000


@dataclass(frozen=True)
class Checked:
    """What a look at a monitor file and its sources found; `notes` are no faults."""

    model: str
    found: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def wrong_file(self) -> bool:
        """Whether the file must be changed, rather than what it points at."""
        return any(": " in p and not p.startswith("source") for p in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema": 1,
            "model": self.model,
            "ok": not self.problems,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "found": list(self.found),
            **self.counts,
        }

    def text(self) -> str:
        """Write the findings, a line each."""
        lines = [f"ok: {line}" for line in self.found]
        lines += [f"note: {line}" for line in self.notes]
        lines += [f"problem: {line}" for line in self.problems]
        lines.append(f"{self.model}: " + ("not ready" if self.problems else "ready"))
        return "\n".join(lines)


def check_monitor(file: Path) -> Checked:
    """Validate a monitor file, reach its sources, and try its expectations.

    Raises
    ------
    ConfigError
        With every fault of the file itself.
    """
    config = load_config(file)
    found = [f"{file} is valid"]
    problems: list[str] = []
    notes: list[str] = []
    counts: dict[str, Any] = {}
    try:
        _predictions(config, found, problems, counts)
        if not problems:
            _features(config, found, notes)
            _labels(config, found, problems)
            _expectations(config, found, problems, notes)
    except MonitoringError as error:
        problems.append(f"source: {error}")
    faults = check_budget(config, found)
    # A fault in the fleet's file is one for its alerts too: it is said once.
    problems += faults or target_problems(config)
    known = baselines.versions(baselines_root(), config.model)
    if known:
        try:
            built = baselines.load(baselines_root(), config.model)
            found.append(f"baseline {built.version} of {built.rows} rows")
            other = mismatch(config, built)
            notes += [other] if other is not None else []
            problems += _unknown_segments(config, built)
            found += [
                f"segments of {s.name}: {len(s.kept)} by name, and all others as one"
                for s in declared_segmentations(config, built)
            ]
        except BaselineError as error:
            problems.append(f"source: {error}")
    else:
        notes.append("no baseline yet: run `monitoring baseline build FILE`")
    return Checked(config.model, tuple(found), tuple(problems), tuple(notes), counts)


def _predictions(
    config: MonitorConfig, found: list[str], problems: list[str], counts: dict[str, Any]
) -> None:
    source = open_predictions(config)
    schema = source.schema()
    columns, eligible = config.columns, config.labels.eligible
    wanted = {
        "columns.timestamp": columns.timestamp.column,
        "columns.prediction": columns.prediction,
        **_score_places(columns.score),
        **{
            f"columns.{part}": getattr(columns, part)
            for part in ("model_version", "weight", "query", "item")
        },
        "columns.latency_ms": columns.latency_ms,
        "columns.error": columns.error,
        "labels.eligible.column": eligible.column if eligible is not None else None,
        **{f"columns.id.{i}": name for i, name in enumerate(columns.id)},
    }
    layout = layout_of(config, schema)
    wanted |= {f"columns.numeric.{i}": name for i, name in enumerate(layout.numeric)}
    wanted |= {f"columns.categorical.{i}": name for i, name in enumerate(layout.categorical)}
    for part in ("text", "datetime", "embedding"):
        wanted |= {f"columns.{part}.{i}": n for i, n in enumerate(getattr(columns, part))}
    for i, crossing in enumerate(columns.segments):
        wanted |= {f"columns.segments.{i}.{name}": name for name in crossing}
    both = " or the features" if isinstance(source, JoinedSource) else ""
    what = f"no such column in the predictions{both}"
    for where, name in wanted.items():
        if name is not None and name not in schema.names:
            problems.append(explain(what, where=where, got=name, allowed=schema.names))
    problems += _numbers_for_moments(config, schema)
    problems += _idle_rules(config, tuple(layout.kinds)) + _undeclared_segments(config)
    problems += [
        explain("no such categorical column", where="privacy.drop_levels", got=glob, allowed=levels)
        for levels in [layout.categorical]
        for glob in config.privacy.drop_levels
        if not fnmatch.filter(levels, glob)
    ]
    if columns.timestamp.column in schema.names:
        rows = source.count(None, None)
        bounds = source.bounds(columns.timestamp)
        counts["rows"] = rows
        span = (
            f" from {bounds[0]:%Y-%m-%d %H:%M} to {bounds[1]:%Y-%m-%d %H:%M} UTC" if bounds else ""
        )
        found.append(f"predictions: {rows} rows{span}")
    found.append(f"features: {len(layout.numeric)} numeric, {len(layout.categorical)} categorical")


def _features(config: MonitorConfig, found: list[str], notes: list[str]) -> None:
    """Say what a table of features brings, and how it joins over the baseline's span."""
    source = open_predictions(config)
    if not isinstance(source, JoinedSource):
        return
    own, theirs = source.predictions.schema().names, source.feature_schema().names
    keys = {*source.on, source.timestamp.column}
    more = [c for c in theirs if c not in own]
    found.append(f"source.features: {', '.join(more) or 'no column'}, by {', '.join(source.on)}")
    twice = [c for c in theirs if c in own and c not in keys]
    if twice:
        notes.append(f"in both tables, taken from the predictions: {', '.join(twice)}")
    if source.timestamp.column not in theirs:
        notes.append(
            f"the features have no column {source.timestamp.column!r}: the last row of a key "
            "counts, whenever it was written"
        )
    came = source.joined(Window(*config.span(config.baseline)) if config.baseline else None)
    if came.null_keys or came.unmatched:
        notes.append(
            f"of {came.rows} prediction rows {came.unmatched} have no row of features "
            f"and {came.null_keys} have no key"
        )
    if came.repeats:
        notes.append(f"{came.repeats} rows of features repeat a key: the latest one counts")


def _score_places(score: str | dict[str, str] | None) -> dict[str, str | None]:
    if isinstance(score, dict):
        return {f"columns.score.{name}": column for name, column in score.items()}
    return {"columns.score": score}


def _numbers_for_moments(config: MonitorConfig, schema: pa.Schema) -> list[str]:
    """Name the features of moments that are numbers: nobody says what they count."""
    return [
        f"columns.datetime.{i}: column {name!r} holds numbers ({schema.field(name).type}); "
        "allowed: timestamps, dates, or ISO 8601 text"
        for i, name in enumerate(config.columns.datetime)
        if name in schema.names and kind_of(schema.field(name).type) == "numeric"
    ]


def _idle_rules(config: MonitorConfig, columns: Sequence[str]) -> list[str]:
    """Return the limits that hold for no column: a misspelt name would keep silent for ever."""
    return [
        explain(
            "no such column is watched",
            where=f"thresholds.{name}.{i}.columns",
            got=glob,
            allowed=columns,
        )
        for name, rules in config.thresholds.items()
        for i, rule in enumerate(rules)
        for glob in rule.columns
        if not fnmatch.filter(columns, glob)
    ]


def _undeclared_segments(config: MonitorConfig) -> list[str]:
    """Return the limits for segments that the file does not ask for."""
    declared = {frozenset(crossing) for crossing in config.columns.segments}
    allowed = [" x ".join(crossing) for crossing in config.columns.segments]
    return [
        explain(
            "columns.segments has no such segments",
            where=f"thresholds.{name}.{i}.segment",
            got=" x ".join(rule.segment),
            allowed=allowed,
        )
        for name, rules in config.thresholds.items()
        for i, rule in enumerate(rules)
        if rule.segment and frozenset(rule.segment) not in declared
    ]


def _unknown_segments(config: MonitorConfig, built: Baseline) -> list[str]:
    """Return the limits for segments that the baseline does not keep by name."""
    known = {
        frozenset(s.columns): {slice_key(segment) for segment in s.segments}
        for s in declared_segmentations(config, built)
    }
    return [
        explain(
            f"baseline {built.version} has no such segment",
            where=f"thresholds.{name}.{i}.segment",
            got=slice_key(rule_segment(rule)),
            allowed=sorted(known[frozenset(rule.segment)]),
        )
        for name, rules in config.thresholds.items()
        for i, rule in enumerate(rules)
        if frozenset(rule.segment) in known
        and slice_key(rule_segment(rule)) not in known[frozenset(rule.segment)]
    ]


def _labels(config: MonitorConfig, found: list[str], problems: list[str]) -> None:
    if config.source.labels is None:
        return
    source = open_source(config.source.labels)
    schema, known = source.schema(), config.columns.label_timestamp
    names = [*config.columns.id, str(config.columns.label), *([known.column] if known else [])]
    missing = [n for n in names if n not in schema.names]
    for name in missing:
        problems.append(
            explain(
                "no such column in the labels",
                where="source.labels",
                got=name,
                allowed=schema.names,
            )
        )
    if not missing:
        found.append(f"labels: {source.count(None, None)} rows")


def _expectations(
    config: MonitorConfig, found: list[str], problems: list[str], notes: list[str]
) -> None:
    """Run the declared expectations on the first rows of the baseline's span."""
    if not config.quality:
        return
    source = open_predictions(config)
    at = config.columns.timestamp
    bounds = source.bounds(at)
    if bounds is None:
        notes.append("no rows to try the expectations on")
        return
    span = Window(*config.span(config.baseline)) if config.baseline else None
    names = source.schema().names
    table = read_table(source, names, window=span, timestamp=at, limit=TRIED_ROWS)
    window = span or Window(*bounds)
    checks = validate(lambda name: table.column(name), config.quality, window)
    for check in checks:
        if check.status == "error":
            problems.append(f"quality.{check.name}: {check.reason}")
        elif check.status == "alert":
            notes.append(f"{check.name} fails on the baseline's rows: {check.reason}")
    passed = sum(c.status == "ok" for c in checks)
    found.append(f"expectations: {passed} of {len(checks)} pass on {table.num_rows} rows")
