"""Read a YAML 1.2 mapping; `${NAME}` takes an environment variable."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.constructor import SafeConstructor

from monitoring_sdk.errors import ConfigError

AS_WRITTEN = "retraining.hook.command"
"""Arguments wait in the store until they are called: variables are taken then, not before."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class _Constructor(SafeConstructor):
    """YAML 1.2 has no dates: a moment stays as it was written, and its reader judges it."""


_Constructor.add_constructor(
    "tag:yaml.org,2002:timestamp", SafeConstructor.yaml_constructors["tag:yaml.org,2002:str"]
)


def _parser() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml


def read_mapping(path: str | Path, first: str = "model") -> dict[str, Any]:
    """Read a file that holds one YAML mapping, as written (variables not yet replaced).

    Parameters
    ----------
    path : str or Path
    first : str
        The key that such a file begins with, for people whose file is no mapping.

    Raises
    ------
    ConfigError
        When the file cannot be read, is no YAML, repeats a key, or is no mapping.
    """
    try:
        # A path of a remote folder is one that `Path` does not know.
        text = (Path(path) if isinstance(path, str) else path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
    try:
        data = copy.deepcopy(_parsed(text))
    except YAMLError as error:
        raise ConfigError(f"{path}: {_first_words(error)}") from None
    except (ValueError, RecursionError) as error:
        # A tag that does not suit its text (`!!int x`), or nesting beyond all measure.
        raise ConfigError(f"{path}: no YAML that can be read: {type(error).__name__}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: the file must hold keys and values, starting with `{first}:`")
    return data


# A run asks for its monitor file several times, and parsing takes as long as reading a window.
@lru_cache(maxsize=16)
def _parsed(text: str) -> Any:
    return _parser().load(text)


def _first_words(error: YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    # The parser quotes both values of a repeated key, and one may be a URL with a password.
    problem = problem.split(" with value ")[0]
    return f"line {mark.line + 1}: {problem}" if mark is not None else problem


def interpolate(
    value: Any, where: str, problems: list[str], env: Mapping[str, str] | None = None
) -> Any:
    """Replace every `${NAME}` in the texts of a document; a missing variable is a problem.

    Those of a hook's command stay as they are written: `replaced` takes them when it is called.

    Examples
    --------
    >>> interpolate({"url": "${DB}"}, "", [], {"DB": "sqlite://"})
    {'url': 'sqlite://'}
    """
    env = os.environ if env is None else env
    if isinstance(value, dict):
        return {
            k: interpolate(v, f"{where}.{k}".strip("."), problems, env) for k, v in value.items()
        }
    if isinstance(value, list):
        return [
            interpolate(v, f"{where}.{i}".strip("."), problems, env) for i, v in enumerate(value)
        ]
    if not isinstance(value, str):
        return value
    for name in _VARIABLE.findall(value):
        if name not in env:
            problems.append(f"{where}: the environment variable {name} is not set")
    return value if where.startswith(AS_WRITTEN) else replaced(value, env)


def replaced(text: str, env: Mapping[str, str] | None = None) -> str:
    """Replace every `${NAME}` in a text; one that is not set is empty.

    Examples
    --------
    >>> replaced("Bearer ${TOKEN}", {"TOKEN": "abc"})
    'Bearer abc'
    """
    env = os.environ if env is None else env
    return _VARIABLE.sub(lambda match: env.get(match[1], ""), text)
