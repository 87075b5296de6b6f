"""A model's history made ready to draw: one row per check and window, with how near its limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import numpy as np
import pandas as pd

from monitoring_sdk.render.excess import excess, side
from monitoring_sdk.render.keys import parts_of
from monitoring_sdk.report import FAMILIES, Check, Incident
from monitoring_sdk.window import Window

COLUMNS = (
    "key",
    "family",
    "name",
    "column",
    "segment",
    "version",
    "window_start",
    "window_end",
    "value",
    "threshold",
    "exceeded",
    "status",
    "severity",
    "n",
    "direction",
    "ratio",
    "judged",
)
RECENT = 30
BEFORE = pd.Timedelta(days=60)


def tidy(
    history: pd.DataFrame | None,
    windows: int | None = None,
    known: Mapping[str, Check] | None = None,
) -> pd.DataFrame:
    """Bring a store's history into the form that the charts and tables read.

    Parameters
    ----------
    history : DataFrame
        Columns key, window_start, window_end (UTC), value, threshold, exceeded, status, and where
        known family, name, column, severity, n, direction; a row per check and window.
    windows : int, optional
        Keep the newest so many windows.
    known : mapping of str to Check, optional
        Checks by their keys: a key that is not among them is taken apart.

    Returns
    -------
    DataFrame
        Sorted by key and time, with `direction` (the side on which the limit lies), `ratio`
        (value on the way to its limit, see `excess`; NaN where there is none) and `judged`.
        Numbers that are not finite are NaN. Empty for an empty history.

    Examples
    --------
    >>> tidy(None).empty
    True
    """
    if history is None or history.empty:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in COLUMNS})
    frame = history.reset_index(drop=True).copy()
    keys = frame["key"].astype(str)
    parts = {key: (known or {}).get(key) or parts_of(key) for key in keys.unique()}
    for name in ("family", "name", "column", "segment", "version"):
        if name not in frame:
            frame[name] = keys.map({key: getattr(part, name) for key, part in parts.items()})
    for name in ("window_start", "window_end"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    for name in ("value", "threshold", "n"):
        given = frame[name] if name in frame else pd.Series(np.nan, index=frame.index)
        numbers = pd.to_numeric(given, errors="coerce").astype(float)
        frame[name] = numbers.where(np.isfinite(numbers))
    frame["exceeded"] = frame["exceeded"].astype(object).eq(True)
    frame["severity"] = frame.get("severity", "critical")
    frame = frame.sort_values(["key", "window_end"], kind="stable")
    # One row a check and window: where several came, the last is the newest verdict.
    frame = frame.drop_duplicates(["key", "window_end"], keep="last")
    if windows is not None:
        ends = np.sort(frame["window_end"].unique())[-windows:]
        frame = frame[frame["window_end"].isin(ends)]
    frame["judged"] = frame["status"].isin(["ok", "alert"])
    frame["direction"] = _directions(frame)
    ratios = [
        _ratio(_or_none(v), _or_none(t), d, bool(e))
        for v, t, d, e in zip(
            frame["value"], frame["threshold"], frame["direction"], frame["exceeded"], strict=True
        )
    ]
    frame["ratio"] = np.array([np.nan if r is None else r for r in ratios], dtype=float)
    return frame[list(COLUMNS)].reset_index(drop=True)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _ratio(
    value: float | None, threshold: float | None, direction: str, exceeded: bool
) -> float | None:
    """Return `excess`; of a check with limits on both sides, by the one that it is nearer to."""
    found = excess(value, threshold, direction)
    if found is None or exceeded == (found > 1) or value == threshold:
        return found
    return excess(value, threshold, side(value, threshold, exceeded))


def _directions(frame: pd.DataFrame) -> pd.Series:
    """Give each check one side, by the majority of its judged windows where it is not told."""
    told = frame.get("direction")
    guessed = pd.Series(
        [
            side(_or_none(v), _or_none(t), bool(e))
            for v, t, e in zip(frame["value"], frame["threshold"], frame["exceeded"], strict=True)
        ],
        index=frame.index,
    )
    both = frame["judged"] & frame["threshold"].notna() & frame["value"].notna()
    below = (guessed.eq("below") & both).groupby(frame["key"]).transform("sum")
    above = (guessed.eq("above") & both).groupby(frame["key"]).transform("sum")
    inferred = pd.Series(np.where(below > above, "below", "above"), index=frame.index)
    if told is None:
        return inferred
    return told.where(told.isin(["above", "below"]), inferred)


def ranked(frame: pd.DataFrame, recent: int = RECENT) -> pd.DataFrame:
    """Rank checks by the newest windows: alerts first, then how near they came to their limit.

    Returns
    -------
    DataFrame
        A row per key, the worst first: key, family, name, column, segment, version, alerts, worst
        (ratio), values (how many windows have one).
    """
    if frame.empty:
        return pd.DataFrame(columns=[*COLUMNS[:6], "alerts", "worst", "values"])
    ends = np.sort(frame["window_end"].unique())[-recent:]
    new = frame["window_end"].isin(ends)
    table = (
        frame.assign(
            alert=(frame["status"] == "alert") & new,
            # A shadow version's never pages.
            critical=(frame["status"] == "alert")
            & new
            & (frame["severity"] == "critical")
            & frame["version"].isna(),
            near=frame["ratio"].where(new),
        )
        .groupby("key", sort=True)
        .agg(
            family=("family", "first"),
            name=("name", "first"),
            column=("column", "first"),
            segment=("segment", "first"),
            version=("version", "first"),
            alerts=("alert", "sum"),
            critical=("critical", "sum"),
            worst=("near", "max"),
            values=("value", "count"),
        )
        .reset_index()
    )
    return table.sort_values(
        ["critical", "alerts", "worst", "key"],
        ascending=[False, False, False, True],
        na_position="last",
    ).reset_index(drop=True)


def checks_of(rows: pd.DataFrame) -> list[Check]:
    """Turn rows of a tidy history back into checks, so that `words` can say them."""
    return [_check(row) for row in rows.to_dict("records")]


def _check(row: dict[Any, Any]) -> Check:
    family = row["family"] if row["family"] in FAMILIES else "operations"
    column = row["column"]
    return Check(
        family=cast(Any, family),
        name=str(row["name"]),
        window=Window(row["window_start"].to_pydatetime(), row["window_end"].to_pydatetime()),
        status=row["status"],
        column=column if isinstance(column, str) else None,
        segment=_segment(row["segment"]),
        version=row["version"] if isinstance(row["version"], str) else None,
        value=_or_none(row["value"]),
        threshold=_or_none(row["threshold"]),
        direction=row["direction"],
        exceeded=bool(row["exceeded"]),
        severity=row["severity"],
        n=None if np.isnan(row["n"]) else int(row["n"]),
    )


def _segment(found: Any) -> Mapping[str, str] | None:
    """Return a segment as a mapping; one that only a key tells of is cut at its signs."""
    if isinstance(found, str):
        pairs = (pair.partition("=") for pair in found.split(","))
        return {column: level for column, _, level in pairs}
    return found if isinstance(found, Mapping) else None


def incident_checks(frame: pd.DataFrame, incident: Incident, top: int = 3) -> list[Check]:
    """Return the checks that stand for an incident, with the values that they had in it.

    For each of its checks: the newest window beyond its limit up to the opening (labels that come
    late put a performance check's window before it), else the first one after it.
    """
    rows = frame[frame["key"].isin(incident.checks) & frame["exceeded"]]
    if incident.closed is not None:
        rows = rows[rows["window_end"] <= pd.Timestamp(incident.closed)]
    opened = pd.Timestamp(incident.opened)
    near = rows["window_end"].between(opened - BEFORE, opened)
    before = rows[near].groupby("key").tail(1)
    after = rows[(rows["window_end"] > opened) & ~rows["key"].isin(before["key"])]
    found = pd.concat([before, after.groupby("key").head(1)])
    # What pages comes before what only warned: a check of the incident may have done either.
    found = found.assign(pages=found["status"].eq("alert"))
    found = found.sort_values(["pages", "ratio", "key"], ascending=[False, False, True])
    return checks_of(found.head(top))


def incident_spans(
    incidents: Sequence[Incident], frame: pd.DataFrame
) -> list[tuple[datetime, datetime]]:
    """Return the spans of logical time that incidents cover within a tidy history.

    An incident opens at the end of its deciding window: the span begins at that window's start.
    """
    if frame.empty:
        return []
    ends = frame.drop_duplicates("window_end")
    starts = dict(zip(ends["window_end"], ends["window_start"], strict=True))
    first, last = frame["window_start"].min(), frame["window_end"].max()
    spans = []
    for incident in incidents:
        opened = pd.Timestamp(incident.opened)
        start = max(starts.get(opened, opened), first)
        end = min(last if incident.closed is None else pd.Timestamp(incident.closed), last)
        if start < end:
            spans.append((start.to_pydatetime(), end.to_pydatetime()))
    return spans
