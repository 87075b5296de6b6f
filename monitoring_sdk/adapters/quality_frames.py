"""The frames that the expectations of a window are evaluated on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from monitoring_sdk.adapters.quality_suite import columns_of
from monitoring_sdk.config_sections import Expectation
from monitoring_sdk.errors import MonitoringError

CELLS_TOGETHER = 200_000
"""Up to so many values are a batch, whatever their columns."""

_OF_NAMES = "expect_column_to_exist"

ColumnOf = Callable[[str], Any]
Loaded = tuple[list[int], pd.DataFrame | str]


def frames(
    asked: Sequence[Expectation], column_of: ColumnOf, rows: int | None, columns: Sequence[str]
) -> list[Loaded]:
    """Return what expectations look at, each with their positions; or why there is nothing.

    Parameters
    ----------
    asked, column_of, rows, columns
        As `quality.validate` takes them.
    """
    groups: dict[Any, list[int]] = {}
    for index, expectation in enumerate(asked):
        groups.setdefault(subject_of(expectation), []).append(index)
    loaded = [
        (group, _load(subject, column_of, rows, columns)) for subject, group in groups.items()
    ]
    return _together(asked, loaded)


def subject_of(expectation: Expectation) -> tuple[str, tuple[str, ...]]:
    """Return whether an expectation looks at rows, names or values, and of which columns."""
    if "row_count" in expectation.type:
        return "rows", ()
    if expectation.type == _OF_NAMES or expectation.type.startswith("expect_table_"):
        return "names", ()
    return "values", columns_of(expectation)


def _load(
    subject: tuple[str, tuple[str, ...]],
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


def _together(asked: Sequence[Expectation], found: Sequence[Loaded]) -> list[Loaded]:
    """Put small frames of columns side by side: a batch has a cost of its own.

    In a large one it is less than to leave out, for each expectation, the rows without a value,
    which Great Expectations does with all columns of a batch.
    """
    alone: list[Loaded] = []
    beside: dict[int, list[tuple[list[int], pd.DataFrame]]] = {}
    for group, loaded in found:
        if isinstance(loaded, str) or subject_of(asked[group[0]])[0] != "values":
            alone.append((group, loaded))
        else:
            beside.setdefault(len(loaded), []).append((group, loaded))
    for length, parts in beside.items():
        columns = {str(name): frame[name] for _, frame in parts for name in frame}
        if length * len(columns) > CELLS_TOGETHER:
            alone += parts
            continue
        alone.append(([i for group, _ in parts for i in group], _frame(columns)))
    return alone


def _frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Lay columns side by side, so that they are found by name without a conversion each time."""
    return pd.DataFrame(columns, columns=pd.Index(list(columns), dtype=object))
