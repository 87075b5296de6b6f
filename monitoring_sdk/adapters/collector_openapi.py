"""What the collector says of itself: its OpenAPI document, at `/openapi.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitoring_sdk.adapters.inference_log import KINDS
from monitoring_sdk.adapters.outcome_body import OUTCOME_PATH, OutcomeBody
from monitoring_sdk.adapters.sending import ARROW
from monitoring_sdk.config import MODEL_NAME

JSON = "application/json"

_REFUSALS = {
    400: "The body is not what its headers say.",
    401: "No key, or no key of this model; a model that is not known is answered alike.",
    404: "The key is right, but there is no monitor file of this model.",
    413: "Larger than is taken, as it came or unpacked: send fewer rows at once.",
    415: "A Content-Type or Content-Encoding that is not known.",
    422: "Rows that do not fit the model's monitor file.",
    429: "Too many requests in this second, or the disk is behind.",
    503: "The rows cannot be kept now; what was sent may be sent again.",
}
_OUTCOME_REFUSALS = {
    400: "The body is no JSON.",
    401: "Not signed with the secret of this trigger's hook, under its id, within five minutes; a "
    "trigger that is not known is answered alike.",
    409: "Another outcome was said before, or none is awaited.",
    413: "Larger than is taken.",
    415: "A Content-Type that is not known.",
    422: "No outcome: another word, a key that is not known, a text that is too long.",
    429: "Too many requests in this second.",
    503: "The outcome cannot be kept now; it may be sent again.",
}
_WITH_HEADER = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}

_COUNT = {"type": "integer", "minimum": 0}
_SCHEMAS: dict[str, Any] = {
    "Rows": {
        "type": "object",
        "required": ["rows"],
        "properties": {"rows": {"type": "array", "minItems": 1, "items": {"type": "object"}}},
    },
    "Accepted": {
        "type": "object",
        "required": ["rows", "new", "repeated"],
        "properties": {"rows": _COUNT, "new": _COUNT, "repeated": _COUNT},
        "additionalProperties": False,
    },
    "Outcome": OutcomeBody.model_json_schema(),
    "Told": {
        "type": "object",
        "required": ["trigger_id", "outcome", "changed"],
        "properties": {
            "trigger_id": {"type": "string"},
            "outcome": {"enum": ["promoted", "kept", "failed"]},
            "changed": {
                "type": "boolean",
                "description": "False where the same was said before.",
            },
        },
        "additionalProperties": False,
    },
    "Problems": {
        "type": "object",
        "required": ["problems"],
        "properties": {
            "problems": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["where", "problem", "got", "allowed"],
                    "properties": {
                        "where": {"type": "string"},
                        "problem": {"type": "string"},
                        "got": {"description": "What came; null where it is not repeated."},
                        "allowed": {"type": "array"},
                    },
                },
            }
        },
        "additionalProperties": False,
    },
}


def document(version: str, outcomes: bool = False) -> dict[str, Any]:
    """Return the OpenAPI document; columns depend on a model's monitor file, and are not in it.

    Parameters
    ----------
    outcomes : bool
        Whether what came of retrainings is taken too.

    Examples
    --------
    >>> sorted(document("1.0")["paths"])[:2]
    ['/health', '/v1/models/{model}/labels']
    """
    health = {
        "operationId": "health",
        "summary": "Says that the collector answers; needs no key.",
        "security": [],
        "responses": {"200": _answer("It answers.", {"type": "object"})},
    }
    takes: dict[str, Any] = {f"/v1/models/{{model}}/{k}": {"post": _take(k)} for k in KINDS}
    if outcomes:
        takes[OUTCOME_PATH] = {"post": _TELL}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Collector of predictions and labels", "version": version},
        "security": [{"key": []}],
        "paths": {"/health": {"get": health}, **takes},
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "signature": {"type": "apiKey", "in": "header", "name": "webhook-signature"},
            },
            "schemas": _SCHEMAS,
        },
    }


def _take(kind: str) -> dict[str, Any]:
    model = {"type": "string", "pattern": f"^{MODEL_NAME.pattern}$"}
    return {
        "operationId": f"take_{kind}",
        "summary": f"Takes {kind}, each id once; answers when the disk has them.",
        "parameters": [
            {"name": "model", "in": "path", "required": True, "schema": model},
            {
                "name": "Content-Encoding",
                "in": "header",
                "schema": {"enum": ["identity", "gzip"]},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": _named("Rows")},
                ARROW: {"schema": {"type": "string", "format": "binary"}},
            },
        },
        "responses": {
            "202": _answer("The disk has the rows, now or before.", _named("Accepted")),
            **_refused(_REFUSALS),
        },
    }


def _named(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(text: str, schema: dict[str, Any], header: str | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": text, "content": {JSON: {"schema": schema}}}
    if header:
        answer["headers"] = {header: {"schema": {"type": "string"}}}
    return answer


def _refused(texts: Mapping[int, str]) -> dict[str, Any]:
    return {
        str(status): _answer(text, _named("Problems"), _WITH_HEADER.get(status))
        for status, text in texts.items()
    }


def _header(name: str, text: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": text,
        "schema": {"type": "string"},
    }


_TELL: dict[str, Any] = {
    "operationId": "tell_outcome",
    "summary": "Takes what came of a retraining; answers when the store has it.",
    "description": "Signed by the Standard Webhooks specification with the secret of the hook.",
    "security": [{"signature": []}],
    "parameters": [
        {
            "name": "trigger_id",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"},
        },
        _header("webhook-id", "The trigger's id."),
        _header("webhook-timestamp", "Seconds since 1970, by the clock."),
    ],
    "requestBody": {"required": True, "content": {JSON: {"schema": _named("Outcome")}}},
    "responses": {
        "200": _answer("The store has it, now or before.", _named("Told")),
        **_refused(_OUTCOME_REFUSALS),
    },
}
