"""The retraining policy: once an incident, never on broken data, and not too often."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from monitoring_sdk.config_retraining import Retraining
from monitoring_sdk.decision import trigger_id
from monitoring_sdk.report import Check, Incident
from monitoring_sdk.retraining import policy
from monitoring_sdk.window import Window

START = datetime(2013, 6, 1, tzinfo=UTC)
ZONE = "America/New_York"


def day(i):
    return Window(START + timedelta(days=i), START + timedelta(days=i + 1))


def check(family="performance", status="alert", severity="critical", i=0):
    return Check(family, "accuracy", day(i), status, severity=severity, value=0.7, threshold=0.8)


def decide(checks, *, incident="i", i=0, known=(), closed=None, labelled=0, opened=0, **settings):
    incident = None if incident is None else Incident(incident, "m", day(opened).end, closed)
    return policy(
        incident,
        checks,
        window=day(i),
        settings=Retraining(**settings),
        known=known,
        labelled=labelled,
        timezone=ZONE,
    )


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
    assert decide([check()], i=1, known=[first]) is None
    assert decide([check()], i=30, known=[first]) is None
    declined = dataclasses.replace(first, state="declined")
    assert decide([check()], i=30, known=[declined]) is None


def test_the_cooldown_runs_on_logical_time_and_ends_on_its_day():
    first = decide([check()])
    early = decide([check()], incident="j", i=6, known=[first])
    assert (early.state, early.id) == ("put_off", trigger_id("j"))
    later = decide([check()], incident="j", i=7, known=[first])
    assert (later.state, later.window_end) == ("pending", day(7).end)
    assert later.id != first.id


def test_what_was_put_off_follows_when_it_may_though_nothing_alerts_any_more():
    first = decide([check()])
    waiting = decide([check()], incident="j", i=6, known=[first])
    quiet = [check(status="ok", i=7)]
    due = decide(quiet, incident="j", i=7, known=[first, waiting])
    assert (due.state, due.id, due.reason) == ("pending", waiting.id, waiting.reason)
    assert (due.window_end, due.outcome) == (day(7).end, None)
    broken = [*quiet, check("quality")]
    assert decide(broken, incident="j", i=7, known=[first, waiting]) is None
    assert decide(quiet, incident="j", i=7, known=[first, waiting], closed=day(7).end) is None
    # What is put off does not count as a retraining itself.
    assert decide([check()], incident="k", i=7, known=[waiting]).state == "pending"


@pytest.mark.parametrize(("last", "fires"), [(0, False), (1, False), (2, True)])
def test_the_incident_has_to_last_and_to_alert_still(last, fires):
    found = decide([check(i=last)], i=last, after=timedelta(days=2))
    assert (found is not None) is fires
    assert decide([check(status="ok", i=last)], i=last, after=timedelta(days=2)) is None


def test_there_has_to_be_so_much_labelled_evidence():
    assert decide([check()], labelled=499, min_labels=500) is None
    assert decide([check()], labelled=500, min_labels=500).state == "pending"


def test_so_many_a_month_by_the_calendar_of_the_time_zone():
    known = [decide([check()], incident=f"k{i}", i=i, cooldown=timedelta()) for i in (0, 20)]
    limit = {"cooldown": timedelta(), "max_per_month": 2, "known": known}
    third = decide([check()], incident="j", i=28, **limit)
    assert (third.state, third.outcome) == ("put_off", "2 of 2 were asked for in 2013-06")
    # 30 June ends at midnight UTC, when it is 30 June still in New York.
    assert decide([check()], incident="j", i=29, **limit).state == "put_off"
    assert decide([check()], incident="j", i=30, **limit).state == "pending"


def test_quiet_hours_are_those_of_the_time_zone_and_of_the_moment_of_the_look():
    at_night = {"quiet_hours": ("19:00-21:00",)}
    assert decide([check()], **at_night).outcome == "quiet hours"
    assert decide([check()], quiet_hours=("23:00-02:00",)).state == "pending"
    incident = Incident("i", "m", day(0).end)
    found = policy(incident, [check()], window=day(0), settings=Retraining(**at_night),
                   lag=timedelta(hours=1), timezone=ZONE)  # fmt: skip
    assert found.state == "pending"


def test_with_approval_it_waits_for_somebody():
    hook = {"command": ["true"]}
    found = decide([check()], approval=True, hook=hook)
    assert found.state == "awaiting_approval"
    assert decide([check()], i=1, known=[found], approval=True, hook=hook) is None
    assert decide([check()], approval=True, hook=hook, quiet_hours="19:00-21:00").state == "put_off"
