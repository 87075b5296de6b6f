"""What the collector takes: rows and their ids in one transaction, then Parquet files.

A row's id and the row itself are committed together by SQLite, which syncs before it says so. The
ids stay for a month or two, as hashes on disk, so that a repeated row is known after a restart too,
and neither memory nor the disk grows with them for ever. The rows wait in the same database until
they are filed: first the name of the file is committed, then the file is written, then the rows are
removed, so that whoever is killed in between starts over with the same file.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from monitoring_sdk.adapters.inference_log import write_days
from monitoring_sdk.adapters.sending import as_arrow
from monitoring_sdk.adapters.whole_files import sync_folder
from monitoring_sdk.errors import StoreError

log = logging.getLogger("monitoring_sdk.collector")

QUEUE_JOBS, GROUP_JOBS = 64, 32
FILE_BYTES = 64 * 2**20
MOMENT = "__moment"

REMEMBERED_DAYS = 30
"""An id is known for so long at least, and for twice as long at most."""

_DAY = 86_400
_TABLES = """
create table if not exists pending (
  seq integer primary key autoincrement, model text, kind text, file text, rows blob
);
"""


@dataclass(frozen=True, slots=True)
class Job:
    """Rows of one request, with the moment that says the day of each, and hashes of their ids."""

    model: str
    kind: str
    rows: pa.Table
    ids: list[bytes]
    done: Future[int] = field(default_factory=Future)


class _Ids:
    """Hashes of the ids that were taken, a table for every thirty days: the oldest go as one."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base
        self._at = -1
        self._insert = ""

    def turn(self, now: float) -> None:
        """Begin a new table where it is time, and forget the one before the last."""
        at = int(now // _DAY) // REMEMBERED_DAYS
        if at <= self._at:
            return
        known = self._known()
        at = max([at, *known])
        table = "(space text, id blob, primary key (space, id)) without rowid"
        for wanted in (at - 1, at):
            self._base.execute(f"create table if not exists seen_{wanted} {table}")
        for old in known:
            if old < at - 1:
                self._base.execute(f"drop table seen_{old}")
        self._at = at
        self._insert = (
            f"insert or ignore into seen_{at} select ?1, ?2 where not exists"
            f" (select 1 from seen_{at - 1} where space = ?1 and id = ?2)"
        )

    def add(self, space: str, identity: bytes) -> bool:
        """Keep an id; say whether it is new."""
        return self._base.execute(self._insert, (space, identity)).rowcount == 1

    def _known(self) -> list[int]:
        named = "select name from sqlite_master where type = 'table' and name glob 'seen_[0-9]*'"
        return [int(name.removeprefix("seen_")) for (name,) in self._base.execute(named)]


def _connect(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=wal", "synchronous=full", "cache_size=-65536"):
        base.execute(f"pragma {pragma}")
    return base


class Intake:
    """Takes rows durably, each id once, and files them every `every` seconds.

    Parameters
    ----------
    root : Path
        Folder on this disk of what waits to be filed.
    files : Path, optional
        Where each model's log is written; by default in the same folder.
    """

    def __init__(
        self,
        root: Path,
        every: float = 30.0,
        clock: Callable[[], float] = time.time,
        files: Path | None = None,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root, self._every, self._clock = root, every, clock
        self._files = root if files is None else files
        path = root / "collector.db"
        self._guard = sqlite3.connect(
            root / "collector.lock", timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            # Two collectors would file the same rows: the lock ends with the process.
            self._guard.execute("pragma journal_mode=delete")
            self._guard.execute("begin exclusive")
        except sqlite3.OperationalError:
            raise StoreError(f"{root}: another collector files its rows here") from None
        self._base = _connect(path)
        self._base.executescript(_TABLES)
        self._ids = _Ids(self._base)
        sync_folder(root)
        self._jobs: queue.Queue[Job | None] = queue.Queue(QUEUE_JOBS)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._take, self._file)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> bool:
        """Queue a job; its future tells the number of rows that were new. False: too busy."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """Take what is queued, file everything, and let go of the folder."""
        self._jobs.put(None)
        self._threads[0].join()
        self._stop.set()
        self._threads[1].join()
        self._base.close()
        self._guard.close()

    def _take(self) -> None:
        going = True
        while going:
            jobs = [self._jobs.get()]
            with contextlib.suppress(queue.Empty):
                while len(jobs) < GROUP_JOBS:
                    jobs.append(self._jobs.get_nowait())
            going = None not in jobs
            self._commit([j for j in jobs if j is not None])

    def _commit(self, jobs: list[Job]) -> None:
        """Commit several requests at once: they share one sync of the disk."""
        try:
            self._base.execute("begin immediate")
            self._ids.turn(self._clock())
            taken = [self._insert(job) for job in jobs]
            self._base.execute("commit")
        except Exception as error:
            with contextlib.suppress(sqlite3.Error):
                self._base.execute("rollback")
            # A table that was begun is gone with the rest.
            self._ids = _Ids(self._base)
            log.error("rows could not be taken: %s", type(error).__name__)
            for job in jobs:
                job.done.set_exception(
                    StoreError(f"the disk takes no rows ({type(error).__name__})")
                )
            return
        for job, new in zip(jobs, taken, strict=True):
            job.done.set_result(new)

    def _insert(self, job: Job) -> int:
        space = f"{job.model}/{job.kind}"
        new = [self._ids.add(space, i) for i in job.ids]
        rows = job.rows if all(new) else job.rows.filter(pa.array(new))
        if rows.num_rows:
            self._base.execute(
                "insert into pending (model, kind, rows) values (?, ?, ?)",
                (job.model, job.kind, as_arrow(rows)),
            )
        return int(rows.num_rows)

    def _file(self) -> None:
        base = _connect(self._root / "collector.db")
        stopped = False
        while True:
            try:
                while self._file_some(base):
                    pass
            except Exception as error:
                with contextlib.suppress(sqlite3.Error):
                    base.execute("rollback")
                log.error("rows wait to be filed: %s", type(error).__name__)
            if stopped:
                break
            stopped = self._stop.wait(self._every)
        base.close()

    def _file_some(self, base: sqlite3.Connection) -> bool:
        """File the oldest rows of one model and kind; say whether there were any."""
        left = base.execute(
            "select model, kind, file from pending order by file is null, seq limit 1"
        )
        oldest = left.fetchone()
        if oldest is None:
            return False
        model, kind, name = oldest
        if name is None:
            name = self._name_file(base, model, kind)
        found = base.execute("select rows from pending where file = ? order by seq", (name,))
        parts = [pa.ipc.open_stream(blob).read_all() for (blob,) in found.fetchall()]
        for i, table in enumerate(_alike(parts)):
            moments = table.column(MOMENT)
            write_days(
                self._files / model, kind, table.drop_columns([MOMENT]), moments, f"{name}-{i}"
            )
        base.execute("delete from pending where file = ?", (name,))
        return True

    def _name_file(self, base: sqlite3.Connection, model: str, kind: str) -> str:
        """Settle which rows make the next file, before it is written.

        No other collector that files in the same remote folder gives the same name.
        """
        sizes = base.execute(
            "select seq, length(rows) from pending where model = ? and kind = ? and file is null"
            " order by seq",
            (model, kind),
        ).fetchall()
        total, last = 0, sizes[0][0]
        for seq, size in sizes:
            total += size
            if total > FILE_BYTES and seq != sizes[0][0]:
                break
            last = seq
        name = f"collector-{sizes[0][0]:012d}-{last:012d}-{uuid.uuid4().hex[:8]}"
        base.execute(
            "update pending set file = ?"
            " where model = ? and kind = ? and file is null and seq <= ?",
            (name, model, kind, last),
        )
        return name


def _alike(parts: list[pa.Table]) -> list[pa.Table]:
    """Put tables of the same columns and types together."""
    groups: dict[Any, list[pa.Table]] = {}
    for part in parts:
        groups.setdefault(part.schema, []).append(part)
    return [pa.concat_tables(group) for group in groups.values()]
