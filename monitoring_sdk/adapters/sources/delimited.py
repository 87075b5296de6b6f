"""CSV: types that hold for a whole file, and its rows in blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from monitoring_sdk.adapters.sources.listing import Entry, arrow_filesystem
from monitoring_sdk.adapters.sources.parquet_files import unreadable
from monitoring_sdk.errors import SourceError

# Types are first guessed from one block; a smaller file is guessed from all of its rows.
BLOCK_BYTES = 8 << 20
COMPRESSED = (".gz", ".bz2", ".zst")
_BAD_ROW = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_BAD_VALUE = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to")


@lru_cache(maxsize=256)
def read_types(place: str, entry: Entry, columns: tuple[str, ...] | None) -> pa.Schema:
    """Return the types of a file's columns: each holds for every row of the columns named.

    Without `columns`, all columns are typed by the first block alone, so that a large file is
    not read to learn its schema.

    Raises
    ------
    SourceError
        When the file is no CSV, or a line has too few or too many values.
    """
    with _opened(place, entry, columns, {}) as reader:
        schema = reader.schema
    if columns is None:
        return schema
    types = {field.name: field.type for field in schema}
    if entry.size < BLOCK_BYTES and not entry.path.lower().endswith(COMPRESSED):
        return schema
    while True:
        wider = _first_misfit(place, entry, columns, types)
        if wider is None:
            return pa.schema(list(types.items()))
        types[wider] = _widened(types[wider])


def _first_misfit(
    place: str, entry: Entry, columns: Sequence[str], types: Mapping[str, pa.DataType]
) -> str | None:
    """Read a file with these types and return the column in which a value does not fit."""
    names = list(read_types(place, entry, None).names)
    with _opened(place, entry, columns, types) as reader:
        while True:
            try:
                reader.read_next_batch()
            except StopIteration:
                return None
            except pa.ArrowInvalid as error:
                bad = _BAD_VALUE.search(str(error))
                if bad is None or pa.types.is_string(types.get(names[int(bad[1])], pa.string())):
                    raise _damaged(entry, error) from None
                return names[int(bad[1])]
            except (pa.ArrowException, OSError) as error:
                raise _damaged(entry, error) from None


def _widened(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_null(kind):
        return pa.int64()
    if pa.types.is_integer(kind):
        return pa.float64()
    return pa.string()


def _damaged(entry: Entry, error: Exception) -> SourceError:
    row = _BAD_ROW.search(str(error))
    if row is None:
        # What follows the first line, or a quotation mark, may be data.
        return unreadable(entry, Exception(str(error).split("'")[0].strip()))
    return SourceError(f"{entry.shown}: line {row[1]} has {row[3]} values, the header {row[2]}")


@contextmanager
def _opened(
    place: str,
    entry: Entry,
    columns: Sequence[str] | None,
    types: Mapping[str, pa.DataType],
) -> Iterator[Any]:
    """Give a streaming reader of some columns, closed at the end."""
    convert = pacsv.ConvertOptions(
        include_columns=None if columns is None else list(columns),
        column_types=dict(types),
        strings_can_be_null=False,
    )
    with ExitStack() as stack:
        try:
            fs = arrow_filesystem(place)
            stream = stack.enter_context(fs.open_input_stream(entry.path, compression="detect"))
            reader = pacsv.open_csv(
                stream,
                # One thread, so that an error knows its line.
                pacsv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
                pacsv.ParseOptions(newlines_in_values=True),
                convert,
            )
        except (pa.ArrowException, OSError) as error:
            raise _damaged(entry, error) from None
        stack.enter_context(reader)
        yield reader


def _empty_is_null(batch: pa.RecordBatch) -> pa.RecordBatch:
    # Only an empty field is missing text: `NA` may be a country. Numbers treat both as missing.
    arrays = [
        pc.if_else(pc.equal(a, ""), pa.scalar(None, a.type), a) if pa.types.is_string(a.type) else a
        for a in batch.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def read_rows(
    place: str, entry: Entry, types: pa.Schema, columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file, in order, typed as `read_types` says.

    Raises
    ------
    SourceError
        Naming the file, and the line where one is known.
    """
    wanted = {name: types.field(name).type for name in columns}
    with _opened(place, entry, columns, wanted) as reader:
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (pa.ArrowException, OSError) as error:
                raise _damaged(entry, error) from None
            batch = _empty_is_null(batch)
            for start in range(0, batch.num_rows, batch_rows):
                yield batch.slice(start, batch_rows)
