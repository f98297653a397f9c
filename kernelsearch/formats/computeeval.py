"""ComputeEval's problems: recognised and refused with the reason, and a kernel of ours written as a Solution.

A problem is a build command and a test command: the test is linked with the candidate into one program whose exit code is the verdict, so
that whatever the candidate does in that process (leaving with 0 is enough) would pass. Nothing outside knows what is right. So none is read
as a task; a kernel of its solution can be optimised by a task of its own, and what comes of it goes back as a Solution.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import NoReturn

from kernelsearch import catalog
from kernelsearch.errors import UsageError
from kernelsearch.formats.fields import get, optional
from kernelsearch.formats.listed import Listed, plain
from kernelsearch.formats.yaml_text import mapping

FORMAT = "computeeval"
FILES = ("problem-spec.yaml", "problem-spec.yml")
_KEYS = {"task_id", "prompt", "test_command"}
_SCHEMA = "1"


def is_problem(file: Path) -> bool:
    """Whether a YAML file has what a problem's specification has."""
    try:
        return mapping(catalog.read(file), str(file)).keys() >= _KEYS
    except UsageError:
        return False


def listed(file: Path) -> tuple[Listed, ...]:
    """The one problem, whose reading says why it cannot be judged."""
    return (Listed(name=plain(file.resolve().parent.name), suite=FORMAT, read=partial(load, file)),)


def load(file: Path, *, launcher: Path | None = None) -> NoReturn:
    """Always raises `UsageError`, with what is in the way."""
    kind = optional(mapping(catalog.read(file), str(file)), "problem_type", str, str(file), "cuda_cpp")
    raise UsageError(
        f"{file}: a ComputeEval problem ({kind}) is judged by its own test program, in which the candidate runs and could end it as "
        f"passed: that cannot be judged soundly. Draft a task of the kernel in its solution, `kernelsearch init solution/KERNEL.cu`, "
        f"and write the winner back with `kernelsearch export RUN --form computeeval --problem {file.name}`"
    )


def solution(file: Path, source: str) -> str:
    """`source` as a Solution of the problem in `file`, under the name of its solution's own file where there is one."""
    where = str(file)
    task_id = get(mapping(catalog.read(file), where), "task_id", str, where)
    own = sorted(path.name for path in (file.parent / "solution").glob("*.cu")) if (file.parent / "solution").is_dir() else []
    if len(own) > 1:
        raise UsageError(f"{file.parent / 'solution'}: {len(own)} CUDA files, and a run has one: leave there the one that was optimised")
    files = [{"path": own[0] if own else "solution.cu", "content": source}]
    return json.dumps({"type": "file", "schema_version": _SCHEMA, "task_id": task_id, "files": files}, ensure_ascii=False) + "\n"
