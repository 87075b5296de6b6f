"""Checks and incidents in words: what, how bad, against which limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from monitoring_sdk.render.budget import budget_words, watched_label
from monitoring_sdk.render.excess import RATIO_MAX, excess, side
from monitoring_sdk.render.keys import parts_of, slice_words, subject
from monitoring_sdk.render.numbers import (
    COUNTS,
    duration,
    moment,
    number,
    pair,
    short,
    unit_of,
)
from monitoring_sdk.report import Check, Incident, Report

LABELS: Mapping[str, str] = {
    "average_precision": "average precision",
    "balanced_accuracy": "balanced accuracy",
    "brier": "Brier score",
    "chi2": "chi-squared",
    "data_late": "data late",
    "domain_classifier_auc": "domain classifier AUC",
    "ece": "ECE",
    "error_rate": "error rate",
    "f1": "F1",
    "hellinger": "Hellinger",
    "jensen_shannon": "Jensen-Shannon",
    "ks": "KS",
    "l_infinity": "L-infinity",
    "latency_p50": "p50 latency",
    "latency_p95": "p95 latency",
    "latency_p99": "p99 latency",
    "log_loss": "log loss",
    "mae": "MAE",
    "mape": "MAPE",
    "mcc": "MCC",
    "mrr": "MRR",
    "mse": "MSE",
    "null_share": "nulls",
    "pca_error": "PCA error",
    "psi": "PSI",
    "r2": "R²",
    "rmse": "RMSE",
    "roc_auc": "ROC AUC",
    "total_variation": "total variation",
    "champion_present": "rows of the champion",
    "unknown_version_share": "rows of unknown versions",
    "unseen_share": "unseen values",
    "wape": "WAPE",
    "wasserstein": "Wasserstein",
    "wasserstein_sd": "Wasserstein (sd)",
}
STATUSES: Mapping[str, str] = {
    "ok": "judged, and within its limit where it has one",
    "alert": "beyond its limit",
    "insufficient": "too few rows or labels to judge",
    "no_data": "no rows where some were expected",
    "undefined": "has no value here, for the reason given",
    "error": "could not be computed",
    "skipped": "not run, for the reason given",
}
THRESHOLDS_FROM: Mapping[str, str] = {
    "budget": "alarm budget",
    "user": "monitor file",
    "provisional": "provisional (from the reference windows)",
    "contract": "hard contract",
}
FAMILY_ORDER = ("performance", "estimate", "prediction", "drift", "quality", "operations")
JUDGED = frozenset({"ok", "alert"})


def label(name: str) -> str:
    """Return a check's name as its field writes it.

    Examples
    --------
    >>> label("psi"), label("roc_auc"), label("expect_column_values_to_be_unique")
    ('PSI', 'ROC AUC', 'values to be unique')
    """
    if name in LABELS:
        return LABELS[name]
    if (watched := watched_label(name)) is not None:
        return watched
    text = name.removeprefix("expect_").removeprefix("column_")
    return short(text.replace("_", " "))


def status_label(status: str) -> str:
    """Write a status for people: `no_data` is `no data`."""
    return status.replace("_", " ")


def check_excess(check: Check) -> float | None:
    """Return `excess` of a check; of one judged by the budget, its score."""
    if check.score is not None:
        return min(check.score, RATIO_MAX)
    direction = check.direction or side(check.value, check.threshold, check.exceeded)
    return excess(check.value, check.threshold, direction)


def _badness(check: Check) -> tuple[int, float, str]:
    if check.status == "alert":
        # What only shows, a warning or a shadow's, comes after what pages.
        rank = 0 if check.pages else 1
    else:
        rank = {"error": 2, "no_data": 3}.get(check.status, 5)
        if check.exceeded:
            rank = min(rank, 4)
    return rank, -(check_excess(check) or 0.0), check.key


def worst_first(checks: Iterable[Check]) -> list[Check]:
    """Sort checks: alerts, then what could not be looked at, then the nearest to their limit."""
    return sorted(checks, key=_badness)


def measure(name: str, value: str, of: str = "") -> str:
    """Put a written value beside the name of what was measured, and the rows that it speaks of.

    Examples
    --------
    >>> measure("accuracy", "0.8", "origin = JFK"), measure("rows", "0", "origin = JFK")
    ('accuracy of origin = JFK 0.8', '0 rows of origin = JFK')
    """
    rows = f" of {of}" if of else ""
    if name in ("null_share", "unseen_share", "unknown_version_share"):
        return f"{value} {label(name)}{rows}"
    if name in COUNTS:
        return f"{value} row{rows}" if value == "1" else f"{value} rows{rows}"
    return f"{label(name)}{rows} {value}"


def words(check: Check) -> str:
    """Say in one line what a check found.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitoring_sdk.window import Window
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> words(Check("performance", "accuracy", day, "alert", value=0.71, threshold=0.78,
    ...             direction="below", exceeded=True, n=912))
    'accuracy fell to 0.71, below its limit 0.78 (912 rows)'
    >>> words(Check("drift", "psi", day, "alert", column="distance", value=0.31, threshold=0.21,
    ...             direction="above", exceeded=True))
    'distance: PSI 0.31, above 0.21'
    >>> words(Check("performance", "roc_auc", day, "undefined", reason="one class only"))
    'ROC AUC: undefined, one class only'
    >>> words(Check("estimate", "accuracy", day, "alert", value=0.71, threshold=0.78,
    ...             direction="below", exceeded=True))
    'estimated accuracy fell to 0.71, below its limit 0.78'
    >>> words(Check("performance", "concept_drift", day, "alert", value=6.9, threshold=3.0,
    ...             exceeded=True, reason="errors exceed what inputs and scores explain", n=400))
    'concept drift: errors exceed what inputs and scores explain (400 rows)'
    """
    where = subject(check)
    before = f"{where}: " if check.column is not None else ""
    # What speaks of no column has its rows named beside it: "accuracy of origin = JFK".
    of = where if check.column is None else ""
    what = label(check.name) + (f" of {of}" if of else "")
    if check.family == "estimate":
        before = f"{before}estimated "
    if check.name == "concept_drift" and check.status == "alert" and check.reason:
        # What the evidence speaks of says more than the evidence.
        return f"{what}: {short(check.reason, 300)}{_of_rows(check)}"
    if check.name.startswith("expect_") and check.status in JUDGED:
        return before + _expectation(check)
    if check.value is None or not math.isfinite(check.value):
        return f"{before}{what}: {_why(check)}"
    if (budgeted := budget_words(check, what)) is not None:
        return before + budgeted + _of_rows(check)
    found, limit = pair(check.value, check.threshold, unit_of(check.name))
    if check.threshold is None:
        text = measure(check.name, found, of)
    elif check.exceeded:
        beyond = check.direction or side(check.value, check.threshold, True)
        if check.family in ("performance", "estimate"):
            moved = "fell" if beyond == "below" else "rose"
            text = f"{what} {moved} to {found}, {beyond} its limit {limit}"
        else:
            text = f"{measure(check.name, found, of)}, {beyond} {limit}"
    else:
        text = f"{measure(check.name, found, of)}, limit {limit}"
    if check.name not in COUNTS:
        text += _of_rows(check)
    if check.status not in JUDGED:
        text += f"; {_why(check)}"
    return before + text


def _of_rows(check: Check) -> str:
    return "" if check.n is None else f" ({check.n:,} {'row' if check.n == 1 else 'rows'})"


def _expectation(check: Check) -> str:
    """Say what came of an expectation: its reason names the limits, which a number would not."""
    met = check.status == "ok"
    if check.reason and not met:
        return short(check.reason, 300)
    return f"{label(check.name)}: {'met' if met else 'not met'}"


def _why(check: Check) -> str:
    status = status_label(check.status)
    return f"{status}, {short(check.reason, 300)}" if check.reason else status


def title(check: Check) -> str:
    """Name a check by what it measures, and where.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitoring_sdk.window import Window
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> title(Check("performance", "recall", day, "ok", version="8"))
    'recall of version 8 (shadow)'
    """
    rows = slice_words(check.segment, check.version)
    return _title(check.name, check.column, rows, check.family)


def _title(name: str, column: str | None, rows: str, family: str) -> str:
    of = f" of {rows}" if rows else ""
    what = f"{'estimated ' if family == 'estimate' else ''}{label(name)}"
    return f"{short(column)}{of}: {what}" if column else what + of


def key_words(key: str) -> str:
    """Name a check from its key alone.

    Examples
    --------
    >>> key_words("drift/psi/distance"), key_words("performance/accuracy")
    ('distance: PSI', 'accuracy')
    >>> key_words("performance/accuracy[origin=JFK]")
    'accuracy of origin = JFK'
    >>> key_words("estimate/accuracy")
    'estimated accuracy'
    """
    parts = parts_of(key)
    rows = slice_words(parts.segment, parts.version)
    return _title(parts.name or key, parts.column, rows, parts.family)


def told(incident: Incident, report: Report, transition: str) -> list[Check]:
    """Return the checks that a message on an incident speaks of, the worst first.

    On `joined:<family>` the checks of that family come first; on `closed` there are none.
    """
    if transition == "closed":
        return []
    paging = [c for c in report.checks if c.pages]
    if not paging:
        paging = [c for c in report.checks if c.key in set(incident.checks)]
    family = transition.partition(":")[2]
    ordered = worst_first(paging)
    return sorted(ordered, key=lambda c: c.family != family) if family else ordered


def headline(incident: Incident, report: Report, transition: str, timezone: str = "UTC") -> str:
    """Say in one line what happened to a model, and how bad it is.

    Parameters
    ----------
    transition : str
        `opened`, `joined:<family>`, `reminder:<count>`, `closed`, or another word, which is shown
        as it is.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitoring_sdk.window import Window
    >>> day = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
    >>> found = Check("performance", "accuracy", day, "alert", value=0.71, threshold=0.78,
    ...               direction="below", exceeded=True)
    >>> report = Report("flights", day, day.end, "alert", checks=(found,))
    >>> headline(Incident("1", "flights", day.end), report, "opened")
    'flights: accuracy fell to 0.71, below its limit 0.78'
    """
    model = short(incident.model)
    kind, _, detail = transition.partition(":")
    if kind == "closed":
        closed = incident.closed or report.window.end
        lasted = duration(closed - incident.opened)
        opened = moment(incident.opened, timezone)
        return f"{model}: incident closed after {lasted} (opened {opened})"
    checks = told(incident, report, transition)
    found = words(checks[0]) if checks else _named(incident.checks, report)
    if len(checks) > 1:
        found += f", and {len(checks) - 1} more"
    if kind == "opened":
        return f"{model}: {found}"
    if kind == "joined":
        return f"{model}: {short(detail)} joined the open incident: {found}"
    if kind == "reminder":
        lasts = duration(report.window.end - incident.opened)
        return f"{model}: still in alarm after {lasts}: {found}"
    return f"{model}: incident {short(transition.replace(':', ' '))}: {found}"


def _named(keys: Sequence[str], report: Report) -> str:
    if keys:
        more = f", and {len(keys) - 1} more" if len(keys) > 1 else ""
        return key_words(keys[0]) + more
    reason = f", {short(report.reason, 300)}" if report.reason else ""
    return f"{status_label(report.status)}{reason}"


def rows_words(rows: int | None) -> str:
    """Write a count of rows."""
    return "rows unknown" if rows is None else measure("rows", number(rows))
