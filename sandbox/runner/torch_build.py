"""The program that builds a PyTorch candidate, in a box without GPU and network.

    python torch_build.py SOURCE KEPT SETTINGS

It reads the source, and where SETTINGS (JSON) says that extensions are expected, imports it once so that they are compiled; libraries
are left in the folder KEPT. What is wrong with the candidate is told on standard error, and the exit code is then 1.
"""

from __future__ import annotations

import ast
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch_load


def main() -> None:
    source, kept, settings = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    try:
        check(source.read_text(encoding="utf-8"), settings["entry"])
        if settings["extensions"]:
            build(source, kept, settings)
    except BaseException as error:
        print(torch_load.in_words(error), file=sys.stderr, flush=True)
        raise SystemExit(1) from error


def check(text: str, entry: str) -> None:
    """Raises `SyntaxError` for what is no Python, or has no class called `entry`."""
    module = ast.parse(text, torch_load.SOURCE)
    compile(text, torch_load.SOURCE, "exec")
    if not any(isinstance(node, ast.ClassDef) and node.name == entry for node in ast.walk(module)):
        raise SyntaxError(f"there is no class {entry}")


def build(source: Path, kept: Path, settings: dict[str, Any]) -> None:
    """Import the candidate, and make its module where nothing was compiled by then."""
    from torch_extensions import Recorder

    recorder = Recorder(Path(tempfile.mkdtemp(prefix="extensions-")), kept, settings["libraries"])
    recorder.install()
    module = torch_load.imported(source)
    if not recorder.built:
        getattr(module, settings["entry"])(*torch_load.filled(json.loads(settings["init"]), {}))


if __name__ == "__main__":
    main()
