"""What an answer of Slack, or the lack of one, says of the message that was sent."""

from __future__ import annotations

import http.client
import urllib.error
from collections.abc import Mapping
from datetime import timedelta

from slack_sdk.errors import SlackApiError, SlackClientError

from monitoring_sdk.adapters.outcome import Outcome

BAD_BLOCKS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
# The message that was to be answered is gone.
NO_THREAD = frozenset({"thread_not_found", "cannot_reply_to_message", "message_not_found"})
# The token may not look at what the channel shows.
MAY_NOT_READ = frozenset({"missing_scope", "no_permission", "not_allowed_token_type"})
# Slack did not take the message, and may take it later.
_BUSY = frozenset({"ratelimited", "rate_limited", "service_unavailable", "team_added_to_org"})
# Slack itself says of these that part of the operation may have succeeded.
_DOUBTFUL = frozenset({"internal_error", "fatal_error", "request_timeout"})


def code_of(error: SlackApiError) -> str:
    """Return Slack's short word for an error; never a body that is something else."""
    data = error.response.data if not isinstance(error.response, dict) else error.response
    code = data.get("error") if isinstance(data, dict) else None
    short = isinstance(code, str) and code.replace("_", "").isalnum()
    return str(code) if short else f"HTTP {getattr(error.response, 'status_code', '?')}"


def _headers(error: SlackApiError) -> dict[str, str]:
    headers = getattr(error.response, "headers", None) or {}
    return {str(k).lower(): str(v) for k, v in dict(headers).items()}


def wait_of(error: SlackApiError) -> timedelta | None:
    return retry_after(_headers(error))


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    try:
        return timedelta(seconds=float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def refused(error: SlackApiError) -> Outcome:
    code = code_of(error)
    if code in _DOUBTFUL:
        return Outcome("unknown", code)
    if code in _BUSY:
        return Outcome("retry", code, retry_after=wait_of(error))
    return by_status(getattr(error.response, "status_code", 0), code, _headers(error))


def by_status(status: int, detail: str, headers: Mapping[str, str]) -> Outcome:
    if status == 429:
        return Outcome("retry", "rate limited", retry_after=retry_after(headers))
    if status >= 500:
        return Outcome("unknown", detail)
    # What else Slack refuses (a token, a channel, a scope) it refuses again until people act.
    return Outcome("dead", detail)


def broken(error: Exception) -> Outcome:
    """Judge a failed connection by whether the request can have left this machine whole."""
    reason = getattr(error, "reason", error)
    name = type(reason).__name__
    if isinstance(error, SlackClientError | http.client.InvalidURL):
        return Outcome("dead", f"the request could not be made ({name})")
    # urllib wraps what fails until the request is sent, not what fails while it waits; of the
    # former, only a connection lost in the middle of sending leaves a doubt.
    wrapped = isinstance(error, urllib.error.URLError)
    if wrapped and not isinstance(reason, ConnectionResetError | BrokenPipeError):
        return Outcome("retry", f"not reached ({name})")
    return Outcome("unknown", f"no answer ({name})")


def unreadable(why: str, retry_after: timedelta | None = None) -> Outcome:
    return Outcome(
        "unknown",
        f"it may have arrived, and the channel's history cannot be read ({why}): not sent again",
        retry_after=retry_after,
    )
