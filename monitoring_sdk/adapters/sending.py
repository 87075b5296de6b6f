"""Segments go to a collector: Arrow, gzip, a key; refusals apart from what is tried again."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pyarrow as pa

from monitoring_sdk.adapters import process_end
from monitoring_sdk.adapters.settling import NotYetError, RefusedError, Settle
from monitoring_sdk.adapters.spool import kind_of, read_segment
from monitoring_sdk.errors import ConfigError, explain

ARROW = "application/vnd.apache.arrow.stream"
ROWS = 5_000
"""Rows of one request."""

# The rows themselves are wrong; anything else may be right tomorrow: a key, a monitor file, a disk.
_FOR_GOOD = (400, 413, 415, 422)


def as_arrow(rows: pa.Table) -> bytes:
    """Write rows as an Arrow IPC stream.

    Examples
    --------
    >>> pa.ipc.open_stream(as_arrow(pa.table({"id": [1]}))).read_all().num_rows
    1
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue().to_pybytes())


def collector_address(url: str) -> str:
    """Return a collector's address without a slash at its end.

    Raises
    ------
    ConfigError
        When it is no http or https URL, or holds a user or password: the key says who sends.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable or "@" in parts.netloc:
        shown = url.partition("://")[2].rpartition("@")[2] or url
        allowed = ["http://host:port", "https://host"]
        raise ConfigError(
            explain("no address of a collector", where="url", got=shown, allowed=allowed)
        )
    return url.rstrip("/")


def send_segment(url: str, model: str, api_key: str, rows: int = ROWS) -> Settle:
    """Return what sends segments to a collector, in requests of at most `rows` rows.

    A short failure is tried again at once, by `urllib3`; a longer one is NotYetError. The collector
    drops what it has already, so that nothing that is sent again is there twice.
    """
    import urllib3

    # A forked child must not speak on its parent's connection.
    pools: dict[int, urllib3.PoolManager] = {}
    retries = urllib3.Retry(
        total=3,
        backoff_factor=0.2,
        backoff_jitter=0.2,
        status_forcelist=(502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
        redirect=0,
        raise_on_redirect=False,
        respect_retry_after_header=False,
    )
    timeout = urllib3.Timeout(connect=3, read=30)
    place = f"{collector_address(url)}/v1/models/{quote(model, safe='')}"
    headers = {
        "Authorization": f"Bearer {api_key}",
        "Content-Type": ARROW,
        "Content-Encoding": "gzip",
    }

    def post(kind: str, part: pa.Table) -> None:
        with process_end.working():
            body = gzip.compress(as_arrow(part), compresslevel=1)
        pool = pools.get(os.getpid()) or urllib3.PoolManager(1, retries=retries, timeout=timeout)
        pools[os.getpid()] = pool
        try:
            answer = pool.request("POST", f"{place}/{kind}", body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise NotYetError(f"the collector is not reached ({type(reason).__name__})") from None
        if answer.status == 413 and part.num_rows > 1:
            half = part.num_rows // 2
            post(kind, part.slice(0, half))
            post(kind, part.slice(half))
        elif answer.status in _FOR_GOOD:
            raise RefusedError(f"the collector refuses them: {answer.status} {_said(answer.data)}")
        elif answer.status != 202:
            raise NotYetError(f"the collector answers {answer.status} {_said(answer.data)}".strip())

    def settle(path: Path) -> int:
        with process_end.working():
            table = read_segment(path)
        if table is None:
            return 0
        for start in range(0, table.num_rows, rows):
            post(kind_of(path), table.slice(start, rows))
        return int(table.num_rows)

    return settle


def _said(body: bytes) -> str:
    """Return the first problem that a collector names, without the values that came."""
    try:
        problem: dict[str, Any] = json.loads(body)["problems"][0]
        return f"{problem['where']}: {problem['problem']}"[:300]
    except (ValueError, LookupError, TypeError):
        return ""
