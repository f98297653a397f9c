"""Cores kept free for what is timed: a whole physical one, another for each GPU, none where CPUs are few; known to all processes."""

import os
import subprocess
import sys

import pytest

from kernelsearch import paths, process
from kernelsearch.device import cores
from kernelsearch.device.cores import Cores, among
from kernelsearch.process import affinity
from kernelsearch.workers.local import in_thread


def siblings(*cores: tuple[int, ...]) -> dict[int, frozenset[int]]:
    return {cpu: frozenset(core) for core in cores for cpu in core}


PAIRED = siblings(*((cpu, cpu + 8) for cpu in range(8)))


@pytest.fixture
def many(tmp_path, monkeypatch):
    """A machine of 16 CPUs in 8 cores, whose scratch root is the test's own."""
    monkeypatch.setattr(paths, "scratch_root", lambda: tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(PAIRED))
    monkeypatch.setattr(cores, "_siblings", PAIRED.__getitem__)
    return tmp_path


def test_the_last_physical_core_serves_the_first_gpu() -> None:
    assert among(PAIRED, PAIRED, ()) == Cores(boxes=7, clock=15)
    assert among(PAIRED, PAIRED, (7, 15)) == Cores(boxes=6, clock=14)


def test_a_core_of_which_only_half_may_be_used_is_not_taken() -> None:
    usable = set(PAIRED) - {15}
    assert among(usable, PAIRED, ()) == Cores(boxes=6, clock=14)


def test_cores_of_one_thread_are_taken_in_twos() -> None:
    single = siblings(*((cpu,) for cpu in range(16)))
    assert among(single, single, ()) == Cores(boxes=14, clock=15)
    assert among(single, single, (14, 15)) == Cores(boxes=12, clock=13)


def test_where_cpus_are_few_none_is_kept() -> None:
    few = siblings(*((cpu,) for cpu in range(7)))
    assert among(few, few, ()) is None
    assert among(PAIRED, PAIRED, (7, 15, 6, 14)) is None


def test_two_gpus_have_two_cores_and_labs_on_one_gpu_share_its(many) -> None:
    first, second, again = cores.keep("GPU-a"), cores.keep("GPU-b"), cores.keep("GPU-a")
    assert first.cores == again.cores == Cores(boxes=7, clock=15) and second.cores == Cores(boxes=6, clock=14)
    assert cores.kept() == {7, 15, 6, 14} and cores.keep("GPU-c") is None
    first.close()
    assert cores.kept() == {7, 15, 6, 14}
    again.close()
    again.close()
    assert cores.kept() == {6, 14}
    third = cores.keep("GPU-c")
    assert third.cores == Cores(boxes=7, clock=15)
    second.close()
    third.close()


def test_what_another_process_keeps_is_kept_here_until_its_end(many) -> None:
    held = many / "kernelsearch-core-7-15-GPU-b.kept"
    held.touch()
    program = "import fcntl, sys; held = open(sys.argv[1]); fcntl.flock(held, fcntl.LOCK_SH); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(held)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert cores.kept() == {7, 15}
        ours = cores.keep("GPU-a")
        assert ours.cores == Cores(boxes=6, clock=14)
        other.kill()
        other.wait()
    assert cores.kept() == {6, 14}
    ours.close()
    assert cores.kept() == set()


def test_children_stay_off_what_is_kept_free_and_we_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.sched_getaffinity(0)
    if len(own) < 2:
        pytest.skip("one CPU cannot be divided")
    monkeypatch.setattr(affinity, "_kept_free", lambda: ())
    process.keep_free(lambda: {max(own)})
    done = process.run([sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"], timeout_s=30.0)
    assert done.stdout.strip() == str(sorted(own - {max(own)}))
    assert os.sched_getaffinity(0) == own


def test_a_thread_that_judges_stays_off_too(monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.sched_getaffinity(0)
    if len(own) < 2:
        pytest.skip("one CPU cannot be divided")
    monkeypatch.setattr(affinity, "_kept_free", lambda: {max(own)})

    def judging() -> set[int]:
        process.stay_off()
        return os.sched_getaffinity(0)

    assert in_thread(judging).result() == own - {max(own)}
    assert os.sched_getaffinity(0) == own
    monkeypatch.setattr(affinity, "_kept_free", lambda: own)  # then there is no other way
    assert in_thread(judging).result() == own
