"""The digest: what it tells of, and that each day or week is told once."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_server import TOKEN, SlackServer
from small_model import DRIFT_DAY, day, write_small_model
from test_config import small

from monitoring_sdk.adapters.notify import deliver
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.decision import ResultRow
from monitoring_sdk.render.digest import Digest, digest, digest_markdown, digest_slack, noted_words
from monitoring_sdk.report import Check, Incident, Report
from monitoring_sdk.stages import build_baseline, walk
from monitoring_sdk.stages.decide import decide_window
from monitoring_sdk.stages.digesting import digest_so_far
from monitoring_sdk.window import Window
from monitoring_sdk.yaml_file import read_mapping

CHANNEL = "C0123456"
D = [Window(day(i), day(i + 1)) for i in range(40)]
SINCE, UNTIL = D[0].start, D[6].end


def psi(i: int, value: float = 0.3, status: str = "ok", **changed: Any) -> Check:
    values = {"threshold": 0.2, "direction": "above", "exceeded": value > 0.2, **changed}
    return Check("drift", "psi", D[i], status, "size", value=value, **values)


def report(i: int, *checks: Check, status: str = "ok", reason: str | None = None) -> Report:
    return Report("m", D[i], D[i].end, status, checks=checks, reason=reason)


def made(*reports: Report, incidents: tuple[Incident, ...] = ()) -> Digest:
    return digest(reports, SINCE, UNTIL, incidents)


# --- What is told ---------------------------------------------------------------------------------


def test_a_line_a_check_with_its_worst_and_its_newest():
    found = made(
        report(0, psi(0, 0.3)),
        report(1, psi(1, 0.9, "alert", severity="warning", reason="in the calendar: sale")),
        report(2, psi(2, 0.4)),
        report(3, psi(3, 0.1)),
    )
    (noted,) = found.noted
    assert (noted.worst.value, noted.windows, noted.newest) == (0.9, 3, D[2])
    assert noted_words(noted) == (
        "size: PSI in 3 windows: at worst 0.9 beside 0.2, newest 2024-03-03 (in the calendar: sale)"
    )


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (psi(0, 0.3), True),
        (psi(0, 0.3, "alert", severity="warning"), True),
        (psi(0, 0.3, "alert", version="8"), True),
        (psi(0, 0.1), False),
        (psi(0, 0.3, "alert"), False),  # it paged
        (psi(0, 0.1, "insufficient"), False),
    ],
)
def test_what_is_notable(check: Check, told: bool):
    assert [n.worst for n in made(report(0, check)).noted] == [check] * told
    assert made(report(0, check)).empty is not told


def test_the_farthest_beyond_its_limit_comes_first():
    other = dataclasses.replace(psi(0, 0.9), column="a")
    accuracy = Check("performance", "accuracy", D[0], "alert", value=0.1, threshold=0.95,
                     direction="below", severity="warning", exceeded=True)  # fmt: skip
    found = made(report(0, psi(0, 0.3), other, accuracy))
    assert [n.worst.name for n in found.noted] == ["accuracy", "psi", "psi"]
    assert [n.worst.column for n in found.noted] == [None, "a", "size"]


def test_incidents_of_the_span_and_what_was_not_judged():
    before = Incident("1", "m", SINCE, SINCE + timedelta(days=1), ("drift",), ("drift/psi/size",))
    within = Incident("2", "m", D[2].end, None, ("drift",), ("drift/psi/size",))
    after = Incident("3", "m", D[8].end)
    found = made(
        report(3, status="no_data", reason="no rows in the window"),
        report(4, status="no_data", reason="no rows in the window"),
        report(5, status="insufficient", reason="12 rows, 30 needed"),
        incidents=(before, within, after),
    )
    assert [i.id for i in found.opened] == ["2"]
    assert [i.id for i in found.closed] == ["1"]
    assert [(u.status, u.windows, u.newest) for u in found.unjudged] == [
        ("no_data", 2, D[4]),
        ("insufficient", 1, D[5]),
    ]
    text = digest_slack("m", found)["text"]
    assert text.splitlines() == [
        "m: digest of 2024-03-01 to 2024-03-08",
        "• incident opened 2024-03-04: size: PSI",
        "• incident closed 2024-03-02: size: PSI",
        "• 2 windows not judged: no data, newest 2024-03-05 (no rows in the window)",
        "• 1 window not judged: insufficient, 2024-03-06 (12 rows, 30 needed)",
    ]


def test_as_markdown():
    found = made(report(0, dataclasses.replace(psi(0), column="a|b")), report(1, status="error"))
    text = digest_markdown("m", found)
    assert "| drift/psi/a\\|b | all | 1 | 0.3 | 0.2 | 2024-03-01 |  |" in text
    assert "- 1 window not judged: error, 2024-03-02" in text
    assert "Nothing was notable." in digest_markdown("m", made())


names = st.text(min_size=1, max_size=40)
values = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.none()


@given(
    st.lists(
        st.tuples(st.integers(0, 6), names, values, values, st.text(max_size=400)), max_size=80
    )
)
def test_slacks_limits_hold_whatever_comes(found: list[Any]):
    checks = [
        Check("drift", "psi", D[i], "alert", column, value=value, threshold=limit,
              severity="warning", reason=reason)
        for i, column, value, limit, reason in found
    ]  # fmt: skip
    gathered = made(*(report(0, c) for c in checks))
    message = digest_slack("m" * 200, gathered, links={"report": "https://example.org/r"})
    assert 0 < len(message["text"]) < 40_000
    assert len(message["blocks"]) <= 5
    assert all(0 < len(b["text"]["text"]) <= 3000 for b in message["blocks"])
    assert len(message["blocks"][0]["text"]["text"]) <= 150
    lines = message["text"].splitlines()
    keys = {c.key for c in checks}
    counted = sum(int(x.split()[0][1:]) for x in lines if x.startswith("+"))
    assert len([x for x in lines if x.startswith("•")]) + counted == len(keys)
    digest_markdown("m", gathered)


# --- When it is told ------------------------------------------------------------------------------

HOUR = timedelta(hours=1)


@pytest.fixture
def store() -> Iterator[Store]:
    store = open_store("sqlite://")
    yield store
    store.close()


def config(every: str | None = "daily", **sections: Any) -> MonitorConfig:
    slack = {"channel": CHANNEL} | ({} if every is None else {"digest": every})
    return small(model="m", **{"alerts": {"slack": slack}, **sections})


def step(
    store: Store,
    settings: MonitorConfig,
    window: Window,
    *,
    value: float = 0.3,
    status: str = "ok",
    notify: bool = True,
) -> None:
    """Decide a window with one check that exceeds its limit, unconfirmed."""
    check = dataclasses.replace(psi(0, value), window=window, name="ks")
    row = ResultRow(
        "m", window, "data", "v1", "s", str(window), window.end, status, None, 9, (check,)
    )
    decide_window(settings, row, [], [], store, notify=notify, holder="t", now=window.end)


def told(store: Store) -> list[str]:
    return [r.message.transition for r in store.messages() if "digest" in r.message.transition]


def hour(i: int, start: datetime = D[0].start) -> Window:
    return Window(start + i * HOUR, start + (i + 1) * HOUR)


def quiet(i: int) -> float:
    """Exceed in every second window only: twice in a row would page."""
    return 0.3 if i % 2 else 0.1


def test_a_day_is_told_by_the_first_decision_at_its_end(store: Store):
    settings = config(window={"every": "1h"})
    for i in range(23):
        step(store, settings, hour(i), value=quiet(i))
    assert told(store) == []
    for i in range(23, 48):
        step(store, settings, hour(i), value=quiet(i))
    assert told(store) == ["digest:2024-03-01", "digest:2024-03-02"]
    first, second = (r.message for r in store.messages())
    assert "in 12 windows" in first.payload["text"]
    assert "newest 2024-03-01 23:00 UTC" in first.payload["text"]
    assert "newest 2024-03-02 23:00 UTC" in second.payload["text"]
    assert (first.payload["channel"], first.incident) == (CHANNEL, "")


def test_a_day_ends_at_midnight_of_the_time_zone(store: Store):
    settings = config(window={"every": "1h", "timezone": "America/New_York"})
    for i in range(6):
        step(store, settings, hour(i), value=quiet(i))
    # The last day of February in New York ended at 05:00 UTC, told with the window before it.
    assert told(store) == ["digest:2024-02-29"]
    assert "newest 2024-02-29 22:00 EST" in store.messages()[0].message.payload["text"]


def test_a_week_is_told_on_monday(store: Store):
    settings = config("weekly")
    for i in range(18):  # from Friday 1 March
        step(store, settings, D[i], value=quiet(i))
    assert told(store) == ["digest:2024-03-03", "digest:2024-03-10", "digest:2024-03-17"]
    assert date(2024, 3, 10).isoweekday() == 7
    assert "digest of 2024-03-04 to 2024-03-11" in store.messages()[1].message.payload["text"]


def test_after_an_outage_one_digest_tells_of_all_days(store: Store):
    for i in (0, 1, 5):
        step(store, config(), D[i], value=quiet(i))
    assert told(store) == ["digest:2024-03-02", "digest:2024-03-06"]
    assert "2024-03-03 to 2024-03-07" in store.messages()[1].message.payload["text"]


@pytest.mark.parametrize("every", [None, "daily"])
def test_none_without_the_setting_and_none_that_is_empty(store: Store, every: str | None):
    for i in range(3):
        step(store, config(every), D[i], value=0.1 if every else quiet(i))
    assert told(store) == []


def test_none_where_nothing_is_to_be_sent(store: Store):
    for i in range(3):
        step(store, config(), D[i], value=quiet(i), notify=False)
    assert told(store) == []


def test_the_last_seven_days_are_written_for_the_run_s_artifacts(store: Store):
    for i in range(9):
        step(store, config(None), D[i], value=quiet(i))
    text = digest_so_far(store, config(None), D[8])
    assert text.startswith("## m: digest of 2024-03-03 to 2024-03-10")
    assert "| drift/ks/size | all | 3 |" in text


def test_a_day_is_told_once_though_it_is_judged_again(store: Store):
    for i in (0, 1, 1):
        step(store, config(), D[i], value=quiet(i))
    assert told(store) == ["digest:2024-03-02"]


# --- End to end -----------------------------------------------------------------------------------


def test_an_event_s_deviations_arrive_in_slack_as_a_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store
):
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    data = read_mapping(write_small_model(tmp_path, sys.executable))
    del data["thresholds"]
    sale = {"name": "sale", "start": str(day(DRIFT_DAY)), "end": str(day(DRIFT_DAY + 9))}
    alerts = {"slack": {"channel": CHANNEL, "digest": "weekly"}}
    settings = parse_config({**data, "calendar": [sale], "alerts": alerts})
    build_baseline(settings, now=day(20))
    windows = [D[i] for i in range(DRIFT_DAY - 1, DRIFT_DAY + 8)]
    list(walk(settings, windows, store, notify=True))
    assert store.incidents("small") == []
    with SlackServer() as slack:
        sender = SlackSender(TOKEN, base_url=slack.base_url, timeout=1)
        now = datetime.now(UTC) + HOUR
        deliver(store, {"slack": sender}, now=now, holder="d", elapsed=lambda: 0.0)
    digests = [m for m in slack.messages if "digest of" in m["text"]]
    # The first week ends with 31 March, its last day the first of the sale.
    (first, second) = digests
    assert "size: PSI in 1 window" in first["text"]
    assert "size: PSI in 7 windows: at worst" in second["text"]
    assert "in the calendar: sale" in second["text"]
    assert second["blocks"][0]["text"]["text"] == "small: digest of 2024-04-01 to 2024-04-08"
