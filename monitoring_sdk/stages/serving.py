"""What a pass tells of the service: of requests, not of what a shadow answered beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.label_keys import IdKeys
from monitoring_sdk.metrics.operations import OPERATIONS, Served
from monitoring_sdk.profile.segments import Segmentation, level_codes
from monitoring_sdk.window import Window


def of_shadow(config: MonitorConfig, columns: Mapping[str, Any]) -> NDArray[np.bool_] | None:
    """Say which rows a shadow version wrote; None where no shadow is declared."""
    version, declared = config.columns.model_version, config.versions
    if declared is None or not declared.shadow or version is None or version not in columns:
        return None
    return level_codes(columns[version], declared.shadow, version) < len(declared.shadow)


def is_request(config: MonitorConfig, rows: Mapping[str, Any]) -> NDArray[np.bool_] | None:
    """Say which rows are requests: a row that a shadow wrote beside another's is none.

    A canary takes its requests over: its ids are nobody else's, and each is one. Without ids only
    the rows of other versions count. None where every row is a request.

    Parameters
    ----------
    rows : mapping of str to array
        The id columns and the version.
    """
    shadow = of_shadow(config, rows)
    if shadow is None or not len(shadow):
        return None
    names = [c for c in config.columns.id if c in rows]
    if not names:
        return ~shadow
    keys = IdKeys(pa.table({c: rows[c] for c in names}), names)
    others = np.zeros(keys.distinct + 1, bool)
    # The code -1, of rows without an id, is the last place, which does not count.
    others[keys.codes[~shadow]] = True
    others[-1] = True
    alone = np.flatnonzero(shadow & ~others[keys.codes])
    first = alone[np.unique(keys.codes[alone], return_index=True)[1]]
    found = ~shadow
    found[first] = True
    return found


def requests(config: MonitorConfig, ids: Mapping[str, pa.ChunkedArray], rows: int) -> int:
    """Count the requests of a window.

    Parameters
    ----------
    ids : mapping of str to pa.ChunkedArray
        The id columns and the version, of all rows or of an even sample of ids.
    rows : int
        All rows of the window.
    """
    counted = is_request(config, ids)
    return rows if counted is None else round(rows * np.count_nonzero(counted) / len(counted))


def requests_of_segments(
    config: MonitorConfig,
    segmentations: Sequence[Segmentation],
    table: Mapping[str, pa.ChunkedArray],
    rows: int,
) -> dict[str, int] | None:
    """Count the requests of each segment, by its key; None where every row is one.

    Parameters
    ----------
    table : mapping of str to pa.ChunkedArray
        The id columns, the version and the columns of the segments, of all rows or of an even
        sample of ids.
    rows : int
        All rows of the window.
    """
    counted = is_request(config, table)
    if counted is None:
        return None
    found: dict[str, int] = {}
    for segmentation in segmentations:
        if not all(c in table for c in segmentation.columns):
            continue
        places = segmentation.assign(table.__getitem__)[counted]
        counts = np.bincount(places, minlength=len(segmentation.keys)) * (rows / len(counted))
        found |= dict(zip(segmentation.keys, np.round(counts).astype(int).tolist(), strict=True))
    return found


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
    return Served(requests(config, ids or whole, rows), window.end, latency, error, newest), names
