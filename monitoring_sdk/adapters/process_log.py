"""What a process logs: the newest rows in memory, and all of them on their way to disk."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from monitoring_sdk.adapters.inference_log import KINDS
from monitoring_sdk.adapters.log_writer import LogLimits, LogWriter
from monitoring_sdk.adapters.logged_chunks import Chunk, RecentRows, lay_plainly, rows_of
from monitoring_sdk.adapters.logged_rows import ID, lay_rows, with_id_and_moment
from monitoring_sdk.adapters.sending import collector_address, send_segment
from monitoring_sdk.adapters.settling import file_segment
from monitoring_sdk.errors import ConfigError

SENT = LogLimits(segment_seconds=2.0, segment_bytes=4 * 2**20)
"""Segments for a collector are short, so that it has the rows soon."""


def open_writer(
    folder: Path,
    files: Path,
    model: str,
    url: str | None,
    api_key: str | None,
    limits: LogLimits | None,
) -> LogWriter:
    """Open the log of a model: files, or a collector; rows on their way are in a folder's spool.

    Parameters
    ----------
    folder : Path
        On this disk.
    files : Path
        Where rows are filed; the same folder, or one by URL.

    Raises
    ------
    ConfigError
        When the collector's address is none, or there is no key for it.
    """
    folder = folder.absolute()
    if url is None:
        return LogWriter(folder, file_segment(files.absolute()), limits)
    address = collector_address(url)
    if not api_key:
        raise ConfigError("ModelMonitor: url needs a key: api_key, or MONITORING_API_KEY")
    return LogWriter(folder, send_segment(address, model, api_key), limits or SENT)


class ProcessLog:
    """Keeps what is logged: in memory the newest rows, and beyond it all through a writer.

    Parameters
    ----------
    writer : LogWriter, optional
    keep_rows : int
        Rows of either kind in memory.
    unique : bool
        Whether a row without an id gets one that no other process gives; else its number.
    """

    def __init__(self, writer: LogWriter | None, keep_rows: int, unique: bool) -> None:
        self.writer = writer
        self._unique = unique
        self._recent = {kind: RecentRows(keep_rows) for kind in KINDS}
        self._run = ("", 0)

    def frames(self, kind: str) -> list[pd.DataFrame]:
        """Return the rows in memory."""
        return self._recent[kind].frames()

    def keep(
        self,
        kind: str,
        values: Any,
        name: str,
        extra: Mapping[str, Any],
        at: str,
        features: Any = None,
    ) -> None:
        """Keep the rows of a call; nothing is kept of one that is refused.

        Parameters
        ----------
        name, extra, features
            As `lay_rows` takes them.
        at : str
            The column of moments.
        """
        now = datetime.now(UTC)
        plain = None
        if extra.get(at) is None:
            plain = lay_plainly(values, name, extra, features, (ID,))
        if plain is not None and at not in plain:
            rows = rows_of(plain)
            ids = plain.pop(ID, None)
            chunk: Chunk = {
                ID: self._numbers(kind, rows) if ids is None else ids,
                **plain,
                at: [now] * rows,
            }
        else:
            frame = lay_rows(values, name, extra, features, single=(ID,))
            chunk = self._with_ids(kind, frame, at, now)
            if chunk.empty:
                return
        self._recent[kind].add(chunk)
        if self.writer is not None:
            self.writer.submit(kind, chunk)

    def _with_ids(self, kind: str, frame: pd.DataFrame, at: str, now: datetime) -> pd.DataFrame:
        twice = frame.columns[frame.columns.duplicated()]
        if len(twice):
            raise ConfigError(f"several columns are named {twice[0]!r}")
        whole = with_id_and_moment(frame, at, 0, now)
        if ID not in frame:
            whole[ID] = self._numbers(kind, len(whole))
        return whole

    def _numbers(self, kind: str, rows: int) -> list[Any]:
        first = self._recent[kind].number(rows)
        if not self._unique:
            return list(range(first, first + rows))
        process = os.getpid()
        if self._run[1] != process:
            self._run = (uuid.uuid4().hex, process)
        return [f"{self._run[0]}-{n}" for n in range(first, first + rows)]
