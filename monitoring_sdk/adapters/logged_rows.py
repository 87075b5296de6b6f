"""What a serving process logs, as a table: lists, arrays, Series and frames laid side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from monitoring_sdk.errors import ConfigError, explain
from monitoring_sdk.labels import resolve
from monitoring_sdk.metrics.columns import other_classes
from monitoring_sdk.metrics.rows import TASKS, LabelledRows, read_rows
from monitoring_sdk.metrics.table import find_metric

ID, TIMESTAMP, PREDICTION, SCORE, LATENCY = "id", "timestamp", "prediction", "score", "latency_ms"
LABEL, LABEL_TIMESTAMP, QUERY, ITEM = "label", "label_timestamp", "query", "item"


def moments(column: pd.Series, name: str) -> pd.Series:
    """Read a column of moments; naive ones are in UTC."""
    if pd.api.types.is_numeric_dtype(column) and len(column):
        raise ConfigError(f"{name} must hold moments, not numbers: their unit is not known")
    try:
        texts = not pd.api.types.is_datetime64_any_dtype(column)
        found = pd.to_datetime(column, utc=True, format="ISO8601" if texts else None)
    except (ValueError, TypeError, OverflowError) as error:
        raise ConfigError(f"{name} holds what is no moment: {str(error).splitlines()[0]}") from None
    if found.isna().any():
        raise ConfigError(f"{name} has no value in {int(found.isna().sum())} rows")
    return found


def with_id_and_moment(rows: pd.DataFrame, at: str, first: int, now: datetime) -> pd.DataFrame:
    """Return rows with an id (default: their number, from `first` on) and a moment (default: now).

    Parameters
    ----------
    at : str
        The column of moments.
    """
    given = {} if ID in rows else {ID: np.arange(first, first + len(rows))}
    at_utc = moments(rows[at], at) if at in rows else pd.Series(now, index=rows.index)
    return rows.assign(**given, **{at: at_utc.astype("datetime64[us, UTC]")})


def gathered(kept: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Put the rows of all calls together; without any, a frame of the columns alone."""
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame({c: [] for c in columns})


def one_column(values: Any, name: str) -> pd.Series:
    """Return values as a column; an array of one column is one."""
    shape = np.shape(values) if isinstance(values, np.ndarray) else ()
    if len(shape) > 1:
        if len(shape) > 2 or shape[1] != 1:
            raise ConfigError(f"{name} must have one dimension, got the shape {shape}")
        values = values[:, 0]
    return pd.Series(values).reset_index(drop=True)


def _features(features: Any, rows: int) -> pd.DataFrame:
    """Return features as a table; a mapping of single values says the same of every row."""
    if isinstance(features, Mapping) and all(np.ndim(v) == 0 for v in features.values()):
        table = pd.DataFrame(dict(features), index=range(rows))
    else:
        try:
            table = pd.DataFrame(features).reset_index(drop=True)
        except ValueError as error:
            raise ConfigError(f"features are no table: {error}") from None
    return table.rename(columns=str)


def lay_rows(
    values: Any,
    name: str,
    extra: Mapping[str, Any],
    features: Any = None,
    single: Collection[str] = (),
) -> pd.DataFrame:
    """Lay columns side by side; every one must have as many rows as the first.

    Parameters
    ----------
    values : array-like of shape (n,), mapping or DataFrame
        What the column `name` holds, or a frame that has such a column.
    extra : mapping
        Further columns by name; None is left out, and one value is that of every row.
    features : DataFrame, mapping or array-like of shape (n, m), optional
    single : collection of str
        Columns of `extra` whose one value belongs to one row.

    Raises
    ------
    ConfigError
        When lengths differ, or the frame lacks the column.
    """
    if isinstance(values, pd.DataFrame | Mapping):
        rows = _features(values, 1).copy()
        if name not in rows:
            raise ConfigError(explain("the frame lacks a column", got=name, allowed=list(rows)))
    else:
        rows = pd.DataFrame({name: one_column(values, name)})
    for key, given in extra.items():
        if given is None:
            continue
        # One latency may be that of a whole batch, but one id is that of one row.
        repeated = np.ndim(given) == 0 and key not in single
        column = one_column([given] * len(rows) if repeated else given, key)
        if len(column) != len(rows):
            raise ConfigError(f"{key} has {len(column)} values, {name} has {len(rows)}")
        rows[key] = column.array
    if features is not None:
        table = _features(features, len(rows))
        if len(table) != len(rows):
            raise ConfigError(f"features has {len(table)} rows, {name} has {len(rows)}")
        rows = pd.concat([rows, table.drop(columns=[c for c in table if c in rows])], axis=1)
    return rows


def score_columns(scores: Any) -> dict[str, Any]:
    """Return scores as columns: one, or one for each class of a mapping or a frame.

    Examples
    --------
    >>> list(score_columns({"economy": [0.2], "first": [0.8]}))
    ['score_economy', 'score_first']
    """
    if isinstance(scores, pd.DataFrame | Mapping):
        return {f"{SCORE}_{name}": scores[name] for name in scores}
    return {SCORE: scores}


def guess_task(predictions: pd.DataFrame, labels: pd.DataFrame, metric: str | None = None) -> str:
    """Say of which task logged rows are, when nobody has said it.

    A metric that one task alone has decides. Else rows of queries are a ranking's, predictions
    that are no whole numbers a regression's, more than two classes multiclass, the rest binary.

    Examples
    --------
    >>> rows = pd.DataFrame({"prediction": [0, 1]})
    >>> guess_task(rows, pd.DataFrame()), guess_task(rows, pd.DataFrame(), "mae")
    ('binary', 'regression')
    """
    tasks = TASKS if metric is None else tuple(t for t in TASKS if _has(metric, t))
    if len(tasks) == 1:
        return tasks[0]
    if QUERY in predictions and "ranking" in tasks:
        return "ranking"
    if "regression" in tasks and _fractions(predictions, PREDICTION):
        return "regression"
    classes: set[str] = set()
    for frame, column in ((predictions, PREDICTION), (labels, LABEL)):
        classes |= other_classes(frame[column], positive=1) if column in frame else set()
    several = len(classes) > 1 or any(str(c).startswith(f"{SCORE}_") for c in predictions)
    return "multiclass" if several and "multiclass" in tasks else tasks[0] if tasks else TASKS[0]


def _fractions(frame: pd.DataFrame, column: str) -> bool:
    """Say whether a column holds numbers that are not whole."""
    if column not in frame or not pd.api.types.is_float_dtype(frame[column]):
        return False
    known = frame[column].to_numpy(float, na_value=np.nan)
    known = known[np.isfinite(known)]
    return bool((known != np.round(known)).any())


def _has(metric: str, task: str) -> bool:
    try:
        find_metric(metric, task)
    except ConfigError:
        return False
    return True


def pair_labels(
    predictions: pd.DataFrame, labels: pd.DataFrame, task: str
) -> tuple[LabelledRows, float | None]:
    """Pair logged predictions with the newest label of each id, as a task's metrics read them.

    Returns
    -------
    tuple of LabelledRows and float
        The rows, and the share of the predictions that they are; None without any label.
    """
    if predictions.empty or labels.empty:
        return read_rows(task, [], prediction=[], **_parts(predictions.head(0), task)), None
    found = resolve(
        predictions[[ID]],
        [labels],
        id_columns=[ID],
        label=LABEL,
        label_timestamp=LABEL_TIMESTAMP,
    )
    rows = read_rows(
        task, found.label, prediction=predictions[PREDICTION], **_parts(predictions, task)
    )
    return rows, found.coverage


def _parts(predictions: pd.DataFrame, task: str) -> dict[str, Any]:
    """Return the columns that a task's metrics read beside label and prediction."""
    if task == "multiclass":
        mark = f"{SCORE}_"
        named = [str(c) for c in predictions if str(c).startswith(mark)]
        by_class = {c.removeprefix(mark): predictions[c] for c in named}
        return {"score": by_class or None}
    if task == "ranking":
        return {name: predictions.get(name) for name in (SCORE, QUERY, ITEM)}
    return {"score": predictions.get(SCORE)} if task == "binary" else {}
