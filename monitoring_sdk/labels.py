"""Labels: which one each prediction has as of a moment, and when a window may be judged.

The rule: of the labels known by `as_of`, the one with the latest timestamp wins for each id (on
equal timestamps the later row). The label table is streamed: only rows whose id occurs among the
predictions are kept, so that memory grows with the predictions and not with the labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.label_keys import IdKeys, fingerprint
from monitoring_sdk.label_stream import SeenLabels, chunks, select
from monitoring_sdk.window import Window

# Looking ids up costs a hash table over the predictions, so small batches are put together.
CHUNK_ROWS = 1 << 18


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """What was found while labels were joined.

    Attributes
    ----------
    rows : int
        Predictions.
    labelled : int
        Predictions that have a label as of the moment.
    label_rows : int
        Label rows read, whatever became of them.
    late : int
        Label rows with a timestamp after the moment: not seen.
    undated : int
        Label rows without a timestamp although the column exists: not seen either.
    null_labels : int
        Label rows whose label is null, NaN or blank: no labels.
    null_ids : int
        Label rows whose id, or a part of it, is null or blank: they join nothing.
    null_prediction_ids : int
        Predictions with such an id: they never get a label.
    duplicate_predictions : int
        Predictions whose id an earlier row has; each of them gets the label.
    orphans : int
        Label rows seen whose id no prediction has.
    orphan_ids : int or None
        Their distinct ids; None beyond a million.
    duplicates : int
        Label rows seen that repeat id, label and timestamp of an earlier one.
    conflicts : int
        Ids of predictions for which more than one label was seen.
    """

    rows: int
    labelled: int
    label_rows: int = 0
    late: int = 0
    undated: int = 0
    null_labels: int = 0
    null_ids: int = 0
    null_prediction_ids: int = 0
    duplicate_predictions: int = 0
    orphans: int = 0
    orphan_ids: int | None = 0
    duplicates: int = 0
    conflicts: int = 0

    @property
    def coverage(self) -> float | None:
        """Labelled predictions as a share of all; None without any prediction."""
        return self.labelled / self.rows if self.rows else None


@dataclass(frozen=True, slots=True, eq=False)
class ResolvedLabels:
    """The label of each prediction, in the order of the predictions.

    Attributes
    ----------
    label : pa.Array of length rows
        In the type of the label column; null where there is none.
    label_timestamp : pa.Array of length rows
        Microseconds in UTC; null where there is no label, or no such column.
    counts : LabelCounts
        What was found.
    fingerprint : str
        A hash of the resolved (id, label) pairs, whatever their order: it changes exactly when
        the labels seen change.
    """

    label: pa.Array
    label_timestamp: pa.Array
    counts: LabelCounts
    fingerprint: str

    @property
    def coverage(self) -> float | None:
        """Labelled predictions as a share of all; None without any prediction."""
        return self.counts.coverage


def resolve(
    predictions: Any,
    labels: Iterable[Any],
    *,
    id_columns: Sequence[str],
    label: str,
    label_timestamp: str | None = None,
    unit: str | None = None,
    as_of: datetime | None = None,
) -> ResolvedLabels:
    """Find the label of each prediction, as of a moment.

    Parameters
    ----------
    predictions : pa.Table or DataFrame, of n rows
        At least the id columns.
    labels : iterable of pa.RecordBatch, pa.Table or DataFrame
        The label table, streamed in any order.
    id_columns : sequence of str
        One or several, of the same names in both tables; `1` and `"1"` are one id.
    label, label_timestamp : str
        Columns of the label table; without a timestamp every label is known at any time.
    unit : str, optional
        Of an integer timestamp: s, ms, us or ns.
    as_of : datetime, optional
        Labels with a later timestamp are not seen; naive means UTC. None sees all.

    Returns
    -------
    ResolvedLabels
        Of n rows, in the order of the predictions.

    Raises
    ------
    SourceError
        When a column is missing, or a timestamp cannot be read.

    Examples
    --------
    >>> seen = resolve(
    ...     pd.DataFrame({"id": [1, 2, 3]}),
    ...     [pd.DataFrame({"id": ["2", "1", "2", "9"], "y": [0, 1, 1, 0]})],
    ...     id_columns=["id"], label="y")
    >>> seen.label.to_pylist(), seen.counts.orphans, seen.counts.conflicts
    ([1, 1, None], 1, 1)
    """
    keys = IdKeys(select(predictions, id_columns, "predictions"), tuple(id_columns))
    until = None
    if as_of is not None:
        at = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
        until = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    seen = SeenLabels(keys, label, label_timestamp, unit)
    columns = [*id_columns, label, *([label_timestamp] if label_timestamp else [])]
    for chunk in chunks(labels, columns, max(CHUNK_ROWS, keys.rows)):
        seen.add(chunk, until)
    return _settle(keys, seen)


def _settle(keys: IdKeys, seen: SeenLabels) -> ResolvedLabels:
    """Let the latest label of each id win, and lay the winners beside the predictions."""
    codes, times, values = seen.codes, seen.times, seen.labels
    order = np.lexsort((times, codes))  # stable: on equal timestamps the later row comes last
    ranked = codes[order]
    last = np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)]
    winner = np.full(keys.distinct + 1, -1, np.int64)  # one more: the code -1 has no label
    winner[ranked[last]] = order[last]
    row = winner[keys.codes]
    take = pa.array(row, mask=row < 0)
    if seen.timestamp is None:
        stamps = pa.nulls(len(row), pa.timestamp("us", "UTC"))
    else:
        stamps = pa.array(times).cast(pa.timestamp("us", "UTC")).take(take)
    labelled = winner[:-1] >= 0
    duplicates, conflicts = _repeats(codes, times, values)
    counts = LabelCounts(
        rows=keys.rows,
        labelled=int(np.count_nonzero(row >= 0)),
        null_prediction_ids=int(np.count_nonzero(keys.codes < 0)),
        duplicate_predictions=int(np.count_nonzero(keys.codes >= 0)) - keys.distinct,
        orphan_ids=None if seen.orphan_hashes is None else len(seen.orphan_hashes),
        duplicates=duplicates,
        conflicts=conflicts,
        **seen.counted,
    )
    seen_labels = values.take(pa.array(winner[:-1][labelled]))
    mark = fingerprint(keys.id_hashes()[labelled], seen_labels)
    return ResolvedLabels(values.take(take), stamps, counts, mark)


def _repeats(
    codes: NDArray[np.int64], times: NDArray[np.int64], values: pa.Array
) -> tuple[int, int]:
    """Count the rows that repeat an earlier one, and the ids with more than one label."""
    names = values.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    rows = pd.DataFrame({"id": codes, "label": names, "at": times})
    pairs = rows[["id", "label"]].drop_duplicates()
    conflicting = pairs["id"][pairs["id"].duplicated()]
    return int(rows.duplicated().sum()), int(conflicting.nunique())


@dataclass(frozen=True, slots=True)
class DueState:
    """Whether a window's performance may be judged, and why."""

    state: Literal["pending", "waiting", "ready", "given_up"]
    reason: str

    @property
    def judged(self) -> bool:
        """Whether it is judged now: ready, or given up waiting."""
        return self.state in ("ready", "given_up")


def labels_due(
    window: Window,
    as_of: datetime,
    delay: timedelta,
    coverage: float,
    give_up: timedelta | None,
    seen_coverage: float | None,
) -> DueState:
    """Say whether the labels of a window are due.

    Parameters
    ----------
    window : Window
        The predictions' window.
    as_of : datetime
        The moment of the run, aware.
    delay : timedelta
        Labels are not expected before `window.end + delay`.
    coverage : float
        The share of labelled predictions, in [0, 1], that is enough.
    give_up : timedelta or None
        From `window.end + give_up` on the window is judged with what there is; None waits on.
    seen_coverage : float or None
        The share labelled as of `as_of`; None where there is no prediction.

    Returns
    -------
    DueState
        `pending` before the delay is past, then `ready` once coverage is reached, else
        `waiting`, and in the end `given_up`.

    Examples
    --------
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> labels_due(day, datetime(2013, 6, 7, tzinfo=UTC), timedelta(days=2), 0.9,
    ...            timedelta(days=14), 0.5)
    DueState(state='waiting', reason='50.0 % of the labels are known, 90.0 % are asked for')
    """
    due = window.end + delay
    if as_of < due:
        return DueState("pending", f"labels are due at {due.isoformat()}")
    if seen_coverage is None:
        return DueState("ready", "no predictions, so no labels to wait for")
    known = f"{_percent(seen_coverage)} of the labels are known, {_percent(coverage)} are asked for"
    if seen_coverage >= coverage:
        return DueState("ready", known)
    if give_up is not None and as_of >= window.end + give_up:
        return DueState("given_up", f"{known}; given up at {(window.end + give_up).isoformat()}")
    return DueState("waiting", known)


def _percent(share: float) -> str:
    # Rounded down, so that a share just below what is asked for does not read as if it were there.
    return f"{math.floor(share * 1000 + 1e-9) / 10:.1f} %"
