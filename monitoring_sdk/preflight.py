"""Before anything is computed: does the window have rows, and the columns that are needed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from monitoring_sdk.errors import did_you_mean
from monitoring_sdk.profile.categorical import nested_as_texts
from monitoring_sdk.report import Check, Severity, Status
from monitoring_sdk.window import Window

_NUMERIC = re.compile(r"u?int\d+|halffloat|float|double|bool|decimal.*|null")
_UNFIT = re.compile(r"(list|large_list|fixed_size_list|struct|map|binary|large_binary|fixed_size_)")
_DICTIONARY = re.compile(r"dictionary<values=(\w+)")


def fits(kind: str, type_: str) -> bool:
    """Say whether a column of an Arrow type, as its name says, can be of a kind.

    Parameters
    ----------
    kind : {"numeric", "categorical"}
        What is expected; numbers, booleans and decimals are numeric, all but nested values and
        bytes categorical. A column of nulls alone is of both kinds.
    type_ : str
        As `str(pyarrow.DataType)` has it.

    Examples
    --------
    >>> fits("numeric", "bool"), fits("numeric", "string"), fits("categorical", "int8")
    (True, False, True)
    """
    inner = _DICTIONARY.match(type_)
    name = inner[1] if inner else type_
    if kind == "numeric":
        return _NUMERIC.fullmatch(name) is not None
    return _UNFIT.match(name) is None


MANY = 0.01
"""Beyond this share, repeated ids or missing moments are worth a page: a batch came twice."""


def preflight(
    columns: Sequence[str],
    types: Mapping[str, str],
    kinds: Mapping[str, str],
    baseline_kinds: Mapping[str, str] | None = None,
    *,
    window: Window,
    rows: int,
    required: Sequence[str] = (),
    ids: Mapping[str, pa.Array | pa.ChunkedArray] | None = None,
    problems: Mapping[str, str] | None = None,
    null_timestamps: int | None = None,
) -> list[Check]:
    """Check a window's shape; what is in order and has no number of its own leaves no check.

    Parameters
    ----------
    columns : sequence of str
        Every column of what holds the window's rows, a name that occurs twice twice.
    types : mapping of str to str
        Their Arrow types, as `str(pyarrow.DataType)` has them.
    kinds : mapping of str to str
        The features and their kinds, numeric or categorical.
    baseline_kinds : mapping of str to str, optional
        The same of the baseline, which go first: a column that has turned from numbers to text
        is seen even where kinds are inferred.
    window : Window
        The window of the checks.
    rows : int
        Its rows.
    required : sequence of str
        Columns beside the features that are needed, of any type.
    ids : mapping of str to array, optional
        The id columns of the window's rows; of a large window those of some ids, all of their
        rows.
    problems : mapping of str to str, optional
        Columns that could not be profiled, and why. Without it, no type but the kind's own fits;
        with it, text that could be read as numbers is a warning.
    null_timestamps : int, optional
        Rows of the source that have no moment, and so are in no window.

    Returns
    -------
    list of Check
        Of family quality: `rows_present` (`no_data`, alone, in an empty window),
        `column_present` and `column_type` (critical alerts), `column_unique` for a name that
        occurs twice (a critical alert), `duplicate_ids` and `null_timestamps` (warnings, critical
        beyond 1 % of the rows).

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> check, = preflight(["distnace"], {"distnace": "double"}, {"distance": "numeric"},
    ...                    window=day, rows=9)
    >>> check.key, check.status, check.reason
    ('quality/column_present/distance', 'alert', 'no such column; did you mean distnace?')
    """
    if rows == 0:
        return [_check("rows_present", window, "no_data", "no rows in the window", n=0)]
    known = baseline_kinds or {}
    expected: dict[str, str | None] = dict.fromkeys(required)
    expected |= {name: known.get(name, kind) for name, kind in kinds.items()}
    counts = Counter(columns)
    spare = [name for name in columns if name not in expected]
    checks = []
    for name, kind in expected.items():
        found = _column(name, kind, counts[name], types.get(name, "null"), problems)
        if name not in counts:
            near = did_you_mean(name, spare)
            reason = "no such column" + (f"; did you mean {near}?" if near else "")
            found = [("column_present", reason, "critical")]
        checks += [
            _check(check, window, "alert", reason, column=name, n=rows, severity=severity)
            for check, reason, severity in found
        ]
    if ids:
        looked_at = len(next(iter(ids.values())))
        checks.append(_share("duplicate_ids", window, duplicates(list(ids.values())), looked_at))
    if null_timestamps is not None:
        total = rows + null_timestamps
        checks.append(_share("null_timestamps", window, null_timestamps, total))
    return checks


def version_checks(
    versions: Mapping[str, int],
    champion: str,
    shadow: Sequence[str] = (),
    *,
    window: Window,
    rows: int,
) -> list[Check]:
    """Check that the rows are those of the versions that the monitor file names.

    Parameters
    ----------
    versions : mapping of str to int
        Rows of each version that the window has.
    champion, shadow : str, sequence of str
    window : Window
    rows : int
        Rows of the window, those without a version among them.

    Returns
    -------
    list of Check
        Of family quality: `champion_present` (a critical alert where no row is the champion's:
        every check of the model is without a number then) and `unknown_version_share` (a warning
        beyond 1 %).

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> [c.reason for c in version_checks({"7": 90, "9": 10}, "7", window=day, rows=100)]
    [None, '10 of 100 rows are of no declared version: 10 of 9']
    """
    if rows == 0:
        return []
    return [
        _champion_present(versions, champion, window, rows),
        _unknown_versions(versions, (champion, *shadow), window, rows),
    ]


def _champion_present(
    versions: Mapping[str, int], champion: str, window: Window, rows: int
) -> Check:
    count = versions.get(champion, 0)
    reason = f"no row is of {champion}, the champion; there are {_counted(versions) or 'no others'}"
    return Check(
        family="quality",
        name="champion_present",
        window=window,
        status="ok" if count else "alert",
        value=float(count),
        threshold=1.0,
        threshold_from="contract",
        direction="below",
        exceeded=not count,
        n=rows,
        reason=None if count else reason,
    )


def _unknown_versions(
    versions: Mapping[str, int], declared: Sequence[str], window: Window, rows: int
) -> Check:
    strange = {v: n for v, n in versions.items() if v not in declared}
    count = rows - sum(versions.values()) + sum(strange.values())
    named = _counted(strange) or "they have none"
    many = count > MANY * rows
    return Check(
        family="quality",
        name="unknown_version_share",
        window=window,
        status="alert" if many else "ok",
        value=count / rows,
        threshold=MANY,
        threshold_from="contract",
        direction="above",
        exceeded=many,
        severity="warning",
        n=rows,
        reason=f"{count} of {rows} rows are of no declared version: {named}" if count else None,
    )


def _counted(versions: Mapping[str, int]) -> str:
    """Name the most frequent versions and their rows."""
    return ", ".join(f"{n} of {v}" for v, n in sorted(versions.items(), key=_most)[:5])


def _most(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _column(
    name: str, kind: str | None, count: int, type_: str, problems: Mapping[str, str] | None
) -> list[tuple[str, str, Severity]]:
    """Return what is wrong with a column that there is: check, reason and severity."""
    found: list[tuple[str, str, Severity]] = []
    if count > 1:
        found.append(("column_unique", f"{count} columns have this name", "critical"))
    if problems is not None and name in problems:
        found.append(("column_type", problems[name], "critical"))
    elif kind is not None and not fits(kind, type_):
        reason = f"the column is {type_}, where {kind} values are expected"
        read = problems is not None
        severity: Severity = "warning" if read else "critical"
        found.append(("column_type", reason + (", but could be read" if read else ""), severity))
    return found


def duplicates(ids: Sequence[pa.Array | pa.ChunkedArray]) -> int:
    """Count the rows whose id, of one or several columns, came before; a null is no id.

    Examples
    --------
    >>> duplicates([pa.array([1, 1, 2]), pa.array(["a", "a", "a"])])
    1
    """
    if not ids:
        return 0
    names = [str(i) for i in range(len(ids))]
    plain = [nested_as_texts(c) for c in ids]
    table = pa.table(dict(zip(names, plain, strict=True))).drop_null()
    return int(table.num_rows - table.group_by(names).aggregate([]).num_rows)


def _share(name: str, window: Window, count: int, total: int) -> Check:
    what = {"duplicate_ids": "rows repeat an id", "null_timestamps": "rows have no timestamp"}[name]
    return Check(
        family="quality",
        name=name,
        window=window,
        status="alert" if count else "ok",
        value=count / total if total else 0.0,
        threshold=0.0,
        threshold_from="contract",
        direction="above",
        exceeded=count > 0,
        severity="critical" if count > MANY * total else "warning",
        n=total,
        reason=f"{count} of {total} {what}" if count else None,
    )


def _check(
    name: str,
    window: Window,
    status: Status,
    reason: str,
    *,
    column: str | None = None,
    n: int | None = None,
    severity: Severity = "critical",
) -> Check:
    return Check(
        family="quality",
        name=name,
        window=window,
        status=status,
        column=column,
        threshold_from="contract",
        exceeded=status == "alert",
        severity=severity,
        n=n,
        reason=reason,
    )
