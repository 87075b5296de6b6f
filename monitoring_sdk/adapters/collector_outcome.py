"""The collector's callback: the receiver of a webhook says what came of a retraining.

It is signed as the webhook is: with the same secret, by the same standard, under the trigger's id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from monitoring_sdk.adapters.collector_openapi import JSON
from monitoring_sdk.adapters.collector_rows import BadRowsError
from monitoring_sdk.adapters.outcome_body import OutcomeBody
from monitoring_sdk.errors import ConfigError, MonitoringError, StoreError
from monitoring_sdk.report import Trigger

log = logging.getLogger("monitoring_sdk.collector")

BODY_BYTES = 64 * 2**10
"""Bodies are read before anybody is known: they are small."""


class Outcomes(Protocol):
    """What stands behind the callback: triggers, and the secrets that their hooks are signed with.

    Both may take a while; they are called in threads.
    """

    def signed(
        self, trigger_id: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Trigger | None:
        """Return the trigger of an id if its secret signed the body, else None, as slowly."""

    def record(self, trigger: Trigger, said: OutcomeBody, now: datetime) -> bool:
        """Write it durably; False when the same was said before, ConfigError when another was."""


def outcome_endpoint(
    outcomes: Outcomes,
    body_of: Callable[[Request, int], Awaitable[bytes]],
    allow: Callable[[str], None],
) -> Callable[[Request], Awaitable[JSONResponse]]:
    """Return the endpoint; `allow` raises where a model asks too often."""

    async def tell(request: Request) -> JSONResponse:
        body, now = await body_of(request, BODY_BYTES), datetime.now(UTC)
        identity, headers = request.path_params["trigger_id"], dict(request.headers)
        trigger = await _within(outcomes.signed, identity, headers, body, now)
        if trigger is None:
            needed = {"WWW-Authenticate": "Webhook-Signature"}
            raise HTTPException(401, "not signed with a secret of this trigger", headers=needed)
        allow(trigger.model)
        said = _read(request, body)
        try:
            changed = await _within(outcomes.record, trigger, said, now)
        except ConfigError:
            raise BadRowsError(
                409, "outcome", "contradicts what this trigger has come to", said.outcome
            ) from None
        return JSONResponse({"trigger_id": trigger.id, "outcome": said.outcome, "changed": changed})

    return tell


async def _within(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call in a thread, which goes on where the request is given up; hide the store's own words."""
    try:
        return await asyncio.shield(asyncio.to_thread(call, *arguments))
    except ConfigError:
        raise
    except MonitoringError as error:
        log.error("an outcome was not taken: %s", error)
        raise StoreError("the store does not answer now") from None


def _read(request: Request, body: bytes) -> OutcomeBody:
    headers = request.headers
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != JSON or headers.get("content-encoding", "identity") != "identity":
        raise BadRowsError(415, "Content-Type", "not known", media, [f"{JSON}, not packed"])
    try:
        return OutcomeBody.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if found["type"] == "json_invalid":
            raise BadRowsError(400, "body", "is no JSON") from None
        where = ".".join(str(step) for step in found["loc"]) or "body"
        raise BadRowsError(422, where, found["msg"], None, list(OutcomeBody.model_fields)) from None
