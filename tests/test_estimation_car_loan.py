"""The reference case: calibrated CBPE beside NannyML's, and the bare formula to rounding."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring_sdk.estimation.cbpe import expected, outcomes
from monitoring_sdk.estimation.formulas import FORMULAS
from monitoring_sdk.estimation.outcomes import known
from monitoring_sdk.estimation.rows import Reference, Rows, reference
from monitoring_sdk.estimation.table import estimate
from monitoring_sdk.matrix import fit_coder

CASE = Path(__file__).parent / "reference" / "car_loan"
NUMERIC = ["car_value", "debt_to_income_ratio", "loan_length", "driver_tenure"]
CATEGORICAL = ["salary_range", "size_of_downpayment", "repaid_loan_on_prev_car"]
WHOLE_MONTHS = [*(f"2018-{m}" for m in (11, 12)), *(f"2019-0{m}" for m in range(1, 8))]


@dataclass(frozen=True)
class CarLoan:
    """Its rows, their labels and months, and the reference."""

    rows: Rows
    truth: np.ndarray
    analysis: np.ndarray
    month: np.ndarray
    reference: Reference


@pytest.fixture(scope="module")
def case() -> CarLoan:
    table = pq.read_table(CASE / "predictions.parquet")
    frame = table.to_pandas()
    labels = pd.read_parquet(CASE / "labels.parquet").set_index("id")["y_true"]
    truth = labels.reindex(frame["id"]).to_numpy()
    old = (frame["period"] == "reference").to_numpy()
    coder = fit_coder(table.filter(pa.array(old)), NUMERIC, CATEGORICAL)
    rows = Rows(coder.matrix(table), frame["y_pred"].to_numpy(), frame["y_pred_proba"].to_numpy())
    month = frame["timestamp"].dt.strftime("%Y-%m").to_numpy()
    block = np.unique(month[old], return_inverse=True)[1]
    against = reference("binary", rows.take(old), truth[old], coder, block=block)
    return CarLoan(rows, truth, ~old, month, against)


def theirs(name: str) -> list[dict]:
    return json.loads((CASE / name).read_text())["chunks"]


def test_the_formula_without_calibration(case: CarLoan):
    places = np.flatnonzero(case.analysis)
    chunks = theirs("cbpe_plain_formula.json")
    assert len(chunks) == 10
    for chunk in chunks:
        start = chunk["chunk_index"] * 5000
        found = expected(case.rows.take(places[start : start + 5000]), [None])
        for name in ("accuracy", "precision", "recall", "specificity", "f1", "roc_auc"):
            assert FORMULAS[name].compute(found)[0] == pytest.approx(chunk[name], abs=1e-9), name
        assert found.confusion[0, 1, 1] == pytest.approx(chunk["expected_confusion"]["tp"])


def test_calibrated_beside_nannyml_by_month(case: CarLoan):
    ours_off, theirs_off = [], []
    for chunk in theirs("nannyml_cbpe_by_month.json"):
        month = chunk["chunk"]["key"]
        if chunk["chunk"]["period"] != "analysis" or month not in WHOLE_MONTHS:
            continue
        inside = case.analysis & (case.month == month)
        window = case.rows.take(inside)
        names = ("roc_auc", "accuracy", "f1", "precision", "recall", "average_precision")
        found = estimate("cbpe", case.reference, window, names)
        for name in names:
            assert found[name].value.value == pytest.approx(chunk[name]["value"], abs=2e-3), name
        auc = found["roc_auc"].value.value
        assert abs(auc - chunk["roc_auc"]["value"]) < 0.01
        labels = known(case.truth[inside], 2, window.weights)
        real = FORMULAS["roc_auc"].compute(outcomes(window, labels, None))[0]
        ours_off.append(abs(auc - real))
        theirs_off.append(abs(chunk["roc_auc"]["value"] - real))
    assert len(ours_off) == len(WHOLE_MONTHS)
    assert np.mean(ours_off) <= np.mean(theirs_off) + 1e-6


def test_formulas_of_known_labels_are_scikit_learns(case: CarLoan):
    from sklearn import metrics as sk

    window, truth = case.rows.take(slice(0, 4000)), case.truth[:4000]
    said, score = window.prediction, window.score
    found = outcomes(window, known(truth, 2, window.weights), None)
    wanted = {
        "accuracy": sk.accuracy_score(truth, said),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, said),
        "mcc": sk.matthews_corrcoef(truth, said),
        "roc_auc": sk.roc_auc_score(truth, score),
        "average_precision": sk.average_precision_score(truth, score),
        "log_loss": sk.log_loss(truth, score),
        "brier": sk.brier_score_loss(truth, score),
    }
    for name, value in wanted.items():
        assert FORMULAS[name].compute(found)[0] == pytest.approx(value, abs=1e-9), name
