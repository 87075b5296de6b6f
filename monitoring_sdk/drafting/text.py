"""A draft as the text of a monitor file: a reason beside every guess."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from monitoring_sdk.drafting.guess import Draft, Guess

WIDTH = 100

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
# Words that some reader of YAML takes for something else than text.
_WORDS = frozenset(
    {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "none"}
)
_DURATION = re.compile(r"\d+(min|h|d|w|mo|s)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T[\d:]+Z)?")
_GLOB = re.compile(r"([*?\[])")


def yaml_text(value: Any) -> str:
    """Write a value in one line of YAML.

    Examples
    --------
    >>> print(yaml_text({"column": "sent at", "unit": "ms"}), yaml_text(["no", 1, True]))
    {column: "sent at", unit: ms} ["no", 1, true]
    """
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{yaml_text(str(k))}: {yaml_text(v)}" for k, v in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(yaml_text(v) for v in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value, default=str)
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    timed = _DURATION.fullmatch(value) or _DATE.fullmatch(value)
    return value if plain or timed else f'"{"".join(map(_escaped, value))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def file_text(draft: Draft, origin: str) -> str:
    """Write a draft as a monitor file.

    Parameters
    ----------
    origin : str
        The command that drafted it, for the first line.
    """
    lines = [
        f"# Drafted by `{origin}`: guesses, each with its reason.",
        "# Those marked `doubtful` want a second look; then run `monitoring check` on this file.",
    ]
    section = None
    for guess in draft.guesses:
        head, _, key = guess.key.partition(".")
        if key and head != section:
            lines.append(f"{head}:")
        section = head
        lines += _lines(guess, key or head, "  " if key else "")
    return "\n".join([*lines, *_ending()]) + "\n"


def _ending() -> list[str]:
    return [
        "# Without `metrics` and `drift`, the usual ones of the task and of each kind of column.",
        "# thresholds: {accuracy: {min: 0.8}}    # a limit of your own, for any metric or method",
        "# alerts: {slack: {channel: C0123456}}",
    ]


def _lines(guess: Guess, key: str, indent: str) -> Iterator[str]:
    why = guess.why if guess.sure else f"doubtful: {guess.why}" if guess.why else ""
    if guess.value is None:
        yield from _comment(f"{key}: {why}", indent)
    elif isinstance(guess.value, tuple):
        if guess.value:
            yield from _comment(why, indent)
            yield f"{indent}{key}:"
            yield from _entries(guess, indent + "  ")
    else:
        yield from _beside(f"{indent}{yaml_text(key)}: ", guess.value, why, indent)


def _entries(guess: Guess, indent: str) -> Iterator[str]:
    said = ""
    for item in guess.value:
        value = item.value
        if isinstance(value, str):
            # A name with `*`, `?` or `[` in it would be taken for a pattern.
            value = _GLOB.sub(r"[\1]", value)
        lines = list(_beside(f"{indent}- ", value, item.why, indent))
        above = len(lines) > 1 and lines[0].lstrip().startswith("#")
        # What was said above the entry before holds for this one too.
        yield from (
            _beside(f"{indent}- ", value, "", indent) if above and item.why == said else lines
        )
        said = item.why if above else ""


def _beside(start: str, value: Any, why: str, indent: str) -> Iterator[str]:
    """Write a value, its reason beside it where there is room, else above."""
    why = " ".join(why.split())
    line = start + yaml_text(value)
    if why and len(line) + len(why) + 4 <= WIDTH:
        yield f"{line}  # {why}"
        return
    yield from _comment(why, indent)
    if len(line) <= WIDTH or not isinstance(value, Mapping):
        yield line
        return
    yield from _flow(start, value)


def _flow(start: str, value: Mapping[str, Any]) -> Iterator[str]:
    """Write a long mapping over several lines."""
    line = start + "{"
    for i, (key, inner) in enumerate(value.items()):
        entry = f"{yaml_text(str(key))}: {yaml_text(inner)}" + (",}"[i == len(value) - 1])
        if len(line) + len(entry) + 1 > WIDTH and i:
            yield line
            line = " " * (len(start) + 1) + entry
        else:
            line += entry if not i else f" {entry}"
    yield line


def _comment(text: str, indent: str) -> Iterator[str]:
    mark = f"{indent}# "
    yield from textwrap.wrap(
        text, WIDTH, initial_indent=mark, subsequent_indent=mark, break_long_words=False
    )
