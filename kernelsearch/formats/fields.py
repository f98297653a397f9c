"""Values out of files of others, each with its place: what is missing or of another type is a `UsageError` that says where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from kernelsearch.errors import UsageError

T = TypeVar("T")
_WORDS = {dict: "an object", list: "a list", str: "a text", int: "a whole number", bool: "true or false"}


def get(table: Mapping[str, Any], key: str, kind: type[T], where: str) -> T:
    """`table[key]`, which must be of this type. A truth value is no number."""
    if key not in table:
        raise UsageError(f"{where}: no {key!r} in it")
    return checked(table[key], kind, f"{where}: {key}")


def optional(table: Mapping[str, Any], key: str, kind: type[T], where: str, default: T) -> T:
    """As `get`; `default` where there is none or it is null."""
    return default if table.get(key) is None else get(table, key, kind, where)


def checked(value: object, kind: type[T], where: str) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{where}: {str(value)[:60]!r} is not {_WORDS.get(kind, kind.__name__)}")
    return value


def parsed(text: str, where: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """JSON, with the line of what is not. NaN and infinities are read as they stand there."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where}, line {error.lineno}: not valid JSON: {error.msg}") from error
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{where}: not valid JSON: {str(error)[:100]}") from error
