"""The calendar: what it quiets, what pages all the same, and what it keeps from the reference."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_model import BASELINE_DAYS, DRIFT_DAY, FIRST, ROWS_A_DAY, day, write_small_model
from test_config import small

from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.calendar import digest_only, events_at, excluded, quieted, set_apart
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.report import Check, Report
from monitoring_sdk.stages import build_baseline, revise, walk
from monitoring_sdk.window import Window
from monitoring_sdk.yaml_file import read_mapping

SALE = {"name": "sale", "start": "2024-11-29", "end": "2024-12-03"}
NEW_YORK = {"timezone": "America/New_York"}


def span(start: str, end: str) -> Window:
    return Window(
        datetime.fromisoformat(start).astimezone(UTC), datetime.fromisoformat(end).astimezone(UTC)
    )


# --- Which windows lie in an event ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "inside"),
    [
        # Midnight in New York is 05:00 in UTC.
        (("2024-11-29T04:00Z", "2024-11-29T05:00Z"), False),
        (("2024-11-29T04:59Z", "2024-11-29T05:01Z"), True),
        (("2024-12-03T04:59Z", "2024-12-04T05:00Z"), True),
        (("2024-12-03T05:00Z", "2024-12-04T05:00Z"), False),
        (("2024-11-01T04:00Z", "2025-01-01T05:00Z"), True),
    ],
)
def test_an_event_is_half_open_in_the_files_time_zone(window: tuple[str, str], inside: bool):
    config = small(window=NEW_YORK, calendar=[SALE])
    assert [e.name for e in events_at(config, span(*window))] == ["sale"] * inside
    assert digest_only(config, span(*window)) == ("sale" if inside else None)
    assert excluded(config, span(*window)) is inside


def test_what_an_event_keeps_in_the_reference():
    config = small(calendar=[{**SALE, "reference": "include"}])
    window = span("2024-11-30T00:00Z", "2024-12-01T00:00Z")
    assert not excluded(config, window)
    assert digest_only(config, window) == "sale"


moments = st.datetimes(datetime(2024, 1, 1), datetime(2024, 12, 31), timezones=st.just(UTC))
lengths = st.integers(1, 10_000).map(lambda minutes: timedelta(minutes=minutes))


@given(moments, lengths, moments, lengths)
def test_a_window_lies_in_an_event_where_they_share_a_moment(
    start: datetime, length: timedelta, begin: datetime, while_: timedelta
):
    config = small(calendar=[{"name": "x", "start": start, "end": start + length}])
    window, event = Window(begin, begin + while_), Window(start, start + length)
    shared = window.contains(event.start) or event.contains(window.start)
    assert bool(events_at(config, window)) == shared


# --- What is quieted ------------------------------------------------------------------------------

IN_SALE = Window(day(273), day(274))  # 2024-11-29


def check(threshold_from: str | None, **changed: Any) -> Check:
    values = {"column": "size", "value": 1.0, "threshold": 0.5, "exceeded": True}
    values |= {"status": "alert", "threshold_from": threshold_from, **changed}
    return Check("drift", "psi", IN_SALE, **values)


def row(*checks: Check, status: str = "alert") -> ResultRow:
    return ResultRow(
        "small", IN_SALE, "data", "v1", "s", "f", IN_SALE.end, status, rows=9, checks=checks
    )


@pytest.mark.parametrize("threshold_from", ["budget", "provisional"])
def test_a_deviation_in_an_event_is_a_warning_that_names_it(threshold_from: str):
    config = small(calendar=[SALE])
    (found,) = quieted(config, [row(check(threshold_from, reason="twice"), check(threshold_from))])
    assert (found.status, found.reason) == ("ok", None)
    assert [c.severity for c in found.checks] == ["warning", "warning"]
    assert [c.reason for c in found.checks] == [
        "twice; in the calendar: sale",
        "in the calendar: sale",
    ]
    assert quieted(config, [found]) == (found,)


@pytest.mark.parametrize("threshold_from", ["user", "contract", None])
def test_hard_contracts_page_in_an_event_too(threshold_from: str | None):
    came = row(check(threshold_from))
    assert quieted(small(calendar=[SALE]), [came]) == (came,)


def test_a_contract_beside_a_deviation_keeps_the_alert():
    (found,) = quieted(small(calendar=[SALE]), [row(check("user"), check("budget"))])
    assert found.status == "alert"
    assert [c.severity for c in found.checks] == ["critical", "warning"]


@pytest.mark.parametrize("status", ["ok", "error", "insufficient"])
def test_what_alerts_not_is_left_alone(status: str):
    came = row(check("budget", status=status, exceeded=False), status=status)
    assert quieted(small(calendar=[SALE]), [came])[0] is came


def test_an_event_that_is_over_is_no_evidence():
    config = small(calendar=[SALE])
    before, first, last, after = (Window(day(i), day(i + 1)) for i in (272, 273, 276, 277))
    assert set_apart(config, last, after)
    assert not set_apart(config, first, last)
    assert not set_apart(config, before, first)
    assert not set_apart(config, before, after)


# --- Through the stages ---------------------------------------------------------------------------


def model(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: int,
    last: int,
    *,
    limits: bool = False,
    **event: Any,
) -> MonitorConfig:
    """Return the small model with an event over some of its days."""
    monkeypatch.setenv("MONITORING_BASELINES", str(folder / "baselines"))
    data = read_mapping(write_small_model(folder, sys.executable))
    if not limits:
        del data["thresholds"]
    event = {"name": "sale", "start": str(day(first)), "end": str(day(last)), **event}
    return parse_config({**data, "calendar": [event]})


def walked(config: MonitorConfig, store: Store, days: range) -> list[Report]:
    windows = [Window(day(i), day(i + 1)) for i in days]
    return list(walk(config, windows, store, notify=True))


def test_an_event_pages_nobody_and_what_goes_on_after_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = model(tmp_path, monkeypatch, DRIFT_DAY, DRIFT_DAY + 4)
    build_baseline(config, now=day(20))
    store = open_store("sqlite://")
    days = range(DRIFT_DAY - 1, DRIFT_DAY + 6)
    reports = walked(config, store, days)
    quiet = [r.status for r in reports][1:5]
    assert quiet == ["ok"] * 4
    told = [c for c in reports[3].checks if c.status == "alert" and c.family == "drift"]
    assert {"drift/psi/size", "drift/ks/size"} <= {c.key for c in told}
    assert {c.severity for c in told} == {"warning"}
    assert all("in the calendar: sale" in (c.reason or "") for c in told)
    (incident,) = store.incidents("small")
    assert incident.opened == day(DRIFT_DAY + 5)
    # Labels that come later revise without paging.
    revise(config, [r.window for r in reports], day(39), store)
    assert len(store.incidents("small")) == 1


def back_to_normal(folder: Path, from_day: int) -> None:
    rows = pd.read_parquet(folder / "predictions.parquet")
    rows.loc[rows["at"] >= pd.Timestamp(day(from_day)), "size"] -= 2.0
    rows.to_parquet(folder / "predictions.parquet", row_group_size=1000)


@pytest.mark.parametrize("reference", ["exclude", "include"])
def test_a_moving_reference_leaves_out_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str
):
    over = DRIFT_DAY + 1
    config = model(tmp_path, monkeypatch, DRIFT_DAY, over, reference=reference)
    back_to_normal(tmp_path, over)
    span = {**config.model_dump()["baseline"], "reference": "previous"}
    config = parse_config(
        {**config.model_dump(by_alias=True, exclude_defaults=True), "baseline": span}
    )
    build_baseline(config, now=day(20))
    reports = walked(config, open_store("sqlite://"), range(DRIFT_DAY - 1, over + 1))
    psi = {r.window.start: c.value for r in reports for c in r.checks if c.key == "drift/psi/size"}
    value = psi[day(over)]
    assert value is not None
    assert (value < 0.3) is (reference == "exclude")


def test_an_event_that_is_over_pages_nobody_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    over = DRIFT_DAY + 4
    config = model(tmp_path, monkeypatch, DRIFT_DAY, over)
    back_to_normal(tmp_path, over)
    build_baseline(config, now=day(20))
    store = open_store("sqlite://")
    # The means over three and seven windows reach back into the event.
    walked(config, store, range(DRIFT_DAY - 7, over + 5))
    assert store.incidents("small") == []
    # Without the calendar it was an incident.
    store = open_store("sqlite://")
    walked(config.model_copy(update={"calendar": ()}), store, range(DRIFT_DAY - 1, DRIFT_DAY + 2))
    assert len(store.incidents("small")) == 1


def test_a_limit_of_the_users_pages_in_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = model(tmp_path, monkeypatch, DRIFT_DAY, DRIFT_DAY + 4, limits=True)
    build_baseline(config, now=day(20))
    store = open_store("sqlite://")
    walked(config, store, range(DRIFT_DAY - 1, DRIFT_DAY + 2))
    (incident,) = store.incidents("small")
    assert (incident.opened, incident.checks) == (day(DRIFT_DAY + 1), ("drift/psi/size",))


def test_an_event_in_the_span_is_no_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = model(tmp_path, monkeypatch, 5, 8)
    built = build_baseline(config, now=day(20))
    assert len(built.windows) == BASELINE_DAYS - 3
    assert built.rows == (BASELINE_DAYS - 3) * ROWS_A_DAY
    assert "3 reference windows are left out, in the calendar: sale" in built.notes
    # The same as if the rows had never been there.
    rows = pd.read_parquet(tmp_path / "predictions.parquet")
    inside = rows["at"].between(pd.Timestamp(day(5)), pd.Timestamp(day(8)), inclusive="left")
    rows[~inside].to_parquet(tmp_path / "predictions.parquet")
    plain = build_baseline(config.model_copy(update={"calendar": ()}), now=day(20))
    assert len(plain.windows) == BASELINE_DAYS
    assert plain.profile.to_dict() == built.profile.to_dict()
    assert plain.grid.to_dict() == built.grid.to_dict()


def test_an_event_at_the_edge_of_the_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Its first hour is before the span, so is half a day of the span before its first window.
    config = model(tmp_path, monkeypatch, 0, 3, end=str(FIRST + timedelta(hours=1)))
    built = build_baseline(config, FIRST + timedelta(minutes=30), day(20), now=day(20))
    assert len(built.windows) == BASELINE_DAYS - 1
    assert built.rows == (BASELINE_DAYS - 1) * ROWS_A_DAY
    assert not [n for n in built.notes if "calendar" in n]


def test_an_event_that_may_be_in_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = model(tmp_path, monkeypatch, 5, 8, reference="include")
    built = build_baseline(config, now=day(20))
    assert built.rows == BASELINE_DAYS * ROWS_A_DAY
