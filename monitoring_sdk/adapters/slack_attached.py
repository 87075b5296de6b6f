"""What belongs to a message of Slack: its update, and the chart in its thread.

Neither holds the message up, nor repeats it: each is a row of the outbox of its own. An update may
be sent twice without harm, and one that a later update has overtaken is left out. A chart is looked
for in the thread, by the name of its file, before it is shared again.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from monitoring_sdk.adapters.outbox import Claimed
from monitoring_sdk.adapters.outcome import Outcome
from monitoring_sdk.adapters.slack import SlackSender
from monitoring_sdk.adapters.slack_answers import BAD_BLOCKS, broken, code_of, refused
from monitoring_sdk.decision import Message

Draw = Callable[[Message], bytes | None]

_HELD = "SLACK_BOT_TOKEN is not set"
_WEBHOOK = "left out: a webhook can neither update a message nor take a file"
_ALONE = "left out: the message that it belongs to is not in Slack"
# Somebody deleted the message, or the workspace forbids to edit one so old.
_NO_UPDATE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})


def _no_use(slack: SlackSender, claimed: Claimed) -> Outcome | None:
    if not slack.token:
        return Outcome("left_out", _WEBHOOK) if slack.webhook else Outcome("held", _HELD)
    return Outcome("left_out", _ALONE) if claimed.thread is None else None


@dataclass(frozen=True)
class SlackUpdateSender:
    """Brings the first message of an incident up to date."""

    slack: SlackSender

    @property
    def patience(self) -> timedelta:
        """Two requests, each with its time-out, and a little."""
        return timedelta(seconds=self.slack.timeout * 4)

    @property
    def longest_wait(self) -> timedelta:
        """As for messages."""
        return self.slack.longest_wait

    def send(self, claimed: Claimed) -> Outcome:
        """Update the message, unless a later update does."""
        if claimed.superseded:
            return Outcome("left_out", "left out: a later update tells more")
        without = _no_use(self.slack, claimed)
        return without or self._update(self.slack.client(), claimed, blocks=True)

    def _update(self, client: WebClient, claimed: Claimed, *, blocks: bool) -> Outcome:
        payload = claimed.message.payload
        try:
            client.chat_update(
                channel=payload["channel"],
                ts=str(claimed.thread),
                text=payload["text"],
                # Without the argument Slack would keep the old blocks.
                blocks=payload["blocks"] if blocks else [],
            )
        except SlackApiError as error:
            if blocks and code_of(error) in BAD_BLOCKS:
                return self._update(client, claimed, blocks=False)
            if code_of(error) in _NO_UPDATE:
                return Outcome("left_out", f"left out: {code_of(error)}")
            return _again(refused(error))
        except Exception as error:
            return _again(broken(error))
        return Outcome("sent", None if blocks else "as plain text")


@dataclass(frozen=True)
class SlackChartSender:
    """Puts the chart of an incident's worst check into its thread: draw, upload, share.

    Parameters
    ----------
    slack : SlackSender
    draw : callable
        Makes a PNG of a message; None where there is nothing to draw.
    """

    slack: SlackSender
    draw: Draw = field(repr=False)

    @property
    def patience(self) -> timedelta:
        """A drawing, two searches of a thread and three requests."""
        return self.slack.patience + timedelta(minutes=1)

    @property
    def longest_wait(self) -> timedelta:
        """As for messages."""
        return self.slack.longest_wait

    def send(self, claimed: Claimed) -> Outcome:
        """Share the chart, after a look whether it is there where that is in doubt."""
        without = _no_use(self.slack, claimed)
        if without is not None:
            return without
        client = self.slack.client()
        if claimed.ambiguous:
            found = self.slack.look_in_thread(client, claimed, _shows(claimed.message))
            if found is not None:
                return found
        try:
            image = self.draw(claimed.message)
        except Exception as error:
            return Outcome("dead", f"the chart could not be drawn ({type(error).__name__})")
        if image is None:
            return Outcome("left_out", "left out: there is nothing to draw")
        return self._share(client, claimed, image)

    def _share(self, client: WebClient, claimed: Claimed, image: bytes) -> Outcome:
        payload = claimed.message.payload
        name = file_name(claimed.message)
        try:
            place = client.files_getUploadURLExternal(
                filename=name, length=len(image), alt_txt=payload["text"][:1000]
            )
            _upload(str(place["upload_url"]), image, self.slack.timeout)
        except SlackApiError as error:
            return _again(refused(error))
        except urllib.error.HTTPError as error:
            return Outcome("retry", f"the upload was answered with HTTP {error.code}")
        except Exception as error:
            return _again(broken(error))
        try:
            client.files_completeUploadExternal(
                files=[{"id": str(place["file_id"]), "title": payload["title"][:250]}],
                channel_id=payload["channel"],
                thread_ts=str(claimed.thread),
                initial_comment=payload["text"],
            )
        except SlackApiError as error:
            outcome = refused(error)
        except Exception as error:
            outcome = broken(error)
        else:
            return Outcome("sent", None, {"file": place["file_id"]})
        if outcome.kind != "unknown":
            return outcome
        found = self.slack.look_in_thread(client, claimed, _shows(claimed.message))
        return found if found is not None and found.kind == "sent" else outcome


def _again(outcome: Outcome) -> Outcome:
    """Do again what is in doubt: nobody sees a file that is not shared, or a repeated update."""
    if outcome.kind != "unknown":
        return outcome
    return Outcome("retry", outcome.detail, retry_after=outcome.retry_after)


def file_name(message: Message) -> str:
    """Name a chart's file by its delivery, so that it can be found again in the thread."""
    return f"chart-{message.id}.png"


def _shows(message: Message) -> Callable[[Mapping[str, Any]], bool]:
    name = file_name(message)
    return lambda posted: any(f.get("name") == name for f in posted.get("files") or ())


def _upload(url: str, image: bytes, timeout: float) -> None:
    if not url.startswith(("https://", "http://")):
        raise ValueError("Slack gave no web address to upload to")
    request = urllib.request.Request(
        url, data=image, method="POST", headers={"Content-Type": "image/png"}
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        answer.read()
