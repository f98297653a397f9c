"""Warm boxes, the GPU's locks and the list of GPUs, without a GPU."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from kernelsearch import catalog, paths
from kernelsearch.device import inventory, nvml
from kernelsearch.device.pool import GpuLock, WarmPool
from kernelsearch.errors import DeviceLost, ToolMissing
from kernelsearch.sandbox.base import Box, BoxResult


class PretendBox:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.killed = False

    def send(self, data: bytes) -> None: ...

    def read_line(self, timeout_s: float) -> str | None:
        return self.lines.pop(0) if self.lines else None

    def wait(self, timeout_s: float) -> BoxResult:
        return BoxResult(returncode=3, stdout="", stderr="Traceback\nlast words", seconds=0.0, timed_out=False)

    def kill(self) -> None:
        self.killed = True


class PretendSandbox:
    """Starts boxes that say `lines`."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.started: list[PretendBox] = []

    def start(self, box: Box) -> PretendBox:
        self.started.append(PretendBox(list(self.lines)))
        return self.started[-1]


READY = json.dumps({"facts": {"cupy": "14"}})


def pool(sandbox: PretendSandbox, folder: Path, size: int = 2) -> WarmPool:
    return WarmPool(sandbox, folder, lambda folder: Box(command=("true",), writable=(folder / "out",)), size)


def test_a_box_is_given_out_once_and_another_started_in_its_place(tmp_path: Path) -> None:
    sandbox = PretendSandbox("==PROF== a profiler talks", READY)
    boxes = pool(sandbox, tmp_path)
    first, second = boxes.take(), boxes.take()
    assert first.box is not second.box
    assert first.inputs.is_dir() and first.outputs.is_dir() and first.folder != second.folder
    assert first.facts == {"cupy": "14"}
    assert len(sandbox.started) == 4  # two out, two warm
    first.close()
    assert not first.folder.exists()
    boxes.close()
    assert [box.killed for box in sandbox.started] == [True, False, True, True]
    with pytest.raises(DeviceLost):
        boxes.take()
    second.close()


def test_asking_for_facts_uses_up_no_box(tmp_path: Path) -> None:
    sandbox = PretendSandbox(READY)
    boxes = pool(sandbox, tmp_path)
    assert boxes.facts() == {"cupy": "14"}
    assert len(sandbox.started) == 2
    slot = boxes.take()
    assert slot.box is sandbox.started[0]
    slot.close()
    boxes.close()


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        (json.dumps({"error": "ModuleNotFoundError: No module named 'cupy'"}), ToolMissing, "cupy"),
        (json.dumps({"error": "CudaFailure: cudaErrorNoDevice: no CUDA-capable device"}), DeviceLost, "cudaErrorNoDevice"),
        ("not json, and then it ends", DeviceLost, "exit code 3.*last words"),
    ],
)
def test_a_box_that_cannot_use_the_gpu_says_why(tmp_path: Path, line: str, kind: type[Exception], words: str) -> None:
    sandbox = PretendSandbox(line)
    boxes = pool(sandbox, tmp_path)
    with pytest.raises(kind, match=words):
        boxes.take()
    assert sandbox.started[0].killed
    boxes.close()


def test_jobs_wait_for_each_other_and_contexts_for_timed_ones_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "scratch_root", lambda: tmp_path)
    lock, order = GpuLock("GPU-1"), []
    began = threading.Event()

    def other() -> None:
        began.set()
        with GpuLock("GPU-1").alone(quiet=False):
            order.append("second")

    with lock.alone(quiet=True):
        thread = threading.Thread(target=other)
        thread.start()
        began.wait()
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    with lock.alone(quiet=False), GpuLock("GPU-2").alone(quiet=True):
        order.append("other GPUs are free")


SMI = "0, NVIDIA H100 80GB HBM3, GPU-aa11, 9.0, 580.1\n1, NVIDIA L4, GPU-bb22, 8.9, 580.1\nwarning: something\n"


def test_gpus_are_read_from_nvidia_smi() -> None:
    first, second = inventory.parse_smi(SMI)
    assert (first.name, first.arch, first.uuid, first.minor, first.driver) == ("NVIDIA H100 80GB HBM3", "sm_90", "GPU-aa11", 0, "580.1")
    assert (second.ordinal, second.arch) == (1, "sm_89")
    assert inventory.parse_smi("NVIDIA-SMI has failed") == []


@pytest.mark.parametrize(
    ("chosen", "uuids"),
    [
        (None, ["GPU-aa11", "GPU-bb22"]),
        ("1", ["GPU-bb22"]),
        ("1,0", ["GPU-bb22", "GPU-aa11"]),
        ("GPU-bb", ["GPU-bb22"]),
        ("0,7,1", ["GPU-aa11"]),
        ("-1", []),
        ("", []),
    ],
)
def test_only_visible_gpus_count(monkeypatch: pytest.MonkeyPatch, chosen: str | None, uuids: list[str]) -> None:
    monkeypatch.setattr(inventory, "_detect_nvml", lambda: inventory.parse_smi(SMI))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    found = inventory.detect()
    assert [gpu.uuid for gpu in found] == uuids
    assert [gpu.ordinal for gpu in found] == list(range(len(uuids)))


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA L40", None),
        ("NVIDIA GeForce RTX 4090", "rtx4090"),
        ("NVIDIA GB200", "b200"),
        ("Tesla T4", None),
    ],
)
def test_a_gpu_finds_its_profile_by_name(name: str, profile: str | None) -> None:
    assert catalog.profile_name(name) == profile


def test_a_state_that_did_not_change_is_told_once() -> None:
    assert nvml.around({"sm clock MHz": "345", "power W": "70"}, {"sm clock MHz": "1980", "power W": "70"}) == {
        "sm clock MHz": "345 -> 1980",
        "power W": "70",
    }
    assert "not recorded" in nvml.around({}, {})["state"]
