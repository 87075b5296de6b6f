"""What a serving process logs, as a table: lists, arrays, Series and frames laid side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from monitoring_sdk.errors import ConfigError, explain


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
