"""Profile a window and the slices of it, in the same pass: segments, and versions of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.categorical import count_levels
from monitoring_sdk.profile.grid import CategoricalGrid, Grid
from monitoring_sdk.profile.profile import Profile, ProfileBuilder
from monitoring_sdk.profile.segments import Segmentation, level_codes
from monitoring_sdk.report import slice_key

MOST_VERSIONS = 1000
"""More versions than this are no versions: of the undeclared ones the most frequent are named."""


@dataclass(frozen=True, slots=True)
class Slicing:
    """How the rows of a window are told apart.

    Parameters
    ----------
    segmentations : tuple of Segmentation
    version : str, optional
        The column of the model's version, where versions are told apart.
    champion : str
        The version whose predictions are counted for the whole and for its segments.
    shadow : tuple of str
        Versions that get a slice of their own.
    model : tuple of str
        The columns that a version writes: prediction and scores.
    """

    segmentations: tuple[Segmentation, ...] = ()
    version: str | None = None
    champion: str = ""
    shadow: tuple[str, ...] = ()
    model: tuple[str, ...] = ()

    @property
    def declared(self) -> tuple[str, ...]:
        """The champion and its shadows."""
        return (self.champion, *self.shadow)


def column_at(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Return a column by its name.

    Raises
    ------
    SourceError
        When there is none, or more than one.
    """
    at = batch.schema.get_field_index(name)
    if at < 0:
        raise SourceError(f"column {name!r} is missing, or there twice")
    return batch.column(at)


class SlicedBuilder:
    """Profile record batches one at a time, the whole and each slice.

    The inputs of the model are counted over all rows, what it writes (`Slicing.model`) over the
    champion's alone, of the whole as of every segment: so that the growing share of a canary moves
    no distribution of predictions. A shadow's slice has its own rows alone.

    Parameters
    ----------
    grid : Grid
    slicing : Slicing
    missing_ok : bool
        As for `ProfileBuilder`. A segmentation that cannot be read is a problem by its `name`.

    Examples
    --------
    >>> from monitoring_sdk.profile.grid import fit_numeric
    >>> by = Slicing((Segmentation(("k",), (("a",),)),))
    >>> builder = SlicedBuilder(Grid({"x": fit_numeric([1, 2, 3])}), by)
    >>> builder.add(pa.record_batch({"x": [1.0, 2.5, 3.0], "k": ["a", "b", "a"]}))
    >>> {key: part.rows for key, part in builder.result().slices.items()}
    {'[k=a]': 2, '[k=other]': 1}
    """

    def __init__(
        self, grid: Grid, slicing: Slicing | None = None, *, missing_ok: bool = False
    ) -> None:
        self._slicing = slicing or Slicing()
        self._missing_ok = missing_ok
        own = set(self._slicing.model) if self._slicing.version is not None else set()
        self._grid = grid
        self._inputs = Grid({n: g for n, g in grid.columns.items() if n not in own})
        self._outputs = Grid({n: g for n, g in grid.columns.items() if n in own})
        # The whole is the slice without a name.
        self._of_inputs: dict[str, ProfileBuilder] = {}
        self._of_outputs: dict[str, ProfileBuilder] = {}
        self._problems: dict[str, str] = {}
        self.versions: Counter[str] = Counter()
        for key in ("", *(slice_key(None, v) for v in self._slicing.shadow)):
            self._builders(key)

    def _builders(self, key: str) -> tuple[ProfileBuilder, ProfileBuilder]:
        if key not in self._of_inputs:
            make = partial(ProfileBuilder, missing_ok=self._missing_ok)
            self._of_inputs[key], self._of_outputs[key] = make(self._inputs), make(self._outputs)
        return self._of_inputs[key], self._of_outputs[key]

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one more batch.

        Raises
        ------
        SourceError
            When a column is missing or cannot be read, unless that is `missing_ok`.
        """
        codes = self._codes(batch)
        inputs, outputs = (_narrow(batch, g) for g in (self._inputs, self._outputs))
        if self._slicing.segmentations:
            inputs, outputs = _coded(inputs, self._inputs), _coded(outputs, self._outputs)
        champion = None if codes is None else codes == 0
        by_champion = outputs if champion is None else outputs.filter(pa.array(champion))
        whole = self._builders("")
        whole[0].add(inputs)
        whole[1].add(by_champion)
        for segmentation in self._slicing.segmentations:
            places = self._places(batch, segmentation)
            if places is None:
                continue
            keys = segmentation.keys
            for i, part in _apart(inputs, places):
                self._builders(keys[i])[0].add(part)
            if self._outputs.columns:
                written = places if champion is None else places[champion]
                for i, part in _apart(by_champion, written):
                    self._builders(keys[i])[1].add(part)
        if codes is not None:
            for i, version in enumerate(self._slicing.shadow, start=1):
                rows = pa.array(codes == i)
                own = self._builders(slice_key(None, version))
                own[0].add(inputs.filter(rows))
                own[1].add(outputs.filter(rows))

    def _codes(self, batch: pa.RecordBatch) -> NDArray[np.intp] | None:
        """Return each row's version: 0 the champion, then the shadows, then all others."""
        name = self._slicing.version
        if name is None:
            return None
        try:
            column = column_at(batch, name)
            self.versions.update(count_levels(column, name))
        except SourceError as error:
            if not self._missing_ok:
                raise
            self._problems[name] = str(error)
            for output in self._outputs.columns:
                self._problems[output] = f"whose it is is not known: {error}"
            return np.full(batch.num_rows, len(self._slicing.declared), np.intp)
        if len(self.versions) > MOST_VERSIONS:
            declared = {v: self.versions[v] for v in self._slicing.declared}
            self.versions = Counter(dict(self.versions.most_common(MOST_VERSIONS // 2)) | declared)
        return level_codes(column, self._slicing.declared, name)

    def _places(self, batch: pa.RecordBatch, segmentation: Segmentation) -> NDArray[np.intp] | None:
        if segmentation.name in self._problems:
            return None
        try:
            return segmentation.assign(partial(column_at, batch))
        except SourceError as error:
            if not self._missing_ok:
                raise
            self._problems[segmentation.name] = str(error)
            return None

    def result(self) -> Profile:
        """Return the profile of the batches so far, with its slices."""
        whole = self._profile("")
        slices = {key: self._profile(key) for key in self._of_inputs if key}
        kept = {key: part for key, part in slices.items() if part.rows}
        problems = {**whole.problems, **self._problems}
        columns = {n: c for n, c in whole.columns.items() if n not in problems}
        return Profile(whole.rows, columns, None, problems, kept)

    def _profile(self, key: str) -> Profile:
        inputs, outputs = (builder.result() for builder in self._builders(key))
        columns = {**inputs.columns, **outputs.columns}
        ordered = {n: columns[n] for n in self._grid.columns if n in columns}
        return Profile(inputs.rows, ordered, None, {**inputs.problems, **outputs.problems})


def _narrow(batch: pa.RecordBatch, grid: Grid) -> pa.RecordBatch:
    """Keep the columns that a grid counts, one that is there twice twice."""
    wanted = [i for i, name in enumerate(batch.schema.names) if name in grid.columns]
    return batch.select(wanted)


def _coded(batch: pa.RecordBatch, grid: Grid) -> pa.RecordBatch:
    """Look each text of a category up once, where its rows are counted several times."""
    columns = [
        column.dictionary_encode()
        if pa.types.is_string(column.type) and isinstance(grid.columns[name], CategoricalGrid)
        else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    if not columns:
        return batch
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _apart(batch: pa.RecordBatch, places: NDArray[np.intp]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield each place that occurs with its rows: sorted once, and cut."""
    order = np.argsort(places.astype(np.int16), kind="stable")
    found, starts = np.unique(places[order], return_index=True)
    taken = batch.take(pa.array(order))
    counts = np.diff(starts, append=len(order))
    for place, start, count in zip(found.tolist(), starts.tolist(), counts.tolist(), strict=True):
        yield place, taken.slice(start, count)
