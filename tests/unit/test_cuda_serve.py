"""What the device `cuda` adds to boxes: one GPU each, a profiler or a sanitizer around the runner; with a pretended GPU and sandbox."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from players import Player

from kernelsearch import catalog, contents, nsight, paths, sanitizer
from kernelsearch.device import cuda, inventory
from kernelsearch.device.base import Call, Job, Mode, Tensor
from kernelsearch.errors import DeviceLost, ToolMissing
from kernelsearch.model import Build, DType, Metric, Verdict
from kernelsearch.sandbox.base import Box, BoxResult

GPU = inventory.GpuInfo(ordinal=0, name="NVIDIA H100", uuid="GPU-test", arch="sm_90", driver="580", minor=0)
READY = json.dumps({"facts": {"cupy": "14"}})
BEGUN = json.dumps({"begun": True})
Ending = Callable[[Path], BoxResult]


def ended(
    *, returncode: int = 0, stdout: str = READY + BEGUN, stderr: str = "", timed_out: bool = False, report: dict | None = None
) -> Ending:
    def ending(outputs: Path) -> BoxResult:
        if report is not None:
            (outputs / "result.json").write_text(json.dumps({"failure": None, "detail": "", "notes": {}} | report))
        return BoxResult(returncode=returncode, stdout=stdout, stderr=stderr, seconds=0.0, timed_out=timed_out)

    return ending


def probed(right: bool = True, bytes_per_s: float = 2e12) -> Ending:
    """What a look at the GPU's health finds."""
    return ended(report={"notes": {"probe ok": str(right), "probe bytes/s": str(bytes_per_s)}})


class PretendBox:
    """Ready at once; its calls leave zeros, and what `ending` does in the output folder is what the job did."""

    def __init__(self, box: Box, ending: Ending, probe: Ending) -> None:
        self.box, self.ending, self.probe = box, ending, probe
        self.player = Player(ready=True, digest=lambda order: contents.digest(bytes(8), order.seal))
        self.channel = self.player.ours
        self.sent = b""

    def send(self, data: bytes) -> None:
        self.sent += data

    def read_line(self, timeout_s: float) -> str | None:
        return READY

    def wait(self, timeout_s: float) -> BoxResult:
        outputs = self.box.writable[0]
        told = json.loads((outputs.parent / "in" / "job.json").read_text())
        return self.probe(outputs) if told["mode"] == "probe" else self.ending(outputs)

    def kill(self) -> None:
        self.player.close()


class PretendSandbox:
    def __init__(self, ending: Ending) -> None:
        self.ending, self.probe = ending, probed()
        self.boxes: list[Box] = []
        self.made: list[PretendBox] = []
        self.ran: list[Box] = []
        self.printed: dict[str, str] = {}  # by page and view, what the profiler says of a report

    def run(self, box: Box) -> BoxResult:
        """The profiler, reading a report."""
        told = dict(itertools.pairwise(box.command))
        assert Path(told["--import"]).read_bytes() == b"report" and not box.devices
        self.ran.append(box)
        text = self.printed.get(told.get("--print-source", told["--page"]), "==ERROR== no such page")
        return BoxResult(returncode=0, stdout=text, stderr="", seconds=0.0, timed_out=text == "hangs")

    def start(self, box: Box) -> PretendBox:
        self.boxes.append(box)
        self.made.append(PretendBox(box, self.ending, self.probe))
        return self.made[-1]


def device(folder: Path, sandbox: PretendSandbox, ordinal: int = 0) -> cuda.CudaDevice:
    (folder / "support.cubin").write_bytes(b"ours")
    return cuda.CudaDevice(
        sandbox=sandbox,
        scratch=folder / "boxes",
        hardware=catalog.hardware("h100"),
        ordinal=ordinal,
        backend="cupy",
        support=folder / "support.cubin",
    )


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inventory, "detect", lambda: [GPU])
    monkeypatch.setattr(cuda, "libraries", lambda modules, extra: (tmp_path / "site",))
    monkeypatch.setattr(paths, "scratch_root", lambda: tmp_path)
    devices = []

    def make(ending: Ending):
        sandbox = PretendSandbox(ending)
        devices.append(device(tmp_path, sandbox))
        return devices[-1], sandbox

    yield make
    for one in devices:
        one.close()


def job(tmp_path: Path, mode: Mode = Mode.VERIFY) -> Job:
    (tmp_path / "k.so").write_bytes(b"code")
    build = Build(ok=True, toolchain="t", artifact=str(tmp_path / "k.so"))
    call = Call(label="c", args=(Tensor(name="y", dtype=DType.F32, count=2, written=True),), values={})
    return Job(build=build, entry="solve", plan=None, calls=(call,), mode=mode)


GOOD: dict = {}


def test_a_job_that_ends_well_gives_its_outputs_and_says_what_it_knows(opened, tmp_path: Path) -> None:
    device, sandbox = opened(ended(report=GOOD))
    result = device.run(job(tmp_path))
    assert result.failure is None
    assert bytes(result.calls[0].outputs["y"]) == bytes(8)
    assert device.facts["cupy"] == "14" and device.name == "NVIDIA H100"
    assert not any(box.writable[0].exists() for box in sandbox.boxes[:1])  # used up


@pytest.mark.parametrize(
    ("ending", "verdict", "words"),
    [
        (ended(timed_out=True, returncode=-9), Verdict.TIMED_OUT, "did not end within 10 s"),
        (ended(returncode=-11), Verdict.CRASHED, "SIGSEGV"),
        (ended(returncode=-40), Verdict.CRASHED, "signal 40"),  # real time: it has no name
        (ended(returncode=1, stderr="x\nlast words"), Verdict.CRASHED, "last words"),
        (ended(), Verdict.CRASHED, "without a result"),
        (ended(returncode=-6, report=GOOD), Verdict.CRASHED, "SIGABRT"),
        (ended(returncode=-6, report={"failure": "crashed", "detail": "c: illegal address"}), Verdict.CRASHED, "illegal address"),
        (ended(report={"failure": "cheated", "detail": "c: wrote past the end of y"}), Verdict.CHEATED, "past the end"),
    ],
)
def test_every_other_end_is_the_candidates_with_its_reason(opened, tmp_path: Path, ending: Ending, verdict: Verdict, words: str) -> None:
    result = opened(ending)[0].run(job(tmp_path))
    assert result.failure is verdict
    assert words in result.detail


def test_a_box_that_died_before_the_job_began_is_not_the_candidates_fault(opened, tmp_path: Path) -> None:
    device, sandbox = opened(ended(returncode=-9, stdout=READY))
    for box in sandbox.made:
        box.player.close()
    with pytest.raises(DeviceLost, match="before its job began"):
        device.run(job(tmp_path))


def test_under_a_tool_that_is_so_too(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nsight, "find_ncu", lambda: Path("/opt/ncu"))
    with pytest.raises(DeviceLost, match="before its job began"):
        opened(ended(returncode=-9, stdout=READY))[0].profile(job(tmp_path, Mode.PROFILE), ["a__b.sum"])


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        (ended(timed_out=True, returncode=-9), "did not end or came out wrong"),
        (ended(returncode=-6), "did not end or came out wrong"),
        (probed(right=False), "did not end or came out wrong"),
        (probed(bytes_per_s=1e11), "at 5% of its bandwidth"),
    ],
)
def test_after_a_failure_the_gpu_is_looked_at_and_one_that_is_not_fit_is_lost(opened, tmp_path: Path, probe: Ending, words: str) -> None:
    device, sandbox = opened(ended(returncode=-11))
    assert device.run(job(tmp_path)).failure is Verdict.CRASHED  # as well as at the start
    sandbox.probe = probe
    for box in sandbox.made:
        box.probe = probe
    with pytest.raises(DeviceLost, match=words):
        device.run(job(tmp_path))


def test_a_gpu_that_copies_wrongly_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "detect", lambda: [GPU])
    monkeypatch.setattr(cuda, "libraries", lambda modules, extra: (tmp_path / "site",))
    monkeypatch.setattr(paths, "scratch_root", lambda: tmp_path)
    sandbox = PretendSandbox(ended())
    sandbox.probe = probed(right=False)
    with pytest.raises(DeviceLost, match="does not copy 256 MiB right"):
        device(tmp_path, sandbox)


def test_a_box_sees_one_gpu_and_its_own_folders_alone(opened, tmp_path: Path) -> None:
    _, sandbox = opened(ended(report=GOOD))
    box = sandbox.boxes[0]
    assert box.env["CUDA_VISIBLE_DEVICES"] == "GPU-test"
    assert box.channel
    assert len(box.writable) == 1 and box.writable[0].is_relative_to(tmp_path / "boxes")
    root = paths.data("sandbox").parent
    assert not any(root.is_relative_to(path) or path == root / "tasks" for path in box.readable)


def test_counters_are_those_that_were_asked_for(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = '"ID","Kernel Name","a__b.sum","extra__c"\n"","","byte",""\n"0","k(int)","7","9"\n'

    def ending(outputs: Path) -> BoxResult:
        (outputs / "ncu.csv").write_text(table)
        return ended(report=GOOD)(outputs)

    monkeypatch.setattr(nsight, "find_ncu", lambda: Path("/opt/ncu"))
    device, sandbox = opened(ending)
    found = device.profile(job(tmp_path, Mode.PROFILE), ["a__b.sum"])
    assert [(kernel.kernel, dict(kernel.metrics)) for kernel in found.kernels] == [("k(int)", {"a__b.sum": Metric(value=7.0, unit="byte")})]
    assert sandbox.boxes[-1].command[0] == "/opt/ncu"


TABLE = '"ID","Kernel Name","a__b.sum"\n"","","byte"\n"0","k(int)","7"\n'
HEADS = '"Line No","Source","Address","Source","# Samples","stall_long_sb"\n'
BY_LINE = f'"File Path","/x/candidate.cu"\n"Function Name","k(int)"\n{HEADS}"3","y = x;","-","","9","9"\n"","","0x0","LDG.E R1","9","9"\n'
BY_CODE = '"Kernel Name","k(int)"\n"Address","Source","# Samples","stall_long_sb"\n"0x0","LDG.E R1","9","9"\n'


def reporting(*, table: str = TABLE, report: bytes = b"report") -> Ending:
    def ending(outputs: Path) -> BoxResult:
        (outputs / "ncu.csv").write_text(table)
        if report:
            (outputs / "report.ncu-rep").write_bytes(report)
        return ended(report=GOOD)(outputs)

    return ending


def reported(tmp_path: Path) -> Job:
    return dataclasses.replace(job(tmp_path, Mode.PROFILE), source="the source")


@pytest.mark.parametrize("table", [TABLE, "==PROF== Report: report.ncu-rep\n"], ids=["both", "the report alone"])
def test_a_report_is_read_in_a_box_without_a_gpu(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    monkeypatch.setattr(nsight, "find_ncu", lambda: Path("/opt/ncu"))
    device, sandbox = opened(reporting(table=table))
    sandbox.printed = {"cuda,sass": BY_LINE, "raw": TABLE}
    found = device.profile(reported(tmp_path), ["a__b.sum"])
    assert (found.missing, found.unread, found.report) == ("", "", b"report")
    assert [kernel.metrics["a__b.sum"].value for kernel in found.kernels] == [7.0]
    assert [(place.line, place.opcode) for place in nsight.hot_lines(found.source_page)] == [(3, "LDG.E")]
    assert len(sandbox.ran) == (1 if table == TABLE else 2)
    assert "--export" in sandbox.boxes[-1].command
    assert not any(path.exists() for box in sandbox.ran for path in box.readable if path.is_relative_to(tmp_path))
    assert device.profile(job(tmp_path, Mode.PROFILE), ["a__b.sum"]).report is None
    assert not any("--export" in box.command for box in sandbox.boxes[-2:])  # and none is kept waiting that would write one


def test_without_line_information_the_instructions_are_told(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nsight, "find_ncu", lambda: Path("/opt/ncu"))
    device, sandbox = opened(reporting())
    sandbox.printed = {"sass": BY_CODE}
    found = device.profile(reported(tmp_path), ["a__b.sum"])
    assert [(place.line, place.opcode) for place in nsight.hot_lines(found.source_page)] == [(0, "LDG.E")]
    assert found.unread == ""


@pytest.mark.parametrize(
    ("ending", "printed", "words"),
    [
        (reporting(report=b""), {}, "left no report"),
        (reporting(), {}, "no such page"),
        (reporting(), {"cuda,sass": BY_CODE.replace("9", "0"), "sass": "nothing"}, "no samples"),
        (reporting(), {"cuda,sass": "hangs", "sass": "hangs"}, "no end after 20 s"),
    ],
)
def test_counters_stay_where_the_report_says_nothing(
    opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: Ending, printed: dict[str, str], words: str
) -> None:
    monkeypatch.setattr(nsight, "find_ncu", lambda: Path("/opt/ncu"))
    device, sandbox = opened(ending)
    sandbox.printed = printed
    found = device.profile(reported(tmp_path), ["a__b.sum"])
    assert len(found.kernels) == 1 and found.source_page == "" and words in found.unread


def test_a_link_is_no_report(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ending(outputs: Path) -> BoxResult:
        (outputs / "report.ncu-rep").symlink_to(tmp_path / "k.so")
        return reporting(report=b"")(outputs)

    monkeypatch.setattr(nsight, "find_ncu", lambda: Path("/opt/ncu"))
    assert opened(ending)[0].profile(reported(tmp_path), ["a__b.sum"]).report is None


def test_missing_counters_have_a_reason(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nsight, "find_ncu", lambda: None)
    assert "ncu" in opened(ended())[0].profile(job(tmp_path, Mode.PROFILE), ["a__b.sum"]).missing
    monkeypatch.setattr(nsight, "find_ncu", lambda: Path("/opt/ncu"))
    missing = opened(ended(returncode=-11))[0].profile(job(tmp_path, Mode.PROFILE), ["a__b.sum"]).missing
    assert "no table" in missing and "SIGSEGV" in missing


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (ended(returncode=-11), "crashed, the process died of SIGSEGV"),
        (ended(returncode=1, stderr="x\nlast words"), "last words"),
        (ended(report={"failure": "crashed", "detail": "c: illegal address"}), "crashed, c: illegal address"),
        (ended(report={"failure": "passed", "detail": "as I say"}), "crashed, as I say"),
        (ended(timed_out=True, returncode=-9), "timed out, no end after 30 s"),
        (ended(report=GOOD), "no table"),
    ],
)
def test_a_run_under_the_profiler_that_failed_says_how(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending, words: str) -> None:
    monkeypatch.setattr(nsight, "find_ncu", lambda: Path("/opt/ncu"))
    found = opened(ending)[0].profile(job(tmp_path, Mode.PROFILE), ["a__b.sum"])
    assert found.kernels == () and words in found.missing


CLEAN = "========= COMPUTE-SANITIZER\n========= ERROR SUMMARY: 0 errors\n"


def test_every_tool_of_the_sanitizer_looks_in_a_box_of_its_own(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ending(outputs: Path) -> BoxResult:
        (outputs / "sanitizer.txt").write_text(CLEAN)
        return ended(report=GOOD)(outputs)

    monkeypatch.setattr(sanitizer, "find", lambda: Path("/opt/bin/compute-sanitizer"))
    device, sandbox = opened(ending)
    found = device.sanitize(job(tmp_path, Mode.PROFILE))
    assert [(report.hazards, report.missing) for report in found] == [((), "")] * len(sanitizer.TOOLS)
    around = [box for box in sandbox.boxes if box.command[0] == "/opt/bin/compute-sanitizer"]
    assert len(around) == len(sanitizer.TOOLS)
    assert {tool for tool in sanitizer.TOOLS for box in around if tool in box.command} == set(sanitizer.TOOLS)
    for box in around:
        assert Path("/opt/bin") in box.readable
        assert not box.writable[0].exists()


def test_a_sanitizer_that_is_not_there_is_named(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitizer, "find", lambda: None)
    (report,) = opened(ended())[0].sanitize(job(tmp_path, Mode.PROFILE))
    assert "compute-sanitizer" in report.missing and report.hazards == ()


def test_without_gpu_or_library_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opening(ordinal: int) -> None:
        device(tmp_path, PretendSandbox(ended()), ordinal)

    monkeypatch.setattr(inventory, "detect", list)
    with pytest.raises(ToolMissing, match="--device emulated"):
        opening(0)
    monkeypatch.setattr(inventory, "detect", lambda: [GPU])
    with pytest.raises(ToolMissing, match="no GPU 3"):
        opening(3)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match=r"kernelsearch\[gpu\]"):
        opening(0)
