"""What came to the collector, as rows: decoded, and checked against the monitor file."""

from __future__ import annotations

import hashlib
import json
import zlib
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from monitoring_sdk.adapters.collector_intake import MOMENT
from monitoring_sdk.adapters.collector_openapi import JSON
from monitoring_sdk.adapters.inference_log import PREDICTIONS
from monitoring_sdk.adapters.sending import ARROW
from monitoring_sdk.adapters.sources.timestamps import to_utc
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import SourceError
from monitoring_sdk.preflight import fits

MOST_DAYS = 400
"""Of the rows of one request."""


class BadRowsError(Exception):
    """Rows that are not taken: the status, where, what is wrong, what came, what is allowed."""

    def __init__(
        self, status: int, where: str, problem: str, got: Any = None, allowed: Any = ()
    ) -> None:
        super().__init__(problem)
        self.status = status
        self.told = {"where": where, "problem": problem, "got": got, "allowed": list(allowed)}


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """Undo gzip, up to a size."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise BadRowsError(415, "Content-Encoding", "not known", encoding, ["gzip", "identity"])
    try:
        stream = zlib.decompressobj(31)
        data = stream.decompress(body, most + 1)
    except zlib.error:
        raise BadRowsError(400, "body", "is no gzip") from None
    if len(data) > most:
        raise BadRowsError(413, "body", "is too large unpacked", f"> {most}", [f"<= {most} bytes"])
    if not stream.eof:
        raise BadRowsError(400, "body", "is half a gzip")
    return data


def decoded(body: bytes, media: str) -> pa.Table:
    """Read rows from JSON (`{"rows": [{...}]}`) or an Arrow IPC stream."""
    if media == ARROW:
        try:
            table = pa.ipc.open_stream(body).read_all()
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError):
            raise BadRowsError(400, "body", "is no Arrow IPC stream") from None
        return table
    if media != JSON:
        raise BadRowsError(415, "Content-Type", "not known", media, [JSON, ARROW])
    try:
        rows = json.loads(body, parse_constant=_no_constant)["rows"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise BadRowsError(400, "body", 'is no JSON of the form {"rows": [{...}, ...]}') from None
    if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
        raise BadRowsError(422, "rows", "must be a list of objects")
    names = dict.fromkeys(n for row in rows for n in row)
    try:
        return pa.table({n: pa.array([r.get(n) for r in rows]) for n in names})
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        raise BadRowsError(422, "rows", "a column holds values of several types") from None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def checked(table: pa.Table, config: MonitorConfig, kind: str, most: int, now: datetime) -> Any:
    """Return rows as the intake takes them and hashes of their ids.

    The id of a label is its id with its value and moment: a corrected label is another row.
    """
    columns = config.columns
    if not 1 <= table.num_rows <= most:
        allowed = [f"1 to {most} rows"]
        raise BadRowsError(422, "rows", "too few or too many", table.num_rows, allowed)
    at = columns.timestamp if kind == PREDICTIONS else columns.label_timestamp
    parts = (columns.prediction, *columns.scores) if kind == PREDICTIONS else (columns.label,)
    needed = [*columns.id, *([at.column] if at else []), *(str(p) for p in parts)]
    if not columns.id or None in parts:
        raise BadRowsError(422, "rows", "the monitor file names no id, or no label column")
    for name in needed:
        if table.column_names.count(name) != 1:
            raise BadRowsError(422, f"rows.{name}", "there must be one such column", None, needed)
    for name, type_ in zip(table.column_names, table.schema.types, strict=True):
        numeric = name in columns.numeric or (name in parts and name in columns.scores)
        plain = fits("numeric" if numeric else "categorical", str(type_))
        if not plain and name not in columns.embedding:
            kinds = ["numbers" if numeric else "numbers, truths, texts or moments"]
            raise BadRowsError(422, f"rows.{name}", "is of another type", str(type_), kinds)
    for name in (*columns.id, *([at.column] if at else [])):
        if table.column(name).null_count:
            raise BadRowsError(422, f"rows.{name}", "has no value in some row")
    table = table.unify_dictionaries().combine_chunks()
    ids = [table.column(n).to_pylist() for n in columns.id]
    if at is None:
        moments: Any = pa.repeat(pa.scalar(now, pa.timestamp("us", "UTC")), table.num_rows)
    else:
        try:
            moments = to_utc(table.column(at.column).combine_chunks(), at.unit, column=at.column)
        except (SourceError, pa.ArrowException):
            raise BadRowsError(422, f"rows.{at.column}", "holds what is no moment") from None
        if moments.null_count:
            raise BadRowsError(422, f"rows.{at.column}", "holds what is no moment")
        days = pc.count_distinct(pc.floor_temporal(moments, unit="day")).as_py()
        if days > MOST_DAYS:
            # Each day has a file of its own.
            raise BadRowsError(
                422, f"rows.{at.column}", "spans too many days", days, [f"<= {MOST_DAYS} days"]
            )
        if pa.types.is_string(table.schema.field(at.column).type):
            place = table.column_names.index(at.column)
            table = table.set_column(place, at.column, moments)
    if kind != PREDICTIONS:
        ids += [table.column(str(columns.label)).to_pylist()]
        ids += [pc.cast(moments, pa.int64()).to_pylist()] if at else []
    hashes = [_hash(row) for row in zip(*ids, strict=True)]
    return table.append_column(MOMENT, moments), hashes


def _hash(row: tuple[Any, ...]) -> bytes:
    # Whole numbers are one id however they came: 1, 1.0 and "1" are compared as texts elsewhere.
    texts = [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in row]
    data = "".join(f"{len(t)}:{t}" for t in texts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=12).digest()
