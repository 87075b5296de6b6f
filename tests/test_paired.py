"""The difference of two models on the same rows: exact where there is an exact answer."""

import numpy as np
import pytest
from scipy import stats

from monitoring_sdk.metrics.paired import paired_difference

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_of_a_mean_it_is_the_paired_t_test(better):
    old, new = RNG.normal(size=40), RNG.normal(0.1, size=40)
    found = paired_difference(
        lambda at: old[at].mean(), lambda at: new[at].mean(), np.arange(40), better=better
    )
    first, second = (new, old) if better == "higher" else (old, new)
    exact = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert found.interval == pytest.approx((exact.low, exact.high), rel=1e-9)
    assert found.value == pytest.approx((first - second).mean(), rel=1e-12)


def area(label, score):
    """Return the area under the ROC curve, by ranks."""
    positive = label.sum()
    ranks = stats.rankdata(score)[label].sum() - positive * (positive + 1) / 2
    return ranks / (positive * (len(label) - positive))


def test_of_an_area_it_agrees_with_the_bootstrap():
    label = RNG.random(400) < 0.3
    old, new = (label * gain + RNG.normal(size=400) for gain in (0.6, 1.6))

    def difference(at):
        return area(label[at], new[at]) - area(label[at], old[at])

    found = paired_difference(
        lambda at: area(label[at], old[at]),
        lambda at: area(label[at], new[at]),
        np.arange(400),
    )
    again = stats.bootstrap(
        (np.arange(400),), difference, n_resamples=600, vectorized=False,
        method="percentile", rng=np.random.default_rng(1),
    )  # fmt: skip
    assert found.better
    assert found.standard_error == pytest.approx(again.standard_error, rel=0.15)


def test_what_a_day_does_to_all_its_rows_widens_the_interval():
    days = np.repeat(np.arange(10), 50)
    gain = np.repeat(RNG.normal(size=10), 50) + 0.1 * RNG.normal(size=500)

    def width(groups):
        low, high = paired_difference(lambda at: 0.0, lambda at: gain[at].mean(), groups).interval
        return high - low

    assert width(days) > 4 * width(np.arange(500))
    exact = stats.t.ppf(0.975, 9) * gain.reshape(10, 50).mean(1).std(ddof=1) / 10**0.5
    assert width(days) == pytest.approx(2 * exact, rel=1e-9)


def test_a_bias_is_better_nearer_to_zero():
    found = paired_difference(lambda at: -0.5, lambda at: 0.2, np.arange(3), better="zero")
    assert found.value == pytest.approx(0.3)


def test_one_group_says_nothing():
    with pytest.raises(ValueError, match="two groups"):
        paired_difference(lambda at: 0.0, lambda at: 0.0, np.zeros(5, dtype=int))
