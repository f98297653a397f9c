"""A candidate's Python, for forms whose source is a module: names that kernels have no use for, and the CUDA in its strings.

Nothing is imported or run. What torch itself needs (its headers, load_inline) belongs to the form; its operators belong to the
library, which a task allows or does not.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterator

from kernelsearch.guard import cuda, flags
from kernelsearch.guard.names import Names, strings, text
from kernelsearch.guard.policy import guard_policy
from kernelsearch.model import Finding, Task

_OWN = frozenset(["torch"])
_CUDA = re.compile(r"__(global|device|host|shared)__|^\s*#\s*include\b|<<<|\basm\b|\b(torch|at|c10|std)\s*::|extern\s+\"C\"", re.MULTILINE)
_LOAD = ("torch.utils.cpp_extension.load_inline", "load_inline")
_LAYER = re.compile(r"torch\.nn\.(modules\.\w+\.)?(?!Parameter|Buffer|Module$|ModuleList|ModuleDict|Identity|init\b)[A-Z]\w*")
_LAYERS_ALLOWED = "torch"
_PER_RULE = 5


def scan(source: str, task: Task) -> list[Finding]:
    """What there is to say of a module. One that is not Python is left to whoever builds it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a candidate's string is not our warning
            tree = ast.parse(source)
        names = Names()
        names.visit(tree)
        return [
            *_events(names, task),
            *_layers(names, task),
            *_fallbacks(tree),
            *_sources(tree, task),
            *_loads(tree, names, task),
        ]
    except (SyntaxError, ValueError) as error:  # it will not be imported either
        return [Finding(rule="hides its source", message=f"not Python that can be read: {str(error)[:80]}")]
    except (RecursionError, MemoryError):
        return [Finding(rule="nesting", message="nested too deeply to be read", forbidden=True)]


def _events(names: Names, task: Task) -> Iterator[Finding]:
    told: Counter[str] = Counter()
    rules = [rule for rule in guard_policy().python if not rule.moot(task)]
    for event in dict.fromkeys(names.events):
        for rule in rules:
            if rule.where == event.where and rule.pattern.fullmatch(event.name) and told[rule.rule] < _PER_RULE:
                told[rule.rule] += 1
                yield rule.finding(event.line, f": {event.name[:80]}")


def _layers(names: Names, task: Task) -> Iterator[Finding]:
    """Layers of torch hold weights that kernels read. Calling one is another matter, but its name may have been given anew."""
    if _LAYERS_ALLOWED in task.policy.libraries:
        return
    for event in names.events:
        if event.where == "call" and _LAYER.fullmatch(layer := names.layers.get(event.name, "")):
            yield Finding(rule="calls a layer", message=f"{event.name[:40]} is a {layer}, which does its work by torch", line=event.line)


def _fallbacks(tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Try | ast.TryStar):
            yield Finding(rule="falls back", message="a caught error lets something else do the work", line=node.lineno)


def _sources(tree: ast.Module, task: Task) -> Iterator[Finding]:
    """Findings of the CUDA scanner in strings that look like CUDA C++, on lines of the module."""
    for node, literal in strings(tree):
        if _CUDA.search(literal):
            for finding in cuda.scan(literal.replace("\0", " "), task, _OWN):
                within = node.lineno + (finding.line or 1) - 1
                line = min(within, node.end_lineno or within)
                yield Finding(rule=finding.rule, message=finding.message, line=line, forbidden=finding.forbidden)


def _loads(tree: ast.Module, names: Names, task: Task) -> Iterator[Finding]:
    """How load_inline is called: with sources and flags that can be read, and nothing else."""
    known = {
        target.id: literal
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and (literal := text(node.value, {})) is not None
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and names.dotted(node.func) in _LOAD:
            yield from _load(node, known, task)


def _load(call: ast.Call, known: dict[str, str], task: Task) -> Iterator[Finding]:
    policy = guard_policy()
    for argument in call.keywords:
        if argument.arg not in policy.load_arguments:
            what = argument.arg or "arguments that are not written out"
            yield Finding(rule="compiler flag", message=f"load_inline with {what} is not allowed", line=call.lineno, forbidden=True)
        elif argument.arg.startswith("extra_") or argument.arg.endswith("_sources"):
            items = argument.value.elts if isinstance(argument.value, ast.List | ast.Tuple) else [argument.value]
            words = [text(item, known) for item in items if not (isinstance(item, ast.Constant) and item.value is None)]
            if None in words:
                message = f"{argument.arg} of load_inline is not written out"
                yield Finding(rule="hides its source", message=message, line=argument.value.lineno)
            if argument.arg.startswith("extra_"):
                for finding in flags.scan([word for word in words if word is not None], task, policy.load_flags):
                    yield Finding(rule=finding.rule, message=finding.message, line=argument.value.lineno, forbidden=True)
