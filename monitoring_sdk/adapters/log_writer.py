"""The log of a serving process: rows go into a bounded queue, threads write them down behind it.

One thread drains the queue into the process's spool (`spool.py`); rows are then the operating
system's, and outlive the process. Another settles full or old segments: it files them as Parquet,
or sends them to a collector.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from monitoring_sdk.adapters import process_end
from monitoring_sdk.adapters.logged_chunks import Chunk, rows_of, tables
from monitoring_sdk.adapters.settling import Settle, Settler
from monitoring_sdk.adapters.spool import Segment, Spool

log = logging.getLogger("monitoring_sdk.log")

DRAIN_ROWS = 20_000
OPEN_SEGMENTS = 8
_NOTICE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class LogLimits:
    """What a log may hold and how long.

    Parameters
    ----------
    queue_rows : int
        Rows that wait for the disk; further ones are dropped and counted.
    segment_seconds, segment_bytes : float, int
        A segment this old or large is filed or sent.
    spool_bytes : int
        What may wait for a collector that is not reached; beyond that, rows stay in the queue.
    """

    queue_rows: int = 100_000
    segment_seconds: float = 60.0
    segment_bytes: int = 64 * 2**20
    spool_bytes: int = 2**30


@dataclass(frozen=True, slots=True)
class LogStatus:
    """How a process's log is doing, in rows since the process began.

    Attributes
    ----------
    logged : int
        Taken into the queue.
    dropped : int
        Not taken, for the queue was full; or what no column can hold.
    spooled : int
        Handed to the operating system.
    settled : int
        Filed as Parquet, or taken by the collector; those left by former processes among them.
    refused : int
        Refused by the collector for good, and kept under `refused/`.
    problem : str or None
        Why the disk or the collector does not take rows at the moment.
    """

    logged: int = 0
    dropped: int = 0
    spooled: int = 0
    settled: int = 0
    refused: int = 0
    problem: str | None = None


class LogWriter:
    """Appends rows without making the caller wait.

    Parameters
    ----------
    folder : Path
        The log of one model.
    settle : callable
        What becomes of a segment.
    limits : LogLimits

    Notes
    -----
    Threads start with the first rows. A forked child starts with an empty queue and a spool of its
    own; what the parent had queued stays the parent's.
    """

    def __init__(self, folder: Path, settle: Settle, limits: LogLimits | None = None) -> None:
        self._root = folder / ".spool"
        self._settle = settle
        self._limits = limits or LogLimits()
        self._spool: Spool | None = None
        self._fresh()
        process_end.watch(self)

    def _fresh(self) -> None:
        self._queue: queue.SimpleQueue[tuple[str, Chunk] | threading.Event] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._settler = Settler(self._root, self._settle)
        self._status = LogStatus()
        # Two counts that only grow, one for each side: neither waits for the other.
        self._taken = self._drained = 0
        self._open: dict[tuple[str, pa.Schema], Segment] = {}
        self._noticed = float("-inf")

    def after_fork(self) -> None:
        """Begin anew in a forked child; the parent's files are left alone."""
        for segment in self._open.values():
            with contextlib.suppress(OSError):
                segment.close()
        if self._spool is not None:
            self._spool.forget()
        self._settler.forget()
        self._spool = None
        self._fresh()

    def submit(self, kind: str, chunk: Chunk) -> bool:
        """Queue the rows of a call; where the queue is full they are dropped, counted and False.

        The caller must not change the chunk afterwards.
        """
        rows = rows_of(chunk)
        with self._lock:
            if self._taken - self._drained + rows > self._limits.queue_rows:
                self._status = replace(self._status, dropped=self._status.dropped + rows)
                full = True
            else:
                self._taken += rows
                self._queue.put((kind, chunk))
                full = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="inference-log", daemon=True)
                self._thread.start()
        if full:
            self._notice("the queue of the inference log is full: rows are dropped")
        return not full

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until what was submitted is filed, or was offered to the collector once.

        Returns
        -------
        bool
            Whether nothing waits any more.
        """
        if self._thread is None:
            return True
        until = time.monotonic() + timeout
        mark = threading.Event()
        self._queue.put(mark)
        if not mark.wait(timeout):
            return False
        return self._settler.flush(max(0.1, until - time.monotonic()))

    @property
    def status(self) -> LogStatus:
        """The counts of this process."""
        of = self._settler
        return replace(
            self._status,
            logged=self._taken,
            spooled=self._drained,
            settled=of.settled,
            refused=of.refused,
            problem=self._status.problem or of.problem,
        )

    def close(self, timeout: float = 10.0) -> bool:
        """Flush, and let go of the spool."""
        done = self.flush(timeout)
        if done and self._spool is not None:
            self._spool.close()
            self._spool = None
            self._settler.release()
        return done

    def _notice(self, text: str) -> None:
        """Warn, but not more often than once a minute."""
        now = time.monotonic()
        if now - self._noticed >= _NOTICE_SECONDS:
            self._noticed = now
            log.warning("%s: %s", self._root.parent, text)

    # --- What the thread does -----------------------------------------------------------------

    def _run(self) -> None:
        while True:
            marks, chunks = self._collect()
            for kind in dict.fromkeys(k for k, _ in chunks):
                self._write(kind, [c for k, c in chunks if k == kind])
            with process_end.working():
                self._seal(everything=bool(marks))
            for mark in marks:
                mark.set()

    def _collect(self) -> tuple[list[threading.Event], list[tuple[str, Chunk]]]:
        """Wait for rows or a mark, and take all that is there, up to a batch."""
        marks: list[threading.Event] = []
        chunks: list[tuple[str, Chunk]] = []
        rows = 0
        wait: float | None = self._until_due()
        with contextlib.suppress(queue.Empty):
            while rows < DRAIN_ROWS and not marks:
                item = self._queue.get(timeout=wait) if not chunks else self._queue.get_nowait()
                if isinstance(item, threading.Event):
                    marks.append(item)
                else:
                    chunks.append(item)
                    rows += rows_of(item[1])
        return marks, chunks

    def _until_due(self) -> float | None:
        if not self._open:
            return None
        oldest = min(s.opened for s in self._open.values())
        return max(0.0, oldest + self._limits.segment_seconds - time.monotonic())

    def _write(self, kind: str, chunks: list[Chunk]) -> None:
        """Append rows to the spool, and try again for as long as the disk does not take them."""
        with process_end.working():
            written = self._tables(chunks)
        for table in written:
            while not self._append(kind, table):
                time.sleep(0.5)
            self._drained += table.num_rows

    def _tables(self, chunks: list[Chunk]) -> list[pa.Table]:
        try:
            return list(tables(chunks))
        except Exception as error:  # What no column can hold must not end the thread.
            rows = sum(map(rows_of, chunks))
            self._drained += rows
            with self._lock:
                self._status = replace(self._status, dropped=self._status.dropped + rows)
            self._notice(f"{rows} rows cannot be written ({type(error).__name__})")
            return []

    def _append(self, kind: str, table: pa.Table) -> bool:
        with process_end.working():
            return self._try_append(kind, table)

    def _try_append(self, kind: str, table: pa.Table) -> bool:
        try:
            if self._settler.waiting_bytes > self._limits.spool_bytes:
                raise OSError(0, f"{self._limits.spool_bytes:,} bytes wait already")
            if self._spool is None or not self._spool.folder.is_dir():
                self._spool = Spool(self._root)
                self._settler.start()
            key = (kind, table.schema)
            if key not in self._open:
                now = time.monotonic()
                self._open[key] = self._spool.open_segment(kind, table.schema, now)
            self._open[key].append(table)
        except OSError as error:
            told = f"the spool takes no rows ({error.strerror or type(error).__name__})"
            self._status = replace(self._status, problem=told)
            self._notice(told)
            return False
        if self._status.problem is not None:
            self._status = replace(self._status, problem=None)
        return True

    def _seal(self, everything: bool) -> None:
        """Hand segments that are due to the settler; of many open ones the oldest are due."""
        now = time.monotonic()
        excess = len(self._open) - OPEN_SEGMENTS
        by_age = sorted(self._open.items(), key=lambda item: item[1].opened)
        for i, (key, segment) in enumerate(by_age):
            old = now - segment.opened >= self._limits.segment_seconds
            if everything or old or i < excess or segment.size >= self._limits.segment_bytes:
                del self._open[key]
                segment.close()
                self._settler.take(segment.path, segment.size)
