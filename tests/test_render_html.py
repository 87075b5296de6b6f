"""The page of a model: harmless, self-contained, and honest about what was not judged."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from html.parser import HTMLParser
from types import SimpleNamespace

import pandas as pd
import pytest
from render_cases import NASTY, alert, check, day, history, incident, report, season

from monitoring_sdk.render.html import html_report
from monitoring_sdk.render.words import STATUSES
from monitoring_sdk.report import Trigger

NOW = datetime(2013, 8, 1, 12, tzinfo=UTC)
OWNER = SimpleNamespace(team=NASTY, mention=NASTY, runbook="javascript:alert(1)")
LOADING = {"src", "srcset", "data", "poster", "background", "formaction", "ping", "xlink:href"}


class Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def page_of(reports=None, incidents=(), triggers=(), owner=OWNER, **more):
    reports = season() if reports is None else reports
    frame = history([c for r in reports for c in r.checks])
    return html_report(
        "flights",
        owner,
        frame,
        generated_at=NOW,
        reports=reports,
        incidents=incidents,
        triggers=triggers,
        **more,
    )


@pytest.fixture(scope="module")
def page():
    reports = season()
    opened = reports[20].checks[0]
    first = incident([opened], opened=day(20).end, closed=day(28).end)
    second = incident([opened], opened=day(39).end, families=("drift",))
    asked = Trigger("t1", "flights", "i1", "accuracy fell", day(20).end, "sent", "version 8 <b>")
    return page_of(reports, [first, dataclasses.replace(second, id="i2")], [asked])


def test_a_column_named_script_is_harmless(page):
    found = Page(page)
    assert NASTY in found.text
    assert "script" not in {tag for tag, _ in found.tags}
    assert not [a for _, attrs in found.tags for a in attrs if a.startswith("on")]
    assert not [a for _, a in found.tags if (a.get("href") or "").startswith("javascript")]


def test_the_page_asks_nothing_of_any_network(page):
    for tag, attrs in Page(page).tags:
        assert not LOADING.intersection(attrs), (tag, attrs)
        if tag == "link":
            assert attrs["href"] == "data:,"
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    policy = next(a["content"] for t, a in Page(page).tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert "unsafe-eval" not in policy


def test_charts_are_whole_svg_with_titles_and_ids_of_their_own(page):
    drawn = re.findall(r"<svg role=.*?</svg>", page, re.DOTALL)
    assert 4 <= len(drawn) <= 18
    name = "{http://www.w3.org/2000/svg}"
    ids = []
    for text in drawn:
        root = ET.fromstring(text)
        assert root.find(f"{name}title").text
        assert root.find(f"{name}desc").text
        own = [e.get("id") for e in root.iter() if e.get("id")]
        assert set(root.get("aria-labelledby").split()) <= set(own)
        assert set(re.findall(r"url\(#(.*?)\)", text)) <= set(own)
        ids += own
    assert len(ids) == len(set(ids))


def test_incidents_tell_their_checks_and_what_followed(page):
    text = Page(page).text
    assert "distance: PSI 0.4" in text
    assert "sent for the window ending 2013-06-24: version 8 <b>" in text
    assert "open since 2013-07-13" in text
    assert "none asked for" in text


def test_the_newest_judged_performance_is_said_where_labels_lag(page):
    text = Page(page).text
    assert "judged to 2013-07-10" in text
    assert "because insufficient" in text


@pytest.mark.parametrize("status", list(STATUSES))
def test_each_status_is_shown_as_itself_and_explained(status):
    found = [check(column="a", status=status, **({"value": 0.5} if status == "alert" else {}))]
    page = page_of([report(found)])
    rows = re.search(r'<table class="checks">.*?</table>', page, re.DOTALL)[0]
    assert f'class="badge {status}"' in rows
    assert [s for s in STATUSES if f'class="badge {s}"' in rows] == [status]
    assert STATUSES[status] in Page(page).text


def test_no_nan_is_written_where_there_is_no_number():
    found = [check(column=s, status=s) for s in STATUSES if s not in ("ok", "alert")]
    found.append(check(column="broken", value=float("nan"), threshold=float("inf")))
    text = Page(page_of([report(found)])).text
    assert not re.search(r"\b([Nn]a[Nn]|inf|None)\b", text)
    assert "≤ –" not in text


def test_an_empty_history_is_a_page_that_says_so():
    for frame in (None, pd.DataFrame()):
        text = Page(html_report("flights", None, frame, generated_at=NOW)).text
        assert "No incident so far." in text
        assert "No checks yet." in text
        assert "no window judged yet" in text


def test_a_window_without_data_is_no_good_window():
    empty = [report([], 0, status="no_data", rows=0, reason="no rows arrived")]
    page = page_of(empty)
    assert "no rows arrived" in Page(page).text
    assert '<div class="card no_data">' in page


def test_history_alone_makes_a_page_with_the_sides_of_limits_found_from_the_verdicts():
    checks = [c for r in season() for c in r.checks]
    page = html_report("flights", None, history(checks), generated_at=NOW)
    rows = re.search(r'<table class="checks">.*?</table>', page, re.DOTALL)[0]
    assert "≥ 0.78" in rows
    assert "≤ 0.21" in rows


def test_hundreds_of_checks_and_long_names_fit():
    names = [f"{i}{'x' * 10_000}" for i in range(250)]
    reports = [
        report([check(column=n, window=day(i)) for n in names] + [alert(window=day(i))], i)
        for i in range(3)
    ]
    page = page_of(reports)
    assert len(re.findall(r"<svg role=", page)) <= 18
    assert "x" * 200 not in page
    assert len(page) < 2_000_000


def test_a_page_depends_on_nothing_but_its_inputs():
    assert page_of() == page_of()


def test_an_incident_of_an_expectation_says_its_reason():
    name, why = "expect_column_values_to_be_between", "1 of 2 values fall outside [0, inf)"
    found = alert(family="quality", name=name, column="x", threshold=None, reason=why)
    page = page_of([report([found])], [incident([found])])
    incidents = page[page.index(">Incidents<") : page.index(">Timeline<")]
    assert f"x: {why}" in incidents


@pytest.mark.browser
def test_a_browser_shows_the_page_without_complaint(page, tmp_path):
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        pytest.skip("no chromium")
    file = tmp_path / "report.html"
    # A script in the page would leave a mark, if the policy let it run.
    file.write_text(page.replace("</body>", "<script>document.title='ran'</script></body>"))
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--disable-background-networking", "--enable-logging=stderr"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", file.as_uri()]
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env=environment
    )
    assert "<title>flights: insufficient</title>" in done.stdout or (
        "<title>flights: ok</title>" in done.stdout
    )
    assert "Incidents</h2>" in done.stdout
    assert "Refused to execute inline script" in done.stderr or (
        "Executing inline script violates" in done.stderr
    )
