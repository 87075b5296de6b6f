"""The newest verdict on each window, as pages and documents show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import Part, ResultRow
from monitoring_sdk.report import SCHEMA, Check, Incident, Report, Status, Trigger, timestamp
from monitoring_sdk.stages.concept import diagnosed
from monitoring_sdk.stages.judged import awaited, pending_checks
from monitoring_sdk.stages.quality import blocking
from monitoring_sdk.window import Window


class Verdicts(Protocol):
    """A store, or what answers as one does."""

    def results(
        self,
        model: str,
        start: datetime | None = None,
        end: datetime | None = None,
        part: Part | None = None,
    ) -> list[ResultRow]:
        """Return the newest verdicts on the windows inside `[start, end)`, in order of time."""

    def incidents(
        self, model: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Incident]:
        """Return the incidents opened in `(start, end]`, oldest first."""

    def triggers(self, model: str | None = None) -> list[Trigger]:
        """Return the triggers, oldest first."""


def newest_reports(
    config: MonitorConfig,
    windows: Sequence[Window],
    as_of: datetime,
    store: Verdicts,
    waiting: Mapping[Window, str] | None = None,
) -> list[Report]:
    """Return each window's newest verdict, its performance under the window that it judges.

    Parameters
    ----------
    waiting : mapping of Window to str, optional
        Why windows whose labels are due are not judged, from `overdue`.
    """
    if not windows:
        return []
    data, judged = _stored(config, windows, store)
    triggers = store.triggers(config.model)
    incidents = store.incidents(config.model)
    reports = []
    for window in (w for w in windows if w in data):
        row, performance = data[window], judged.get(window)
        reports.append(
            Report(
                model=config.model,
                window=window,
                as_of=as_of,
                status=joint_status(row, performance),
                reason=row.reason,
                rows=row.rows,
                baseline=row.baseline,
                checks=(*row.checks, *_performance(config, row, performance, as_of, waiting or {})),
                incidents=tuple(i for i in incidents if i.covers(window)),
                triggers=tuple(t for t in triggers if t.window_end == window.end),
                diagnosis=None if performance is None else diagnosed((performance,)),
            )
        )
    return reports


def _stored(
    config: MonitorConfig, windows: Sequence[Window], store: Verdicts
) -> tuple[dict[Window, ResultRow], dict[Window, ResultRow]]:
    """Return the newest verdicts on the data and on the performance of a span's windows."""
    span = (windows[0].start, windows[-1].end)
    data = {r.window: r for r in store.results(config.model, *span, "data")}
    return data, {r.window: r for r in store.results(config.model, *span, "performance")}


def overdue(
    config: MonitorConfig, windows: Sequence[Window], as_of: datetime, store: Verdicts
) -> dict[Window, str]:
    """Say why windows whose labels are due are not judged; labels are read only where some are."""
    if config.source.labels is None or not windows:
        return {}
    data, judged = _stored(config, windows, store)
    late = [w for w, row in data.items() if row.rows and w not in judged]
    late = [w for w in late if _waiting_for(config, data[w], as_of) == _TOO_FEW]
    return awaited(config, sorted(late), as_of) if late else {}


_TOO_FEW = "too few labels are known, or their table is stale"


def _waiting_for(config: MonitorConfig, row: ResultRow, as_of: datetime) -> str:
    """Say why a window's performance is not judged, as far as its data's verdict tells."""
    due = row.window.end + config.labels.delay
    pending = f"labels are due at {due:%Y-%m-%d %H:%M} UTC" if as_of < due else _TOO_FEW
    return blocking(row.checks) or pending


def _performance(
    config: MonitorConfig,
    row: ResultRow,
    performance: ResultRow | None,
    as_of: datetime,
    waiting: Mapping[Window, str],
) -> tuple[Check, ...]:
    if performance is not None:
        return performance.checks
    if config.source.labels is None or not row.rows:
        return ()
    reason = waiting.get(row.window) or _waiting_for(config, row, as_of)
    return pending_checks(config, row.window, reason)


def joint_status(row: ResultRow, performance: ResultRow | None) -> Status:
    """Say the status of a window from the verdicts on its data and on its performance."""
    if row.status in ("error", "no_data", "alert") or performance is None:
        return row.status
    if "alert" in (row.status, performance.status):
        return "alert"
    return "ok" if "ok" in (row.status, performance.status) else row.status


def span_document(
    config: MonitorConfig,
    windows: Sequence[Window],
    as_of: datetime,
    store: Verdicts,
    *,
    checks: bool = False,
) -> dict[str, object]:
    """Return the JSON document of `backfill` and `replay`."""
    waiting = overdue(config, windows, as_of, store)
    reports = newest_reports(config, windows, as_of, store, waiting)
    opened = store.incidents(config.model, windows[0].start, windows[-1].end) if windows else []
    return {
        "schema": SCHEMA,
        "model": config.model,
        "as_of": timestamp(as_of),
        "windows": [r.to_dict(checks=checks) for r in reports],
        "incidents": [i.to_dict() for i in opened],
        "pages": len(opened),
    }
