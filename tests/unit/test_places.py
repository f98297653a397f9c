"""GPUs by number: which one a name means, what is refused, and one holder at a time."""

import pytest

from kernelsearch import catalog, lab
from kernelsearch.cli import batch
from kernelsearch.device import inventory, split
from kernelsearch.device.inventory import GpuInfo
from kernelsearch.errors import ToolMissing, UsageError
from kernelsearch.lab import hardware_for
from kernelsearch.model import RunSpec
from kernelsearch.workers import places
from kernelsearch.workers.places import Gpus, devices
from kernelsearch.workers.sites import open_site


def gpu(ordinal: int, name: str = "NVIDIA H100 80GB HBM3") -> GpuInfo:
    return GpuInfo(ordinal=ordinal, name=name, uuid=f"GPU-{ordinal}", arch="sm_90", driver="580", minor=7 - ordinal)


def machine(monkeypatch, *gpus: GpuInfo) -> None:
    for module in (inventory, places):
        monkeypatch.setattr(module, "detect", lambda: list(gpus))


def test_a_number_follows_the_devices_that_are_gpus():
    names = ("cuda", "cuda:1", "pycuda:12", "emulated")
    assert [split(name) for name in names] == [("cuda", 0), ("cuda", 1), ("pycuda", 12), ("emulated", 0)]
    for wrong in ("gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:²", "emulated:0", "host:1"):
        with pytest.raises(UsageError, match="unknown device"):
            split(wrong)


def test_the_lab_is_that_of_the_gpu_with_that_number(monkeypatch):
    machine(monkeypatch, gpu(0), gpu(1, "NVIDIA H200"))
    asked = []
    monkeypatch.setattr(catalog, "calibrated", lambda profile, uuid, driver: asked.append(uuid) or profile)
    assert hardware_for("cuda:1", "").name == catalog.hardware("h200").name
    assert hardware_for("pycuda", "").name == hardware_for("auto", "").name == catalog.hardware("h100").name
    assert asked == ["GPU-1", "GPU-0", "GPU-0"]
    assert lab._choose("pycuda:1", "", False)[:2] == ("pycuda", 1)


def test_a_number_that_is_not_there_is_refused_with_those_that_are(monkeypatch):
    machine(monkeypatch, gpu(0), gpu(1))
    with pytest.raises(UsageError, match=r"no GPU 2 for --device cuda:2; those that may be used: 0 \(NVIDIA H100 80GB HBM3\), 1"):
        hardware_for("cuda:2", "")
    machine(monkeypatch)
    with pytest.raises(ToolMissing, match="needs an NVIDIA GPU"):
        hardware_for("cuda:2", "")


def test_a_gpu_has_its_own_node_and_not_that_of_its_position(tmp_path, monkeypatch):
    for position, (uuid, minor) in enumerate((("GPU-b", 0), ("GPU-a", 3))):
        folder = tmp_path / f"0000:0{position}:00.0"
        folder.mkdir()
        (folder / "information").write_text(f"Model:\t\tNVIDIA H100\nGPU UUID:\t{uuid}\nDevice Minor:\t {minor}\n")
    monkeypatch.setattr(inventory, "_DRIVER_FILES", tmp_path)
    found = inventory.parse_smi("0, NVIDIA H100, GPU-a, 9.0, 580\n1, NVIDIA H100, GPU-b, 9.0, 580\n2, NVIDIA H100, GPU-c, 9.0, 580\n")
    assert [each.minor for each in found] == [3, 0, 2]


def test_workers_name_gpus_of_one_kind(monkeypatch):
    machine(monkeypatch, gpu(0), gpu(1), gpu(2, "NVIDIA A100-SXM4-40GB"))
    assert devices("gpus:1,0") == ("cuda:1", "cuda:0")
    assert devices("gpus:2", "pycuda") == ("pycuda:2",)
    with pytest.raises(UsageError, match="two kinds of GPU"):
        devices("gpus")
    machine(monkeypatch, gpu(0), gpu(1))
    assert devices("gpus") == ("cuda:0", "cuda:1")


@pytest.mark.parametrize(
    ("worker", "device", "words"),
    [
        ("gpus:0,5", "auto", "no GPU 5; those that may be used: 0"),
        ("gpus:0,", "auto", r"no GPU \(nothing\)"),
        ("gpus:0,0", "auto", "names a GPU twice"),
        ("gpus", "cuda:0", "--device is auto, cuda or pycuda; given: cuda:0"),
        ("gpus", "emulated", "given: emulated"),
        ("gpus:", "auto", "unknown worker 'gpus:'; local, gpus"),
        ("gpu", "auto", "unknown worker 'gpu'"),
        ("ray", "cuda:1", "auto, cuda, pycuda or emulated, not cuda:1"),
    ],
)
def test_what_names_no_gpus_is_refused(monkeypatch, worker, device, words):
    machine(monkeypatch, gpu(0), gpu(1))
    with pytest.raises(UsageError, match=words):
        open_site(RunSpec(task="", task_name="", worker=worker, device=device), print)


def test_without_gpus_it_is_said():
    with pytest.raises(ToolMissing, match="--worker gpus needs NVIDIA GPUs"):
        devices("gpus")


def test_each_gpu_has_one_holder():
    gpus = Gpus(("cuda:0", "cuda:1"))
    assert [gpus.acquire(), gpus.acquire(), gpus.acquire()] == ["cuda:0", "cuda:1", None]
    gpus.release("cuda:1")
    assert gpus.acquire() == "cuda:1"


def test_a_lost_gpu_is_given_to_nobody():
    gpus = Gpus(("cuda:0", "cuda:1"), at_once=2)
    first, second = gpus.acquire(), gpus.acquire()
    assert {first, second} == {"cuda:0", "cuda:1"}
    gpus.release(first, lost=True)
    assert gpus.left == 1 and gpus.acquire() == second and gpus.acquire() is None
    gpus.release(first)  # by another search that was on it
    gpus.release(second)
    gpus.release(gpus.acquire(), lost=True)
    assert gpus.left == 0 and gpus.acquire() is None


def test_a_suite_has_a_search_on_each_gpu_at_a_time(monkeypatch):
    machine(monkeypatch, gpu(0), gpu(1))
    places = batch.places("all", 2, None)
    assert sorted(places.acquire(None) for _ in range(4)) == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]
    assert places.acquire(None) is None
    places.release("cuda:1", lost=True)
    assert places.left == 1
    assert batch.places("1", 1, "local").acquire(None) == "cuda:1"
    assert batch.places(None, 1, "gpus").acquire(None) == ""  # what the specification names
    with pytest.raises(UsageError, match="--worker ray says where"):
        batch.places("all", 1, "ray")
    with pytest.raises(UsageError, match="no GPU 7"):
        batch.places("7", 1, None)
