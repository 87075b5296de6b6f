"""What becomes of a process's segments: a thread files or sends them, and tries again."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from monitoring_sdk.adapters import process_end
from monitoring_sdk.adapters.folders import folder, is_remote, reached
from monitoring_sdk.adapters.inference_log import LABELS, write_days
from monitoring_sdk.adapters.logged_rows import LABEL_TIMESTAMP, TIMESTAMP
from monitoring_sdk.adapters.spool import Abandoned, kind_of, read_segment, segments, take_over
from monitoring_sdk.errors import MonitoringError

log = logging.getLogger("monitoring_sdk.log")

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0


class NotYetError(Exception):
    """A segment cannot be settled now; it is tried again."""


class RefusedError(Exception):
    """A segment will never be taken; it is kept apart."""


Settle = Callable[[Path], int]
"""Files or sends a segment and returns its rows; raises NotYetError, RefusedError or OSError."""


def file_segment(place: Path) -> Settle:
    """Return what files segments as Parquet under the log of a model.

    Files are named after the segment: one that is filed again replaces its files. Where a remote
    folder cannot be reached, segments wait on disk.
    """

    def settle(path: Path) -> int:
        with process_end.working():
            rows = read_segment(path)
            if rows is None:
                return 0
            kind = kind_of(path)
            moments = rows.column(LABEL_TIMESTAMP if kind == LABELS else TIMESTAMP)
            moments = moments.cast(pa.timestamp("us", "UTC"), safe=False)
            with _reached(place) as reachable:
                write_days(reachable, kind, rows, moments, f"{path.parent.name}-{path.stem}")
            return int(rows.num_rows)

    return settle


@contextlib.contextmanager
def _reached(place: Path) -> Iterator[Path]:
    """Have a segment tried again, whatever a remote folder's driver raises: it is on disk here."""
    if not is_remote(place):
        yield place
        return
    try:
        with reached(place):
            # Named anew each time: a driver does not outlive a fork.
            yield folder(str(place))
    except MonitoringError as error:
        raise NotYetError(str(error)) from None


class Settler:
    """Settles segments in order in a thread of its own; what it cannot settle stays on disk."""

    def __init__(self, root: Path, settle: Settle) -> None:
        self._root = root
        self._settle = settle
        self._queue: queue.SimpleQueue[tuple[Path, int] | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pending: list[tuple[Path, int]] = []
        self._abandoned: list[Abandoned] = []
        self._offered = self._ended = 0
        self.settled = self.refused = 0
        self.problem: str | None = None

    @property
    def waiting_bytes(self) -> int:
        """What this process has handed over and is still on disk."""
        return self._offered - self._ended

    def start(self) -> None:
        """Start the thread, with what processes that are no more have left."""
        if self._thread is not None:
            return
        self._abandoned = take_over(self._root)
        for left in self._abandoned:
            for path in segments(left.folder):
                self.take(path, path.stat().st_size)
        self._thread = threading.Thread(target=self._run, name="inference-log-settle", daemon=True)
        self._thread.start()

    def take(self, path: Path, size: int) -> None:
        """Take a closed segment."""
        self._offered += size
        self._queue.put((path, size))

    def flush(self, timeout: float) -> bool:
        """Try everything once; say whether nothing is left."""
        if self._thread is None:
            return True
        mark = threading.Event()
        self._queue.put(mark)
        return mark.wait(timeout) and not self._pending

    def release(self) -> None:
        """Unlock what was taken over."""
        for left in self._abandoned:
            left.close()
        self._abandoned = []

    def forget(self) -> None:
        """Let go of locks in a forked child; the parent keeps them."""
        for left in self._abandoned:
            os.close(left.lock)
        self._abandoned = []

    def _run(self) -> None:
        wait, not_before = FIRST_WAIT, 0.0
        while True:
            marks = self._collect(not_before)
            if self._pending and (marks or time.monotonic() >= not_before):
                if self._settle_all():
                    wait, not_before = FIRST_WAIT, 0.0
                else:
                    not_before = time.monotonic() + wait
                    wait = min(2 * wait, LONGEST_WAIT)
            for mark in marks:
                mark.set()

    def _collect(self, not_before: float) -> list[threading.Event]:
        timeout = max(0.0, not_before - time.monotonic()) if self._pending else None
        try:
            item = self._queue.get(timeout=timeout)
        except queue.Empty:
            return []
        if isinstance(item, threading.Event):
            return [item]
        self._pending.append(item)
        return []

    def _settle_all(self) -> bool:
        """Settle in order until one has to wait."""
        while self._pending:
            path, size = self._pending[0]
            try:
                self.settled += self._settle(path)
                path.unlink()
            except RefusedError as error:
                self._set_apart(path, str(error))
            except FileNotFoundError:
                log.warning("%s: is gone", path)
            except (NotYetError, OSError) as error:
                told = str(error) if isinstance(error, NotYetError) else type(error).__name__
                if self.problem is None:
                    log.warning("%s: rows wait: %s", self._root.parent, told)
                self.problem = told
                return False
            except Exception as error:  # Nothing that rows may hold ends the thread.
                self._set_apart(path, f"{type(error).__name__}: {error}")
            self._pending.pop(0)
            self._ended += size
        self.problem = None
        return True

    def _set_apart(self, path: Path, reason: str) -> None:
        rows = read_segment(path)
        self.refused += 0 if rows is None else rows.num_rows
        apart = self._root.parent / "refused"
        apart.mkdir(exist_ok=True)
        path.replace(apart / f"{path.parent.name}-{path.name}")
        log.warning("%s: rows are kept under refused/: %s", self._root.parent, reason)
