"""Words for what is wrong with a monitor file: where, what came, what is allowed, did you mean."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from monitoring_sdk.errors import explain

# Keys and names of the public face that this version knows but cannot do.
LATER_KEYS: tuple[str, ...] = ()

# Up to the last @: a password may hold one.
_PASSWORD = re.compile(r"(://[^:/@\s]*:)\S*@")
_WORDS = {
    "model_type": "must hold keys and values",
    "dict_type": "must hold keys and values",
    "tuple_type": "must be a list",
}

NOT_ALLOWED = "not_allowed"


def not_allowed(what: str, allowed: Sequence[object] = ()) -> PydanticCustomError:
    """Return an error that leaves the value out: `describe` shows it as the file has it."""
    return PydanticCustomError(NOT_ALLOWED, "{what}", {"what": what, "allowed": list(allowed)})


def _at(data: Any, path: Sequence[str | int]) -> Any:
    """Follow keys and positions into a document; None where they lead nowhere."""
    for step in path:
        if isinstance(step, int) and isinstance(data, Mapping) and step not in data:
            continue  # one rule that stands for a list of one
        if isinstance(step, int) and isinstance(data, str):
            continue  # and so does a name
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def not_yet(data: Mapping[str, Any]) -> list[str]:
    """Name what a file asks for that a later version brings; none of it is ignored."""
    return [f"{key}: not supported yet" for key in LATER_KEYS if _has(data, key.split("."))]


def _has(data: Any, path: Sequence[str]) -> bool:
    parent = _at(data, path[:-1])
    return isinstance(parent, Mapping) and path[-1] in parent


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    """Follow field names down to the section that a path lies in."""
    current: type[BaseModel] | None = model
    for step in path:
        if isinstance(step, int) or current is None:
            continue
        info = current.model_fields.get(str(step))
        if info is None:
            continue
        current = _section_of(info.annotation) or current
    return current


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in typing.get_args(annotation):
        found = _section_of(inner)
        if found is not None:
            return found
    return None


def shown(value: Any) -> Any:
    """Return what came, without a password and not at length."""
    if isinstance(value, str):
        value = _PASSWORD.sub(r"\1***@", value)
        return value if len(value) <= 80 else value[:77] + "..."
    return type(value).__name__ if isinstance(value, Mapping | list) else value


def _line(error: Mapping[str, Any], model: type[BaseModel], data: Mapping[str, Any]) -> str:
    path = [step for step in error["loc"] if not str(step).startswith(("function-", "tuple["))]
    where = ".".join(str(step) for step in path)
    came = shown(_at(data, path))
    kind = error["type"]
    if kind == "extra_forbidden":
        section = _model_at(model, path[:-1])
        allowed = list(section.model_fields) if section else []
        return explain("unknown key", where=where, got=str(path[-1]), allowed=allowed)
    if kind == "missing":
        return f"{where}: required, but missing"
    if kind == NOT_ALLOWED:
        return explain(error["msg"], where=where, got=came, allowed=error["ctx"]["allowed"])
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", error["ctx"]["expected"]) or [error["ctx"]["expected"]]
        return explain("not an allowed value", where=where, got=came, allowed=allowed)
    message = _WORDS.get(kind) or error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if kind == "value_error":
        return f"{where}: {message}" if where else message
    return explain(message, where=where, got=came)


def describe(
    error: ValidationError,
    model: type[BaseModel],
    data: Mapping[str, Any],
    skip: Sequence[str] = (),
) -> list[str]:
    """Turn pydantic's findings into lines; places in `skip` have been spoken of already.

    So has what lies between sections, which has no place.

    Values are shown as the file has them, so that no variable's content reaches a message.
    """
    lines = []
    for found in error.errors(include_url=False):
        where = ".".join(str(step) for step in found["loc"])
        if where and not any(where == s or where.startswith(s + ".") for s in skip):
            lines.append(_line(found, model, data))
    return list(dict.fromkeys(lines))
