"""The chart of one check over time, drawn from the store when its message is sent."""

from __future__ import annotations

from monitoring_sdk.adapters.store import Store
from monitoring_sdk.decision import Message
from monitoring_sdk.window import parse_time

WINDOWS = 60
SIZE = (640, 220)
LEAST = 2
"""A single window is no course of time."""


def draw(message: Message, store: Store) -> bytes | None:
    """Draw the check that a message of kind `slack_chart` names, as PNG.

    Parameters
    ----------
    message : Message
        `check`: its key; `until`: the end of the last window that is shown.
    store : Store

    Returns
    -------
    bytes or None
        None where fewer than two windows have a value.
    """
    # Drawing takes seconds of imports, which a delivery without a chart does not wait for.
    from monitoring_sdk.render.charts import check_chart
    from monitoring_sdk.render.numbers import unit_of
    from monitoring_sdk.render.tidy import incident_spans, tidy
    from monitoring_sdk.render.vega import PAPER_INK, png

    key, until = message.payload["check"], parse_time(message.payload["until"])
    frame = tidy(store.history(message.model, [key], until, WINDOWS), WINDOWS)
    rows = frame[frame["key"] == key]
    if rows["value"].notna().sum() < LEAST:
        return None
    chart = check_chart(
        rows,
        incidents=incident_spans(store.incidents(message.model), frame),
        percent=unit_of(str(rows["name"].iloc[0])) == "%",
        title=message.payload["title"],
        size=SIZE,
        ink=PAPER_INK,
    )
    return None if chart is None else png(chart)
