"""Data quality of a window: expectations become checks."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from monitoring_sdk.adapters.quality_frames import ColumnOf, frames, subject_of
from monitoring_sdk.adapters.quality_suite import check_expectations, columns_of, evaluate
from monitoring_sdk.adapters.quality_words import MEASURES, Finding, finding, looked_at
from monitoring_sdk.config_sections import Expectation
from monitoring_sdk.report import Check, Status, ThresholdFrom
from monitoring_sdk.window import Window

SAMPLE_ROWS = 100_000
# Of a column without any value these still have something to say.
_OF_NULLS = (
    "expect_column_values_to_be_null",
    "expect_column_values_to_not_be_null",
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_type_to_be",
    "expect_column_values_to_be_of_type",
    "expect_column_values_to_be_in_type_list",
)


def validate(
    column_of: ColumnOf,
    expectations: Sequence[Expectation],
    window: Window,
    *,
    generated: Sequence[Expectation] = (),
    rows: int | None = None,
    columns: Sequence[str] = (),
    sample_rows: int = SAMPLE_ROWS,
) -> list[Check]:
    """Evaluate declared expectations on every row of a window, generated ones on a sample.

    Parameters
    ----------
    column_of : callable
        Gives the values of a column in the window, as a pandas Series or an Arrow array; asked
        once for each set of columns that the expectations name. Its `SourceError` or `KeyError`
        makes the checks of that column `error`.
    expectations : sequence of Expectation
        Declared in the monitor file. Their threshold is a contract.
    window : Window
        The window of the checks.
    generated : sequence of Expectation
        From the baseline. One whose type and column are declared too is left out.
    rows : int, optional
        The window's rows; needed by expectations on the number of rows, and to say what share of
        them a column that is a sample already has.
    columns : sequence of str
        All columns of the source; needed by expectations on which columns there are.
    sample_rows : int
        How many rows, evenly spaced, generated expectations look at.

    Returns
    -------
    list of Check
        Of family quality, one for an expectation, in their order. `value` is the share of rows
        that break it, or what an aggregate came to. One that could not be evaluated is `error`,
        and one that had no values to look at `insufficient` or `no_data`: neither is ever `ok`.

    Raises
    ------
    ConfigError
        When an expectation is unknown or has wrong arguments.

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> window = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> positive = Expectation(type="expect_column_values_to_be_between", column="x", min_value=0)
    >>> check, = validate(lambda name: pd.Series([1.0, -2.0]), [positive], window)
    >>> check.status, check.value, check.reason
    ('alert', 0.5, '1 of 2 values fall outside [0, inf); none may')
    """
    check_expectations(expectations)
    declared = {(e.type, columns_of(e)) for e in expectations}
    kept = [e for e in generated if (e.type, columns_of(e)) not in declared]
    asked = [*expectations, *kept]
    verdicts: dict[int, _Verdict] = {}
    for group, loaded in frames(asked, column_of, rows, columns):
        own = [i for i in group if i < len(expectations)]
        drawn = [i for i in group if i >= len(expectations)]
        parts: list[tuple[list[int], int | None]] = [(own, None), (drawn, sample_rows)]
        if _whole(loaded, sample_rows, rows):
            # The sample is the whole: one batch costs half as much as two.
            parts = [(group, None)]
        for indices, limit in parts:
            judged = _judge([asked[i] for i in indices], loaded, limit, rows)
            verdicts |= dict(zip(indices, judged, strict=True))
    names = _unique_names(asked)
    return [
        verdicts[i].check(
            e, names[i], window, "contract" if i < len(expectations) else "provisional"
        )
        for i, e in enumerate(asked)
    ]


def _whole(loaded: pd.DataFrame | str, limit: int, rows: int | None) -> bool:
    return not isinstance(loaded, str) and max(rows or 0, len(loaded)) <= min(limit, len(loaded))


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is known of an expectation's check, its name aside."""

    status: Status
    reason: str | None = None
    n: int | None = None
    found: Finding | None = None

    def check(
        self, expectation: Expectation, name: str, window: Window, source: ThresholdFrom
    ) -> Check:
        """Return the check."""
        return Check(
            family="quality",
            name=name,
            window=window,
            status=self.status,
            column=expectation.column,
            value=self.found.value if self.found else None,
            threshold=self.found.threshold if self.found else None,
            threshold_from=source,
            direction=self.found.direction if self.found else None,
            exceeded=self.status == "alert",
            severity=expectation.severity,
            n=self.n,
            reason=self.reason,
        )


def _judge(
    expectations: Sequence[Expectation],
    loaded: pd.DataFrame | str,
    limit: int | None,
    rows: int | None,
) -> list[_Verdict]:
    """Evaluate expectations on a frame, or on evenly spaced rows of it."""
    if not expectations:
        return []
    if isinstance(loaded, str):
        return [_Verdict("error", loaded)] * len(expectations)
    frame = loaded
    about = None
    if limit is not None:
        if len(loaded) > limit:
            frame = loaded.iloc[np.arange(limit) * len(loaded) // limit].reset_index(drop=True)
        total = max(rows or 0, len(loaded))
        if total > len(frame):
            about = f"on a systematic sample of {_count(len(frame))} of {_count(total)} rows"
    empty = [_vacuous(e, frame) for e in expectations]
    open_ = [e for e, verdict in zip(expectations, empty, strict=True) if verdict is None]
    results = iter(evaluate(frame, open_)) if open_ else iter(())
    return [
        verdict or _verdict(e, next(results), frame, about)
        for e, verdict in zip(expectations, empty, strict=True)
    ]


def _count(n: int) -> str:
    return f"{n:,}".replace(",", " ")


def _vacuous(expectation: Expectation, frame: pd.DataFrame) -> _Verdict | None:
    """Say why an expectation has nothing to look at, where it would pass for that."""
    if subject_of(expectation)[0] != "values":
        return None
    if frame.empty:
        return _Verdict("no_data", "no rows in the window", 0)
    names = columns_of(expectation)
    nullable = len(names) == 1 and expectation.type not in _OF_NULLS
    if nullable and not frame[names[0]].notna().any():
        return _Verdict("insufficient", f"all {len(frame)} rows are null", len(frame))
    return None


def _verdict(
    expectation: Expectation, outcome: Mapping[str, Any], frame: pd.DataFrame, about: str | None
) -> _Verdict:
    if not outcome or _raised(outcome["exception_info"]):
        # The exception's text may hold values: its kind and the column's type must do.
        named = list(columns_of(expectation))
        dtypes = (frame[named] if named else frame).dtypes
        kinds = ", ".join(str(kind) for kind in dtypes.unique())
        kind = _raised(outcome.get("exception_info", {})) or "no result"
        return _Verdict("error", f"could not be evaluated on {kinds}: {kind}", len(frame))
    result = outcome["result"]
    found = finding(expectation.type, expectation.arguments, result)
    if looked_at(result) == 0 and expectation.type not in _OF_NULLS:
        return _Verdict("insufficient", "no row has all the values", len(frame))
    observed = result.get("observed_value")
    missing = observed is None and expectation.type in MEASURES
    if missing or (isinstance(observed, float) and math.isnan(observed)):
        return _Verdict("undefined", "it is not a number here", len(frame))
    told = about if outcome["success"] else "; ".join(filter(None, (found.text, about)))
    status: Status = "ok" if outcome["success"] else "alert"
    n = None if subject_of(expectation)[0] == "names" else len(frame)
    return _Verdict(status, told, n, found)


_KIND = re.compile(r"\b([A-Z][A-Za-z]*(?:Error|Exception|Warning))\b")


def _raised(info: Mapping[str, Any]) -> str | None:
    """Return the kind of what an evaluation raised, None if nothing."""
    nested = [v for v in info.values() if isinstance(v, Mapping)]
    for each in (info, *nested):
        if each.get("raised_exception"):
            text = f"{each.get('exception_traceback')}"
            kinds = _KIND.findall(text)
            kinds = [k for k in kinds if not k.startswith(("Metric", "GreatExpectations"))]
            return kinds[-1] if kinds else "an error"
    return None


def _unique_names(expectations: Iterable[Expectation]) -> list[str]:
    """Name each check by its type; a second one of the same column gets `#2`."""
    seen: Counter[tuple[str, str | None]] = Counter()
    names = []
    for expectation in expectations:
        key = expectation.type, expectation.column
        seen[key] += 1
        names.append(expectation.type + (f"#{seen[key]}" if seen[key] > 1 else ""))
    return names
