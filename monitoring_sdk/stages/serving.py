"""What a pass tells of the service: of requests, not of what a shadow answered beside them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.label_keys import IdKeys
from monitoring_sdk.metrics.operations import OPERATIONS, Served
from monitoring_sdk.profile.segments import level_codes
from monitoring_sdk.window import Window


def of_shadow(config: MonitorConfig, columns: Mapping[str, Any]) -> NDArray[np.bool_] | None:
    """Say which rows a shadow version wrote; None where no shadow is declared."""
    version, declared = config.columns.model_version, config.versions
    if declared is None or not declared.shadow or version is None or version not in columns:
        return None
    return level_codes(columns[version], declared.shadow, version) < len(declared.shadow)


def requests(config: MonitorConfig, ids: Mapping[str, pa.ChunkedArray], rows: int) -> int:
    """Count the requests of a window: a row that a shadow wrote beside another's is none.

    A canary takes its requests over: its ids are nobody else's, and each is one. Without ids only
    the rows of other versions count.

    Parameters
    ----------
    ids : mapping of str to pa.ChunkedArray
        The id columns and the version, of all rows or of an even sample of ids.
    rows : int
        All rows of the window.
    """
    shadow = of_shadow(config, ids)
    if shadow is None or not len(shadow):
        return rows
    names = [c for c in config.columns.id if c in ids]
    counted = np.count_nonzero(~shadow)
    if names:
        keys = IdKeys(pa.table({c: ids[c] for c in names}), names)
        own, others = (np.zeros(keys.distinct + 1, bool) for _ in range(2))
        # The code -1, of rows without an id, is the last place, which does not count.
        own[keys.codes[shadow]] = True
        others[keys.codes[~shadow]] = True
        counted += np.count_nonzero((own & ~others)[:-1])
    return round(rows * counted / len(shadow))


def served(
    config: MonitorConfig,
    window: Window,
    *,
    rows: int,
    whole: Mapping[str, pa.ChunkedArray],
    ids: Mapping[str, pa.ChunkedArray],
    newest: datetime | None,
) -> tuple[Served, tuple[str, ...]]:
    """Return what a pass tells of the service, and which figures apply to it.

    Parameters
    ----------
    rows : int
        All rows of the window.
    whole : mapping of str to pa.ChunkedArray
        Latency, errors and version of every row, as far as there are such columns.
    ids : mapping of str to pa.ChunkedArray
        See `requests`.
    """
    columns, shadow = config.columns, of_shadow(config, whole)

    def column(name: str | None) -> pa.ChunkedArray | None:
        if name is None or name not in whole:
            return None
        return whole[name] if shadow is None else whole[name].filter(pa.array(~shadow))

    latency, error = column(columns.latency_ms), column(columns.error)
    has = {None, "timestamp"} if rows else {None}
    has |= {"latency_ms"} if latency is not None else set()
    has |= {"error"} if error is not None else set()
    names = tuple(name for name, row in OPERATIONS.items() if row.needs in has)
    return Served(requests(config, ids, rows), window.end, latency, error, newest), names
