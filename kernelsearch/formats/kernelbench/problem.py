"""KernelBench's problems as tasks, and kernels found for them as a `ModelNew`.

A problem is a Python file with `Model`, `get_inputs` and `get_init_inputs`. It is read by running it in a trusted process. Of
`get_inputs` only shapes, types and the range of integers are kept: contents are the verifier's, for parameters too. The problem has
one case, its own sizes; the tolerance follows from the longest sums that its operations have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsearch import catalog, oracle
from kernelsearch.errors import UsageError
from kernelsearch.formats.kernelbench import pyproblem
from kernelsearch.model import (
    Arg,
    ArgKind,
    Candidate,
    Case,
    Cost,
    Expression,
    Form,
    Policy,
    Reference,
    Task,
    Tolerance,
    TorchCall,
)
from kernelsearch.oracle import Description, TensorFact

LAUNCHER = "solve"  # the host function of a launcher that stands for a problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem's Python, and what it is called. `where` is for messages."""

    name: str
    suite: str
    source: str
    where: str


def load(path: Path, *, launcher: Path | None = None, device: str = "cpu", libraries: tuple[str, ...] = ("torch",)) -> Task:
    """The task of the problem in `path`. Its candidates are modules with a ModelNew, and the problem's own module is the baseline.

    With `launcher`, a CUDA source, candidates are launchers instead, and that source is the baseline:
    `extern "C" void solve(…)` takes a device pointer for each argument of the task, in their order: inputs x0, x1, …, parameters
    w_…, outputs y0, …; there are no sizes, as a problem has only one of each. `device`: where the problem is run to be read, "cpu" or
    "cuda". `libraries`: what candidates may call; with torch among them a module of torch's own operations is a fair answer, as it is
    in KernelBench. Raises `UsageError` when it cannot be judged, `ToolMissing` without torch.
    """
    parent = path.resolve().parent.name
    problem = Problem(
        name=path.stem,
        suite=f"kernelbench-{parent}" if parent.startswith("level") else "user",
        source=catalog.read(path),
        where=str(path),
    )
    return as_task(problem, launcher=launcher, device=device, libraries=libraries)


def as_task(problem: Problem, *, launcher: Path | None = None, device: str = "cpu", libraries: tuple[str, ...] = ("torch",)) -> Task:
    """As `load`, of a problem whose source is at hand."""
    found = oracle.describe(problem.source, where=problem.where, device=device)
    form = Form.TORCH if launcher is None else Form.LAUNCHER
    baseline = pyproblem.as_candidate(problem.source, where=problem.where) if launcher is None else catalog.read(launcher)
    return Task(
        name=problem.name,
        suite=problem.suite,
        form=form,
        entry=pyproblem.ENTRY if form is Form.TORCH else LAUNCHER,
        args=tuple(_arg(fact) for fact in found.tensors),
        cases=(Case(name="problem", sizes={}, timed=True),),
        distributions=found.distributions,
        tolerance=Tolerance(reduction=Expression(str(found.reduction))),
        cost=Cost(bytes=Expression(str(found.bytes)), flops=None if found.flops is None else Expression(str(found.flops))),
        baseline=baseline,
        flags=() if form is Form.TORCH else ("-O3",),
        policy=Policy(libraries=libraries),
        reference=Reference(source=problem.source, function=pyproblem.MODEL),
        torch=_call(found),
        assumptions=found.assumptions,
    )


def export_model_new(task: Task, candidate: Candidate) -> str:
    """A launcher found for a problem as a Python file with a ModelNew, which compiles it by `load_inline` and passes data pointers.

    The class is the problem's own but for `forward`, so it has the same parameters and draws them in the same order.
    """
    if task.torch is None or task.reference is None or task.form is not Form.LAUNCHER:
        raise UsageError(f"task {task.name!r}: only a launcher of a PyTorch problem can be exported as a ModelNew")
    where = f"{task.suite}/{task.name}"
    lines = pyproblem.with_forward(task.reference.source, _forward(task, task.torch), where=where).splitlines(keepends=True)
    first = [line for line in lines if line.startswith("from __future__ import")]  # must stand before all other code
    body = "".join(line for line in lines if line not in first)
    return _EXPORT.format(first="".join(first), task=where, launcher=loaded_launcher(candidate, task.entry or LAUNCHER), module=body)


def loaded_launcher(candidate: Candidate, entry: str) -> str:
    """Python that compiles a launcher and defines `_launcher`, whose `run` takes pointers, and whole numbers, as one list."""
    source, call = _quoted(candidate.source), _quoted(_CALL.replace("ENTRY", entry))
    return _LOADED.format(source=source, call=call, flags=list(candidate.flags))


def _arg(fact: TensorFact) -> Arg:
    return Arg(
        name=fact.name,
        kind=ArgKind.OUTPUT if fact.role == "output" else ArgKind.INPUT,
        dtype=fact.dtype,
        shape=tuple(Expression(str(extent)) for extent in fact.shape or (1,)),
        low=None if fact.low is None else Expression(str(fact.low)),
        high=None if fact.high is None else Expression(str(fact.high)),
        scale=fact.scale,
        distribution=fact.distribution,
    )


def _call(found: Description) -> TorchCall:
    return TorchCall(
        init=json.dumps(found.init),
        inputs=json.dumps(found.inputs),
        outputs=json.dumps(found.outputs),
        parameters={fact.name: fact.state for fact in found.tensors if fact.state is not None},
        shapes={fact.name: fact.shape for fact in found.tensors},
    )


def _forward(task: Task, call: TorchCall) -> str:
    """The method that calls the launcher: tensors by the places that the trees give them."""
    inputs, outputs = json.loads(call.inputs), json.loads(call.outputs)
    names = [f"given{i}" for i in range(len(inputs["list"]))]
    places = {name: place for i, node in enumerate(inputs["list"]) for name, place in _places(node, names[i])}
    lines = [f"    def forward({', '.join(['self', *names])}):"]
    if call.parameters:
        lines.append("        held = {**dict(self.named_parameters()), **dict(self.named_buffers())}")
    for arg in task.args:
        if arg.kind is ArgKind.OUTPUT:
            lines.append(
                f"        {arg.name} = torch.empty({call.shapes[arg.name]}, dtype={_TYPES[arg.dtype.value]}, device={_device(places)})"
            )
        else:
            source = places[arg.name] if arg.name in places else f'held["{call.parameters[arg.name]}"].detach()'
            lines.append(f"        {arg.name} = {source}.contiguous()")
    pointers = ", ".join(f"{arg.name}.data_ptr()" for arg in task.args)
    lines += [f"        _launcher.run([{pointers}])", f"        return {_written(outputs)}"]
    return "\n".join(lines) + "\n"


def _device(places: Mapping[str, str]) -> str:
    return f"{next(iter(places.values()))}.device" if places else '"cuda"'


def _places(node: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    """Where each tensor of a tree is found in what the caller passes."""
    if "arg" in node:
        yield node["arg"], place
    for i, item in enumerate(node.get("list") or node.get("tuple") or ()):
        yield from _places(item, f"{place}[{i}]")


def _written(node: Mapping[str, Any]) -> str:
    """The Python expression of a tree, over variables named as its tensors."""
    if "arg" in node:
        return str(node["arg"])
    if "value" in node:
        return str(node["value"])
    items = ", ".join(_written(item) for item in node.get("list") or node.get("tuple") or ())
    return f"[{items}]" if "list" in node else f"({items},)"


def _quoted(text: str) -> str:
    """`text` as a Python literal that keeps its lines."""
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if escaped.endswith('"'):
        escaped = escaped[:-1] + '\\"'
    return f'"""{escaped}"""'


_TYPES = {
    "f64": "torch.float64",
    "f32": "torch.float32",
    "f16": "torch.float16",
    "bf16": "torch.bfloat16",
    "i64": "torch.int64",
    "i32": "torch.int32",
    "i16": "torch.int16",
    "i8": "torch.int8",
    "u8": "torch.uint8",
    "bool": "torch.bool",
}
# The launcher's own parameter types are deduced, so nothing here has to know them.
_CALL = """
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

template <typename... Types, std::size_t... Places>
static void call_with(void (*entry)(Types...), const std::vector<std::int64_t>& pointers, std::index_sequence<Places...>) {
  if (pointers.size() != sizeof...(Types)) throw std::runtime_error("the launcher takes another number of pointers");
  entry((Types)(pointers[Places])...);
}

template <typename... Types>
static void call_entry(void (*entry)(Types...), const std::vector<std::int64_t>& pointers) {
  call_with(entry, pointers, std::index_sequence_for<Types...>{});
}

void run(std::vector<std::int64_t> pointers) { call_entry(ENTRY, pointers); }
"""
_LOADED = """from torch.utils.cpp_extension import load_inline as _load_inline

_SOURCE = {source}
_CALL = {call}
_launcher = _load_inline(
    name="launcher",
    cpp_sources="#include <cstdint>\\n#include <vector>\\nvoid run(std::vector<std::int64_t> pointers);",
    cuda_sources=_SOURCE + _CALL,
    functions=["run"],
    extra_cuda_cflags={flags},
)
"""
_EXPORT = '''"""A kernel for {task}, found by kernelsearch: a CUDA launcher behind the interface of KernelBench."""

{first}{launcher}
{module}'''
