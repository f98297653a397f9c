"""One task before the court of solvers. A task is admitted when every line is as it should be.

Cases that are timed are large: they are tried only when asked for. The solvers then must fail at both scales, since the outputs of timed
calls are judged too. Each solver must fail on every distribution on which it is not right by chance; a loss of precision, on some call.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import digest, verify, workload
from kernelsearch.admission.ledger import Ledger, Line
from kernelsearch.admission.setting import prepared
from kernelsearch.admission.soundness import Soundness
from kernelsearch.errors import UsageError
from kernelsearch.lab import Lab
from kernelsearch.model import Form, Task, TimeKind, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What became of one task. `calls` were tried in `seconds` of wall clock."""

    suite: str
    task: str
    lines: tuple[Line, ...]
    calls: int = 0
    seconds: float = 0.0

    @property
    def admitted(self) -> bool:
        return all(line.ok for line in self.lines)

    @property
    def faults(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if not line.ok)


def admit(task: Task, scratch: Path, *, seed: int = 0, lab: Lab | None = None, full: bool = False) -> Admission:
    """Try all solvers on `task`; with a `lab` its baseline too. `full`: at the timed sizes as well. Files are kept in `scratch`."""
    start = time.perf_counter()
    lines, calls = _without_device(task, scratch, seed, full)
    if lab is not None and all(line.ok for line in lines):
        lines.append(_baseline(task, lab))
    return Admission(suite=task.suite, task=task.name, lines=tuple(lines), calls=calls, seconds=time.perf_counter() - start)


def unsound(task: Task, scratch: Path) -> str | None:
    """Why the task's reference cannot tell right from wrong, in one sentence; None when it can, or there is none.

    For the start of a search: solvers are not tried, and a PyTorch problem was looked at when it was read.
    """
    if task.reference is None or task.torch is not None:
        return None
    soundness = Soundness()
    for planned, other in _pairs(task, scratch, 0, full=False):
        soundness.add(prepared(task, planned, other))
    fault = next((line for line in soundness.lines() if not line.ok), None)
    return None if fault is None else f"{fault.solver}: {fault.what}"


def _without_device(task: Task, scratch: Path, seed: int, full: bool) -> tuple[list[Line], int]:
    if task.reference is None:
        what = "there is none: the baseline is its own yardstick, so nothing shows that it is right; write a [reference]"
        return [_refusal("reference", what)], 0
    soundness, ledger, calls = Soundness(), Ledger(), 0
    try:
        for planned, other in _pairs(task, scratch, seed, full):
            setting = prepared(task, planned, other)
            soundness.add(setting)
            ledger.add(setting)
            calls += 1
    except UsageError as error:
        return [_refusal("reference", str(error))], calls
    sound = list(soundness.lines())
    # An answer that is no answer lets every solver pass: saying that once is enough.
    return (sound if not all(line.ok for line in sound) else [*sound, *ledger.lines()]), calls


def _pairs(task: Task, scratch: Path, seed: int, full: bool) -> Iterator[tuple[workload.Planned, workload.Planned]]:
    """Every call with its second draw, smallest first."""
    ours, others = (workload.prepare(task, scratch, f"trial {number}") for number in (seed, seed + 1))
    yield from zip(ours.calls, others.calls, strict=True)
    if full:
        yield from zip(ours.samples(), others.samples(), strict=True)


def _baseline(task: Task, lab: Lab) -> Line:
    """The task's own kernel, verified as any candidate is, where the device can run it."""
    if task.form is Form.TORCH and lab.environment.time_kind == TimeKind.MODELLED.value:
        what = "not tried: it is a PyTorch module, which the emulated device does not run"
        return Line(solver="baseline", expected="passes", ok=True, what=what)
    build = lab.toolchain.build(digest.baseline(task), task)
    if build.failure is not None:
        return _refusal("baseline", f"{build.failure.value}: {build.log}", "passes")
    found = verify.run(build, task, lab)
    if found.verdict is not Verdict.PASSED:
        return _refusal("baseline", f"disagrees with the reference, or does not run: {found.verdict.value}: {found.detail}", "passes")
    worst = max(found.checks, key=lambda check: check.max_error)
    what = f"passes on {lab.environment.device}; its largest error is {worst.max_error:.2g} x gate"
    return Line(solver="baseline", expected="passes", ok=True, what=what, case=worst.case, distribution=worst.distribution)


def _refusal(solver: str, what: str, expected: str = "holds") -> Line:
    return Line(solver=solver, expected=expected, ok=False, what=what)
