"""A program's Python files as modules that may import each other, without leaving a name behind for the next program."""

from __future__ import annotations

import importlib
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from kernelsearch.oracle.on_cpu import OnCpu
from kernelsearch.oracle.problem import Fault

_PREFIX = "kernelsearch-program-"


class Files:
    """`files` by name, on disk as long as this object lives, so that errors have their lines."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX)
        root = Path(self._folder.name)
        for name, text in files.items():
            target = (root / name).resolve()
            if not target.is_relative_to(root.resolve()):
                raise Fault(f"file {name!r} lies outside the problem's folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

    def module(self, name: str) -> ModuleType:
        """Run the file `name`.py, and what it imports of the others."""
        before = set(sys.modules)
        sys.path.insert(0, self._folder.name)
        sys.dont_write_bytecode = True
        importlib.invalidate_caches()
        hidden = {top: sys.modules.pop(top) for top in self._tops() if top in sys.modules}
        try:
            with OnCpu():
                return importlib.import_module(name)
        finally:
            sys.path.remove(self._folder.name)
            for new in set(sys.modules) - before:
                if (getattr(sys.modules[new], "__file__", None) or "").startswith(self._folder.name) or new.partition(".")[
                    0
                ] in self._tops():
                    del sys.modules[new]
            sys.modules.update(hidden)

    def _tops(self) -> set[str]:
        return {path.stem for path in Path(self._folder.name).iterdir()}


def place(error: BaseException) -> str:
    """`reference.py, line 7: ` where an error passed through a program's file; empty where it passed through none."""
    if isinstance(error, SyntaxError) and error.filename and _PREFIX in error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}: "
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _PREFIX in frame.filename]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: " if frames else ""
