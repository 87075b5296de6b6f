"""Look: what a window's own rows say, before anything is decided; also in other processes, ahead.

Verdicts, incidents and triggers follow from each other and are made in order, by one process. What
lies before them needs a window's rows and its baseline alone, and is most of the work.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from monitoring_sdk.adapters.process_end import end_with_parent
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.estimation.calibration import Calibrator
from monitoring_sdk.profile.profile import Profile
from monitoring_sdk.report import Check
from monitoring_sdk.stages.drift import build_profile
from monitoring_sdk.stages.estimate import (
    estimate_performance,
    keep_calibrator,
    kept_calibrator,
)
from monitoring_sdk.stages.handle import Handle, pull_window
from monitoring_sdk.stages.quality import Quality, check_quality
from monitoring_sdk.stages.scan import Pass, keep_pass, scan
from monitoring_sdk.window import Window

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """What a window's own rows say.

    Attributes
    ----------
    profile : Profile or None
        None where there are no rows, or quality blocks.
    estimates : tuple of Check
    """

    handle: Handle
    quality: Quality
    profile: Profile | None
    estimates: tuple[Check, ...]


@dataclass(frozen=True)
class _Carried:
    """A look from another process, with what that process kept for the stages after it."""

    look: Look
    rows: Pass | None
    calibrator: Calibrator | None


def look(handle: Handle) -> Look:
    """Check the quality of a window, profile it, and estimate its performance.

    Raises
    ------
    MonitoringError
        When the window could not be looked at.
    """
    quality = check_quality(handle)
    return Look(
        handle, quality, build_profile(handle, quality), estimate_performance(handle, quality)
    )


@dataclass
class Ahead:
    """Windows that other processes look at while this one decides about those before.

    Nothing depends on it but time: a look is taken only if it is of the very rows, baseline and
    settings that hold when the window's turn has come. Whatever went wrong with it comes up again,
    and is told, where the window is then looked at here.
    """

    config: MonitorConfig
    pool: ProcessPoolExecutor | None = None
    _begun: dict[Window, Future[_Carried]] = field(default_factory=dict, init=False)

    def begin(self, window: Window, as_of: datetime) -> None:
        """Begin to look at a window, unless that was begun before, and come back at once."""
        if self.pool is None or window in self._begun:
            return
        try:
            self._begun[window] = self.pool.submit(_look, self.config, window, as_of)
        except BrokenExecutor:
            self._alone()

    def take(self, handle: Handle) -> Look | None:
        """Return the look at a window, if one was begun and is of the same rows."""
        begun = self._begun.pop(handle.window, None)
        if begun is None:
            return None
        try:
            carried = begun.result()
        except BrokenExecutor:
            self._alone()
            return None
        except Exception as error:
            logger.debug("%s was not looked at ahead: %s", handle.window, error)
            return None
        if carried.look.handle != handle:
            return None
        if carried.rows is not None:
            keep_pass(handle, carried.rows)
        if carried.calibrator is not None:
            keep_calibrator(handle, carried.calibrator)
        return carried.look

    def drop(self, window: Window) -> None:
        """Let go of the look at a window, of which nothing is needed."""
        if (begun := self._begun.pop(window, None)) is not None:
            begun.cancel()

    def _alone(self) -> None:
        """Go on without the other processes: they died, for want of memory maybe."""
        if self.pool is not None:
            logger.warning("a process that looked at windows ahead has died; going on without")
        self.pool = None
        self._begun.clear()


@contextmanager
def looking_ahead(config: MonitorConfig, processes: int) -> Iterator[Ahead]:
    """Keep processes that look at windows ahead of the one that is decided.

    Parameters
    ----------
    processes : int
        How many there are beside this one; with none every window is looked at here.
    """
    if processes < 1:
        yield Ahead(config)
        return
    # A forked process would have the locks of threads without the threads that release them.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, _start)
    try:
        # Their imports take seconds: they begin before there is something to look at.
        for _ in range(processes):
            pool.submit(os.getpid)
        yield Ahead(config, pool)
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    end_with_parent()
    importlib.import_module("monitoring_sdk.adapters.quality")


def _look(config: MonitorConfig, window: Window, as_of: datetime) -> _Carried:
    handle = pull_window(config, window, as_of)
    found = look(handle)
    return _Carried(found, scan(handle) if handle.rows else None, kept_calibrator(handle))
