"""A GPU's health: what NVML tells through a board that reports everything, something or nothing, and when a run has to stop."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsearch.device import health, nvml
from kernelsearch.device.health import Health
from kernelsearch.device.nvml import Process, Reading
from kernelsearch.device.pool import GpuLock

UUID = "GPU-1"
GIB = 1 << 30
NOT_SUPPORTED, LOST, RESET = 3, 15, 16


class NVMLError(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value


class Board:
    """Stands in for pynvml, with one GPU. An entry of `faults` makes that function fail with that code."""

    NVMLError = NVMLError
    NVML_CLOCK_SM, NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC = 1, 1, 0

    def __init__(self):
        self.faults, self.processes, self.used, self.ecc, self.rows = {}, [], 3 * GIB, 0, (1, 0, 0, 0)

    def __getattr__(self, name):
        answers = {
            "nvmlInit": lambda: None,
            "nvmlDeviceGetHandleByUUID": lambda uuid: "handle",
            "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(used=self.used, total=80 * GIB),
            "nvmlDeviceGetTotalEccErrors": lambda handle, kind, counter: self.ecc if (kind, counter) == (1, 0) else 99,
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda handle: 0x4,
            "nvmlDeviceGetClockInfo": lambda handle, clock: 1980,
            "nvmlDeviceGetRemappedRows": lambda handle: self.rows,
            "nvmlDeviceGetComputeRunningProcesses": lambda handle: [SimpleNamespace(pid=p, usedGpuMemory=m) for p, m in self.processes],
        }
        if name not in answers:
            raise AttributeError(name)

        def call(*args):
            if name in self.faults:
                raise NVMLError(self.faults[name])
            return answers[name](*args)

        return call


@pytest.fixture
def board(monkeypatch):
    made = Board()
    monkeypatch.setitem(sys.modules, "pynvml", made)
    return made


@pytest.fixture
def stranger():
    """A process that this test started, and calls foreign by not counting its own process as ours."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.read(1)  # only now does it surely bear its own name
        yield process.pid
        process.kill()


def test_a_box_of_another_lab_is_no_stranger(board):
    """Two runs on one GPU wait for each other's calls."""
    lock = GpuLock(UUID)
    command = [sys.executable, "-c", "print(flush=True); input()"]
    for named, count in ((str(lock.quiet), 0), (f"{lock.quiet}x", 1), (str(GpuLock("GPU-other").quiet), 1)):
        with subprocess.Popen([*command, named], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as box:
            box.stdout.readline()
            board.processes = [(box.pid, GIB)]
            assert len(nvml.foreign(UUID, [box.pid + 10**7])) == count
            box.kill()


def test_everything_is_read(board):
    board.processes = [(os.getpid(), GIB)]
    found = nvml.reading(UUID)
    assert replace(found, processes=None) == Reading(
        memory_used=3 * GIB, memory_total=80 * GIB, ecc_uncorrected=0, event_reasons=0x4, sm_clock_mhz=1980, rows_failed=False
    )
    assert [(process.pid, process.memory) for process in found.processes] == [(os.getpid(), GIB)]
    assert nvml.missing(UUID) == ()


def test_what_a_board_does_not_report_is_said(board):
    board.faults = {"nvmlDeviceGetTotalEccErrors": NOT_SUPPORTED, "nvmlDeviceGetComputeRunningProcesses": NOT_SUPPORTED}
    found = nvml.reading(UUID)
    assert (found.ecc_uncorrected, found.processes, found.sm_clock_mhz, found.lost) == (None, None, 1980, "")
    first, second = nvml.missing(UUID)
    assert first.startswith("uncorrected memory errors: ") and second.startswith("other processes on the GPU: ")
    assert nvml.foreign(UUID, [os.getpid()]) == ()


@pytest.mark.parametrize("there", [False, True], ids=["no library", "no driver"])
def test_without_nvml_nothing_is_read_and_one_sentence_says_so(monkeypatch, board, there):
    board.faults = {"nvmlInit": 9}
    monkeypatch.setitem(sys.modules, "pynvml", board if there else None)
    assert nvml.reading(UUID) == Reading() and nvml.foreign(UUID, []) == ()
    (sentence,) = nvml.missing(UUID)
    assert "pip install nvidia-ml-py" in sentence


@pytest.mark.parametrize("function", ["nvmlDeviceGetHandleByUUID", "nvmlDeviceGetMemoryInfo"])
@pytest.mark.parametrize(("code", "reason"), [(LOST, "lost"), (RESET, "reset"), (NOT_SUPPORTED, "")])
def test_a_gpu_that_is_gone_is_told_from_one_that_does_not_report(board, function, code, reason):
    board.faults = {function: code}
    lost = nvml.reading(UUID).lost
    assert reason in lost and bool(lost) == bool(reason)


def test_other_processes_are_named_and_ours_are_not(board, stranger):
    board.processes = [(os.getpid(), GIB), (stranger, 512 << 20)]
    assert nvml.foreign(UUID, [os.getpid()]) == ()  # a child of ours is ours
    (sentence,) = nvml.foreign(UUID, [stranger + 10**7])[1:]
    assert sentence == f"process {stranger} (cat, 512 MiB) uses this GPU too, so times may be wrong"
    board.processes = [(stranger, None)]
    assert nvml.foreign(UUID, [])[0].startswith(f"process {stranger} (cat) uses")


def test_a_process_outside_our_container_is_not_judged(board):
    board.processes = [(4_194_305, GIB)]  # above the highest pid that Linux gives
    assert nvml.foreign(UUID, [os.getpid()]) == ()


WELL = Health(
    ok=True,
    bytes_per_s=3e12,
    reading=Reading(memory_used=3 * GIB, memory_total=80 * GIB, ecc_uncorrected=2, event_reasons=0, rows_failed=False, processes=()),
)
OTHER = Process(pid=77, name="python3", memory=GIB)


def changed(**reading: object) -> Health:
    return replace(WELL, reading=replace(WELL.reading, **reading))


def test_a_gpu_as_at_the_start_is_well():
    assert health.sick(WELL, WELL) is None
    assert health.sick(WELL, replace(WELL, bytes_per_s=2.2e12)) is None
    bare = Health(ok=True, bytes_per_s=3e12)  # a GPU without NVML
    assert health.sick(bare, bare) is None and health.sick(WELL, bare) is None and health.sick(bare, WELL) is None


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (replace(WELL, ok=False), "did not end or came out wrong"),
        (replace(WELL, bytes_per_s=2e12), "67% of its bandwidth"),
        (replace(changed(event_reasons=0x40), bytes_per_s=1e12), "heat or power"),
        (replace(changed(event_reasons=0x4), bytes_per_s=1e12), "see dmesg"),
        (changed(lost="the driver has lost the GPU"), "has lost the GPU"),
        (changed(ecc_uncorrected=5), "3 uncorrected errors"),
        (changed(rows_failed=True), "went bad"),
        (changed(memory_used=14 * GIB), "11,264 MiB more"),
        (replace(WELL, strangers=(OTHER,)), "process 77 (python3, 1,024 MiB) came to use"),
    ],
)
def test_every_illness_is_named(now, reason):
    assert reason in health.sick(WELL, now)


def test_the_worst_is_said_first():
    now = Health(ok=False, bytes_per_s=0.0, reading=replace(WELL.reading, lost="gone"), strangers=(OTHER,))
    assert health.sick(WELL, now).startswith("gone")
    assert "came out wrong" in health.sick(WELL, replace(now, reading=WELL.reading))
    assert "process 77" in health.sick(WELL, replace(WELL, bytes_per_s=1.0, strangers=(OTHER,)))


def test_what_was_so_at_the_start_is_no_illness():
    shared = replace(changed(rows_failed=True), strangers=(OTHER,))
    assert health.sick(shared, shared) is None
    assert health.sick(changed(ecc_uncorrected=5), WELL) is None  # the driver was loaded anew: counters begin again


def test_memory_of_our_own_boxes_is_not_held_against_the_gpu():
    boxes = tuple(Process(pid=pid, name="python", memory=4 * GIB) for pid in range(100, 104))
    assert health.sick(WELL, changed(memory_used=19 * GIB, processes=boxes)) is None
    same = replace(changed(memory_used=19 * GIB, processes=boxes), strangers=boxes)
    assert "came to use" in health.sick(WELL, same)
    assert "MiB more" in health.sick(replace(WELL, strangers=boxes), same)


def test_a_small_board_may_hold_a_few_boxes_more():
    small = changed(memory_total=8 * GIB)
    assert health.sick(small, changed(memory_total=8 * GIB, memory_used=5 * GIB)) is None
    assert "MiB more" in health.sick(small, changed(memory_total=8 * GIB, memory_used=5 * GIB + 1))


def test_a_look_joins_probe_and_reading(board, stranger):
    board.processes, board.used = [(stranger, GIB)], 5 * GIB
    found = health.look(UUID, ok=True, bytes_per_s=3e12, own_pids=[os.getpid()])
    assert (found.ok, found.bytes_per_s, found.strangers, found.memory_of_others) == (True, 3e12, (), 4 * GIB)
    alone = health.look(UUID, ok=True, bytes_per_s=3e12, own_pids=[])
    assert [process.pid for process in alone.strangers] == [stranger] and alone.memory_of_others == 5 * GIB


COUNTS = st.none() | st.integers(0, 200 * GIB)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1e13), COUNTS, COUNTS, COUNTS), min_size=2, max_size=2))
def test_any_two_looks_can_be_compared(looks):
    before, now = (
        Health(ok=ok, bytes_per_s=rate, reading=Reading(memory_used=used, memory_total=total, ecc_uncorrected=ecc))
        for ok, rate, used, total, ecc in looks
    )
    reason = health.sick(before, now)
    assert reason is None or "  " not in reason
    assert now.ok or reason is not None
