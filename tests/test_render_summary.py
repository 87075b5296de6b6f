"""What the command line says of a span: each incident under the window that opened it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitoring_sdk.render.summary import span_text
from monitoring_sdk.report import Check, Incident, Report
from monitoring_sdk.window import Window

FIRST = datetime(2013, 6, 3, tzinfo=UTC)


def window(number: int) -> Window:
    return Window(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


def report(number: int, value: float, status: str, incidents: tuple[Incident, ...]) -> Report:
    own = window(number)
    check = Check(
        *("performance", "accuracy", own, status),  # type: ignore[arg-type]
        value=value,
        threshold=0.55,
        threshold_from="user",
        direction="below",
        exceeded=status == "alert",
        n=900,
    )
    return Report("m", own, own.end, check.status, 900, checks=(check,), incidents=incidents)


def test_an_incident_is_told_by_the_window_whose_labels_opened_it() -> None:
    # The labels of the second day came a day later: the incident opened on the third.
    opened = Incident("1", "m", window(2).end, None, ("performance",), ("performance/accuracy",))
    days = [
        report(0, 0.8, "ok", ()),
        report(1, 0.41, "alert", ()),
        report(2, 0.76, "ok", (opened,)),
        report(3, 0.33, "alert", (opened,)),
    ]
    document = {
        "model": "m",
        "windows": [day.to_dict() for day in days],
        "incidents": [opened.to_dict()],
        "pages": 1,
    }
    text = span_text(document)
    assert "still open: m: accuracy fell to 0.41, below its limit 0.55" in text
    assert "0.76" not in text.split("incident 2013")[1]
    assert "0.33" not in text.split("incident 2013")[1]
