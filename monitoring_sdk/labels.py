"""Labels: which one each prediction has as of a moment.

The rule: of the labels known by `as_of`, the one with the latest timestamp wins for each id (on
equal timestamps the later row). The label table is streamed: only rows whose id occurs among the
predictions are kept, so that memory grows with the predictions and not with the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring_sdk.label_keys import TEXT, IdKeys, fingerprint
from monitoring_sdk.label_stream import LabelCounts, SeenLabels, chunks, select
from monitoring_sdk.profile.categorical import nested_as_texts

# Looking ids up costs a hash table over the predictions, so small batches are put together.
CHUNK_ROWS = 1 << 18
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class LabelHistory:
    """Every label seen of some predictions, and when it came to be known.

    Attributes
    ----------
    ids : array of int64, shape (n,)
        A code for the id of each prediction; -1 without an id.
    codes, times : array of int64, shape (m,)
        The code and the microseconds since 1970 of each label row.
    labels : pa.Array of length m
        What it says.
    """

    ids: NDArray[np.int64]
    codes: NDArray[np.int64]
    times: NDArray[np.int64]
    labels: pa.Array

    def known_by(self, cutoffs: NDArray[np.int64]) -> pa.Array:
        """Return the label that each prediction had at a moment of its own.

        Parameters
        ----------
        cutoffs : array of int64, shape (n,)
            Microseconds since 1970; a label known at that very moment counts.

        Returns
        -------
        pa.Array of length n
            Null where there was none.

        Examples
        --------
        >>> history = LabelHistory(np.array([0, 0]), np.array([0, 0]), np.array([5, 9]),
        ...                        pa.array(["no", "yes"]))
        >>> history.known_by(np.array([4, 8])).to_pylist()
        [None, 'no']
        """
        # One sort lays each question right behind the labels that were known when it is asked.
        count = len(self.codes)
        asked = np.repeat([0, 1], [count, len(self.ids)])
        times = np.concatenate([self.times, cutoffs])
        codes = np.concatenate([self.codes, self.ids])
        order = np.lexsort((asked, times, codes))
        before = np.maximum.accumulate(np.where(order < count, np.arange(len(order)), -1))
        found = np.full(len(self.ids), -1, np.int64)
        question = order >= count
        answer = order[np.maximum(before[question], 0)]
        own = (before[question] >= 0) & (codes[answer] == codes[order[question]])
        found[order[question] - count] = np.where(own, answer, -1)
        found[self.ids < 0] = -1
        return self.labels.take(pa.array(found, mask=found < 0))


def with_missing(label: pa.Array, missing_is: object, has_id: NDArray[np.bool_]) -> pa.Array:
    """Return labels in which a missing one is a given value, where the prediction has an id.

    Where the value is not of the labels' type, all of them become text: classes are compared by
    their names.

    Examples
    --------
    >>> with_missing(pa.array([1, None, None]), 0, np.array([True, True, False])).to_pylist()
    [1, 0, None]
    """
    if pa.types.is_null(label.type):
        label = label.cast(pa.scalar(missing_is).type)
    try:
        value = pa.scalar(missing_is, label.type)
    except (pa.ArrowException, TypeError, ValueError):
        label, value = label.cast(TEXT), pa.scalar(str(missing_is), TEXT)
    fills = np.asarray(label.is_null().to_numpy(zero_copy_only=False), bool) & has_id
    return pc.if_else(pa.array(fills), value, label)


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
    newest : datetime or None
        The latest timestamp of any label row seen, whatever it says and joins: until then the
        table was written to.
    history : LabelHistory
        Every label seen of these predictions.
    """

    label: pa.Array
    label_timestamp: pa.Array
    counts: LabelCounts
    fingerprint: str
    newest: datetime | None
    history: LabelHistory

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
    >>> import pandas as pd
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
        until = (at - _EPOCH) // timedelta(microseconds=1)
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
    newest = None if seen.newest is None else _EPOCH + timedelta(microseconds=seen.newest)
    history = LabelHistory(keys.codes, codes, times, values)
    return ResolvedLabels(values.take(take), stamps, counts, mark, newest, history)


def _repeats(
    codes: NDArray[np.int64], times: NDArray[np.int64], values: pa.Array
) -> tuple[int, int]:
    """Count the rows that repeat an earlier one, and the ids with more than one label."""
    names = nested_as_texts(values).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    import pandas as pd

    rows = pd.DataFrame({"id": codes, "label": names, "at": times})
    pairs = rows[["id", "label"]].drop_duplicates()
    conflicting = pairs["id"][pairs["id"].duplicated()]
    return int(rows.duplicated().sum()), int(conflicting.nunique())
