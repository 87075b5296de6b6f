"""Faults to plant in a stable stream, from one window on, for `benchmarks.alarm_pipeline`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.pipeline_streams import Kind, Stream

START = 20
"""The monitored window in which a fault begins, counted from 0."""

Change = Callable[[pd.DataFrame, np.random.Generator, Stream], pd.DataFrame]


@dataclass(frozen=True)
class Fault:
    """A change of the rows from one window on.

    Parameters
    ----------
    change : callable
        Of the rows from `START` on.
    labelled : bool
        Whether it shows only once labels are due.
    needs : str or None
        A column without which it cannot be planted.
    """

    slug: str
    change: Change
    labelled: bool = False
    needs: str | None = None

    def applies(self, kind: Kind) -> bool:
        """Say whether a kind has what the fault changes."""
        if self.needs == "latency":
            return kind.service
        return kind.task == "binary" or self.needs != "binary"


def _shifted(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    return rows.assign(age=rows["age"] + 0.5 * stream.frame["age"].std())


def _units(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    return rows.assign(amount=rows["amount"] * 1000)


def _all_null(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    return rows.assign(wait=np.nan)


def _nulls(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    # One percent is null already.
    gone = rng.uniform(size=len(rows)) < 0.04 / 0.99
    return rows.assign(balance=rows["balance"].mask(gone))


def _renamed(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    return rows.assign(device=rows["device"].replace("app", "APP"))


def _new_level(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    new = rng.uniform(size=len(rows)) < 0.03
    return rows.assign(merchant=np.where(new, "newcomer", rows["merchant"]))


def _flipped(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    if stream.kind.task == "binary":
        return rows.assign(y_true=1 - rows["y_true"])
    if stream.kind.task == "regression":
        return rows.assign(y_true=2 * rows["y_true"].mean() - rows["y_true"])
    return rows.assign(y_true=rows["y_true"].map({"low": "high", "mid": "low", "high": "mid"}))


def _segment(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    wrong = (rows["region"] == "b") & (rng.uniform(size=len(rows)) < 0.3)
    return rows.assign(y_true=np.where(wrong, 1 - rows["y_true"], rows["y_true"]))


def _stuck(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    return rows.assign(score=0.2, y_pred=0)


def _halved(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    return rows[rng.uniform(size=len(rows)) < 0.5]


def _outage(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    return rows[rows["window"] != rows["window"].min()]


def _missing(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    return rows.drop(columns="visits")


def _slow(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    return rows.assign(latency=rows["latency"] * 3)


def _failing(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    return rows.assign(failed=(rng.uniform(size=len(rows)) < 0.1).astype(int))


def _prior(rows: pd.DataFrame, rng: np.random.Generator, stream: Stream) -> pd.DataFrame:
    """Double the share of positives: rows of each class are drawn again, as many in all."""
    drawn = []
    for _, own in rows.groupby("window"):
        positive = own["y_true"] == 1
        share = positive.mean()
        wanted = min(2 * share, 0.9)
        weight = np.where(positive, wanted / share, (1 - wanted) / (1 - share))
        drawn.append(own.iloc[rng.choice(len(own), len(own), p=weight / weight.sum())])
    found = pd.concat(drawn).sort_values("at", ignore_index=True)
    return found.assign(id=int(rows["id"].max()) + 1 + np.arange(len(found)))


FAULTS: Mapping[str, Fault] = {
    "numeric column + .5 sd": Fault("shifted", _shifted),
    "numeric column x 1000": Fault("units", _units),
    "column all null": Fault("nulls", _all_null),
    "nulls 1 to 5 %": Fault("some_nulls", _nulls),
    "level renamed": Fault("renamed", _renamed),
    "new level at 3 %": Fault("new_level", _new_level),
    "labels flipped": Fault("flipped", _flipped, labelled=True),
    "30 % of a segment's labels flipped": Fault("segment", _segment, True, "binary"),
    "score stuck": Fault("stuck", _stuck, needs="binary"),
    "rows halved": Fault("halved", _halved),
    "no rows for a window": Fault("outage", _outage),
    "column missing": Fault("missing", _missing),
    "latency x 3": Fault("slow", _slow, needs="latency"),
    "errors 1 to 10 %": Fault("failing", _failing, needs="latency"),
    "positives doubled": Fault("prior", _prior, needs="binary"),
}


def plant(stream: Stream, name: str, seed: int) -> Stream:
    """Return a copy of a stream with a fault from the monitored window `START` on."""
    frame, rng = stream.frame, np.random.default_rng([seed, 17])
    hit = frame["window"] >= stream.kind.reference + START
    changed = FAULTS[name].change(frame[hit], rng, stream)
    return dataclasses.replace(stream, frame=pd.concat([frame[~hit], changed], ignore_index=True))
