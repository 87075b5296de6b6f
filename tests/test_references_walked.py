"""Windows walked one after another under each kind of reference: who pages, and when."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from monitoring_sdk import ModelMonitor, stages
from monitoring_sdk.adapters import baselines
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.config import parse_config
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.stages.metrics import Metrics
from monitoring_sdk.stages.operations import operations_checks
from monitoring_sdk.stages.quality import Quality
from monitoring_sdk.stages.reference import reference_for
from monitoring_sdk.stages.scan import forget
from monitoring_sdk.window import parse_time

FIRST = "2024-03-04"  # a Monday
WEEKS = 8
REFERENCE_DAYS = 7 * WEEKS


@pytest.fixture(autouse=True)
def _own_baselines(tmp_path, monkeypatch):
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))


def monitor(folder, first=FIRST, days=REFERENCE_DAYS, every="1d", timezone="UTC", **reference):
    start = datetime.fromisoformat(first)
    return parse_config(
        {
            "model": "walked",
            "source": {"predictions": str(folder / "rows.parquet")},
            "columns": {"timestamp": "at", "prediction": "y", "numeric": ["x"]},
            "window": {"every": every, "timezone": timezone},
            "drift": ["psi"],
            "baseline": {
                "start": first,
                "end": (start + timedelta(days=days)).date().isoformat(),
                **reference,
            },
        }
    )


def write(folder, windows, mean, rows=200, seed=3):
    """Write rows of every window; `mean` and `rows` are numbers or functions of its place."""
    chance = np.random.default_rng(seed)
    frames = []
    for i, window in enumerate(windows):
        count = rows(i) if callable(rows) else rows
        step = (window.end - window.start) / count
        at = [window.start + k * step for k in range(count)]
        x = chance.normal(size=count) + mean(i)
        frames.append(pd.DataFrame({"at": at, "x": x, "y": chance.integers(0, 2, count)}))
    table = pd.concat(frames, ignore_index=True)
    table.to_parquet(folder / "rows.parquet", row_group_size=20_000)


def windows_of(config, days, first=FIRST):
    start = parse_time(first, config.window.timezone)
    end = parse_time(datetime.fromisoformat(first) + timedelta(days=days), config.window.timezone)
    return list(config.cadence.windows(start, end))


def build(config):
    return stages.build_baseline(config, now=parse_time("2025-01-01"))


def step(config, window, store, **decide):
    """Take a window through profile, drift and decision; expectations are not what is tested."""
    handle = stages.pull_window(config, window, window.end)
    quality = Quality(())
    profile = stages.build_profile(handle, quality)
    drift = stages.detect_drift(handle, quality, profile, store)
    metrics = Metrics(tuple(operations_checks(handle, store)))
    return stages.decide(handle, quality, profile, metrics, drift, store, **decide)


def walk(config, windows, store):
    return [step(config, w, store) for w in windows]


def paged(reports, key="drift/psi/x"):
    """Return the places of the windows in which a check alerts."""
    return [i for i, r in enumerate(reports) if any(c.key == key and c.pages for c in r.checks)]


def check_of(report, key="drift/psi/x"):
    return next(c for c in report.checks if c.key == key)


def weekend(i):
    return 1.5 * (i % 7 >= 5)


def test_a_weekly_season_blinds_a_fixed_reference_and_not_one_by_weekday(tmp_path):
    config = monitor(tmp_path, phase="day_of_week")
    windows = windows_of(config, REFERENCE_DAYS + 28)
    # In the last two weeks Sundays are like weekdays, and nothing else has changed.
    odd = {REFERENCE_DAYS + 20, REFERENCE_DAYS + 27}
    write(tmp_path, windows, lambda i: 0.0 if i in odd else weekend(i))
    monitored = windows[REFERENCE_DAYS:]
    built = build(config)
    assert set(built.phases.windows.values()) == {WEEKS}
    reports = walk(config, monitored, open_store("sqlite://"))
    assert paged(reports) == [20, 27]
    assert all(check_of(r).reason is None for r in reports[:20])
    blind = monitor(tmp_path)
    # The limits of the first baseline are of distances within weekdays, and so are its verdicts.
    early = walk(blind, monitored[:7], open_store("sqlite://"))
    assert paged(early) == []
    assert "v1 compares with windows of the same day_of_week" in check_of(early[0]).reason
    build(blind)
    assert paged(walk(blind, monitored, open_store("sqlite://"))) == []


def test_numbers_of_rows_are_judged_by_their_weekday(tmp_path):
    def rows(i):
        # The last Monday has no more rows than a Sunday.
        return 100 if i % 7 >= 5 or i == REFERENCE_DAYS + 7 else 400

    config = monitor(tmp_path, phase="day_of_week")
    windows = windows_of(config, REFERENCE_DAYS + 9)
    write(tmp_path, windows, lambda i: 0.0, rows=rows)
    # Counts of rows are held against their weekday whether distances are or not.
    for rule in (config, monitor(tmp_path)):
        build(rule)
        reports = walk(rule, windows[REFERENCE_DAYS:], open_store("sqlite://"))
        assert paged(reports, "operations/rows") == [7]


def test_hours_of_the_week_follow_the_clocks(tmp_path):
    zone, first = "America/New_York", "2024-02-12"
    clock = ZoneInfo(zone)
    config = monitor(tmp_path, first, 21, "1h", zone, phase="hour_of_week")
    windows = windows_of(config, 21 + 11, first)

    def busy(i):
        local = windows[i].start.astimezone(clock)
        return 4.0 * (local.hour >= 9 and local.weekday() < 5)

    write(tmp_path, windows, busy, rows=60)
    built = build(config)
    assert len(built.phases.windows) == 168
    # From Saturday 9 March, the day before clocks change, to Monday afternoon.
    start = parse_time("2024-03-09", zone)
    monitored = [w for w in windows if w.start >= start][:64]
    reports = walk(config, monitored, open_store("sqlite://"))
    assert {check_of(r).reason for r in reports} == {None}
    assert paged(reports) == []
    # One that takes the hours of winter for those of summer is found on Monday at nine.
    late = dataclasses.replace(
        built, phases=dataclasses.replace(built.phases, timezone="Etc/GMT+5")
    )
    baselines.save(late, str(tmp_path / "baselines"))
    monday = monitored[52:]
    reports = walk(config, monday, open_store("sqlite://"))
    hours = {monday[i].start.astimezone(clock).strftime("%a %H") for i in paged(reports)}
    assert hours >= {"Mon 09"}
    assert all("09" in h or "00" in h for h in hours)


def slow(i):
    return 0.03 * i


def jump_at(place, mean=lambda i: 0.0, by=2.0):
    return lambda i: mean(i) + by * (i >= place)


def test_a_rolling_reference_follows_a_slow_change_and_finds_a_jump(tmp_path):
    days, jump = REFERENCE_DAYS + 40, REFERENCE_DAYS + 33
    config = monitor(tmp_path, reference="rolling", length="14d")
    windows = windows_of(config, days)
    write(tmp_path, windows, jump_at(jump, slow))
    build(config)
    monitored = windows[REFERENCE_DAYS:]
    reports = walk(config, monitored, open_store("sqlite://"))
    assert paged(reports)[0] == jump - REFERENCE_DAYS
    # The windows of the incident are kept out of the reference, so that it goes on.
    assert paged(reports) == list(range(33, 40))
    assert check_of(reports[0]).reason is None
    assert not any("usable" in (check_of(r).reason or "") for r in reports)
    fixed = monitor(tmp_path)
    build(fixed)
    assert paged(walk(fixed, monitored, open_store("sqlite://")))[0] < 33


def test_the_previous_window_finds_a_jump_once(tmp_path):
    jump = REFERENCE_DAYS + 6
    config = monitor(tmp_path, reference="previous")
    windows = windows_of(config, REFERENCE_DAYS + 14)
    write(tmp_path, windows, jump_at(jump))
    build(config)
    reports = walk(config, windows[REFERENCE_DAYS:], open_store("sqlite://"))
    assert paged(reports) == [6]
    assert check_of(reports[0]).reason is None


def told(report):
    data = report.to_dict()
    return data["status"], data["checks"], data["incidents"]


@pytest.mark.parametrize(
    "kind", [{"reference": "rolling", "length": "7d"}, {"reference": "previous"}]
)
def test_a_run_that_was_broken_off_ends_as_one_that_was_not(tmp_path, kind):
    config = monitor(tmp_path, **kind)
    windows = windows_of(config, REFERENCE_DAYS + 12)
    write(tmp_path, windows, jump_at(REFERENCE_DAYS + 8))
    build(config)
    monitored = windows[REFERENCE_DAYS:]
    whole = walk(config, monitored, open_store(f"sqlite:///{tmp_path}/whole.db"))
    url = f"sqlite:///{tmp_path}/broken.db"
    broken = []
    for i, window in enumerate(monitored):
        store = open_store(url)
        if i % 4 == 3:
            # The process dies after the profile was kept and before anything was decided.
            handle = stages.pull_window(config, window, window.end)
            profile = stages.build_profile(handle, Quality(()))
            key = handle.baseline, handle.fingerprint
            store.save_profile("walked", window, *key, profile.to_dict())
            store.close()
            forget()
            store = open_store(url)
        broken.append(step(config, window, store))
        store.close()
    assert [told(r) for r in broken] == [told(r) for r in whole]
    # Looked at again after all, each window is compared with what it was compared with then.
    store = open_store(url)
    for window, report in zip(monitored, whole, strict=True):
        again = step(config, window, store, revise_only=True, notify=False)
        assert [(c.key, c.value, c.reason) for c in again.checks if c.family == "drift"] == [
            (c.key, c.value, check_of(report, c.key).reason)
            for c in report.checks
            if c.family == "drift"
        ]


def test_only_windows_on_the_same_baseline_and_outside_of_incidents_are_added(tmp_path):
    config = monitor(tmp_path, reference="rolling", length="10d")
    windows = windows_of(config, REFERENCE_DAYS + 14)
    write(tmp_path, windows, jump_at(REFERENCE_DAYS + 8), rows=lambda i: 150 + i)
    built = build(config)
    monitored, store = windows[REFERENCE_DAYS:], open_store("sqlite://")
    walk(config, monitored[:12], store)
    assert store.incidents("walked")
    handle = stages.pull_window(config, monitored[12], monitored[12].end)
    own = stages.build_profile(handle, Quality(()))
    found = reference_for(handle, built, own, store)
    assert isinstance(found.profile, Profile)
    # Ten days before are places 2 to 11; from place 8 on they are in the incident.
    assert found.profile.rows == sum(150 + REFERENCE_DAYS + i for i in range(2, 8))
    baselines.save(dataclasses.replace(built), str(tmp_path / "baselines"))
    handle = stages.pull_window(config, monitored[12], monitored[12].end)
    assert handle.baseline == "v2"
    found = reference_for(handle, built, own, store)
    assert found.profile is built.profile
    assert "0 usable windows" in found.reason


def test_a_serving_process_holds_no_limit_of_another_reference_against_its_rows(tmp_path):
    config = monitor(tmp_path, phase="day_of_week")
    write(tmp_path, windows_of(config, REFERENCE_DAYS), weekend)
    build(config)
    served = ModelMonitor(model="walked", log=tmp_path / "log")
    chance = np.random.default_rng(1)
    # A quiet week, compared with all of the reference at once.
    x = chance.normal(size=700) + np.where(np.arange(700) >= 500, 1.5, 0.0)
    served.log_predictions(chance.integers(0, 2, 700), features={"x": x})
    status = {c.key: c.status for c in served.check().checks}
    assert status["drift/psi/x"] == "insufficient"
    assert status["quality/null_share/x"] == "ok"
