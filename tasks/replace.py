"""The hops of a retraining: compare, keep, fit a baseline, publish."""

from __future__ import annotations

from datetime import datetime
from types import ModuleType
from typing import Any

import pandas as pd

from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.stages import replacing
from tasks.hop import hop


@hop
def compare_models(config: MonitorConfig, trainer: ModuleType, as_of: datetime) -> Any:
    """Fit a challenger, and compare it with the model that serves."""
    return trainer.retrain(config, as_of)


@hop
def save_model(config: MonitorConfig, trainer: ModuleType, outcome: Any) -> str:
    """Keep the challenger, without serving it."""
    return str(trainer.save(config, outcome))


@hop
def fit_new_baseline(
    config: MonitorConfig, trainer: ModuleType, version: str, as_of: datetime
) -> Baseline:
    """Fit the new model's baseline on rows that it was not trained on."""
    rows: pd.DataFrame = trainer.reference(config, version, as_of)
    return replacing.fit_replacement(config, rows, as_of)


@hop
def publish_model(config: MonitorConfig, trainer: ModuleType, version: str) -> None:
    """Let the new model serve."""
    trainer.publish(config, version)
