"""Which files a path means: one file, a glob, a folder, or any of these behind an fsspec URL."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import fsspec
import pyarrow.fs as pafs

from monitoring_sdk.adapters.sources.timestamps import Span
from monitoring_sdk.config_sections import Partition
from monitoring_sdk.errors import SourceError

PARQUET = (".parquet", ".pq")
DELIMITED = (".csv", ".csv.gz", ".csv.bz2", ".csv.zst")
READABLE = (*PARQUET, *DELIMITED)
_MAGIC = re.compile(r"[*?\[]")
_QUERY = re.compile(r"\?[^/*]*=.*$")
_USER = re.compile(r"(://)[^/]*@")
# A folder is named after a local day, or after one in UTC: a day covers every zone.
_MARGIN = timedelta(days=1)


def redacted(path: str) -> str:
    """Return a path or URL as errors may show it: without user, password and query.

    Examples
    --------
    >>> redacted("ftp://me:secret@host/data.csv?token=abc")
    'ftp://host/data.csv'
    """
    return _QUERY.sub("", _USER.sub(r"\1", path)) if "://" in path else path


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: where it is, which version of it, and what its folders say.

    `shown` is how errors and fingerprints name it, relative to the source's own path.
    """

    path: str
    shown: str
    version: str
    size: int
    partitions: tuple[tuple[str, str], ...] = ()

    @property
    def parquet(self) -> bool:
        """Whether the file is Parquet; else it is delimited text."""
        return self.path.lower().endswith(PARQUET)


def filesystem(path: str) -> tuple[Any, str]:
    """Return the fsspec file system of a path and the path inside of it."""
    try:
        return fsspec.core.url_to_fs(path)  # type: ignore[no-any-return]
    except (ImportError, ValueError, OSError) as error:
        reason = str(error) if isinstance(error, ImportError) else type(error).__name__
        raise SourceError(f"{redacted(path)}: cannot be reached: {reason}") from None


def arrow_filesystem(path: str) -> Any:
    """Return the file system of a path for Arrow; local files skip the Python layer."""
    fs, _ = filesystem(path)
    if _is_local(fs):
        return pafs.LocalFileSystem()
    return pafs.PyFileSystem(pafs.FSSpecHandler(fs))


def _is_local(fs: Any) -> bool:
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def _walk(folder: str) -> dict[str, Any]:
    """Find every file under a local folder; several times faster than `fsspec` does."""
    found = {}
    for root, _, names in os.walk(folder, onerror=_raise):
        for name in names:
            path = os.path.join(root, name)
            # A file that is replaced or removed meanwhile is simply not there any more.
            with contextlib.suppress(FileNotFoundError):
                known = os.stat(path)
                found[path.replace(os.sep, "/")] = {"size": known.st_size, "mtime": known.st_mtime}
    return found


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def list_entries(path: str) -> tuple[Entry, ...]:
    """Return the files that a path means, in order of their names.

    Raises
    ------
    SourceError
        When the path does not exist, cannot be read, or names no file of a known kind.
    """
    fs, inner = filesystem(path)
    try:
        fs.invalidate_cache()
        found = _find(fs, path, inner)
    except SourceError:
        raise
    except FileNotFoundError:
        raise SourceError(f"{redacted(path)}: no such file or folder") from None
    except Exception as error:
        # Drivers raise errors of their own kinds, and some put credentials into the text.
        raise SourceError(f"{redacted(path)}: cannot be listed: {type(error).__name__}") from None
    return found


def _find(fs: Any, path: str, inner: str) -> tuple[Entry, ...]:
    if _MAGIC.search(inner) and not fs.exists(inner):
        root = inner[: _MAGIC.search(inner).start()].rpartition("/")[0]  # type: ignore[union-attr]
        matched = fs.glob(inner, detail=True)
        if not matched and not fs.isdir(root):
            raise SourceError(f"{redacted(path)}: no file matches, and {root} is no folder")
        infos: dict[str, Any] = {}
        for name, info in matched.items():
            infos |= fs.find(name, detail=True) if info["type"] == "directory" else {name: info}
        return _entries(fs, infos, root, path)
    if fs.isdir(inner):
        found = _walk(inner) if _is_local(fs) else fs.find(inner, detail=True)
        return _entries(fs, found, inner.rstrip("/"), path)
    info = fs.info(inner)
    if not inner.lower().endswith(READABLE):
        raise SourceError(
            f"{redacted(path)}: not a file of a known kind; allowed: {', '.join(READABLE)}"
        )
    return (Entry(inner, inner.rpartition("/")[2], _version(fs, inner, info), _size(info)),)


def _entries(fs: Any, infos: Mapping[str, Any], root: str, path: str) -> tuple[Entry, ...]:
    entries, others = [], []
    for name in sorted(infos):
        shown = name.removeprefix(root).lstrip("/")
        steps = shown.split("/")
        if any(step.startswith((".", "_")) for step in steps):
            continue
        if not name.lower().endswith(READABLE):
            others.append(shown)
            continue
        pairs = (step.partition("=") for step in steps[:-1] if "=" in step)
        partitions = tuple((key, unquote(value)) for key, _, value in pairs)
        entries.append(
            Entry(name, shown, _version(fs, name, infos[name]), _size(infos[name]), partitions)
        )
    if others and not entries:
        raise SourceError(
            f"{redacted(path)}: {len(others)} files, none of a known kind ({others[0]}, ...); "
            f"allowed: {', '.join(READABLE)}"
        )
    return tuple(entries)


def _size(info: Mapping[str, Any]) -> int:
    return int(info.get("size") or 0)


def _version(fs: Any, name: str, info: Mapping[str, Any]) -> str:
    """Return a text that changes when the file does."""
    if "mtime" in info:
        return f"{info.get('size')}-{int(float(info['mtime']) * 1e9)}"
    for key in ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "updated", "created"):
        if info.get(key):
            return f"{info.get('size')}-{info[key]}"
    return f"{info.get('size')}-{fs.ukey(name)}"


def _next_period(start: datetime, form: str) -> datetime | None:
    """Return the end of the period that a partition of this format names."""
    if any(code in form for code in ("%H", "%I", "%M", "%S")):
        return start + timedelta(hours=1)
    if any(code in form for code in ("%d", "%j", "%a", "%A", "%u", "%w", "%x", "%D", "%F")):
        return start + timedelta(days=1)
    if any(code in form for code in ("%W", "%U", "%V", "%G")):
        return None
    if any(code in form for code in ("%m", "%b", "%B")):
        return (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    return start.replace(year=start.year + 1) if "%Y" in form or "%y" in form else None


@lru_cache(maxsize=4096)
def _dates(value: str, form: str) -> tuple[date, date] | None:
    try:
        start = datetime.strptime(value, form).replace(tzinfo=UTC)
        end = _next_period(start, form)
    except (ValueError, OverflowError):
        return None
    return None if end is None else (start.date(), (end - timedelta(microseconds=1)).date())


def inside(entries: Iterable[Entry], partition: Partition | None, span: Span) -> list[Entry]:
    """Drop the files whose folder is of other dates than the span's (a day to spare on each side).

    A folder whose name cannot be read as the partition's format is kept.
    """
    if partition is None or span.everything:
        return list(entries)
    first, last = span.dates(_MARGIN)
    kept = []
    for entry in entries:
        value = dict(entry.partitions).get(partition.column)
        dates = None if value is None else _dates(value, partition.format)
        late = dates is not None and last is not None and dates[0] > last
        early = dates is not None and first is not None and dates[1] < first
        if not (late or early):
            kept.append(entry)
    return kept
