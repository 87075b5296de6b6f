"""What is counted of whole rows beside single columns: derived columns, and vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.categorical import count_levels
from monitoring_sdk.profile.derived import (
    DerivedSpec,
    Moments,
    derive,
    fit_derived,
    plain_moments,
)
from monitoring_sdk.profile.embedding import Embedding, fit_embedding
from monitoring_sdk.profile.grid import (
    MIN_COUNT,
    CategoricalGrid,
    NumericGrid,
    fit_categorical,
    fit_numeric,
)
from monitoring_sdk.profile.numeric import numeric_values
from monitoring_sdk.profile.vectors import (
    Standard,
    VectorMoments,
    empty_vectors,
    fit_standard,
)

FEATURES = ""
"""The key of the numeric features, as one vector, among the vectors of a profile."""


@dataclass(frozen=True, slots=True, eq=False)
class JointSpec:
    """What is counted of whole rows, as learnt from the reference.

    Parameters
    ----------
    derived : DerivedSpec
        Columns that are computed from others, and then profiled as raw ones are.
    standard : Standard, optional
        The numeric features as one vector; there are at least two.
    embeddings : mapping of str to Embedding
    """

    derived: DerivedSpec = field(default_factory=DerivedSpec)
    standard: Standard | None = None
    embeddings: Mapping[str, Embedding] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Compare all that is written to a file."""
        return isinstance(other, JointSpec) and self.to_dict() == other.to_dict()

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that are read for it."""
        features = () if self.standard is None else self.standard.names
        return tuple(dict.fromkeys([*self.derived.sources, *features, *self.embeddings]))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "derived": self.derived.to_dict(),
            "standard": None if self.standard is None else self.standard.to_dict(),
            "embeddings": {n: [e.length, e.seed] for n, e in self.embeddings.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JointSpec:
        """Read the JSON form back."""
        standard = data["standard"]
        return cls(
            DerivedSpec.from_dict(data["derived"]),
            None if standard is None else Standard.from_dict(standard),
            {name: Embedding(*form) for name, form in data["embeddings"].items()},
        )


def fit_joint(
    table: pa.Table,
    *,
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    text: Sequence[str] = (),
    datetimes: Sequence[str] = (),
    embeddings: Sequence[str] = (),
    timezone: str = "UTC",
    salt: str = "",
    moments: Moments | None = None,
    min_count: int = MIN_COUNT,
    spare: int = 0,
) -> tuple[JointSpec, dict[str, NumericGrid | CategoricalGrid]]:
    """Learn from reference rows what is counted of whole rows.

    Parameters
    ----------
    table : pa.Table
        Reference rows; a sample will do.
    numeric, categorical, text, datetimes, embeddings : sequence of str
        Columns of the table, by kind.
    timezone, salt : str
        As for `fit_derived`.
    moments : callable, optional
        As for `derive`.
    min_count, spare : int
        As for `fit_categorical` and `fit_numeric`.

    Returns
    -------
    tuple of JointSpec and dict
        What is counted, and the grid of each derived column.

    Raises
    ------
    ConfigError
        When the table lacks a column, or has one by the name of a derived one.
    SourceError
        When a column cannot be read as what it is said to be.

    Examples
    --------
    >>> table = pa.table({"note": ["paid", "paid in full"] * 9})
    >>> spec, grids = fit_joint(table, text=["note"])
    >>> spec.sources, sorted(grids)
    (('note',), ['note.length', 'note.non_ascii', 'note.oov'])
    """
    derived = fit_derived(
        table,
        text=text,
        datetimes=datetimes,
        numeric=numeric,
        categorical=categorical,
        timezone=timezone,
        salt=salt,
        min_count=min_count,
    )
    for name in datetimes:
        # What cannot be read is left out of later windows, and said; here it is refused.
        (moments or plain_moments)(table.column(name), name)
    standard = fit_standard(table, numeric)
    spec = JointSpec(
        derived,
        standard if len(standard.names) > 1 else None,
        {name: fit_embedding(table.column(name), name) for name in embeddings},
    )
    batch = table.combine_chunks().to_batches()
    grids: dict[str, NumericGrid | CategoricalGrid] = {}
    if batch:
        rows = derive(batch[0], derived, moments=moments)
        for name, kind in derived.columns.items():
            array = rows.column(name)
            if kind == "numeric":
                grids[name] = fit_numeric(numeric_values(array, name)[0], spare)
            else:
                grids[name] = fit_categorical(count_levels(array), salt=salt, min_count=min_count)
    return spec, grids


class VectorBuilder:
    """Add up the moments of vectors, a record batch at a time.

    A column that a batch lacks, or that cannot be read, becomes one of `problems`, and its vectors
    are not in the result.

    Examples
    --------
    >>> builder = VectorBuilder(JointSpec(embeddings={"e": Embedding(2)}))
    >>> builder.add(pa.record_batch({"e": [[1.0, 2.0], [3.0, 4.0]]}))
    >>> builder.result()["e"].n
    2
    """

    def __init__(self, spec: JointSpec) -> None:
        self._spec = spec
        self._vectors = {n: empty_vectors(e.dimensions) for n, e in spec.embeddings.items()}
        if spec.standard is not None:
            self._vectors[FEATURES] = empty_vectors(len(spec.standard.names))
        self.problems: dict[str, str] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one more batch."""
        for name in list(self._vectors):
            try:
                found = self._moments(batch, name)
            except SourceError as error:
                self.problems[name] = str(error)
                del self._vectors[name]
            else:
                self._vectors[name] = self._vectors[name].merge(found)

    def _moments(self, batch: pa.RecordBatch, name: str) -> VectorMoments:
        if name == FEATURES:
            assert self._spec.standard is not None
            return self._spec.standard.moments(batch)
        if batch.schema.get_field_index(name) < 0:
            raise SourceError(f"column {name!r} is missing, or there twice")
        return self._spec.embeddings[name].moments(batch.column(name), name)

    def result(self) -> dict[str, VectorMoments]:
        """Return the moments of the batches so far."""
        return dict(self._vectors)


def merge_vectors(
    mine: Mapping[str, VectorMoments], theirs: Mapping[str, VectorMoments], without: Iterable[str]
) -> dict[str, VectorMoments]:
    """Return the moments of both sets of rows; vectors of which either has none are the other's.

    Parameters
    ----------
    without : iterable of str
        Vectors that either side could not read.
    """
    left_out = set(without)
    found = {**theirs, **mine}
    for name in mine.keys() & theirs.keys():
        found[name] = mine[name].merge(theirs[name])
    return {name: vectors for name, vectors in found.items() if name not in left_out}
