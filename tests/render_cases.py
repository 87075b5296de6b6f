"""Reports, incidents and histories for the tests of what people read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from monitoring_sdk.report import Check, Incident, Report, overall_status
from monitoring_sdk.window import Window

START = datetime(2013, 6, 3, tzinfo=UTC)  # a Monday
NASTY = "<script>alert(1)</script>"


def day(i: int = 0) -> Window:
    """Return the window of the i-th day."""
    return Window(START + timedelta(days=i), START + timedelta(days=i + 1))


def check(family: str = "drift", name: str = "psi", status: str = "ok", **more: Any) -> Check:
    """Return a check; by default a PSI within its limit."""
    given: dict[str, Any] = {"value": 0.05, "threshold": 0.21, "direction": "above", "n": 912}
    if status not in ("ok", "alert"):
        given |= {"value": None, "reason": f"because {status}"}
    given |= more
    window = given.pop("window", day())
    return Check(family, name, window, status, **given)  # type: ignore[arg-type]


def alert(**more: Any) -> Check:
    """Return a PSI beyond its limit."""
    return check(**({"status": "alert", "value": 0.31, "exceeded": True} | more))


def report(checks: Sequence[Check] = (), i: int = 0, **more: Any) -> Report:
    """Return the report of the i-th day."""
    status, reason = overall_status(checks)
    given: dict[str, Any] = {"status": status, "reason": reason, "rows": 912, "baseline": "v1"}
    window = day(i)
    return Report("flights", window, window.end, checks=tuple(checks), **(given | more))


def incident(checks: Sequence[Check] = (), **more: Any) -> Incident:
    """Return an incident that opened with the first day."""
    families = tuple(dict.fromkeys(c.family for c in checks))
    given: dict[str, Any] = {"families": families, "checks": tuple(c.key for c in checks)}
    return Incident(**({"id": "i1", "model": "flights", "opened": day().end} | given | more))


def history(checks: Sequence[Check]) -> pd.DataFrame:
    """Return checks as a store's history."""
    names = ["key", "family", "name", "column", "value", "threshold", "exceeded", "status"]
    names += ["severity", "n"]
    rows = [
        {n: getattr(c, n) for n in names}
        | {"part": "data", "window_start": c.window.start, "window_end": c.window.end}
        for c in checks
    ]
    return pd.DataFrame(rows)


def season(windows: int = 40, columns: Sequence[str] = ("distance", NASTY)) -> list[Report]:
    """Return reports in which a drift comes and goes, labels lag and one window has no rows."""
    draw = np.random.default_rng(11)
    reports = []
    for i in range(windows):
        checks = []
        for column in columns:
            high = 20 <= i < 25 and column == columns[0]
            value = float(0.05 + 0.02 * draw.random() + (0.4 if high else 0.0))
            checks.append(
                check(
                    column=column,
                    window=day(i),
                    status="alert" if high else "ok",
                    exceeded=high,
                    value=value,
                )
            )
        late = i >= windows - 2
        accuracy = check(
            "performance",
            "accuracy",
            "insufficient" if late else "ok",
            window=day(i),
            direction="below",
            threshold=0.78,
            **({} if late else {"value": float(0.81 + 0.01 * draw.random())}),
        )
        if i == 10:
            gone = [check(column=c, window=day(i), status="no_data") for c in columns]
            reports.append(report(gone, i, status="no_data", rows=0, reason="no rows arrived"))
        else:
            reports.append(report([*checks, accuracy], i))
    return reports
