"""A candidate's module from the file that the toolchain made: an archive of its source and the libraries built for it."""

from __future__ import annotations

import ast
import importlib.util
import sys
import tempfile
import traceback
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

SOURCE = "candidate.py"
LIBRARIES = "extensions"
_literal = ast.literal_eval


def unpack(artifact: Path) -> Path:
    """A folder of this process with what is in the archive: Triton reads the source of kernels, and libraries must be files."""
    folder = Path(tempfile.mkdtemp(prefix="candidate-"))
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(folder)
    return folder


def imported(source: Path) -> ModuleType:
    """The module in `source`. Raises whatever it raises."""
    spec = importlib.util.spec_from_file_location("candidate", source)
    if spec is None or spec.loader is None:
        raise ImportError(f"{source.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["candidate"] = module
    spec.loader.exec_module(module)
    return module


def in_words(error: BaseException) -> str:
    """`line 7: ValueError: …`, with the last line of the candidate that the error passed through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == SOURCE]
    if isinstance(error, SyntaxError) and error.filename is not None and Path(error.filename).name == SOURCE:
        lines = [error.lineno]
    place = f"line {lines[-1]}: " if lines else ""
    return f"{place}{type(error).__name__}: {error}"


def filled(node: Mapping[str, Any], tensors: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever a constructor takes
    """The value that a tree of the spec stands for, with `tensors` in their places."""
    if "arg" in node:
        return tensors[node["arg"]]
    if "value" in node:
        return _literal(node["value"])
    items = [filled(item, tensors) for item in node.get("list") or node.get("tuple") or ()]
    return items if "list" in node else tuple(items)
