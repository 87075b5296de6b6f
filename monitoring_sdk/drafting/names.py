"""What a column's name suggests that it is: the first pattern that fits says how strongly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from monitoring_sdk.drafting.facts import words_of

_EVENT = "predicted|scored|served|requested|created|logged|event|inference|prediction|request"
_KNOWN = "labelled|labeled|label|known|resolved|reported|settled|matured|landed|confirmed|outcome"

HINTS: Mapping[str, tuple[re.Pattern[str], ...]] = MappingProxyType(
    {
        part: tuple(re.compile(p) for p in patterns)
        for part, patterns in {
            "timestamp": (
                r"^(time_?stamp|ts|datetime|date_time|at)$",
                rf"^({_EVENT})_(at|on|ts|time|date|time_?stamp|datetime)$",
                r"(^|_)(time_?stamp|datetime|ts|time|epoch)$",
                r"(^|_)(date|day|at|on)$",
            ),
            "label_timestamp": (
                rf"(^|_)({_KNOWN}|truth|target|actual|feedback)s?_(time_?stamp|time|ts|at|on|date)",
            ),
            "id": (
                r"^(id|uuid|guid)$",
                r"^(prediction|request|row|record|event|inference|transaction|sample)_?(id|uuid)$",
                r"(^|_)(id|uuid|guid|key)$",
                r"^(index|idx|row|row_number|number|nr)$",
            ),
            "prediction": (
                r"^(y_?pred|y_?hat|prediction|predictions|predicted|pred)$",
                r"^(predicted|prediction|pred)_(label|class|value|target|outcome)$",
                r"^(predicted|pred)_",
                r"_(pred|prediction|predicted|hat)$",
                r"^(model_output|output|forecast|estimate|decision)$",
                r"^(forecast|forecasted|estimated)_|_forecast$",
            ),
            "score": (
                r"(^|_)(proba|probability|prob|probabilities)(_|$)",
                r"(^|_)(score|confidence|likelihood|propensity)(_|$)",
                r"^(p|p_1|p_hat|logit|margin)$",
            ),
            "label": (
                r"^(y_?true|label|target|ground_truth|truth|actual|y)$",
                r"(^|_)(label|target|truth|actual|actuals|true)(_|$)",
                r"^(outcome|observed|response|relevance|clicked|class)$",
            ),
            "latency_ms": (r"(^|_)latency", r"(^|_)(response|inference|elapsed|processing)_?.*ms$"),
            "error": (r"^(error|is_error|has_error|failed|exception|error_(code|message|type))$",),
            "model_version": (r"^(model_?)version$", r"^version$"),
            "weight": (r"^(sample|row|case|importance|instance)_weights?$",),
            "query": (r"^(query|search|qid|impression|list)(_id)?$", r"^(session|request)(_id)?$"),
            "item": (r"^(item|product|document|doc|article|candidate|sku)(_id)?$",),
            "rank": (r"(^|_)(rank|position|pos)$",),
            "code": (r"(^|_)(code|zip|postal|postcode|category|class|type|kind|level|flag)(_|$)",),
        }.items()
    }
)


def hint(part: str, name: str) -> int | None:
    """Return how strongly a name suggests a part, 0 the most; None where it does not.

    Examples
    --------
    >>> hint("timestamp", "createdAt"), hint("id", "loan_id"), hint("id", "distance")
    (1, 2, None)
    """
    words = words_of(name)
    for i, pattern in enumerate(HINTS[part]):
        if pattern.search(words):
            return i
    return None


def strength(part: str, name: str) -> int:
    """Return `hint` as a key to sort by: names that suggest nothing come last."""
    found = hint(part, name)
    return len(HINTS[part]) if found is None else found
