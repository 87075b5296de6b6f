"""The retraining policy: once an incident, never on broken data, and not too often."""

from datetime import UTC, datetime, timedelta

import pytest

from monitoring_sdk.report import Check, Incident
from monitoring_sdk.retraining import policy
from monitoring_sdk.window import Window

START = datetime(2013, 6, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


def day(i):
    return Window(START + timedelta(days=i), START + timedelta(days=i + 1))


def check(family="performance", status="alert", severity="critical", i=0):
    return Check(family, "accuracy", day(i), status, severity=severity, value=0.7, threshold=0.8)


def decide(checks, *, incident="i", i=0, last=None, when=("performance",), closed=None):
    incident = None if incident is None else Incident(incident, "m", day(0).end, closed)
    return policy(incident, checks, window=day(i), when=when, cooldown=WEEK, last=last)


def test_an_alerting_critical_check_of_a_wanted_family_triggers():
    trigger = decide([check()])
    assert (trigger.model, trigger.incident, trigger.window_end) == ("m", "i", day(0).end)
    assert trigger.state == "pending"
    assert trigger == decide([check()])


@pytest.mark.parametrize(
    "status", ["ok", "insufficient", "no_data", "undefined", "error", "skipped"]
)
def test_no_other_status_triggers(status):
    assert decide([check(status=status), check("drift")]) is None


def test_other_families_warnings_and_no_open_incident_do_not():
    assert decide([check("drift")]) is None
    assert decide([check(severity="warning")]) is None
    assert decide([check()], incident=None) is None
    assert decide([check()], closed=day(3).end) is None


@pytest.mark.parametrize("status", ["alert", "error"])
def test_broken_data_blocks_it_until_the_data_is_whole(status):
    broken = check("quality", status)
    assert decide([check(), broken]) is None
    assert decide([check(), check("quality", status, "warning")]) is not None
    assert decide([check()], i=1) is not None


def test_concept_drift_alone_can_be_what_triggers():
    concept = Check("performance", "concept_drift", day(0), "alert", value=4.0, threshold=3.0)
    assert decide([concept], when=("concept_drift",)) is not None
    assert decide([check()], when=("concept_drift",)) is None
    assert decide([concept], when=("performance",)) is not None


def test_a_shadow_version_never_triggers():
    shadow = Check("performance", "accuracy", day(0), "alert", version="8", value=0.1)
    assert decide([shadow]) is None


def test_once_an_incident_even_after_the_cooldown():
    first = decide([check()])
    assert decide([check()], i=1, last=first) is None
    assert decide([check()], i=30, last=first) is None


def test_the_cooldown_runs_on_logical_time_and_ends_on_its_day():
    first = decide([check()])
    assert decide([check()], incident="j", i=6, last=first) is None
    later = decide([check()], incident="j", i=7, last=first)
    assert later is not None
    assert later.id != first.id
