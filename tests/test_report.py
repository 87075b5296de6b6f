"""The JSON of reports: no NaN in it, and it reads back."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_sdk.report import Check, Incident, Report, Trigger, overall_status
from monitoring_sdk.window import Window

DAY = Window(datetime(2013, 6, 3, 4, tzinfo=UTC), datetime(2013, 6, 4, 4, tzinfo=UTC))
BAD = (math.nan, math.inf, -math.inf)


def check(status: Any = "ok", **more: Any) -> Check:
    return Check("drift", "psi", DAY, status, **{"column": "distance", **more})


def text(data: Any) -> str:
    return json.dumps(data, allow_nan=False)


@pytest.mark.parametrize("bad", BAD)
def test_a_value_that_is_no_number_is_null_with_a_reason(bad: float) -> None:
    found = json.loads(text(check("undefined", value=bad).to_dict()))
    assert found["value"] is None
    assert str(bad) in found["reason"]
    assert check("undefined", value=bad, reason="one class").to_dict()["reason"] == "one class"


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["p_value", "effect", "bound", "threshold", "coverage"])
def test_no_other_field_holds_a_nan_either(name: str, bad: float) -> None:
    found = json.loads(text(check(value=1.0, **{name: bad}).to_dict()))
    assert found[name] is None
    assert (found["value"], found["reason"]) == (1.0, None)


def test_an_interval_that_is_open_is_null_on_that_side() -> None:
    found = json.loads(text(check(value=1.0, interval=(0.5, math.inf)).to_dict()))
    assert found["interval"] == [0.5, None]


def test_a_check_has_the_fields_of_the_interface() -> None:
    assert set(check(value=1.0).to_dict()) >= {
        *("key", "family", "name", "column", "segment", "version", "window", "value", "interval"),
        *("p_value", "effect", "threshold", "threshold_from", "severity", "n", "coverage"),
        *("status", "reason"),
    }
    assert check().to_dict()["key"] == "drift/psi/distance"
    assert Check("performance", "f1", DAY, "ok").to_dict()["key"] == "performance/f1"


numbers = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
moments = st.integers(0, 10**9).map(lambda s: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(0, s))
checks = st.builds(
    Check,
    family=st.sampled_from(["drift", "performance"]),
    name=st.sampled_from(["psi", "f1"]),
    window=moments.map(lambda t: Window(t, t + timedelta(hours=1))),
    status=st.sampled_from(["ok", "alert", "insufficient", "undefined", "error", "skipped"]),
    column=st.one_of(st.none(), st.text(max_size=5)),
    segment=st.one_of(st.none(), st.just({"origin": "JFK"})),
    value=numbers,
    interval=st.one_of(st.none(), st.just((0.1, 0.2))),
    p_value=numbers,
    effect=numbers,
    bound=numbers,
    threshold=numbers,
    threshold_from=st.sampled_from([None, "user", "provisional", "contract"]),
    direction=st.sampled_from([None, "above", "below"]),
    exceeded=st.booleans(),
    severity=st.sampled_from(["critical", "warning"]),
    n=st.one_of(st.none(), st.integers(0, 10**12)),
    coverage=numbers,
    reason=st.one_of(st.none(), st.text(min_size=1, max_size=9)),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(checks, max_size=4), moments)
def test_a_report_reads_back(found: list[Check], at: datetime) -> None:
    report = Report(
        "flights",
        DAY,
        at,
        "alert",
        rows=912,
        baseline="v1",
        checks=tuple(found),
        incidents=(Incident("i", "flights", at, None, ("drift",), ("drift/psi/distance",)),),
        triggers=(Trigger("t", "flights", "i", "because", at, "sent", "promoted"),),
    )
    document = report.to_dict()
    assert document["schema"] == 1
    again = Report.from_dict(json.loads(text(document)))
    assert again == report
    assert "checks" not in report.to_dict(checks=False)
    assert Report.from_dict(report.to_dict(checks=False)).checks == ()


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "insufficient"),
        (["ok"], "ok"),
        (["ok", "insufficient", "undefined", "error", "skipped", "no_data"], "ok"),
        (["insufficient", "undefined"], "insufficient"),
        (["error", "alert"], "alert"),
        (["alert", "ok", "insufficient"], "alert"),
        (["no_data"], "insufficient"),
    ],
)
def test_the_status_is_the_first_that_applies(statuses: list[Any], expected: str) -> None:
    found = [check(s, reason=None if s in ("ok", "alert") else f"why {s}") for s in statuses]
    status, reason = overall_status(found)
    assert status == expected
    if expected == "insufficient":
        assert reason == (f"why {statuses[0]}" if statuses else "nothing could be judged")
    else:
        assert reason is None


def test_a_warning_is_for_the_digest() -> None:
    assert overall_status([check("alert", severity="warning")]) == ("ok", None)
    assert not check("alert", severity="warning").pages
    assert check("alert").pages
