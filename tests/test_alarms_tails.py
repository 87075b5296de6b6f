"""The tail of a unit is read off more windows than lie in it: nearer the truth, and no bias."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitoring_sdk.alarms.layout import Layout, lay_out
from monitoring_sdk.alarms.tails import unit_tails
from monitoring_sdk.alarms.watched import Watched

UNITS = 24


def layout() -> Layout:
    names = [f"x{i:02d}" for i in range(UNITS)]
    return lay_out([Watched(f"drift/scale/{name}", "drift", name, "scale") for name in names])


def largest(seed: int, of: int) -> np.ndarray:
    """The largest of some absolute normal numbers, of 24 units in 120 futures of 60 windows."""
    rng = np.random.default_rng(seed)
    return np.abs(rng.standard_normal((120, 60, 1, UNITS, of))).max(axis=-1)


@pytest.mark.parametrize("of", [1, 5, 30])
def test_the_tail_is_the_true_one_and_varies_less_than_a_quantile(of: int) -> None:
    true = stats.norm.isf((1 - 0.995 ** (1 / of)) / 2)
    found, plain = [], []
    for seed in range(6):
        units = largest(seed, of)
        found.append(unit_tails(units, layout())[0])
        plain.append(np.quantile(units, 0.995, axis=(0, 1))[0])
    assert np.mean(found) == pytest.approx(true, rel=0.01)
    assert np.std(found) < 0.5 * np.std(plain)


def test_units_that_differ_keep_their_own_tails() -> None:
    units = np.concatenate([largest(0, 1)[..., :12], largest(1, 30)[..., 12:]], axis=-1)
    found = unit_tails(units, layout())[0]
    assert found[:12].mean() == pytest.approx(stats.norm.isf(0.0025), rel=0.02)
    assert found[12:].mean() == pytest.approx(stats.norm.isf(0.005 / 60), rel=0.02)


def test_one_side_that_cannot_page_has_no_tail_there() -> None:
    units = np.random.default_rng(0).standard_normal((120, 60, 1, UNITS))
    assert unit_tails(units, layout()).mean() == pytest.approx(stats.norm.isf(0.005), rel=0.02)


def test_what_is_counted_comes_in_steps_and_has_a_plain_quantile() -> None:
    counts = [
        Watched(f"quality/unseen_share/{c}", "quality", c, "unseen_share", "above", scale="count")
        for c in "ab"
    ]
    units = np.random.default_rng(0).poisson(0.02, (120, 60, 2, 2)).astype(float)
    plain = np.quantile(units, 0.995, axis=(0, 1))
    assert unit_tails(units, lay_out(counts)).tolist() == plain.tolist()
