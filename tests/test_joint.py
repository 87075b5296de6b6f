"""Joint drift: a method added to the table is tested by being there; known answers and rates."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.linalg import sqrtm

from monitoring_sdk.drift.joint import JOINT, Joint, joint_drift, joint_floor
from monitoring_sdk.drift.spread import LEAST_ROWS, auc, correlation_change, frechet, mmd
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.matrix import fit_coder
from monitoring_sdk.profile.derived import derive, fit_derived
from monitoring_sdk.profile.grid import fit_numeric
from monitoring_sdk.profile.numeric import profile_numeric
from monitoring_sdk.profile.reconstruction import fit_reconstruction
from monitoring_sdk.profile.vectors import empty_vectors, fit_standard, vector_moments

CASE = Path(__file__).parent / "reference" / "car_loan"
NUMERIC = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure")
CATEGORICAL = ("salary_range", "repaid_loan_on_prev_car", "size_of_downpayment")
NAN, INF = math.nan, math.inf
RNG = np.random.default_rng(21)
D = 3


def correlated(n: int, r: float = 0.0, rng: np.random.Generator = RNG) -> np.ndarray:
    x = rng.normal(size=(n, D))
    x[:, 1] = r * x[:, 0] + math.sqrt(1 - r * r) * x[:, 1]
    return x


SAMPLES = {
    "plain": correlated(300),
    "moved": correlated(300) + 1.0,
    "related": correlated(300, 0.8),
    "constant": np.full((60, D), 2.0),
    "other constant": np.full((60, D), 3.0),
    "one column": np.column_stack([RNG.normal(size=80), np.zeros(80), np.ones(80)]),
    "one row": np.array([[0.5, 0.1, 0.2]]),
    "two rows": np.array([[0.5, 0.1, 0.2], [1.0, 0.3, 0.1]]),
    "some nan": np.vstack([correlated(80), [[NAN, 0, 0]] * 9]),
    "some inf": np.vstack([correlated(80), [[INF, -INF, 0]] * 9]),
    "all nan": np.full((40, D), NAN),
    "all inf": np.full((40, D), INF),
    "huge": correlated(60) * 1e90,
    "empty": np.empty((0, D)),
}
NAMES = ("a", "b", "c")
STANDARD = fit_standard(pa.table(dict(zip(NAMES, SAMPLES["plain"].T, strict=True))), NAMES)
GRID = fit_numeric(np.abs(SAMPLES["plain"][:, 0]))


def joint_of(x: np.ndarray) -> Joint:
    table = pa.table({name: pa.array(x[:, j]) for j, name in enumerate(NAMES)})
    return Joint(
        column=profile_numeric(pa.array(np.abs(x[:, 0])), GRID),
        moments=STANDARD.moments(table),
        names=NAMES,
        rows=x,
        coded=np.where(np.isfinite(x), x, NAN),
        is_category=np.zeros(D, dtype=bool),
    )


@pytest.mark.parametrize("method", JOINT)
@pytest.mark.parametrize("one", SAMPLES)
def test_every_pair_gives_a_number_or_a_reason(method, one) -> None:
    reference = joint_of(SAMPLES[one])
    others = SAMPLES if method != "domain_classifier_auc" else ("plain", "constant", "all nan")
    for two in others:
        current = joint_of(SAMPLES[two])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value = joint_drift(method, reference, current)
        if value.defined:
            assert value.p_value is None or 0 < value.p_value <= 1, two
            assert value.interval is None or value.interval[0] <= value.value <= value.interval[1]
            assert 0 < value.n <= len(SAMPLES[two]), two
        else:
            assert value.reason, two


@pytest.mark.parametrize("method", JOINT)
def test_nothing_is_far_from_itself(method) -> None:
    sample = joint_of(SAMPLES["related"])
    value = joint_drift(method, sample, sample)
    row = JOINT[method]
    if row.name == "pca_error":
        assert value.value == pytest.approx(np.abs(SAMPLES["related"][:, 0]).mean(), rel=1e-12)
    elif row.name == "domain_classifier_auc":
        assert value.value < 0.5 + row.floor
    elif row.name == "mmd":  # unbiased: of one sample with itself, a little below 0
        assert -0.02 < value.value <= 0
        assert value.p_value > 0.9
    else:
        assert value.value == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("method", JOINT)
@pytest.mark.parametrize("void", ["empty", "all nan"])
def test_a_window_without_values_is_undefined_or_seen(method, void) -> None:
    full, none = joint_of(SAMPLES["plain"]), joint_of(SAMPLES[void])
    for pair in ((full, none), (none, full)):
        value = joint_drift(method, *pair)
        if void == "empty" and not (method == "pca_error" and pair[0] is none):
            assert value.value is None
            assert value.reason
    assert joint_drift(method, full, joint_of(SAMPLES["empty"])).n == 0


@pytest.mark.parametrize("method", JOINT)
def test_what_is_not_at_hand_is_undefined(method) -> None:
    value = joint_drift(method, Joint(), joint_of(SAMPLES["plain"]))
    assert "of the reference" in value.reason
    value = joint_drift(method, joint_of(SAMPLES["plain"]), Joint())
    assert "of the current window" in value.reason


@pytest.mark.parametrize("method", [m for m in JOINT if m != "domain_classifier_auc"])
def test_the_order_of_rows_does_not_matter(method) -> None:
    reference, x = joint_of(SAMPLES["plain"]), SAMPLES["related"]
    one, two = (joint_drift(method, reference, joint_of(y)) for y in (x, x[::-1]))
    assert one.value == pytest.approx(two.value, rel=1e-9)


@pytest.mark.parametrize("method", JOINT)
def test_a_change_is_seen(method) -> None:
    value = joint_drift(method, joint_of(SAMPLES["plain"]), joint_of(SAMPLES["related"] + 1))
    usual = joint_drift(method, joint_of(SAMPLES["plain"]), joint_of(correlated(300)))
    floor = joint_floor(method, joint_of(SAMPLES["plain"]))
    assert value.value > usual.value + floor
    assert value.p_value is None or value.p_value < 0.01
    assert usual.p_value is None or usual.p_value > 0.01


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean frechet"):
        joint_drift("frechett", Joint(), Joint())


def test_moments_that_are_merged_give_the_same_distance() -> None:
    x = SAMPLES["related"]
    whole = vector_moments(x)
    parts = empty_vectors(D)
    for part in np.array_split(x, 7):
        parts = parts.merge(vector_moments(part))
    before = vector_moments(SAMPLES["plain"])
    for method in (frechet, correlation_change):
        expected, found = method(before, whole), method(before, parts)
        assert found.value == pytest.approx(expected.value, rel=1e-9)
        assert found.reason == expected.reason


def test_correlations_are_numpys_and_the_pair_is_named() -> None:
    before, now = SAMPLES["plain"], SAMPLES["related"]
    found = correlation_change(vector_moments(before), vector_moments(now), NAMES)
    change = np.corrcoef(now.T)[0, 1] - np.corrcoef(before.T)[0, 1]
    assert found.value == pytest.approx(abs(change), rel=1e-9)
    assert found.reason.startswith("a with b:")
    nameless = correlation_change(vector_moments(before), vector_moments(now))
    assert nameless.reason.startswith("component 1 with component 2:")


def test_a_perfect_relation_has_a_finite_z() -> None:
    x = np.repeat(RNG.normal(size=(50, 1)), 2, axis=1)
    value = correlation_change(vector_moments(x), vector_moments(x * [1, -1]))
    assert value.value == pytest.approx(2)
    assert 0 <= value.p_value < 1e-9


def test_the_frechet_distance_is_the_formula() -> None:
    a, b = vector_moments(SAMPLES["plain"]), vector_moments(SAMPLES["related"] * [1, 2, 1] + 0.5)
    s, t = np.cov(SAMPLES["plain"].T), np.cov((SAMPLES["related"] * [1, 2, 1]).T)
    squared = np.sum((a.mean - b.mean) ** 2) + np.trace(s + t - 2 * np.real(sqrtm(s @ t)))
    assert frechet(a, b).value == pytest.approx(math.sqrt(squared / np.trace(s)), rel=1e-9)
    shift = vector_moments(SAMPLES["plain"] + 0.25)
    assert frechet(a, shift).value == pytest.approx(
        0.25 * math.sqrt(D) / math.sqrt(np.trace(s)), rel=1e-6
    )


def test_mmd_is_the_formula() -> None:
    x, y = correlated(40), correlated(30) + 0.5
    square = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    width = np.median(square[np.triu_indices(40, 1)])

    def kernel(u, v):
        return np.exp(-((u[:, None] - v[None]) ** 2).sum(axis=2) / (2 * width))

    expected = (
        (kernel(x, x).sum() - 40) / (40 * 39)
        + (kernel(y, y).sum() - 30) / (30 * 29)
        - 2 * kernel(x, y).mean()
    )
    assert mmd(x, y).value == pytest.approx(expected, rel=1e-9)
    assert mmd(x, y) == mmd(x, y)
    assert mmd(x, y, seed=1).value == mmd(x, y).value


def test_mmd_looks_at_a_bounded_sample_and_leaves_bad_rows_out() -> None:
    x, y = correlated(3000), correlated(3000)
    found = mmd(x, y, most=100)
    assert found.n == 100
    found = mmd(SAMPLES["plain"], SAMPLES["some nan"])
    assert found.n == 80
    assert "9 bad" in found.reason
    assert mmd(np.zeros((40, 2)), np.zeros((40, 2))).value == pytest.approx(0)
    assert mmd(np.zeros((40, 2)), np.ones((40, 2))).p_value < 0.01


def test_p_values_are_not_too_small_while_nothing_changes() -> None:
    rng = np.random.default_rng(8)
    small = {"mmd": 0, "correlation_change": 0}
    rounds = 150
    for seed in range(rounds):
        x, y = correlated(60, 0.3, rng), correlated(60, 0.3, rng)
        small["mmd"] += mmd(x, y, seed=seed).p_value <= 0.1
        moments = vector_moments(x), vector_moments(y)
        small["correlation_change"] += correlation_change(*moments).p_value <= 0.1
    for name, count in small.items():  # 15 expected, sd 3.7
        assert count <= 28, name
        assert count >= 3, name


def test_the_auc_counts_pairs_and_its_interval_covers() -> None:
    reference, current = np.array([0.1, 0.4, 0.4, 0.9]), np.array([0.4, 0.8])
    pairs = (current[:, None] > reference) + 0.5 * (current[:, None] == reference)
    assert auc(reference, current).value == pytest.approx(pairs.mean())
    rng = np.random.default_rng(6)
    true = 0.5 * (1 + math.erf(0.5))  # of scores one apart in units of sd
    found = [auc(rng.normal(size=80), rng.normal(1, 1, 90)).interval for _ in range(200)]
    covered = sum(low <= true <= high for low, high in found)
    assert 180 <= covered <= 199


@pytest.fixture(scope="module")
def car_loan() -> pa.Table:
    return pq.read_table(CASE / "predictions.parquet").sort_by("timestamp")


def test_the_domain_classifier_flags_nannymls_chunks(car_loan) -> None:
    chunks = json.loads((CASE / "nannyml_domain_classifier.json").read_text())["chunks"]
    before = car_loan.slice(0, 50_000)
    coder = fit_coder(before, NUMERIC, CATEGORICAL)
    rows = coder.matrix(before)
    order = np.random.default_rng(0).permutation(len(rows))
    for i in (0, 5, 9, 10, 12, 14, 15, 17, 19):
        # A window inside the reference is told from the reference's other rows.
        sample = rows[order[order // 5000 != i][:20_000]]
        now = coder.matrix(car_loan.slice(5000 * i, 5000))
        found = joint_drift(
            "domain_classifier_auc",
            Joint(coded=sample, is_category=coder.is_category),
            Joint(coded=now, is_category=coder.is_category),
        )
        theirs = chunks[i]["domain_classifier_auroc"]
        assert found.value == pytest.approx(theirs["value"], abs=0.03), i
        assert (found.value > 0.65) == theirs["alert"], i


def test_every_method_sees_the_shift_of_car_loan(car_loan) -> None:
    before = car_loan.slice(0, 50_000)
    spec = fit_derived(before, numeric=NUMERIC, categorical=CATEGORICAL)
    standard = fit_standard(before, NUMERIC)
    grid = fit_numeric(derived(before, spec).to_numpy(zero_copy_only=False))

    def joint(table: pa.Table) -> Joint:
        return Joint(
            column=profile_numeric(derived(table, spec), grid),
            moments=standard.moments(table),
            names=standard.names,
            rows=standard.rows(table)[0],
        )

    reference = joint(before)
    for method in ("pca_error", "frechet", "mmd"):
        values = [
            joint_drift(method, reference, joint(car_loan.slice(5000 * i, 5000))).value
            for i in (*range(10, 14), *range(16, 19))
        ]
        assert min(values[4:]) > max(values[:4]) + joint_floor(method, reference), method


def derived(table: pa.Table, spec) -> pa.Array:
    return derive(table.combine_chunks().to_batches()[0], spec).column("pca_error")


def test_the_page_on_drift_has_a_line_for_each_row_of_the_table() -> None:
    page = (Path(__file__).parent.parent / "docs" / "drift.md").read_text()
    for row in JOINT.values():
        assert re.search(
            rf"^\| `{row.name}` \|.*\| {row.unit} \| {re.escape(row.description)} \|$", page, re.M
        )


def test_floors_are_in_the_units_of_the_value() -> None:
    sample = joint_of(SAMPLES["plain"])
    sd = sample.column.sd
    assert joint_floor("pca_error", sample) == pytest.approx(JOINT["pca_error"].floor * sd)
    assert joint_floor("frechet", sample) == JOINT["frechet"].floor
    few = dataclasses.replace(sample, rows=SAMPLES["plain"][: LEAST_ROWS - 1])
    assert f"needs {LEAST_ROWS} rows" in joint_drift("mmd", sample, few).reason


@pytest.mark.parametrize("seed", range(4))
def test_one_row_of_a_heavy_tail_decides_no_correlation_and_no_reconstruction(seed: int) -> None:
    """Amounts whose largest of a thousand is thirty times the usual; one window has a rarer one."""
    chance = np.random.default_rng(seed)

    def draw(n: int) -> dict[str, np.ndarray]:
        x = chance.normal(size=n)
        return {"x": x, "y": x + chance.normal(0, 0.5, n), "amount": np.exp(0.8 * x + x**3 / 20)}

    reference, usual = pa.table(draw(5000)), draw(1000)
    shown = {k: v.copy() for k, v in usual.items()}
    shown["amount"][0] = 5000.0
    standard = fit_standard(reference, ["x", "y", "amount"])
    pca = fit_reconstruction(reference, ["x", "y", "amount"], [])
    assert pca is not None
    before = standard.moments(reference)
    changes, errors = [], []
    for rows in (usual, shown):
        batch = pa.record_batch(rows)
        changes.append(correlation_change(before, standard.moments(batch)).value)
        errors.append(float(pca.error(batch).mean()))
    assert abs(changes[1] - changes[0]) < 0.1
    assert abs(errors[1] - errors[0]) < 0.02
