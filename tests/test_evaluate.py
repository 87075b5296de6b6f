"""Judging one value: the user's rules first, then the reference; never `ok` without a number."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring_sdk.alarms.provisional import ReferenceSeries
from monitoring_sdk.config_sections import Rule
from monitoring_sdk.evaluate import MIN_ROWS, confirm, judge, rules_for
from monitoring_sdk.measure import Measurement
from monitoring_sdk.report import Check
from monitoring_sdk.value import Value
from monitoring_sdk.window import Window

DAY = Window(datetime(2013, 6, 3, tzinfo=UTC), datetime(2013, 6, 4, tzinfo=UTC))
USUAL = ReferenceSeries(tuple(0.10 + 0.001 * i for i in range(20)), (500,) * 20)


def psi(value: float | None, n: int = 500, column: str = "distance", **more: Any) -> Measurement:
    found = Value.undefined("one value only", n=n) if value is None else Value(value, n=n)
    return Measurement("drift", "psi", found, "above", column, noise=1.0, centred=False, **more)


def judged(m: Measurement, rules: Any = (), reference: Any = USUAL) -> Check:
    series = {} if reference is None else {m.key: reference}
    return judge(m, DAY, reference=series, thresholds={m.name: tuple(rules)})


def test_inside_the_reference_is_ok_with_its_limit() -> None:
    check = judged(psi(0.11))
    assert (check.status, check.threshold_from, check.direction) == ("ok", "provisional", "above")
    assert check.threshold is not None
    assert check.threshold > 0.119
    assert check.effect == pytest.approx(0.11 - 0.1095)
    assert not check.exceeded
    assert check.reason is None


def test_beyond_the_near_limit_waits_for_the_next_window_and_far_beyond_does_not() -> None:
    inside = judged(psi(0.11)).threshold
    assert inside is not None
    beyond = judged(psi(inside + 1e-6))
    assert (beyond.status, beyond.exceeded) == ("ok", True)
    assert "alerts if the next one is too" in (beyond.reason or "")
    far = judged(psi(1.0))
    assert (far.status, far.exceeded, far.severity) == ("alert", True, "critical")
    assert far.threshold == inside


@pytest.mark.parametrize("reference", [None, ReferenceSeries((0.1,) * 4, (500,) * 4)])
def test_without_enough_reference_it_is_insufficient(reference: Any) -> None:
    check = judged(psi(9.0), reference=reference)
    assert (check.status, check.threshold, check.exceeded) == ("insufficient", None, False)
    assert "too few reference windows" in (check.reason or "")


def test_too_few_rows_are_insufficient_but_not_for_the_service() -> None:
    assert judged(psi(9.0, n=MIN_ROWS)).status == "alert"
    check = judged(psi(9.0, n=MIN_ROWS - 1))
    assert (check.status, check.reason) == ("insufficient", f"{MIN_ROWS - 1} rows, 30 needed")
    served = Measurement("operations", "rows", Value(3.0, n=3), "both", noise=0.0)
    usual = ReferenceSeries((500.0, 510.0, 505.0, 495.0, 490.0, 500.0), (500,) * 6)
    assert judged(served, reference=usual).status == "alert"


def test_fewer_rows_make_the_limit_wider() -> None:
    few, many = judged(psi(0.11, n=50)).threshold, judged(psi(0.11, n=500)).threshold
    assert few == pytest.approx(10 * (many or 0))


@pytest.mark.parametrize("rules", [(), (Rule(max=0.2),), (Rule(min=0.0, max=9.0),)])
def test_no_number_is_never_ok(rules: Any) -> None:
    check = judged(psi(None), rules)
    assert (check.status, check.value, check.reason) == ("undefined", None, "one value only")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_nan_cannot_even_be_a_value(bad: float) -> None:
    with pytest.raises(ValueError, match="finite or None"):
        psi(bad)


# --- The user's rules -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "rules", "status", "threshold", "direction", "severity"),
    [
        (0.3, [Rule(max=0.25)], "alert", 0.25, "above", "critical"),
        (0.25, [Rule(max=0.25)], "ok", 0.25, "above", "critical"),
        (0.1, [Rule(min=0.2)], "alert", 0.2, "below", "critical"),
        (0.2, [Rule(min=0.2)], "ok", 0.2, "below", "critical"),
        (0.9, [Rule(min=0.2, max=0.8)], "alert", 0.8, "above", "critical"),
        (0.1, [Rule(min=0.2, max=0.8)], "alert", 0.2, "below", "critical"),
        (0.75, [Rule(min=0.2, max=0.8)], "ok", 0.8, "above", "critical"),
        (0.3, [Rule(max=0.25, severity="warning")], "alert", 0.25, "above", "warning"),
        # Of several that are broken the critical one counts, whatever their order.
        (9, [Rule(max=1, severity="warning"), Rule(max=5)], "alert", 5, "above", "critical"),
        (9, [Rule(max=5), Rule(max=1, severity="warning")], "alert", 5, "above", "critical"),
        (2, [Rule(max=5), Rule(max=1, severity="warning")], "alert", 1, "above", "warning"),
    ],
)
def test_rules(
    value: float, rules: Any, status: str, threshold: float, direction: str, severity: str
) -> None:
    check = judged(psi(value), rules)
    assert (check.status, check.threshold, check.direction) == (status, threshold, direction)
    assert (check.severity, check.threshold_from) == (severity, "user")


def test_a_rule_holds_where_the_reference_would_have_spoken_otherwise() -> None:
    assert judged(psi(1.0), [Rule(max=2.0)]).status == "ok"
    assert judged(psi(0.11), [Rule(max=0.1)]).status == "alert"
    # And where there is no reference, or there are few rows.
    assert judged(psi(1.0, n=3), [Rule(max=0.5)], None).status == "alert"


@pytest.mark.parametrize(
    ("columns", "column", "applies"),
    [
        ((), "fare", True),
        ((), None, True),
        (("fare",), "fare", True),
        (("fare",), "fares", False),
        (("fare_*",), "fare_usd", True),
        (("fare_*", "dist*"), "distance", True),
        (("Fare",), "fare", False),
        (("fare",), None, False),
    ],
)
def test_a_rule_speaks_of_its_columns(columns: Any, column: str | None, applies: bool) -> None:
    rules = {"psi": (Rule(max=1, columns=columns),)}
    assert bool(rules_for(rules, "psi", column)) == applies
    assert rules_for(rules, "ks", column) == ()


def test_a_rule_for_other_columns_leaves_the_reference_in_charge() -> None:
    check = judged(psi(1.0), [Rule(max=99, columns=("fare",))])
    assert (check.status, check.threshold_from) == ("alert", "provisional")


@given(
    st.one_of(st.none(), st.floats(-1e9, 1e9)),
    st.one_of(st.none(), st.floats(-1e9, 1e9)),
    st.integers(0, 10**6),
)
def test_ok_always_has_a_number_within_a_limit(
    value: float | None, limit: float | None, n: int
) -> None:
    check = judged(psi(value, n=n), [] if limit is None else [Rule(max=limit)])
    assert (value is None) == (check.status == "undefined")
    if check.status == "ok" and not check.exceeded:
        assert check.value is not None
        assert check.threshold is not None
        assert check.value <= check.threshold


# --- Two windows running --------------------------------------------------------------------------


def test_two_windows_running_make_an_alert() -> None:
    inside = judged(psi(0.11)).threshold or 0
    beyond, fine, far = judged(psi(inside * 1.01)), judged(psi(0.11)), judged(psi(1.0))
    assert confirm([beyond], set())[0] == beyond
    (check,) = confirm([beyond], {beyond.key})
    assert (check.status, check.reason) == ("alert", "beyond its limit in two windows running")
    assert confirm([fine], {fine.key}) == (fine,)
    assert confirm([far], set()) == (far,)
    other = dataclasses.replace(beyond, column="fare")
    assert confirm([other], {beyond.key}) == (other,)


def test_a_user_s_limit_needs_no_second_window() -> None:
    assert judged(psi(0.3), [Rule(max=0.25)]).status == "alert"


def test_a_limit_that_no_value_can_pass_is_none() -> None:
    wild = ReferenceSeries((0.05, 0.9, 0.2, 0.7, 0.4, 0.1, 0.8), (500,) * 7)
    recall = Measurement("performance", "recall", Value(0.0, n=500), "below", least=0.0)
    check = judged(recall, reference=wild)
    assert (check.status, check.threshold) == ("insufficient", None)
    assert check.reason.startswith("the reference windows differ too much: a limit would lie at -")
    free = dataclasses.replace(recall, least=None)
    assert judged(free, reference=wild).status == "ok"
    assert judged(recall, [Rule(min=0.1)], reference=wild).status == "alert"
