"""The build cache: what is kept, what is not, and several writers at once."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from kernelsearch.model import Build, Expression, KernelResources, Launch, LaunchPlan, Verdict
from kernelsearch.toolchain.cache import BuildCache, build_key

ONE = Expression("1")
PLAN = LaunchPlan(launches=(Launch(kernel="_Z1kPf", grid=(Expression("cdiv(n,256)"), ONE, ONE), block=(ONE, ONE, ONE), args=("x",)),))
KEY = build_key(source="a", flags=("-O3",), form="kernels", arch="sm_90", toolchain="nvcc 13")


@pytest.fixture
def artifact(tmp_path):
    path = tmp_path / "made.cubin"
    path.write_bytes(b"ELF")
    return path


def good(artifact, **fields):
    return Build(ok=True, toolchain="nvcc 13", artifact=str(artifact), seconds=1.5, **fields)


def test_a_build_comes_back_whole(tmp_path, artifact):
    cache = BuildCache(tmp_path / "cache")
    assert cache.get(KEY) is None
    resources = (KernelResources(kernel="k", registers=8),)
    kept = cache.put(KEY, good(artifact, plan=PLAN, resources=resources, instructions={"LDG.E": 2}, sass_digest="ab"), artifact)
    artifact.unlink()
    found = cache.get(KEY)
    assert found is not None and found.cached and not kept.cached
    assert (found.plan, found.resources, found.instructions, found.sass_digest, found.seconds) == (PLAN, resources, {"LDG.E": 2}, "ab", 1.5)
    with open(found.artifact, "rb") as file:  # noqa: PTH123
        assert file.read() == b"ELF"
    assert found.artifact == kept.artifact
    assert os.stat(found.artifact).st_mode & 0o055 == 0o055  # noqa: PTH116 - another user's box must read it


def test_a_failure_is_kept_but_a_time_out_is_not(tmp_path):
    cache = BuildCache(tmp_path / "cache")
    failed = Build(ok=False, toolchain="nvcc", failure=Verdict.BUILD_FAILED, log="candidate.cu(1): error: no")
    assert cache.put(KEY, failed) == failed
    assert cache.get(KEY) == Build(ok=False, toolchain="nvcc", failure=Verdict.BUILD_FAILED, log=failed.log, cached=True)
    late = Build(ok=False, toolchain="nvcc", failure=Verdict.TIMED_OUT)
    other = build_key(source="b", flags=(), form="kernels", arch="sm_90", toolchain="nvcc")
    assert cache.put(other, late) == late and cache.get(other) is None


def test_every_part_of_a_key_counts_and_boundaries_too():
    base = {"source": "s", "flags": ("-a", "-b"), "form": "f", "arch": "x", "toolchain": "t"}
    variants = [base, *({**base, name: "other"} for name in ("source", "form", "arch", "toolchain"))]
    variants += [{**base, "flags": flags} for flags in ((), ("-a-b",), ("-b", "-a"), ("-a",), ("-a", "-b", "s"))]
    keys = [build_key(**variant) for variant in variants]
    assert len(set(keys)) == len(keys)


def test_an_artifact_belongs_to_a_good_build_only(tmp_path, artifact):
    cache = BuildCache(tmp_path / "cache")
    with pytest.raises(ValueError, match="artifact"):
        cache.put(KEY, good(artifact))
    with pytest.raises(ValueError, match="artifact"):
        cache.put(KEY, Build(ok=False, toolchain="t", failure=Verdict.BUILD_FAILED), artifact)


@pytest.mark.parametrize("harm", ["torn", "no artifact", "no record"])
def test_a_damaged_entry_is_a_miss_and_is_replaced(tmp_path, artifact, harm):
    cache = BuildCache(tmp_path / "cache")
    cache.put(KEY, good(artifact), artifact)
    entry = tmp_path / "cache" / KEY[:2] / KEY
    if harm == "torn":
        (entry / "build.json").write_text('{"ok": tr')
    else:
        (entry / ("artifact" if harm == "no artifact" else "build.json")).unlink()
    assert cache.get(KEY) is None
    cache.put(KEY, good(artifact), artifact)
    assert cache.get(KEY) is not None


def test_the_first_to_publish_wins_and_nothing_is_left_aside(tmp_path, artifact):
    cache = BuildCache(tmp_path / "cache")
    first = cache.put(KEY, good(artifact, log="first"), artifact)
    second = cache.put(KEY, good(artifact, log="second"), artifact)
    found = cache.get(KEY)
    assert found is not None and found.log == "first" and first.artifact == second.artifact
    assert [path.name for path in (tmp_path / "cache" / KEY[:2]).iterdir()] == [KEY]


WRITER = """
import sys
from pathlib import Path
from kernelsearch.model import Build
from kernelsearch.toolchain.cache import BuildCache
cache, artifact = BuildCache(Path(sys.argv[1])), Path(sys.argv[2])
for number in range(50):
    key = f"{number:032x}"
    cache.put(key, Build(ok=True, toolchain="t", artifact=str(artifact)), artifact)
    found = cache.get(key)
    if found is None or Path(found.artifact).read_bytes() != b"ELF":
        sys.exit(f"lost {key}")
"""


def test_several_processes_and_threads_at_once(tmp_path, artifact):
    def write(_):
        command = [sys.executable, "-c", WRITER, str(tmp_path / "cache"), str(artifact)]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(write, range(3)))
    assert [(result.returncode, result.stderr) for result in results] == [(0, "")] * 3
