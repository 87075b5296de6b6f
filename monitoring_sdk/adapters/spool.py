"""A process's spool: rows handed to the operating system at once, to be filed or sent later.

A segment is an Arrow IPC stream. Each append is one write to the file, so that what was appended
outlives the process (though not the machine: nothing is synced here), and a reader of a segment
whose writer was killed finds every complete append. The process holds a lock on its folder for as
long as it lives; a folder without one is taken over by whoever comes next.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such locks: nothing is taken over there
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".arrows"
_LOCK = "lock"


@dataclass(slots=True)
class Segment:
    """An open segment and how full it is."""

    path: Path
    descriptor: int
    schema: pa.Schema
    opened: float
    rows: int = 0
    size: int = 0

    def append(self, table: pa.Table) -> None:
        """Append rows, all or none.

        Raises
        ------
        OSError
            When the disk does not take them; the segment is as it was.
        """
        batches = table.combine_chunks().to_batches()
        data = b"".join(b.serialize().to_pybytes() for b in batches)
        if self.size == 0:
            data = self.schema.serialize().to_pybytes() + data
        try:
            _write_all(self.descriptor, data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.descriptor, self.size)
            raise
        self.rows += table.num_rows
        self.size += len(data)

    def close(self) -> None:
        os.close(self.descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def read_segment(path: Path) -> pa.Table | None:
    """Read the complete appends of a segment; None where there is none."""
    batches = []
    try:
        with pa.ipc.open_stream(path.read_bytes()) as reader:
            # The end may be half an append of a process that was killed: it is left out.
            with contextlib.suppress(StopIteration, pa.ArrowException, OSError):
                while True:
                    batches.append(reader.read_next_batch())
            return pa.Table.from_batches(batches, reader.schema) if batches else None
    except (pa.ArrowException, OSError):
        return None


class Spool:
    """The folder `<root>/<moment>-<process>-<token>`, locked while this process lives."""

    def __init__(self, root: Path) -> None:
        now = datetime.now(UTC)
        self.name = f"{now:%Y%m%dT%H%M%S}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.folder = root / self.name
        self._count = 0
        draft = root / f".{self.name}"
        draft.mkdir(parents=True)
        # Locked before it has its name: nobody takes it for a dead process's in between.
        self._lock = _locked(draft / _LOCK)
        draft.rename(self.folder)

    def open_segment(self, kind: str, schema: pa.Schema, now: float) -> Segment:
        """Begin a segment for rows of a kind and a schema."""
        self._count += 1
        path = self.folder / f"{kind}-{self._count:08d}{SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        return Segment(path, descriptor, schema, now)

    def forget(self) -> None:
        """Let go of the lock's descriptor in a forked child; the parent keeps its lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def close(self) -> None:
        """Remove the folder where nothing is left in it; else leave it to whoever comes next."""
        if not any(segments(self.folder)):
            shutil.rmtree(self.folder, ignore_errors=True)
        self.forget()


def _locked(path: Path) -> int | None:
    """Take a lock that ends with the process; None where another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if fcntl is None:  # pragma: no cover
        return descriptor
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def kind_of(segment: Path) -> str:
    """Return the kind of a segment's rows.

    Examples
    --------
    >>> kind_of(Path("predictions-00000001.arrows"))
    'predictions'
    """
    return segment.name.partition("-")[0]


def segments(folder: Path) -> Iterator[Path]:
    """Yield a folder's segments, oldest first."""
    yield from sorted(folder.glob(f"*{SUFFIX}"))


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The folder of a process that is no more, locked by this one."""

    folder: Path
    lock: int

    def close(self) -> None:
        """Remove the folder where nothing is left in it, and unlock it."""
        if not any(segments(self.folder)):
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self.lock)


def take_over(root: Path) -> list[Abandoned]:
    """Lock and return the folders of processes that are no more."""
    if fcntl is None or not root.is_dir():
        return []
    found = []
    for lock in sorted(root.glob(f"[!.]*/{_LOCK}")):
        with contextlib.suppress(FileNotFoundError):
            taken = _locked(lock)
            if taken is None:
                continue
            # Another may have emptied and removed it between our look and our lock.
            if lock.exists():
                found.append(Abandoned(lock.parent, taken))
            else:
                os.close(taken)
    return found
