"""The budget is kept where nothing changes, and what changes pages; the life of an incident."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from monitoring_sdk.alarms.budget import (
    Alarms,
    Budget,
    fit_alarms,
    horizons_for,
    parse_budget,
)
from monitoring_sdk.alarms.layout import floors, lay_out
from monitoring_sdk.alarms.narrowed import narrowed
from monitoring_sdk.alarms.paging import PagingState, step
from monitoring_sdk.alarms.thresholds import incidents
from monitoring_sdk.alarms.values import ValueForm, Values
from monitoring_sdk.alarms.watched import Watched, to_angle
from monitoring_sdk.alarms.watching import Watching
from monitoring_sdk.errors import BaselineError, ConfigError

DAY = 86400
BUDGET = Budget(1, timedelta(days=30))
NULLS = 0.01


def watched() -> tuple[Watched, ...]:
    kinds = ("location", "scale", "skew", "tails")
    rows = [Watched(f"drift/{k}/x{i}", "drift", f"x{i}", k) for i in range(10) for k in kinds]
    for i in range(10):
        key, name = f"quality/null_share/x{i}", f"x{i}"
        rows.append(Watched(key, "quality", name, "nulls", "above", 0.003, "share"))
    key = "quality/unseen_share/c"
    rows.append(Watched(key, "quality", "c", "unseen_share", "above", 0.001, "count"))
    rows.append(Watched("performance/accuracy", "performance", None, "accuracy", "below", 0.005))
    return tuple(rows)


WATCHED = watched()
KEYS = tuple(w.key for w in WATCHED)
THEORY = np.array([{"count": 0.0}.get(w.scale, 0.09 if w.side == "below" else 1) for w in WATCHED])


def windows(count: int, *, seed: int, rows: float = 500, wander: float = 0.0) -> np.ndarray:
    """Values of windows in which nothing changes; `wander` lasts over some and moves all."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((count, 1))
    x = np.sqrt(0.5) * (common + rng.standard_normal((count, len(KEYS)))) / np.sqrt(rows)
    slow = np.zeros((count + 50, len(KEYS)))
    for t in range(1, len(slow)):
        slow[t] = 0.6 * slow[t - 1] + 0.8 * rng.standard_normal(len(KEYS))
    x[:, :40:4] += wander * slow[50:, :40:4]
    x[:, 40:50] += to_angle(NULLS * 1e6, 1e6)
    x[:, 50] = rng.poisson(1.0, count) / rows
    x[:, 51] = 0.9 + 0.3 * x[:, 51]
    return x


def values(x: np.ndarray, rows: float = 500) -> list[Values]:
    return [Values(KEYS, row, np.full(len(KEYS), float(rows)), THEORY) for row in x]


def made(reference: int = 60, *, seed: int = 0, rows: float = 500) -> Alarms:
    found = fit_alarms(values(windows(reference, seed=seed, rows=rows), rows), WATCHED, BUDGET, DAY)
    assert found is not None
    return found


ALARMS = made()


def later(count: int = 20, seed: int = 100) -> np.ndarray:
    return windows(count, seed=seed)


def first_page(alarms: Alarms, x: np.ndarray, family: str) -> int | None:
    for t, paging in enumerate(alarms.walk(values(x))):
        if any(name == family for name, _ in paging.passed):
            return t
    return None


# ---- the budget


@pytest.mark.parametrize(("wander", "reference"), [(0.0, 60), (0.05, 60), (0.0, 14)])
def test_no_more_false_pages_than_the_budget(wander: float, reference: int) -> None:
    pages = 0
    for seed in range(5):
        x = windows(reference + 120, seed=seed, wander=wander)
        alarms = fit_alarms(values(x[:reference]), WATCHED, BUDGET, DAY, seed=seed)
        assert alarms is not None
        pages += sum(p.opened for p in alarms.walk(values(x[reference:])))
    assert 1 <= pages <= 20, f"{pages} pages in 20 months with a budget of 20"


def test_thresholds_follow_the_budget() -> None:
    reference = values(windows(60, seed=0))
    tight = fit_alarms(reference, WATCHED, Budget(1, timedelta(days=180)), DAY)
    loose = fit_alarms(reference, WATCHED, Budget(5, timedelta(days=30)), DAY)
    assert tight is not None
    assert loose is not None
    assert (tight.thresholds.level > ALARMS.thresholds.level)[:, 0].all()
    assert (loose.thresholds.level < ALARMS.thresholds.level)[:, 0].all()


def test_the_same_seed_gives_the_same_thresholds() -> None:
    assert made().to_dict() == ALARMS.to_dict()


def test_warm_up() -> None:
    assert fit_alarms(values(windows(4, seed=0)), WATCHED, BUDGET, DAY) is None
    few = made(6)
    assert few.provisional
    assert few.thresholds.horizons == (1, 3)
    assert not ALARMS.provisional


@pytest.mark.parametrize(
    ("text", "budget"),
    [("1 per 30d", BUDGET), ("0.5 per 1w", Budget(0.5, timedelta(days=7)))],
)
def test_a_budget_is_read(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget
    assert parse_budget(str(budget)) == budget


@pytest.mark.parametrize("text", ["", "1", "0 per 30d", "-1 per 30d", "one per 30d", "1 per 0d"])
def test_another_budget_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="1 per 30d"):
        parse_budget(text)


def test_horizons_span_a_day_or_a_week() -> None:
    assert horizons_for(3600, 700) == (1, 6, 24)
    assert horizons_for(900, 3000) == (1, 24, 96)
    assert horizons_for(7 * DAY, 20) == (1, 3, 7)


# ---- what pages


@pytest.mark.parametrize(
    ("at", "by", "family"),
    [
        (0, 0.3, "drift"),
        (1, 0.3, "drift"),
        (42, float(to_angle(3e4, 1e6) - to_angle(1e4, 1e6)), "quality"),
        (51, -0.06, "performance"),
    ],
)
def test_a_change_pages_under_its_family(at: int, by: float, family: str) -> None:
    x = later()
    x[10:, at] += by
    found = first_page(ALARMS, x, family)
    assert found is not None
    assert 10 <= found <= 12


def test_levels_new_to_the_reference_page() -> None:
    x = later()
    x[10:, 50] += 0.03
    assert first_page(ALARMS, x, "quality") == 10


def test_a_side_that_cannot_page_does_not() -> None:
    x = later()
    x[10:, 51] += 0.06  # better accuracy
    assert first_page(ALARMS, x, "performance") is None


def test_a_sure_but_small_effect_does_not_page() -> None:
    alarms = made(rows=50_000)
    small, large = (windows(20, seed=7, rows=50_000) for _ in range(2))
    small[10:, 0] += 0.02
    large[10:, 0] += 0.08
    passed = [p.passed for p in alarms.walk(values(small, 50_000))]
    assert not any(name == "drift" for names in passed for name, _ in names)
    z = alarms.evidence(values(small, 50_000)).z[12, 1, 0]
    assert z > 4, "it is sure all the same"
    assert any(p.passed for p in alarms.walk(values(large, 50_000))[10:12])


def test_many_small_shifts_page_together() -> None:
    x = later()
    x[10:, :40:4] += 0.12
    found = ALARMS.walk(values(x))
    assert any(p.opened for p in found[10:14])


def test_floors_of_shares_are_in_shares() -> None:
    layout = lay_out([Watched("s", "drift", "c", "share", "both", 0.01, "share")])
    above, below = floors(layout, np.array([float(to_angle(0.005 * 1e9, 1e9))]))
    assert np.sin((to_angle(0.005 * 1e9, 1e9) + above) / 2) ** 2 == pytest.approx(0.015)
    assert np.isinf(below[0])


# ---- one window at a time


def test_judging_window_by_window_equals_walking() -> None:
    x = later()
    x[8:12, 0] += 0.4
    every, state = values(x), PagingState()
    for t, paging in enumerate(ALARMS.walk(every)):
        one = ALARMS.judge(every[: t + 1], state=state)
        assert one.paging.passed == paging.passed
        assert one.paging.state == paging.state
        state = PagingState.from_dict(json.loads(json.dumps(one.paging.state.to_dict())))


def test_a_check_says_value_effect_limit_and_horizon() -> None:
    x = later()
    x[10:, 42] = float(to_angle(4e4, 1e6))
    found = {c.key: c for c in ALARMS.judge(values(x[:11])).checks}
    nulls = found["quality/null_share/x2"]
    assert nulls.exceeded
    assert nulls.value == pytest.approx(0.04, abs=1e-3)
    assert nulls.effect is not None
    assert nulls.limit is not None
    assert nulls.z > nulls.threshold
    if nulls.horizon == 1:
        assert nulls.value > nulls.limit
    calm = found["drift/location/x5"]
    assert not calm.exceeded
    assert calm.z < calm.threshold


def test_a_window_without_values_says_nothing_and_breaks_nothing() -> None:
    every = [*values(later(9)), None]
    found = ALARMS.judge(every)
    assert not found.paging.opened
    assert all(c.value is None for c in found.checks if c.key == "drift/location/x0")


def test_alarms_read_back_and_judge_the_same() -> None:
    again = Alarms.from_dict(json.loads(json.dumps(ALARMS.to_dict(), allow_nan=False)))
    x = later()
    x[10:, 0] += 0.2
    mine, theirs = (a.walk(values(x)) for a in (ALARMS, again))
    assert [p.passed for p in mine] == [p.passed for p in theirs]
    assert all(np.allclose(a.ratios, b.ratios) for a, b in zip(mine, theirs, strict=True))


def of_segment(site: str) -> tuple[Watched, ...]:
    return tuple(
        Watched(
            f"performance/{name}[site={site}]", "performance", None, name, segment={"site": site}
        )
        for name in ("accuracy", "log_loss", "label_noise")
    )


def test_what_is_watched_of_a_segment_shares_one_part_of_the_budget() -> None:
    rows = (*of_segment("JFK"), WATCHED[-1], *of_segment("LGA"))
    found = lay_out(rows)
    units = found.unit_of.tolist()
    assert units == [0, 0, 0, 1, 2, 2, 2]


def test_thresholds_that_share_the_budget_otherwise_are_refused() -> None:
    kept = Watching(ValueForm(()), WATCHED, tuple(THEORY.tolist()), ALARMS).to_dict()
    assert Watching.from_dict(kept).alarms is not None
    scale = kept["alarms"]["thresholds"]["unit_scale"]
    kept["alarms"]["thresholds"]["unit_scale"] = [[*row, 3.0] for row in scale]
    with pytest.raises(BaselineError, match=r"in \d+ parts, this version in \d+: build the"):
        Watching.from_dict(kept)


def test_alarms_of_some_values_judge_these_the_same() -> None:
    x = later()
    x[10:, 0] += 0.2
    x[12:, 51] -= 0.1
    every = values(x)
    whole = {c.key: c for c in ALARMS.judge(every[:15]).checks}
    for families in (("performance",), ("drift", "quality")):
        part = narrowed(ALARMS, np.array([w.family in families for w in WATCHED]))
        found = part.judge(every[:15]).checks
        assert {c.key for c in found} == {k for k in whole if k.split("/")[0] in families}
        for check in found:
            assert check == whole[check.key]


def test_a_slow_rhythm_pages_no_more_often_among_its_windows_than_a_daily_one() -> None:
    weekly = fit_alarms(values(windows(60, seed=0)), WATCHED, BUDGET, 7 * DAY)
    assert weekly is not None
    assert weekly.thresholds.windows == ALARMS.thresholds.windows == 30
    assert np.allclose(weekly.thresholds.level[0, 0], ALARMS.thresholds.level[0, 0], rtol=0.1)


def test_contaminated_references_neither_page_nor_hide() -> None:
    x = windows(60, seed=0)
    x[20:26, :8] += 0.4
    dirty = fit_alarms(values(x), WATCHED, BUDGET, DAY)
    assert dirty is not None
    y = later()
    clean, spoilt = (
        [p.ratios.max() for p in alarms.walk(values(y))][7:] for alarms in (ALARMS, dirty)
    )
    assert np.allclose(spoilt, clean, rtol=0.2)
    y[10:, 0] += 0.3
    assert first_page(dirty, y, "drift") in (10, 11, 12)


# ---- the life of an incident


def test_an_incident_opens_is_joined_and_closes_after_three_quiet_windows() -> None:
    state, opened, _ = step(PagingState(), ("drift",))
    assert opened
    state, opened, _ = step(state, ("quality",))
    assert not opened
    assert state.families == ("drift", "quality")
    closed = []
    for _ in range(3):
        state, _, now = step(state, ())
        closed.append(now)
    assert closed == [False, False, True]
    assert state.families == ()


def test_longer_horizons_wait_after_an_incident() -> None:
    state = PagingState((), 3, 0)
    assert [state.usable(w) for w in (1, 3, 7)] == [True, False, False]
    for _ in range(2):
        state, _, _ = step(state, ())
    assert [state.usable(w) for w in (1, 3, 7)] == [True, True, False]


def test_incidents_are_counted_as_they_are_opened() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        alarm = rng.random(40) < 0.2
        state, opened = PagingState(), []
        for now in alarm:
            state, new, _ = step(state, ("drift",) if now else ())
            opened.append(new)
        assert opened == incidents(alarm[None])[0].tolist()


def test_windows_that_were_not_measured_move_no_threshold() -> None:
    whole = values(windows(60, seed=5))
    gaps = [None if t in (3, 20, 57, 58, 59) else v for t, v in enumerate(whole)]
    found, torn = (fit_alarms(v, WATCHED, BUDGET, DAY) for v in (whole, gaps))
    assert found is not None
    assert torn is not None
    live = np.isfinite(found.thresholds.level)
    ratio = torn.thresholds.level[live] / found.thresholds.level[live]
    assert np.abs(np.log(ratio)).max() < 0.15
    scale = torn.thresholds.unit_scale / found.thresholds.unit_scale
    assert np.abs(np.log(scale)).max() < 0.4
