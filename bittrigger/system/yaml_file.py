"""YAML from elsewhere: mappings, lists and scalars; nothing that stands for more than it is long."""

from __future__ import annotations

from typing import Any

MAX_BYTES = 1 << 17
"""Longest text; what a number of base 60 takes grows with the square of its length."""

MAX_DEPTH = 50
_WORD = 1 << 63


def plain_yaml(text: bytes) -> Any:  # noqa: ANN401 - whatever the text holds
    """The value of ``text``.

    Raises:
        ValueError: if it is too long, no YAML, nested too deeply, or holds an alias, which lets a few lines stand for any
            number of them, or an integer of more than 64 bits, which no message could print.
    """
    import yaml

    if len(text) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    try:
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise ValueError("it is nested too deeply")
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("an alias (*name); write out what it stands for")  # noqa: TRY004 - of the text
        value = yaml.safe_load(text)
        _check(value)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML ({' '.join(str(error).split())[:200]})") from error
    return value


def _check(value: object) -> None:
    match value:
        case dict():
            for key, item in value.items():
                _check(key)
                _check(item)
        case list() | tuple() | set():
            for item in value:
                _check(item)
        case int() if abs(value) >= _WORD:
            raise ValueError("an integer of more than 64 bits")
        case _:
            pass
