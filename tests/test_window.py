"""Windows follow the wall clock of their zone, and tile time without gap or overlap."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitoring_sdk.errors import ConfigError
from monitoring_sdk.window import Cadence, Window, parse_duration, parse_time

NEW_YORK, LORD_HOWE, KATHMANDU = "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"
# Havana, Beirut and Sao Paulo change at midnight, Apia once skipped a whole day.
ZONES = (
    "UTC",
    NEW_YORK,
    LORD_HOWE,
    KATHMANDU,
    "Europe/Berlin",
    "America/Havana",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Pacific/Apia",
    "America/St_Johns",
)
EVERY = ("15min", "30min", "1h", "2h", "6h", "12h", "1d", "1w", "1mo")


def hours(cadence: Cadence, start: str, end: str) -> list[float]:
    spans = cadence.windows(parse_time(start, cadence.timezone), parse_time(end, cadence.timezone))
    return [(w.end - w.start).total_seconds() / 3600 for w in spans]


def clock(at: datetime, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M")


def test_days_of_23_and_25_hours() -> None:
    day = Cadence("1d", NEW_YORK)
    assert hours(day, "2013-03-09", "2013-03-12") == [24, 23, 24]
    assert hours(day, "2013-11-02", "2013-11-05") == [24, 25, 24]
    assert hours(Cadence("1d", LORD_HOWE), "2023-09-30", "2023-10-03") == [24, 23.5, 24]
    assert hours(Cadence("1d", KATHMANDU), "2023-09-30", "2023-10-02") == [24, 24]


def test_a_day_that_begins_after_a_gap_at_midnight() -> None:
    day = Cadence("1d", "America/Havana")
    spans = list(day.windows(parse_time("2013-03-09T05:00Z"), parse_time("2013-03-12T04:00Z")))
    assert [clock(w.start, day.timezone) for w in spans] == [
        "03-09 00:00",
        "03-10 01:00",
        "03-11 00:00",
    ]
    assert hours(day, "2013-11-03", "2013-11-04") == [25]


def test_weeks_begin_on_monday() -> None:
    week = Cadence("1w", NEW_YORK)
    found = week.floor(parse_time("2013-06-09T23:59:59", NEW_YORK))
    assert found == parse_time("2013-06-03", NEW_YORK)
    assert week.floor(parse_time("2013-06-10", NEW_YORK)) == parse_time("2013-06-10", NEW_YORK)
    assert hours(week, "2013-03-04", "2013-03-25") == [7 * 24 - 1, 7 * 24, 7 * 24]


def test_months_have_their_ends() -> None:
    month = Cadence("1mo")
    days = [h / 24 for h in hours(month, "2023-12-01", "2024-05-01")]
    assert days == [31, 31, 29, 31, 30]
    assert [h / 24 for h in hours(month, "2023-02-01", "2023-03-01")] == [28]
    assert hours(Cadence("1mo", NEW_YORK), "2013-03-01", "2013-04-01") == [31 * 24 - 1]
    assert month.previous(parse_time("2024-03-01")) == parse_time("2024-02-01")
    assert month.next(parse_time("2024-01-01")) == parse_time("2024-02-01")


@pytest.mark.parametrize(
    ("zone", "start", "end", "count"),
    [
        (NEW_YORK, "2013-03-10", "2013-03-11", 23 * 4),
        (NEW_YORK, "2013-11-03", "2013-11-04", 25 * 4),
        (LORD_HOWE, "2023-10-01", "2023-10-02", 94),
        (LORD_HOWE, "2024-04-07", "2024-04-08", 98),
        (KATHMANDU, "2023-10-01", "2023-10-02", 96),
    ],
)
def test_quarters_of_an_hour_when_the_clock_changes(
    zone: str, start: str, end: str, count: int
) -> None:
    quarter = Cadence("15min", zone)
    lengths = hours(quarter, start, end)
    assert len(lengths) == count
    assert set(lengths) == {0.25}
    bounds = [
        clock(w.start, zone)[-2:]
        for w in quarter.windows(parse_time(start, zone), parse_time(end, zone))
    ]
    assert set(bounds) == {"00", "15", "30", "45"}


def test_hours_are_those_of_the_wall_clock() -> None:
    kathmandu = Cadence("1h", KATHMANDU)  # 5:45 ahead
    assert clock(kathmandu.floor(parse_time("2023-01-01T00:20Z")), KATHMANDU) == "01-01 06:00"
    assert hours(kathmandu, "2023-01-01", "2023-01-02") == [1.0] * 24


def test_hours_when_the_clock_moves_by_half_of_one() -> None:
    hour = Cadence("1h", LORD_HOWE)
    gap = hours(hour, "2023-10-01", "2023-10-02")
    assert sum(gap) == 23.5
    assert sorted(gap) == [0.5] + [1.0] * 23
    fold = hours(hour, "2024-04-07", "2024-04-08")
    assert sum(fold) == 24.5
    assert set(fold) <= {0.5, 1.0}


def test_several_hours_count_from_local_midnight() -> None:
    six = Cadence("6h", NEW_YORK)
    assert hours(six, "2013-03-10", "2013-03-11") == [5, 6, 6, 6]
    assert hours(six, "2013-11-03", "2013-11-04") == [7, 6, 6, 6]
    assert clock(six.floor(parse_time("2013-07-01T13:00", NEW_YORK)), NEW_YORK) == "07-01 12:00"


@pytest.mark.parametrize("every", ["2h", "6h", "1d"])
def test_a_midnight_that_the_clock_goes_back_over(every: str) -> None:
    # At 00:01 it became 23:01 of the day before; the day that had begun goes on.
    cadence, zone = Cadence(every, "America/St_Johns"), ZoneInfo("America/St_Johns")
    midnight = datetime(2006, 10, 29, tzinfo=zone).astimezone(UTC)
    again = midnight + timedelta(minutes=30)
    assert again.astimezone(zone).date() == date(2006, 10, 28)
    assert cadence.floor(again) == midnight
    assert cadence.latest(again).end == midnight


CADENCES = st.builds(Cadence, st.sampled_from(EVERY), st.sampled_from(ZONES))
MOMENTS = st.one_of(
    st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)),
    # Around changes of the clock, where windows are of odd lengths.
    st.builds(
        lambda base, off: base + timedelta(minutes=off),
        st.sampled_from(
            [
                datetime(2013, 3, 10, 7),
                datetime(2013, 11, 3, 6),
                datetime(2023, 9, 30, 15, 30),
                datetime(2024, 4, 6, 15),
                datetime(2013, 3, 10, 5),
                datetime(2013, 11, 3, 5),
                datetime(2018, 11, 4, 3),
                datetime(2018, 2, 18, 2),
                datetime(2011, 12, 30, 10),
                datetime(2022, 3, 26, 22),
                datetime(2006, 10, 29, 2, 31),
            ]
        ),
        st.integers(-1600, 1600),
    ),
).map(lambda at: at.replace(tzinfo=UTC))


@settings(max_examples=400, deadline=None)
@example(cadence=Cadence("1h", LORD_HOWE), at=datetime(2023, 9, 30, 15, 40, tzinfo=UTC))
@example(cadence=Cadence("1d", "Pacific/Apia"), at=datetime(2011, 12, 30, 10, tzinfo=UTC))
@example(cadence=Cadence("1d", "America/Havana"), at=datetime(2013, 3, 10, 5, tzinfo=UTC))
@given(cadence=CADENCES, at=MOMENTS)
def test_a_moment_lies_in_one_window(cadence: Cadence, at: datetime) -> None:
    low = cadence.floor(at)
    high = cadence.next(low)
    assert low <= at < high
    assert cadence.floor(low) == low
    assert cadence.floor(high) == high
    assert cadence.floor(high - timedelta(microseconds=1)) == low
    assert cadence.previous(high) == low
    assert cadence.ending(high) == Window(low, high)
    assert cadence.next(high) > high


@settings(max_examples=150, deadline=None)
@given(cadence=CADENCES, at=MOMENTS, steps=st.integers(1, 40))
def test_windows_tile_time(cadence: Cadence, at: datetime, steps: int) -> None:
    end = at + steps * cadence.approximate
    spans = list(cadence.windows(at, end))
    assert all(a.end == b.start for a, b in itertools.pairwise(spans))
    assert all(w.start < w.end for w in spans)
    if spans:
        assert at <= spans[0].start
        assert spans[-1].end <= end
        # Nothing complete is left out at either end.
        assert cadence.previous(spans[0].start) < at
        assert cadence.next(spans[-1].end) > end
    else:
        first = cadence.floor(at)
        first = first if first == at else cadence.next(first)
        assert cadence.next(first) > end


@settings(max_examples=150, deadline=None)
@given(
    cadence=CADENCES,
    at=MOMENTS,
    lag=st.sampled_from([timedelta(), timedelta(minutes=1), timedelta(hours=8), timedelta(days=3)]),
)
def test_the_latest_window_obeys_the_lag(cadence: Cadence, at: datetime, lag: timedelta) -> None:
    found = cadence.latest(at, lag)
    assert found.end + lag <= at
    assert cadence.next(found.end) + lag > at
    assert cadence.next(found.start) == found.end


def test_latest_changes_at_the_very_moment() -> None:
    day, end = Cadence("1d", NEW_YORK), parse_time("2013-06-04", NEW_YORK)
    lag = timedelta(hours=2)
    assert day.latest(end + lag, lag).end == end
    assert day.latest(end + lag - timedelta(microseconds=1), lag).end == end - timedelta(days=1)


def test_no_window_ends_just_anywhere() -> None:
    with pytest.raises(ConfigError, match="nearest ends are 2013-06-04T04:00:00"):
        Cadence("1d", NEW_YORK).ending(parse_time("2013-06-04T05:00Z"))


def test_a_window_is_half_open_and_survives_json() -> None:
    window = Window(parse_time("2013-06-03T04:00Z"), parse_time("2013-06-04T04:00Z"))
    assert window.contains(window.start)
    assert not window.contains(window.end)
    assert Window.from_dict(window.to_dict()) == window
    assert window.to_dict() == {"start": "2013-06-03T04:00:00Z", "end": "2013-06-04T04:00:00Z"}
    assert str(window) == "2013-06-03T04:00:00Z/2013-06-04T04:00:00Z"


@pytest.mark.parametrize(
    "every",
    ["", "1", "d", "0h", "0min", "7h", "7min", "25h", "2d", "2w", "3mo", "-1h", "1 d"],
)
def test_a_window_length_that_does_not_fit_is_refused(every: str) -> None:
    with pytest.raises(ConfigError, match="not a window length"):
        Cadence(every)


@pytest.mark.parametrize("zone", ["America/New_Yrok", "", "../etc/passwd", "EST5EDT/x"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ConfigError, match="unknown time zone"):
        Cadence("1d", zone)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15min", 900), ("2m", 120), ("1.5h", 5400), ("2d", 172800), ("1 w", 604800)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert parse_duration(timedelta(seconds=seconds)) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "2", "d", "2 days", "-1d", "1d2h", "nan", "1mo"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a length of time"):
        parse_duration(text)


def test_times_without_an_offset_are_in_the_zone() -> None:
    expected = datetime(2013, 6, 4, 4, tzinfo=UTC)
    assert parse_time("2013-06-04", NEW_YORK) == expected
    assert parse_time(date(2013, 6, 4), NEW_YORK) == expected
    assert parse_time(datetime(2013, 6, 4), NEW_YORK) == expected
    assert parse_time("2013-06-04T04:00:00Z", NEW_YORK) == expected
    assert parse_time("2013-06-04T06:00+02:00", NEW_YORK) == expected
    assert parse_time(" 2013-06-04 ").tzinfo is UTC


@pytest.mark.parametrize("text", ["", "yesterday", "2013-13-01", "2013-02-30", "04/06/2013"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a time"):
        parse_time(text)
