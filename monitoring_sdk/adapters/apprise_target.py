"""Everything that is not Slack (e-mail, Teams, PagerDuty, Discord ...), by Apprise.

Apprise says whether a service took a notification, not whether one that failed arrived all the
same. So a notification is repeated until it was taken: it arrives at least once. Each target has a
row of the outbox of its own, so one that is broken repeats none of the others.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO

from monitoring_sdk.adapters.outbox import Claimed
from monitoring_sdk.adapters.outcome import Outcome
from monitoring_sdk.decision import Message
from monitoring_sdk.errors import MonitoringError

Address = Callable[[Message], str]
"""Finds the URL of a message's target, or raises a `MonitoringError` that says why it cannot."""

# How Apprise words the status of a service that refused: `(error=404)`, `error: 404`.
_STATUS = re.compile(r"error\W{1,3}(\d{3})\b", re.IGNORECASE)
# Refused now, and refused again until people act.
_FOR_EVER = frozenset({400, 401, 403, 404, 405, 410, 413, 422})


@contextlib.contextmanager
def _listening() -> Iterator[StringIO]:
    """Hear what Apprise logs and let nobody else: its lines may hold an address with its secrets.

    So may those of urllib3, by which most of its services send. The handlers are ours alone;
    Apprise's own way to capture logs would leave them to others too.
    """
    heard = StringIO()
    with (
        _alone("apprise", logging.StreamHandler(heard)),
        _alone("urllib3", logging.NullHandler()),
    ):
        yield heard


@contextlib.contextmanager
def _alone(name: str, handler: logging.Handler) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.propagate, logger.level
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate, logger.level = before


def known_service(url: str) -> bool:
    """Say whether Apprise has a service for such a URL; nothing is sent.

    Examples
    --------
    >>> known_service("json://127.0.0.1"), known_service("jsn://127.0.0.1")
    (True, False)
    """
    from apprise import Apprise

    with _listening():
        return Apprise.instantiate(url, suppress_exceptions=True) is not None


@dataclass(frozen=True)
class AppriseSender:
    """Sends a notification to one target, once for each attempt."""

    address: Address = field(repr=False)
    patience: timedelta = timedelta(minutes=5)
    longest_wait: timedelta = timedelta(hours=1)

    def send(self, claimed: Claimed) -> Outcome:
        """Send a notification; one that may have arrived is sent again, for nobody can look."""
        from apprise import Apprise, AppriseAsset, NotifyFormat

        payload = claimed.message.payload
        try:
            url = self.address(claimed.message)
        except MonitoringError as error:
            return Outcome("held", str(error))
        service = Apprise(asset=AppriseAsset(async_mode=False, secure_logging=True))
        with _listening() as heard:
            try:
                if not service.add(url):
                    return Outcome("dead", "Apprise knows no service with such a URL")
                taken = service.notify(
                    title=payload["text"],
                    body=payload["body"],
                    notify_type=payload["type"],
                    body_format=NotifyFormat.TEXT,
                )
            except Exception as error:
                return Outcome("retry", f"not taken ({type(error).__name__})")
        if taken:
            return Outcome("sent")
        statuses = [int(found) for found in _STATUS.findall(heard.getvalue())]
        if not statuses:
            return Outcome("retry", "not taken: no answer, or a refusal without a status")
        refused = f"refused with HTTP {statuses[-1]}"
        return Outcome("dead" if statuses[-1] in _FOR_EVER else "retry", refused)
