"""A model whose windows are judged by hand, through the real decision and the real store."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.outbox import OutboxRow
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig, load_config
from monitoring_sdk.decision import ATTACHED, ResultRow
from monitoring_sdk.measure import Layout
from monitoring_sdk.profile.grid import Grid
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.report import Check, Incident, Report
from monitoring_sdk.stages.decide import decide_window
from monitoring_sdk.window import Window, parse_time

MODEL = "shop"
NOW = datetime(2024, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MONITOR = """\
model: shop
source: {predictions: nowhere.parquet}
columns: {timestamp: at, prediction: y_pred}
window: {every: 1d, timezone: America/New_York}
alerts: {slack: {channel: C0123456}, remind: never}
retraining: {when: [drift], cooldown: 0d, hook: {command: ["true"]}}
"""


def write_monitor(folder: Path, monkeypatch: pytest.MonkeyPatch) -> MonitorConfig:
    """Write monitor file and baseline, and name their folders; return what the file says."""
    monitors, saved = folder / "monitors", folder / "baselines"
    monkeypatch.setenv("MONITORING_MONITORS", str(monitors))
    monkeypatch.setenv("MONITORING_BASELINES", str(saved))
    monitors.mkdir()
    path = monitors / f"{MODEL}.yaml"
    path.write_text(MONITOR)
    config = load_config(path)
    # On a baseline that watches nothing, checks stay as they were judged.
    span = Window(window(config, -30).start, window(config, 1).start)
    nothing = Baseline(MODEL, "", NOW, span, None, Layout(), Grid({}), Profile(0, {}), (), {})
    baselines.save(nothing, saved)
    return config


def window(config: MonitorConfig, number: int) -> Window:
    """Return the window of a day counted from the 1st of March; on the 10th clocks change."""
    start = parse_time(date(2024, 3, 1) + timedelta(days=number - 1), config.window.timezone)
    return Window(start, config.cadence.next(start))


def decide(
    config: MonitorConfig,
    store: Store,
    number: int,
    *families: str,
    now: datetime = NOW,
    notify: bool = True,
) -> Report:
    """Decide a window in which some families of checks alert."""
    at = window(config, number)
    checks = [Check("drift", "ks", at, "ok", column="quiet", value=0.1, threshold=0.5)]
    checks += [
        Check(
            family,  # type: ignore[arg-type]
            "psi",
            at,
            "alert",
            column=family,
            value=0.9,
            threshold=0.5,
            threshold_from="user",
            direction="above",
            exceeded=True,
        )
        for family in families
    ]
    row = ResultRow(MODEL, at, "data", "v1", "s", "f", at.end, "ok", None, 100, tuple(checks))
    return decide_window(config, row, (), (), store, notify=notify, holder="t", now=now)


def only_incident(store: Store) -> Incident:
    """Return the one incident that there is."""
    (found,) = store.incidents(MODEL)
    return found


def told(store: Store) -> list[str]:
    """Return the transitions for which there are messages, in their order."""
    return [row.message.transition for row in rows(store)]


def rows(store: Store) -> list[OutboxRow]:
    """Return the messages, without what is attached to them."""
    return [row for row in store.messages() if row.message.kind not in ATTACHED]
