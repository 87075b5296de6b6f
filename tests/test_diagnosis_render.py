"""A diagnosis as people read it: Markdown, Slack, the page; nothing where there is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from render_cases import NASTY, alert, incident, report

from benchmarks.planted import draw
from monitoring_sdk.diagnosis.diagnose import diagnose
from monitoring_sdk.render.html import html_report
from monitoring_sdk.render.markdown import report_markdown
from monitoring_sdk.render.slack import slack_message
from monitoring_sdk.report import Report


@pytest.fixture(scope="module")
def found() -> Report:
    known = diagnose(*draw("demand", "mixed", 4000, 0)).to_dict()
    known["cells"][0]["description"] = f"line = {NASTY}|`"
    return report([alert()], diagnosis=known)


def test_markdown_has_the_sentence_the_parts_and_the_segments(found: Report) -> None:
    text = report_markdown(found)
    assert "**What kind of shift: mixed.** Mean loss rose from 0.1" in text
    assert "- inputs: +0.0" in text
    assert "- outcomes at the same inputs: +0." in text
    assert "| Segment | Part of | Share of rows |" in text
    assert "| outcomes |" in text
    assert "| inputs |" in text
    assert NASTY not in text
    assert "What kind of shift" not in report_markdown(report([alert()]))


def test_slack_says_it_in_one_block(found: Report) -> None:
    message = slack_message(incident([alert()]), found, "opened")
    said = [b for b in message["blocks"] if "Mean loss rose" in json.dumps(b)]
    assert len(said) == 1
    assert NASTY not in json.dumps(message)
    none = slack_message(incident([alert()]), report([alert()]), "opened")
    assert len(none["blocks"]) == len(message["blocks"]) - 1


def test_the_page_shows_the_newest_diagnosis(found: Report) -> None:
    at = datetime(2013, 6, 9, tzinfo=UTC)
    page = html_report("flights", None, None, generated_at=at, reports=[found, report((), 1)])
    assert "What kind of shift" in page
    assert "<strong>mixed</strong>" in page
    assert "outcomes at the same inputs" in page
    assert NASTY not in page
    without = html_report("flights", None, None, generated_at=at, reports=[report((), 1)])
    assert "What kind of shift" not in without


def test_what_cannot_be_split_says_why_not() -> None:
    few = diagnose(*draw("demand", "mixed", 100, 0)).to_dict()
    text = report_markdown(report([alert()], diagnosis=few))
    assert "No diagnosis: 100 labelled rows in one sample, fewer than 200" in text
    back = Report.from_dict(json.loads(json.dumps(report([alert()], diagnosis=few).to_dict())))
    assert back.diagnosis == few
