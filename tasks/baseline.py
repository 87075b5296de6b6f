"""The hop that fits a baseline."""

from __future__ import annotations

from datetime import datetime

from prefect import get_run_logger

from monitoring_sdk import stages
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig
from tasks.hop import hop


@hop
def fit_baseline(
    config: MonitorConfig, start: datetime | None, end: datetime | None, now: datetime
) -> Baseline:
    """Fit a baseline on a span, and save it as a new version."""
    logger = get_run_logger()

    def told(what: str, done: int, total: int) -> None:
        logger.info("%s: %d of %d", what, done, total)

    return stages.build_baseline(config, start, end, now=now, progress=told)
