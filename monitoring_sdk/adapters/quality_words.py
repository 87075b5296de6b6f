"""What an evaluated expectation found: its numbers, and a sentence without raw values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# `3 of 912 values ...`
_BREAKS = {
    "expect_column_values_to_be_in_set": "values are not in the set",
    "expect_column_values_to_not_be_in_set": "values are in the set that is ruled out",
    "expect_column_values_to_be_unique": "values are not unique",
    "expect_column_values_to_match_regex": "values do not match the pattern",
    "expect_column_values_to_not_match_regex": "values match the pattern that is ruled out",
    "expect_column_value_lengths_to_equal": "values are of another length",
    "expect_compound_columns_to_be_unique": "rows are not unique",
    "expect_column_pair_values_to_be_equal": "pairs differ",
    "expect_column_pair_values_a_to_be_greater_than_b": "pairs are not in order",
    "expect_column_pair_values_to_be_in_set": "pairs are not in the set",
    "expect_multicolumn_sum_to_equal": "rows have another sum",
    "expect_column_values_to_not_be_null": "rows are null",
    "expect_column_values_to_be_null": "rows are not null",
}
# `the mean is 3.2, ...`
MEASURES = {
    "expect_column_mean_to_be_between": "mean",
    "expect_column_median_to_be_between": "median",
    "expect_column_min_to_be_between": "smallest value",
    "expect_column_max_to_be_between": "largest value",
    "expect_column_sum_to_be_between": "sum",
    "expect_column_stdev_to_be_between": "standard deviation",
    "expect_column_unique_value_count_to_be_between": "number of distinct values",
    "expect_column_proportion_of_unique_values_to_be_between": "share of distinct values",
    "expect_column_proportion_of_non_null_values_to_be_between": "share of values",
    "expect_column_kl_divergence_to_be_less_than": "divergence",
    "expect_table_row_count_to_be_between": "number of rows",
    "expect_table_row_count_to_equal": "number of rows",
    "expect_table_column_count_to_be_between": "number of columns",
    "expect_table_column_count_to_equal": "number of columns",
}
_TYPES = (
    "expect_column_type_to_be",
    "expect_column_values_to_be_of_type",
    "expect_column_values_to_be_in_type_list",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The numbers of an expectation in a window, and what is wrong where something is."""

    value: float | None
    threshold: float | None
    direction: Literal["above", "below"] | None
    text: str


def finding(type_: str, arguments: Mapping[str, Any], result: Mapping[str, Any]) -> Finding:
    """Read what Great Expectations measured.

    Parameters
    ----------
    type_ : str
        The expectation's type.
    arguments : mapping
        What it was given.
    result : mapping
        Its counts, or its observed value.

    Examples
    --------
    >>> finding("expect_column_values_to_be_unique", {"mostly": 0.99},
    ...         {"element_count": 10, "missing_count": 2, "unexpected_count": 2}).text
    '2 of 8 values are not unique; at most 1% may'
    """
    if looked_at(result) is not None:
        return _of_rows(type_, arguments, result)
    return _of_aggregate(type_, arguments, result.get("observed_value"))


def looked_at(result: Mapping[str, Any]) -> int | None:
    """Return how many values a result by rows rests on, None for an aggregate."""
    if "unexpected_count" not in result or result.get("element_count") is None:
        return None
    return int(result["element_count"]) - int(result.get("missing_count") or 0)


def _of_rows(type_: str, arguments: Mapping[str, Any], result: Mapping[str, Any]) -> Finding:
    total, bad = looked_at(result) or 0, int(result["unexpected_count"] or 0)
    # 1 - 0.99 is not 0.01 in binary.
    allowed = round(1 - float(arguments.get("mostly", 1)), 12)
    if "min_value" in arguments or "max_value" in arguments:
        what = "lengths" if "lengths" in type_ else "values"
        breaks = f"{what} fall outside {interval(arguments)}"
    else:
        breaks = _BREAKS.get(type_, "rows break it")
    share = f"at most {100 * allowed:.4g}% may" if allowed else "none may"
    value = bad / total if total else None
    return Finding(value, allowed, "above", f"{bad} of {total} {breaks}; {share}")


def _of_aggregate(type_: str, arguments: Mapping[str, Any], observed: Any) -> Finding:
    value = _number(observed)
    low, high = (_number(arguments.get(k)) for k in ("min_value", "max_value"))
    equal = _number(arguments.get("value"))
    low, high = (equal, equal) if equal is not None else (low, high)
    if "threshold" in arguments:
        high = _number(arguments["threshold"])
    name = MEASURES.get(type_, "observed value")
    bounds = f"not {equal:g}" if equal is not None else f"outside {interval(arguments)}"
    if value is None:
        return Finding(None, None, None, _worded(type_, arguments, observed, bounds))
    under = low is not None and (high is None or value < low)
    threshold = low if under else high
    direction: Literal["above", "below"] | None = (
        None if threshold is None else "below" if under else "above"
    )
    return Finding(value, threshold, direction, f"the {name} is {value:.6g}, {bounds}")


def _worded(type_: str, arguments: Mapping[str, Any], observed: Any, outside: str) -> str:
    if type_ in _TYPES and isinstance(observed, str):
        wanted = arguments.get("type_", arguments.get("type_list"))
        return f"the column is of type {observed}, not {wanted}"
    if type_ in MEASURES:
        return f"the {MEASURES[type_]} is {observed}, {outside}"
    if type_ == "expect_column_to_exist":
        return "there is no such column"
    return {
        "expect_column_distinct_values_to_be_in_set": "some values are not in the set",
        "expect_column_distinct_values_to_contain_set": "some values of the set do not occur",
        "expect_column_distinct_values_to_equal_set": "the values are not those of the set",
        "expect_column_most_common_value_to_be_in_set": "the commonest value is not in the set",
        "expect_column_quantile_values_to_be_between": "a quantile lies outside its range",
        "expect_table_columns_to_match_set": "the columns are not those of the set",
        "expect_table_columns_to_match_ordered_list": "the columns are not those of the list",
    }.get(type_, "it does not hold")


def interval(arguments: Mapping[str, Any]) -> str:
    """Write the bounds of an expectation as an interval.

    Examples
    --------
    >>> interval({"min_value": 0, "strict_min": True, "max_value": 2.5})
    '(0, 2.5]'
    """
    low, high = arguments.get("min_value"), arguments.get("max_value")
    low, high = (f"{v:.6g}" if isinstance(v, float) else v for v in (low, high))
    left = "(-inf" if low is None else f"{'(' if arguments.get('strict_min') else '['}{low}"
    right = "inf)" if high is None else f"{high}{')' if arguments.get('strict_max') else ']'}"
    return f"{left}, {right}"


def _number(value: Any) -> float | None:
    """Return a finite number, None for all else (booleans, lists, text, NaN)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
