"""Model objects to JSON and back, checked on the way in (pydantic's only door)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from kernelsearch.errors import UsageError

T = TypeVar("T")


@lru_cache(maxsize=64)
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def dump_json(value: object) -> str:
    """One line of JSON for a model object."""
    return _adapter(type(value)).dump_json(value).decode()


def load_json(kind: type[T], text: str | bytes) -> T:
    """The model object that `dump_json` wrote. Raises `UsageError` with the path of what does not fit."""
    try:
        value: T = _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise UsageError("; ".join(f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in error.errors()[:5])) from error
    return value
