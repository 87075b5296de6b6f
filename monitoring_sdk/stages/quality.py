"""Quality: our own look at the columns first, then the expectations."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring_sdk.config_sections import Expectation
from monitoring_sdk.preflight import preflight
from monitoring_sdk.report import Check
from monitoring_sdk.stages.handle import Handle, baseline_of
from monitoring_sdk.stages.scan import scan


@dataclass(frozen=True)
class Quality:
    """The checks of the data, and why metrics and drift are skipped, where they are."""

    checks: tuple[Check, ...]
    blocked: str | None = None


def check_quality(handle: Handle) -> Quality:
    """Check a window's columns, types, ids and expectations.

    A declared, critical expectation that fails blocks metrics and drift; a column that the window
    lacks alerts, and the rest goes on.
    """
    if handle.rows == 0:
        return Quality(())
    # Great Expectations takes a second or more to import: only who checks waits for it.
    from monitoring_sdk.adapters.quality import validate

    found, config = scan(handle), handle.config
    kinds = handle.layout.kinds
    columns = config.columns
    known = baseline_of(handle).layout.kinds
    checks = preflight(
        [name for name, _ in handle.fields],
        dict(handle.fields),
        kinds,
        {name: kind for name, kind in known.items() if name in kinds},
        window=handle.window,
        rows=handle.rows,
        required=[c for c in (*columns.id, columns.latency_ms, columns.error) if c is not None],
        ids=found.ids,
        problems=found.profile.problems,
    )
    suite = tuple(Expectation(**e) for e in baseline_of(handle).suite)
    expected = validate(
        lambda name: found.whole[name] if name in found.whole else found.sample[name],
        config.quality,
        handle.window,
        generated=[e for e in suite if e.column in found.sample],
        rows=handle.rows,
        columns=[name for name, _ in handle.fields],
    )
    declared = expected[: len(config.quality)]
    failed = [c for c in declared if c.severity == "critical" and c.status in ("alert", "error")]
    blocked = None
    if failed:
        first = failed[0]
        blocked = f"quality failed: {first.name}" + (f" on {first.column}" if first.column else "")
    return Quality((*checks, *expected), blocked)
