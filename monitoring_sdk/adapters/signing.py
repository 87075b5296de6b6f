"""Signatures of webhooks, by the Standard Webhooks specification (HMAC-SHA256).

Signed is `id.timestamp.body`; receivers have libraries for it in most languages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE = timedelta(minutes=5)
PREFIX = "whsec_"


def _key(secret: str) -> bytes:
    """Return a secret's bytes: what follows `whsec_` is base64, any other text is itself."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("what follows whsec_ is no base64") from None


def is_usable(secret: str) -> bool:
    """Say whether a secret can be read: what follows `whsec_` must be base64."""
    try:
        return bool(_key(secret))
    except ValueError:
        return False


def sign(secret: str, identity: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers that sign a body.

    Parameters
    ----------
    secret : str
        `whsec_` and base64, or any other text.
    identity : str
        The same for every repeat of a message.
    at : datetime
        The clock: a receiver refuses what is older than some minutes.

    Raises
    ------
    ValueError
        When the secret cannot be read.

    Examples
    --------
    >>> at = datetime.fromtimestamp(1614265330, UTC)
    >>> sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", at,
    ...      b'{"test": 2432232314}')["webhook-signature"]
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    stamp = str(int(at.timestamp()))
    signed = f"{identity}.{stamp}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return {ID: identity, TIMESTAMP: stamp, SIGNATURE: f"v1,{base64.b64encode(digest).decode()}"}


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Say whether a body was signed with a secret, within five minutes of now.

    Examples
    --------
    >>> now = datetime(2024, 3, 1, tzinfo=UTC)
    >>> headers = sign("secret", "a", now, b"{}")
    >>> is_signed("secret", headers, b"{}", now), is_signed("other", headers, b"{}", now)
    (True, False)
    """
    given = {k.lower(): v for k, v in headers.items()}
    try:
        at = datetime.fromtimestamp(int(given[TIMESTAMP]), UTC)
        wanted = sign(secret, given[ID], at, body)[SIGNATURE]
    except (KeyError, ValueError, OverflowError, OSError):
        return False
    if abs(now - at) > TOLERANCE:
        return False
    # While a secret is exchanged for another, a sender may sign with both.
    found = [hmac.compare_digest(s.encode(), wanted.encode()) for s in given[SIGNATURE].split()]
    return any(found)
