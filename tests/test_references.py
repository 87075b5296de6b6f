"""What a window is compared with: its phase, the windows before it, or the whole reference."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from functools import reduce

import numpy as np
import pyarrow as pa
import pytest

from monitoring_sdk import references
from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.comparison import Comparison, Recent
from monitoring_sdk.profile.grid import Grid, fit_numeric
from monitoring_sdk.profile.phases import Phases, by_phase, fit_phases, phase_of, without_each
from monitoring_sdk.profile.profile import Profile, profile_batches
from monitoring_sdk.window import Cadence, Window, parse_time

FIRST = datetime(2024, 3, 4, tzinfo=UTC)  # a Monday
GRID = Grid({"x": fit_numeric(np.linspace(0, 1, 101))})


def profile(values, grid=GRID) -> Profile:
    columns = {name: np.asarray(values, float) for name in grid.columns}
    return profile_batches([pa.record_batch(columns)], grid)


def days(count: int) -> tuple[Window, ...]:
    return tuple(
        Window(FIRST + timedelta(days=d), FIRST + timedelta(days=d + 1)) for d in range(count)
    )


def recent(profiles) -> list[Recent]:
    return [Recent(days(1)[0], 1, p) for p in profiles]


@pytest.fixture
def month():
    windows = days(28)
    chance = np.random.default_rng(5)
    profiles = {w: profile(chance.uniform(size=10 + i)) for i, w in enumerate(windows)}
    return windows, profiles, reduce(Profile.merge, profiles.values())


def test_hours_of_the_week_survive_the_change_of_the_clocks():
    cadence = Cadence("1h", "America/New_York")
    windows = list(
        cadence.windows(*(parse_time(t, cadence.timezone) for t in ("2024-03-04", "2024-11-11")))
    )
    groups = by_phase(windows, "hour_of_week", cadence.timezone)
    counts = {phase: len(group) for phase, group in groups.items()}
    assert len(counts) == 168
    # 36 weeks; 10 March has no 02:00, and 3 November has 01:00 twice.
    assert counts.pop("Sun 02") == 35
    assert counts.pop("Sun 01") == 37
    assert set(counts.values()) == {36}
    assert len(by_phase(windows, "day_of_week", cadence.timezone)) == 7


def test_a_phase_is_of_the_local_start():
    night = Window(datetime(2024, 3, 10, 23, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC))
    assert phase_of(night, "hour_of_week", "UTC") == "Sun 23"
    assert phase_of(night, "hour_of_week", "Asia/Tokyo") == "Mon 08"
    assert phase_of(night, "hour_of_day", "Asia/Kolkata") == "04"


def same(a: Profile, b: Profile) -> bool:
    """Compare counts; moments depend on the order of adding in their last digits."""
    return a.rows == b.rows and all(
        np.array_equal(a.columns[c].cells, b.columns[c].cells) for c in (*a.columns, *b.columns)
    )


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_all_others_are_the_whole_without_each(month, count):
    windows, profiles, _ = month
    group = [profiles[w] for w in windows[:count]]
    for i, found in enumerate(without_each(group)):
        assert same(found, reduce(Profile.merge, [p for j, p in enumerate(group) if j != i]))


def test_a_window_is_compared_with_its_phase_and_never_with_itself(month):
    windows, profiles, whole = month
    phases = fit_phases(windows, profiles, "day_of_week", "UTC")
    assert set(phases.windows.values()) == {4}
    monday = Window(windows[-1].end, windows[-1].end + timedelta(days=1))
    found = references.of_phase(whole, phases, monday)
    assert found.reason is None
    assert found.profile.rows == sum(profiles[w].rows for w in windows[::7])
    own = references.of_reference_windows(
        whole, windows, profiles, Comparison(phase="day_of_week"), "UTC"
    )
    for i, window in enumerate(windows):
        others = [profiles[w] for w in windows[i % 7 :: 7] if w != window]
        assert same(own[i], reduce(Profile.merge, others))


def test_a_phase_of_too_few_windows_falls_back_and_says_so(month):
    windows, profiles, whole = month
    phases = fit_phases(windows[:8], profiles, "day_of_week", "UTC")
    assert list(phases.profiles) == ["Mon"]
    found = references.of_phase(whole, phases, windows[9])
    assert found.profile is whole
    assert "1 reference windows are 'Wed', 2 needed" in found.reason
    own = references.of_reference_windows(
        whole, windows[:8], profiles, Comparison(phase="day_of_week"), "UTC"
    )
    assert same(own[0], profiles[windows[7]])
    assert own[1] is whole


def test_slices_are_those_of_the_phase_or_else_of_the_whole(month):
    windows, profiles, whole = month
    sliced = {w: dataclasses.replace(p, slices={"[a=b]": p}) for w, p in profiles.items()}
    total = reduce(Profile.merge, sliced.values())
    phases = fit_phases(windows, sliced, "day_of_week", "UTC")
    found = references.of_phase(total, phases, windows[0]).profile
    assert same(found.slices["[a=b]"], found)
    phases = fit_phases(windows, sliced, "hour_of_week", "UTC")
    found = references.of_phase(total, phases, windows[0]).profile
    assert same(found.slices["[a=b]"], whole)
    own = references.of_reference_windows(
        total, windows, sliced, Comparison(phase="hour_of_week"), "UTC"
    )
    assert same(own[0].slices["[a=b]"], whole)


def test_phases_read_back_as_they_were(month):
    windows, profiles, _ = month
    phases = fit_phases(windows, profiles, "day_of_week", "Asia/Tokyo")
    assert Phases.from_dict(phases.to_dict()) == phases


def test_a_rolling_reference_is_the_sum_of_the_windows_before(month):
    windows, profiles, whole = month
    rule = Comparison(reference="rolling", length=timedelta(days=10))
    own = references.of_reference_windows(whole, windows, profiles, rule, "UTC")
    assert own[:5] == [None] * 5
    for i in range(5, len(windows)):
        before = recent([profiles[w] for w in windows[max(0, i - 10) : i]])
        assert same(own[i], reduce(Profile.merge, (r.profile for r in before)))
        assert same(references.rolling(whole, before, ["x"]).profile, own[i])


def test_a_rolling_reference_skips_gaps(month):
    windows, profiles, whole = month
    rule = Comparison(reference="rolling", length=timedelta(days=8))
    kept = tuple(w for i, w in enumerate(windows) if i not in (3, 4, 12, 13, 14, 15, 16))
    own = references.of_reference_windows(whole, kept, profiles, rule, "UTC")
    for found, window in zip(own, kept, strict=True):
        start = window.start - timedelta(days=8)
        before = [profiles[w] for w in kept if start <= w.start < window.start]
        assert (found is None) == (len(before) < 5)
        assert found is None or same(found, reduce(Profile.merge, before))


def test_a_length_is_measured_by_the_wall_clock():
    cadence = Cadence("1d", "America/New_York")
    windows = tuple(
        cadence.windows(*(parse_time(t, cadence.timezone) for t in ("2024-10-28", "2024-11-08")))
    )
    profiles = {w: profile(np.full(10, i / 20)) for i, w in enumerate(windows)}
    whole = reduce(Profile.merge, profiles.values())
    rule = Comparison(reference="rolling", length=timedelta(days=7))
    own = references.of_reference_windows(whole, windows, profiles, rule, cadence.timezone)
    # Seven days over the change of the clocks are 169 hours.
    assert [p and p.rows for p in own] == [None] * 5 + [50, 60, 70, 70, 70, 70]


@pytest.mark.parametrize(("count", "rows"), [(4, 100), (6, 3)])
def test_too_few_windows_before_fall_back_and_say_so(month, count, rows):
    whole = month[2]
    found = references.rolling(whole, recent([profile(np.zeros(rows))] * count), ["x"])
    assert found.profile is whole
    assert f"{count} usable windows of {count * rows} rows" in found.reason


def test_windows_that_lack_a_column_are_left_out(month):
    whole = month[2]
    both = Grid({"x": GRID.columns["x"], "y": GRID.columns["x"]})
    good, lost = profile(np.zeros(40), both), profile(np.ones(40))
    found = references.rolling(whole, recent([good] * 5 + [lost] * 5), ["x", "y"])
    assert found.reason is None
    assert found.profile.rows == 200
    # A window that itself lacks the column is still compared by the other one.
    assert references.rolling(whole, recent([good, lost] * 5), ["x"]).profile.rows == 400
    assert references.previous(whole, *recent([lost]), ["x", "y"]).profile is whole


def test_the_previous_window_is_the_last_with_rows(month):
    windows, profiles, whole = month
    some = {**profiles, windows[3]: profile([])}
    own = references.of_reference_windows(
        whole, windows, some, Comparison(reference="previous"), "UTC"
    )
    assert own[0] is None
    assert own[3] is profiles[windows[2]]
    assert own[4] is profiles[windows[2]]
    assert own[5] is profiles[windows[4]]
    assert "no usable window" in references.previous(whole, None, ["x"]).reason


def test_limits_come_from_the_phase_where_it_has_enough_values():
    windows = days(7 * 6)
    phases = Phases("day_of_week", "UTC", {}, {})
    values = tuple(float(i % 7) for i in range(42))
    rare = tuple(v if i < 20 else None for i, v in enumerate(values))
    reference = {
        "drift/psi/x": ReferenceSeries(values, (10,) * 42),
        "operations/rows": ReferenceSeries(values, (10,) * 42),
        "performance/accuracy": ReferenceSeries(rare, (10,) * 42),
    }
    sunday = Window(FIRST + timedelta(days=69), FIRST + timedelta(days=70))
    found = references.of_same_phase(reference, windows, phases, sunday)
    assert found["operations/rows"] == ReferenceSeries((6.0,) * 6, (10,) * 6)
    # A distance to one's own phase has no season left.
    assert found["drift/psi/x"] is reference["drift/psi/x"]
    assert found["performance/accuracy"] is reference["performance/accuracy"]
    assert references.of_same_phase(reference, windows, None, sunday) is reference


def test_without_more_the_reference_is_the_whole(month):
    windows, profiles, whole = month
    own = references.of_reference_windows(whole, windows, profiles, Comparison(), "UTC")
    assert all(p is whole for p in own)


def test_a_baseline_keeps_its_newest_windows_in_a_few_profiles(month):
    windows, profiles, _ = month
    end = windows[-1].end
    rule = Comparison(reference="rolling", length=timedelta(days=10))
    found = references.fit_recent(windows, profiles, rule, end, "UTC")
    assert [r.span for r in found] == list(windows[-10:])
    assert [r.profile for r in found] == [profiles[w] for w in windows[-10:]]
    assert [Recent.from_dict(r.to_dict()) for r in found] == list(found)
    hours = tuple(Cadence("1h").windows(windows[0].start, end))
    one = profile([0.5])
    found = references.fit_recent(hours, dict.fromkeys(hours, one), rule, end, "UTC")
    assert len(found) == 30
    assert sum(r.windows for r in found) == sum(r.profile.rows for r in found) == 240
    assert found[0].span.start == windows[-10].start
    assert found[-1].span.end == end
    some = {**profiles, windows[-1]: profile([])}
    found = references.fit_recent(windows, some, Comparison(reference="previous"), end, "UTC")
    assert [r.span for r in found] == [windows[-2]]
    assert references.fit_recent(windows, profiles, Comparison(), end, "UTC") == ()
    assert references.fit_recent((), {}, rule, end, "UTC") == ()
