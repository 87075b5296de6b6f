"""Charts are valid Vega-Lite and tell by more than colour what was not judged."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import pytest
from render_cases import NASTY, alert, check, day, history, incident, season

from monitoring_sdk.render.charts import check_chart, rows_chart
from monitoring_sdk.render.figures import choose, strip_keys
from monitoring_sdk.render.strip import row_names, strip_chart
from monitoring_sdk.render.tidy import incident_checks, incident_spans, ranked, tidy
from monitoring_sdk.render.vega import PAPER_INK, png, svg
from monitoring_sdk.render.words import key_words


@pytest.fixture(scope="module")
def frame():
    return tidy(history([c for r in season() for c in r.checks]))


def drawings(frame):
    spans = [(day(3).start, day(5).end)]
    counts = frame.drop_duplicates("window_end").assign(rows=100.0)
    return [
        check_chart(frame[frame["key"] == "drift/psi/distance"], incidents=spans, title=NASTY),
        check_chart(frame[frame["key"] == "performance/accuracy"], percent=True),
        rows_chart(counts[["window_start", "window_end", "rows"]], incidents=spans),
        strip_chart(frame, strip_keys(frame), incidents=spans, title="all"),
    ]


def test_every_specification_is_one_that_the_schema_of_altair_accepts(frame):
    for drawing in drawings(frame):
        alt.LayerChart.from_dict(drawing.to_dict(), validate=True)


def test_an_estimate_is_drawn_beside_what_came_true(frame):
    realised = frame[frame["key"] == "performance/accuracy"]
    estimated = realised.assign(value=realised["value"] - 0.3)
    drawing = check_chart(realised, estimated=estimated)
    assert len(drawing.rows["estimates"]) == int(realised["value"].notna().sum())
    alt.LayerChart.from_dict(drawing.to_dict(), validate=True)
    assert not check_chart(realised).rows["estimates"]


def test_a_name_stays_text_in_an_svg_and_a_png_is_one(frame):
    drawing = drawings(frame)[0]
    text = svg(drawing, NASTY, NASTY)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert 'role="img"' in text
    rows = frame[frame["key"] == "performance/accuracy"]
    paper = check_chart(rows, title="accuracy", ink=PAPER_INK)
    assert png(paper, scale=1).startswith(b"\x89PNG\r\n")


def test_without_values_there_is_no_chart():
    rows = tidy(history([check(status=s, column="a") for s in ("error",)]))
    assert check_chart(rows) is None
    assert strip_chart(rows, []) is None
    assert rows_chart(rows.head(0)) is None


def test_windows_that_were_not_judged_are_thin_bars_in_the_strip(frame):
    drawing = strip_chart(frame, ["performance/accuracy"])
    judged = {r["c"] for r in drawing.rows["judged"]}
    assert {r["c"] for r in drawing.rows["unjudged"]} == {"not judged"}
    assert "not judged" not in judged
    thin = [la["mark"] for la in drawing.to_dict()["layer"] if la["data"] == {"name": "unjudged"}]
    assert [m["height"] for m in thin] == [4]


def test_a_value_at_its_limit_is_within_it():
    rows = tidy(history([check(column="a", value=0.21)]))
    drawing = strip_chart(rows, ["drift/psi/a"])
    assert [r["c"] for r in drawing.rows["judged"]] == ["0.8 to the limit"]


def test_a_limit_reaches_from_the_first_window_to_the_end_of_the_last():
    rows = tidy(history([check(column="a", window=day(i), threshold=0.2 + i) for i in range(2)]))
    drawn = check_chart(rows).rows
    ends = [day(0).start, day(1).start, day(1).end]
    assert [r["t"] for r in drawn["limits"]] == [t.isoformat() for t in ends]
    assert [r["limit"] for r in drawn["limits"]] == [0.2, 1.2, 1.2]
    assert [r["t"][11:13] for r in drawn["windows"]] == ["12", "12"]


def test_names_of_a_strip_are_short_and_differ():
    keys = [f"drift/psi/{'a' * 100}{i}{'b' * 100}" for i in range(12)]
    names = row_names({k: key_words(k) for k in keys})
    assert len(set(names.values())) == 12
    assert max(map(len, names.values())) <= 40


def test_numbers_that_are_not_finite_are_missing_and_never_near_a_limit():
    checks = [
        check(column="a", value=v, window=day(i))
        for i, v in enumerate((float("nan"), float("inf"), 0.1))
    ]
    rows = tidy(history(checks))
    assert rows["value"].isna().tolist() == [True, True, False]
    assert rows["ratio"].isna().tolist() == [True, True, False]
    assert np.isclose(rows["ratio"].iloc[2], 0.1 / 0.21)


def test_tidy_keeps_the_newest_verdict_and_the_newest_windows():
    checks = [check(column="a", window=day(i)) for i in range(5)]
    revised = alert(column="a", window=day(4))
    rows = tidy(history([*checks, revised]), windows=2)
    assert rows["window_start"].dt.day.tolist() == [6, 7]
    assert rows["status"].tolist() == ["ok", "alert"]


def test_the_charts_chosen_are_the_worst_one_for_each_column():
    checks = []
    for i in range(3):
        for c in range(40):
            checks += [
                check(name=m, column=f"c{c}", window=day(i), value=0.001 * c) for m in ("psi", "ks")
            ]
        checks.append(alert(column="bad", window=day(i)))
        checks += [
            check("performance", m, window=day(i), direction="below", threshold=0.5, value=0.8)
            for m in ("recall", "accuracy")
        ]
    rows = tidy(history(checks))
    chosen = choose(rows, order=["performance/recall", "performance/accuracy"])
    assert chosen.performance == ("performance/recall", "performance/accuracy")
    assert chosen.drift[0] == "drift/psi/bad"
    columns = [k.split("/")[2] for k in chosen.drift]
    assert columns == ["bad", "c39", "c38", "c37", "c36", "c35"]
    assert ranked(rows)["key"].iloc[0] == "drift/psi/bad"


def test_incident_checks_are_those_of_the_opening_not_of_the_end():
    checks = [
        alert(column="a", window=day(i), value=0.3 + i)
        if i in (2, 3, 4)
        else check(column="a", window=day(i))
        for i in range(8)
    ]
    opened = incident([checks[2]], opened=day(2).end, closed=day(7).end)
    found = incident_checks(tidy(history(checks)), opened)
    assert [c.value for c in found] == [2.3]


def test_an_incident_is_shaded_from_the_start_of_its_deciding_window(frame):
    spans = incident_spans([incident(opened=day(20).end)], frame)
    assert spans == [(day(20).start, day(39).end)]


def test_a_history_with_nullable_columns_reads_the_same():
    checks = [check(column="a"), check(column="b", status="error"), alert(column="c")]
    plain = history(checks)
    kinds = {"key": "str", "status": "str", "exceeded": "boolean", "value": "Float64"}
    nullable = plain.astype(kinds | {"threshold": "Float64", "n": "Int64"})
    nullable = nullable.drop(columns=["family", "name", "column"])
    assert tidy(nullable)["value"].isna().tolist() == [False, True, False]
    assert tidy(nullable)["exceeded"].tolist() == [False, False, True]
    names = ["key", "family", "name", "column", "ratio", "direction", "n"]
    pd.testing.assert_frame_equal(tidy(nullable)[names], tidy(plain)[names], check_dtype=False)
