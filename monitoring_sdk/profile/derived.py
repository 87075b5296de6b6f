"""Columns that are computed from a row's others, and then profiled as raw columns are.

Of a text column `t`: `t.length` (characters), `t.non_ascii` (share of its characters), `t.oov`
(share of its words that the reference hardly had). Of a column of moments `d`: `d.hour` and
`d.weekday` (0 is Monday), in one time zone. Of all features together: `pca_error`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitoring_sdk.errors import ConfigError, SourceError, explain
from monitoring_sdk.profile.grid import MIN_COUNT, hash_level
from monitoring_sdk.profile.reconstruction import Reconstruction, fit_reconstruction

VOCABULARY = 20_000
"""So many words of a text column are known, the most frequent ones."""

WORD_COUNT = 5
"""Rarer words are not known: in the reference's own rows they would be, in later ones not."""

PCA_ERROR = "pca_error"
TEXT_PARTS = ("length", "non_ascii", "oov")
TIME_PARTS = ("hour", "weekday")

Moments = Callable[[pa.Array, str], pa.Array]

_BETWEEN_WORDS = r"[^\p{L}\p{N}]+"
_BEYOND_ASCII = r"[^\x00-\x7F]"


@dataclass(frozen=True, slots=True)
class DerivedSpec:
    """Which columns are derived, with what was learnt for them from the reference.

    Parameters
    ----------
    text : mapping of str to frozenset of str
        For each text column the salted hashes of its known words.
    datetimes : tuple of str
    timezone : str
        In which hours and weekdays are told.
    salt : str
    pca : Reconstruction, optional
    """

    text: Mapping[str, frozenset[str]] = field(default_factory=dict)
    datetimes: tuple[str, ...] = ()
    timezone: str = "UTC"
    salt: str = ""
    pca: Reconstruction | None = None

    @property
    def columns(self) -> dict[str, str]:
        """The derived columns, and whether each is numeric or categorical."""
        found = derived_kinds(tuple(self.text), self.datetimes)
        return found | ({PCA_ERROR: "numeric"} if self.pca is not None else {})

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that they are computed from."""
        features = () if self.pca is None else self.pca.columns
        return tuple(dict.fromkeys([*self.text, *self.datetimes, *features]))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "text": {name: sorted(words) for name, words in self.text.items()},
            "datetimes": list(self.datetimes),
            "timezone": self.timezone,
            "salt": self.salt,
            "pca": None if self.pca is None else self.pca.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DerivedSpec:
        """Read the JSON form back."""
        return cls(
            {name: frozenset(words) for name, words in data["text"].items()},
            tuple(data["datetimes"]),
            data["timezone"],
            data["salt"],
            None if data["pca"] is None else Reconstruction.from_dict(data["pca"]),
        )


def derived_kinds(text: Sequence[str], datetimes: Sequence[str]) -> dict[str, str]:
    """Name what is derived from columns of text and of moments, numeric or categorical.

    Examples
    --------
    >>> derived_kinds([], ["due"])
    {'due.hour': 'categorical', 'due.weekday': 'categorical'}
    """
    found = {f"{t}.{part}": "numeric" for t in text for part in TEXT_PARTS}
    return found | {f"{d}.{part}": "categorical" for d in datetimes for part in TIME_PARTS}


def fit_derived(
    table: pa.Table,
    *,
    text: Sequence[str] = (),
    datetimes: Sequence[str] = (),
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    pca: bool = True,
    timezone: str = "UTC",
    salt: str = "",
    min_count: int = MIN_COUNT,
) -> DerivedSpec:
    """Learn from reference rows what derived columns need.

    Parameters
    ----------
    table : pa.Table
        Reference rows; a sample will do.
    text, datetimes : sequence of str
    numeric, categorical : sequence of str
        The features of `pca_error`.
    pca : bool
        Whether `pca_error` is wanted; without two related columns there is none.
    timezone : str
        An IANA name.
    salt : str
        What the hashes of words are salted with.
    min_count : int
        Levels with fewer rows have no share of their own in `pca_error`.

    Raises
    ------
    ConfigError
        When the table lacks a column, or has one by the name of a derived one.
    SourceError
        When a column cannot be read as what it is said to be.

    Examples
    --------
    >>> spec = fit_derived(pa.table({"note": ["paid in full"] * 9}), text=["note"], salt="s")
    >>> batch = derive(pa.record_batch({"note": ["Paid twice", None]}), spec)
    >>> batch.column("note.oov").to_pylist(), spec.columns["note.oov"]
    ([0.5, None], 'numeric')
    """
    for name in (*text, *datetimes, *numeric, *categorical):
        if name not in table.column_names:
            raise ConfigError(explain("no such column", got=name, allowed=table.column_names))
    spec = DerivedSpec(
        {name: _vocabulary(table.column(name), name, salt) for name in text},
        tuple(datetimes),
        timezone,
        salt,
        fit_reconstruction(table, numeric, categorical, min_count) if pca else None,
    )
    taken = sorted(set(spec.columns) & set(table.column_names))
    if taken:
        raise ConfigError(f"the data has a column {taken[0]!r}, which is the name of a derived one")
    return spec


def derive(
    batch: pa.RecordBatch, spec: DerivedSpec, *, moments: Moments | None = None
) -> pa.RecordBatch:
    """Return a batch with its derived columns appended.

    Where a source column is missing or cannot be read, what is derived from it is left out.

    Parameters
    ----------
    batch : pa.RecordBatch
    spec : DerivedSpec
    moments : callable, optional
        ``moments(array, column)`` returns timestamps; without one, timestamps, dates and ISO 8601
        text are understood, and what has no zone is UTC.
    """
    found: dict[str, pa.Array] = {}
    for sources, compute in _computations(spec, moments or plain_moments):
        if all(batch.schema.get_field_index(name) >= 0 for name in sources):
            try:
                found |= compute(batch)
            except SourceError:
                continue  # the column itself is profiled too, and says so there
    for name, values in found.items():
        batch = batch.append_column(name, values)
    return batch


def _computations(
    spec: DerivedSpec, moments: Moments
) -> Iterator[tuple[tuple[str, ...], Callable[[pa.RecordBatch], dict[str, pa.Array]]]]:
    """Yield what each computation reads, and the computation."""
    for name, known in spec.text.items():
        yield (name,), partial(_of_text, name=name, known=known, salt=spec.salt)
    for name in spec.datetimes:
        yield (name,), partial(_of_time, name=name, timezone=spec.timezone, moments=moments)
    if spec.pca is not None:
        yield spec.pca.columns, partial(_of_row, pca=spec.pca)


def _of_row(batch: pa.RecordBatch, pca: Reconstruction) -> dict[str, pa.Array]:
    return {PCA_ERROR: pa.array(pca.error(batch))}


def _as_text(array: Any, name: str) -> Any:
    try:
        return array.cast(pa.large_string())
    except pa.ArrowException:
        raise SourceError(
            f"column {name!r} is of type {array.type} and cannot be read as text"
        ) from None


def _words(text: Any) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the words of all rows, in lower case, and the row of each."""
    parts = pc.split_pattern_regex(pc.utf8_lower(text), _BETWEEN_WORDS)
    words, rows = pc.list_flatten(parts), pc.list_parent_indices(parts)
    there = pc.not_equal(words, "")
    return words.filter(there), rows.filter(there).to_numpy(zero_copy_only=False)


def _vocabulary(column: pa.ChunkedArray, name: str, salt: str) -> frozenset[str]:
    counts: Counter[str] = Counter()
    for chunk in column.chunks:
        table = _words(_as_text(chunk, name))[0].value_counts()
        words, ns = table.field(0).to_pylist(), table.field(1).to_pylist()
        counts.update(dict(zip(words, ns, strict=True)))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:VOCABULARY]
    return frozenset(hash_level(word, salt) for word, n in ranked if n >= WORD_COUNT)


def _of_text(
    batch: pa.RecordBatch, name: str, known: frozenset[str], salt: str
) -> dict[str, pa.Array]:
    text = _as_text(batch.column(name), name)
    length = pc.utf8_length(text)
    beyond = pc.count_substring_regex(text, pattern=_BEYOND_ASCII)
    words, rows = _words(text)
    encoded = words.dictionary_encode()
    new = np.array([hash_level(w, salt) not in known for w in encoded.dictionary.to_pylist()], bool)
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    total = np.bincount(rows, minlength=len(text))
    unknown = np.bincount(rows[new[codes]], minlength=len(text))
    with np.errstate(invalid="ignore"):  # without a word, or a character, there is no share
        oov = pa.array(unknown / total, mask=total == 0)
    characters = pc.if_else(pc.equal(length, 0), pa.scalar(None, length.type), length)
    values = (length, pc.divide(beyond.cast(pa.float64()), characters.cast(pa.float64())), oov)
    return {f"{name}.{part}": v for part, v in zip(TEXT_PARTS, values, strict=True)}


def plain_moments(array: pa.Array, name: str) -> pa.Array:
    """Return timestamps, dates or ISO 8601 text as `timestamp[us, UTC]`; no zone means UTC.

    Raises
    ------
    SourceError
        When the array holds anything else.
    """
    try:
        if pa.types.is_timestamp(array.type) and array.type.tz is not None:
            return array.cast(pa.timestamp("us", "UTC"), safe=False)
        if pa.types.is_temporal(array.type) and not pa.types.is_time(array.type):
            return array.cast(pa.timestamp("us"), safe=False).cast(pa.timestamp("us", "UTC"))
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            zoned = pc.match_substring_regex(array, r"([Zz]|[+-]\d\d:?\d\d)$")
            if pc.any(zoned).as_py():
                return array.cast(pa.timestamp("us", "UTC"))
            return array.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    except pa.ArrowException:
        pass
    raise SourceError(f"column {name!r} is of type {array.type} and holds no moments")


def _of_time(
    batch: pa.RecordBatch, name: str, timezone: str, moments: Moments
) -> dict[str, pa.Array]:
    array = moments(batch.column(name), name)
    local = array.to_pandas().dt.tz_convert(timezone).dt
    mask = array.is_null().to_numpy(zero_copy_only=False)
    values = (x.fillna(0).to_numpy().astype(np.int8) for x in (local.hour, local.day_of_week))
    parts = zip(TIME_PARTS, values, strict=True)
    return {f"{name}.{part}": pa.array(v, mask=mask) for part, v in parts}
