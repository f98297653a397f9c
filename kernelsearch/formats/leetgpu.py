"""LeetGPU's challenges as tasks: `challenge.py` of a user's own checkout. Its functional tests are verified, its performance test is timed.

The launcher is the challenge's own `solve`, with its signature. Tolerances are ours, from types and lengths of sums, and not the
challenge's, which are looser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kernelsearch import catalog
from kernelsearch.errors import UsageError
from kernelsearch.formats import modules
from kernelsearch.formats.listed import Listed, distinct, plain
from kernelsearch.formats.programs import Spec, as_task
from kernelsearch.model import Task

_FILE, _CLASS = "challenge.py", "Challenge"
_BASE = Path("core") / "challenge_base.py"
_NUMBER = re.compile(r"\d+_")


def is_challenge(source: str) -> bool:
    """Whether a Python file has a class Challenge with a signature."""
    return _CLASS in modules.defined(source) and "get_solve_signature" in source


def files(folder: Path) -> list[Path]:
    """The challenges in `folder`: its own file, or those of folders below it."""
    found = [folder / _FILE, *sorted(folder.glob(f"*/{_FILE}")), *sorted(folder.glob(f"*/*/{_FILE}"))]
    found += sorted(folder.glob(f"challenges/*/*/{_FILE}"))
    return [file for file in found if file.is_file() and is_challenge(file.read_text(encoding="utf-8", errors="replace"))]


def listed(found: list[Path], where: str) -> tuple[Listed, ...]:
    """These challenges by name."""
    return distinct((Listed(name=_name(file), suite="leetgpu", read=partial(load, file)) for file in found), where)


def load(file: Path, *, launcher: Path | None = None) -> Task:
    """The task of one challenge. Raises as `programs.as_task` does."""
    source = catalog.read(file)
    texts = {_FILE: source}
    base = next((above / _BASE for above in list(file.resolve().parents)[:4] if (above / _BASE).is_file()), None)
    if base is not None:
        texts[str(_BASE)] = catalog.read(base)
    program = {"format": "leetgpu", "files": texts}
    return as_task(Spec(name=_name(file), suite="leetgpu", where=str(file), program=program, module=partial(_module, source)), launcher)


def _name(file: Path) -> str:
    folder = file.resolve().parent.name
    return plain(_NUMBER.sub("", folder, count=1) or folder)


def _module(source: str, found: Mapping[str, Any], case: Mapping[str, Any]) -> str:
    body = modules.shaken([source], _CLASS, local=("ctypes", "core"), methods=("reference_impl",))
    if "reference_impl" not in body:
        raise UsageError(f"class {_CLASS} has no reference_impl of its own")
    names = modules.read(found, case)
    outputs = [fact for fact in case["tensors"] if fact["role"] == "output"]
    given = [*names, *(fact["name"] for fact in outputs)]
    call = ", ".join([*(f"{name}={name}" for name in given), *(f"{name}={value!r}" for name, value in case["scalars"].items())])
    lines = [f"{fact['name']} = {modules.allocated(fact, modules.device(names))}" for fact in outputs]
    lines += [f"{_CLASS}().reference_impl({call})", f"return {', '.join(fact['name'] for fact in outputs)}"]
    return modules.module(body, lines, names)
