"""Incidents: when they open, go on, grow and close."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitoring_sdk.decision import incident_id, message_id, trigger_id
from monitoring_sdk.incidents import advance
from monitoring_sdk.report import Check
from monitoring_sdk.window import Window

START = datetime(2013, 6, 1, tzinfo=UTC)


def day(i):
    return Window(START + timedelta(days=i), START + timedelta(days=i + 1))


def check(i, status="alert", family="drift", severity="critical", name="psi"):
    return Check(family, name, day(i), status, column="x", severity=severity)


def run(windows):
    """Walk through one list of checks a window; return the progress after each."""
    incident, out = None, []
    for i, checks in enumerate(windows):
        progress = advance(incident, checks, model="m", window=day(i))
        incident = progress.incident
        if incident is not None and incident.closed is not None:
            incident = None
        out.append(progress)
    return out


def test_opens_goes_on_silently_and_closes_after_three_quiet_windows():
    ok = [check(0, "ok")]
    steps = run([[check(0)], [check(1)], ok, ok, ok, ok])
    assert [s.transitions for s in steps] == [("opened",), (), (), (), ("closed",), ()]
    first, last = steps[0].incident, steps[4].incident
    assert first.id == last.id == incident_id("m", day(0))
    assert (first.opened, last.closed) == (day(0).end, day(4).end)
    assert [s.incident.quiet for s in steps[:5]] == [0, 0, 1, 2, 3]
    assert steps[5].incident is None


def test_a_page_among_quiet_windows_starts_the_count_again():
    ok = [check(0, "ok")]
    steps = run([[check(0)], ok, ok, [check(3)], ok, ok, ok])
    assert [s.transitions for s in steps] == [("opened",), (), (), (), (), (), ("closed",)]


def test_a_window_that_could_not_be_judged_is_not_quiet():
    blind = [check(0, s) for s in ("error", "no_data", "insufficient", "undefined", "skipped")]
    ok = [check(0, "ok")]
    steps = run([[check(0)], ok, ok, blind, [], blind, ok])
    assert [s.transitions for s in steps] == [("opened",), (), (), (), (), (), ("closed",)]
    assert steps[3].incident == steps[2].incident


def test_a_new_family_joins_once_each_and_checks_are_collected():
    both = [check(1), check(1, family="performance", name="accuracy")]
    steps = run([[check(0)], both, both])
    assert steps[1].transitions == ("joined:performance",)
    assert steps[2].transitions == ()
    assert steps[2].incident.families == ("drift", "performance")
    assert steps[2].incident.checks == ("drift/psi/x", "performance/accuracy/x")


def test_warnings_open_nothing_and_keep_nothing_open():
    steps = run([[check(0, severity="warning")], [check(1)], *[[check(2, severity="warning")]] * 3])
    assert [s.transitions for s in steps] == [(), ("opened",), (), (), ("closed",)]


def test_a_second_incident_has_another_id():
    ok = [check(0, "ok")]
    steps = run([[check(0)], ok, ok, ok, [check(4)]])
    assert steps[4].transitions == ("opened",)
    assert steps[4].incident.id != steps[0].incident.id


def test_names_depend_on_everything_they_name():
    ids = {
        incident_id("m", day(0)), incident_id("m", day(1)), incident_id("n", day(0)),
        trigger_id("m"), message_id("m", "i", "opened"), message_id("m", "i", "closed"),
        message_id("m", "j", "opened"), message_id("mi", "", "opened"),
    }  # fmt: skip
    assert len(ids) == 8


kinds = st.sampled_from(["drift", "performance", "both", "ok", "blind", "warning"])
CHECKS = {
    "drift": [check(0)],
    "performance": [check(0, family="performance")],
    "both": [check(0), check(0, family="performance")],
    "ok": [check(0, "ok")],
    "blind": [check(0, "error")],
    "warning": [check(0, severity="warning")],
}


@given(st.lists(kinds, max_size=40))
def test_any_history_keeps_the_rules(history):
    steps = run([CHECKS[k] for k in history])
    opened = [i for i, s in enumerate(steps) if "opened" in s.transitions]
    closed = [i for i, s in enumerate(steps) if "closed" in s.transitions]
    # They alternate, beginning with an opening.
    order = sorted([(i, 1) for i in opened] + [(i, -1) for i in closed])
    assert all(sign == (1 if n % 2 == 0 else -1) for n, (_, sign) in enumerate(order))
    for i, (kind, step) in enumerate(zip(history, steps, strict=True)):
        pages = kind in ("drift", "performance", "both")
        if pages:
            assert step.incident is not None
            assert step.incident.closed is None
        if step.transitions == ("closed",):
            seen = [k for k in history[: i + 1] if k != "blind"][-3:]
            assert all(k in ("ok", "warning") for k in seen)
    told = [t for s in steps for t in s.transitions if t.startswith("joined")]
    assert len(told) <= len(opened)  # two families: at most one can join each incident
