"""Secrets of the environment, taken out of texts before these are shown or kept."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

# What is shorter than this, such as `true`, would be cut out of innocent words.
_SHORT = 5
_SECRET = re.compile(r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|WEBHOOK_URL)(_|$)|_PWD$", re.I)
# In URLs, whatever variable holds them: before the @, and among the arguments.
_IN_URLS = (
    re.compile(r"://[^:/@\s]*:([^@\s]+)@"),
    re.compile(r"[?&]\w*(?:password|passwd|token|secret|key|sig)\w*=([^&\s]+)", re.I),
)

SECRETS = (
    "SLACK_BOT_TOKEN",
    "SLACK_WEBHOOK_URL",
    "MONITORING_API_KEY",
    "MONITORING_HEARTBEAT_URL",
)
# Whose path is the secret: an error may quote it alone.
_ADDRESSES = ("SLACK_WEBHOOK_URL", "MONITORING_HEARTBEAT_URL")
_TELLING = 12
"""So long a part of such a path is no word."""


def redact(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Return a text without the secrets that this process was given in its environment.

    These are the variables of this project that are secret, others whose names say that they are,
    and the passwords in URLs.

    Examples
    --------
    >>> redact("refused: xoxb-123", {"SLACK_BOT_TOKEN": "xoxb-123"})
    'refused: ***'
    >>> redact("no host: abcdefg", {"ORDERS_DB": "postgresql://me:abcdefg@db/orders"})
    'no host: ***'
    >>> redact("no /5c57ac8e-b1f2", {"MONITORING_HEARTBEAT_URL": "https://a.org/5c57ac8e-b1f2"})
    'no /***'
    """
    environ = os.environ if environ is None else environ
    found = {environ[name] for name in SECRETS if len(environ.get(name, "")) > 3}
    for name in _ADDRESSES:
        parts = urlsplit(environ.get(name, "")).path.split("/")
        found |= {part for part in parts if len(part) >= _TELLING}
    for name, value in environ.items():
        named = {value} if _SECRET.search(name) else set()
        inner = (s for form in _IN_URLS for s in form.findall(value))
        found |= {s for s in (*named, *inner) if len(s) > _SHORT}
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
