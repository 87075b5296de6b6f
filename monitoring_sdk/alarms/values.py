"""A window as a short row of numbers, each nearly normal and additive: what alarms are set on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitoring_sdk.alarms.adjusted import Adjusted
from monitoring_sdk.alarms.polynomials import EXPECTED_ROWS, MOMENTS, merged, moments, normal_scores
from monitoring_sdk.alarms.watched import Family, Watched, to_angle
from monitoring_sdk.profile.categorical import CategoricalProfile
from monitoring_sdk.profile.grid import CategoricalGrid, Grid
from monitoring_sdk.profile.numeric import NumericProfile
from monitoring_sdk.profile.profile import ColumnProfile, Profile

__all__ = ["ValueForm", "Values", "Watched", "fit_form", "reference_values", "window_values"]

Role = Literal["drift", "prediction"]
MAX_LEVELS = 30
_MOMENT_FLOORS = {"location": 0.05, "scale": 0.05, "skew": 0.15, "tails": 0.15}
_ALL_ROWS = 0.999
_SHARE_FLOOR, _NULLS_FLOOR, _UNSEEN_FLOOR = 0.01, 0.003, 0.001


@dataclass(frozen=True, eq=False, slots=True)
class Values:
    """The numbers of one window.

    Parameters
    ----------
    keys : tuple of str
    x : array of float64, shape (K,)
        NaN where the window has no such number.
    n : array of float64, shape (K,)
        Rows that each rests on.
    theory : array of float64, shape (K,)
        The variance that n independent rows would give each, times n; 0 where it is not known.
    """

    keys: tuple[str, ...]
    x: NDArray[np.float64]
    n: NDArray[np.float64]
    theory: NDArray[np.float64]

    def append(self, key: str, x: float, n: float, theory: float = 0.0) -> Values:
        """Return the values and one more, as of a metric.

        Examples
        --------
        >>> empty = Values((), np.empty(0), np.empty(0), np.empty(0))
        >>> empty.append("performance/accuracy", 0.9, 500, 0.09).x.tolist()
        [0.9]
        """
        more = zip((self.x, self.n, self.theory), (x, n, theory), strict=True)
        return Values((*self.keys, key), *(np.append(a, b) for a, b in more))

    def replace(self, key: str, x: float) -> Values:
        """Return the values with another number for `key`."""
        changed = self.x.copy()
        changed[self.keys.index(key)] = x
        return Values(self.keys, changed, self.n, self.theory)


@dataclass(frozen=True, eq=False, slots=True)
class ColumnForm:
    """What is watched of one column.

    Parameters
    ----------
    column : str
    watched : tuple of Watched
        Those of the values, then nulls, then unseen levels where all levels are known.
    starts : array of int64, shape (c,)
        Numeric: the first fine cell of each coarse one. Categorical: the positions of the levels.
    scores : array of float64, shape (c, d)
        Numeric: the polynomials. Categorical: no columns.
    numeric : bool
    """

    column: str
    watched: tuple[Watched, ...]
    starts: NDArray[np.int64]
    scores: NDArray[np.float64]
    numeric: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the floats read back exactly."""
        return {
            "column": self.column,
            "watched": [w.to_dict() for w in self.watched],
            "starts": self.starts.tolist(),
            "scores": self.scores.tolist(),
            "numeric": self.numeric,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ColumnForm:
        """Read the JSON form back."""
        starts = np.array(data["starts"], dtype=np.int64)
        scores = np.array(data["scores"], dtype=np.float64)
        scores = scores.reshape(len(starts), -1 if len(starts) else 0)
        watched = tuple(Watched.from_dict(w) for w in data["watched"])
        return cls(data["column"], watched, starts, scores, data["numeric"])


@dataclass(frozen=True, eq=False)
class ValueForm:
    """What is watched of each column, and of it beside the others, fitted once on the reference."""

    columns: tuple[ColumnForm, ...]
    adjusted: Adjusted | None = None

    @cached_property
    def watched(self) -> tuple[Watched, ...]:
        """A row a value, in the order of `Values.keys`."""
        own = tuple(w for form in self.columns for w in form.watched)
        return own if self.adjusted is None else (*own, *self.adjusted.watched)

    @cached_property
    def compared(self) -> NDArray[np.int64]:
        """Where among the values the locations are that `adjusted` compares with each other."""
        assert self.adjusted is not None
        at = {w.column: i for i, w in enumerate(self.watched) if w.kind == "location"}
        return np.array([at[column] for column in self.adjusted.columns], dtype=np.int64)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The key of each value."""
        return tuple(w.key for w in self.watched)

    @cached_property
    def theory(self) -> NDArray[np.float64]:
        """The variance of each value times n, for independent rows."""
        found = np.array([0.0 if w.scale == "count" else 1.0 for w in self.watched])
        if self.adjusted is not None:
            own = self.adjusted.unexplained[self.adjusted.at]
            found[len(found) - len(own) :] = own
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        out: dict[str, Any] = {"columns": [form.to_dict() for form in self.columns]}
        return out if self.adjusted is None else out | {"adjusted": self.adjusted.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ValueForm:
        """Read the JSON form back."""
        columns = tuple(ColumnForm.from_dict(d) for d in data["columns"])
        adjusted = data.get("adjusted")
        return cls(columns, None if adjusted is None else Adjusted.from_dict(adjusted))


def fit_form(
    profile: Profile,
    grid: Grid,
    kinds: Mapping[str, str],
    roles: Mapping[str, Role],
    smallest: int,
) -> ValueForm:
    """Choose what is watched of each column.

    Parameters
    ----------
    profile : Profile
        Of the reference.
    grid : Grid
    kinds : mapping of str to str
        `prediction`-columns of kind ``score`` are watched for location and scale alone; other
        kinds follow from the grid.
    roles : mapping of str to {"drift", "prediction"}
        The columns to watch.
    smallest : int
        Rows of the smallest reference window: a cell or level is watched when it expects five.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitoring_sdk.profile.grid import fit_numeric
    >>> from monitoring_sdk.profile.profile import profile_batches
    >>> grid = Grid({"age": fit_numeric(range(20, 70))})
    >>> reference = profile_batches([pa.record_batch({"age": list(range(20, 70))})], grid)
    >>> fit_form(reference, grid, {}, {"age": "drift"}, 50).keys[:2]
    ('drift/location/age', 'drift/scale/age')
    """
    found = []
    for name, role in roles.items():
        column, own = profile.columns.get(name), grid.columns.get(name)
        if column is None or own is None:
            continue
        rows = smallest * (1 - column.nulls / max(column.rows, 1))
        if isinstance(column, NumericProfile):
            degree = 2 if role == "prediction" or kinds.get(name) == "score" else 4
            found.append(_numeric_form(name, role, column, rows, degree))
        elif isinstance(own, CategoricalGrid):
            found.append(_categorical_form(name, role, column, own, rows))
    return ValueForm(tuple(found))


def _nulls(name: str) -> Watched:
    key = f"quality/null_share/{name}"
    return Watched(key, "quality", name, "null_share", "above", _NULLS_FLOOR, "share")


def _finite(column: NumericProfile) -> NDArray[np.int64]:
    """Return the cells' counts with the infinities in the outer two."""
    counts = column.cells.copy()
    counts[0] += column.neg_inf
    counts[-1] += column.pos_inf
    return counts


def _numeric_form(
    name: str, family: Family, column: NumericProfile, rows: float, degree: int
) -> ColumnForm:
    counts = _finite(column)
    starts = merged(counts, rows)
    sums = np.add.reduceat(counts, starts)
    scores = normal_scores(sums / max(int(sums.sum()), 1), degree) if sums.all() else None
    if scores is None:
        scores = np.empty((len(starts), 0))
    kinds = MOMENTS[: scores.shape[1]]
    watched = [
        Watched(f"{family}/{kind}/{name}", family, name, kind, floor=_MOMENT_FLOORS[kind])
        for kind in kinds
    ]
    return ColumnForm(name, (*watched, _nulls(name)), starts, scores, True)


def _categorical_form(
    name: str, family: Family, column: ColumnProfile, grid: CategoricalGrid, rows: float
) -> ColumnForm:
    assert isinstance(column, CategoricalProfile)
    expected = column.counts / max(column.count, 1) * rows
    ranked = np.argsort(-expected, kind="stable")[:MAX_LEVELS]
    kept = ranked[expected[ranked] >= EXPECTED_ROWS]
    if len(kept) == 2 and expected[kept].sum() >= _ALL_ROWS * rows:
        # What one of two levels gains the other one loses: the rarer one tells it all.
        kept = kept[1:]
    watched = [_share(name, family, grid.levels[at]) for at in kept]
    watched.append(_nulls(name))
    if grid.closed:
        key, kind = f"quality/unseen_share/{name}", "unseen_share"
        watched.append(Watched(key, "quality", name, kind, "above", _UNSEEN_FLOOR, "count"))
    return ColumnForm(name, tuple(watched), kept, np.empty((len(kept), 0)), False)


def _share(name: str, family: Family, level: str) -> Watched:
    key = f"{family}/share@{level}/{name}"
    return Watched(key, family, name, "share", "both", _SHARE_FLOOR, "share", level)


def _column_values(column: ColumnProfile | None, form: ColumnForm) -> tuple[list[float], float]:
    """Return a column's values, and the rows that all but the nulls rest on."""
    own = len(form.watched)
    if column is None or not column.rows or isinstance(column, NumericProfile) != form.numeric:
        return [float("nan")] * own, 0.0
    missing = column.nulls
    if isinstance(column, NumericProfile):
        missing += column.nans
        counts = np.add.reduceat(_finite(column), form.starts)
        n = float(counts.sum())
        found = moments(counts / n, form.scores).tolist() if n else None
        tail = []
    else:
        n = float(column.count)
        found = to_angle(column.counts[form.starts], n).tolist() if n else None
        unseen = column.unseen / n if n else float("nan")
        tail = [unseen] * (form.watched[-1].kind == "unseen_share")
    nulls = float(to_angle(missing, column.rows))
    if found is None:
        found = [float("nan")] * (own - 1 - len(tail))
    return [*found, nulls, *tail], n


def window_values(profile: Profile, form: ValueForm) -> Values:
    """Return the numbers of one window.

    Numeric columns: means of orthonormal polynomials of normal scores, in standard deviations of
    the reference. Shares of levels and of nulls: ``2 asin sqrt``. Levels new to the reference: the
    share of rows. A column that the window lacks has NaN.

    Parameters
    ----------
    profile : Profile
    form : ValueForm
    """
    x: list[float] = []
    n: list[float] = []
    for column_form in form.columns:
        column = profile.columns.get(column_form.column)
        found, rows = _column_values(column, column_form)
        x += found
        every = float(column.rows) if column is not None else 0.0
        n += [every if w.kind == "null_share" else rows for w in column_form.watched]
    values, weights = np.array(x, dtype=np.float64), np.array(n)
    if form.adjusted is not None:
        at = form.compared
        left = form.adjusted.values(values[at], weights[at])
        on = np.where(np.isnan(left), 0.0, weights[at][form.adjusted.at])
        values, weights = np.append(values, left), np.append(weights, on)
    return Values(form.keys, values, weights, form.theory)


def reference_values(
    profiles: Sequence[Profile],
    form: ValueForm,
    unseen: Mapping[str, Sequence[float | None]] | None = None,
) -> tuple[Values, ...]:
    """Return the numbers of the reference windows, as `fit_alarms` takes them.

    Parameters
    ----------
    profiles : sequence of Profile
    form : ValueForm
    unseen : mapping of str to sequence of float or None
        For each category column and window the share of rows whose level no other reference
        window has (`monitoring_sdk.drift.levels.unseen_elsewhere`). Without it these windows have
        no unseen rows, since the reference's levels are their own, and any later one looks new.
    """
    found = [window_values(profile, form) for profile in profiles]
    for column, shares in (unseen or {}).items():
        key = f"quality/unseen_share/{column}"
        if key in form.keys:
            pairs = zip(found, shares, strict=True)
            found = [v.replace(key, float("nan") if s is None else s) for v, s in pairs]
    return tuple(found)
