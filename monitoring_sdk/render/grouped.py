"""The message on an incident that is one with those of other models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitoring_sdk.render.numbers import short
from monitoring_sdk.render.slack import escape

NAMED = 20


def group_words(models: Sequence[str], columns: Sequence[str]) -> str:
    """Say which models share an incident, and by which column.

    Examples
    --------
    >>> group_words(["fraud", "churn"], ["income"])
    'one incident of 2 models, by the column income: fraud, churn'
    """
    names = ", ".join(short(m) for m in models[:NAMED])
    more = f", and {len(models) - NAMED} more" if len(models) > NAMED else ""
    column = "columns" if len(columns) > 1 else "column"
    by = ", ".join(short(c) for c in columns[:3]) + (" ..." if len(columns) > 3 else "")
    return f"one incident of {len(models)} models, by the {column} {by}: {names}{more}"


def grouped_message(
    content: dict[str, Any], models: Sequence[str], columns: Sequence[str]
) -> dict[str, Any]:
    """Name the group in a message: in its text, and below its header.

    Parameters
    ----------
    content : dict
        `text` and `blocks`, as `slack_message` returns them.
    models, columns : sequence of str
    """
    said = escape(group_words(models, columns), 2000)
    section = {"type": "section", "text": {"type": "mrkdwn", "text": said, "verbatim": True}}
    header, *rest = content["blocks"]
    return {"text": f"{content['text']}; {said}", "blocks": [header, section, *rest]}
