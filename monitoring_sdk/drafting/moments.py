"""Which columns hold moments, and which of them says when a prediction was made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.drafting.facts import Facts, kind_of, numbers, observe
from monitoring_sdk.drafting.guess import Guess
from monitoring_sdk.drafting.names import hint, strength
from monitoring_sdk.errors import ConfigError, SourceError, explain

Unit = Literal["s", "ms", "us", "ns"]
ToUtc = Callable[[Any, str | None], Any]
"""Reads a column as moments: what sources do, which stand above this floor."""

# Seconds of the years 2000 to 2100: numbers of another magnitude count something else.
_SECONDS = (946_684_800.0, 4_102_444_800.0)
_PER_SECOND: Mapping[Unit, float] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_ISO = re.compile(r"\s*\d{4}-?\d\d-?\d\d")
_OTHER_DATE = re.compile(r"\s*(\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|\d{4}[/.]\d{1,2}[/.]\d{1,2})")
_OTHER_SEPARATORS = (";", "\t", "|")
_TRIED = 1000
_EVER = {"timestamp", "label_timestamp"}


@dataclass(frozen=True, slots=True)
class Moments:
    """A column of moments.

    Attributes
    ----------
    unit : str or None
        What its numbers count since 1970.
    at : array of datetime64[us]
        One for each row of the sample, in UTC, NaT where there is none.
    form : str
        How the column has them, in words.
    """

    column: str
    unit: Unit | None
    at: NDArray[np.datetime64]
    form: str

    @property
    def written(self) -> str | dict[str, str]:
        """As a monitor file names it."""
        return self.column if self.unit is None else {"column": self.column, "unit": self.unit}

    @property
    def dates(self) -> bool:
        """Whether no moment has a time of day."""
        known = self.at[~np.isnat(self.at)]
        return bool((known == known.astype("datetime64[D]")).all())


def find_moments(table: pa.Table, to_utc: ToUtc, given: str | None = None) -> dict[str, Moments]:
    """Return the columns of a sample that hold moments: by type, as ISO 8601 text, as numbers.

    Numbers count as moments only where the column's name says so too, or the user does.
    """
    found = {}
    for name in dict.fromkeys(table.column_names):
        column = table.column(name).combine_chunks()
        kind = kind_of(column.type)
        named = name == given or any(hint(part, name) is not None for part in _EVER)
        unit = _unit(column) if kind == "number" and named else None
        readable = kind == "moment" or unit or (kind == "text" and _looks_iso(column))
        if not readable:
            continue
        try:
            at = np.asarray(to_utc(column, unit).to_numpy(zero_copy_only=False))
        except SourceError:
            continue
        found[name] = Moments(name, unit, at.astype("datetime64[us]"), _form(column.type, unit))
    return found


def _looks_iso(column: pa.Array) -> bool:
    known = column.drop_null()[:_TRIED].to_pylist()
    return bool(known) and all(_ISO.match(v) for v in known if v.strip())


def _unit(column: pa.Array) -> Unit | None:
    known = numbers(column)
    known = known[np.isfinite(known)]
    for unit, times in _PER_SECOND.items():
        low, high = (s * times for s in _SECONDS)
        if len(known) and low <= known.min() and known.max() <= high:
            return unit
    return None


def _form(type_: pa.DataType, unit: str | None) -> str:
    if unit is not None:
        return f"numbers that count {unit} since 1970"
    if kind_of(type_) == "text":
        return "text in ISO 8601 (UTC where it has no offset)"
    if pa.types.is_date(type_):
        return "dates"
    zoned = pa.types.is_timestamp(type_) and type_.tz is not None
    return "moments with a time zone" if zoned else "moments without a time zone, taken as UTC"


def find_timestamp(
    moments: Mapping[str, Moments], table: pa.Table, given: str | None = None
) -> tuple[Moments, Guess]:
    """Choose the column that says when a prediction was made.

    Parameters
    ----------
    moments : mapping of str to Moments
        As `find_moments` returns them.
    table : pyarrow.Table
        The sample, for what to say where there is none.
    given : str, optional
        The column's name, where the user says it.

    Raises
    ------
    ConfigError
        When no column can be it.
    """
    if given is not None:
        if given not in moments:
            raise ConfigError(_no_moments(given, table))
        chosen = moments[given]
        return chosen, Guess("columns.timestamp", chosen.written, f"as asked; {chosen.form}")
    usable = [
        m
        for m in moments.values()
        if hint("label_timestamp", m.column) is None and np.isnat(m.at).mean() < 0.5
    ]
    if not usable:
        raise ConfigError(_none_found(table))
    usable.sort(key=lambda m: (strength("timestamp", m.column), m.dates, np.isnat(m.at).mean()))
    chosen, others = usable[0], [m.column for m in usable[1:]]
    named = hint("timestamp", chosen.column) is not None
    why = chosen.form + (f"; others hold moments too: {', '.join(others[:5])}" if others else "")
    if chosen.dates:
        why += "; days without a time of day, so windows shorter than a day are not possible"
    return chosen, Guess("columns.timestamp", chosen.written, why, sure=named or not others)


def _no_moments(name: str, table: pa.Table) -> str:
    if name not in table.column_names:
        return explain("no such column", where="--timestamp", got=name, allowed=table.column_names)
    return (
        f"--timestamp: column {name!r} ({table.schema.field(name).type}) holds no moments that can "
        "be read; allowed: timestamps, dates, ISO 8601 text, or numbers of s, ms, us or ns since "
        "1970 that are moments from 2000 to 2100"
    )


def _none_found(table: pa.Table) -> str:
    text = (
        "no timestamp: a monitor cuts rows into windows of time, so each needs the moment of its "
        "prediction; looked for timestamps, dates, ISO 8601 text and numbers since 1970 among "
        f"{', '.join(table.column_names)}"
    )
    other = _other_dates(table, observe(table))
    if other:
        return f"{text}; {other[0]!r} looks like dates in another form: write it as ISO 8601"
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if kind_of(column.type) == "number" and _unit(column) is not None:
            return f"{text}; {name!r} may count time since 1970: if so, add --timestamp {name!r}"
    only = table.column_names[0] if table.num_columns == 1 else ""
    mark = next((m for m in _OTHER_SEPARATORS if m in only), None)
    if mark is not None:
        return f"{text}; is it separated by {mark!r}? columns of a CSV file are separated by commas"
    return f"{text}; add one, or name it with --timestamp"


def _other_dates(table: pa.Table, facts: Mapping[str, Facts]) -> Sequence[str]:
    found = []
    for name, known in facts.items():
        if known.kind == "text" and known.present:
            first = table.column(name).combine_chunks().drop_null()[:20].to_pylist()
            if all(_OTHER_DATE.match(v) for v in first):
                found.append(name)
    return found
