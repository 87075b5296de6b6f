"""What kind of shift: the bet on concept drift of a judged window, and the diagnosis of a drop."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pyarrow as pa

from monitoring_sdk.adapters.sources.source import read_table
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.diagnosis.concept import ConceptState
from monitoring_sdk.diagnosis.diagnose import MOST_ROWS, Diagnosis, diagnose
from monitoring_sdk.diagnosis.labelled import as_reference, bets, ceiling_of, with_features
from monitoring_sdk.diagnosis.losses import evenly
from monitoring_sdk.estimation.calibration import Calibrator
from monitoring_sdk.estimation.rows import Reference
from monitoring_sdk.labels import resolve
from monitoring_sdk.metrics.rows import LabelledRows
from monitoring_sdk.report import Check, Status
from monitoring_sdk.stages.handle import baseline_for, open_predictions
from monitoring_sdk.stages.joining import Joined, label_batches
from monitoring_sdk.stages.reference_rows import reference_rows
from monitoring_sdk.window import Window

NAME = "concept_drift"
FEWEST_ROWS = 10
_LOG10 = 2.302585092994046


def concept_check(
    window: Window,
    rows: LabelledRows,
    reference: Reference | str,
    calibrate: Calibrator | None,
    before: ConceptState,
    *,
    dependence: float = 1.0,
    coverage: float | None = None,
) -> tuple[Check, ConceptState]:
    """Bet one judged window against what its scores let one expect.

    Parameters
    ----------
    window : Window
    rows : LabelledRows
        The window's.
    reference : Reference or str
        Labelled rows of the baseline, or why there are none.
    calibrate : Calibrator or None
        Of the scores, as the window would have it; None: by the score's or prediction's deciles.
    before : ConceptState
        As the judged window before left it; after a revision of this window the same one again.
    dependence : float
        Design effect of the reference's windows.
    coverage : float, optional
        Share of rows with a label.

    Returns
    -------
    Check, ConceptState
        `performance/concept_drift`: the base-10 log of the detector beside that of 1 / alpha, with
        the p-value since the start; and the state that the next window goes on from.
    """

    if isinstance(reference, str):
        return _without(window, "skipped", reference, rows.n, coverage), before
    current = as_reference(rows, reference)
    if not isinstance(current, str) and current.n < FEWEST_ROWS:
        current = f"{current.n} labelled rows, {FEWEST_ROWS} needed"
    if isinstance(current, str):
        return _without(window, "insufficient", current, rows.n, coverage), before
    found = bets(current, reference, calibrate)
    if isinstance(found, str):
        return _without(window, "insufficient", found, rows.n, coverage), before
    state = before.update(found.loss, found.expected, margin=found.margin, dependence=dependence)
    seen, usual = float(found.loss.mean()), float(found.expected.mean())
    return _check(window, state, seen, usual, current, coverage), state


def _without(window: Window, status: Status, reason: str, n: int, coverage: float | None) -> Check:
    return Check("performance", NAME, window, status, n=n, coverage=coverage, reason=reason)


def _check(
    window: Window,
    state: ConceptState,
    seen: float,
    usual: float,
    current: Reference,
    coverage: float | None,
) -> Check:
    """Write a window's bet down as a check."""
    return Check(
        family="performance",
        name=NAME,
        window=window,
        status="alert" if state.alarms else "ok",
        value=state.log_detector / _LOG10,
        p_value=state.p_value,
        effect=seen - usual,
        threshold=-math.log10(state.alpha),
        threshold_from="contract",
        direction="above",
        exceeded=state.alarms,
        n=current.n,
        coverage=coverage,
        reason=_words(current, seen, usual) if state.alarms else None,
    )


def _words(current: Reference, seen: float, usual: float) -> str:
    if current.task == "regression":
        return (
            f"errors exceed what the predictions explain: {seen / usual - 1:+.0%}"
            if usual > 0
            else "errors exceed what the predictions explain"
        )
    if current.rows.prediction is None:
        return f"scores are further off than they explain: {seen:.3f} against {usual:.3f} expected"
    return f"errors exceed what inputs and scores explain: {seen:.0%} against {usual:.0%} expected"


def window_rows(
    config: MonitorConfig, window: Window, as_of: datetime, reference: Reference
) -> Reference | str:
    """Read a window's labelled rows with their features, coded as its reference is.

    Those that metrics speak of: that can get a label, and with several versions the champion's.

    Returns
    -------
    Reference or str
        A text says why there are none.

    Raises
    ------
    SourceError
        When a source cannot be read, or lacks a column.
    """
    columns, known = config.columns, config.columns.label_timestamp
    if config.source.labels is None or columns.label is None:
        return "the monitor file names no labels"
    table = _read(config, window, reference)
    if table.num_rows == 0:
        return "the window has no rows"
    found = resolve(
        table,
        label_batches(config, window, as_of),
        id_columns=columns.id,
        label=columns.label,
        label_timestamp=None if known is None else known.column,
        unit=None if known is None else known.unit,
        as_of=as_of,
    )
    # Every row that was read is of this window.
    moments = np.full(table.num_rows, np.datetime64(window.start.replace(tzinfo=None), "us"))
    joined = Joined(config, table, moments, found, as_of)
    label = joined.settled_label()
    rows = joined.main(np.arange(table.num_rows)).rows
    rows = rows[label.is_valid().to_numpy(zero_copy_only=False)[rows]]
    rows = rows[evenly(len(rows), MOST_ROWS)]
    own = joined.labelled(rows, label)
    if own.n != len(rows):
        return f"{len(rows) - own.n} labels cannot be read"
    return as_reference(own, reference, reference.coder.matrix(table.take(pa.array(rows))))


def _read(config: MonitorConfig, window: Window, reference: Reference) -> pa.Table:
    """Read the predictions of a window: what the model said, who counts, and the features."""
    columns, eligible = config.columns, config.labels.eligible
    said = [*columns.id, columns.prediction, *columns.scores, columns.timestamp.column]
    counts = [columns.weight, columns.model_version, eligible.column if eligible else None]
    source = open_predictions(config)
    there = set(source.schema(window, columns.timestamp).names)
    wanted = (*said, *counts, *reference.coder.names)
    names = dict.fromkeys(n for n in wanted if n is not None and n in there)
    return read_table(source, list(names), window=window, timestamp=columns.timestamp)


def diagnose_rows(reference: Reference, current: Reference, *, seed: int = 0) -> Diagnosis | str:
    """Diagnose a window's labelled rows, coded as the reference's, against these.

    Returns
    -------
    Diagnosis or str
        A text says why there is none.

    Raises
    ------
    ImportError
        Without LightGBM, which the `pipeline` extra brings.
    """
    ceiling = ceiling_of(reference)
    then, now = with_features(reference, ceiling), with_features(current, ceiling)
    if isinstance(then, str) or isinstance(now, str):
        return then if isinstance(then, str) else str(now)
    return diagnose(then, now, seed=seed)


def diagnose_window(config: MonitorConfig, window: Window, as_of: datetime) -> Diagnosis | str:
    """Diagnose a window on the labels known as of a moment, against its baseline's labelled rows.

    Returns
    -------
    Diagnosis or str
        A text says why there is none.

    Raises
    ------
    SourceError
        When a source cannot be read, or lacks a column.
    """
    reference = reference_rows(config, baseline_for(config, window))
    if isinstance(reference, str):
        return reference
    current = window_rows(config, window, as_of, reference)
    if isinstance(current, str):
        return current
    try:
        return diagnose_rows(reference, current)
    except ImportError as error:
        return str(error)
