"""Cores kept free for what is timed: a whole physical one, another for each GPU, none where CPUs are few."""

import os
import sys

import pytest

from kernelsearch import process
from kernelsearch.device.cores import Cores, among


def siblings(*cores: tuple[int, ...]) -> dict[int, frozenset[int]]:
    return {cpu: frozenset(core) for core in cores for cpu in core}


PAIRED = siblings(*((cpu, cpu + 8) for cpu in range(8)))


def test_the_last_physical_core_serves_the_first_gpu() -> None:
    assert among(PAIRED, PAIRED, 0) == Cores(boxes=7, clock=15)
    assert among(PAIRED, PAIRED, 1) == Cores(boxes=6, clock=14)


def test_a_core_of_which_only_half_may_be_used_is_not_taken() -> None:
    usable = set(PAIRED) - {15}
    assert among(usable, PAIRED, 0) == Cores(boxes=6, clock=14)


def test_cores_of_one_thread_are_taken_in_twos() -> None:
    single = siblings(*((cpu,) for cpu in range(16)))
    assert among(single, single, 0) == Cores(boxes=14, clock=15)


def test_where_cpus_are_few_none_is_kept() -> None:
    few = siblings(*((cpu,) for cpu in range(7)))
    assert among(few, few, 0) is None
    assert among(PAIRED, PAIRED, 2) is None


def test_children_stay_off_what_is_kept_free_and_we_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.sched_getaffinity(0)
    if len(own) < 2:
        pytest.skip("one CPU cannot be divided")
    monkeypatch.setattr(process, "_kept_free", set())
    process.keep_free({max(own)})
    done = process.run([sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"], timeout_s=30.0)
    assert done.stdout.strip() == str(sorted(own - {max(own)}))
    assert os.sched_getaffinity(0) == own
