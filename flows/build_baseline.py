"""The flow `build-baseline`: a new version of a model's baseline."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from prefect import flow

from flows.steps import model_name, say
from monitoring_sdk import stages
from monitoring_sdk.adapters.kubernetes import refuse_what_dies_with_the_pod
from monitoring_sdk.window import parse_time
from tasks.baseline import fit_baseline


@flow(name="build-baseline", flow_run_name=model_name, persist_result=False)
def build_baseline(
    model: str, start: datetime | None = None, end: datetime | None = None
) -> dict[str, Any]:
    """Fit a baseline on a span of predictions, and save it as a new, immutable version.

    Args:
        model: Name of a monitor file in `monitors/`, or the path of one.
        start: Begin of the span; by default the monitor file's. A time without an offset is in
            the monitor's time zone.
        end: End of the span; by default the monitor file's.

    Returns:
        The version, and what it was fitted on.
    """
    refuse_what_dies_with_the_pod(os.environ)
    config, _ = stages.find_config(model)
    zone = config.window.timezone
    fitted = fit_baseline(
        config,
        None if start is None else parse_time(start, zone),
        None if end is None else parse_time(end, zone),
        stages.clock(),
    )
    rows, windows = fitted.profile.rows, len(fitted.windows)
    say(f"{config.model} {fitted.version}: {rows} rows in {windows} windows")
    return {
        "model": config.model,
        "baseline": fitted.version,
        "span": fitted.span.to_dict(),
        "rows": rows,
        "windows": windows,
    }
