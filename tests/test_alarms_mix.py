"""Levels of a category against each other: what they often do together hides nothing else."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from monitoring_sdk.alarms.budget import Alarms, Budget, fit_alarms
from monitoring_sdk.alarms.narrowed import narrowed
from monitoring_sdk.alarms.paging import PagingState, raised, step
from monitoring_sdk.alarms.values import Values
from monitoring_sdk.alarms.watched import Watched, to_angle

LEVELS = "abcdef"
KEYS = tuple(f"drift/share@{level}/plan" for level in LEVELS)
WATCHED = tuple(
    Watched(key, "drift", "plan", "share", "both", 0.01, "share", level)
    for key, level in zip(KEYS, LEVELS, strict=True)
)
ROWS, DAY, BUDGET = 5000, 86_400, Budget(1, timedelta(days=30))
MIX = "drift/mix/plan"


def windows(count: int, *, seed: int, wander: float, moved: float = 0.0) -> list[Values]:
    """Shares of six levels that wander along a line; `moved` goes from the first to the second."""
    rng = np.random.default_rng(seed)
    usual = np.array([0.3, 0.25, 0.2, 0.1, 0.1, 0.05])
    line = np.array([1.0, 0.5, 0.0, -0.5, -0.5, -0.5])
    found = []
    for _ in range(count):
        shares = usual * np.exp(wander * rng.standard_normal() * line)
        shares = shares / shares.sum() + moved * np.array([-1, 1, 0, 0, 0, 0])
        hits = rng.multinomial(ROWS, shares)
        n = np.full(6, float(ROWS))
        found.append(Values(KEYS, to_angle(hits, n), n, np.ones(6)))
    return found


def fitted(wander: float) -> Alarms:
    alarms = fit_alarms(windows(60, seed=0, wander=wander), WATCHED, BUDGET, DAY)
    assert alarms is not None
    return alarms


WANDERING = fitted(0.25)


def test_a_change_off_the_usual_line_is_found_where_each_share_wanders_more_than_it() -> None:
    torn = windows(1, seed=1, wander=0.25, moved=0.04)
    found = {c.key: c for c in WANDERING.judge(torn).checks}
    assert found[MIX].exceeded
    assert not any(found[key].exceeded for key in KEYS)


def test_wandering_along_the_usual_line_is_usual() -> None:
    found = WANDERING.walk(windows(120, seed=2, wander=0.25))
    pages = sum(p.opened for p in found)
    assert pages <= 4
    # The line itself, three times as far, is left to the shares.
    far = windows(8, seed=3, wander=0.0)
    assert not {c.key: c for c in WANDERING.judge(far).checks}[MIX].exceeded


def test_where_only_chance_moves_the_levels_there_is_no_line() -> None:
    assert MIX not in fitted(0.0).keys
    assert MIX in WANDERING.keys


def test_small_moves_off_the_line_are_under_the_floor_however_many_rows() -> None:
    found = WANDERING.evidence(windows(8, seed=1, wander=0.0, moved=0.04))
    means = found.means[-1].copy()
    assert WANDERING.layout.mix is not None
    whole = WANDERING.layout.mix.energies(found.z[-1], means)
    assert (whole > 0).all()
    assert not WANDERING.layout.mix.energies(found.z[-1], means / 20).any()


def test_alarms_of_the_category_alone_keep_it() -> None:
    nulls = Watched("quality/null_share/age", "quality", "age", "null_share", scale="share")
    more = [v.append(nulls.key, 0.2, ROWS, 1.0) for v in windows(60, seed=0, wander=0.25)]
    both = fit_alarms(more, (nulls, *WATCHED), BUDGET, DAY)
    assert both is not None
    part = narrowed(both, np.array([False, *([True] * 6)]))
    moved = windows(3, seed=1, wander=0.25, moved=0.04)
    found = {c.key: c for c in both.judge(moved).checks}
    assert {c.key: c for c in part.judge(moved).checks}[MIX] == found[MIX]
    assert narrowed(both, np.array([True, *([False] * 6)])).keys == (nulls.key,)


def test_it_reads_back() -> None:
    again = Alarms.from_dict(json.loads(json.dumps(WANDERING.to_dict(), allow_nan=False)))
    every = windows(20, seed=4, wander=0.25, moved=0.02)
    mine, theirs = (a.walk(every) for a in (WANDERING, again))
    assert all(np.array_equal(a.ratios, b.ratios) for a, b in zip(mine, theirs, strict=True))


# ---- a budget that is spent


def test_a_budget_that_is_spent_twice_asks_for_more() -> None:
    assert [raised(n, 1.0) for n in range(5)] == [1.0, 1.0, 1.2, 1.4, 1.4]
    assert [raised(n, 5.0) for n in (9, 10, 11)] == [1.0, 1.2, 1.4]
    assert raised(0, 0.1) == 1.0


def test_an_open_incident_needs_no_more_to_go_on() -> None:
    spent = PagingState(opened=(20, 9))
    assert spent.bar(1.0) == pytest.approx(1.2)
    state, opened, _ = step(spent, ("drift",))
    assert opened
    assert state.bar(1.0) == 1.0


def test_a_third_page_of_a_month_has_to_be_a_fifth_surer() -> None:
    every = windows(8, seed=1, wander=0.25, moved=0.04)
    plain, spent = WANDERING.judge(every), WANDERING.judge(every, state=PagingState(opened=(9, 3)))
    before, after = ({c.key: c for c in j.checks}[MIX] for j in (plain, spent))
    assert after.threshold == pytest.approx(1.2 * before.threshold)
    assert after.nearest == pytest.approx(before.nearest / 1.2)


def test_pages_leave_the_count_with_the_period() -> None:
    # Each of these is far beyond any bar, and each closes before the next.
    history: list[Values | None] = []
    for k in range(4):
        history += windows(1, seed=k, wander=0.0, moved=0.2) + windows(9, seed=k, wander=0.1)
    found = WANDERING.walk(history)
    opened = [t for t, p in enumerate(found) if p.opened]
    assert opened[:3] == [0, 10, 20]
    assert found[25].state.opened == (26, 16, 6)
    assert found[30].state.opened[0] < WANDERING.thresholds.windows
