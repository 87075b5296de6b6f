"""Messages stay within every limit that Slack sets, whatever a monitor brings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from render_cases import alert, check, day, incident, report

from monitoring_sdk.render.slack import escape, link, mention, slack_message
from monitoring_sdk.render.words import STATUSES

HUGE = "<&>" * 3_334
OWNER = SimpleNamespace(team="ops", mention="@U012ABCDEF", runbook="https://example.org/book")


def texts(message: dict[str, Any]) -> list[tuple[str, str]]:
    """Return every text of a message, with the kind of its place."""
    found = []
    for block in message["blocks"]:
        if block["type"] == "header":
            found.append(("header", block["text"]["text"]))
        if block["type"] == "section":
            if "text" in block:
                found.append(("section", block["text"]["text"]))
            found += [("field", f["text"]) for f in block.get("fields", ())]
    return found


def assert_within_limits(message: dict[str, Any]) -> None:
    """Check the limits of Block Kit, as its reference states them."""
    assert 0 < len(message["text"]) <= 4000
    assert 0 < len(message["blocks"]) <= 50
    for block in message["blocks"]:
        assert block["type"] in ("header", "section")
        if block["type"] == "section":
            assert ("text" in block) or block["fields"]
            assert len(block.get("fields", ())) <= 10
    limits = {"header": 150, "section": 3000, "field": 2000}
    for kind, text in texts(message):
        assert text.strip()
        assert len(text) <= limits[kind], kind


@pytest.mark.parametrize("transition", ["opened", "joined:drift", "closed", "amended:ok", ""])
@pytest.mark.parametrize("count", [0, 1, 500])
def test_absurd_inputs_stay_within_the_limits(transition, count):
    checks = [alert(column=f"{i}{HUGE}", reason=HUGE) for i in range(count)]
    unjudged = [check(status=s, column=HUGE) for s in STATUSES if s not in ("ok", "alert")]
    found = report([*checks, *unjudged], baseline=HUGE, reason=HUGE)
    owner = SimpleNamespace(team=HUGE, mention=HUGE, runbook="https://e.org/" + "x" * 10_000)
    links = {"report": "/" + HUGE, "run": "https://e.org/?" + "&" * 900} | {
        f"{i}{HUGE}": HUGE for i in range(100)
    }
    big = incident(checks, families=tuple(HUGE for _ in range(50)))
    message = slack_message(big, found, transition, owner=owner, links=links)
    assert_within_limits(message)
    for _, text in texts(message):
        # No character entity was cut in two: every ampersand begins a whole one.
        rest = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
        assert "&" not in rest


def test_more_checks_than_are_shown_are_counted():
    checks = [alert(column=f"c{i:03}", value=0.3 + i / 1000) for i in range(500)]
    message = slack_message(incident(checks), report(checks), "opened", top=5)
    body = next(t for kind, t in texts(message) if kind == "section")
    assert body.count("•") == 5
    assert "+495 more" in body
    assert "c499: PSI 0.799, above 0.21" in body.splitlines()[0]


def test_a_name_cannot_call_the_channel_or_become_a_link():
    checks = [alert(column="<!channel> <https://evil.example|x>")]
    message = slack_message(incident(checks), report(checks), "opened")
    assert all("<!channel>" not in t and "<https" not in t for _, t in texts(message))
    assert "<!channel>" not in message["text"]
    for block in message["blocks"]:
        for part in [block.get("text", {}), *block.get("fields", ())]:
            if part.get("type") == "mrkdwn":
                assert part["verbatim"] is True


def test_owner_runbook_report_and_run_are_there():
    checks = [alert(column="distance")]
    links = {"report": "https://example.org/r.html", "run": "https://example.org/run?a=1&b=2"}
    message = slack_message(incident(checks), report(checks), "opened", owner=OWNER, links=links)
    last = texts(message)[-1][1]
    assert last.startswith("<@U012ABCDEF> · Team ops · <https://example.org/book|Runbook>")
    assert "<https://example.org/r.html|Report>" in last
    assert "<https://example.org/run?a=1&amp;b=2|Run>" in last


def test_a_message_says_what_when_and_what_could_not_be_judged():
    checks = [alert(column="distance"), check(status="error", column="fare")]
    said = dict(reversed(texts(slack_message(incident(checks), report(checks), "opened"))))
    assert said["header"] == "flights: distance: PSI 0.31, above 0.21 (912 rows)"
    every = "\n".join(t for _, t in texts(slack_message(incident(checks), report(checks), "x")))
    assert "Not judged: 1 error" in every
    assert "*Window*\n2013-06-03" in every
    assert "*Rows*\n912" in every


def test_a_joined_message_begins_with_the_new_family():
    drift = alert(column="distance", value=2.0)
    fell = alert(
        family="performance", name="accuracy", value=0.71, threshold=0.78, direction="below"
    )
    message = slack_message(incident([drift, fell]), report([drift, fell]), "joined:performance")
    body = next(t for kind, t in texts(message) if kind == "section")
    assert body.splitlines()[0].startswith("• accuracy fell")


def test_a_closed_message_says_how_long_it_lasted():
    over = incident([alert(column="distance")], closed=day(3).end)
    message = slack_message(over, report(i=3), "closed")
    assert message["text"] == "flights: incident closed after 3 days (opened 2013-06-04)"
    assert "*Closed*\n2013-06-07" in [t for _, t in texts(message)]


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        ("<!subteam^S0123ABC>", "<!subteam^S0123ABC>"),
        ("<script>", "&lt;script&gt;"),
        ("<@U1|x><!channel>", "&lt;@U1|x&gt;&lt;!channel&gt;"),
        ("Upstream", "Upstream"),
        (None, ""),
    ],
)
def test_mentions(owner, said):
    assert mention(owner) == said


def test_only_web_addresses_become_links():
    assert link("javascript:alert(1)", "Run") == "Run: javascript:alert(1)"
    assert link("https://e.org/a|b", "Run") == "Run: https://e.org/a|b"
    assert link("https://e.org/>x", "<Run>") == "<https://e.org/&gt;x|&lt;Run&gt;>"


def test_an_empty_text_is_never_sent():
    assert escape("") == "–"
    assert escape("  \n") == "–"
