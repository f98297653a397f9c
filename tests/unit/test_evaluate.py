"""One candidate, stage by stage, with a lab made of fakes: which verdict ends it, and what evidence it keeps."""

from pathlib import Path

import numpy as np
import pytest

from kernelsearch import catalog, digest
from kernelsearch.device.base import CallResult, JobResult, KernelCounters, Mode, ProfileResult
from kernelsearch.evaluate import evaluate
from kernelsearch.lab import Lab
from kernelsearch.model import (
    Arg,
    ArgKind,
    Build,
    Candidate,
    Case,
    Cost,
    Distribution,
    DType,
    Environment,
    Expression,
    Form,
    Metric,
    Origin,
    Reference,
    Task,
    TimeKind,
    Verdict,
)

N = Expression("n")
TASK = Task(
    name="double",
    form=Form.LAUNCHER,
    entry="solve",
    args=(
        Arg(name="x", kind=ArgKind.INPUT, dtype=DType.F32, shape=(N,)),
        Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=(N,)),
        Arg(name="n", kind=ArgKind.SIZE, dtype=DType.I32),
    ),
    cases=(Case(name="big", sizes={"n": 4096}, timed=True), Case(name="ragged", sizes={"n": 37})),
    distributions=(Distribution.NORMAL,),
    cost=Cost(bytes=Expression("8 * n")),
    baseline="// baseline",
    reference=Reference(source="def double(x, n):\n    return 2 * x\n", function="double"),
)


class FakeDevice:
    """Doubles its input. `factor` and `time_us` let it be wrong or too fast; `failures` fails a mode."""

    name = "fake GPU"
    time_kind = TimeKind.MEASURED

    def __init__(self, *, factor=2.0, time_us=20.0, failures=None, timed_factor=None) -> None:
        self.hardware = catalog.hardware("h100")
        self.factor, self.time_us, self.failures = factor, time_us, failures or {}
        self.timed_factor = factor if timed_factor is None else timed_factor
        self.modes: list[Mode] = []
        self.facts = {}

    def run(self, job) -> JobResult:
        self.modes.append(job.mode)
        if job.mode in self.failures:
            return JobResult(failure=self.failures[job.mode], detail="as the test asked")
        factor = self.timed_factor if job.mode is Mode.TIME else self.factor
        samples = (self.time_us,) * 5 if job.mode is Mode.TIME else ()
        return JobResult(
            calls=tuple(CallResult(label=c.label, outputs={"y": self._double(c, factor)}, samples_us=samples) for c in job.calls)
        )

    def profile(self, job, metrics) -> ProfileResult:
        return ProfileResult(kernels=(KernelCounters(kernel="k", metrics={name: Metric(value=1.0) for name in metrics}),))

    def close(self) -> None:
        pass

    @staticmethod
    def _double(call, factor) -> bytes:
        file = next(arg.file for arg in call.args if arg.name == "x")
        return (np.fromfile(file, dtype=np.float32) * np.float32(factor)).tobytes()


class FakeToolchain:
    name = "fake 1.0"

    def __init__(self, failure: Verdict | None = None) -> None:
        self.failure = failure
        self.builds = 0

    def build(self, candidate, task) -> Build:
        self.builds += 1
        if self.failure is not None:
            return Build(ok=False, toolchain=self.name, failure=self.failure, log="candidate.cu:3: error: no")
        return Build(ok=True, toolchain=self.name, artifact="a.so")


@pytest.fixture
def lab(tmp_path):
    def make(device=None, toolchain=None) -> Lab:
        return Lab(
            device=device or FakeDevice(),
            toolchain=toolchain or FakeToolchain(),
            sandbox=None,
            metric_set=catalog.metric_set("quick"),
            environment=Environment(device="fake GPU", time_kind="measured", sandbox="none (unsafe)"),
            scratch=Path(tmp_path),
            seed=1,
        )

    return make


def candidate(source: str = "// candidate", flags: tuple[str, ...] = ("-O3",)) -> Candidate:
    return Candidate(task=digest.task(TASK), source=source, flags=flags, origin=Origin(proposer="test"))


def test_a_right_kernel_passes_with_all_its_evidence(lab):
    device = FakeDevice()
    done = evaluate(candidate(), TASK, lab(device))
    assert done.verdict is Verdict.PASSED, done.detail
    assert device.modes == [Mode.VERIFY, Mode.TIME]
    assert done.measurement.time_us == pytest.approx(20.0) and done.measurement.kind is TimeKind.MEASURED
    assert {check.case for check in done.checks} == {"big", "ragged"}
    assert done.profile is not None and done.profile.kernel == "k"
    assert set(done.seconds) == {"build", "verify", "measure", "profile"}
    assert done.reference == "reference"


def test_what_the_policy_forbids_is_not_built(lab):
    toolchain = FakeToolchain()
    done = evaluate(candidate('#include "/etc/passwd"'), TASK, lab(toolchain=toolchain))
    assert done.verdict is Verdict.REJECTED and toolchain.builds == 0
    assert any(finding.forbidden for finding in done.findings)


@pytest.mark.parametrize("verdict", [Verdict.BUILD_FAILED, Verdict.UNSUPPORTED, Verdict.TIMED_OUT])
def test_a_failed_build_ends_it_with_the_compilers_words(lab, verdict):
    device = FakeDevice()
    done = evaluate(candidate(), TASK, lab(device, FakeToolchain(verdict)))
    assert done.verdict is verdict and "candidate.cu:3" in done.detail
    assert device.modes == []


def test_a_wrong_kernel_is_not_timed(lab):
    device = FakeDevice(factor=2.1)
    done = evaluate(candidate(), TASK, lab(device))
    assert done.verdict is Verdict.WRONG and "y[" in done.detail
    assert Mode.TIME not in device.modes and done.measurement is None


@pytest.mark.parametrize("verdict", [Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.NONDETERMINISTIC, Verdict.CHEATED])
@pytest.mark.parametrize("mode", [Mode.VERIFY, Mode.TIME])
def test_a_failing_run_ends_it(lab, verdict, mode):
    done = evaluate(candidate(), TASK, lab(FakeDevice(failures={mode: verdict})))
    assert done.verdict is verdict and "as the test asked" in done.detail


def test_right_when_checked_and_wrong_when_timed_is_wrong(lab):
    done = evaluate(candidate(), TASK, lab(FakeDevice(timed_factor=0.0)))
    assert done.verdict is Verdict.WRONG and "timed call" in done.detail


def test_faster_than_the_hardware_can_be_is_implausible(lab):
    done = evaluate(candidate(), TASK, lab(FakeDevice(time_us=1e-4)))
    assert done.verdict is Verdict.IMPLAUSIBLE and "at least" in done.detail
    assert done.time_us is None and done.profile is None
