"""Why a window paged, or did not: its checks by how near they came, and what thresholds rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.adapters.folders import reached, write
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.alarms.budget import Alarms
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import Part, ResultRow
from monitoring_sdk.errors import StoreError
from monitoring_sdk.feedback import Epoch, Feedback
from monitoring_sdk.report import SCHEMA, Check, Incident, timestamp
from monitoring_sdk.stages.alarms import Budgeting
from monitoring_sdk.window import Window

LOOK_BACK = 60
"""So many windows before it are drawn beside a window."""

TOP = 8


class Known:
    """A store, asked about one model as a decision asks."""

    def __init__(self, store: Store, model: str) -> None:
        self._store, self._model = store, model

    def results(self, start: datetime, end: datetime, part: Part) -> list[ResultRow]:
        """Return the newest verdict on a part of each window of a span, in order."""
        return self._store.results(self._model, start, end, part)

    def incidents(self) -> list[Incident]:
        """Return the model's incidents."""
        return self._store.incidents(self._model)

    def feedback(self) -> list[Feedback]:
        """Return what people said."""
        return self._store.feedback(self._model)

    def epochs(self) -> list[Epoch]:
        """Return the epochs that were started."""
        return self._store.epochs(self._model)


@dataclass(frozen=True, slots=True)
class Point:
    """How near a window came to a page: 1 is at the threshold; None where nothing was judged."""

    window: Window
    score: float | None
    alert: bool


@dataclass(frozen=True)
class Explanation:
    """What there is to say of a window.

    Attributes
    ----------
    rows : tuple of ResultRow
        The newest verdicts on its data and, where it was judged, on its performance.
    incidents : tuple of Incident
        Those that it, or its labels, opened or belong to.
    alarms : Alarms or None
        What it was judged by; None where there are too few reference windows, or none that the
        baseline knows.
    reference, learned : int
        Windows of the baseline, and those since that thresholds were set from too.
    spent : int
        Pages in the budget's period before it, but for those that somebody took for true.
    bar : float
        What its thresholds were multiplied by for that.
    points : tuple of Point
        The windows before it, and itself.
    """

    config: MonitorConfig
    window: Window
    rows: tuple[ResultRow, ...]
    incidents: tuple[Incident, ...]
    alarms: Alarms | None
    reference: int
    learned: int
    spent: int
    bar: float
    points: tuple[Point, ...]

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check of the window."""
        return tuple(c for row in self.rows for c in row.checks)

    @property
    def paging(self) -> list[Check]:
        """What pages, the most certain first."""
        return sorted((c for c in self.checks if c.pages), key=lambda c: -(c.score or 0))

    @property
    def nearest(self) -> list[Check]:
        """What does not page, by how near it came."""
        found = [c for c in self.checks if c.score is not None and not c.pages]
        return sorted(found, key=lambda c: -(c.score or 0))[:TOP]

    @property
    def unjudged(self) -> dict[str, int]:
        """How many checks could not be judged, by status."""
        found: dict[str, int] = {}
        for check in self.checks:
            if check.status not in ("ok", "alert"):
                found[check.status] = found.get(check.status, 0) + 1
        return found

    @property
    def opened(self) -> Incident | None:
        """The incident that the window itself opened."""
        return next((i for i in self.incidents if i.opened == self.window.end), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        alarms = self.alarms
        return {
            "schema": SCHEMA,
            "model": self.config.model,
            "window": self.window.to_dict(),
            "as_of": timestamp(max(r.as_of for r in self.rows)),
            "paged": self.opened is not None,
            "status": "alert" if self.paging else self.rows[0].status,
            "incidents": [i.to_dict() for i in self.incidents],
            "paging": [c.to_dict() for c in self.paging],
            "nearest": [c.to_dict() for c in self.nearest],
            "not_judged": self.unjudged,
            "budget": None
            if alarms is None
            else {
                "budget": str(alarms.budget),
                "watched": len(alarms.watched),
                "reference_windows": self.reference,
                "learned_windows": self.learned,
                "expected_pages": alarms.thresholds.expected,
                "expected_in_windows": alarms.thresholds.windows,
                "reference_pages_per_period": alarms.achieved,
                "horizons": list(alarms.thresholds.horizons),
                "provisional": alarms.provisional,
                "spent": self.spent,
                "bar": self.bar,
            },
            "scores": [
                {"window": p.window.to_dict(), "score": p.score, "alert": p.alert}
                for p in self.points
            ],
        }


def explain_window(config: MonitorConfig, window: Window, store: Store) -> Explanation:
    """Gather what there is to say of a window that was evaluated.

    Raises
    ------
    StoreError
        When it was not evaluated yet.
    """
    rows = store.results(config.model, window.start, window.end)
    if not any(r.part == "data" for r in rows):
        raise StoreError(
            f"{config.model}: the window {window} was not evaluated yet: "
            f"run `monitoring run FILE --window-end {timestamp(window.end)}`"
        )
    known = Known(store, config.model)
    judging = Budgeting(known, config)
    alarms, reference, learned, spent, bar = None, 0, 0, 0, 1.0
    data = next(r for r in rows if r.part == "data")
    if data.baseline is not None:
        baseline = baselines.load(baselines_root(), config.model, data.baseline)
        alarms, reference = judging.alarms(data, baseline), len(baseline.windows)
        if alarms is not None:
            learned, bar = judging.learned(data, baseline), judging.bar(data, alarms)
            spent = len(judging.opened_before(data, alarms))
    return Explanation(
        config=config,
        window=window,
        rows=tuple(sorted(rows, key=lambda r: r.part)),
        incidents=_incidents(config, window, rows, store),
        alarms=alarms,
        reference=reference,
        learned=learned,
        spent=spent,
        bar=bar,
        points=_points(config, window, store),
    )


def _incidents(
    config: MonitorConfig, window: Window, rows: Sequence[ResultRow], store: Store
) -> tuple[Incident, ...]:
    """Return the incidents that a window belongs to: by its time, or by its labels'."""
    paging = {c.key for r in rows for c in r.checks if c.pages and r.part == "performance"}
    late = window.end + config.labels.deadline + config.cadence.approximate

    def belongs(i: Incident) -> bool:
        labels = window.end < i.opened <= late and bool(paging & set(i.checks))
        return i.covers(window) or labels

    return tuple(i for i in store.incidents(config.model) if belongs(i))


def _points(config: MonitorConfig, window: Window, store: Store) -> tuple[Point, ...]:
    start = window.start - LOOK_BACK * config.cadence.approximate - timedelta(hours=2)
    found: dict[Window, list[Check]] = {}
    for row in store.results(config.model, start, window.end):
        found.setdefault(row.window, []).extend(row.checks)
    points = []
    for one in sorted(found)[-LOOK_BACK:]:
        scores = [c.score for c in found[one] if c.score is not None]
        alert = any(c.pages for c in found[one])
        points.append(Point(one, max(scores) if scores else None, alert))
    return tuple(points)


def save_chart(text: str, config: MonitorConfig, window: Window, folder: Path) -> Path:
    """Write a window's chart beside the model's page, and return its path."""
    path = folder / f"{config.model}-{window.end:%Y%m%dT%H%M}.svg"
    with reached(path):
        write(path, text.encode())
    return path
