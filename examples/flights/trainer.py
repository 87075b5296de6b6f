"""How the flights model is retrained: what `flows.retrain` calls.

The models lie in the folder `model` beside the predictions that the monitor file names, and the
serving process loads the one to which `current` points.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from examples.flights import retraining, serving, training
from examples.flights.data import ZONE
from monitoring_sdk import stages
from monitoring_sdk.adapters.sources.source import open_source, read_table
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import MonitoringError
from monitoring_sdk.window import Window


def retrain(config: MonitorConfig, as_of: datetime) -> retraining.Outcome:
    """Fit a challenger on what is known as of a moment, and compare it with the champion.

    Returns
    -------
    Outcome
        With `reason` in plain words and numbers.
    """
    span = Window(as_of - retraining.TRAINING_SPAN, as_of)
    rows = stages.labelled_rows(config, span, as_of)
    outcome = retraining.retrain(rows, _champion(config), as_of, label=str(config.columns.label))
    return replace(outcome, reason=in_words(outcome))


def save(config: MonitorConfig, outcome: retraining.Outcome) -> str:
    """Keep the challenger, without serving it, and return its version."""
    if outcome.challenger is None:
        raise ValueError("there is no challenger to keep")
    version = outcome.challenger.version
    training.save(outcome.challenger, model_root(config) / version)
    return version


def reference(config: MonitorConfig, version: str, as_of: datetime) -> pd.DataFrame:
    """Score again, by a saved model, the held-out days before a moment: none that it trained on.

    Returns
    -------
    DataFrame
        In the form of the served predictions.
    """
    model = training.load(model_root(config) / version)
    start = max(as_of - retraining.HOLDOUT_SPAN, model.trained_until)
    source, at = open_source(config.source.predictions), config.columns.timestamp
    # Whole New York days only: a half one is no window.
    first = pd.Timestamp(start).tz_convert(ZONE).ceil("D").tz_convert("UTC").to_pydatetime()
    if first >= as_of:
        return pd.DataFrame()
    table = read_table(
        source,
        [c for c in serving.PREDICTION_COLUMNS if c not in ("y_pred", "y_pred_proba")],
        window=Window(first, as_of),
        timestamp=at,
    )
    return serving.score(model, table.to_pandas())


def publish(config: MonitorConfig, version: str) -> None:
    """Serve a saved model from now on."""
    training.promote(version, model_root(config))


def model_root(config: MonitorConfig) -> Path:
    """Return the folder of the models: beside the predictions."""
    path = config.source.predictions.path
    if path is None:
        raise MonitoringError("the flights trainer reads predictions from files")
    return Path(path).parent / "model"


def in_words(outcome: retraining.Outcome) -> str:
    """Say how champion and challenger did on the same rows.

    Examples
    --------
    >>> at = datetime.fromisoformat("2013-06-09T04:00Z")
    >>> span = retraining.Span(at, at, 0)
    >>> in_words(retraining.Outcome(False, "too few rows", span, span))
    'too few rows'
    """
    found = outcome.comparison
    if found is None:
        return outcome.reason
    old, new, holdout = found.champion, found.challenger, outcome.holdout
    return (
        f"on {holdout.rows:,} flights of {_days(holdout)}, which neither model saw, the log loss "
        f"is {new.log_loss:.4f} where the old model has {old.log_loss:.4f} "
        f"({_range(found.log_loss)}), the AUC {new.roc_auc:.3f} where it has {old.roc_auc:.3f} "
        f"({_range(found.roc_auc, 3)})"
    )


def _range(found: retraining.Difference, digits: int = 4) -> str:
    low, high = found.interval
    interval = f"{low:+.{digits}f} to {high:+.{digits}f}"
    return f"better by {found.value:+.{digits}f}, 95 % interval {interval}"


def _days(span: retraining.Span) -> str:
    zone = ZoneInfo(ZONE)
    last = (span.end - timedelta(microseconds=1)).astimezone(zone)
    return f"{span.start.astimezone(zone):%Y-%m-%d} to {last:%Y-%m-%d}"


def _champion(config: MonitorConfig) -> training.Model:
    root = model_root(config)
    try:
        return training.current(root)
    except FileNotFoundError:
        raise MonitoringError(f"no model is served from {root}: nothing to compare with") from None
