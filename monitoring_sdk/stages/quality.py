"""Quality: our own look at the columns first, then the expectations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from monitoring_sdk.baseline import Baseline
from monitoring_sdk.config_sections import Expectation
from monitoring_sdk.evaluate import MIN_ROWS
from monitoring_sdk.preflight import preflight, version_checks
from monitoring_sdk.report import Check, check_key
from monitoring_sdk.stages.handle import Handle, baseline_of, open_predictions, present
from monitoring_sdk.stages.retyped import as_it_was, with_texts
from monitoring_sdk.stages.scan import Pass, of_champion, scan, slicing_of

BLOCKED = "quality failed"
"""How a reason begins that skips metrics and drift of a window."""


@dataclass(frozen=True)
class Quality:
    """The checks of the data, and why metrics and drift are skipped, where they are."""

    checks: tuple[Check, ...]
    blocked: str | None = None


def _column(
    handle: Handle, found: Pass, suite: tuple[Expectation, ...], name: str
) -> pa.ChunkedArray:
    """Return what an expectation looks at: of the model's own columns the champion's rows.

    Beside another column of the same expectation every row stays, so that they stay in step.
    """
    if name not in found.whole:
        return as_it_was(found.sample[name], tuple(e for e in suite if e.column == name))
    # As below: who checks has waited for its import already.
    from monitoring_sdk.adapters.quality_suite import columns_of

    several = (n for e in handle.config.quality if len(n := columns_of(e)) > 1)
    if any(name in names for names in several):
        return found.whole[name]
    version = handle.layout.version or name
    own = {c: found.whole[c] for c in (name, version) if c in found.whole}
    return of_champion(own, slicing_of(handle.config))[name]


def _enough(handle: Handle, baseline: Baseline, found: Pass, column: str | None) -> bool:
    """Say whether a generated expectation has something to look at.

    It is written for the smallest reference window. Where a canary has taken most of the
    champion's rows, drift on what is left of them has wider limits; an expectation has not.
    """
    if column not in found.sample:
        return False
    if handle.layout.version is None or column not in handle.layout.model:
        return True
    series = baseline.reference.get(check_key("quality", "null_share", column))
    own = found.profile.columns.get(column)
    least = min((n for n in series.n if n >= MIN_ROWS), default=0) if series is not None else 0
    return own is not None and own.rows >= least


def _as_read(found: Pass, expectation: Expectation) -> Expectation:
    """Return an expectation for a column as `_column` gives it."""
    column = str(expectation.column)
    if column in found.whole:
        return expectation
    return with_texts(expectation, found.sample[column])


def blocking(checks: Iterable[Check]) -> str | None:
    """Return why metrics and drift of a window were skipped, None where they were not.

    Examples
    --------
    >>> blocking([])
    """
    reasons = (c.reason or "" for c in checks if c.status == "skipped")
    return next((r for r in reasons if r.startswith(BLOCKED)), None)


def _shape(handle: Handle, baseline: Baseline, found: Pass) -> list[Check]:
    """Check that the columns, ids and versions are there that are needed."""
    config = handle.config
    kinds = handle.layout.kinds
    columns = config.columns
    layout = handle.layout
    needed = (
        *(*columns.id, columns.latency_ms, columns.error, *layout.told_apart_by),
        *(*layout.text, *layout.datetime, *layout.embedding),
        *(columns.weight, columns.query, columns.item),
        config.labels.eligible.column if config.labels.eligible is not None else None,
    )
    known = baseline.layout.kinds
    checks = preflight(
        [name for name, _ in handle.fields],
        dict(handle.fields),
        kinds,
        {name: kind for name, kind in known.items() if name in kinds},
        window=handle.window,
        rows=handle.rows,
        required=[c for c in needed if c is not None],
        ids=found.ids,
        problems=found.profile.problems,
        null_timestamps=open_predictions(config).undated(handle.window, columns.timestamp) or None,
    )
    if config.versions is not None and present(handle, [handle.layout.version]):
        checks += version_checks(
            found.versions,
            config.versions.champion,
            config.versions.shadow,
            window=handle.window,
            rows=handle.rows,
        )
    return checks


def check_quality(handle: Handle) -> Quality:
    """Check a window's columns, types, ids and expectations.

    A declared, critical expectation that fails blocks metrics and drift; a column that the window
    lacks alerts, and the rest goes on.
    """
    if handle.rows == 0:
        return Quality(())
    # Great Expectations takes a second or more to import: only who checks waits for it.
    from monitoring_sdk.adapters.quality import validate

    found, config, baseline = scan(handle), handle.config, baseline_of(handle)
    checks = _shape(handle, baseline, found)
    suite = tuple(Expectation(**e) for e in baseline.suite)
    expected = validate(
        partial(_column, handle, found, suite),
        config.quality,
        handle.window,
        generated=[_as_read(found, e) for e in suite if _enough(handle, baseline, found, e.column)],
        rows=handle.rows,
        columns=[name for name, _ in handle.fields],
    )
    declared = expected[: len(config.quality)]
    failed = [c for c in declared if c.severity == "critical" and c.status in ("alert", "error")]
    blocked = None
    if failed:
        first = failed[0]
        blocked = f"{BLOCKED}: {first.name}" + (f" on {first.column}" if first.column else "")
    return Quality((*checks, *expected), blocked)
