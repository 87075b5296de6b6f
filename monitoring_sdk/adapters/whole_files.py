"""Files on this machine's disk that appear whole or not at all: written aside, then renamed."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def appearing(path: Path, *, mode: int = 0o666, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a draft that takes the place of a file when the block ends, and is gone if it fails.

    Parameters
    ----------
    path : Path
        In a folder that is there.
    mode : int
        Of the file, less the process's mask.
    durable : bool
        Whether the disk has the content and the name when the block has ended.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with appearing(path) as out:
    ...     _ = out.write(b"whole")
    ...     path.exists()
    False
    >>> path.read_text()
    'whole'
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            yield out
            if durable:
                out.flush()
                os.fsync(out.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the disk know the names in a folder, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
