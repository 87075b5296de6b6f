"""Baselines on disk: `<root>/<model>/<version>/`, written once and never changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import uuid
from functools import lru_cache
from pathlib import Path

from monitoring_sdk.baseline import Baseline, from_files, to_files
from monitoring_sdk.errors import BaselineError, ConfigError, explain
from monitoring_sdk.report import timestamp
from monitoring_sdk.window import Window

CHECKSUMS = "sha256.json"
_VERSION = re.compile(r"v(\d+)")


def baselines_root() -> str:
    """Return the folder, or URL, of baselines."""
    return os.environ.get("MONITORING_BASELINES") or "baselines"


def _folder(root: str | Path, model: str) -> Path:
    if "://" in str(root):
        raise ConfigError(
            f"MONITORING_BASELINES: a URL ({root}) is not supported yet; name a folder"
        )
    return Path(root) / model


def versions(root: str | Path, model: str) -> list[str]:
    """Return a model's versions, oldest first."""
    folder = _folder(root, model)
    found = [p.name for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []
    return sorted((v for v in found if _VERSION.fullmatch(v)), key=lambda v: int(v[1:]))


def _next(root: str | Path, model: str) -> str:
    known = versions(root, model)
    return f"v{int(known[-1][1:]) + 1}" if known else "v1"


def save(baseline: Baseline, root: str | Path) -> Baseline:
    """Write a baseline as the model's next version, whole or not at all.

    Returns
    -------
    Baseline
        The same, with its version.
    """
    folder = _folder(root, baseline.model)
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        numbered = dataclasses.replace(baseline, version=_next(root, baseline.model))
        draft = folder / f".draft-{uuid.uuid4().hex}"
        try:
            _write(draft, to_files(numbered))
            # Renaming fails where another builder took the version: the next one is free.
            os.rename(draft, folder / numbered.version)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            if not (folder / numbered.version).exists():
                raise
        else:
            return numbered


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir()
    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    for name, text in {**files, CHECKSUMS: json.dumps(sums, indent=1) + "\n"}.items():
        with open(folder / name, "w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())


def load(root: str | Path, model: str, version: str | None = None) -> Baseline:
    """Read a version of a model's baseline; the newest by default.

    Raises
    ------
    BaselineError
        When there is none, when it was changed or damaged, or is of another format.
    """
    known = versions(root, model)
    if not known:
        raise BaselineError(
            f"{model}: no baseline in {_folder(root, model)}: run `monitoring baseline build FILE`"
        )
    if version is None:
        version = known[-1]
    if version not in known:
        raise BaselineError(explain(f"{model}: no such baseline", got=version, allowed=known))
    return _load(str(_folder(root, model) / version))


@lru_cache(maxsize=16)
def _load(folder: str) -> Baseline:
    try:
        return read_folder(folder)
    except BaselineError as error:
        raise BaselineError(f"{folder}: {error}") from None


def read_folder(folder: str | Path) -> Baseline:
    """Read a baseline from its own folder.

    Raises
    ------
    BaselineError
        When a file is missing, was changed or is damaged.
    """
    try:
        sums = json.loads((Path(folder) / CHECKSUMS).read_text(encoding="utf-8"))
        files = {name: (Path(folder) / name).read_bytes() for name in dict(sums)}
    except (OSError, ValueError, TypeError) as error:
        raise BaselineError(f"cannot be read: {error}") from None
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != sums[name]:
            raise BaselineError(f"{name} was changed after it was built; a baseline is immutable")
    return from_files({name: content.decode() for name, content in files.items()})


def for_window(root: str | Path, model: str, window: Window) -> Baseline:
    """Return the baseline that is valid for a window: the newest whose time has come.

    A window from before every baseline's time is judged by the one that holds from earliest on.

    Raises
    ------
    BaselineError
        When the model has none.
    """
    load(root, model)
    known = [load(root, model, version) for version in versions(root, model)]
    begun = [b for b in known if b.valid_from is None or b.valid_from <= window.start]
    if begun:
        return begun[-1]
    first = min(b.valid_from for b in known if b.valid_from is not None)
    return next(b for b in reversed(known) if b.valid_from == first)


def describe(baseline: Baseline) -> dict[str, object]:
    """Return one line's worth of a baseline, as `monitoring baseline list` shows it."""
    return {
        "version": baseline.version,
        "created": timestamp(baseline.created),
        "start": timestamp(baseline.span.start),
        "end": timestamp(baseline.span.end),
        "valid_from": None if baseline.valid_from is None else timestamp(baseline.valid_from),
        "rows": baseline.rows,
        "windows": len(baseline.windows),
        "columns": len(baseline.layout.kinds),
        "expectations": len(baseline.suite),
    }
