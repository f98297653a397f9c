"""A lab whose device runs Python functions on the planned inputs: for what is judged outside the box."""

from pathlib import Path

import numpy as np
from nodes import ENVIRONMENT

from kernelsearch.contents import draw
from kernelsearch.device.base import CallResult, Job, JobResult, Tensor
from kernelsearch.lab import Lab
from kernelsearch.model import Arg, ArgKind, Build, Case, Distribution, DType, Expression, Form, Reference, Task, TimeKind, Tolerance
from kernelsearch.workload import decode, encode

BUILD = Build(ok=True, toolchain="fake", artifact="a.so")


class NumpyDevice:
    """Calls `kernel(**inputs)` for each call; it returns arrays, or raw bytes, by output name. `jobs` counts what was asked.

    It times nothing, and where `draws` makes contents from recipes.
    """

    name = "fake"

    def __init__(self, kernel, time_kind=TimeKind.MODELLED, failure=None, draws=False) -> None:
        self.kernel, self.time_kind, self.failure, self.draws = kernel, time_kind, failure, draws
        self.jobs: list[Job] = []

    def run(self, job: Job, rung=None) -> JobResult:
        self.jobs.append(job)
        if self.failure is not None:
            return JobResult(failure=self.failure, detail="as told")
        first = self._call(job.calls[0])
        if rung is not None and not rung(first):
            return JobResult(calls=(first,))
        return JobResult(calls=(first, *(self._call(call) for call in job.calls[1:])))

    def _call(self, call) -> CallResult:
        tensors = {arg.name: arg for arg in call.args if isinstance(arg, Tensor)}
        inputs = {name: stored_values(arg, call.key, call.distribution) for name, arg in tensors.items() if arg.file or arg.recipe}
        made = self.kernel(**inputs, **call.values)
        outputs = {
            name: value if isinstance(value, bytes) else encode(np.asarray(value), tensors[name].dtype) for name, value in made.items()
        }
        return CallResult(label=call.label, outputs=outputs)


def stored_values(arg: Tensor, key: int, distribution: str):
    """What a device finds in `arg`, flat: its file, or what its recipe draws."""
    raw = arg.file.read_bytes() if arg.file else draw(arg.recipe, key, distribution).tobytes()
    return decode(raw, arg.dtype, (arg.count,))


class FakeToolchain:
    """Counts builds; every build is the same, or fails."""

    name = "fake"

    def __init__(self, build: Build = BUILD) -> None:
        self.built = 0
        self.result = build

    def build(self, candidate, task) -> Build:
        self.built += 1
        return self.result


def lab(scratch: Path, device, toolchain=None, secret: str = "secret") -> Lab:
    return Lab(
        device=device,
        toolchain=toolchain or FakeToolchain(),
        sandbox=None,
        metric_set=None,
        environment=ENVIRONMENT,
        scratch=scratch,
        secret=secret,
    )


SUM_ROWS = """
def sum_rows(x, rows, cols):
    return x.sum(axis=1)
"""
SCALE = """
def scale(x, rows, cols):
    return 2.0 * x
"""


def matrix_task(**changes) -> Task:
    """y = 2 x for a matrix; `source` and `function` choose another reference, `out` another output shape."""
    reference = Reference(source=changes.pop("source", SCALE), function=changes.pop("function", "scale"))
    rows, cols = Expression("rows"), Expression("cols")
    out = tuple(Expression(e) for e in changes.pop("out", ("rows", "cols")))
    dtype = changes.pop("dtype", DType.F32)
    fields = {
        "name": "matrix",
        "form": Form.LAUNCHER,
        "entry": "solve",
        "args": (
            Arg(name="x", kind=ArgKind.INPUT, dtype=dtype, shape=(rows, cols)),
            Arg(name="y", kind=ArgKind.OUTPUT, dtype=dtype, shape=out),
            Arg(name="rows", kind=ArgKind.SIZE, dtype=DType.I32),
            Arg(name="cols", kind=ArgKind.SIZE, dtype=DType.I32),
        ),
        "cases": (
            Case(name="big", sizes={"rows": 64, "cols": 48}, timed=True),
            Case(name="ragged", sizes={"rows": 7, "cols": 13}),
            Case(name="row", sizes={"rows": 1, "cols": 5}),
        ),
        "distributions": (Distribution.NORMAL, Distribution.SPIKES),
        "tolerance": Tolerance(),
        "baseline": "// y = 2 x",
        "reference": reference,
    }
    return Task(**{**fields, **changes})
