"""Verdicts in the store: how checks are packed, and read back as rows or as one table."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from monitoring_sdk.adapters.schema import profile, result
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.report import Check, check_of
from monitoring_sdk.window import Window

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("data", "performance")
# The columns of a history, beside those of the window; the second item is the dtype.
_OF_CHECK = (
    ("value", "float64"),
    ("threshold", "float64"),
    ("exceeded", "bool"),
    ("status", "str"),
    ("severity", "str"),
    ("n", "Int64"),
)
_ORDER = tuple(f.name for f in dataclasses.fields(Check))
_FIELDS = frozenset(_ORDER)
_DEFAULTS = {
    f.name: f.default for f in dataclasses.fields(Check) if f.default is not dataclasses.MISSING
}


def pack_json(value: Any) -> bytes:
    """Write a JSON value small."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return zlib.compress(text.encode(), level=1)


def unpack_json(packed: bytes) -> Any:
    """Read it back."""
    return json.loads(zlib.decompress(packed))


def pack_checks(checks: Sequence[Check], window: Window) -> bytes:
    """Pack checks a field at a time: a history reads six fields of many thousand checks.

    A field that is null in every check, and the window where it is the row's own, are left out.
    """
    dicts = [{**c.to_dict(), "state": c.state} for c in checks]
    own = window.to_dict()
    columns: dict[str, list[Any]] = {}
    for name in dicts[0] if dicts else ():
        values = [d[name] for d in dicts]
        if any(v is not None for v in values) and not (
            name == "window" and all(v == own for v in values)
        ):
            columns[name] = values
    return pack_json({"count": len(dicts), "columns": columns})


# A process that walks through many windows reads the verdicts on the last ones again and again.
@lru_cache(maxsize=1024)
def unpack_checks(packed: bytes, window: Window) -> tuple[Check, ...]:
    """Read the checks back, in their order."""
    data = unpack_json(packed)
    columns = {k: v for k, v in data["columns"].items() if k in _FIELDS}
    for name, read in (("window", Window.from_dict), ("interval", tuple)):
        if name in columns:
            columns[name] = [None if v is None else read(v) for v in columns[name]]
    count = data["count"]
    columns.setdefault("window", [window] * count)
    fields = (columns.get(f) or repeat(_DEFAULTS.get(f), count) for f in _ORDER)
    return tuple(map(check_of, zip(*fields, strict=True)))


def values_of(row: ResultRow) -> dict[str, Any]:
    """Return a verdict as the columns of its table, but for its revision."""
    return {
        **key_of(row),
        "as_of": row.as_of,
        "status": row.status,
        "reason": row.reason,
        "rows": row.rows,
        "checks": pack_checks(row.checks, row.window),
    }


def key_of(row: ResultRow) -> dict[str, Any]:
    """Return what a verdict is a verdict on: the same is never stored twice."""
    return {
        "model": row.model,
        "window_start": row.window.start,
        "window_end": row.window.end,
        "part": row.part,
        "baseline": row.baseline or "",
        "settings": row.settings,
        "fingerprint": row.fingerprint,
    }


def matches(values: dict[str, Any]) -> sa.ColumnElement[bool]:
    """Return the condition that columns of the result table have these values."""
    return sa.and_(*(result.c[name] == value for name, value in values.items()))


def row_of(found: sa.Row[Any]) -> ResultRow:
    """Read a verdict back."""
    window = Window(found.window_start, found.window_end)
    return ResultRow(
        found.model,
        window,
        found.part,
        found.baseline or None,
        found.settings,
        found.fingerprint,
        found.as_of,
        found.status,
        found.reason,
        found.rows,
        unpack_checks(bytes(found.checks), window),
        found.revision,
    )


def evaluated_until(connection: sa.Connection, model: str) -> datetime | None:
    """Return the end of the newest window that was evaluated; one that ended in `error` was not."""
    query = sa.select(sa.func.max(result.c.window_end)).where(
        result.c.model == model, result.c.part == "data", result.c.status != "error"
    )
    return connection.execute(query).scalar()


def remove(
    connection: sa.Connection, model: str, before: datetime, keep: Window | None
) -> tuple[int, int]:
    """Remove verdicts and profiles of windows that end by a moment and do not lie in a span."""
    counts = []
    for table in (result, profile):
        old = sa.and_(table.c.model == model, table.c.window_end <= before)
        if keep is not None:
            inside = sa.and_(table.c.window_start >= keep.start, table.c.window_end <= keep.end)
            old = sa.and_(old, ~inside)
        counts.append(connection.execute(table.delete().where(old)).rowcount)
    return counts[0], counts[1]


@lru_cache(maxsize=1)
def select_newest() -> sa.Select[Any]:
    """Return the query for the newest verdict on each part of each window."""
    later = result.alias("later")
    same = ("model", "part", "window_end", "window_start")
    newer = sa.exists().where(
        *(later.c[name] == result.c[name] for name in same),
        later.c.revision > result.c.revision,
    )
    return sa.select(result).where(~newer)


def inside(
    query: sa.Select[Any],
    model: str,
    start: datetime | None,
    end: datetime | None,
    part: str | None,
) -> sa.Select[Any]:
    """Keep the verdicts on a model's windows inside `[start, end)`, and on one part of them."""
    query = query.where(result.c.model == model)
    if start is not None:
        query = query.where(result.c.window_start >= start)
    if end is not None:
        query = query.where(result.c.window_end <= end)
    return query if part is None else query.where(result.c.part == part)


def judged(
    connection: sa.Connection, model: str, since: datetime, until: datetime, lag: timedelta
) -> list[ResultRow]:
    """Return the newest verdicts on a model's windows of a span; see `Deciding.judged`."""
    data = sa.and_(
        result.c.part == "data", result.c.window_end > since, result.c.window_end <= until
    )
    due = sa.and_(
        result.c.part != "data", result.c.as_of > since + lag, result.c.as_of <= until + lag
    )
    query = select_newest().where(result.c.model == model, sa.or_(data, due))
    query = query.order_by(result.c.window_end, result.c.part)
    return [row_of(found) for found in connection.execute(query)]


def read_history(
    connection: sa.Connection,
    model: str,
    keys: Collection[str] | None = None,
    before: datetime | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """Return a model's checks over its windows; see `Store.history`."""
    found: list[sa.Row[Any]] = []
    for part in PARTS:
        query = select_newest().where(result.c.model == model, result.c.part == part)
        if before is not None:
            query = query.where(result.c.window_end <= before)
        query = query.order_by(result.c.window_end.desc(), result.c.window_start.desc())
        found += connection.execute(query.limit(limit)).all()
    found.sort(key=lambda row: (row.window_end, row.part))
    return _table(found, keys)


def _table(found: Iterable[sa.Row[Any]], keys: Collection[str] | None) -> pd.DataFrame:
    # Most that read verdicts want no table.
    import pandas as pd

    found = list(found)
    packed = [unpack_json(row.checks) for row in found]
    counts = np.array([p["count"] for p in packed], dtype=np.int64)

    def of_check(name: str) -> list[Any]:
        missing = False if name == "exceeded" else None
        out: list[Any] = []
        for p in packed:
            out += p["columns"].get(name) or [missing] * p["count"]
        return out

    def array(values: list[Any], dtype: Any) -> Any:
        return pd.array(values, dtype=dtype)

    def of_row(values: list[Any], dtype: str) -> Any:
        return array(values, dtype).repeat(counts)

    utc = "datetime64[us, UTC]"
    columns = {
        "key": array(of_check("key"), "str"),
        "part": of_row([r.part for r in found], "str"),
        "window_start": of_row([r.window_start for r in found], utc),
        "window_end": of_row([r.window_end for r in found], utc),
        **{name: array(of_check(name), dtype) for name, dtype in _OF_CHECK},
        **{
            name: of_row([getattr(r, name) for r in found], "str")
            for name in ("fingerprint", "baseline", "settings")
        },
    }
    table = pd.DataFrame(columns)
    if keys is not None:
        table = table[table["key"].isin(list(keys))].reset_index(drop=True)
    return table
