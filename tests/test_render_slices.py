"""Segments and versions on every screen: named, told apart, and not in the way of the rest."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from render_cases import START, alert, check, day, history, incident, report

from monitoring_sdk.render.console import console_message, weeks
from monitoring_sdk.render.figures import choose
from monitoring_sdk.render.html import html_report
from monitoring_sdk.render.keys import parts_of
from monitoring_sdk.render.markdown import report_markdown
from monitoring_sdk.render.slack import slack_message
from monitoring_sdk.render.slices import beside, worst_segments
from monitoring_sdk.render.tidy import checks_of, tidy
from monitoring_sdk.render.words import key_words, title, words, worst_first
from monitoring_sdk.report import check_key

JFK = {"origin": "JFK"}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("drift/psi/fare[origin=a/b]", "fare of origin = a/b: PSI"),
        ("performance/accuracy[origin=JFK]", "accuracy of origin = JFK"),
        ("performance/accuracy[carrier=UA,origin=JFK]", "accuracy of carrier = UA, origin = JFK"),
        ("operations/rows#8", "rows of version 8 (shadow)"),
        ("quality/expect_table_row_count_to_be_between#2", "table row count to be between#2"),
        ("prediction/psi/score[origin=x]y]#8", "score of origin = x]y, version 8 (shadow): PSI"),
        ("drift/psi/x[0]", "x[0]: PSI"),
        ("drift/psi/a/b", "a/b: PSI"),
        ("performance/ndcg@10", "ndcg@10"),
    ],
)
def test_a_key_in_words(key: str, said: str) -> None:
    assert key_words(key) == said


levels = st.text("ab/]=,@[ ", min_size=1, max_size=6)


@given(levels, st.none() | st.sampled_from(["8", "v2.1"]))
def test_whatever_a_level_holds_the_rest_of_the_key_is_found(
    level: str, version: str | None
) -> None:
    parts = parts_of(check_key("drift", "psi", "fare", {"origin": level}, version))
    assert (parts.family, parts.name, parts.column) == ("drift", "psi", "fare")
    assert parts.segment is not None
    assert parts.segment.startswith("origin=")


@given(levels, levels)
def test_a_history_takes_the_fields_of_checks_that_are_known(column: str, level: str) -> None:
    one = check(column=column, segment={"origin": level}, version="8")
    (again,) = checks_of(tidy(history([one]), known={one.key: one}))
    assert (again.column, again.segment, again.version) == (column, {"origin": level}, "8")
    assert title(again) == title(one)


def test_an_alert_names_its_segment_everywhere() -> None:
    accuracy = alert(
        family="performance", name="accuracy", segment=JFK, value=0.7, threshold=0.8,
        direction="below",
    )  # fmt: skip
    drift = alert(column="fare", segment=JFK)
    assert words(accuracy).startswith("accuracy of origin = JFK fell to 0.7")
    assert words(drift).startswith("fare of origin = JFK: PSI 0.31, above 0.21")
    gone = alert(family="operations", name="rows", segment=JFK, value=0.0, threshold=1.0)
    assert "0 rows of origin = JFK" in words(gone)
    found = report([accuracy, drift])
    told = incident([accuracy, drift])
    slack = str(slack_message(told, found, "opened"))
    for text in (slack, console_message(told, found, "opened"), report_markdown(found)):
        assert "accuracy of origin = JFK" in text
        assert "fare of origin = JFK" in text


def test_what_pages_comes_before_what_a_shadow_shows() -> None:
    shadow = alert(column="score", family="prediction", version="8", value=9.0)
    own = alert(column="score", family="prediction")
    assert worst_first([shadow, own]) == [own, shadow]
    assert "version 8 (shadow)" in words(shadow)


def test_weeks_are_means_of_the_whole_alone() -> None:
    whole = check("performance", "accuracy", value=0.9)
    parts = [
        check("performance", "accuracy", value=0.1, segment=JFK),
        check("performance", "accuracy", value=0.1, version="8"),
    ]
    assert weeks([report([whole, *parts])], metrics=["accuracy"]) == weeks(
        [report([whole])], metrics=["accuracy"]
    )


def test_charts_are_of_the_whole_and_of_segments_that_page() -> None:
    names = [{"origin": f"o{i}"} for i in range(20)]
    checks = []
    for i in range(4):
        checks.append(check("performance", "accuracy", value=0.9, window=day(i)))
        for j, segment in enumerate(names):
            make = alert if j == 3 else check
            checks.append(
                make(family="performance", name="accuracy", segment=segment, window=day(i))
            )
        checks.append(
            alert(family="performance", name="accuracy", version="8", value=0.5, window=day(i))
        )
    chosen = choose(tidy(history(checks), known={c.key: c for c in checks}))
    assert chosen.performance == ("performance/accuracy", "performance/accuracy[origin=o3]")


def test_the_page_has_the_worst_segments_and_shadows_beside_the_champion() -> None:
    parts = [check(column="fare", segment={"origin": f"o{i}"}, value=i / 1000) for i in range(200)]
    bad = alert(column="fare", segment={"origin": "<b>/JFK]"})
    whole = check("performance", "accuracy", value=0.91, direction="below", threshold=0.8)
    shadow = check("performance", "accuracy", value=0.87, version="8", direction="below")
    checks = [*parts, bad, whole, shadow]
    assert worst_segments(checks)[0].where == "fare of origin = <b>/JFK]"
    assert len(worst_segments(checks)) == 20
    versions, rows = beside(checks)
    assert versions == ["8"]
    assert [(r.what, r.champion, r.shadows[0][0]) for r in rows] == [("accuracy", "0.91", "0.87")]
    page = html_report(
        "flights", history=history(checks), generated_at=START, reports=[report(checks)]
    )
    assert "fare of origin = &lt;b&gt;/JFK]" in page
    assert "<b>/JFK" not in page
    assert "Version 8" in page
    assert "more of segments and versions" in page
    # Two hundred quiet segments do not make the page two hundred lines longer.
    assert len(re.findall(r"<tr", page)) < 60
    assert len(page) < 400_000


def test_a_page_without_slices_has_no_tables_of_them() -> None:
    checks = [check(column="fare")]
    page = html_report(
        "flights", history=history(checks), generated_at=START, reports=[report(checks)]
    )
    assert "Shadow versions" not in page
    assert "<h2>Segments</h2>" not in page
