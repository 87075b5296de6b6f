"""Schemas that change from file to file: one that holds for all, and batches cast to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from monitoring_sdk.errors import SourceError, did_you_mean


def unify(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return a schema that every one of these can be cast to.

    Columns stand in the order of their first appearance; integers widen to floats, and a column
    that is text in one file and something else in another is text.

    Examples
    --------
    >>> unify([pa.schema({"a": pa.int32()}), pa.schema({"a": pa.float32(), "b": pa.string()})])
    a: double
    b: string
    """
    distinct = list(dict.fromkeys(schemas))
    if len(distinct) == 1:
        return distinct[0]
    kinds: dict[str, pa.DataType] = {}
    for schema in distinct:
        for field in schema:
            kinds[field.name] = _wider(kinds.get(field.name, pa.null()), field.type)
    # A name that a file has twice stays twice, so that it can be refused.
    twice = [n for s in distinct for n in dict.fromkeys(s.names) if s.names.count(n) > 1]
    return pa.schema([*kinds.items(), *((n, kinds[n]) for n in dict.fromkeys(twice))])


def _wider(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    if left.equals(right):
        return left
    # Values matter here, not codes: dictionaries of two files seldom agree.
    left, right = (k.value_type if pa.types.is_dictionary(k) else k for k in (left, right))
    try:
        pair = [pa.schema({"c": kind}) for kind in (left, right)]
        return pa.unify_schemas(pair, promote_options="permissive").field("c").type
    except pa.ArrowException:
        return pa.string()


def conform(batch: pa.RecordBatch, schema: pa.Schema, name: str) -> pa.RecordBatch:
    """Return a batch with exactly the columns of a schema: cast, and null where it has none.

    Raises
    ------
    SourceError
        When a column cannot be cast.
    """
    if batch.schema.equals(schema):
        return batch
    arrays = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        if index < 0:
            arrays.append(pa.nulls(batch.num_rows, field.type))
            continue
        try:
            arrays.append(batch.column(index).cast(field.type))
        except pa.ArrowException:
            kind = batch.column(index).type
            raise SourceError(
                f"{name}: column {field.name!r} is {kind} here and {field.type} elsewhere"
            ) from None
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def present(
    columns: Sequence[str], available: Sequence[str], place: str, *, missing_ok: bool
) -> list[str]:
    """Return the columns asked for that there are, in the order asked for.

    Raises
    ------
    SourceError
        When one is missing or there twice, unless leaving it out is fine.
    """
    lacking = [c for c in columns if c not in available]
    if lacking and not missing_ok:
        told = []
        for name in lacking:
            near = did_you_mean(name, available)
            told.append(f"{name!r}" + (f" (did you mean {near!r}?)" if near else ""))
        raise SourceError(f"{place}: no column {', '.join(told)}; there are {_few(available)}")
    twice = [c for c in columns if available.count(c) > 1]
    if twice and not missing_ok:
        raise SourceError(f"{place}: several columns named {', '.join(map(repr, twice))}")
    return [c for c in dict.fromkeys(columns) if available.count(c) == 1]


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown or "none"
