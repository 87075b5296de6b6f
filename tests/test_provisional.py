"""Provisional limits: seldom passed by what is usual, surely by what is clearly not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitoring_sdk.alarms.provisional import (
    MIN_WINDOWS,
    Direction,
    Limit,
    ReferenceSeries,
    Scale,
    limits,
    nearest,
)

ROWS = 500


def series(values: Sequence[float | None], n: int = ROWS) -> ReferenceSeries:
    return ReferenceSeries(tuple(values), (n,) * len(values))


def usual(seed: int, count: int = 20) -> list[float]:
    return [float(v) for v in np.random.default_rng(seed).normal(0.9, 0.01, count)]


values = st.lists(st.floats(-1e3, 1e3), min_size=MIN_WINDOWS, max_size=30)


@settings(deadline=None)
@given(values, st.sampled_from(["above", "below", "both"]))
def test_nothing_that_the_reference_showed_is_beyond_a_limit(found: list[float], side: Any) -> None:
    for limit in limits(series(found), n=ROWS, direction=side):
        assert not any(limit.passed(v) for v in found)
        # The far limit lies beyond the near one, so whatever passes it has passed both.
        assert limit.far >= limit.near if limit.direction == "above" else limit.far <= limit.near


def test_a_limit_lies_a_margin_beyond_the_most_extreme() -> None:
    found = usual(1)
    low, high = sorted(limits(series(found), n=ROWS, direction="both"), key=lambda x: x.near)
    middle = float(np.median(found))
    assert (low.direction, high.direction) == ("below", "above")
    assert high.near >= max(found) + 0.5 * (max(found) - middle) - 1e-12
    assert low.near <= min(found) - 0.5 * (middle - min(found)) + 1e-12
    assert high.far >= max(found) + 1.5 * (max(found) - middle) - 1e-12


def test_the_margin_counts_where_one_window_stood_out() -> None:
    (limit,) = limits(series([0.0] * 29 + [1.0]), n=ROWS, direction="above")
    assert (limit.near, limit.far) == (1.5, 2.5)


@pytest.mark.parametrize("side", ["above", "below"])
def test_both_sides_are_mirror_images(side: Any) -> None:
    found = usual(2)
    (one,) = limits(series(found), n=ROWS, direction=side)
    other_side: Any = "below" if side == "above" else "above"
    (other,) = limits(series([-v for v in found]), n=ROWS, direction=other_side)
    assert (one.near, one.far) == pytest.approx((-other.near, -other.far))


def test_fewer_rows_give_wider_limits_and_more_rows_no_narrower_ones() -> None:
    found = usual(3)
    near = {
        n: limits(series(found), n=n, direction="below")[0].near for n in (50, 125, 500, 50_000)
    }
    assert near[50] < near[125] < near[500] == near[50_000]
    # The noise of a mean goes as one over the root of n: at a quarter of the rows, twice as wide.
    middle = float(np.median(found))
    assert middle - near[125] == pytest.approx(2 * (middle - near[500]), rel=0.05)


def test_a_distance_scales_as_a_whole() -> None:
    found = [float(v) for v in np.random.default_rng(4).chisquare(9, 20) / ROWS]
    small, large = (
        limits(series(found), n=n, direction="above", noise=1.0, centred=False)[0].near
        for n in (ROWS // 5, ROWS)
    )
    assert small == pytest.approx(5 * large)


def test_counts_have_no_sampling_noise() -> None:
    found = [1000.0 + i for i in range(10)]
    assert limits(series(found), n=10, direction="below", noise=0) == limits(
        series(found), n=ROWS, direction="below", noise=0
    )


@pytest.mark.parametrize("count", range(MIN_WINDOWS))
def test_too_few_windows_give_no_limit(count: int) -> None:
    assert limits(series(usual(5, count)), n=ROWS, direction="both") == ()
    # Windows without a value say nothing.
    assert limits(series([*usual(5, count), *[None] * 9]), n=ROWS, direction="both") == ()


def test_windows_without_a_value_are_left_out() -> None:
    found = usual(6, 8)
    holes: list[float | None] = [None, *found, None]
    assert limits(series(holes), n=ROWS, direction="both") == limits(
        series(found), n=ROWS, direction="both"
    )


def test_the_floor_keeps_a_constant_from_paging_on_a_trifle() -> None:
    (limit,) = limits(series([0.9] * 10), n=ROWS, direction="below", floor=0.005)
    assert not limit.passed(0.8951)
    assert limit.passed(0.8949)
    assert not limit.far_passed(0.8926)
    assert limit.far_passed(0.8924)
    (limit,) = limits(series([200.0] * 10), n=ROWS, direction="below", relative_floor=0.3)
    assert (limit.near, limit.far) == pytest.approx((140, 110))


def test_the_nearest_limit_is_the_one_that_is_passed() -> None:
    low, high = Limit(1, 0, "below"), Limit(9, 10, "above")
    assert nearest((low, high), 9.5) is high
    assert nearest((low, high), 0.5) is low
    assert nearest((low, high), 2) is low
    assert nearest((low, high), None) is low
    assert nearest((), 1) is None


# --- How often ----------------------------------------------------------------------------------

STREAMS, AHEAD = 400, 30


def noise(rng: np.random.Generator, phi: float, count: int) -> NDArray[np.float64]:
    """Draw AR(1) noise of variance 1."""
    shocks = rng.normal(size=count + 50) * np.sqrt(1 - phi**2)
    found = np.zeros(count + 50)
    for i in range(1, len(found)):
        found[i] = phi * found[i - 1] + shocks[i]
    return found[50:]


def alarmed(reference: NDArray[np.float64], after: NDArray[np.float64], **how: Any) -> bool:
    """Say whether a stream alarms: once beyond the far limit, or twice running beyond the near."""
    found = limits(series([float(v) for v in reference]), n=ROWS, **how)
    before = False
    for value in after:
        now = any(limit.passed(float(value)) for limit in found)
        if any(limit.far_passed(float(value)) for limit in found) or (now and before):
            return True
        before = now
    return False


@pytest.mark.parametrize(
    ("windows", "phi", "most"),
    [
        *[(5, 0.0, 0.01), (14, 0.0, 0.01), (60, 0.0, 0.01)],
        *[(7, 0.6, 0.04), (30, 0.6, 0.04), (14, 0.9, 0.2)],
    ],
)
def test_share_of_streams_with_a_false_alarm_in_30_windows(
    windows: int, phi: float, most: float
) -> None:
    """Measured over 1000 streams: none to .001 on independent windows, .01 at phi .6, .13 at .9."""
    rng = np.random.default_rng(windows)
    streams = (noise(rng, phi, windows + AHEAD) for _ in range(STREAMS))
    hits = sum(alarmed(x[:windows], x[windows:], direction="below") for x in streams)
    assert hits <= most * STREAMS


def test_share_of_distances_with_a_false_alarm_in_30_windows() -> None:
    """A PSI over ten cells is about chi-squared, and has a tail; measured: .015."""
    rng = np.random.default_rng(0)
    streams = (rng.chisquare(9, 14 + AHEAD) for _ in range(STREAMS))
    hits = sum(
        alarmed(x[:14], x[14:], direction="above", noise=1.0, centred=False) for x in streams
    )
    assert hits <= 0.04 * STREAMS


def test_share_of_clear_shifts_that_are_seen() -> None:
    """Over 30 reference windows: 12 sd in one window, 6 sd that last in two; almost always."""
    rng = np.random.default_rng(0)
    once = [np.append(rng.normal(size=30), rng.normal() - 12) for _ in range(STREAMS)]
    lasting = [np.append(rng.normal(size=30), rng.normal(size=2) - 6) for _ in range(STREAMS)]
    assert sum(alarmed(x[:30], x[30:], direction="below") for x in once) >= 0.99 * STREAMS
    assert sum(alarmed(x[:30], x[30:], direction="below") for x in lasting) >= 0.95 * STREAMS


def test_distances_are_skewed_and_their_limits_know_it():
    """PSI without change is about chi-squared: of 90 checks on 1 200 windows nearly none pages."""
    chance = np.random.default_rng(3)
    pages = 0
    for _ in range(90):
        usual = chance.chisquare(9, 30) / 500
        later = chance.chisquare(9, 1_200) / 500
        series = ReferenceSeries(tuple(usual), (500,) * 30)
        (limit,) = limits(series, n=500, direction="above", noise=1.0, centred=False)
        passed = later > limit.near
        pages += int((later > limit.far).sum()) + int((passed[1:] & passed[:-1]).sum())
        assert limit.near < 0.15  # and a PSI worth a page is still seen
    assert pages <= 6


def test_waits_with_a_long_tail_seldom_pass_a_limit_by_chance():
    chance, passed = np.random.default_rng(0), 0
    for _ in range(300):
        usual = ReferenceSeries(tuple(chance.exponential(0.05, 30)), (500,) * 30)
        (limit,) = limits(
            usual, n=500, direction="above", noise=0.0, relative_floor=0.5, centred=False
        )
        passed += int((chance.exponential(0.05, 60) > limit.far).sum())
    assert passed <= 2
    # What hardly varies still has the floor that a limit never comes nearer than.
    (steady,) = limits(
        ReferenceSeries((1.0, 1.01, 1.02) * 5, (500,) * 15),
        n=500, direction="above", noise=0.0, relative_floor=0.5, centred=False,
    )  # fmt: skip
    assert steady.near == pytest.approx(1.01 * 1.5)


@pytest.mark.parametrize(("scale", "direction"), [("log", "above"), ("log_to_1", "below")])
def test_losses_with_long_tails_seldom_pass_limits_on_a_log_scale(
    scale: Scale, direction: Direction
) -> None:
    """Mean squares of errors with infinite variance: on a linear scale one in a hundred pages."""
    chance = np.random.default_rng(0)
    passed = {"linear": 0, scale: 0}
    for _ in range(60):
        errors = chance.standard_t(2.2, size=(60, 400))
        loss = (errors**2).mean(axis=1)
        values = loss if scale == "log" else 1 - loss / 10
        usual = ReferenceSeries(tuple(values[:30]), (400,) * 30)
        for how in passed:
            (limit,) = limits(usual, n=400, direction=direction, scale=how)  # type: ignore[arg-type]
            passed[how] += sum(limit.far_passed(v) for v in values[30:])
    assert passed["linear"] >= 10
    assert passed[scale] <= passed["linear"] / 4
    # What is far worse is found all the same.
    (limit,) = limits(
        ReferenceSeries(tuple(1 + chance.normal(0, 0.05, 30)), (400,) * 30),
        n=400,
        direction="above",
        scale="log",
    )
    assert limit.far_passed(1.5)
    assert not limit.passed(1.1)


def test_a_loss_of_nothing_has_a_limit_on_the_linear_scale() -> None:
    usual = ReferenceSeries((0.0, 0.1) * 10, (400,) * 20)
    assert limits(usual, n=400, direction="above", scale="log") == limits(
        usual, n=400, direction="above"
    )
