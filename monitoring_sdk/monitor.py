"""ModelMonitor: log predictions and labels from a serving process, and look at them there."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from monitoring_sdk import logged_report
from monitoring_sdk.adapters import baselines, folders, inference_log
from monitoring_sdk.adapters.inference_log import LABELS, LOGS, PREDICTIONS
from monitoring_sdk.adapters.log_writer import LogLimits, LogStatus
from monitoring_sdk.adapters.logged_rows import (
    ID,
    LABEL,
    LABEL_TIMESTAMP,
    LATENCY,
    PREDICTION,
    QUERY,
    TIMESTAMP,
    gathered,
    guess_task,
    pair_labels,
    score_columns,
)
from monitoring_sdk.adapters.process_log import ProcessLog, open_writer
from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config import MODEL_NAME
from monitoring_sdk.errors import ConfigError, MonitoringError, explain
from monitoring_sdk.metrics.operations import OPERATIONS
from monitoring_sdk.metrics.rows import TASKS, LabelledRows
from monitoring_sdk.report import Report

QUICKSTART = "quickstart"


class ModelMonitor:
    """Logs what a model said and what came true, and answers how it is doing.

    Parameters
    ----------
    api_key : str, optional
        For a collector; not used without a `url`. Default: `MONITORING_API_KEY`. Never written
        anywhere.
    model : str
        The model's name. `quickstart` needs no set-up: its baseline ships with the package.
    baseline : str or Path, optional
        A baseline's folder. Default: the newest of the model under `MONITORING_BASELINES`.
    log : str or Path, optional
        Folder of the inference log, by path or URL. Default: `.monitoring/log/<model>`; the
        quickstart model keeps its rows in memory only. With a collector, rows wait there until it
        has them; with a log behind a URL they wait in the default folder.
    url : str, optional
        Address of a collector (`monitoring serve`) that rows are sent to. Default:
        `MONITORING_URL`, except for the quickstart model.
    task : str, optional
        `binary`, `multiclass`, `regression` or `ranking`; default: as the metric that is asked
        for, the baseline and the classes say.
    keep_rows : int
        Rows of either kind in memory, for `calculate_metric` and `check`: the newest.
    limits : LogLimits, optional
        How much waits for the disk, and how old and large a file gets.

    Notes
    -----
    Logging waits for no disk and no network: rows go into a bounded queue, and threads write them
    down. At exit and on SIGTERM what waits is flushed; docs/serving.md says what a kill costs.

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
        keep_rows: int = 100_000,
        limits: LogLimits | None = None,
    ) -> None:
        if not MODEL_NAME.fullmatch(model):
            raise ConfigError(explain("ModelMonitor: not a model's name", got=model))
        if task is not None and task not in TASKS:
            raise ConfigError(explain("ModelMonitor: unknown task", got=task, allowed=TASKS))
        if keep_rows < 1:
            raise ConfigError(explain("keep_rows must be at least 1", got=keep_rows))
        if url is None and model != QUICKSTART:
            url = os.environ.get("MONITORING_URL") or None
        self._task = task
        self.model = model
        self._baseline_folder = baseline
        self._baseline: Baseline | None = None
        files = folders.folder(log or LOGS / model, "ModelMonitor: log")
        away = folders.is_remote(files)
        if away and url is not None:
            raise ConfigError("ModelMonitor: log: beside url it must be a folder on this disk")
        # What is on its way, and the alerts' record, stay on this disk.
        self._folder = LOGS / model if away else files
        writer = None
        if log is not None or url is not None or model != QUICKSTART:
            key = api_key or os.environ.get("MONITORING_API_KEY")
            writer = open_writer(self._folder, files, model, url, key, limits)
        self._rows = ProcessLog(writer, keep_rows, unique=away or url is not None)

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
        self._rows.keep(PREDICTIONS, values_or_frame, PREDICTION, extra, TIMESTAMP, features)

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
        self._rows.keep(LABELS, values_or_frame, LABEL, extra, LABEL_TIMESTAMP)

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until what was logged is in the log's files, or with the collector.

        Parameters
        ----------
        timeout : float
            Seconds to wait at most.

        Returns
        -------
        bool
            Whether all of it is; what is not stays in the queue or on disk, and is tried again.
        """
        return self._rows.writer is None or self._rows.writer.flush(timeout)

    @property
    def log_status(self) -> LogStatus:
        """How this process's log is doing: rows logged, dropped, filed or sent, refused."""
        return LogStatus() if self._rows.writer is None else self._rows.writer.status

    def _labelled(self, metric: str | None = None) -> tuple[LabelledRows, float | None]:
        """Pair predictions with the newest label of each id, for a metric or for all of a task."""
        predictions = gathered(self._rows.frames(PREDICTIONS), [ID, PREDICTION])
        labels = gathered(self._rows.frames(LABELS), [ID, LABEL, LABEL_TIMESTAMP])
        task = self._task
        if task is None and metric is None and self.baseline.layout.numeric_prediction:
            task = "ranking" if QUERY in predictions else "regression"
        return pair_labels(predictions, labels, task or guess_task(predictions, labels, metric))

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
        if name in OPERATIONS:
            served = gathered(self._rows.frames(PREDICTIONS), [TIMESTAMP])
            value = logged_report.operation_of(name, served, datetime.now(UTC))
        else:
            value = logged_report.metric_of(name, self._labelled(name)[0])
        if value.value is None:
            raise MonitoringError(f"{name} is undefined: {value.reason}")
        return value.value

    @property
    def baseline(self) -> Baseline:
        """The baseline that drift is measured against."""
        if self._baseline is None and self._baseline_folder is not None:
            self._baseline = baselines.read_folder(self._baseline_folder)
        elif self._baseline is None:
            shipped = self.model == QUICKSTART
            root = Path(__file__).parent if shipped else baselines.baselines_root()
            self._baseline = baselines.load(root, self.model)
        return self._baseline

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
        return logged_report.drift_of(self.baseline, new_data, column)

    def check(self) -> Report:
        """Judge everything logged so far as one window against the baseline.

        Returns
        -------
        Report
        """
        rows, now = gathered(self._rows.frames(PREDICTIONS), [TIMESTAMP]), datetime.now(UTC)
        if rows.empty:
            return logged_report.nothing_logged(self.model, now)
        return logged_report.report_of(self.model, self.baseline, rows, *self._labelled(), now)

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
        return logged_report.history_of(self.check())

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
        record = inference_log.note(self._folder, text, datetime.now(UTC))
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


def _channel(model: str) -> str | None:
    """Return the Slack channel that the model's monitor file names, where there is one."""
    from monitoring_sdk.stages.handle import find_config

    try:
        return find_config(model)[0].alerts.slack.channel
    except ConfigError:
        return None
