"""What is normal: mean, season, variance and memory; incidents in the reference do no harm."""

from __future__ import annotations

import json

import numpy as np
import pytest

from monitoring_sdk.alarms.counts import count_scores, fit_counts, simulated_scores
from monitoring_sdk.alarms.fit import Fit, fit
from monitoring_sdk.alarms.residuals import unskewed
from monitoring_sdk.alarms.scores import scores

KINDS = ["drift/location"] * 20


def series(windows: int, *, tau: float = 0.0, phi: float = 0.0, rows: float = 500, seed: int = 0,
           season: float = 0.0) -> np.ndarray:  # fmt: skip
    """Twenty values: sampling noise, what wanders from window to window, a weekly season."""
    rng = np.random.default_rng(seed)
    wander = rng.standard_normal((windows + 50, 20))
    for t in range(1, len(wander)):
        wander[t] = phi * wander[t - 1] + np.sqrt(1 - phi**2) * wander[t]
    week = season * np.cos(2 * np.pi * np.arange(windows) / 7)[:, None]
    return tau * wander[50:] + rng.standard_normal((windows, 20)) / np.sqrt(rows) + week


def fitted(x: np.ndarray, phase: np.ndarray | None = None, rows: float = 500) -> Fit:
    return fit(x, np.full(x.shape, rows), np.ones(x.shape[1]), KINDS, phase)


def test_independent_rows_have_the_theoretical_variance_and_no_memory() -> None:
    found = fitted(series(60))
    assert np.allclose(found.variance * 500, 1, atol=0.15)
    assert found.kappa.mean() < 0.12
    assert np.allclose(found.tau2, 0, atol=0.3e-3)


def test_what_wanders_is_found_with_its_memory() -> None:
    found = [fitted(series(120, tau=0.05, phi=0.6, seed=s)) for s in range(8)]
    phi = np.mean([f.phi[0] for f in found])
    kappa = np.mean([f.kappa.mean() for f in found])
    variance = np.mean([f.variance.mean() for f in found])
    assert phi == pytest.approx(0.6, abs=0.08)
    assert kappa == pytest.approx(0.0025 / 0.0045, abs=0.08)
    assert variance == pytest.approx(0.0045, rel=0.06)


def test_a_season_is_taken_out_and_its_error_counted() -> None:
    phase = np.arange(70) % 7
    x = series(70, season=0.2)
    found = fitted(x, phase)
    assert np.allclose(found.variance * 500, 1, atol=0.25)
    assert np.allclose(found.season[:, 0], 0.2 * np.cos(2 * np.pi * np.arange(7) / 7), atol=0.05)
    assert found.p_eff.min() > 6
    without = fitted(x)
    assert without.variance.mean() > 4 * found.variance.mean()


def test_too_few_windows_for_a_season_have_none() -> None:
    assert fitted(series(10), np.arange(10) % 7).season.shape == (1, 20)


def test_no_season_is_hardly_believed() -> None:
    assert fitted(series(70), np.arange(70) % 7).seasonal.mean() < 0.35


def test_fewer_rows_are_allowed_more_noise_but_not_more_wander() -> None:
    found = fitted(series(60, tau=0.05))
    few, many = found.tau2 + found.sigma2 / 50, found.tau2 + found.sigma2 / 5000
    assert np.allclose(few - many, 1 / 50 - 1 / 5000, rtol=0.05)
    assert many.mean() == pytest.approx(0.0025, rel=0.25)


def test_an_incident_in_the_reference_does_not_widen_what_is_normal() -> None:
    clean = series(60)
    dirty = clean.copy()
    dirty[20:26, :5] += 0.3  # a tenth of the windows, five columns
    found, without = fitted(dirty), fitted(clean)
    assert np.allclose(found.mu, without.mu, atol=0.01)
    assert found.variance[:5].mean() < 1.2 * without.variance[:5].mean()
    assert (found.windows[:5] <= 56).all()


def test_what_is_often_far_out_is_no_incident() -> None:
    x = series(60)
    x[::3, 0] += 1.0
    found = fitted(x)
    assert found.windows[0] == 60
    assert found.variance[0] > 0.1


def test_missing_values_do_not_shift_or_shrink() -> None:
    x = series(80, season=0.2)
    x[10:20] = np.nan
    x[::9, 3] = np.nan
    found = fitted(x, np.arange(80) % 7)
    assert np.isfinite(found.mu).all()
    assert np.allclose(found.variance * 500, 1, atol=0.35)
    assert found.windows[0] == 70


def test_a_value_that_never_moves_and_one_without_a_value_harm_no_other() -> None:
    x = series(60)
    x[:, 0], x[:, 1] = 0.5, np.nan
    found = fitted(x)
    assert np.isfinite(found.variance).all()
    assert (found.variance > 0).all()
    assert np.allclose(found.variance[2:] * 500, 1, atol=0.2)


def test_scores_are_standard_over_every_horizon() -> None:
    found = []
    for seed in range(12):
        x = series(240, tau=0.05, phi=0.6, seed=seed)
        phase = np.arange(240) % 7
        n = np.full(x.shape, 500.0)
        own = fit(x[:120], n[:120], np.ones(20), KINDS, phase[:120])
        found.append(scores(x[120:], n[120:], own, (1, 3, 7), phase[120:])[10:])
    spread = np.concatenate(found).std(axis=(0, 2))
    assert np.allclose(spread, 1, atol=0.12)


def test_scores_wait_until_a_horizon_is_filled_and_bear_gaps() -> None:
    x, n = series(60), np.full((60, 20), 500.0)
    found = fitted(x)
    later = np.full((9, 20), 0.2)
    later[4] = np.nan
    z = scores(later, n[:9], found, (1, 3, 7))
    assert np.isnan(z[1, 1]).all()
    assert np.isnan(z[4, 0]).all()
    assert (z[5, 1] > 3).all()
    assert (z[8, 2] > z[8, 0]).all()


def test_the_baselines_own_error_does_not_average_out() -> None:
    few, many = fitted(series(15)), fitted(series(120))
    x, n = np.full((7, 20), 0.1), np.full((7, 20), 500.0)
    ratio = [scores(x, n, f, (1, 7))[6].mean(axis=1) for f in (few, many)]
    assert ratio[0][1] / ratio[0][0] < ratio[1][1] / ratio[1][0] < np.sqrt(7)


def test_the_fit_reads_back() -> None:
    found = fitted(series(60, season=0.1), np.arange(60) % 7)
    again = Fit.from_dict(json.loads(json.dumps(found.to_dict())))
    assert all(np.array_equal(getattr(found, k), getattr(again, k)) for k in Fit.__slots__)


def test_skewed_scores_are_read_as_normal_ones() -> None:
    rng = np.random.default_rng(0)
    z = (rng.gamma(25, size=200_000) - 25) / 5
    read = unskewed(z, np.full(1, 0.4))
    assert (z > 3.5).mean() > 3 * 2.33e-4
    assert (read > 3.5).mean() < 2 * 2.33e-4
    assert np.all(np.diff(unskewed(np.linspace(-4, 6, 50), np.full(1, -0.3))) > 0)


def test_counts_know_how_often_rare_rows_come() -> None:
    n = np.full((60, 1), 500.0)
    never, often = fit_counts(np.zeros((60, 1)), n), fit_counts(np.full((60, 1), 0.02), n)
    five = [float(count_scores(np.array([5.0]), n[0], f)[0]) for f in (never, often)]
    assert five[0] > 5
    assert five[1] < 0
    assert np.isfinite(count_scores(np.array([0.0]), n[0], never)).all()


def test_rows_that_come_in_bunches_are_judged_in_bunches() -> None:
    shares = np.zeros((60, 1))
    shares[::12] = 0.04  # twenty rows at once, now and then
    n = np.full((60, 1), 500.0)
    found = fit_counts(shares, n)
    assert found.bunch[0] > 5
    assert float(count_scores(np.array([20.0]), n[0], found)[0]) < 4


def test_simulated_counts_score_as_normal_ones_do() -> None:
    found = fit_counts(np.full((60, 2), 0.01), np.full((60, 2), 500.0))
    rng = np.random.default_rng(0)
    z = simulated_scores(found, np.full((30, 2), 500.0), (1, 3), 200, rng)
    assert z.shape == (200, 30, 2, 2)
    assert 0.01 < (z > 2).mean() < 0.035


def test_a_value_with_one_window_of_each_phase_has_no_season() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(0.7, 0.1, (70, 2))
    x[:63, 1] = np.nan  # the second came with a new model, a week ago
    found = fit(x, np.full((70, 2), 100.0), np.ones(2), ["a", "b"], np.arange(70) % 7)
    assert found.windows.tolist() == [70, 7]
    assert np.abs(found.season[:, 1]).max() == 0
    assert np.sqrt(found.variance[1]) > 0.05
