"""A run made of model objects: seven attempts at a softmax, with every kind of outcome a report must show."""

from dataclasses import replace

from kernelsearch import digest
from kernelsearch.model import (
    Arg,
    ArgKind,
    Attempt,
    Bottleneck,
    Budget,
    Build,
    Candidate,
    Case,
    CaseTiming,
    Check,
    Confirmation,
    Cost,
    DType,
    Environment,
    Evaluation,
    Expression,
    Finding,
    Form,
    KernelResources,
    Measurement,
    Metric,
    Node,
    Origin,
    Outcome,
    Profile,
    Proposal,
    Resource,
    Reward,
    RunSpec,
    Task,
    Term,
    TimeKind,
    Usage,
    Verdict,
)
from kernelsearch.store.rundir import Header, RunFolder

SOURCE = """#include <cuda_runtime.h>

__global__ void softmax(const float* x, float* y, int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    float largest = -INFINITY;
    for (int c = 0; c < cols; ++c) largest = fmaxf(largest, x[row * cols + c]);
    float sum = 0.0f;
    for (int c = 0; c < cols; ++c) sum += expf(x[row * cols + c] - largest);
    for (int c = 0; c < cols; ++c) y[row * cols + c] = expf(x[row * cols + c] - largest) / sum;
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    softmax<<<(rows + 127) / 128, 128>>>(x, y, rows, cols);
}
"""
HOSTILE = "</pre><script>alert('[bold]x[/bold] & more')</script>"


def task() -> Task:
    shape = (Expression("rows"), Expression("cols"))
    return Task(
        name="softmax",
        form=Form.LAUNCHER,
        entry="solve",
        args=(
            Arg(name="x", kind=ArgKind.INPUT, dtype=DType.F32, shape=shape),
            Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=shape),
            Arg(name="rows", kind=ArgKind.SIZE, dtype=DType.I32),
            Arg(name="cols", kind=ArgKind.SIZE, dtype=DType.I32),
        ),
        cases=(
            Case(name="large", sizes={"rows": 4096, "cols": 8192}, timed=True),
            Case(name="ragged", sizes={"rows": 257, "cols": 1001}),
        ),
        cost=Cost(bytes=Expression("2 * rows * cols * 4"), flops=Expression("5 * rows * cols")),
        baseline=SOURCE,
        assumptions=("rows=4096 and cols=8192",),
    )


ENVIRONMENT = Environment(
    device="emulated H100", time_kind="modelled", sandbox="bubblewrap (level 2 of 3)", facts={"host compiler": "g++ 12.2.0"}
)
SPEC = RunSpec(task=digest.task(task()), task_name="softmax", device="emulated", budget=Budget(candidates=7), seed=3)


def profile(sectors: float, megabytes: float) -> Profile:
    return Profile(
        kind=TimeKind.MODELLED,
        metric_set="quick",
        kernel="softmax",
        metrics={"dram__bytes.sum": Metric(value=megabytes * 1e6, unit="byte"), "launch__registers_per_thread": Metric(value=32.0)},
        bottleneck=Bottleneck(resource=Resource.UNCOALESCED, evidence=f"{sectors:g} sectors a request where 4 would do"),
        facts={"speed of light %": f"{90 / sectors:.0f}", "sectors/request": f"{sectors:.1f}", "DRAM": f"{megabytes:g} MB"},
    )


def passed(time_us: float, sectors: float, megabytes: float = 805.0) -> Evaluation:
    return Evaluation(
        candidate="digest",
        verdict=Verdict.PASSED,
        build=Build(
            ok=True,
            toolchain="emulated",
            artifact="a.so",
            resources=(KernelResources(kernel="softmax", registers=32, shared_bytes=4096),),
        ),
        checks=(
            Check(case="large", distribution="normal", verdict=Verdict.PASSED, max_error=0.21, relative_error=2e-7),
            Check(case="ragged", distribution="integers", verdict=Verdict.PASSED),
        ),
        measurement=Measurement(kind=TimeKind.MODELLED, timings=(CaseTiming(case="large", samples_us=(time_us,)),)),
        profile=profile(sectors, megabytes),
        environment=ENVIRONMENT,
        seconds={"build": 0.8, "verify": 1.4},
    )


def confirmed(evaluation: Evaluation) -> Evaluation:
    """The same, held for the best and shown to be it."""
    trial = Confirmation(against="digest", measurement=evaluation.measurement, held=True, detail="2.924x the incumbent, without pairs")
    return replace(evaluation, confirmation=trial)


def failed(verdict: Verdict, detail: str, **extra) -> Evaluation:
    return Evaluation(candidate="digest", verdict=verdict, detail=detail, environment=ENVIRONMENT, **extra)


def attempt(parent: int, ticket: int, directive: str, evaluation: Evaluation | None, source: str = SOURCE, **extra) -> Attempt:
    candidate = Candidate(
        task=SPEC.task,
        source=source,
        flags=("-O3",),
        origin=Origin(proposer="rules", directive=directive, summary=f"try {directive}", model=extra.pop("model", "")),
    )
    return Attempt(
        proposal=Proposal(ticket=ticket, parent=parent, seed=ticket),
        outcome=extra.pop("outcome", Outcome.EVALUATED),
        candidate=candidate if evaluation is not None else None,
        evaluation=evaluation,
        seconds=2.5,
        **extra,
    )


def attempts() -> list[Attempt]:
    """Baseline first. Node 4 is the best, by way of node 1."""
    coalesced = SOURCE.replace("blockIdx.x * blockDim.x + threadIdx.x", "blockIdx.x")
    vector = coalesced.replace("float sum = 0.0f;", "float sum = 0.0f;  // float4 loads")
    start = Candidate(task=SPEC.task, source=SOURCE, flags=("-O3",), origin=Origin(proposer="baseline"))
    usage = Usage(input_tokens=12_400, cached_tokens=8_000, output_tokens=900, usd=0.0123, calls=1, seconds=7.0)
    wrong = Check(
        case="ragged", distribution="normal", verdict=Verdict.WRONG, max_error=88.0, where="y[257, 1000]", detail="last element not written"
    )
    asm = Finding(rule="asm", message="no asm", line=3, forbidden=True)
    model = {"model": "m-1", "prompt": f"Improve {HOSTILE}", "reply": "float4", "usage": usage}
    nonsense = {"outcome": Outcome.UNUSABLE, "detail": "the search text was not found", "prompt": "p", "reply": "no", "usage": usage}
    return [
        Attempt(proposal=None, outcome=Outcome.EVALUATED, candidate=start, evaluation=passed(412.3, 18.5), seconds=3.0),
        attempt(0, 0, "swap thread axes", confirmed(passed(141.0, 4.0)), coalesced),
        attempt(0, 1, "register accumulator", passed(380.2, 18.5, 790.0)),
        attempt(1, 2, "vector loads", failed(Verdict.WRONG, "row 257: last element not written", checks=(wrong,)), vector),
        attempt(1, 3, "vector loads, fix", confirmed(passed(96.4, 1.0)), vector, **model),
        attempt(4, 4, "inline PTX", failed(Verdict.REJECTED, HOSTILE, findings=(asm,))),
        attempt(4, 5, "unroll", failed(Verdict.BUILD_FAILED, "softmax.cu:7:12: error: expected ';'\nmore")),
        attempt(0, 6, "", None, **nonsense),
    ]


def nodes() -> tuple[Node, ...]:
    terms = (Term(name="speedup", raw=1.45, weight=1.0, contribution=1.45, note="ln of 4.28x"),)
    found = []
    for number, made in enumerate(attempts()):
        good = made.evaluation is not None and made.evaluation.passed
        reward = Reward(value=1.45, terms=terms) if good else Reward(value=-1.0, gate="verdict")
        found.append(Node(number=number, attempt=made, reward=None if made.evaluation is None else reward, at_seconds=3.0 * number))
    return tuple(found)


def write(folder) -> None:
    """The run as a folder on disk."""
    header = Header(version="0.1.0", started="2026-11-22T21:00:00+00:00", spec=SPEC, task=task(), environment=ENVIRONMENT)
    run = RunFolder.create(folder, header)
    for node in nodes():
        run.journal.append(node.attempt, node.reward, node.at_seconds)
    run.close()
