"""ModelMonitor: log predictions and labels from a serving process, and look at them there."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from monitoring_sdk.adapters import baselines, inference_log
from monitoring_sdk.adapters.logged_rows import (
    ID,
    LABEL,
    LABEL_TIMESTAMP,
    LATENCY,
    PREDICTION,
    QUERY,
    TIMESTAMP,
    guess_task,
    lay_rows,
    moments,
    one_column,
    pair_labels,
    score_columns,
)
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MODEL_NAME
from monitoring_sdk.drift.methods import drift
from monitoring_sdk.errors import BaselineError, ConfigError, MonitoringError, explain
from monitoring_sdk.evaluate import judge
from monitoring_sdk.measure import Layout, Measurement, measure_columns, measure_metrics
from monitoring_sdk.metrics.operations import OPERATIONS, Served, operation
from monitoring_sdk.metrics.rows import TASKS, LabelledRows
from monitoring_sdk.metrics.table import METRICS, find_metric, metric_names
from monitoring_sdk.profile.categorical import profile_categorical
from monitoring_sdk.profile.grid import CategoricalGrid, Grid
from monitoring_sdk.profile.numeric import profile_numeric
from monitoring_sdk.profile.profile import profile_batches
from monitoring_sdk.references import limits_beside_the_whole
from monitoring_sdk.report import Check, Report, overall_status
from monitoring_sdk.value import Value
from monitoring_sdk.window import Window

QUICKSTART = "quickstart"
DRIFT_OF = {"categorical": "total_variation", "numeric": "ks"}
"""`detect_data_drift` answers with a distance between 0 and 1 for either kind of column."""


class ModelMonitor:
    """Logs what a model said and what came true, and answers how it is doing.

    Parameters
    ----------
    api_key : str, optional
        For a collector; not used without a `url`. Never written anywhere.
    model : str
        The model's name. `quickstart` needs no set-up: its baseline ships with the package.
    baseline : str or Path, optional
        A baseline's folder. Default: the newest of the model under `MONITORING_BASELINES`.
    log : str or Path, optional
        Folder of the inference log. Default: `.monitoring/log/<model>`; the quickstart model
        keeps its rows in memory only.
    url : str, optional
        Not supported yet.
    task : str, optional
        `binary`, `multiclass`, `regression` or `ranking`; default: as the metric that is asked
        for, the baseline and the classes say.

    Examples
    --------
    >>> monitor = ModelMonitor()
    >>> monitor.log_predictions([0, 1, 1, 0, 1])
    >>> monitor.log_true_labels([0, 1, 0, 0, 1])
    >>> monitor.calculate_metric("accuracy")
    0.8
    >>> round(monitor.detect_data_drift([0, 1, 1, 0, 1]), 2)
    0.15
    """

    def __init__(
        self,
        api_key: str | None = None,
        model: str = QUICKSTART,
        baseline: str | Path | None = None,
        log: str | Path | None = None,
        url: str | None = None,
        *,
        task: str | None = None,
    ) -> None:
        if not MODEL_NAME.fullmatch(model):
            raise ConfigError(explain("ModelMonitor: not a model's name", got=model))
        if url is not None:
            raise ConfigError("ModelMonitor: url: not supported yet; give a folder as log")
        if task is not None and task not in TASKS:
            raise ConfigError(explain("ModelMonitor: unknown task", got=task, allowed=TASKS))
        self._api_key = api_key
        self._task = task
        self.model = model
        self._baseline_folder = baseline
        self._log = _log_folder(model, log)
        self._predictions: list[pd.DataFrame] = []
        self._labels: list[pd.DataFrame] = []
        self._baseline: Baseline | None = None
        self._next = {"predictions": 0, "labels": 0}

    def log_predictions(
        self,
        values_or_frame: Any,
        *,
        ids: Any = None,
        timestamps: Any = None,
        features: Any = None,
        scores: Any = None,
        latency_ms: Any = None,
    ) -> None:
        """Log what the model said.

        Parameters
        ----------
        values_or_frame : array-like of shape (n,), or DataFrame
            The predictions; or a frame with a column `prediction`, and `id`, `timestamp`, `score`
            (`score_<class>` for several), `query`, `item` and features where it has them.
        ids : array-like of shape (n,), optional
            Without any, predictions and labels pair by order.
        timestamps : array-like of shape (n,), optional
            Naive means UTC; default: now.
        features : DataFrame or mapping, optional
        scores : array-like of shape (n,), or mapping or frame of class to such, optional
        latency_ms : number or array-like of shape (n,), optional

        Raises
        ------
        ConfigError
            When lengths differ, or a frame has no column `prediction`.
        """
        extra = {ID: ids, TIMESTAMP: timestamps, **score_columns(scores), LATENCY: latency_ms}
        rows = lay_rows(values_or_frame, PREDICTION, extra, features, single=(ID,))
        self._keep("predictions", self._predictions, rows, TIMESTAMP)

    def log_true_labels(
        self, values_or_frame: Any, *, ids: Any = None, timestamps: Any = None
    ) -> None:
        """Log what came true.

        Parameters
        ----------
        values_or_frame : array-like of shape (n,), or DataFrame
            The labels; or a frame with a column `label`, and `id` and `label_timestamp`.
        ids, timestamps : array-like of shape (n,), optional
            As for `log_predictions`; a later label of an id replaces an earlier one.

        Raises
        ------
        ConfigError
            When lengths differ, or a frame has no column `label`.
        """
        extra = {ID: ids, LABEL_TIMESTAMP: timestamps}
        rows = lay_rows(values_or_frame, LABEL, extra, single=(ID,))
        self._keep("labels", self._labels, rows, LABEL_TIMESTAMP)

    def _keep(self, kind: str, kept: list[pd.DataFrame], rows: pd.DataFrame, at: str) -> None:
        if ID not in rows:
            first = self._next[kind]
            rows[ID] = np.arange(first, first + len(rows))
        rows[at] = moments(rows[at], at) if at in rows else datetime.now(UTC)
        rows[at] = rows[at].astype("datetime64[us, UTC]")
        self._next[kind] += len(rows)
        kept.append(rows)
        if self._log is not None and len(rows):
            inference_log.append(self._log, kind, rows, at)

    def _logged(self, kept: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
        if not kept:
            return pd.DataFrame({c: [] for c in columns})
        return pd.concat(kept, ignore_index=True)

    def _labelled(self, metric: str | None = None) -> tuple[LabelledRows, float | None]:
        """Pair predictions with the newest label of each id, for a metric or for all of a task."""
        predictions = self._logged(self._predictions, [ID, PREDICTION])
        labels = self._logged(self._labels, [ID, LABEL, LABEL_TIMESTAMP])
        task = self._task
        if task is None and metric is None and self.baseline.layout.numeric_prediction:
            task = "ranking" if QUERY in predictions else "regression"
        return pair_labels(predictions, labels, task or guess_task(predictions, labels, metric))

    def _measure(self, name: str) -> Value:
        if name not in OPERATIONS:
            rows = self._labelled(name)[0]
            try:
                return find_metric(name, rows.task).compute(rows)
            except ConfigError as error:
                if name in METRICS or "@" in name:
                    raise
                allowed = [*metric_names(rows.task), *OPERATIONS]
                raise ConfigError(explain("unknown metric", got=name, allowed=allowed)) from error
        logged = self._logged(self._predictions, [TIMESTAMP])
        latency = logged.get(LATENCY)
        newest = logged[TIMESTAMP].max().to_pydatetime() if len(logged) else None
        return operation(name, Served(len(logged), datetime.now(UTC), latency, newest=newest))

    def calculate_metric(self, name: str) -> float:
        """Compute a metric over everything logged so far.

        Parameters
        ----------
        name : str
            As in a monitor file: `accuracy`, `roc_auc`, `latency_p95` and so on.

        Raises
        ------
        ConfigError
            When there is no such metric.
        MonitoringError
            When it is undefined, with the reason; a number is never made up.
        """
        value = self._measure(name)
        if value.value is None:
            raise MonitoringError(f"{name} is undefined: {value.reason}")
        return value.value

    @property
    def baseline(self) -> Baseline:
        """The baseline that drift is measured against."""
        if self._baseline is None:
            self._baseline = self._load_baseline()
        return self._baseline

    def _load_baseline(self) -> Baseline:
        if self._baseline_folder is not None:
            return baselines.read_folder(self._baseline_folder)
        if self.model == QUICKSTART:
            return baselines.load(Path(__file__).parent, QUICKSTART)
        return baselines.load(baselines.baselines_root(), self.model)

    def detect_data_drift(self, new_data: Any, column: str | None = None) -> float:
        """Measure how far new data has moved from the baseline.

        Parameters
        ----------
        new_data : array-like of shape (n,), or DataFrame
        column : str, optional
            The baseline's column that an array is of; default: the prediction. Of a frame: the
            only column to look at; default: all, and the largest distance is returned.

        Returns
        -------
        float
            In [0, 1]: total variation of a category, Kolmogorov-Smirnov of a number. On a binary
            column both are the difference of the shares.

        Raises
        ------
        BaselineError
            When the baseline has no such column.
        MonitoringError
            When the distance is undefined.
        """
        known = self.baseline.grid.columns
        if isinstance(new_data, pd.DataFrame):
            names = [column] if column is not None else [c for c in new_data if c in known]
            columns = {str(c): new_data[c] for c in names if c in new_data}
        else:
            columns = {column or self.baseline.layout.prediction or PREDICTION: new_data}
        if not columns or not set(columns) <= set(known):
            came = column or list(columns) or "no known column"
            raise BaselineError(explain("not in the baseline", got=came, allowed=list(known)))
        return max(self._distance(name, values) for name, values in columns.items())

    def _distance(self, name: str, values: Any) -> float:
        grid = self.baseline.grid.columns[name]
        array = pa.array(one_column(values, name), from_pandas=True)
        if isinstance(grid, CategoricalGrid):
            found = drift(
                DRIFT_OF["categorical"],
                self.baseline.profile.columns[name],
                profile_categorical(array, grid),
                grid,
            )
        else:
            current = profile_numeric(array, grid, name)
            reference = self.baseline.profile.columns[name]
            found = drift(DRIFT_OF["numeric"], reference, current, grid)
        if found.value is None:
            raise MonitoringError(f"the drift of {name} is undefined: {found.reason}")
        return found.value

    def check(self) -> Report:
        """Judge everything logged so far as one window against the baseline.

        Returns
        -------
        Report
        """
        rows = self._logged(self._predictions, [TIMESTAMP])
        now = datetime.now(UTC)
        if rows.empty:
            window = Window(now, now)
            return Report(self.model, window, now, "no_data", 0, reason="nothing was logged")
        start = rows[TIMESTAMP].min().to_pydatetime()
        window = Window(start, rows[TIMESTAMP].max().to_pydatetime() + timedelta(microseconds=1))
        known, coverage = self._labelled()
        reference = limits_beside_the_whole(self.baseline)
        checks = [judge(m, window, reference=reference, thresholds={}) for m in self._drift(rows)]
        if coverage is not None:
            checks += [
                judge(m, window, reference=reference, thresholds={}, coverage=coverage)
                for m in measure_metrics(known, known.task)
            ]
        status, reason = overall_status(checks)
        version = self.baseline.version
        return Report(self.model, window, now, status, len(rows), version, reason, tuple(checks))

    def _drift(self, rows: pd.DataFrame) -> tuple[Measurement, ...]:
        baseline = self.baseline
        present = {c: g for c, g in baseline.grid.columns.items() if c in rows}
        table = pa.Table.from_pandas(rows[list(present)], preserve_index=False)
        profile = profile_batches(table.to_batches(), Grid(present), missing_ok=True)
        known = baseline.layout
        layout = Layout(
            tuple(c for c in known.numeric if c in present),
            tuple(c for c in known.categorical if c in present),
            known.prediction if known.prediction in present else None,
            tuple(c for c in known.scores if c in present),
            known.numeric_prediction,
        )
        return measure_columns(profile, baseline.profile, baseline.grid, layout)

    def history(self) -> pd.DataFrame:
        """Return the checks of this model's windows, as the flows have stored them.

        Returns
        -------
        DataFrame
            A row a check and window: `key`, `window_start`, `window_end`, `value`, `threshold`,
            `status` and so on; of `check()`, where nothing is stored.
        """
        if os.environ.get("MONITORING_STORE") or Path(".monitoring/store.db").is_file():
            from monitoring_sdk.adapters.store import open_store

            stored = open_store(read_only=True).history(self.model)
            if len(stored):
                return stored
        rows = [_history_row(check) for check in self.check().checks]
        return pd.DataFrame(rows, columns=list(_HISTORY))

    def send_alert(self, text: str) -> str:
        """Tell people: through Slack where it is set up, else on stderr and in a local record.

        Slack is set up with a webhook, or with a bot token and the channel of the model's monitor
        file.

        Returns
        -------
        str
            Where it went.

        Raises
        ------
        DeliveryError
            When Slack is set up and did not take it; it is in the local record all the same.
        """
        folder = self._log or Path(".monitoring/log") / self.model
        record = inference_log.note(folder, text, datetime.now(UTC))
        channel = _channel(self.model) if os.environ.get("SLACK_BOT_TOKEN") else None
        if channel is not None or os.environ.get("SLACK_WEBHOOK_URL"):
            try:
                from monitoring_sdk.adapters.direct_alert import post_text
            except ModuleNotFoundError:
                sys.stderr.write("Slack is set up, but slack-sdk is not installed\n")
            else:
                return post_text(f"{self.model}: {text}", channel, datetime.now(UTC))
        sys.stderr.write(f"ALERT {self.model}: {text}\n")
        return f"stderr and {record}"


_HISTORY = ("key", "window_start", "window_end", "value", "threshold", "exceeded", "status", "n")


def _history_row(check: Check) -> dict[str, Any]:
    window = {"window_start": check.window.start, "window_end": check.window.end}
    return {n: window[n] if n in window else getattr(check, n) for n in _HISTORY}


def _channel(model: str) -> str | None:
    """Return the Slack channel that the model's monitor file names, where there is one."""
    from monitoring_sdk.stages.handle import find_config

    try:
        return find_config(model)[0].alerts.slack.channel
    except ConfigError:
        return None


def _log_folder(model: str, log: str | Path | None) -> Path | None:
    if log is not None:
        return Path(log)
    return None if model == QUICKSTART else Path(".monitoring/log") / model
