"""The recorder without a GPU: sources in bulk, a measuring process that dies, what a point's record says, and the files in the end."""

import json
import lzma
import sys
import tarfile
from pathlib import Path

import pytest
import record_space
from spaces import archive, templated
from spaces.bench import Bench, BenchBroken, Chunk

from kernelsearch.formats.kerneltuner import Invalidity, Launch, read_cache, read_t4

sys.path.append(str(templated.FOLDER))  # measure.py is a program of its own: it finds gpu.py beside it
import measure
from gpu import CudaError


def test_a_bulk_source_has_a_kernel_a_point_with_its_register_cap():
    space = templated.space("matmul")
    points = [space.default, {**space.default, "CAP": 64}]
    lines = templated.source(space, points).splitlines()
    assert lines[0] == '#include "matmul.cu"'
    values = "32, 32, 8, 2, 2, 1, 0, 1, 1, 0"
    given = "(const float* a, const float* b, float* c)"
    assert lines[1] == f'extern "C" __global__ void p0{given} {{ body<{values}>(a, b, c); }}'
    assert lines[2] == f'extern "C" __global__ __maxnreg__(64) void p1{given} {{ body<{values}>(a, b, c); }}'


def test_points_begin_with_the_default_and_are_otherwise_shuffled():
    space = templated.space("matmul")
    points = record_space.chosen(space, None)
    everything = list(space.configurations())
    assert points[0] == space.default
    assert points != everything
    assert sorted(map(space.key, points)) == sorted(map(space.key, everything))
    assert record_space.chosen(space, 30) == points[:30]


class Stub(record_space.Compiler):
    """nvcc that refuses sources with a certain kernel in them."""

    def run(self, source: Path, cubin: Path) -> str | None:
        cubin.write_text("")
        return "error: too much" if "body<32, 32, 8, 2, 2, 1, 0, 1, 1, 0>" in source.read_text() else None


def test_a_point_that_does_not_compile_is_found_and_the_others_are_kept(tmp_path):
    space = templated.space("matmul")
    points = list(enumerate(record_space.chosen(space, 13)))
    parts = list(Stub(folder=tmp_path, arch="sm_90").compiled(space, points, "0"))
    (failed,) = [part for part in parts if isinstance(part, dict)]
    assert (failed["i"], failed["invalidity"], failed["error"]) == (0, "compile", "error: too much")
    measured = [number for part in parts if isinstance(part, Chunk) for number, _, _ in part.launches]
    assert measured == list(range(1, 13))


# A measuring process that dies of point 2 and hangs on point 5.
PROCESS = """
import json, os, sys, time
print(json.dumps({"facts": {"gpu": "toy"}}), flush=True)
for line in sys.stdin:
    chunk = json.loads(line)
    for point in chunk["points"]:
        print(json.dumps({"begin": point["i"]}), flush=True)
        if point["i"] == 2:
            os.abort()
        if point["i"] == 5:
            time.sleep(60)
        if point["i"] == 6:
            print(json.dumps({"i": 6, "invalidity": "runtime", "error": "CUDA_ERROR_ILLEGAL_ADDRESS", "sticky": True}), flush=True)
            sys.exit(3)
        print(json.dumps({"i": point["i"], "invalidity": "correct", "time": 1.0, "times": [1.0] * 7}), flush=True)
    print(json.dumps({"done": chunk["number"], "canary": 2.0}), flush=True)
"""


def chunk(*numbers: int) -> Chunk:
    launch = Launch(grid=(1, 1, 1), block=(32, 1, 1), shared=0)
    return Chunk(space="toy", number="0", cubin="none", launches=[(n, f"p{n}", launch) for n in numbers], compile_ms=1.0)


def test_recording_goes_on_behind_a_point_that_kills_or_hangs_the_process(tmp_path):
    bench = Bench(tmp_path, point_limit_s=0.4, command=[sys.executable, "-c", PROCESS])
    results, drift = bench.measure(chunk(*range(8)), None)
    more, _ = bench.measure(chunk(8, 9), None)
    bench.close()
    kinds = {result["i"]: result["invalidity"] for result in results + more}
    assert kinds == {**dict.fromkeys(range(10), "correct"), 2: "runtime", 5: "timeout", 6: "runtime"}
    assert (drift, bench.lost, bench.facts) == ([2.0], 3, {"gpu": "toy"})


def test_a_process_that_measures_nothing_ends_the_recording_with_its_words(tmp_path):
    bench = Bench(tmp_path, point_limit_s=5, command=[sys.executable, "-c", "raise SystemExit('no driver')"])
    with pytest.raises(BenchBroken, match="no driver"):
        bench.measure(chunk(0), None)


class FakeGpu:
    """Counts what is asked; kernels fail by name."""

    l2_bytes = 1 << 20
    threads_a_multiprocessor = 2048

    def __init__(self) -> None:
        self.launched: list[tuple] = []
        self.marks: list[int] = []
        self.wrong = 0
        self.ms = 0.25

    def function(self, module, name):
        return name

    def attribute(self, function, which):
        return {measure.REGISTERS: 40, measure.LOCAL: 16, measure.SHARED: 128}[which]

    def allow_shared(self, function, nbytes):
        if nbytes > 227 * 1024:
            raise CudaError(1, "CUDA_ERROR_INVALID_VALUE")

    def resident_blocks(self, function, threads, shared):
        return 4

    def launch(self, function, grid, block, shared, table):
        if function == "bad":
            raise CudaError(701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES")
        if function == "lost":
            raise CudaError(700, "CUDA_ERROR_ILLEGAL_ADDRESS")
        self.launched.append((function, grid, block, shared))

    def elapsed_ms(self, begin, end):
        return self.ms

    def read_word(self, pointer):
        return self.wrong

    def event(self):
        return 0

    def load(self, image):
        return 1

    def allocate(self, nbytes):
        return 1

    def fill(self, pointer, word, words): ...
    def record(self, event): ...
    def synchronise(self): ...


class FakeSubject:
    out, expected, words, absolute, relative, table = 1, 2, 100, 0.0, 0.0, None


@pytest.fixture
def bench(tmp_path) -> measure.Bench:
    (tmp_path / "compare.cubin").write_bytes(b"")
    return measure.Bench(FakeGpu(), tmp_path)


def point(name: str = "p0", shared: int = 1024) -> dict:
    return {"i": 0, "name": name, "grid": [8, 4, 1], "block": [64, 2, 1], "shared": shared}


def test_a_point_is_verified_first_and_then_sampled(bench):
    found = measure.measured(bench, 1, point(), FakeSubject())
    assert (found["invalidity"], found["times"], found["time"]) == ("correct", [0.25] * measure.SAMPLES, 0.25)
    assert (found["registers"], found["local_bytes"], found["shared_bytes"], found["occupancy"]) == (40, 16, 1152, 0.25)
    names = [name for name, *_ in bench.gpu.launched]
    assert names == ["p0", "compare", *["p0"] * measure.SAMPLES]
    assert bench.gpu.launched[0] == ("p0", [8, 4, 1], [64, 2, 1], 1024)


@pytest.mark.parametrize(
    ("name", "shared", "wrong", "ms", "kind", "sticky"),
    [
        ("bad", 0, 0, 0.1, "runtime", False),
        ("lost", 0, 0, 0.1, "runtime", True),
        ("p0", 300_000, 0, 0.1, "runtime", False),
        ("p0", 0, 3, 0.1, "correctness", None),
        ("p0", 0, 0, 500.0, "timeout", None),
    ],
)
def test_failures_have_their_kind_and_keep_what_the_compiler_said(bench, name, shared, wrong, ms, kind, sticky):
    bench.gpu.wrong, bench.gpu.ms = wrong, ms
    found = measure.measured(bench, 1, point(name, shared), FakeSubject())
    assert (found["invalidity"], found.get("sticky"), found["registers"]) == (kind, sticky, 40)
    assert "time" not in found


def test_a_slow_point_gets_fewer_samples_but_seven(bench):
    bench.gpu.ms = 6.0
    assert len(measure.measured(bench, 1, point(), FakeSubject())["times"]) == 7


def test_files_hold_every_result_and_stay_in_the_spaces_order(tmp_path):
    space = templated.space("transpose")
    points = record_space.chosen(space, 40)
    results = {i: {"i": i, "invalidity": "correct", "time": 0.1 + i / 1e3, "times": [0.1] * 7, "registers": 30} for i in range(40)}
    results[3] = {"i": 3, "invalidity": "compile", "error": "no", "compile_ms": 2.0}
    progress = record_space.Progress(space=space, points=points, results=results, drift=[0.1, 0.2])
    metadata = {"gpu": "toy", "before": {"date": "2026"}, "seconds": 1.0, "processes_lost": 0}
    archive.write([progress], metadata, tmp_path)
    text = archive.summary([progress], metadata, tmp_path)
    with tarfile.open(tmp_path / "spaces.tar") as tar:
        forms = {name: lzma.decompress(tar.extractfile(name).read()).decode() for name in tar.getnames()}
    found = read_t4(forms["transpose.t4.json.xz"])
    keys = [space.key(trial.configuration) for trial in found.trials]
    order = {space.key(p): place for place, p in enumerate(space.configurations())}
    assert keys == sorted(keys, key=order.__getitem__)
    assert len(found.trials) == len(read_cache(forms["transpose.cache.json.xz"]).trials) == 40
    assert (found.metadata["default"], found.metadata["complete"]) == (space.default, True)
    assert found.metadata["errors"] == {"compile: no": 1}
    assert next(t for t in found.trials if t.configuration == points[3]).invalidity is Invalidity.COMPILE
    (row,) = json.loads((tmp_path / "summary.json").read_text())["spaces"]
    assert (row["points"], row["correct"], row["compile"], row["best_us"], row["default_us"]) == (40, 39, 1, 100.0, 100.0)
    assert "transpose" in text
