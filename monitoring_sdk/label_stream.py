"""The streaming pass over a label table: sift each chunk, keep what joins a prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring_sdk.errors import SourceError, explain
from monitoring_sdk.label_keys import TEXT, IdKeys
from monitoring_sdk.metrics.columns import as_array

# Beyond this many distinct orphan ids only their rows are counted, or memory would grow.
ORPHAN_IDS = 1_000_000
_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
COUNTED = ("label_rows", "late", "undated", "null_labels", "null_ids", "orphans")


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

    @property
    def lost(self) -> tuple[str, ...]:
        """Which label rows can never join, or are never seen, in words.

        Examples
        --------
        >>> LabelCounts(9, 9, label_rows=9, null_ids=2).lost
        ('2 of 9 label rows have no id and join nothing',)
        """
        found = (
            (self.null_ids, "have no id and join nothing"),
            (self.undated, "have no timestamp and are never seen"),
        )
        return tuple(f"{n} of {self.label_rows} label rows {what}" for n, what in found if n)


def select(data: Any, columns: Sequence[str], where: str) -> pa.Table:
    """Return the named columns of a frame, a table or a record batch as a table.

    Raises
    ------
    SourceError
        When a column is missing.
    """
    frame = not isinstance(data, pa.Table | pa.RecordBatch)
    names = [str(name) for name in (data.columns if frame else data.schema.names)]
    for column in columns:
        if column not in names:
            raise SourceError(explain("no such column", where=where, got=column, allowed=names))
    if frame:
        return pa.Table.from_pandas(data[list(columns)], preserve_index=False)
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    return data.select(list(columns))


def chunks(batches: Iterable[Any], columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """Put record batches of one shape together to `rows` rows or more, needed columns alone."""
    held: list[pa.Table] = []
    for batch in batches:
        table = select(batch, columns, "labels")
        if held and (table.schema != held[0].schema or sum(t.num_rows for t in held) >= rows):
            yield pa.concat_tables(held)
            held = []
        held.append(table)
    if held:
        yield pa.concat_tables(held)


def microseconds(column: pa.Array, unit: str | None, where: str) -> pa.Array:
    """Return timestamps as int64 microseconds since 1970 in UTC; naive means UTC.

    Parameters
    ----------
    column : pa.Array
        Timestamps, dates, ISO 8601 text, or numbers with a `unit`.
    unit : str or None
        s, ms, us or ns.
    where : str
        The column's name, for the error.

    Raises
    ------
    SourceError
        When the column cannot be read as times.

    Examples
    --------
    >>> microseconds(pa.array(["1970-01-01T00:00:01Z", None]), None, "at").to_pylist()
    [1000000, None]
    """
    kind = column.type
    if pa.types.is_null(kind):
        return column.cast(pa.int64())
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("us"))
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if unit not in _MICROSECONDS:
            raise SourceError(
                explain("numbers as times need a unit", where=where, allowed=[*_MICROSECONDS])
            )
        if pa.types.is_integer(kind) and unit != "ns":
            return pc.multiply(column.cast(pa.int64()), int(_MICROSECONDS[unit]))
        scaled = pc.multiply(column.cast(pa.float64(), safe=False), _MICROSECONDS[unit])
        return pc.floor(scaled).cast(pa.int64())
    elif not pa.types.is_timestamp(kind):
        column = _read_text(column, where)
    return column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())


def _read_text(column: pa.Array, where: str) -> pa.Array:
    import pandas as pd

    try:
        times = pd.to_datetime(column.cast(TEXT).to_pandas(), utc=True, format="ISO8601")
    except (ValueError, pa.ArrowException):
        raise SourceError(
            explain("not a column of times", where=where, got=str(column.type))
        ) from None
    return pa.array(times, from_pandas=True)


def known_label(column: pa.Array) -> NDArray[np.bool_]:
    """Say which labels are labels: neither null, nor NaN, nor blank text."""
    known = pc.is_valid(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        blank = pc.equal(pc.utf8_trim_whitespace(column), "")
        known = pc.and_(known, pc.invert(pc.fill_null(blank, True)))
    return np.asarray(known.to_numpy(zero_copy_only=False), bool)


class SeenLabels:
    """The label rows seen so far whose id is a prediction's, and counts of all the others."""

    def __init__(self, keys: IdKeys, label: str, timestamp: str | None, unit: str | None) -> None:
        self.keys, self.label, self.timestamp, self.unit = keys, label, timestamp, unit
        self.counted = dict.fromkeys(COUNTED, 0)
        self.newest: int | None = None
        self.orphan_hashes: NDArray[np.uint64] | None = np.zeros(0, np.uint64)
        self._codes = [np.zeros(0, np.int64)]
        self._times = [np.zeros(0, np.int64)]
        self._labels: list[pa.Array] = []

    @property
    def codes(self) -> NDArray[np.int64]:
        """The code of the prediction's id, for each label row kept."""
        return np.concatenate(self._codes)

    @property
    def times(self) -> NDArray[np.int64]:
        """The label's timestamp in microseconds, for each label row kept."""
        return np.concatenate(self._times)

    @property
    def labels(self) -> pa.Array:
        """The labels kept, in one type: numbers of several types are floats, else text."""
        kinds = {a.type for a in self._labels if not pa.types.is_null(a.type)}
        if not kinds:
            return pa.nulls(0)
        kind = kinds.pop()
        if kinds:
            numeric = all(pa.types.is_integer(k) or pa.types.is_floating(k) for k in {kind, *kinds})
            kind = pa.float64() if numeric else TEXT
        return pa.concat_arrays([a.cast(kind) for a in self._labels])

    def add(self, table: pa.Table, until: int | None) -> None:
        """Take one chunk of the label table: sift it, and keep what joins.

        Parameters
        ----------
        table : pa.Table
            Rows of the label table, after those of earlier calls.
        until : int or None
            Microseconds since 1970; labels with a later timestamp are not seen.
        """
        self.counted["label_rows"] += table.num_rows
        times = np.zeros(table.num_rows, np.int64)
        if self.timestamp is not None:
            stamps = microseconds(as_array(table[self.timestamp]), self.unit, self.timestamp)
            dated = np.asarray(stamps.is_valid().to_numpy(zero_copy_only=False), bool)
            times = np.asarray(stamps.fill_null(0).to_numpy(zero_copy_only=False))
            table, times = self._keep("undated", dated, table, times)
            if until is not None:
                table, times = self._keep("late", times <= until, table, times)
            # Whatever the row says, it shows that the table was written to.
            if len(times):
                self.newest = max(int(times.max()), self.newest or int(times.max()))
        table, times = self._keep(
            "null_labels", known_label(as_array(table[self.label])), table, times
        )
        codes, null = self.keys.encode(table)
        self.counted["null_ids"] += int(np.count_nonzero(null))
        self._count_orphans(table, (codes < 0) & ~null)
        joins = codes >= 0
        self._codes.append(codes[joins])
        self._times.append(times[joins])
        self._labels.append(as_array(table[self.label]).filter(pa.array(joins)))

    def _keep(
        self, name: str, kept: NDArray[np.bool_], table: pa.Table, times: NDArray[np.int64]
    ) -> tuple[pa.Table, NDArray[np.int64]]:
        dropped = len(kept) - int(np.count_nonzero(kept))
        self.counted[name] += dropped
        return (table.filter(pa.array(kept)), times[kept]) if dropped else (table, times)

    def _count_orphans(self, table: pa.Table, orphan: NDArray[np.bool_]) -> None:
        self.counted["orphans"] += int(np.count_nonzero(orphan))
        if self.orphan_hashes is not None and orphan.any():
            hashes = self.keys.hashes(table.filter(pa.array(orphan)))
            # Sorting takes a hundredth of what numpy.unique does on hashes.
            merged = np.sort(np.concatenate([self.orphan_hashes, hashes]))
            self.orphan_hashes = merged[np.append(True, merged[1:] != merged[:-1])]
            if len(self.orphan_hashes) > ORPHAN_IDS:
                self.orphan_hashes = None
