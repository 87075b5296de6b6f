"""Where rows are, as `monitoring init` is told it: which source, and what to call it."""

from __future__ import annotations

import re
from typing import Any

from monitoring_sdk.adapters.sources import listing
from monitoring_sdk.config_sections import SourceSpec
from monitoring_sdk.errors import ConfigError

_DATABASES = re.compile(
    r"(postgres|postgresql|mysql|mariadb|sqlite|mssql|oracle|duckdb|snowflake)(\+\w+)?://"
)
_PASSWORD = re.compile(r"://[^/@:]*:[^/]+@")
_PREDICTIONS = re.compile(r"predictions?|inferences?|scores?")
_PLAIN_NAMES = frozenset(
    {"predictions", "prediction", "inference", "inferences", "data", "scores", "part"}
)


def source_spec(data: str, table: str | None, option: str) -> SourceSpec:
    """Return the source that an argument names.

    Raises
    ------
    ConfigError
        When a database URL comes without a table, which `option` would name.
    """
    if table is not None:
        return SourceSpec(url=data, table=table)
    if _DATABASES.match(data):
        raise ConfigError(f"a database URL needs {option}: which table has the rows")
    return SourceSpec(path=data)


def written(spec: SourceSpec, variable: str) -> tuple[str | dict[str, Any], list[str]]:
    """Return a source as a monitor file names it, and what is to be said of that.

    A URL with a password stays out of the file: it is taken from an environment variable.

    Examples
    --------
    >>> written(SourceSpec(url="postgresql://me:secret@host/db", table="t"), "PREDICTIONS_URL")[0]
    {'url': '${PREDICTIONS_URL}', 'table': 't'}
    """
    place, said = spec.url or spec.path or "", []
    if _PASSWORD.search(place):
        place = "${" + variable + "}"
        said = [f"set {variable} to the URL: a password does not belong into a file"]
    if spec.url is not None:
        return {"url": place, "table": spec.table}, said
    if spec.partition is None:
        return place, said
    return {"path": place, "partition": spec.partition.model_dump()}, said


def predictions_within(data: str) -> str:
    """Return the predictions inside of a folder that holds them beside other things."""
    if _DATABASES.match(data):
        return data
    fs, inner = listing.filesystem(data)
    if not fs.isdir(inner):
        return data
    for name in ("predictions", "predictions.parquet", "predictions.csv"):
        if fs.exists(f"{inner.rstrip('/')}/{name}"):
            return f"{data.rstrip('/')}/{name}"
    return data


def labels_beside(data: str) -> str | None:
    """Return the labels that lie beside the predictions, named as they are."""
    fs, inner = listing.filesystem(data)
    folder, slash, last = inner.rstrip("/").rpartition("/")
    if "*" in last or not _PREDICTIONS.search(last):
        return None
    name = _PREDICTIONS.sub("labels", last)
    if not slash or not fs.exists(f"{folder}/{name}"):
        return None
    start = data.rstrip("/")[: -len(last)]
    return f"{start}{name}"


def model_name(data: str, table: str | None) -> str:
    """Name the model after its table, its file, or the folder where the file has no own name.

    Examples
    --------
    >>> model_name("data/fraud/predictions.parquet", None), model_name("sqlite:///x.db", "dbo.t")
    ('fraud', 't')
    """
    if table is not None:
        name = table.rpartition(".")[2]
    else:
        path = re.split(r"[*?\[]", listing.redacted(data))[0].rstrip("/")
        steps = [s for s in path.split("/") if s and not s.endswith(":") and "=" not in s]
        names = [s.split(".")[0].rstrip("-_") for s in reversed(steps)] or ["model"]
        name = next((n for n in names if n.lower() not in _PLAIN_NAMES and n), names[0])
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.-")
    return name or "model"
