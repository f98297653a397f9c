"""What a person wrote, read strictly: TOML into tables without unknown keys, and every fault as `FILE: path: problem`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from kernelsearch.errors import UsageError

T = TypeVar("T")
_SHOWN = 5  # errors named in one message: the rest often follow from them


class At:
    """Runs a constructor and puts file and path before its `UsageError`, once."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __call__(self, path: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except UsageError as error:
            if str(error).startswith(f"{self.where}: "):
                raise
            raise UsageError(f"{self.where}: {path}{': ' if path else ''}{error}") from error


class Table(BaseModel):
    """A table of a file: an unknown key is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parsed(text: str, where: str) -> dict[str, Any]:
    """The tables in a TOML text. Raises `UsageError`, as all here do."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of a number with thousands of digits, and of nesting without end
        raise UsageError(f"{where}: not valid TOML: {error}") from error


def validated(validate: Callable[[dict[str, Any]], T], table: dict[str, Any], where: str) -> T:
    """What `validate` makes of the tables."""
    try:
        return validate(table)
    except ValidationError as error:
        raise UsageError(f"{where}: {problems(error)}") from error


def problems(error: ValidationError) -> str:
    """`args[2].shape: problem; …`: places as a person would index them."""
    words = []
    for item in error.errors()[:_SHOWN]:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in item["loc"]).lstrip(".")
        problem = "unknown key" if item["type"] == "extra_forbidden" else item["msg"][:1].lower() + item["msg"][1:]
        words.append(f"{place or 'value'}: {problem}")
    return "; ".join(words)
