"""The last hop: the page of the model, and what the Prefect UI shows of the run."""

from __future__ import annotations

import re
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from monitoring_sdk import stages
from monitoring_sdk.adapters.store import Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import MonitoringError
from monitoring_sdk.render.markdown import report_markdown
from monitoring_sdk.render.words import worst_first
from monitoring_sdk.report import Report
from monitoring_sdk.stages.digesting import digest_so_far
from monitoring_sdk.stages.publish import Published
from tasks.hop import hop, in_ui, window_label

COLUMNS = ("status", "severity", "key", "value", "threshold", "threshold_from", "n", "reason")


def artifact_key(model: str, name: str) -> str:
    """Name an artifact: lower-case letters, digits and dashes are all that Prefect takes.

    Examples
    --------
    >>> artifact_key("Flights_v2.eu", "report")
    'flights-v2-eu-report'
    """
    return "-".join([*re.findall(r"[a-z0-9]+", model.lower()), name])


def checks_table(report: Report) -> list[dict[str, Any]]:
    """Return the checks as rows of plain JSON values, the worst first.

    An infinity would break the page of the artifact, a numpy scalar the call: `Check.to_dict`
    leaves neither.
    """
    rows = (check.to_dict() for check in worst_first(report.checks))
    return [{name: _short(row[name]) for name in COLUMNS} for row in rows]


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


@hop
def publish(
    config: MonitorConfig, report: Report, store: Store, *, page: bool = True
) -> Published | None:
    """Write the page of the model's history, and artifacts where somebody can see them."""
    if in_ui():
        show(config, report)
    if not page:
        return None
    if in_ui():
        create_markdown_artifact(
            key=artifact_key(config.model, "digest"),
            markdown=digest_so_far(store, config, report.window),
            description=f"{config.model}: what was notable in the last seven days",
        )
    try:
        published = stages.publish(config, store)
    except MonitoringError as error:
        # It has looked, and all that it found is kept: the next run writes the page again.
        get_run_logger().warning("no page: %s", error)
        return None
    if in_ui():
        create_link_artifact(
            key=artifact_key(config.model, "page"),
            link=published.link,
            link_text=f"{config.model}: history",
            description=f"The page of {config.model}: its checks over time, and its incidents.",
        )
    return published


def show(config: MonitorConfig, report: Report) -> None:
    """Write a report as artifacts of the run."""
    label = window_label(config, report.window)
    create_markdown_artifact(
        key=artifact_key(config.model, "report"),
        markdown=report_markdown(report, timezone=config.window.timezone),
        description=f"{config.model} {label}: {report.status}",
    )
    create_table_artifact(
        key=artifact_key(config.model, "checks"),
        table=checks_table(report),
        description=f"{config.model} {label}: {len(report.checks)} checks, the worst first",
    )
