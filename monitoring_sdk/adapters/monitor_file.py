"""Monitor files as a service reads them: again and again, and validated once a version."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from monitoring_sdk.config import MonitorConfig, load_config


def config_now(path: Path) -> MonitorConfig:
    """Return what a monitor file says at this moment.

    Raises
    ------
    OSError
        When it is not there.
    ConfigError
        When it is wrong.
    """
    found = path.stat()
    return _read(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, mtime_ns: int, size: int) -> MonitorConfig:
    """Read a monitor file once a version: validating one takes longer than taking its rows."""
    return load_config(path)
