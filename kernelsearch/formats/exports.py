"""Runs of another format's tasks in that format: what the best kernel is, and what was found of it.

A figure that was not found is left out, never made up. Modelled times are no results in any of these forms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsearch.errors import UsageError
from kernelsearch.formats.fields import get
from kernelsearch.formats.listed import plain
from kernelsearch.model import Candidate, CaseTiming, Environment, Evaluation, Form, Node, Task, Verdict
from kernelsearch.model.measurement import TimeKind
from kernelsearch.store.rundir import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The best of a run, or its baseline where that failed. `baseline` is node 0; `started` is UTC."""

    name: str
    task: Task
    environment: Environment
    started: str
    best: Node
    baseline: Node

    @property
    def candidate(self) -> Candidate:
        if self.best.candidate is None:
            raise UsageError(f"{self.name}: no kernel is recorded")
        return self.best.candidate

    @property
    def evaluation(self) -> Evaluation:
        if self.best.evaluation is None:
            raise UsageError(f"{self.name}: no evaluation is recorded")
        return self.best.evaluation

    @property
    def program(self) -> dict[str, Any]:
        """What the task was read from; empty for a task of another kind."""
        found: dict[str, Any] = json.loads(self.task.reference.source) if self.task.reference and self.task.reference.program else {}
        return found

    def timings(self, node: Node) -> dict[str, CaseTiming]:
        """By case. Raises `UsageError` for modelled times."""
        if self.environment.time_kind != TimeKind.MEASURED.value:
            raise UsageError(f"{self.name}: its times are modelled by the emulated device, and results are measured ones")
        passed = node.evaluation.measurement if node.evaluation is not None and node.evaluation.passed else None
        return {} if passed is None else {timing.case: timing for timing in passed.timings}


def outcome(folder: Path) -> Outcome:
    """What came of a run. Raises `UsageError` where there is no run, or nothing in it."""
    run = RunFolder.open(folder)
    if not run.nodes:
        raise UsageError(f"{folder}: it ended before its baseline was recorded")
    best = run.journal.best or run.nodes[0]
    return Outcome(
        name=plain(folder.resolve().name),
        task=run.task,
        environment=run.environment,
        started=run.header.started,
        best=best,
        baseline=run.nodes[0],
    )


def of_format(found: Outcome, wanted: str, title: str) -> dict[str, Any]:
    """The program of a run. Raises `UsageError` unless its task came in that format."""
    program = found.program
    if program.get("format") != wanted:
        raise UsageError(f"{found.name}: {found.task.suite}/{found.task.name} was not read from {title}")
    return program


def flashinfer(found: Outcome) -> dict[str, str]:
    """A Solution and, a line a workload, its Traces: texts by path in the data set's folders."""
    program = of_format(found, "flashinfer", "FlashInfer Trace")
    definition = get(program, "definition", dict, found.name)
    op, name = plain(definition["op_type"] or "op"), f"kernelsearch_{plain(definition['name'])}_{found.name}"
    rows = [_trace(found, definition["name"], workload, name) for workload in program["workloads"]]
    return {
        f"solutions/{op}/{plain(definition['name'])}/{name}.json": json.dumps(_solution(found, definition, name), indent=2) + "\n",
        f"traces/kernelsearch/{op}/{plain(definition['name'])}.jsonl": "".join(json.dumps(row) + "\n" for row in rows if row is not None),
    }


def robust(found: Outcome) -> dict[str, str]:
    """`eval_results/` of robust-kbench. Times are milliseconds."""
    of_format(found, "robust-kbench", "robust-kbench")
    checks = found.evaluation.checks
    right = sum(check.verdict is Verdict.PASSED for check in checks)
    built = found.evaluation.build
    texts = {
        "compile_results": {"success": built is not None and built.ok, "stderr": "" if built is None else built.log},
        "test_results": {"correct": found.best.passed, "num_correct": right, "total_correct_trials": len(checks)},
    }
    if found.best.passed:
        texts["time_results"] = _times(found, found.best)
    if found.task.form is Form.TORCH and found.baseline.passed:  # the module's own time; a launcher's baseline is another kernel
        texts["forward/torch_native_results"] = _times(found, found.baseline)
    return {f"eval_results/{name}.json": json.dumps(value, indent=2) + "\n" for name, value in texts.items()}


def _times(found: Outcome, node: Node) -> dict[str, Any]:
    settings = {}
    for case, timing in found.timings(node).items():
        samples = timing.samples_us
        settings[case] = {
            "mean_time": sum(samples) / len(samples) / 1e3,
            "median_time": timing.median_us / 1e3,
            "iqr_time": timing.spread * timing.median_us / 1e3,
        }
    rows = list(settings.values())
    summary: dict[str, Any] = {f"avg_{key}": sum(row[key] for row in rows) / len(rows) for key in ("mean_time", "median_time", "iqr_time")}
    return {
        "summary": {**summary, "all_configs_str": ", ".join(settings)},
        "eval_settings": settings,
        "device_info": {"name": found.environment.device, **found.environment.facts},
    }


def _solution(found: Outcome, definition: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Modules are Python that returns its outputs; launchers are CUDA behind a binding that is given them."""
    if found.task.form is Form.TORCH:
        names, read = ", ".join(definition["inputs"]), ", ".join(arg.name for arg in found.task.inputs)
        lines = (f"def run({names}):", "    global _module", "    _module = _module or ModelNew()", f"    return _module({read})")
        sources = [{"path": "main.py", "content": "\n".join((found.candidate.source, "_module = None", "", "", *lines)) + "\n"}]
        spec = {"language": "python", "entry_point": "main.py::run", "destination_passing_style": False, "binding": None}
    else:
        sources = [{"path": "kernel.cu", "content": found.candidate.source + _binding(found.task, definition)}]
        spec = {"language": "cuda", "entry_point": "kernel.cu::run", "destination_passing_style": True, "binding": "torch"}
    return {
        "name": name,
        "definition": definition["name"],
        "author": "kernelsearch",
        "spec": {**spec, "target_hardware": [found.environment.device], "dependencies": []},
        "sources": sources,
    }


def _binding(task: Task, definition: Mapping[str, Any]) -> str:
    """C++ that calls the launcher with pointers, and with sizes that shapes tell."""
    tensors = {
        name: entry["shape"] for side in ("inputs", "outputs") for name, entry in definition[side].items() if entry["shape"] is not None
    }
    sizes = {axis: f"{name}.size({i})" for name, shape in reversed(tensors.items()) for i, axis in enumerate(shape)}
    taken = [
        f"torch::Tensor {name}" if name in tensors else f"double {name}" for side in ("inputs", "outputs") for name in definition[side]
    ]
    given = []
    for arg in task.args:
        if not arg.is_tensor and arg.name not in sizes and arg.name not in definition["inputs"]:
            raise UsageError(f"task {task.name!r}: the shape of no tensor tells {arg.name}")
        given.append(f"ks_any({arg.name}.data_ptr())" if arg.is_tensor else f"ks_any({sizes.get(arg.name, arg.name)})")
    return _BINDING.format(entry=task.entry, taken=", ".join(taken), given=", ".join(given))


_BINDING = """

#include <torch/extension.h>

struct ks_pointer {{
  void* value;
  template <typename T> operator T*() const {{ return static_cast<T*>(value); }}
}};
static ks_pointer ks_any(void* value) {{ return {{value}}; }}
template <typename T> static T ks_any(T value) {{ return value; }}

static void run({taken}) {{ {entry}({given}); }}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {{ module.def("run", &run); }}
"""
_STATUS = {
    Verdict.PASSED: "PASSED",
    Verdict.WRONG: "INCORRECT_NUMERICAL",
    Verdict.NONDETERMINISTIC: "INCORRECT_NUMERICAL",
    Verdict.BUILD_FAILED: "COMPILE_ERROR",
    Verdict.REJECTED: "COMPILE_ERROR",
    Verdict.UNSUPPORTED: "COMPILE_ERROR",
    Verdict.TIMED_OUT: "TIMEOUT",
}


def _trace(found: Outcome, definition: str, workload: Mapping[str, Any], solution: str) -> dict[str, Any] | None:
    """Of one workload. None for one that passed and was not timed: its trace would have to have a time."""
    status = _STATUS.get(found.evaluation.verdict, "RUNTIME_ERROR")
    ours, theirs = found.timings(found.best).get(workload["name"]), found.timings(found.baseline).get(workload["name"])
    if status == "PASSED" and ours is None:
        return None
    errors = [check.relative_error for check in found.evaluation.checks if check.case == workload["name"]]
    correctness = {
        "max_relative_error": max(errors, default=0.0),
        "extra": {"max_relative_error": "Frobenius norm of the difference over that of the reference"},
    }
    performance: dict[str, Any] = {}
    if ours is not None:
        performance["latency_ms"] = ours.median_us / 1e3
        if found.task.form is Form.TORCH and theirs is not None:  # the reference itself was timed
            performance |= {"reference_latency_ms": theirs.median_us / 1e3, "speedup_factor": theirs.median_us / ours.median_us}
    return {
        "definition": definition,
        "workload": {key: workload[key] for key in ("uuid", "axes", "inputs")},
        "solution": solution,
        "evaluation": {
            "status": status,
            "environment": {"hardware": found.environment.device, "libs": dict(found.environment.facts)},
            "timestamp": found.started,
            "log": found.evaluation.detail,
            "correctness": correctness if status in ("PASSED", "INCORRECT_NUMERICAL") else None,
            "performance": performance if status == "PASSED" else None,
        },
    }
