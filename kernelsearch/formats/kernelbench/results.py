"""What came of searches on KernelBench's problems, in the files that its own analysis reads.

    DIR/runs/NAME/level_L_problem_P_sample_S_kernel.py    the best kernel of each search, behind its interface
    DIR/runs/NAME/eval_results.json                       whether it compiled and is correct, and its times
    DIR/results/timing/HARDWARE/baseline_time_torch.json  the problems' own modules, timed in the same sessions

All times in them are milliseconds, and means, as its scripts expect. A kernel that is correct there passed here; whatever failed is neither
compiled nor correct by its stage. Several searches for one problem are its samples. Its files hold one level, so each level is a run of
its own where there are more.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsearch.errors import UsageError
from kernelsearch.formats.kernelbench.problem import export_model_new
from kernelsearch.formats.listed import plain
from kernelsearch.model import Evaluation, Form, Measurement, Node
from kernelsearch.model.measurement import TimeKind
from kernelsearch.store.files import put
from kernelsearch.store.rundir import RunFolder

BASELINE = "baseline_time_torch.json"
_LEVEL, _NUMBER = re.compile(r"kernelbench-level_?(\d+)"), re.compile(r"(\d+)_.+")
_DEVICE = "cuda:0"  # a run sees one GPU, which is its first


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One search. `kernel` is the best one's Python; `module`: what the problem's own module took, where that was the baseline."""

    level: int
    problem: int
    name: str
    hardware: str
    compiled: bool
    correct: bool
    kernel: str = ""
    measurement: Measurement | None = None
    module: Measurement | None = None
    metadata: Mapping[str, Any]


def collected(folder: Path) -> tuple[list[Sample], list[str]]:
    """The samples of all runs below `folder`, and why others are none. Raises `UsageError` where there is no sample."""
    samples, left = [], []
    files = sorted(folder.rglob("run.json"))
    for file in files:
        found = _sample(RunFolder.open(file.parent))
        if isinstance(found, str):
            left.append(f"{file.parent}: {found}")
        else:
            samples.append(found)
    if not samples:
        why = f": {left[0]}" if left else ": no run.json below it"
        raise UsageError(f"{folder}: no run of a KernelBench problem{why}")
    return samples, left


def write(samples: Sequence[Sample], out: Path, name: str) -> list[Path]:
    """Write the files above; returns the run folders and baselines. Raises `UsageError` where there are files of that run already."""
    written = []
    levels = sorted({sample.level for sample in samples})
    for level in levels:
        run = out / "runs" / plain(name if len(levels) == 1 else f"{name}-level{level}")
        if (run / "eval_results.json").exists():
            raise UsageError(f"{run} holds results already; choose another folder with --out, or remove it")
        run.mkdir(parents=True, exist_ok=True)
        _write_run([sample for sample in samples if sample.level == level], run)
        written.append(run)
    for hardware in sorted({sample.hardware for sample in samples if sample.module is not None}):
        file = out / "results" / "timing" / plain(hardware.replace(" ", "_")) / BASELINE
        file.parent.mkdir(parents=True, exist_ok=True)
        put(file, json.dumps(_baselines(sample for sample in samples if sample.hardware == hardware), indent=4) + "\n")
        written.append(file)
    return written


def _sample(run: RunFolder) -> Sample | str:
    """What a run says of a problem, or why it says nothing of one."""
    task, nodes = run.task, run.nodes
    level, number = _LEVEL.fullmatch(task.suite), _NUMBER.fullmatch(task.name)
    if level is None or number is None or task.torch is None:
        return f"{task.suite}/{task.name} is no problem of a KernelBench level"
    if run.environment.time_kind != TimeKind.MEASURED.value:
        return "its times are modelled by the emulated device, and KernelBench's files hold measured ones"
    if not nodes:
        return "it ended before its baseline was recorded"
    best = run.journal.best or nodes[0]
    candidate, passed = best.candidate, best.passed
    kernel = "" if candidate is None else candidate.source if task.form is Form.TORCH else export_model_new(task, candidate)
    return Sample(
        level=int(level[1]),
        problem=int(number[1]),
        name=task.name,
        hardware=run.environment.device,
        compiled=_compiled(best.evaluation),
        correct=passed,
        kernel=kernel,
        measurement=best.evaluation.measurement if passed and best.evaluation else None,
        module=nodes[0].evaluation.measurement if task.form is Form.TORCH and nodes[0].passed and nodes[0].evaluation else None,
        metadata=_metadata(run, best),
    )


def _compiled(evaluation: Evaluation | None) -> bool:
    return evaluation is not None and evaluation.build is not None and evaluation.build.ok


def _metadata(run: RunFolder, best: Node) -> dict[str, Any]:
    told: dict[str, Any] = {"hardware": run.environment.device, "device": _DEVICE, "kernelsearch": run.header.version, "run": run.path.name}
    if best.evaluation is not None and not best.passed:
        told |= {"verdict": best.evaluation.verdict.value, "error": best.evaluation.detail}
    elif best.number == 0:
        told["note"] = "nothing was faster than the kernel that the search began with"
    return told


def _write_run(samples: Sequence[Sample], run: Path) -> None:
    results: dict[str, list[dict[str, Any]]] = {}
    for sample in sorted(samples, key=lambda sample: sample.problem):
        entries = results.setdefault(str(sample.problem), [])
        number = len(entries)
        if sample.kernel:
            put(run / f"level_{sample.level}_problem_{sample.problem}_sample_{number}_kernel.py", sample.kernel)
        stats = {} if sample.measurement is None else _stats(sample.measurement, sample.hardware)
        entries.append(
            {
                "sample_id": number,
                "compiled": sample.compiled,
                "correctness": sample.correct,
                "metadata": dict(sample.metadata),
                "runtime": stats.get("mean", -1.0),
                "runtime_stats": stats,
            }
        )
    put(run / "eval_results.json", json.dumps(results, indent=4) + "\n")


def _baselines(samples: Iterable[Sample]) -> dict[str, dict[str, Any]]:
    """By level and file. Of several searches for one problem the first one's time stands."""
    found: dict[str, dict[str, Any]] = {}
    for sample in sorted(samples, key=lambda sample: (sample.level, sample.problem)):
        if sample.module is not None:
            found.setdefault(f"level{sample.level}", {}).setdefault(f"{sample.name}.py", _stats(sample.module, sample.hardware))
    return found


def _stats(measurement: Measurement, hardware: str) -> dict[str, Any]:
    """A problem has one case, so its samples are those of the measurement."""
    samples = [sample / 1e3 for timing in measurement.timings for sample in timing.samples_us]
    return {
        "mean": statistics.fmean(samples),
        "std": statistics.pstdev(samples),
        "min": min(samples),
        "max": max(samples),
        "num_trials": len(samples),
        "hardware": hardware,
        "device": _DEVICE,
    }
