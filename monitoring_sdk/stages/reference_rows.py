"""A baseline's labelled rows: sampled from its span, kept beside it, coded for estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.adapters.samples import read_sample, write_sample
from monitoring_sdk.adapters.sources.source import together
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.diagnosis.cells import FEWEST_ROWS
from monitoring_sdk.errors import BaselineError, MonitoringError
from monitoring_sdk.estimation.rows import MOST_ROWS, Reference, Rows, reference
from monitoring_sdk.matrix import Coder, fit_coder
from monitoring_sdk.metrics.columns import as_scores, class_codes, class_name, is_positive
from monitoring_sdk.profile.numeric import NumericProfile
from monitoring_sdk.stages.joining import join_table
from monitoring_sdk.stages.kept_rows import every
from monitoring_sdk.stages.sparing import open_reference

LABEL, BLOCK = "__label", "__block"
HOW = "check that the rows and labels of the baseline's span are still at their source"
NO_SAMPLES = "no rows of the reference are kept: privacy.samples is false"
AGAIN = "build a new one when there are labels"

_kept: dict[tuple[str, ...], Reference | str] = {}


def reference_rows(config: MonitorConfig, baseline: Baseline) -> Reference | str:
    """Return the labelled rows of a baseline's span, or why there are none.

    The sample beside the baseline is read; where it is missing it is drawn from the sources again
    and kept. Within a process it is read once.
    """
    built = baseline.created.isoformat()
    key = (baselines_root(), config.model, baseline.version, built, config.settings_hash())
    if key not in _kept:
        while len(_kept) >= 4:
            del _kept[next(iter(_kept))]
        _kept[key] = _reference(config, baseline)
    return _kept[key]


def _reference(config: MonitorConfig, baseline: Baseline) -> Reference | str:
    if config.task == "ranking":
        return "not estimated for the task ranking"
    if not config.privacy.samples:
        return NO_SAMPLES
    sample = read_sample(config.model, baseline.version)
    if sample is None or not {LABEL, BLOCK} <= set(sample.column_names):
        if config.source.labels is None or config.columns.label is None:
            return "the monitor file names no labels"
        try:
            sample = draw_sample(config, baseline)
        except MonitoringError as error:
            return f"no sample of baseline {baseline.version}: {error}; {HOW}"
        write_sample(config.model, baseline.version, sample)
    if sample.num_rows == 0:
        when = f"was known when it was built, at {baseline.created:%Y-%m-%d %H:%M} UTC"
        return f"no label in the span of baseline {baseline.version} {when}; {AGAIN}"
    return coded(config, baseline, sample)


def coded(config: MonitorConfig, baseline: Baseline, sample: pa.Table) -> Reference:
    """Return a baseline's sample, which has rows, as estimators read it."""
    layout = baseline.layout
    coder = fit_coder(
        sample,
        [c for c in layout.numeric if c in sample.column_names],
        [c for c in layout.categorical if c in sample.column_names],
        # A segment of a diagnosis has so many rows anyway: below, no level needs to be hidden.
        least if (least := config.privacy.min_count) > FEWEST_ROWS else 1,
    )
    classes = classes_of(config, sample)
    payoff = config.business_value
    return reference(
        config.task,
        rows_of(config, sample, coder, classes),
        _as_numbers(config, sample.column(LABEL), classes),
        coder,
        block=sample.column(BLOCK).to_numpy(),
        classes=classes,
        payoff=None if payoff is None else ((payoff.tn, payoff.fp), (payoff.fn, payoff.tp)),
    )


def labelled_sample(config: MonitorConfig, baseline: Baseline) -> pa.Table | None:
    """Draw the sample of a baseline that is being built, while its rows are at hand.

    A monitor without labels has none; where the labels cannot be read, the first estimate says so.
    """
    if config.source.labels is None or config.columns.label is None or config.task == "ranking":
        return None
    if not config.privacy.samples:
        return None
    try:
        sample = draw_sample(config, baseline)
    except MonitoringError:
        return None
    return sample if sample.num_rows else None


def draw_sample(config: MonitorConfig, baseline: Baseline) -> pa.Table:
    """Read evenly spaced rows of a baseline's span with their labels as of its creation.

    Rows without a label are left out, and those that metrics do not speak of: that cannot get a
    label, or are a shadow version's.

    Raises
    ------
    BaselineError
        When the source no longer has the rows, or has others in their place.
    """
    columns, eligible, layout = config.columns, config.labels.eligible, baseline.layout
    named = [*columns.id, columns.timestamp.column, columns.prediction, *columns.scores]
    counts = [columns.weight, columns.model_version, eligible.column if eligible else None]
    shown = [c for c in layout.categorical if not config.privacy.drops(c)]
    wanted = [*named, *counts, *layout.numeric, *shown]
    names = list(dict.fromkeys(n for n in wanted if n is not None))
    step, seen, batches = max(1, -(-baseline.rows // MOST_ROWS)), 0, []
    source, at = open_reference(config), columns.timestamp
    for batch in source.scan(names, window=baseline.span, timestamp=at, missing_ok=True):
        batches.append(every(batch, seen, step, names))
        seen += batch.num_rows
    if not seen:
        raise BaselineError("none of its rows is there any more")
    table = together(batches)
    _same_rows(config, baseline, table)
    joined = join_table(config, table, baseline.span, baseline.created)
    label, rows = joined.settled_label(), joined.main(np.arange(table.num_rows)).rows
    rows = rows[label.is_valid().to_numpy(zero_copy_only=False)[rows]]
    rows = rows[np.argsort(joined.moments[rows], kind="stable")]
    take = pa.array(rows)
    drop = {*columns.id, columns.timestamp.column} - {*layout.numeric, *layout.categorical}
    kept = table.drop_columns([c for c in drop if c in table.column_names]).take(take)
    kept = kept.append_column(LABEL, pa.chunked_array([label.take(take)]))
    return kept.append_column(BLOCK, pa.array(_blocks(baseline, joined.moments[rows])))


def _same_rows(config: MonitorConfig, baseline: Baseline, table: pa.Table) -> None:
    """Refuse rows that another model wrote since: of a replacement, the source has the old ones.

    Raises
    ------
    BaselineError
        When the mean of what the model says is further from the baseline's than a sample's can be.
    """
    said = config.columns.scores or (config.columns.prediction,)
    known = baseline.profile.columns.get(said[0])
    if config.versions is not None or not isinstance(known, NumericProfile):
        return
    usual = known.mean
    if said[0] not in table.column_names or known.count < 2 or usual is None:
        return
    values = as_scores(table.column(said[0]))
    values = values[np.isfinite(values)]
    # Six standard errors, of an independent sample; of all rows the same mean but for rounding.
    share = min(1.0, len(values) / known.count)
    error = float(np.sqrt(known.m2) / known.count * np.sqrt(1 / max(share, 1e-9) - 1))
    off = abs(float(values.mean()) - usual) if len(values) else np.inf
    if off > 6 * error + 1e-6 * max(abs(usual), 1.0):
        raise BaselineError(f"the rows of {said[0]} are not those it was built on")


def _blocks(baseline: Baseline, moments: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Number the reference windows that rows lie in; between two, with the one before."""
    starts = [np.datetime64(w.start.replace(tzinfo=None), "us") for w in baseline.windows]
    if not starts:
        return np.arange(len(moments)) * 20 // max(len(moments), 1)
    place = np.searchsorted(np.array(starts), moments, side="right") - 1
    return np.maximum(place, 0).astype(np.int64)


def classes_of(config: MonitorConfig, sample: pa.Table) -> tuple[str, ...]:
    """Name the classes in the order of their numbers: of several, that of the score columns."""
    if config.task != "multiclass":
        return ("0", "1")
    if isinstance(config.columns.score, dict):
        return tuple(class_name(name) for name in config.columns.score)
    return class_codes(sample.column(LABEL))[1]


def rows_of(config: MonitorConfig, table: pa.Table, coder: Coder, classes: tuple[str, ...]) -> Rows:
    """Return rows as estimators read them, of a window or of a reference.

    Raises
    ------
    SourceError
        When a column that must be numeric is not.
    """
    columns = config.columns
    has = set(table.column_names)
    prediction = score = weight = None
    if columns.prediction in has:
        prediction = _as_numbers(config, table.column(columns.prediction), classes)
    if columns.scores and set(columns.scores) <= has and config.task != "regression":
        each = [as_scores(table.column(c)) for c in columns.scores]
        score = each[0] if config.task == "binary" else np.stack(each, axis=1)
    if columns.weight in has:
        weight = as_scores(table.column(columns.weight), where="weight")
    return Rows(coder.matrix(table), prediction, score, weight)


def _as_numbers(
    config: MonitorConfig, column: Any, classes: tuple[str, ...]
) -> NDArray[np.generic]:
    """Return classes as numbers from 0, -1 for none; for regression the numbers themselves."""
    if config.task == "regression":
        return as_scores(column)
    if config.task == "binary":
        positive, null = is_positive(column, config.columns.positive)
        return np.where(null, -1, positive.astype(np.int64))
    codes, names = class_codes(column)
    places = {name: i for i, name in enumerate(classes)}
    return np.array([*(places.get(name, -1) for name in names), -1], np.int64)[codes]
