"""How near estimates without labels come to what the labels then say.

    python -m benchmarks.estimators

1. car_loan by month and by 5 000 rows, against its reference period.
2. flights by week from June to December, against April and May
   (`python -m examples.flights prepare` writes the data; left out where there is none).
3. A simulation whose features move and whose model misses an interaction.

Mean absolute error of each estimator against the realised metric. `constant` is the reference's
own performance: what is known without estimating anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from monitoring_sdk.estimation.cbpe import outcomes
from monitoring_sdk.estimation.formulas import FORMULAS
from monitoring_sdk.estimation.outcomes import known
from monitoring_sdk.estimation.rows import Reference, Rows, reference
from monitoring_sdk.estimation.table import ESTIMATORS, estimate
from monitoring_sdk.matrix import Coder, fit_coder

ROOT = Path(__file__).parent.parent
CAR_LOAN, FLIGHTS = ROOT / "tests/reference/car_loan", ROOT / "data/flights"
METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc", "average_precision", "log_loss")
NAMES = tuple(name for name, row in ESTIMATORS.items() if "binary" in row.tasks)
CHUNK, SIMULATED = 5_000, 40


@dataclass(frozen=True)
class Case:
    """A reference, and windows with the labels that came for them."""

    name: str
    reference: Reference
    windows: list[tuple[Rows, np.ndarray]]


def real(rows: Rows, truth: np.ndarray, metric: str) -> float:
    """Return a realised metric."""
    found = outcomes(rows, known(truth, 2, rows.weights), None)
    return float(FORMULAS[metric].compute(found)[0])


def joined(predictions: Path, labels: Path) -> tuple[pa.Table, pd.DataFrame]:
    """Return predictions that have a label, in order of time."""
    frame = pq.read_table(predictions).to_pandas()
    label = pd.read_parquet(labels)[["id", "y_true"]]
    frame = frame.merge(label, on="id").sort_values("timestamp", ignore_index=True)
    return pa.Table.from_pandas(frame, preserve_index=False), frame


def rows_of(table: pa.Table, coder: Coder) -> Rows:
    """Return rows of a binary model."""
    said, score = (table.column(c).to_numpy() for c in ("y_pred", "y_pred_proba"))
    return Rows(coder.matrix(table), said, score)


def cut(
    name: str, table: pa.Table, old: np.ndarray, block: np.ndarray, window: np.ndarray, columns
) -> Case:
    """Return a case: `old` rows by `block` are the reference, others fall into windows."""
    coder = fit_coder(table.filter(pa.array(old)), *columns)
    rows, truth = rows_of(table, coder), table.column("y_true").to_numpy()
    kept = reference("binary", rows.take(old), truth[old], coder, block=block[old])
    places = [np.flatnonzero(window == w) for w in np.unique(window[window >= 0])]
    return Case(name, kept, [(rows.take(i), truth[i]) for i in places])


def car_loan() -> Iterator[Case]:
    """Yield car_loan by whole months of its second half, and by equal numbers of rows."""
    table, frame = joined(CAR_LOAN / "predictions.parquet", CAR_LOAN / "labels.parquet")
    frame = frame.sort_values("id", ignore_index=True)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    old = (frame["period"] == "reference").to_numpy()
    month = frame["timestamp"].dt.year * 12 + frame["timestamp"].dt.month
    block, place = month.to_numpy(), np.arange(len(frame))
    whole = month.between(2018 * 12 + 11, 2019 * 12 + 7).to_numpy() & ~old
    columns = (
        ["car_value", "debt_to_income_ratio", "loan_length", "driver_tenure"],
        ["salary_range", "size_of_downpayment", "repaid_loan_on_prev_car"],
    )
    yield cut("car_loan by month", table, old, block, np.where(whole, block, -1), columns)
    chunk = place // CHUNK
    yield cut("car_loan by 5 000 rows", table, old, chunk, np.where(old, -1, chunk), columns)


def flights() -> Iterator[Case]:
    """Yield flights by week from June to December against April and May, if they are there."""
    if not (FLIGHTS / "labels").exists():
        return
    table, frame = joined(FLIGHTS / "predictions", FLIGHTS / "labels")
    local = frame["timestamp"].dt.tz_convert("America/New_York")
    day = (local.dt.dayofyear - 1).to_numpy()
    old = (local < pd.Timestamp("2013-06-01", tz="America/New_York")).to_numpy()
    numeric = [
        *("distance", "scheduled_hour", "scheduled_minutes", "hourly_departures", "plane_age"),
        *("seats", "humid", "wind_speed", "precip", "visib"),
    ]
    week = np.where(old, -1, (day - 151) // 7)
    yield cut(
        "flights by week", table, old, day // 7, week, (numeric, ["carrier", "origin", "dest"])
    )


def simulated() -> Iterator[Case]:
    """Yield a stream whose features move while the outcome depends on them as before."""
    rng, d = np.random.default_rng(11), 8
    weights, bend = rng.normal(size=d) * 0.6, rng.normal(size=(d, d)) * 0.22

    def draw(n: int, move: np.ndarray, scale: float) -> tuple[Rows, np.ndarray]:
        x = rng.normal(size=(n, d)) * scale + move
        truth = rng.random(n) < expit(x @ weights + ((x @ bend) * x).sum(axis=1) - 0.3)
        score = expit(x @ weights)
        return Rows(x, (score > 0.5).astype(np.int64), score), truth.astype(np.int64)

    rows, truth = draw(20_000, np.zeros(d), 1.0)
    kept = reference("binary", rows, truth, Coder(tuple(f"x{j}" for j in range(d)), (), ()))
    windows = []
    for _ in range(SIMULATED):
        move = rng.normal(size=d)
        move *= rng.uniform(0, 1.2) / np.linalg.norm(move)
        windows.append(draw(CHUNK, move, float(np.exp(0.2 * rng.normal()))))
    yield Case("simulated covariate shift", kept, windows)


def measured(case: Case) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return errors by estimator and metric, and what the intervals held."""
    before = {m: real(case.reference.rows, case.reference.truth, m) for m in METRICS}
    errors, held = [], []
    for rows, truth in case.windows:
        after = {m: real(rows, truth, m) for m in METRICS}
        errors.append({"estimator": "constant"} | {m: abs(before[m] - after[m]) for m in METRICS})
        for name in NAMES:
            began = time.process_time()
            found = estimate(name, case.reference, rows, METRICS)
            cost = 1000 * (time.process_time() - began)
            line, inside = {"estimator": name}, {"estimator": name, "CPU ms": cost}
            for m in METRICS:
                value = found[m].value
                if value.value is not None and value.interval is not None:
                    line[m] = abs(value.value - after[m])
                    inside[m] = value.interval[0] <= after[m] <= value.interval[1]
            errors.append(line)
            held.append(inside)
    return pd.DataFrame(errors), pd.DataFrame(held)


def markdown(frame: pd.DataFrame, title: str, digits: int, how: str = "mean") -> None:
    """Print a table of means by estimator."""
    order = [n for n in ("constant", *NAMES) if n in set(frame["estimator"])]
    columns = [c for c in ("CPU ms", *METRICS) if c in frame]
    print(f"\n{title}\n\n| estimator | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name in order:
        part = frame[frame["estimator"] == name][columns].astype(float)
        found = getattr(part, how)()
        cells = [
            ""
            if np.isnan(found[c])
            else f"{found[c]:.0f}"
            if c == "CPU ms"
            else f"{found[c]:.{digits}f}"
            for c in columns
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    """Measure and print."""
    for cases in (car_loan(), flights(), simulated()):
        for case in cases:
            errors, held = measured(case)
            said = f"{case.name}: {len(case.windows)} windows, {case.reference.n} reference rows"
            print(f"\n### {said}")
            markdown(errors, "Mean absolute error", 4)
            markdown(held, "Share of 95 % intervals that hold the realised metric; median CPU", 2)


if __name__ == "__main__":
    main()
