"""What people read of checks and incidents: words, terminal text, Markdown."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from render_cases import START, alert, check, day, incident, report, season

from monitoring_sdk.render.console import console_message, weeks
from monitoring_sdk.render.markdown import report_markdown
from monitoring_sdk.render.numbers import number, pair, short
from monitoring_sdk.render.words import STATUSES, headline, words, worst_first


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (alert(column="distance"), "distance: PSI 0.31, above 0.21 (912 rows)"),
        (
            alert(family="quality", name="null_share", column="a", value=0.12, threshold=0.02),
            "a: 12% nulls, above 2% (912 rows)",
        ),
        (
            alert(family="quality", name="unseen_share", column="a", value=0.031, threshold=0.001),
            "a: 3.1% unseen values, above 0.1% (912 rows)",
        ),
        (
            alert(family="operations", name="latency_p95", value=812.4, threshold=500, n=None),
            "p95 latency 812 ms, above 500 ms",
        ),
        (
            alert(family="performance", name="log_loss", value=0.91, threshold=0.6),
            "log loss rose to 0.91, above its limit 0.6 (912 rows)",
        ),
        (
            alert(family="operations", name="rows", value=12, threshold=400, direction="below"),
            "12 rows, below 400",
        ),
        (
            check(segment={"origin": "JFK"}, column="fare"),
            "fare of origin = JFK: PSI 0.05, limit 0.21 (912 rows)",
        ),
        (
            alert(
                family="quality",
                name="expect_column_values_to_be_between",
                column="x",
                value=0.5,
                threshold=None,
                reason="1 of 2 values fall outside [0, inf); none may",
            ),
            "x: 1 of 2 values fall outside [0, inf); none may",
        ),
        (check(status="error", column="a"), "a: PSI: error, because error"),
    ],
)
def test_a_check_in_words(found, said):
    assert words(found) == said


def test_a_check_without_a_direction_is_told_by_its_verdict():
    found = alert(family="performance", name="accuracy", value=0.71, threshold=0.78, direction=None)
    assert words(found).startswith("accuracy fell to 0.71, below its limit 0.78")


@pytest.mark.parametrize("status", [s for s in STATUSES if s not in ("ok", "alert")])
def test_what_has_no_verdict_says_so_and_never_shows_a_limit_as_kept(status):
    said = words(check(status=status))
    assert status.replace("_", " ") in said
    assert "limit" not in said


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None])
def test_no_number_is_written_as_nan(value):
    assert number(value) == "–"
    said = words(check(value=value))
    assert "nan" not in said
    assert "inf" not in said


def test_a_value_near_its_limit_is_told_from_it():
    for value, limit in [(0.7799996, 0.78), (0.9999, 1.0), (1000.4, 1000.0)]:
        shown = pair(value, limit)
        assert shown[0] != shown[1]
    assert number(0.99996, "%") != "100%"


def test_the_worst_come_first():
    far = alert(column="far", value=2.0)
    near = alert(column="near", value=0.22)
    warned = alert(column="warned", value=9.0, severity="warning")
    fell = alert(
        family="performance", name="accuracy", value=0.45, threshold=0.78, direction="below"
    )
    broken, calm = check(status="error", column="x"), check(column="calm")
    found = worst_first([calm, near, broken, warned, fell, far])
    assert [c.column or c.name for c in found] == ["far", "accuracy", "near", "warned", "x", "calm"]


def test_headlines_of_an_incident():
    checks = [alert(column="distance"), alert(column="fare", value=0.25)]
    perf = alert(
        family="performance", name="accuracy", value=0.71, threshold=0.78, direction="below"
    )
    told = report([*checks, perf])
    opened = headline(incident(checks), report(checks), "opened")
    assert opened == "flights: distance: PSI 0.31, above 0.21 (912 rows), and 1 more"
    joined = headline(incident([*checks, perf]), told, "joined:performance")
    assert joined.startswith("flights: performance joined the open incident: accuracy fell to 0.71")
    over = incident(checks, closed=day(5).end)
    assert headline(over, report(i=5), "closed") == (
        "flights: incident closed after 5 days (opened 2013-06-04)"
    )


def test_a_terminal_message_obeys_no_name():
    found = [alert(column="\x1b[2J\x07evil\nname")]
    owner = SimpleNamespace(team="ops", mention="@oncall", runbook="https://example.org/book")
    text = console_message(
        incident(found), report(found), "opened", owner=owner, links={"report": "r.html"}
    )
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "evil" in text
    assert "PSI 0.31, above 0.21" in text
    for part in ("@oncall", "https://example.org/book", "r.html"):
        assert part in text


def test_weeks_align_and_count_windows_without_a_verdict():
    text = weeks(season(), metrics=["accuracy"], incidents=[incident(), incident()])
    lines = text.splitlines()
    assert lines[0].split()[:2] == ["week", "of"]
    assert [line[:10] for line in lines[1:]] == [
        f"{START + timedelta(days=7 * i):%Y-%m-%d}" for i in range(6)
    ]
    assert "1 no data" in lines[2]
    assert lines[1].split()[4] == "2"  # both incidents opened in the first week
    assert lines[3].split()[3] == "1"  # day 20 is the Sunday of the third week
    assert lines[4].split()[3] == "4"
    assert 0.81 <= float(lines[1].split()[5]) <= 0.82
    assert weeks([]) == "no windows"


def test_an_incident_that_opens_at_midnight_belongs_to_the_week_of_its_window():
    moved = dataclasses.replace(incident(), opened=day(6).end)
    lines = weeks(season(14), incidents=[moved]).splitlines()
    assert [line.split()[4] for line in lines[1:]] == ["1", "-"]


def test_markdown_tables_hold_whatever_a_name_brings():
    nasty = 'a|b\n<img src=x> `code` [x](javascript:alert(1)) \\ "&"'
    found = [alert(column=nasty), *(check(status=s, column=nasty) for s in STATUSES if s != "ok")]
    text = report_markdown(report(found), charts=[(nasty, b"\x89PNG"), ("svg", "<svg/>")])
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(found)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {10}
    assert "<img" not in text
    assert "<svg" not in text
    assert not re.search(r"(?<!\\)\[x", text)
    assert "data:image/png;base64," in text
    assert "data:image/svg+xml;base64," in text
    assert not re.search(r"\b(nan|inf)\b", text, re.IGNORECASE)


def test_markdown_counts_what_it_leaves_out():
    text = report_markdown(report([check(column=str(i)) for i in range(500)]), limit=50)
    assert "+450 more checks" in text
    assert "500 ok" in text


def test_short_keeps_both_ends_and_the_limit():
    assert short("x" * 10_000, 60).startswith("xxx")
    for limit in (1, 2, 3, 60):
        assert len(short("y" * 10_000, limit)) <= limit
    assert short("") == "(empty)"
