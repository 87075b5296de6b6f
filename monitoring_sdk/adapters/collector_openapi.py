"""What the collector says of itself: its OpenAPI document, at `/openapi.json`."""

from __future__ import annotations

from typing import Any

from monitoring_sdk.adapters.inference_log import KINDS
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


def document(version: str) -> dict[str, Any]:
    """Return the OpenAPI document; columns depend on a model's monitor file, and are not in it.

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
    takes = {f"/v1/models/{{model}}/{k}": {"post": _take(k)} for k in KINDS}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Collector of predictions and labels", "version": version},
        "security": [{"key": []}],
        "paths": {"/health": {"get": health}, **takes},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _SCHEMAS,
        },
    }


def _take(kind: str) -> dict[str, Any]:
    model = {"type": "string", "pattern": f"^{MODEL_NAME.pattern}$"}
    refusals = {
        str(status): _answer(text, _named("Problems"), _WITH_HEADER.get(status))
        for status, text in _REFUSALS.items()
    }
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
            **refusals,
        },
    }


def _named(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(text: str, schema: dict[str, Any], header: str | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": text, "content": {JSON: {"schema": schema}}}
    if header:
        answer["headers"] = {header: {"schema": {"type": "string"}}}
    return answer
