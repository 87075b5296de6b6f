"""What this data does to a model that is trained once: week by week, beside one kept fresh."""

from __future__ import annotations

from datetime import date

import pandas as pd
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from examples.flights.data import ZONE
from examples.flights.training import fit, predict

# How much of the past the refitted model sees.
REFIT_DAYS = 90


def split(flights: pd.DataFrame, day: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the flights that depart before a New York day, and those from it on."""
    bound = pd.Timestamp(day, tz=ZONE)
    return flights[flights["timestamp"] < bound], flights[flights["timestamp"] >= bound]


def weekly(flights: pd.DataFrame, training_end: date) -> pd.DataFrame:
    """Compare a model trained once with one refitted each month on its newest 90 days.

    Returns
    -------
    pandas.DataFrame
        A row for each week from Monday: labelled rows, share of late flights, share predicted
        late, and accuracy, AUC and log loss of the first model; AUC and log loss of the other.
    """
    past, future = split(flights, training_end)
    once = fit(past)
    future = future[future["late"].notna()]
    rows = future.assign(
        late=future["late"].astype("int64"),
        score=predict(once, future),
        fresh=_refitted(flights, future),
        week=future["timestamp"]
        .dt.tz_convert(ZONE)
        .dt.tz_localize(None)
        .dt.to_period("W")
        .dt.start_time,
    )
    rows["called"] = (rows["score"] >= once.threshold).astype("int64")
    return pd.DataFrame({week: _summary(seven) for week, seven in rows.groupby("week")}).T


def _refitted(flights: pd.DataFrame, future: pd.DataFrame) -> pd.Series:
    scores = []
    months = future["timestamp"].dt.tz_convert(ZONE).dt.tz_localize(None).dt.to_period("M")
    for month, rows in future.groupby(months):
        start = month.start_time.tz_localize(ZONE)
        seen = flights[
            (flights["label_timestamp"] <= start)
            & (flights["timestamp"] >= start - pd.Timedelta(days=REFIT_DAYS))
        ]
        scores.append(pd.Series(predict(fit(seen), rows), index=rows.index))
    return pd.concat(scores)


def _summary(rows: pd.DataFrame) -> pd.Series:
    late = rows["late"]
    return pd.Series(
        {
            "rows": len(rows),
            "late": round(late.mean(), 3),
            "called_late": round(rows["called"].mean(), 3),
            "accuracy": round(accuracy_score(late, rows["called"]), 3),
            "roc_auc": round(roc_auc_score(late, rows["score"]), 3),
            "log_loss": round(log_loss(late, rows["score"]), 3),
            "fresh_roc_auc": round(roc_auc_score(late, rows["fresh"]), 3),
            "fresh_log_loss": round(log_loss(late, rows["fresh"]), 3),
        }
    )
