"""The frames that the expectations of a window are evaluated on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from monitoring_sdk.adapters.quality_suite import columns_of
from monitoring_sdk.config_sections import Expectation
from monitoring_sdk.errors import MonitoringError

CELLS_TOGETHER = 200_000
"""A window of up to so many values is one batch, whatever its columns."""

_OF_NAMES = "expect_column_to_exist"

ColumnOf = Callable[[str], Any]
Subject = tuple[str, tuple[str, ...]]
Loaded = tuple[list[int], pd.DataFrame | str]


def frames(
    asked: Sequence[Expectation], column_of: ColumnOf, rows: int | None, columns: Sequence[str]
) -> Iterator[Loaded]:
    """Yield what expectations look at, each with their positions; or why there is nothing.

    The columns of a small window come together, for a batch has a cost of its own. Those of a large
    one come one by one: memory holds one at a time, and Great Expectations copies all columns of a
    batch to leave out, for each expectation, the rows without a value.

    Parameters
    ----------
    asked, column_of, rows, columns
        As `quality.validate` takes them.
    """
    groups: dict[Subject, list[int]] = {}
    for index, expectation in enumerate(asked):
        groups.setdefault(subject_of(expectation), []).append(index)
    named = {name for _, names in groups for name in names}
    loaded = (
        (group, _load(subject, column_of, rows, columns)) for subject, group in groups.items()
    )
    small = rows is not None and rows * len(named) <= CELLS_TOGETHER
    yield from _together(asked, loaded) if small else loaded


def subject_of(expectation: Expectation) -> Subject:
    """Return whether an expectation looks at rows, names or values, and of which columns."""
    if "row_count" in expectation.type:
        return "rows", ()
    if expectation.type == _OF_NAMES or expectation.type.startswith("expect_table_"):
        return "names", ()
    return "values", columns_of(expectation)


def _load(
    subject: Subject,
    column_of: ColumnOf,
    rows: int | None,
    columns: Sequence[str],
) -> pd.DataFrame | str:
    """Return the frame that the expectations on a subject need, or why there is none."""
    kind, names = subject
    if kind == "rows":
        if rows is None:
            return "the number of rows is not known here"
        # A column of nothing: without any column a frame has no rows for Great Expectations.
        return pd.DataFrame({"": np.zeros(rows, dtype=np.int8)})
    if kind == "names":
        if not columns:
            return "the columns of the source are not known here"
        return pd.DataFrame({name: np.zeros(0) for name in columns})
    try:
        return _frame({name: _series(column_of(name)) for name in names})
    except KeyError:
        return f"no column {' or '.join(map(repr, names))}"
    except (MonitoringError, pa.ArrowException, ValueError) as error:
        return str(error) if isinstance(error, MonitoringError) else type(error).__name__


def _series(values: Any) -> pd.Series:
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        return pd.Series(values).reset_index(drop=True)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return values.to_pandas()


def _together(asked: Sequence[Expectation], found: Iterable[Loaded]) -> Iterator[Loaded]:
    """Put frames of columns, of as many rows, side by side."""
    beside: dict[int, list[tuple[list[int], pd.DataFrame]]] = {}
    for group, loaded in found:
        if isinstance(loaded, str) or subject_of(asked[group[0]])[0] != "values":
            yield group, loaded
        else:
            beside.setdefault(len(loaded), []).append((group, loaded))
    for parts in beside.values():
        columns = {str(name): frame[name] for _, frame in parts for name in frame}
        yield [i for group, _ in parts for i in group], _frame(columns)


def _frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Lay columns side by side, so that they are found by name without a conversion each time."""
    return pd.DataFrame(columns, columns=pd.Index(list(columns), dtype=object))
