"""Folders by path or by fsspec URL: a file in one appears whole or not at all."""

from __future__ import annotations

import contextlib
import io
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from monitoring_sdk.adapters.sources.listing import redacted
from monitoring_sdk.adapters.whole_files import appearing
from monitoring_sdk.errors import ConfigError, MonitoringError

# What is put there is seen once all of it has arrived; elsewhere a draft is renamed.
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "memory"})
_PASSWORD = re.compile(r"://[^/]*@")
_LOCAL = re.compile(r"(file|local)://")


def is_remote(root: str | Path) -> bool:
    """Say whether a folder is named by a URL that is not of this machine's disk.

    Examples
    --------
    >>> is_remote("s3://bucket/baselines"), is_remote("file:///srv/baselines"), is_remote("b")
    (True, False, False)
    """
    return "://" in str(root) and not _LOCAL.match(str(root))


def folder(root: str | Path, what: str = "the folder") -> Path:
    """Return a folder as a path; that of a URL does what a path does, but is none of this disk.

    Parameters
    ----------
    root : str or Path
        A path, or an fsspec URL (`s3://bucket/baselines`, `memory://baselines`).
    what : str
        How errors call it: the variable that names it.

    Raises
    ------
    ConfigError
        When the URL holds a user or password, or its driver is not known or not installed.
    """
    if not isinstance(root, str):
        return root
    if not is_remote(root):
        return Path(_LOCAL.sub("", root))
    if _PASSWORD.search(root):
        raise ConfigError(
            f"{what}: {redacted(root)}: a user or password does not belong into the URL; give it "
            "to the driver by its own environment variables, or fsspec's"
        )
    from upath import UPath

    try:
        found = UPath(root.rstrip("/"))
        found.fs  # noqa: B018 (the driver is imported here)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{what}: {redacted(root)}: {error}") from None
    return cast(Path, found)


@contextlib.contextmanager
def reached(place: str | Path, what: type[MonitoringError] = MonitoringError) -> Iterator[None]:
    """Turn the failures of a disk or a driver into one error of ours that names the place.

    Drivers raise errors of their own kinds, and some put credentials into the text: of those only
    the kind is told.
    """
    try:
        yield
    except MonitoringError:
        raise
    except Exception as error:
        if is_remote(place):
            reason = type(error).__name__
        elif isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
        else:
            raise
        raise what(f"{redacted(str(place))}: cannot be reached: {reason}") from None


def replaceable(place: str | Path) -> bool:
    """Say whether a file is replaced as one: on this disk, or by a URL that says all of a store.

    Examples
    --------
    >>> replaceable("log"), replaceable("s3://bucket/log"), replaceable("ftp://me@host/log")
    (True, True, False)
    """
    if not is_remote(place):
        return True
    return str(place).partition("://")[0] in _WHOLE and not _PASSWORD.search(str(place))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open what takes the place of a file when the block ends, for good, and is gone if it fails.

    Behind a URL it is in memory until then.
    """
    if is_remote(path):
        out = io.BytesIO()
        yield out
        write(path, out.getvalue())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with appearing(path, durable=True) as draft:
        yield draft


def write(path: Path, content: bytes) -> None:
    """Write a file, or write it anew: whoever reads sees the old one or the new one, whole."""
    if is_remote(path) and replaceable(path):
        _remote(path).fs.pipe_file(_remote(path).path, content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if not is_remote(path):
        with appearing(path) as out:
            out.write(content)
        return
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        draft.write_bytes(content)
        _remote(path).fs.mv(_remote(draft).path, _remote(path).path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def create(path: Path, content: bytes) -> bool:
    """Write a file of a remote folder unless there is one; False when another was faster.

    Where the driver has no exclusive write, what is there afterwards says who was.
    """
    fs, inner = _remote(path).fs, _remote(path).path
    if fs.exists(inner):
        return False
    try:
        fs.pipe_file(inner, content, mode="create")
    except FileExistsError:
        return False
    except (TypeError, ValueError, NotImplementedError):
        fs.pipe_file(inner, content)
    fs.invalidate_cache()
    return bool(fs.cat_file(inner) == content)


def fresh(path: Path) -> Path:
    """Forget what a driver remembers of its folders: others write there too."""
    if is_remote(path):
        _remote(path).fs.invalidate_cache()
    return path


def stamp(path: Path) -> str:
    """Return a text that changes when a file does."""
    if is_remote(path):
        return str(_remote(path).fs.ukey(_remote(path).path))
    known = path.stat()
    return f"{known.st_mtime_ns}-{known.st_size}"


def _remote(path: Path) -> Any:
    return path
