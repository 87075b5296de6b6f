"""The series of checks over reference windows as text that reads well in a diff."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.window import Window, parse_time

_HEAD = ["start", "end", "what"]
_SLICES_HEAD = ["start", "end", "slice", "what"]

Series = Mapping[str, ReferenceSeries]


def split_series(
    series: Series, slices: Iterable[str]
) -> tuple[dict[str, ReferenceSeries], dict[str, dict[str, ReferenceSeries]]]:
    """Tell the checks of all rows from those of slices.

    Returns
    -------
    whole : dict of str to ReferenceSeries
    parts : dict of str to dict of str to ReferenceSeries
        By the slice's key, then by the check's address without it.

    Examples
    --------
    >>> one = ReferenceSeries((0.1,), (9,))
    >>> split_series({"drift/psi/x": one, "drift/psi/x[k=a]": one}, ["[k=a]"])[1].keys()
    dict_keys(['[k=a]'])
    """
    # The longest first: `[k=a]#8` ends in `#8` too.
    known = sorted(set(slices), key=len, reverse=True)
    whole: dict[str, ReferenceSeries] = {}
    parts: dict[str, dict[str, ReferenceSeries]] = {}
    for key, found in series.items():
        part = next((k for k in known if key.endswith(k)), "")
        if part:
            parts.setdefault(part, {})[key.removesuffix(part)] = found
        else:
            whole[key] = found
    return whole, parts


def reference_text(windows: Sequence[Window], series: Series) -> str:
    """Write a line a window with its values, and its row counts on a line of their own."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    keys = sorted(series)
    writer.writerow([*_HEAD, *keys])
    for i, window in enumerate(windows):
        bounds = list(window.to_dict().values())
        writer.writerow([*bounds, "value", *(_value(series[k], i) for k in keys)])
        writer.writerow([*bounds, "n", *(series[k].n[i] for k in keys)])
    return out.getvalue()


def slices_text(windows: Sequence[Window], parts: Mapping[str, Series]) -> str:
    """Write the same for slices, two lines for each slice of a window."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    keys = sorted({key for series in parts.values() for key in series})
    writer.writerow([*_SLICES_HEAD, *keys])
    for i, window in enumerate(windows):
        bounds = list(window.to_dict().values())
        for part, series in sorted(parts.items()):
            values = [_value(series[k], i) if k in series else "" for k in keys]
            writer.writerow([*bounds, part, "value", *values])
            counts = [series[k].n[i] if k in series else "" for k in keys]
            writer.writerow([*bounds, part, "n", *counts])
    return out.getvalue()


def _value(series: ReferenceSeries, i: int) -> str:
    value = series.values[i]
    return "" if value is None else repr(value)


def _number(text: str) -> float | None:
    return None if text == "" else float(text)


def read_reference(text: str) -> tuple[tuple[Window, ...], dict[str, ReferenceSeries]]:
    """Read `reference_text` back.

    Raises
    ------
    ValueError
        When it is something else.
    """
    header, *rows = csv.reader(io.StringIO(text))
    if header[:3] != _HEAD:
        raise ValueError(f"reference.csv begins with {header[:3]}, not with {_HEAD}")
    values = [row for row in rows if row[2] == "value"]
    counts = [row for row in rows if row[2] == "n"]
    windows = tuple(Window(parse_time(row[0]), parse_time(row[1])) for row in values)
    reference = {
        key: ReferenceSeries(
            tuple(_number(row[i]) for row in values), tuple(int(row[i]) for row in counts)
        )
        for i, key in enumerate(header[3:], start=3)
    }
    return windows, reference


def read_slices(text: str, windows: int) -> dict[str, ReferenceSeries]:
    """Read `slices_text` back, each series by the key of its check.

    Raises
    ------
    ValueError
        When it is something else, or speaks of another number of windows.
    """
    header, *rows = csv.reader(io.StringIO(text))
    if header[:4] != _SLICES_HEAD:
        raise ValueError(f"reference_slices.csv begins with {header[:4]}, not with {_SLICES_HEAD}")
    found: dict[str, dict[str, list[list[str]]]] = {}
    for row in rows:
        found.setdefault(row[2], {"value": [], "n": []})[row[3]].append(row)
    reference = {}
    for part, kinds in found.items():
        if len(kinds["value"]) != windows or len(kinds["n"]) != windows:
            raise ValueError(f"reference_slices.csv has not {windows} windows of {part}")
        for i, key in enumerate(header[4:], start=4):
            if all(row[i] for row in kinds["n"]):
                reference[key + part] = ReferenceSeries(
                    tuple(_number(row[i]) for row in kinds["value"]),
                    tuple(int(row[i]) for row in kinds["n"]),
                )
    return reference
