"""Keys of the collector: shown once, kept as salted hashes, checked in constant time."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from monitoring_sdk.adapters.whole_files import appearing
from monitoring_sdk.errors import ConfigError

_NOBODY = {"model": "", "salt": "00" * 16, "hash": "00" * 32}


def _hashed(salt: str, key: str) -> str:
    # A key is 256 random bits: nothing is gained by a slow hash, and a slow one invites floods.
    return hashlib.sha256(bytes.fromhex(salt) + key.encode("utf-8", "replace")).hexdigest()


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["keys"])
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ConfigError(f"{path}: no file of keys ({type(error).__name__})") from None


def _write(path: Path, keys: dict[str, dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with appearing(path, mode=0o600, durable=True) as out:
        out.write(json.dumps({"schema": 1, "keys": keys}, indent=1).encode())


def make_key(path: Path, model: str, now: datetime) -> str:
    """Make a key for a model, keep its salted hash, and return the key: nobody can read it again.

    A model may have several keys, so that one can be replaced before the old one is revoked.
    """
    keys = _read(path)
    name, salt = secrets.token_hex(6), secrets.token_hex(16)
    key = f"mk_{name}_{secrets.token_urlsafe(32)}"
    keys[name] = {
        "model": model,
        "salt": salt,
        "hash": _hashed(salt, key),
        "made": now.isoformat(timespec="seconds"),
    }
    _write(path, keys)
    return key


def revoke_key(path: Path, name: str) -> str:
    """Remove a key by its name, the part between `mk_` and the next `_`; return its model.

    Raises
    ------
    ConfigError
        When there is no such key.
    """
    keys = _read(path)
    if name not in keys:
        raise ConfigError(f"{path}: no key {name!r}; there are {', '.join(sorted(keys)) or 'none'}")
    model = keys.pop(name)["model"]
    _write(path, keys)
    return model


class Keys:
    """The file of keys, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: Any = None
        self._keys: dict[str, dict[str, str]] = {}

    def known(self, model: str, key: str) -> bool:
        """Say whether a key is one of the model; who is unknown costs the same as who is known."""
        self._refresh()
        name = key[3:15]
        kept = self._keys.get(name, _NOBODY)
        right = hmac.compare_digest(_hashed(kept["salt"], key), kept["hash"])
        mine = hmac.compare_digest(kept["model"].encode(), model.encode("utf-8", "replace"))
        return right & mine

    def _refresh(self) -> None:
        try:
            found = os.stat(self._path)
            version = (found.st_mtime_ns, found.st_ino, found.st_size)
        except FileNotFoundError:
            version = None
        if version != self._version:
            self._keys, self._version = _read(self._path), version
