"""Calibration: the kernels do what they say, figures follow from times, and a lab on that GPU gets them."""

from __future__ import annotations

import dataclasses
import subprocess
import tomllib

import numpy as np
import pytest
from numpy_lab import stored_values

from kernelsearch import calibrate, catalog, cli, codec, lab, verify
from kernelsearch.calibrate import PROBES, to_toml
from kernelsearch.calibrate.run import run
from kernelsearch.device import inventory
from kernelsearch.device.base import CallResult, JobResult, Mode, Tensor
from kernelsearch.device.emulated import EmulatedDevice
from kernelsearch.errors import UsageError
from kernelsearch.lab import Lab
from kernelsearch.model import Build, Calibration, Candidate, Environment, Origin, Peak, TimeKind, Verdict
from kernelsearch.sandbox import open_sandbox
from kernelsearch.toolchain.emulated import EmulatedToolchain
from kernelsearch.toolchain.locate import find_nvcc
from kernelsearch.workload import call_reference, encode

NVCC = find_nvcc()
SMALL = dataclasses.replace(catalog.hardware("h100"), sm_count=2, l2_bytes=1 << 16)
FACTS = {"gpu uuid": "GPU-0a1b/2", "driver": "580.1"}
BY_TASK = {probe.task: probe for probe in PROBES}
TENSOR = ("tensor_bf16", "tensor_tf32")


class Clocked:
    """A GPU that puts out what the references say, and takes the time it is told, in µs by task."""

    name, time_kind, hardware, draws = "fake GPU", TimeKind.MEASURED, SMALL, True

    def __init__(self, times, wrong="", failing="") -> None:
        self.times, self.wrong, self.failing = times, wrong, failing

    def run(self, job, rung=None) -> JobResult:
        name, us = job.build.artifact, self.times[job.build.artifact]
        if name == self.failing:
            return JobResult(failure=Verdict.CRASHED, detail="out of memory")
        if job.mode is Mode.TIME:
            calls = [CallResult(label=call.label, samples_us=(1.2 * us, us, 1.1 * us)) for call in job.calls]
            calls += [self._sampled(name, job, sample) for sample in job.samples]
        else:
            calls = [CallResult(label=call.label, outputs=self._outputs(name, call)) for call in job.calls]
        return JobResult(calls=tuple(calls), conditions={"throttled": "no"})

    def _sampled(self, name, job, sample) -> CallResult:
        call = dataclasses.replace(job.calls[sample.call], key=sample.key, distribution=sample.distribution)
        return CallResult(label=call.label, sample=sample, outputs=self._outputs(name, call))

    def _outputs(self, name, call) -> dict[str, bytes]:
        task = BY_TASK[name].load(self.hardware)
        tensors = {arg.name: arg for arg in call.args if isinstance(arg, Tensor)}
        inputs = {arg.name: stored_values(arg, call.key, call.distribution) for arg in tensors.values() if arg.recipe}
        made = np.asarray(call_reference(task, task.reference.function, **inputs, **call.values)) + (name == self.wrong)
        return {"y": encode(made, tensors["y"].dtype)}

    def close(self) -> None:
        pass


class Named:
    """Builds whose artifact is the task's name."""

    name = "fake"

    def build(self, candidate, task) -> Build:
        return Build(ok=True, toolchain=self.name, artifact=task.name)


def opened(scratch, device, toolchain=None, facts=FACTS) -> Lab:
    environment = Environment(device=device.name, time_kind=device.time_kind.value, sandbox="none (unsafe)", facts=facts)
    return Lab(
        device=device, toolchain=toolchain or Named(), sandbox=None, metric_set=None, environment=environment, scratch=scratch, secret="s"
    )


def times_for(figures: dict[str, float]) -> dict[str, float]:
    """The time in µs that gives each task's figure."""
    found = {}
    for name, probe in BY_TASK.items():
        work = probe.figure(1e6, probe.load(SMALL)) if probe.work else 0.0
        found[name] = work / figures[name] * 1e6 if probe.work else figures[name]
    return found


FIGURES = {name: probe.limit(SMALL) * 0.7 for name, probe in BY_TASK.items()} | {"launch": 2.25}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERNELSEARCH_CACHE", str(tmp_path / "cache"))


# The kernels


@pytest.mark.skipif(NVCC is None, reason="no nvcc, neither a toolkit's nor the wheels'")
@pytest.mark.parametrize("name", BY_TASK)
def test_a_calibration_kernel_compiles_without_a_warning_or_a_spill(name, tmp_path):
    (tmp_path / "k.cu").write_text(BY_TASK[name].load(SMALL).baseline)
    command = [str(NVCC.path), "-arch=sm_90", "-O3", "-Werror=all-warnings", "-Xptxas", "-v", "-cubin", "-o", "k.cubin", "k.cu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert "0 bytes spill stores, 0 bytes spill loads" in done.stderr


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    sandbox, scratch = open_sandbox(unsafe=True), tmp_path_factory.mktemp("lab")
    toolchain = EmulatedToolchain(sandbox=sandbox, cache=tmp_path_factory.getbasetemp() / "emulated", nvcc=None)
    return opened(scratch, EmulatedDevice(sandbox=sandbox, scratch=scratch, hardware=SMALL), toolchain)


@pytest.mark.parametrize("name", [name for name in BY_TASK if name not in TENSOR])  # there are no tensor cores there
def test_a_calibration_kernel_does_its_work(emulated, name):
    task = BY_TASK[name].load(SMALL)
    candidate = Candidate(task="t", source=task.baseline, flags=task.flags, origin=Origin(proposer="test"))
    build = emulated.toolchain.build(candidate, task)
    assert build.ok, build.log
    found = verify.run(build, task, emulated)
    assert found.verdict is Verdict.PASSED, found.detail
    assert found.checks


@pytest.mark.parametrize(("name", "depth"), [("tensor_bf16", 16), ("tensor_tf32", 8)])
def test_tensor_references_add_the_products_of_all_tiles(name, depth):
    task = BY_TASK[name].load(SMALL)
    x = np.random.default_rng(0).integers(-2, 3, 6 * 16 * depth).astype(float)
    tiles = [x[i * 16 * depth :][: 16 * depth].reshape(16, depth) for i in range(6)]
    expected = np.zeros((16, 16))
    for _ in range(3):
        for rows in tiles[:2]:
            for columns in tiles[2:]:
                expected += rows @ columns.T
    made = call_reference(task, name, x=x, blocks=2, passes=3).reshape(16, 16, 16)
    assert all(np.array_equal(tile, expected) for tile in made)
    largest = 128 * task.timed_cases[0].sizes["passes"] * 4
    assert largest < 2**24, "sums of integers would no longer be exact"


def test_timed_cases_fit_the_gpu():
    big = dataclasses.replace(SMALL, sm_count=200, l2_bytes=126 << 20)
    for probe in PROBES:
        task = probe.load(big)
        (timed,) = task.timed_cases
        if "blocks" in timed.sizes:
            assert timed.sizes["blocks"] % 200 == 0
    copied = BY_TASK["dram_copy"].load(big).timed_cases[0].sizes["n"]
    assert copied * 4 >= 20 * big.l2_bytes
    assert copied % 4096 == 0
    assert copied < 2**31


# The figures


def test_figures_follow_from_the_shortest_time_and_keep_the_median(tmp_path):
    found = run(opened(tmp_path, Clocked(times_for(FIGURES))))
    assert found.missing == {}
    assert (found.gpu, found.uuid, found.driver) == ("fake GPU", "GPU-0a1b/2", "580.1")
    for probe in PROBES:
        peak = found.peaks[probe.rate]
        assert peak.best == pytest.approx(FIGURES[probe.task])
        assert peak.median == pytest.approx(FIGURES[probe.task] * 1.1 if probe.task == "launch" else FIGURES[probe.task] / 1.1)
        assert peak.samples == 3
    assert found.conditions["dram_copy: throttled"] == "no"


def test_a_kernel_that_fails_or_is_wrong_gives_no_figure_and_the_others_do(tmp_path):
    found = run(opened(tmp_path, Clocked(times_for(FIGURES), wrong="fp32_fma", failing="l2_read")))
    assert found.missing["l2_bytes_per_s"] == "crashed: out of memory"
    assert found.missing["fp32_flops"].startswith("wrong: ")
    assert found.peaks.keys() == {probe.rate for probe in PROBES} - {"l2_bytes_per_s", "fp32_flops"}


@pytest.mark.parametrize("name", [name for name in BY_TASK if name != "launch"])
def test_a_figure_that_no_such_gpu_has_is_not_kept(tmp_path, name):
    figures = FIGURES | {name: BY_TASK[name].limit(SMALL) * 1.05}
    found = run(opened(tmp_path, Clocked(times_for(figures))))
    assert "does the hardware profile fit" in found.missing[BY_TASK[name].rate]
    assert BY_TASK[name].rate not in found.peaks


def test_a_device_that_models_time_is_refused_in_one_sentence(emulated, capsys):
    with pytest.raises(UsageError, match="nothing can be calibrated on the emulated device"):
        run(emulated)
    assert cli.run(cli.group, "kernelsearch", ["calibrate", "--device", "emulated"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


# The record

CALIBRATION = Calibration(
    gpu='NVIDIA "H100"\x7f',
    uuid="GPU-0a1b/2",
    driver="580.1",
    date="2026-11-24T12:00:00+00:00",
    peaks={
        "dram_bytes_per_s": Peak(best=3.4e12, median=3.0e12, spread=0.01, samples=30),
        "tensor_flops.bf16": Peak(best=6.5e14, median=6.4e14, spread=0.002, samples=100),
        "launch_us": Peak(best=2.25, median=2.4, spread=0.05, samples=100),
    },
    missing={"tensor_flops.tf32": "build failed: candidate.cu:3:\n\tno"},
    conditions={"launch: temperature °C": "41"},
)


def test_a_calibration_is_kept_as_toml_and_read_back():
    file = calibrate.keep(CALIBRATION)
    assert tomllib.loads(file.read_text())["peaks"]["launch_us"]["best"] == 2.25
    assert catalog.calibration("GPU-0a1b/2", "580.1") == dataclasses.replace(CALIBRATION, gpu='NVIDIA "H100"')
    assert catalog.calibration("GPU-0a1b/2", "581.0") is None
    assert catalog.calibration("GPU-ffff", "580.1") is None


@pytest.mark.parametrize("damage", [lambda text: "gpu = ", lambda text: 'gpu = "H100"\n', lambda text: text.replace("2.25", '"fast"')])
def test_a_damaged_record_is_said_with_its_remedy(damage):
    file = calibrate.keep(CALIBRATION)
    file.write_text(damage(to_toml(CALIBRATION)))
    with pytest.raises(UsageError, match=r"not a calibration: .*kernelsearch calibrate"):
        catalog.calibration("GPU-0a1b/2", "580.1")


def test_a_lab_on_that_gpu_has_what_was_measured(monkeypatch):
    gpu = inventory.GpuInfo(ordinal=0, name="NVIDIA H100 80GB HBM3", uuid="GPU-0a1b/2", arch="sm_90", driver="580.1", minor=0)
    monkeypatch.setattr(inventory, "detect", lambda: [gpu])
    assert lab._choose("cuda", "", True)[2].measured == {}
    calibrate.keep(CALIBRATION)
    hardware = lab._choose("auto", "", True)[2]
    assert hardware.measured == {"dram_bytes_per_s": 3.4e12, "tensor_flops.bf16": 6.5e14, "launch_us": 2.25}
    assert "2026-11-24" in hardware.sources["measured"]
    assert lab._choose("cuda", "", False)[2].measured == {}
    assert lab._choose("emulated", "", True)[2].measured == {}


def test_the_larger_of_stated_and_measured_counts():
    hardware = dataclasses.replace(catalog.hardware("h100"), measured={"dram_bytes_per_s": 3.4e12, "tensor_flops.bf16": 6.5e14})
    assert hardware.fastest("dram_bytes_per_s") == 3.4e12
    assert hardware.fastest("tensor_flops.bf16") == catalog.hardware("h100").tensor_flops["bf16"]
    assert hardware.fastest("fp32_flops") == 66.9e12
    assert hardware.fastest("tensor_flops.u16") == 0.0
    assert codec.load_json(type(hardware), codec.dump_json(hardware)) == hardware


def test_the_command_shows_the_figures_keeps_them_and_fails_when_one_is_missing(tmp_path, monkeypatch, capsys):
    device = Clocked(times_for(FIGURES), failing="tensor_tf32")
    asked = {}
    monkeypatch.setattr(lab, "open_lab", lambda **options: asked.update(options) or opened(tmp_path / "scratch", device))
    (tmp_path / "scratch").mkdir()
    assert cli.run(cli.group, "kernelsearch", ["calibrate", "--device", "cuda"]) == 1
    shown = capsys.readouterr().out
    assert asked["calibrated"] is False
    assert "not measured: crashed: out of memory" in shown
    assert "2.25 µs" in shown
    assert f"{FIGURES['dram_copy'] / 1e12:.3g} TB/s" in shown
    kept = catalog.calibration("GPU-0a1b/2", "580.1")
    assert kept.peaks["launch_us"].best == 2.25
    assert str(catalog.calibration_file("GPU-0a1b/2", "580.1")) in shown.replace("\n", "")
