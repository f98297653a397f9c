"""Files to a task, and all that can be said against it before anything runs.

The reference will run as the user, as every reference does, but this one nobody has written by hand. So it may use NumPy and arithmetic
alone, by a look at its syntax. That is a tripwire: a person reads the file before it runs, and it is for that reading to be short.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping

from kernelsearch import codec, digest, guard
from kernelsearch.errors import ReplyUnusable, UsageError
from kernelsearch.model import Case, Form, Policy, Task
from kernelsearch.synthesize.reading import FILES

_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
_MODULES = ("numpy", "numpy.fft", "numpy.lib.stride_tricks", "numpy.linalg", "math")
_WORDS = """
open exec eval compile input breakpoint exit quit globals locals vars getattr setattr delattr memoryview help print SystemExit
KeyboardInterrupt BaseException Exception
"""
_ATTRIBUTES = """
load loadtxt save savez savez_compressed savetxt genfromtxt fromfile tofile fromregex memmap open_memmap DataSource dump dumps npyio
ctypeslib ctypes f2py testing distutils os sys core _core
"""
_BUILTINS, _DOORS = frozenset(_WORDS.split()), frozenset(_ATTRIBUTES.split())  # what leads out of arithmetic
_VERIFIED = 1 << 22  # elements of a tensor in a case that is only verified: NumPy and an emulated device go through them several times
_TIMED = 4 << 30  # bytes of all tensors in a timed case
_FLAGS = ("-O3",)


def task(files: Mapping[str, str]) -> Task:
    """The task in `files`. Raises `ReplyUnusable` with what is wrong with it, in words for who wrote it."""
    try:
        found = codec.task_from_toml(files["task.toml"], where="task.toml", read=lambda name: _of(files, name))
        faults = list(_faults(found))
    except UsageError as error:
        raise ReplyUnusable(str(error)) from error
    if faults:
        raise ReplyUnusable("\n".join(faults))
    return found


def _of(files: Mapping[str, str], name: str) -> str:
    if name not in files or name == FILES[0]:
        raise UsageError(f"{name!r} is not a file of this task; source is baseline.cu, the reference is in reference.py")
    return files[name]


def _faults(found: Task) -> Iterator[str]:
    if not _NAME.fullmatch(found.name):
        yield f"task.toml: name: {found.name[:60]!r} is not a short name of small letters, digits and underscores"
    if found.form is Form.TORCH:
        yield "task.toml: form: write launcher or kernels"
    if found.policy != Policy() or found.flags != _FLAGS:
        yield "task.toml: leave out flags and [policy]: which compiler flags and libraries are allowed is for the user to say"
    if found.reference is None:
        yield 'task.toml: there is no [reference]; write python = "reference.py:function"'
    else:
        yield from _reference(found.reference.source)
    yield from _cases(found)
    if found.form is not Form.TORCH:
        looked = guard.check(digest.baseline(found), found)
        yield from (f"baseline.cu, line {f.line or '?'}: {f.message}" for f in looked if f.forbidden)


def _cases(found: Task) -> Iterator[str]:
    verified = [case for case in found.cases if not case.timed]
    if len(verified) < 2:
        yield "task.toml: cases: beside the timed one, two or more small ones are needed without timed = true, one of them ragged"
    for case in verified:
        large = [arg.name for arg in found.args if arg.is_tensor and _elements(found, arg.name, case) > _VERIFIED]
        if large:
            yield f"task.toml: case {case.name}: {large[0]} has more than {_VERIFIED:,} elements, which is too large without timed = true"
    for case in found.timed_cases:
        total = sum(_elements(found, arg.name, case) * arg.dtype.size for arg in found.args if arg.is_tensor)
        if total > _TIMED:
            yield f"task.toml: case {case.name}: its tensors have more than {_TIMED >> 30} GiB in all"


def _elements(found: Task, name: str, case: Case) -> int:
    return math.prod(found.shape(found.arg(name), case))


def _reference(source: str) -> Iterator[str]:
    """What a reference may not use, with its line."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield f"reference.py: not Python: {error}"
        return
    for node in ast.walk(tree):
        if fault := _used(node):
            line = getattr(node, "lineno", "?")
            yield f"reference.py, line {line}: {fault}; use arithmetic of numpy and math alone: no files, no other modules"


def _used(node: ast.AST) -> str | None:
    match node:
        case ast.Import(names=names):
            return next((f"imports {each.name}" for each in names if each.name not in _MODULES), None)
        case ast.ImportFrom(module=module, names=names, level=level):
            if level or module not in _MODULES:
                return f"imports from {module or '.'}"
            return next((f"imports {each.name}" for each in names if each.name == "*" or _hidden(each.name)), None)
        case ast.ClassDef(name=name):
            return f"defines a class {name}"  # of exceptions, none of which we would know
        case ast.Name(id=name) if name in _BUILTINS or name.startswith("__"):
            return f"uses {name}"
        case ast.Attribute(attr="random", value=ast.Name(id="np" | "numpy")):
            return "uses numpy's own random numbers"  # inputs have a generator of their own
        case ast.Attribute(attr=name) if _hidden(name):
            return f"uses .{name}"
        case _:
            return None


def _hidden(name: str) -> bool:
    return name in _DOORS or name.startswith("__")
