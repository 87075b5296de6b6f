"""How a stage becomes a Prefect task: nothing cached or persisted, and a name with its window.

Prefect would hash the inputs of a task to cache it, and walk through all that they hold to find
upstream tasks: neither has a use here, where a stage is never run twice on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast
from zoneinfo import ZoneInfo

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run
from prefect.settings import PREFECT_UI_URL
from prefect.utilities.annotations import BaseAnnotation, opaque

from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.window import Window

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def window_label(config: MonitorConfig, window: Window) -> str:
    """Name a window for people, by the local time at which it starts.

    Returns
    -------
    str
        A date; a month for windows of a month; date and time for windows shorter than a day.
    """
    start = window.start.astimezone(ZoneInfo(config.window.timezone))
    if config.window.every.endswith("mo"):
        return f"{start:%Y-%m}"
    return f"{start:%Y-%m-%d}" if config.window.every[-1] in "dw" else f"{start:%Y-%m-%d %H:%M}"


def _run_name() -> str:
    parameters = {
        name: value.unwrap() if isinstance(value, BaseAnnotation) else value
        for name, value in task_run.get_parameters().items()
    }
    # Every hop is given a handle or a report, which know their window, or the window itself.
    about = parameters.get("handle") or parameters.get("report")
    config: Any = parameters.get("config") or getattr(about, "config", None)
    window: Any = parameters.get("window") or getattr(about, "window", None)
    name = str(task_run.get_task_name())
    return name if window is None else f"{name} {window_label(config, window)}"


def hop(function: Callable[P, R]) -> Task[P, R]:
    """Make a task of a function that runs one stage."""
    return task(cache_policy=NO_CACHE, persist_result=False, task_run_name=_run_name)(function)


def in_ui() -> bool:
    """Tell whether the run can be looked at: the server that passes with a command has no pages."""
    return bool(PREFECT_UI_URL.value())


def whole(value: T) -> T:
    """Hand a value to a task as one piece, so that Prefect does not walk through its parts."""
    return cast(T, opaque(value))
