"""Baselines: `<root>/<model>/<version>/`, on disk or behind a URL, written once, never changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import lru_cache
from pathlib import Path

from monitoring_sdk.adapters import folders
from monitoring_sdk.baseline import Baseline, from_files, to_files
from monitoring_sdk.errors import BaselineError, explain
from monitoring_sdk.report import timestamp
from monitoring_sdk.window import Window

CHECKSUMS, CLAIM = "sha256.json", "claim"
_VERSION = re.compile(r"v(\d+)")


def baselines_root() -> str:
    """Return the folder, or URL, of baselines."""
    return os.environ.get("MONITORING_BASELINES") or "baselines"


def _folder(root: str | Path, model: str) -> Path:
    return folders.folder(root, "MONITORING_BASELINES") / model


def versions(root: str | Path, model: str) -> list[str]:
    """Return a model's versions, oldest first.

    Raises
    ------
    BaselineError
        When the folder cannot be reached.
    """
    folder = _folder(root, model)
    with folders.reached(folder, BaselineError):
        return [v for v in _numbered(folder) if _is_whole(folder / v)]


def _numbered(folder: Path) -> list[str]:
    """Return the versions that were begun."""
    found: list[str] = []
    with suppress(FileNotFoundError, NotADirectoryError):
        found = [p.name for p in folders.fresh(folder).iterdir() if p.is_dir()]
    return sorted((v for v in found if _VERSION.fullmatch(v)), key=lambda v: int(v[1:]))


def _is_whole(version: Path) -> bool:
    """Say whether all of a version is there; on disk it comes with its name."""
    if folders.is_remote(version):
        return (version / CHECKSUMS).is_file()
    return version.is_dir()


def _next(folder: Path) -> str:
    known = _numbered(folder)
    return f"v{int(known[-1][1:]) + 1}" if known else "v1"


def save(baseline: Baseline, root: str | Path) -> Baseline:
    """Write a baseline as the model's next version, whole or not at all.

    Returns
    -------
    Baseline
        The same, with its version.

    Raises
    ------
    BaselineError
        When the folder cannot be written to.
    """
    folder = _folder(root, baseline.model)
    with folders.reached(folder, BaselineError):
        return _put(baseline, folder) if folders.is_remote(folder) else _rename(baseline, folder)


def _put(baseline: Baseline, folder: Path) -> Baseline:
    """Write a version where nothing can be renamed: it is there once its checksums are.

    A number is taken first, by a file that only one can create. One whose builder died stays
    taken, and is no version.
    """
    mine = uuid.uuid4().hex.encode()
    while True:
        numbered = dataclasses.replace(baseline, version=_next(folder))
        if folders.create(folder / numbered.version / CLAIM, mine):
            break
    for name, text in _with_checksums(to_files(numbered)).items():
        folders.write(folder / numbered.version / name, text.encode())
    return numbered


def _rename(baseline: Baseline, folder: Path) -> Baseline:
    """Write a version beside its place, and move it there at once."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        numbered = dataclasses.replace(baseline, version=_next(folder))
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


def _with_checksums(files: dict[str, str]) -> dict[str, str]:
    """Return files with that of their checksums, which comes last."""
    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    return {**files, CHECKSUMS: json.dumps(sums, indent=1) + "\n"}


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in _with_checksums(files).items():
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
    known = _known(root, model)
    if version is None:
        version = known[-1]
    if version not in known:
        raise BaselineError(explain(f"{model}: no such baseline", got=version, allowed=known))
    return _load(str(_folder(root, model) / version))


def _known(root: str | Path, model: str) -> list[str]:
    known = versions(root, model)
    if not known:
        raise BaselineError(
            f"{model}: no baseline in {_folder(root, model)}: run `monitoring baseline build FILE`"
        )
    return known


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
    place = folders.folder(folder)
    try:
        with folders.reached(place, BaselineError) if folders.is_remote(place) else nullcontext():
            sums = json.loads((place / CHECKSUMS).read_text(encoding="utf-8"))
            files = {name: (place / name).read_bytes() for name in dict(sums)}
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
    return valid_for(every(root, model), window)


def every(root: str | Path, model: str) -> list[Baseline]:
    """Return every version of a model's baseline, oldest first.

    Raises
    ------
    BaselineError
        When the model has none.
    """
    return [_load(str(_folder(root, model) / version)) for version in _known(root, model)]


def valid_for(known: Sequence[Baseline], window: Window) -> Baseline:
    """Choose among a model's baselines as `for_window` does."""
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
