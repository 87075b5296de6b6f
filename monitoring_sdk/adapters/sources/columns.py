"""Which columns are features, and of which kind: globs and types, against a source's schema."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import pyarrow as pa

from monitoring_sdk.config_sections import Columns

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Features:
    """The feature columns of a model, in the order of their kinds.

    `kinds` maps each to `numeric` or `categorical`; `skipped` holds the columns that no kind fits
    (moments, lists, bytes), where kinds were inferred.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    kinds: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Derive the kinds."""
        self.kinds.update(dict.fromkeys(self.numeric, "numeric"))
        self.kinds.update(dict.fromkeys(self.categorical, "categorical"))


def special_columns(columns: Columns) -> tuple[str, ...]:
    """Return the columns that play a part of their own, and so are never matched by a glob."""
    moments = (columns.timestamp, columns.label_timestamp)
    single = (
        *(columns.prediction, columns.label, columns.latency_ms, columns.error),
        *(columns.model_version, columns.weight, columns.query, columns.item),
    )
    listed = (*columns.id, *columns.scores, *columns.text, *columns.datetime, *columns.embedding)
    names = (*listed, *(m.column for m in moments if m is not None), *single)
    return tuple(dict.fromkeys(n for n in names if n is not None))


def resolve_features(columns: Columns, schema: pa.Schema) -> Features:
    """Return the features that a monitor file asks for, of the columns that there are.

    Parameters
    ----------
    columns : Columns
        Globs among `numeric` and `categorical` expand in the schema's order; a plain name stays
        even where the schema lacks it, so that its absence is seen. `exclude` takes from both.
        A column named plainly for one kind is not matched by a glob of the other.
    schema : pyarrow.Schema
        The source's columns.

    Returns
    -------
    Features
        Where neither kind is given: numbers are numeric; text, booleans and dictionaries
        categorical; all else skipped.

    Examples
    --------
    >>> columns = Columns(timestamp="t", prediction="p", numeric=["x_*"], exclude=["x_2"])
    >>> fields = {"t": pa.timestamp("us"), "x_1": pa.int8(), "x_2": pa.int8()}
    >>> resolve_features(columns, pa.schema(fields)).numeric
    ('x_1',)
    """
    special = set(special_columns(columns))
    free = [n for n in dict.fromkeys(schema.names) if n not in special]
    if not columns.numeric and not columns.categorical:
        return _inferred([n for n in free if not _matches(n, columns.exclude)], schema)
    plain = {n for n in (*columns.numeric, *columns.categorical) if not _GLOB.search(n)}
    matchable = [n for n in free if n not in plain]
    numeric = _expanded(columns.numeric, matchable, columns.exclude)
    # The first kind that matches has it: a column is profiled once.
    rest = [n for n in matchable if n not in numeric]
    categorical = _expanded(columns.categorical, rest, columns.exclude)
    return Features(numeric, tuple(n for n in categorical if n not in numeric))


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(name == p or fnmatchcase(name, p) for p in patterns)


def _expanded(
    patterns: Sequence[str], matchable: Sequence[str], exclude: Sequence[str]
) -> tuple[str, ...]:
    names: list[str] = []
    for pattern in patterns:
        glob = _GLOB.search(pattern)
        names += [n for n in matchable if fnmatchcase(n, pattern)] if glob else [pattern]
    return tuple(n for n in dict.fromkeys(names) if not _matches(n, exclude))


def _inferred(names: Sequence[str], schema: pa.Schema) -> Features:
    found: dict[str | None, list[str]] = {"numeric": [], "categorical": [], None: []}
    for name in names:
        found[kind_of(schema.field(schema.names.index(name)).type)].append(name)
    return Features(tuple(found["numeric"]), tuple(found["categorical"]), tuple(found[None]))


def kind_of(kind: pa.DataType) -> str | None:
    """Return `numeric` or `categorical` for an Arrow type, None where neither fits.

    Examples
    --------
    >>> kind_of(pa.float32()), kind_of(pa.bool_()), kind_of(pa.timestamp("s"))
    ('numeric', 'categorical', None)
    """
    t = pa.types
    if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind):
        return "numeric"
    text = t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind)
    return "categorical" if text or t.is_boolean(kind) or t.is_dictionary(kind) else None
