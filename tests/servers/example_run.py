"""A small task with a few attempts at it, for tests of what a model is told."""

from __future__ import annotations

from kernelsearch.model import (
    Arg,
    ArgKind,
    Attempt,
    Bottleneck,
    Build,
    Candidate,
    Case,
    CaseTiming,
    Context,
    Cost,
    DType,
    Environment,
    Evaluation,
    Expression,
    Form,
    Hardware,
    KernelResources,
    Measurement,
    Node,
    Origin,
    Outcome,
    Profile,
    Proposal,
    Resource,
    Reward,
    Task,
    Term,
    TimeKind,
    Tolerance,
    Verdict,
)

SOURCE = """__global__ void scale(const float* x, float* y, int rows, int cols, float a) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    for (int col = 0; row < rows && col < cols; ++col) y[row * cols + col] = a * x[row * cols + col];
}

extern "C" void solve(const float* x, float* y, int rows, int cols, float a) {
    scale<<<(rows + 255) / 256, 256>>>(x, y, rows, cols, a);
}
"""
HARDWARE = Hardware(
    name="Example GPU",
    arch="sm_90",
    sm_count=100,
    clock_hz=1.5e9,
    dram_bytes_per_s=2e12,
    dram_latency_us=0.5,
    l2_bytes=40_000_000,
    l2_bytes_per_s=5e12,
    shared_bytes_per_sm=200_000,
    shared_bytes_per_block=199_000,
    registers_per_sm=65_536,
    threads_per_sm=2048,
    blocks_per_sm=32,
    fp32_flops=5e13,
    fp64_flops=2.5e13,
    tensor_flops={"f16": 9e14},
)


def shape(*names: str) -> tuple[Expression, ...]:
    return tuple(map(Expression, names))


def task(form: Form = Form.LAUNCHER) -> Task:
    return Task(
        name="scale",
        form=form,
        entry="solve" if form is Form.LAUNCHER else None,
        args=(
            Arg(name="x", kind=ArgKind.INPUT, dtype=DType.F32, shape=shape("rows", "cols")),
            Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=shape("rows", "cols")),
            Arg(name="rows", kind=ArgKind.SIZE, dtype=DType.I32),
            Arg(name="cols", kind=ArgKind.SIZE, dtype=DType.I32),
            Arg(name="a", kind=ArgKind.SCALAR, dtype=DType.F32, value=1.5),
        ),
        cases=(
            Case(name="large", sizes={"rows": 4096, "cols": 8192}, timed=True),
            Case(name="ragged", sizes={"rows": 257, "cols": 1001}),
        ),
        tolerance=Tolerance(reduction=Expression("1")),
        cost=Cost(bytes=Expression("2 * rows * cols * 4"), flops=Expression("rows * cols")),
        baseline=SOURCE,
        notes="Every element times a.",
    )


def candidate(source: str = SOURCE, summary: str = "", flags: tuple[str, ...] = ("-O3",)) -> Candidate:
    return Candidate(task="t", source=source, flags=flags, origin=Origin(proposer="test", summary=summary))


def evaluation(verdict: Verdict, detail: str = "", time_us: float = 0.0, kind: TimeKind = TimeKind.MEASURED, **more: object) -> Evaluation:
    passed = verdict is Verdict.PASSED
    resources = (KernelResources(kernel="scale", registers=24, shared_bytes=1024, spill_store_bytes=8, spill_load_bytes=16),)
    built = Build(ok=True, toolchain="nvcc", artifact="/a", resources=resources)
    failed = Build(ok=False, toolchain="nvcc", failure=Verdict.BUILD_FAILED, log=detail)
    return Evaluation(
        candidate="c",
        verdict=verdict,
        detail=detail,
        build=failed if verdict is Verdict.BUILD_FAILED else None if verdict is Verdict.REJECTED else built,
        measurement=Measurement(kind=kind, timings=(CaseTiming(case="large", samples_us=(time_us,)),)) if passed else None,
        environment=Environment(device="d", time_kind=kind.value, sandbox="none"),
        **more,
    )


def profile(kind: TimeKind = TimeKind.MEASURED) -> Profile:
    return Profile(
        kind=kind,
        metric_set="quick",
        kernel="scale",
        metrics={},
        bottleneck=Bottleneck(resource=Resource.UNCOALESCED, evidence="32.0 sectors a request, where 4.0 would do."),
        facts={"sectors/request": "32.0", "DRAM": "21 % of peak"},
        notes=("shared memory was not used",),
    )


def node(number: int, judged: Evaluation | None, made: Candidate | None = None, parent: int | None = 0, **attempt: object) -> Node:
    proposal = None if parent is None else Proposal(ticket=number, parent=parent, seed=number)
    outcome = attempt.pop("outcome", Outcome.EVALUATED)
    return Node(
        number=number,
        attempt=Attempt(proposal=proposal, outcome=outcome, candidate=made or candidate(), evaluation=judged, **attempt),
        reward=Reward(value=0.7, terms=(Term(name="speed", raw=0.7, weight=1.0, contribution=0.7, note="log of the speed-up"),)),
    )


BASELINE = node(0, evaluation(Verdict.PASSED, time_us=400.0), parent=None)


def passed(kind: TimeKind = TimeKind.MEASURED) -> Context:
    """A parent that passed, with a profile, ancestors and siblings of every kind."""
    parent = node(
        3, evaluation(Verdict.PASSED, time_us=200.0, kind=kind, profile=profile(kind)), candidate(SOURCE, "unroll by four"), parent=1
    )
    ancestor = node(1, evaluation(Verdict.PASSED, time_us=250.0), candidate(SOURCE, "const and restrict"))
    siblings = (
        node(4, evaluation(Verdict.PASSED, time_us=220.0, kind=kind), candidate(SOURCE, "blocks of 512"), parent=3),
        node(5, evaluation(Verdict.WRONG, "y[256, 0]: 0 instead of 1.5"), candidate(SOURCE, "vector loads"), parent=3),
        node(6, None, parent=3, outcome=Outcome.UNUSABLE, detail="Block 1 does not match"),
        node(7, None, parent=3, outcome=Outcome.EXHAUSTED, detail="nothing"),
        node(8, None, parent=3, outcome=Outcome.LLM_FAILED, detail="busy"),
    )
    best = node(9, evaluation(Verdict.PASSED, time_us=100.0, kind=kind), parent=8)
    return Context(parent=parent, lineage=(ancestor, BASELINE), siblings=siblings, best=best, baseline=BASELINE)


def failed(source: str = SOURCE, detail: str = "scale.cu(3): error: identifier `col` is undefined") -> Context:
    """A parent that does not compile."""
    parent = node(2, evaluation(Verdict.BUILD_FAILED, detail), candidate(source, "swap axes"))
    return Context(parent=parent, lineage=(BASELINE,), best=BASELINE, baseline=BASELINE)
