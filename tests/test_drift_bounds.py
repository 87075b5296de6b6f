"""The bounded approximations beside scipy's exact values, and textbook sums beside ours."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from monitoring_sdk.drift.methods import drift
from monitoring_sdk.profile.grid import fit_numeric
from monitoring_sdk.profile.numeric import profile_numeric

VALUE = st.floats(-1e6, 1e6, allow_subnormal=False) | st.sampled_from([0.0, 1.0, 2.0, 5.0])
SAMPLE = st.lists(VALUE, min_size=2, max_size=80)


def pair(reference, current):
    grid = fit_numeric(reference)
    arrays = (pa.array(np.asarray(x, dtype=float)) for x in (reference, current))
    return *(profile_numeric(a, grid) for a in arrays), grid


def rounding(*samples) -> float:
    return 1e-12 * max(1.0, *(float(np.abs(s).max()) for s in samples))


@settings(max_examples=200, deadline=None)
@given(SAMPLE, SAMPLE)
def test_ks_is_within_its_bound_and_never_above(reference, current) -> None:
    exact = stats.ks_2samp(reference, current, method="asymp").statistic
    value = drift("ks", *pair(reference, current))
    assert value.value <= exact + 1e-12
    assert abs(value.value - exact) <= value.bound


@settings(max_examples=200, deadline=None)
@given(SAMPLE, SAMPLE)
def test_wasserstein_is_within_its_bound(reference, current) -> None:
    exact = stats.wasserstein_distance(reference, current)
    value = drift("wasserstein", *pair(reference, current))
    assert abs(value.value - exact) <= value.bound + rounding(reference, current)


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = seed % 5
    if shape == 0:
        return rng.normal(size=3000), rng.normal(0.2, 1.3, 2000)
    if shape == 1:
        return rng.lognormal(size=3000), rng.lognormal(0.3, 1.2, 2000)
    if shape == 2:
        return rng.poisson(3, 3000) * 1.0, rng.poisson(4, 2000) * 1.0
    if shape == 3:
        zero = rng.random(5000) < 0.7
        both = np.where(zero, 0.0, rng.gamma(2, 3, 5000))
        return both[:3000], both[3000:] * 1.1
    return rng.uniform(size=3000).round(2), rng.beta(2, 2, 2000).round(2)


@pytest.mark.parametrize("seed", range(10))
def test_bounds_are_narrow_on_samples_of_some_size(seed) -> None:
    reference, current = samples(seed)
    parts = pair(reference, current)
    ks, cost = drift("ks", *parts), drift("wasserstein_sd", *parts)
    assert ks.bound <= 0.012
    exact = stats.ks_2samp(reference, current, method="asymp")
    assert abs(ks.value - exact.statistic) <= ks.bound
    assert cost.bound <= 0.06
    distance = stats.wasserstein_distance(reference, current) / reference.std()
    assert abs(cost.value - distance) <= cost.bound
    assert cost.value == pytest.approx(distance, rel=0.02, abs=1e-3)


@pytest.mark.parametrize("size", [30, 300, 3000])
def test_the_p_value_of_ks_is_near_the_exact_law(size) -> None:
    reference = np.arange(size).repeat(2)
    current = np.arange(size) + size // 8
    ks = drift("ks", *pair(reference, current))
    exact = stats.kstwo.sf(ks.value, round(2 * size / 3))
    assert ks.p_value == pytest.approx(exact, rel=0.2, abs=0.005)


def test_only_atoms_leave_nothing_open() -> None:
    reference, current = np.repeat([1.0, 2.0, 7.0], [50, 30, 20]), np.repeat([1.0, 7.0], [5, 15])
    parts = pair(reference, current)
    for name in ("ks", "wasserstein"):
        assert drift(name, *parts).bound <= 1e-11
    exact = stats.wasserstein_distance(reference, current)
    assert drift("wasserstein", *parts).value == pytest.approx(exact, rel=1e-12)
    exact = stats.ks_2samp(reference, current, method="asymp")
    ks = drift("ks", *parts)
    assert ks.value == pytest.approx(exact.statistic, rel=1e-12)
    assert 1e-5 < ks.p_value < 1e-4


@pytest.mark.parametrize("seed", range(10))
def test_shares_on_deciles_are_the_textbook_s(seed) -> None:
    reference, current = samples(seed)
    current = np.append(current, [np.inf, -np.inf, np.inf])
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, 11)))
    edges[[0, -1]] = -np.inf, np.inf
    counts = [np.histogram(x, edges)[0] for x in (reference, current)]
    p, q = (c / c.sum() for c in counts)
    floored = [np.where(x == 0, 1e-4, x) for x in (p, q)]
    textbook = {
        "psi": np.sum((floored[1] - floored[0]) * np.log(floored[1] / floored[0])),
        "jensen_shannon": jensenshannon(p, q, base=2),
        "hellinger": np.sqrt(1 - np.sum(np.sqrt(p * q))),
        "total_variation": np.maximum(q - p, 0).sum(),
        "l_infinity": np.abs(p - q).max(),
        "chi2": stats.chi2_contingency(np.stack(counts)).statistic,
    }
    parts = pair(reference, current)
    for name, expected in textbook.items():
        assert drift(name, *parts).value == pytest.approx(expected, abs=1e-9), name
