"""`monitoring erase`: a prediction's rows out of the inference log, and what that cannot reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring_sdk.adapters.folders import folder, is_remote, replaceable
from monitoring_sdk.adapters.inference_log import LOGS
from monitoring_sdk.adapters.log_files import Erased, erase_rows, parquet_files
from monitoring_sdk.adapters.sources import listing
from monitoring_sdk.adapters.sources.source import open_source
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_sections import SourceSpec
from monitoring_sdk.errors import ConfigError

ID = "id"

AGGREGATES = (
    "baselines, stored profiles and verdicts hold counts and moments of many rows: no row can be "
    "taken out of them",
    "sample.parquet beside a baseline holds rows without their ids: build a new baseline after "
    "erasing, or set privacy.samples: false",
    "rows that a serving process has not yet written to the log",
)


@dataclass(frozen=True)
class Erasure:
    """What was erased, of how many files looked at, and what could not be reached."""

    identity: tuple[str, ...]
    files: tuple[Erased, ...]
    looked_at: int
    unreached: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows that are gone."""
        return sum(f.rows for f in self.files)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema": 1,
            "id": list(self.identity),
            "rows": self.rows,
            "files": [{"path": str(f.path), "rows": f.rows} for f in self.files],
            "files_looked_at": self.looked_at,
            "not_reached": list(self.unreached),
        }

    def text(self) -> str:
        """Write it for people."""
        lines = [f"{f.path}: {f.rows} rows erased" for f in self.files]
        lines.append(f"{self.rows} rows erased from {len(self.files)} of {self.looked_at} files")
        return "\n".join([*lines, *(f"not reached: {text}" for text in self.unreached)])


def erase(
    identity: Sequence[str], config: MonitorConfig | None = None, logs: Path = LOGS
) -> Erasure:
    """Take the rows of a prediction's id out of the log, and of a monitor's sources of files.

    Parameters
    ----------
    identity : sequence of str
        A value for each id column.
    config : MonitorConfig, optional
        Whose log and sources; without it, the logs of all models in `logs`.

    Raises
    ------
    ConfigError
        When there are not as many values as id columns.
    SourceError
        When a file cannot be written anew; those before it are done, and a second call goes on.
    """
    columns = (ID,) if config is None else config.columns.id or (ID,)
    if len(identity) != len(columns):
        raise ConfigError(
            f"--id: {len(identity)} values for {len(columns)} id columns ({', '.join(columns)}): "
            "give --id once for each, in this order"
        )
    files: dict[Path, tuple[str, ...]] = {}
    unreached: list[str] = []
    logged = logs if config is None else logs / config.model
    files |= dict.fromkeys(parquet_files(logged), (ID,)) if len(identity) == 1 else {}
    for spec in _sources(config):
        found = _files(spec, unreached)
        files |= dict.fromkeys(found, columns)
    if (logs / "collector.db").exists():
        unreached.append(
            "collector.db: rows that were taken and are not filed yet (run it again in a minute), "
            "and hashes of ids, which are forgotten after 60 days"
        )
    erased = [
        done
        for path, names in files.items()
        if (done := erase_rows(path, dict(zip(names, identity, strict=True)))) is not None
    ]
    return Erasure(tuple(identity), tuple(erased), len(files), (*unreached, *AGGREGATES))


def _sources(config: MonitorConfig | None) -> Iterator[SourceSpec]:
    if config is not None:
        source = config.source
        yield from dict.fromkeys(filter(None, (source.predictions, source.labels)), None)
        if source.features is not None and set(source.features.on or config.columns.id) == set(
            config.columns.id
        ):
            yield source.features


def _files(spec: SourceSpec, unreached: list[str]) -> list[Path]:
    """Return a source's Parquet files that can be replaced; say of the others that they stay."""
    name = open_source(spec).name
    if spec.path is None:
        unreached.append(f"{name}: a database, which is only ever read here")
        return []
    if not replaceable(spec.path):
        unreached.append(f"{name}: neither on this disk nor in a store of objects")
        return []
    entries = listing.list_entries(spec.path)
    others = [e.path for e in entries if not e.parquet]
    if others:
        unreached.append(f"{name}: {len(others)} files that are no Parquet")
    full = listing.filesystem(spec.path)[0].unstrip_protocol if is_remote(spec.path) else str
    return [folder(full(e.path)) for e in entries if e.parquet]
