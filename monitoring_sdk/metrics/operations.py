"""OPERATIONS: how the service itself does; rows, latency, errors, staleness, outages.

Throughput is `rows`: the requests of a window, all of which have the same length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring_sdk.errors import ConfigError, SourceError, explain
from monitoring_sdk.metrics.columns import as_array, as_scores
from monitoring_sdk.value import Value

_NO_ERROR = frozenset({"", "0", "false"})


def latency_quantile(values: Any, share: float) -> Value:
    """Return an exact quantile of the finite latencies, linear between ranks.

    Parameters
    ----------
    values : array-like of shape (n,)
        Latencies, in the column's own unit (milliseconds for `latency_ms`).
    share : float
        In [0, 1].

    Returns
    -------
    Value
        `n` finite latencies; `reason` says how many rows had none, and how many were negative
        (a broken clock: they are counted as they came).

    Raises
    ------
    SourceError
        When a value is not a number.

    Examples
    --------
    >>> latency_quantile([10, 20, 30, None], 0.5)  # doctest: +ELLIPSIS
    Value(value=20.0, reason='1 of 4 rows have no finite latency', ...n=3)
    """
    latency = as_scores(values, where="latency")
    finite = latency[np.isfinite(latency)]
    if not len(latency):
        return Value.undefined("no rows", n=0)
    if not len(finite):
        return Value.undefined("no row has a finite latency", n=0)
    notes = []
    if len(finite) < len(latency):
        notes.append(f"{len(latency) - len(finite)} of {len(latency)} rows have no finite latency")
    if negative := int(np.count_nonzero(finite < 0)):
        notes.append(f"{negative} latencies are negative")
    return Value(float(np.quantile(finite, share)), "; ".join(notes) or None, n=len(finite))


def failed(values: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Say which rows of an error column failed.

    True, a number other than 0, and text that is not blank, ``0`` or ``false`` are failures;
    null and NaN are not.

    Examples
    --------
    >>> failed(["timeout", None, "", "False"]).tolist()
    [True, False, False, False]
    """
    column = as_array(values)
    if pa.types.is_null(column.type):
        return np.zeros(len(column), bool)
    if pa.types.is_boolean(column.type):
        hits = column
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        hits = pc.not_equal(column, pa.scalar(0, column.type))
    else:
        encoded = column.dictionary_encode()
        said = [str(v).strip().lower() not in _NO_ERROR for v in encoded.dictionary.to_pylist()]
        hits = pc.take(pa.array(said, pa.bool_()), encoded.indices)
    return np.asarray(pc.fill_null(hits, False).to_numpy(zero_copy_only=False), dtype=bool)


def error_rate(values: Any) -> Value:
    """Return the share of rows whose error column says that they failed, in [0, 1].

    Examples
    --------
    >>> error_rate([None, "timeout", None, None]).value
    0.25
    """
    hits = failed(values)
    if not len(hits):
        return Value.undefined("no rows", n=0)
    return Value(float(np.count_nonzero(hits)) / len(hits), n=len(hits))


def staleness(newest: datetime | None, end: datetime) -> Value:
    """Return the hours from the newest row's timestamp to the window's end; naive means UTC.

    Examples
    --------
    >>> staleness(datetime(2013, 6, 3, 21), datetime(2013, 6, 4, tzinfo=UTC)).value
    3.0
    """
    if newest is None:
        return Value.undefined("no row has a timestamp", n=0)
    at, until = (t if t.tzinfo else t.replace(tzinfo=UTC) for t in (newest, end))
    return Value((until - at).total_seconds() / 3600)


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What a window tells of the service: its rows, and the columns that it may have.

    Parameters
    ----------
    rows : int
        Predictions in the window.
    end : datetime
        The window's end.
    latency, error : array-like of shape (rows,), optional
        The columns, where the model has them.
    newest : datetime, optional
        The newest row's timestamp.
    missing : int, optional
        Windows right before this one that had no rows, or that nobody looked at.
    """

    rows: int
    end: datetime
    latency: Any = None
    error: Any = None
    newest: datetime | None = None
    missing: int | None = None


def _rows(served: Served) -> Value:
    return Value(float(served.rows), n=served.rows)


def _latency(served: Served, *, share: float) -> Value:
    if served.latency is None:
        return Value.undefined("needs a latency column, and there is none", n=0)
    return latency_quantile(served.latency, share)


def _error_rate(served: Served) -> Value:
    if served.error is None:
        return Value.undefined("needs an error column, and there is none", n=0)
    return error_rate(served.error)


def _staleness(served: Served) -> Value:
    return staleness(served.newest, served.end)


def _missing_windows(served: Served) -> Value:
    if served.missing is None:
        return Value.undefined("needs a history of windows, and there is none")
    return Value(float(served.missing))


@dataclass(frozen=True, slots=True)
class Operation:
    """One quantity of the service; `needs` is the column of the monitor file that it reads.

    `history` stands for the windows that were looked at before.
    """

    name: str
    compute: Callable[[Served], Value]
    unit: str
    better: Literal["higher", "lower"]
    needs: str | None = None


_TABLE = (
    Operation("rows", _rows, "rows", "higher"),
    Operation("latency_p50", partial(_latency, share=0.50), "ms", "lower", "latency_ms"),
    Operation("latency_p95", partial(_latency, share=0.95), "ms", "lower", "latency_ms"),
    Operation("latency_p99", partial(_latency, share=0.99), "ms", "lower", "latency_ms"),
    Operation("error_rate", _error_rate, "share", "lower", "error"),
    Operation("staleness", _staleness, "hours", "lower", "timestamp"),
    Operation("missing_windows", _missing_windows, "windows", "lower", "history"),
)
OPERATIONS: Mapping[str, Operation] = MappingProxyType({row.name: row for row in _TABLE})


def operation(name: str, served: Served) -> Value:
    """Compute one quantity by its name.

    Raises
    ------
    ConfigError
        When there is no such name.

    Examples
    --------
    >>> operation("rows", Served(rows=912, end=datetime(2013, 6, 4, tzinfo=UTC))).value
    912.0
    """
    if name not in OPERATIONS:
        raise ConfigError(explain("unknown operation", got=name, allowed=sorted(OPERATIONS)))
    try:
        return OPERATIONS[name].compute(served)
    except SourceError as error:
        return Value.undefined(str(error), n=served.rows)
