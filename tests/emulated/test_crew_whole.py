"""Candidates judged by real labs in processes and actors of their own: the same evaluations, and the same run, as in this process."""

import importlib.util
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kernelsearch import catalog, digest, paths, search
from kernelsearch.errors import ToolMissing, UsageError
from kernelsearch.lab import open_lab
from kernelsearch.model import Budget, Build, Case, RunSpec, Verdict
from kernelsearch.store.rundir import RunFolder
from kernelsearch.toolchain.cache import BuildCache
from kernelsearch.workers.base import Work
from kernelsearch.workers.crew import seat
from kernelsearch.workers.crew.dispatch import Terms
from kernelsearch.workers.crew.here import Processes
from kernelsearch.workers.crew.seat import Opening, built
from kernelsearch.workers.crew.site import CrewSite
from kernelsearch.workers.local import LabSite
from kernelsearch.workers.spool.letters import Wanted, pack

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'kernelsearch[ray]'")


@pytest.fixture(scope="module")
def task():
    shipped = catalog.task("core/transpose")
    small = tuple(case for case in shipped.cases if not case.timed)
    return replace(shipped, cases=(Case(name="timed", sizes={"rows": 256, "cols": 256}, timed=True), *small))


def told(evaluation):
    """Everything but times of our own work, and where it was done."""
    return replace(evaluation, seconds={}, held_s=0.0, build=replace(evaluation.build, seconds=0.0, cached=False), environment=None)


def test_a_lab_in_a_process_of_its_own_judges_as_one_here(task):
    work = Work(task=task, candidate=digest.baseline(task))
    crew = Processes([Opening(name="lab 0", device="emulated")])
    with closing(CrewSite(crew, Terms(), secret="told", metrics=catalog.metric_set("quick"), say=print)) as site:
        site.begin(task, lambda: False)
        there, environment, hardware = site.judge(work), site.environment, site.hardware
    with closing(LabSite(open_lab(device="emulated", secret="told"))) as here:
        assert told(there) == told(here.judge(work)) and there.passed
        assert environment == here.environment and hardware == here.hardware
    assert there.environment.facts["worker"] == "lab 0"


class Compiler:
    """Keeps a build for each source, as toolchains do."""

    def __init__(self, cache) -> None:
        self._cache = BuildCache(cache)

    def build(self, candidate, task):
        binary = paths.scratch_root() / f"kernelsearch-test-{digest.candidate(candidate)}"
        binary.write_bytes(b"\x7fELF of " + candidate.source.encode())
        self._cache.put("bad", Build(ok=False, toolchain="test", failure=Verdict.BUILD_FAILED, log="no"))
        try:
            return self._cache.put("abcd", Build(ok=True, toolchain="test", artifact=str(binary)), binary)
        finally:
            binary.unlink()


def test_what_was_compiled_elsewhere_is_found_in_the_cache(task, tmp_path, monkeypatch):
    monkeypatch.setattr(seat, "open_toolchain", lambda device, hardware, *, cache, unsafe: Compiler(cache))
    hardware, candidate = catalog.hardware("h100"), digest.baseline(task)
    wanted = Wanted(task=task, candidate=candidate, incumbent=None, trial=None, metrics=None, secret="told")
    bundle = built(pack(wanted), "cuda", hardware, unsafe=False)
    cache = BuildCache(tmp_path)
    cache.take_in(bundle)
    cache.take_in(bundle)
    found = cache.get("abcd")
    assert found.cached and Path(found.artifact).read_bytes() == b"\x7fELF of " + candidate.source.encode()
    assert Path(found.artifact).is_relative_to(tmp_path) and cache.get("bad").log == "no"
    assert sorted(BuildCache(tmp_path).bundle()) and built(b"torn", "cuda", hardware, unsafe=False) == b""
    refused = replace(wanted, candidate=replace(candidate, source='#include "/etc/passwd"\n' + candidate.source))
    assert built(pack(refused), "cuda", hardware, unsafe=False) == b""
    with pytest.raises(UsageError, match="not a bundle of builds"):
        cache.take_in(b"anything")


def test_without_a_compiler_there_the_lab_has_its_own(task, monkeypatch):
    def missing(device, hardware, *, cache, unsafe):
        raise ToolMissing("no nvcc")

    monkeypatch.setattr(seat, "open_toolchain", missing)
    wanted = Wanted(task=task, candidate=digest.baseline(task), incumbent=None, trial=None, metrics=None, secret="told")
    assert built(pack(wanted), "cuda", catalog.hardware("h100"), unsafe=False) == b""
    seat.take_in(b"")


@needs_ray
@pytest.mark.timeout(600)  # Ray starts, and three candidates are compiled with nothing cached
def test_a_run_on_ray_is_that_of_one_machine(task, tmp_path):
    said, stop = [], threading.Event()
    spec = RunSpec(task="", task_name="", seed=7, secret="told", device="emulated", budget=Budget(candidates=1))
    search.optimize(task, replace(spec, worker="ray"), tmp_path / "there", watch=said.append, stop=stop)
    search.optimize(task, spec, tmp_path / "here", watch=said.append, stop=stop)
    there, here = (RunFolder.open(tmp_path / name).nodes for name in ("there", "here"))
    assert [told(node.evaluation) for node in there] == [told(node.evaluation) for node in here]
    assert there[1].evaluation.build.cached  # it was compiled by a task, and travelled
    assert there[1].evaluation.environment.facts["worker"].startswith("actor 0 on ")


@needs_ray
def test_a_cluster_that_is_not_there_is_said_in_one_sentence(tmp_path):
    from kernelsearch.workers.sites import open_site

    with pytest.raises(UsageError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 .*start one with `ray start --head`"):
        open_site(RunSpec(task="", task_name="", worker="ray:127.0.0.1:1", device="emulated"), print)
