"""Replace a model: compare, keep, fit a baseline for the new one, publish, write what came of it.

A run that dies is started again with the same trigger. Each step can therefore be repeated, and
what was decided is written before anything is done about it: nobody compares the new model with
itself, publishes it twice or fits a second baseline.
"""

from __future__ import annotations

import importlib
import tempfile
from datetime import datetime
from pathlib import Path
from types import ModuleType

import pandas as pd

from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.baselines import baselines_root
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.alarms.provisional import MIN_WINDOWS
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_sections import SourceSpec
from monitoring_sdk.errors import BaselineError, ConfigError
from monitoring_sdk.render.retraining import Note
from monitoring_sdk.report import Trigger
from monitoring_sdk.retraining import PROMOTED, PROMOTING
from monitoring_sdk.stages.answers import answer
from monitoring_sdk.stages.building import build_baseline
from monitoring_sdk.stages.handle import open_predictions
from monitoring_sdk.stages.steps import clock, worker
from monitoring_sdk.window import Window

FUNCTIONS = ("retrain", "save", "reference", "publish")


def load_trainer(name: str) -> ModuleType:
    """Import a trainer by its module's name.

    A trainer is a module with four functions:

    ``retrain(config, as_of)``
        Fits a challenger on labels known by `as_of` and compares it with the model that serves, on
        rows that neither saw. Returns an object with `better` (a bool) and `reason` (a sentence
        with the numbers).
    ``save(config, outcome)``
        Keeps the challenger, without serving it, and returns the name of its version.
    ``reference(config, version, as_of)``
        Returns rows before `as_of` on which that version was not trained, as it scores them, as a
        frame in the form of the predictions.
    ``publish(config, version)``
        Lets that version serve.

    Each may be called again with the same arguments after a run that was broken off.

    Raises
    ------
    ConfigError
        When there is no such module, or it lacks a function.

    Examples
    --------
    >>> load_trainer("json")
    Traceback (most recent call last):
    ...
    monitoring_sdk.errors.ConfigError: trainer json lacks retrain, save, reference, publish
    """
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"trainer {name} cannot be imported: {error}") from None
    lacking = [f for f in FUNCTIONS if not callable(getattr(module, f, None))]
    if lacking:
        raise ConfigError(f"trainer {name} lacks {', '.join(lacking)}")
    return module


def find_trigger(store: Store, config: MonitorConfig, trigger_id: str) -> Trigger:
    """Return a recorded request to retrain.

    Raises
    ------
    ConfigError
        When this model has none of that id.
    """
    found = [t for t in store.triggers(config.model) if t.id == trigger_id]
    if not found:
        raise ConfigError(f"{config.model}: there is no trigger {trigger_id} in {store.url}")
    return found[0]


def pending_version(trigger: Trigger | None) -> tuple[str, str] | None:
    """Return version and reason of a challenger that an earlier run had begun to promote."""
    if trigger is None or trigger.state != PROMOTING or trigger.outcome is None:
        return None
    version, _, reason = trigger.outcome.partition(": ")
    return version, reason


def begin(store: Store, trigger: Trigger | None, version: str, reason: str) -> None:
    """Write that a challenger is to be promoted, before anything changes."""
    if trigger is not None:
        with store.deciding(trigger.model, holder=worker(), now=clock()) as tx:
            tx.answer(trigger.id, PROMOTING, f"{version}: {reason}", ())


def fit_replacement(
    config: MonitorConfig, rows: pd.DataFrame, valid_from: datetime, root: str | None = None
) -> Baseline:
    """Fit the baseline of a new model, on rows as it scores them; once for the same rows.

    Parameters
    ----------
    rows : DataFrame
        In the form of the predictions.
    valid_from : datetime
        Windows that start at it or later are judged by the new baseline. No label that came later
        is used.

    Raises
    ------
    BaselineError
        When there are no rows.
    """
    if rows.empty:
        raise BaselineError(f"{config.model}: no row is left to fit the new model's baseline on")
    root = baselines_root() if root is None else root
    with tempfile.TemporaryDirectory(prefix="monitoring-") as folder:
        path = Path(folder) / "rows.parquet"
        rows.to_parquet(path, index=False)
        source = config.source.model_copy(update={"predictions": SourceSpec(path=str(path))})
        # All of these rows are the new version's, whatever the file calls the champion yet.
        scored = config.model_copy(update={"source": source, "versions": None})
        span = Window(config.cadence.floor(_first(scored)), valid_from)
        for version in reversed(baselines.versions(root, config.model)):
            known = baselines.load(root, config.model, version)
            if known.valid_from == valid_from and known.span == span:
                return known
        return build_baseline(
            scored,
            span.start,
            span.end,
            valid_from=valid_from,
            now=valid_from,
            root=root,
            inherit=_replaced(config, span, root),
        )


def _replaced(config: MonitorConfig, span: Window, root: str) -> Baseline | None:
    """Return the baseline of the model that is replaced; None where there is none."""
    if not baselines.versions(root, config.model):
        return None
    return baselines.for_window(root, config.model, span)


def _first(config: MonitorConfig) -> datetime:
    found = open_predictions(config).bounds(config.columns.timestamp)
    if found is None:
        raise BaselineError(f"{config.model}: no row of the new model's baseline has a timestamp")
    return found[0]


def promoted_text(version: str, reason: str, baseline: Baseline) -> str:
    """Say what came of a retraining that found a better model."""
    count = len(baseline.windows)
    text = f"promoted {version}, {reason}; baseline {baseline.version} of {count} windows"
    if count < MIN_WINDOWS:
        text += f": too few for limits of its own, which {MIN_WINDOWS} are needed for"
    return text


def write_outcome(
    store: Store, config: MonitorConfig, trigger: Trigger | None, text: str, state: str
) -> None:
    """Write what came of a retraining beside the trigger that asked for it.

    It is so, whatever was said meanwhile; and a promoted model has a baseline of its own, so that
    no epoch has to start.
    """
    if trigger is not None:
        with store.deciding(trigger.model, holder=worker(), now=clock()) as tx:
            what: Note = "promoted" if state == PROMOTED else "kept"
            answer(tx, config, trigger, state, text, what, unless=())
