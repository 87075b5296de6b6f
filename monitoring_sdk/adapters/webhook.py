"""The webhook of retraining: a signed POST; its receiver can verify it, and drop a repeat."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any

from monitoring_sdk.adapters.outbox import Claimed
from monitoring_sdk.adapters.outcome import Outcome
from monitoring_sdk.adapters.outcome_body import OUTCOME_PATH
from monitoring_sdk.adapters.prefect_calls import read_secret
from monitoring_sdk.adapters.signing import sign
from monitoring_sdk.config_retraining import Hook
from monitoring_sdk.decision import Message

TIMEOUT_SECONDS = 10.0
_GONE = 410


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like another: what was signed for one place goes to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def secret_called(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return a secret: the environment variable of a name, else the Prefect Secret block."""
    environ = os.environ if environ is None else environ
    return environ.get(name) or read_secret(name)


def collector_url(environ: Mapping[str, str] | None = None) -> str | None:
    """Return where the receiver can answer: `MONITORING_URL`, unless it holds a password."""
    found = (os.environ if environ is None else environ).get("MONITORING_URL", "").rstrip("/")
    return found if found and "@" not in found else None


def webhook_body(message: Message, collector: str | None = None) -> bytes:
    """Return what a webhook is sent; the same bytes each time.

    Parameters
    ----------
    collector : str, optional
        Address of the collector that takes the outcome.

    Examples
    --------
    >>> message = Message("m", "webhook", "flights", "i", "trigger", {
    ...     "trigger_id": "t", "window_end": "2013-06-04T04:00:00Z", "reason": "accuracy is 0.71"})
    >>> json.loads(webhook_body(message))["data"]["model"]
    'flights'
    """
    document: dict[str, Any] = {
        "type": "retraining.triggered",
        "timestamp": message.payload["window_end"],
        "data": {
            "trigger_id": message.payload["trigger_id"],
            "model": message.model,
            "incident_id": message.incident,
            "window_end": message.payload["window_end"],
            "reason": message.payload.get("reason"),
        },
    }
    if collector:
        path = OUTCOME_PATH.format(trigger_id=message.payload["trigger_id"])
        document["data"]["callback"] = f"{collector}{path}"
    return json.dumps(document, sort_keys=True).encode()


@dataclass(frozen=True)
class WebhookSender:
    """Posts a trigger, signed, with its id as the message's id and as `Idempotency-Key`.

    Parameters
    ----------
    hook_of : callable
        Returns a model's hook: neither address nor secret is kept in the store. None where the
        model has none any more.
    clock : callable
        Receivers compare the moment of signing with their own.
    timeout : float
        Seconds.
    collector : str, optional
        Address of the collector, where the receiver can say what came of it.
    """

    hook_of: Callable[[str], Hook | None]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    timeout: float = TIMEOUT_SECONDS
    collector: str | None = field(default_factory=collector_url)

    @property
    def patience(self) -> timedelta:
        """As long as a call may take, and a little."""
        return timedelta(seconds=self.timeout) + timedelta(minutes=1)

    @property
    def longest_wait(self) -> timedelta:
        """A receiver that is back is not left waiting for long."""
        return timedelta(hours=1)

    def send(self, claimed: Claimed) -> Outcome:
        """Post it; an answer other than 2xx is tried again, since a repeat does no harm."""
        message = claimed.message
        hook = self.hook_of(message.model)
        if hook is None or hook.webhook is None or hook.secret is None:
            return Outcome("retry", f"the monitor file of {message.model} names no webhook now")
        secret = secret_called(hook.secret)
        if not secret:
            return Outcome(
                "retry",
                "what `secret` names is neither an environment variable nor a Prefect Secret block",
            )
        body = webhook_body(message, self.collector)
        try:
            signed = sign(secret, message.payload["trigger_id"], self.clock(), body)
        except ValueError as error:
            return Outcome("retry", f"the secret cannot be read: {error}")
        return self._post(hook.webhook, body, signed)

    def _post(self, url: str, body: bytes, signed: Mapping[str, str]) -> Outcome:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "monitoring-sdk",
            "Idempotency-Key": signed["webhook-id"],
            **signed,
        }
        request = urllib.request.Request(url, body, headers, method="POST")
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=self.timeout) as answer:
                return Outcome("sent", f"status {answer.status}")
        except urllib.error.HTTPError as error:
            with error:
                if error.code == _GONE:
                    return Outcome("dead", "status 410: the receiver is gone")
                return Outcome(
                    "retry",
                    f"status {error.code}",
                    retry_after=_retry_after(error.headers.get("Retry-After")),
                )
        # The words of these may hold the address.
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            return Outcome("retry", f"not reached ({type(reason).__name__})")


def _retry_after(text: str | None) -> timedelta | None:
    return timedelta(seconds=int(text)) if text is not None and text.isdigit() else None
