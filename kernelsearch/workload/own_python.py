"""A task's own Python, called by us: its reference and what makes its structured inputs. What it raises is told with file and line."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from kernelsearch import oracle
from kernelsearch.errors import UsageError
from kernelsearch.model import Reference, Task
from kernelsearch.workload.elements import Array

# What a user's Python file may raise; anything else is not about its contents.
_VALUE_ERRORS = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
_REFERENCE_ERRORS = (*_VALUE_ERRORS, AttributeError, ImportError, MemoryError, NameError, OSError, RuntimeError, StopIteration, SyntaxError)


@lru_cache(maxsize=32)
def _functions(source: str, name: str) -> Mapping[str, Any]:
    """The namespace of a reference file, executed once. `name` is for messages. Raises `UsageError` with the line at fault."""
    space: dict[str, Any] = {"__name__": "reference"}
    try:
        exec(compile(source, name, "exec"), space)
    except _REFERENCE_ERRORS as error:
        raise UsageError(f"{name}{_line_of(error, name)}: {type(error).__name__}: {error}") from error
    return space


def call_reference(task: Task, function: str, *args: object, **named: object) -> object:
    """Call a function of the task's reference file. Raises `UsageError` naming file and line when it is missing or raises."""
    if task.reference is None:
        raise ValueError(f"task {task.name!r} has no reference")
    name = reference_name(task)
    if task.reference.program:
        return _of_program(task.reference, function, name, args, named)
    called: Callable[..., object] | None = _functions(task.reference.source, name).get(function)
    if called is None:
        raise UsageError(f"{name}: no function {function!r} in it")
    try:
        with np.errstate(all="ignore"):
            return called(*args, **named)
    except _REFERENCE_ERRORS as error:
        raise UsageError(f"{name}{_line_of(error, name)}: {function} raised {type(error).__name__}: {error}") from error


def _of_program(reference: Reference, function: str, where: str, args: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Array]:
    """A program's inputs, called as `(rng, sizes, distribution)`, of which it knows one only; or its outputs."""
    if function == reference.inputs:
        rng, sizes, _ = args
        return oracle.drawn(reference.source, int(rng.integers(1 << 62)), sizes, where=where)
    arrays = {name: value for name, value in named.items() if isinstance(value, np.ndarray)}
    return oracle.computed(reference.source, arrays, {name: value for name, value in named.items() if name not in arrays}, where=where)


def reference_name(task: Task) -> str:
    """How messages call the reference file of `task`."""
    return f"{task.suite}/{task.name}/reference.py"


def _line_of(error: BaseException, name: str) -> str:
    """`, line 7`: the last line of file `name` that `error` passed through; empty when it passed through none."""
    if isinstance(error, SyntaxError) and error.filename == name:
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f", line {lines[-1]}" if lines else ""
