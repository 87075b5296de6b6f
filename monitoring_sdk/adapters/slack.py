"""Slack: post a message once, and where it is in doubt, look before posting again.

Every message carries its delivery id in its metadata. When an attempt ends without an answer (the
connection dropped, a time-out, a server error), the channel's history is searched for that id; only
where it is certain that nothing arrived is it sent again. An incoming webhook has no history to
search, so a message in doubt stays `unknown` there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookClient

from monitoring_sdk.adapters.outbox import REPLY_TO, Claimed
from monitoring_sdk.adapters.outcome import Outcome
from monitoring_sdk.adapters.slack_answers import (
    BAD_BLOCKS,
    MAY_NOT_READ,
    NO_THREAD,
    broken,
    by_status,
    code_of,
    refused,
    unreadable,
    wait_of,
)
from monitoring_sdk.decision import Message

EVENT_TYPE = "monitoring_delivery"
TIMEOUT_SECONDS = 10
# Slack pages its history; so many pages of 200 are searched before giving up.
_PAGES = 10
# Slack's clock and ours, or that of a backfill, need not agree.
_MARGIN = timedelta(days=1)


def _quiet_logger() -> logging.Logger:
    """Return a logger for the SDK, which logs the webhook's URL and errors that may hold it.

    Every error comes back as an outcome and is told from there, so that nothing is lost.
    """
    logger = logging.getLogger("monitoring_sdk.slack_sdk")
    logger.setLevel(logging.CRITICAL)
    for name in ("slack_sdk", "slack_sdk.web", "slack_sdk.webhook"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return logger


@dataclass(frozen=True)
class SlackSender:
    """Posts with a bot token, or with an incoming webhook in its stead.

    Parameters
    ----------
    token, webhook : str, optional
        Neither is ever shown. Without both, a message for a channel is held until there is one.
    base_url : str, optional
        Ends in `/api/`; for a stand-in of Slack.
    timeout : float
        Seconds, for each request.
    """

    token: str | None = field(default=None, repr=False)
    webhook: str | None = field(default=None, repr=False)
    base_url: str | None = None
    timeout: float = TIMEOUT_SECONDS

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> SlackSender:
        """Read `SLACK_BOT_TOKEN`, `SLACK_WEBHOOK_URL` and `SLACK_BASE_URL`."""
        return cls(
            environ.get("SLACK_BOT_TOKEN") or None,
            environ.get("SLACK_WEBHOOK_URL") or None,
            environ.get("SLACK_BASE_URL") or None,
        )

    @property
    def configured(self) -> bool:
        """Whether there is a way to reach Slack."""
        return bool(self.token or self.webhook)

    @property
    def patience(self) -> timedelta:
        """A search of thread and channel, three posts and a search, each with its time-out."""
        return timedelta(seconds=self.timeout * (4 * _PAGES + 4))

    def unreadable(self, claimed: Claimed) -> str | None:
        """Say why the history of a message's channel cannot be read; None where it can."""
        try:
            self.client().conversations_history(channel=claimed.message.payload["channel"], limit=1)
        except SlackApiError as error:
            return code_of(error)
        except Exception as error:
            return type(error).__name__
        return None

    @property
    def longest_wait(self) -> timedelta:
        """An alert is not left waiting for long once Slack is back."""
        return timedelta(hours=1)

    def send(self, claimed: Claimed) -> Outcome:
        """Post a message, after a look whether it is there where that is in doubt."""
        if self.token:
            return self._send_by_token(claimed)
        if self.webhook:
            return self._send_by_webhook(claimed)
        return Outcome("held", "neither SLACK_BOT_TOKEN nor SLACK_WEBHOOK_URL is set")

    def client(self) -> WebClient:
        """Return Slack's own client, which leaves retries to the outbox."""
        options: dict[str, Any] = {"base_url": self.base_url} if self.base_url else {}
        client = WebClient(
            token=self.token,
            timeout=self.timeout,  # type: ignore[arg-type]
            retry_handlers=[],
            logger=_quiet_logger(),
            **options,
        )
        # urllib reads the proxy settings itself, and unlike the SDK it honours NO_PROXY.
        client.proxy = None
        return client

    def _send_by_token(self, claimed: Claimed) -> Outcome:
        client = self.client()
        if claimed.ambiguous:
            found = self._search(client, claimed)
            if found is not None and not self._must_do_without(claimed, found):
                return found
        outcome = self._post(client, claimed.message, claimed.thread)
        if outcome.kind != "unknown":
            return outcome
        # It has very often arrived. Not finding it proves nothing yet: it may still be on its way.
        found = self._search(client, claimed)
        return found if found is not None and found.kind == "sent" else outcome

    def _must_do_without(self, claimed: Claimed, found: Outcome) -> bool:
        """Say whether a message is sent without a look: asked for, where no look is allowed."""
        asked = claimed.asked_for and found.kind == "unknown"
        return asked and self.unreadable(claimed) in MAY_NOT_READ

    def _post(
        self, client: WebClient, message: Message, thread: str | None, *, blocks: bool = True
    ) -> Outcome:
        payload = message.payload
        arguments: dict[str, Any] = {
            "channel": payload["channel"],
            "text": payload["text"],
            "metadata": {"event_type": EVENT_TYPE, "event_payload": {"delivery_id": message.id}},
        }
        if blocks and _blocks(payload, thread):
            arguments["blocks"] = payload["blocks"]
        if thread is not None:
            arguments["thread_ts"] = thread
        try:
            answer = client.chat_postMessage(**arguments)
        except SlackApiError as error:
            if "blocks" in arguments and code_of(error) in BAD_BLOCKS:
                return self._post(client, message, thread, blocks=False)
            if thread is not None and code_of(error) in NO_THREAD:
                return self._post(client, message, None)
            return refused(error)
        except Exception as error:
            return broken(error)
        receipt = {"channel": answer.get("channel"), "ts": answer.get("ts")}
        return Outcome("sent", None if "blocks" in arguments else "as plain text", receipt)

    def _search(self, client: WebClient, claimed: Claimed) -> Outcome | None:
        """Look for a message: `sent`, `unknown` where that cannot be said, or None.

        None: it is certainly not there, neither in its thread, which the history of a channel
        leaves out, nor in the channel.
        """

        def mine(posted: Mapping[str, Any]) -> bool:
            return _delivery_id(posted) == claimed.message.id

        if claimed.thread is not None:
            found = self.look_in_thread(client, claimed, mine)
            if found is not None:
                return found
        return self._look(client.conversations_history, claimed, mine)

    def look_in_thread(
        self, client: WebClient, claimed: Claimed, mine: Callable[[Mapping[str, Any]], bool]
    ) -> Outcome | None:
        """Look for what was posted in a claim's thread, as `_search` does for messages."""
        return self._look(
            partial(client.conversations_replies, ts=str(claimed.thread)), claimed, mine
        )

    def _look(
        self,
        listing: Callable[..., SlackResponse],
        claimed: Claimed,
        mine: Callable[[Mapping[str, Any]], bool],
    ) -> Outcome | None:
        cursor: str | None = None
        oldest = f"{(claimed.row.created - _MARGIN).timestamp():.6f}"
        channel = claimed.message.payload["channel"]
        for _ in range(_PAGES):
            try:
                page = listing(
                    channel=channel,
                    oldest=oldest,
                    limit=200,
                    include_all_metadata=True,
                    cursor=cursor,
                )
            except SlackApiError as error:
                return unreadable(code_of(error), wait_of(error))
            except Exception as error:
                return unreadable(type(error).__name__)
            for posted in page.get("messages") or []:
                if mine(posted):
                    receipt = {"channel": channel, "ts": posted.get("ts")}
                    return Outcome("sent", "found in the channel", receipt)
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return None
        return unreadable(f"more than {_PAGES} pages")

    def _send_by_webhook(self, claimed: Claimed, *, blocks: bool = True) -> Outcome:
        if claimed.ambiguous and blocks and not claimed.asked_for:
            return Outcome(
                "unknown", "it may have arrived, and a webhook cannot look: not sent again"
            )
        client = WebhookClient(
            str(self.webhook),
            timeout=self.timeout,  # type: ignore[arg-type]
            retry_handlers=[],
            logger=_quiet_logger(),
        )
        client.proxy = None
        payload = claimed.message.payload
        shown = _blocks(payload, None) if blocks else None
        try:
            answer = client.send(text=payload["text"], blocks=shown)
        except Exception as error:
            return broken(error)
        if answer.status_code == 200:
            return Outcome("sent", "by webhook")
        if shown and answer.status_code == 400:
            return self._send_by_webhook(claimed, blocks=False)
        headers = {str(k).lower(): str(v) for k, v in dict(answer.headers).items()}
        return by_status(answer.status_code, f"HTTP {answer.status_code}", headers)


def _blocks(payload: Mapping[str, Any], thread: str | None) -> Any:
    """Return what is shown below the text: of a reply that found no thread, the text must do."""
    alone = payload.get(REPLY_TO) and thread is None
    return None if alone else payload.get("blocks")


def _delivery_id(posted: Mapping[str, Any]) -> str | None:
    metadata = posted.get("metadata") or {}
    if metadata.get("event_type") != EVENT_TYPE:
        return None
    return (metadata.get("event_payload") or {}).get("delivery_id")
