"""YAML as plain values (PyYAML's only door): mappings, lists, texts and numbers, and nothing that its tags could make."""

from __future__ import annotations

from typing import Any

import yaml

from kernelsearch.errors import UsageError


def mapping(text: str, where: str) -> dict[str, Any]:
    """The mapping that a file holds, keys being texts. Raises `UsageError` with the line at fault."""
    try:
        found = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{where}{line}: not valid YAML: {error.problem or error.context}") from error
    except (
        yaml.YAMLError,
        ValueError,
        RecursionError,
        TypeError,
    ) as error:  # a date that is none, nesting without end, a key that is a list
        raise UsageError(f"{where}: not valid YAML: {str(error)[:100]}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise UsageError(f"{where}: a mapping of names to values is expected at its top")
    return found
