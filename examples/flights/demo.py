"""The demo: serve a year day by day, watch it, retrain when the monitor asks for it."""

from __future__ import annotations

import contextvars
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from examples.flights import data, exploring, serving, training
from examples.flights.ahead import Served, serving_ahead
from monitoring_sdk import stages
from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.render.summary import span_text
from monitoring_sdk.report import Trigger
from monitoring_sdk.stages import feedback
from monitoring_sdk.window import Window

if TYPE_CHECKING:
    from prefect import Flow

OF_INPUTS = ("drift/", "quality/unseen_share/")
MONITOR = Path("monitors/flights.yaml")
DATA = "data/flights"


@dataclass(frozen=True)
class Plan:
    """Which days are trained on, taken as the baseline, and monitored (New York days).

    `training_start` to `baseline_start` are trained on, `baseline_start` to `start` are the
    baseline, `start` up to, but without, `end` are served and monitored one by one.
    """

    training_start: date = date(2013, 1, 1)
    baseline_start: date = date(2013, 4, 1)
    start: date = date(2013, 6, 1)
    end: date = date(2014, 1, 1)


@dataclass(frozen=True)
class Told:
    """What the demo ended with."""

    text: str
    incidents: Path
    report: Path


def run(folder: Path, plan: Plan = Plan(), *, monitor: Path = MONITOR) -> Told:
    """Run the demo, in a folder that is emptied first.

    Everything is written under the folder: data, models, store, baselines, the monitor file with
    its paths changed, and the page. The environment of this process says so to the flows, and
    through them to the hook.

    Parameters
    ----------
    folder : Path
    plan : Plan
    monitor : Path
        The monitor file that is watched by.

    Raises
    ------
    ConfigError
        When the folder holds what no demo has left there.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "monitors").is_dir():
        raise ConfigError(f"{folder} holds something that is not the demo's: it is left alone")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = _set_up(folder, monitor)
    with _environment(folder):
        server = _start_server()
        prepare(folder / "data", plan)
        server.join()
        return _watch(config, folder, plan)


def prepare(root: Path, plan: Plan) -> None:
    """Train and publish the first model, and serve the baseline's days at once."""
    _tell("training on the flights before " + f"{plan.baseline_start:%Y-%m-%d}")
    flights = data.load_flights()
    past, rest = exploring.split(flights, plan.baseline_start)
    _, past = exploring.split(past, plan.training_start)
    served, _ = exploring.split(rest, plan.end)
    model = training.fit(past)
    training.publish(model, root / "model")
    for day in serving.serve(model, served, root, plan.baseline_start, plan.start):
        _progress(f"serving {day.day}")


def _set_up(folder: Path, monitor: Path) -> MonitorConfig:
    """Write the monitor file again with the demo's paths and this Python."""
    text = monitor.read_text(encoding="utf-8")
    text = text.replace(DATA, str(folder / "data")).replace("[python,", f"[{sys.executable},")
    file = folder / "monitors" / monitor.name
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    config, _ = stages.find_config(file)
    return config


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """Point everything at the demo's folder, for this process and those it starts."""
    settings: Mapping[str, str] = {
        "MONITORING_STORE": f"sqlite:///{folder / 'store.db'}",
        "MONITORING_BASELINES": str(folder / "baselines"),
        "MONITORING_REPORTS": str(folder / "reports"),
        "MONITORING_MONITORS": str(folder / "monitors"),
        # The demo's own lines say how far it is; nobody reads the logs of a passing server.
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }
    names = {*settings, "PREFECT_API_URL"}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start_server() -> threading.Thread:
    """Start Prefect's passing server while the first model is trained."""
    from flows.run_local import start_server

    # With the settings that hold here, wherever they come from.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(start_server,), daemon=True)
    thread.start()
    return thread


def _watch(config: MonitorConfig, folder: Path, plan: Plan) -> Told:
    from flows.run_local import call_flow

    windows = _windows(config, plan.start, plan.end)
    first, last = _midnight(plan.baseline_start), _midnight(plan.start)
    store = open_store()
    try:
        with (
            serving_ahead(folder / "data", plan.baseline_start, plan.end) as served,
            stages.looking_ahead(config, 1) as looked,
        ):
            for window in windows[:2]:
                served.begin(_day(window))
            built = stages.build_baseline(config, first, last, now=last)
            _tell(f"baseline {built.version}: {built.rows:,} rows of {len(built.windows)} days")
            call_flow(_walk(config, windows, served, looked, store))
        return conclude(config, windows, store, folder)
    finally:
        store.close()


def _walk(
    config: MonitorConfig,
    windows: Sequence[Window],
    served: Served,
    looked: stages.Ahead,
    store: Store,
) -> Flow[[], None]:
    """Return a flow that looks at each day once it is served, as `flows.backfill` does.

    While one day is decided about, the next is looked at and the one after it served: the first two
    are being served already.
    """
    from prefect import flow

    from flows.steps import follow_up, must_have_looked
    from tasks.act import evaluate_window
    from tasks.hop import whole

    @flow(name="flights-demo", persist_result=False)
    def walk() -> None:
        week = Weekly()
        for number, window in enumerate(windows, start=1):
            served.finish(_day(window))
            if number == 1:
                looked.begin(window, stages.step_as_of(config, window))
            for later in windows[number : number + 1]:
                served.finish(_day(later))
                looked.begin(later, stages.step_as_of(config, later))
            for later in windows[number + 1 : number + 2]:
                served.begin(_day(later))
            due = stages.step_as_of(config, window)
            report = evaluate_window(
                config, window, due, store, notify=True, recompute=False, ahead=whole(looked)
            )
            must_have_looked(report)
            follow_up(config, report, store)
            week.add(_day(window), report.status)
            answer(config, window, store)
        week.end()

    return walk


def answer(config: MonitorConfig, window: Window, store: Store) -> bool:
    """Answer as who is on call would: inputs that stay different for a week are so from now on.

    That is said of an incident which is open for a week and in which nothing but inputs and their
    levels deviates, as after a change of timetable. Where performance fell, or values are missing,
    somebody has to look.
    """
    opened = [i for i in store.incidents(config.model) if i.closed is None]
    if not opened or any(not k.startswith(OF_INPUTS) for k in opened[0].checks):
        return False
    if window.end - opened[0].opened < timedelta(days=7):
        return False
    said = f"{len(opened[0].checks)} values of the inputs differ since {opened[0].opened:%d %B}"
    feedback.say(store, opened[0], "expected_change", said_by="demo", now=window.end, reason=said)
    _tell(f"on call, {_day(window):%Y-%m-%d}: an expected change, {said}")
    return True


def conclude(config: MonitorConfig, windows: Sequence[Window], store: Store, folder: Path) -> Told:
    """Judge all windows with the labels known at the end, and write down what was found."""
    at = windows[-1].end
    stages.revise(config, windows, at, store)
    document = stages.span_document(config, windows, at, store, checks=True)
    incidents, triggers = store.incidents(config.model), store.triggers(config.model)
    published = stages.publish(config, store)
    report, listed = folder / "report.html", folder / "incidents.json"
    shutil.copyfile(published.path, report)
    found = {
        "schema": 1,
        "model": config.model,
        "incidents": [i.to_dict() for i in incidents],
        "triggers": [t.to_dict() for t in triggers],
        "pages": len(incidents),
    }
    listed.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    lines = [span_text(document, config.window.timezone), "", *_retrainings(triggers), ""]
    lines += [f"incidents: {listed}", f"report: {report}"]
    return Told("\n".join(lines), listed, report)


def _retrainings(triggers: Sequence[Trigger]) -> list[str]:
    if not triggers:
        return ["no retraining was asked for"]
    lines = []
    for trigger in triggers:
        day = (trigger.window_end - timedelta(microseconds=1)).astimezone(ZoneInfo(data.ZONE))
        lines.append(f"retraining asked for on {day:%Y-%m-%d} because {trigger.reason}")
        lines.append(f"  {trigger.outcome or f'{trigger.state}: nothing came of it yet'}")
    return lines


def _windows(config: MonitorConfig, start: date, end: date) -> list[Window]:
    return list(config.cadence.windows(_midnight(start), _midnight(end)))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(data.ZONE)).astimezone(UTC)


def _day(window: Window) -> date:
    return window.start.astimezone(ZoneInfo(data.ZONE)).date()


class Weekly:
    """Lines of progress: each day on a terminal, a line a week elsewhere."""

    def __init__(self) -> None:
        self._days: list[tuple[date, str]] = []

    def add(self, day: date, status: str) -> None:
        """Take a day in."""
        if self._days and day.weekday() == 0:
            self.end()
        self._days.append((day, status))
        _progress(f"{day} {status}")

    def end(self) -> None:
        """End the week, and tell of it where each day was not shown."""
        if self._days and not sys.stderr.isatty():
            alerts = sum(status == "alert" for _, status in self._days)
            _tell(f"{self._days[0][0]}: {len(self._days)} days, {alerts} with an alert")
        self._days = []


def _progress(text: str) -> None:
    """Write a line over the one before, and let what is printed next start on it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\033[K{text}\r")
        sys.stderr.flush()


def _tell(text: str) -> None:
    clear = "\033[K" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{clear}{text}\n")
    sys.stderr.flush()
