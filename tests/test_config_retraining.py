"""The section `retraining`: what it takes, what it refuses, and when its hours are quiet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from monitoring_sdk.config import parse_config
from monitoring_sdk.config_retraining import is_quiet, parse_quiet
from monitoring_sdk.errors import ConfigError

SMALL = {
    "model": "m",
    "source": {"predictions": "p"},
    "columns": {"timestamp": "t", "prediction": "y"},
}
COMMAND = {"command": ["true"]}


def load(section: dict[str, Any], **others: Any) -> Any:
    return parse_config({**SMALL, "retraining": section, **others}, "m").retraining


def faults(section: dict[str, Any], **others: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(section, **others)
    return [p.removeprefix("m: ") for p in caught.value.problems]


def test_every_key_is_taken():
    found = load(
        {
            "when": ["performance", "concept_drift"],
            "after": "2d",
            "min_labels": 500,
            "cooldown": "14d",
            "max_per_month": 2,
            "quiet_hours": ["fri-sun", "mon 22:00-06:00"],
            "hook": {"webhook": "https://train.example.org/hooks", "secret": "TRAIN_SECRET"},
            "approval": True,
            "approval_within": "12h",
            "outcome_within": "3d",
        }
    )
    assert (found.after, found.cooldown) == (timedelta(days=2), timedelta(days=14))
    assert (found.approval, found.approval_within) == (True, timedelta(hours=12))
    assert (found.hook.kind, found.hook.secret) == ("webhook", "TRAIN_SECRET")
    # Neither where a hook is, which may be a secret too, nor the secret's name is printed.
    assert "train.example.org" not in repr(found)
    assert load({"hook": COMMAND}).max_per_month is None


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ({"hook": {"webhook": "https://h/x"}}, "retraining.hook: webhook and secret go together"),
        ({"hook": {**COMMAND, "secret": "S"}}, "retraining.hook: webhook and secret go together"),
        ({"hook": {"webhook": "ftp://h", "secret": "S"}}, "retraining.hook.webhook: not a web add"),
        (
            {"hook": {"webhook": "https://h:x/", "secret": "S"}},
            "retraining.hook.webhook: not a",
        ),
        (
            {"hook": {"webhook": "https://u:pw@h/x", "secret": "S"}},
            "retraining.hook.webhook: an address must hold no password: `secret` signs what is "
            "sent to it: got 'https://u:***@h/x'",
        ),
        ({"hook": {**COMMAND, "deployment": "a/b"}}, "retraining.hook: give one of"),
        ({"approval": True}, "retraining: approval needs a hook that it releases"),
        ({"approval": "yes", "hook": COMMAND}, "retraining.approval: not an allowed value: got 'y"),
        ({"max_per_month": 0}, "retraining.max_per_month: input should be greater than or equal"),
        ({"min_labels": -1}, "retraining.min_labels: input should be greater than or equal to 0"),
        ({"quiet_hours": "25:00-06:00"}, "retraining.quiet_hours.0: no quiet hours: got '25:00-06"),
        (
            {"quiet_hours": ["22-6"]},
            "retraining.quiet_hours.0: no quiet hours: got '22-6'; allowed",
        ),
        ({"quiet_hours": ["someday"]}, "retraining.quiet_hours.0: no quiet hours"),
        ({"quiet_hours": [""]}, "retraining.quiet_hours.0: no quiet hours"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(section: dict[str, Any], fault: str):
    (found,) = faults(section)
    assert found.startswith(fault)


@pytest.mark.parametrize("secret", ["whsec_MfKQ9r8GKYqrTwjU", "s3cr3t/with+more=", "two words"])
def test_a_secret_in_the_file_is_refused_and_not_repeated(secret: str):
    (found,) = faults({"hook": {"webhook": "https://h/x", "secret": secret}})
    assert "must be the name of an environment variable" in found
    assert secret not in found


@pytest.mark.parametrize(
    ("text", "local", "quiet"),
    [
        ("22:00-06:00", "2024-03-01T21:59", False),
        ("22:00-06:00", "2024-03-01T22:00", True),
        ("22:00-06:00", "2024-03-02T05:59", True),
        ("22:00-06:00", "2024-03-02T06:00", False),
        ("fri 22:00-06:00", "2024-03-02T05:00", True),  # the night that began on Friday
        ("fri 22:00-06:00", "2024-03-01T05:00", False),
        ("sat-sun", "2024-03-02T00:00", True),
        ("sat-sun", "2024-03-04T00:00", False),
        ("sun-mon", "2024-03-04T12:00", True),
        ("MON-FRI 09:00-17:00", "2024-03-04T16:59", True),
        ("mon-fri 09:00-17:00", "2024-03-02T12:00", False),
    ],
)
def test_quiet_hours_hold_by_the_wall_clock(text: str, local: str, quiet: bool):
    at = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("America/New_York"))
    assert is_quiet((parse_quiet(text),), at, "America/New_York") is quiet


@pytest.mark.parametrize(
    ("hours", "window", "refused"),
    [
        ("22:00-06:00", {"every": "1d"}, True),
        ("22:00-06:00", {"every": "1d", "lag": "8h"}, False),
        ("22:00-06:00", {"every": "1h"}, False),
        ("sat-sun", {"every": "1d"}, False),
        ("mon", {"every": "1w"}, True),
        ("mon-sun", {"every": "1mo"}, True),
        ("mon", {"every": "1mo"}, False),
        ("00:00-01:00", {"every": "1d", "timezone": "Europe/Berlin"}, True),
    ],
)
def test_hours_in_which_every_window_is_decided_are_refused(
    hours: str, window: dict[str, str], refused: bool
):
    section = {"quiet_hours": hours, "hook": COMMAND}
    if not refused:
        assert load(section, window=window).quiet_hours == (hours,)
        return
    (found,) = faults(section, window=window)
    assert found.startswith("retraining.quiet_hours: every window of ")
    # Beside another fault too.
    assert found in faults(section, window=window, owner={"tema": "x"})
