"""Drift on the car-loan case, month by month, beside scipy's numbers on the raw rows."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from monitoring_sdk.drift.methods import drift
from monitoring_sdk.profile.categorical import count_levels
from monitoring_sdk.profile.grid import Grid, fit_categorical, fit_numeric
from monitoring_sdk.profile.profile import Profile, profile_batches

CASE = Path(__file__).parent / "reference" / "car_loan"
NUMERIC = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure", "y_pred_proba")
CATEGORICAL = ("salary_range", "repaid_loan_on_prev_car", "size_of_downpayment", "y_pred")

EXACT_NUMERIC = {
    "psi": "psi_ref_deciles",
    "jensen_shannon": "js_distance_base2_ref_deciles",
}
BOUNDED = {
    "ks": "ks_stat",
    "wasserstein": "wasserstein",
    "wasserstein_sd": "wasserstein_over_ref_std_ddof0",
}
EXACT_CATEGORICAL = {
    "psi": "psi",
    "jensen_shannon": "js_distance_base2",
    "hellinger": "hellinger",
    "l_infinity": "l_infinity",
    "chi2": "chi2",
}


def _months() -> list[dict]:
    document = json.loads((CASE / "scipy_drift_by_month.json").read_text())
    return [c for c in document["chunks"] if c["n_rows"] > 0]


MONTHS = _months()


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pq.read_table(CASE / "predictions.parquet")


@pytest.fixture(scope="module")
def reference(table: pa.Table) -> tuple[Grid, Profile]:
    rows = table.filter(pc.equal(table["period"], "reference"))
    columns = {name: fit_numeric(rows[name].to_numpy()) for name in NUMERIC} | {
        name: fit_categorical(count_levels(rows[name].combine_chunks()), salt="test")
        for name in CATEGORICAL
    }
    grid = Grid(columns)
    return grid, profile_batches(rows.to_batches(max_chunksize=7_000), grid)


@pytest.fixture(scope="module")
def months(table: pa.Table, reference: tuple[Grid, Profile]) -> dict[tuple[str, str], Profile]:
    out = {}
    for month in MONTHS:
        stamp = pc.strftime(table["timestamp"], format="%Y-%m")
        rows = table.filter(
            pc.and_(pc.equal(stamp, month["key"]), pc.equal(table["period"], month["period"]))
        )
        assert rows.num_rows == month["n_rows"]
        batches = rows.to_batches(max_chunksize=1_000)
        out[month["period"], month["key"]] = profile_batches(batches, reference[0])
    return out


def _value(reference, months, month, column, name):
    grid, profile = reference
    current = months[month["period"], month["key"]].columns[column]
    return drift(name, profile.columns[column], current, grid.columns[column])


@pytest.mark.parametrize("month", MONTHS, ids=lambda m: f"{m['period']}-{m['key']}")
@pytest.mark.parametrize("column", NUMERIC)
def test_numeric_columns_agree_with_scipy(reference, months, month, column) -> None:
    theirs = month["columns"][column]
    for name, key in EXACT_NUMERIC.items():
        ours = _value(reference, months, month, column, name)
        assert ours.value == pytest.approx(theirs[key], abs=1e-9), name
    for name, key in BOUNDED.items():
        ours = _value(reference, months, month, column, name)
        assert abs(ours.value - theirs[key]) <= ours.bound, name
    assert _value(reference, months, month, column, "ks").bound <= 0.0151
    sd = _value(reference, months, month, column, "wasserstein_sd")
    assert sd.bound <= 0.05


@pytest.mark.parametrize("month", MONTHS, ids=lambda m: f"{m['period']}-{m['key']}")
@pytest.mark.parametrize("column", CATEGORICAL)
def test_category_columns_agree_with_scipy(reference, months, month, column) -> None:
    theirs = month["columns"][column]
    for name, key in EXACT_CATEGORICAL.items():
        ours = _value(reference, months, month, column, name)
        assert ours.value == pytest.approx(theirs[key], abs=1e-9), name
    ours = _value(reference, months, month, column, "chi2")
    assert ours.p_value == pytest.approx(theirs["chi2_p"], rel=1e-9, abs=1e-300)


def test_moments_agree_with_numpy(table, reference) -> None:
    rows = table.filter(pc.equal(table["period"], "reference"))
    for column in NUMERIC:
        values = rows[column].to_numpy()
        ours = reference[1].columns[column]
        assert ours.mean == pytest.approx(values.mean(), rel=1e-12)
        assert ours.sd == pytest.approx(values.std(), rel=1e-12)
        assert (ours.min, ours.max) == (values.min(), values.max())


def test_decile_cells_are_those_of_a_textbook_histogram(table, reference) -> None:
    rows = table.filter(pc.equal(table["period"], "reference"))
    for column in NUMERIC:
        values = rows[column].to_numpy()
        edges = np.unique(np.quantile(values, np.linspace(0, 1, 11)))
        grid = reference[0].columns[column]
        assert grid.edges[grid.deciles].tolist() == edges[1:-1].tolist()
