"""The files of an inference log after they were written: rows and days are taken out of them.

A file is written anew beside the old one and renamed over it, or put in its place where it lies
behind a URL, so that whoever reads sees one of the two, whole. Files are never changed in place,
and a log's writer only adds files of its own.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from monitoring_sdk.adapters.folders import fresh, is_remote, replacing, stamp
from monitoring_sdk.errors import SourceError
from monitoring_sdk.profile.levels import canonical_level

_DAY = re.compile(r"[A-Za-z_]\w*=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, slots=True)
class Erased:
    """A file that was written anew, and how many rows it lost."""

    path: Path
    rows: int


def parquet_files(place: Path) -> Iterator[Path]:
    """Yield the Parquet files of a folder, or a file itself; drafts and hidden files are none.

    Names are resolved without following links out of the folder.
    """
    if place.is_file():
        yield from [place] if place.suffix in (".parquet", ".pq") else []
        return
    for root, folders, names in os.walk(place):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "_")))
        for name in sorted(names):
            if name.endswith((".parquet", ".pq")) and not name.startswith((".", "_")):
                yield Path(root) / name


def erase_rows(path: Path, ids: Mapping[str, str]) -> Erased | None:
    """Take the rows of one id out of a file; None, and nothing written, where it has none.

    Parameters
    ----------
    ids : mapping of str to str
        The value of each id column, as text: `5` is 5, 5.0 and "5" alike.

    Raises
    ------
    SourceError
        When the file cannot be read or written, or was changed meanwhile.
    """
    if not is_remote(path):
        # A link stays one: the file that it names is written anew.
        path = path.resolve()
    try:
        before = stamp(fresh(path))
        with path.open("rb") as opened, pq.ParquetFile(opened) as file:
            found = _found(file, ids)
            if not found:
                return None
            with replacing(path) as out:
                if not is_remote(path):
                    os.chmod(out.fileno(), stat.S_IMODE(path.stat().st_mode))
                _rewrite(file, out, ids)
                if stamp(fresh(path)) != before:
                    raise SourceError(f"{path}: changed while it was written anew; run it again")
    except SourceError:
        raise
    except Exception as error:  # Drivers raise errors of their own kinds.
        raise SourceError(f"{path}: cannot be written anew: {type(error).__name__}") from None
    return Erased(path, found)


def _found(file: pq.ParquetFile, ids: Mapping[str, str]) -> int:
    """Count the rows of an id; none in a file without the columns."""
    if not set(ids) <= set(file.schema_arrow.names):
        return 0
    batches = file.iter_batches(columns=list(ids))
    return sum(int(np.count_nonzero(_hits(batch, ids))) for batch in batches)


def _rewrite(file: pq.ParquetFile, out: BinaryIO, ids: Mapping[str, str]) -> None:
    """Write a file's other rows, a row group as one, in its own schema and compression."""
    meta = file.metadata
    codec = meta.row_group(0).column(0).compression.lower() if meta.num_row_groups else "zstd"
    compression = "none" if codec == "uncompressed" else codec
    with pq.ParquetWriter(out, file.schema_arrow, compression=compression) as writer:
        for index in range(meta.num_row_groups):
            table = file.read_row_group(index)
            kept = [b.filter(pa.array(~_hits(b, ids))) for b in table.to_batches()]
            writer.write_table(pa.Table.from_batches(kept, table.schema))


def _hits(batch: pa.RecordBatch, ids: Mapping[str, str]) -> NDArray[np.bool_]:
    found = np.ones(batch.num_rows, bool)
    for name, wanted in ids.items():
        found &= _same(batch.column(name), wanted)
    return found


def _same(column: pa.Array, wanted: str) -> NDArray[np.bool_]:
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        hits = pc.fill_null(pc.equal(column.cast(pa.large_string()), wanted), False)
        return np.asarray(hits.to_numpy(zero_copy_only=False), bool)
    values = (None if v is None or v != v else canonical_level(v) for v in column.to_pylist())
    return np.array([v == wanted for v in values], bool)


def day_folders(place: Path) -> Iterator[tuple[date, Path]]:
    """Yield the folders `<column>=YYYY-MM-DD` of a log, and their days; links are none."""
    if not _is_folder(fresh(place)):
        return
    for folder in sorted(place.iterdir()):
        match = _DAY.fullmatch(folder.name)
        if match is not None and _is_folder(folder):
            try:
                yield date.fromisoformat(match[1]), folder
            except ValueError:
                continue


def _is_folder(place: Path) -> bool:
    return place.is_dir() and (is_remote(place) or not place.is_symlink())


def remove_days(place: Path, before: datetime) -> Sequence[Path]:
    """Remove the Parquet files of the days that were over, in every time zone, before a moment.

    Returns
    -------
    sequence of Path
        The files; their folders go with them where nothing else is in them.
    """
    removed: list[Path] = []
    for day, folder in day_folders(place):
        end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=2)
        if end > before:
            continue
        for path in [p for p in folder.iterdir() if p.suffix in (".parquet", ".pq")]:
            path.unlink(missing_ok=True)
            removed.append(path)
        # Behind a URL a folder is no more than the names of its files.
        if not is_remote(folder) and not any(folder.iterdir()):
            folder.rmdir()
    return removed
