"""The program inside the box, on this process's memory: contents, poison, guard bands, digests, exports, and what it notices."""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from runner_modules import NO_FLUSH, RUNNER, Served, call, compile_c, drawn, job, loaded, tensor

from kernelsearch import contents, wire
from kernelsearch.device.base import Mode, Scalar, Tensor, TimingPlan
from kernelsearch.device.cuda_job import Delivery
from kernelsearch.model import DType, Expression, Launch, LaunchPlan, Scratch

N = 501  # odd, so that nothing ends on a word


@pytest.fixture(scope="module")
def runner():
    with loaded() as modules:
        yield modules


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory):
    """`library(body)`: `solve(x, y, n)` with this body, on int32; the same body is built once."""
    folder, made = tmp_path_factory.mktemp("libraries"), {}

    def build(body: str, before: str = "") -> Path:
        if (body, before) not in made:
            source = f'#include <stdint.h>\n{before}\nextern "C" void solve(int32_t* x, int32_t* y, int32_t n) {{ {body} }}\n'
            made[body, before] = compile_c(source, folder / f"k{len(made)}.so")
        return made[body, before]

    return build


def one(*, inout: bool = False, file: Path | None = None, count: int = N):
    """A call of solve(x, y, n)."""
    x = tensor("x", DType.I32, count, 0, low=-100, span=201)
    if file is not None:
        x = Tensor(name="x", dtype=DType.I32, count=count, shape=(count,), file=file)
    y = tensor("y", DType.I32, count, 1, read=inout, written=True, low=0, span=1000)
    return call(x, y, Scalar(name="n", dtype=DType.I32, value=count))


ADD = "for (int i = 0; i < n; ++i) y[i] = x[i] + 1;"
COPY = "for (int i = 0; i < n; ++i) y[i] = x[i];"


def test_a_call_gets_the_contents_of_its_key_and_its_outputs_leave_under_their_digest(runner, library, tmp_path: Path) -> None:
    planned = one()
    served = Served(runner, job(library(ADD), planned), tmp_path)
    found = {}
    for key, distribution in ((1, "normal"), (2**63 + 5, "spikes")):
        answer = served.call(key, distribution=distribution, seal=key)
        y = served.exported()["y"]
        np.testing.assert_array_equal(np.frombuffer(y, np.int32), drawn(planned, "x", key, distribution) + 1)
        assert answer.digest == contents.digest(y, key)
        assert answer.flags == 0 and answer.claimed_us > 0
        found[key] = y
    assert len(set(found.values())) == 2
    served.delivery.close()


@pytest.mark.parametrize("dtype", list(DType))
def test_an_output_holds_poison_of_either_kind_before_the_call(runner, library, tmp_path: Path, dtype: DType) -> None:
    planned = call(
        tensor("x", DType.I32, 3, span=1), tensor("y", dtype, N, 1, read=False, written=True), Scalar(name="n", dtype=DType.I32, value=3)
    )
    served = Served(runner, job(library("(void)0;"), planned), tmp_path)
    found = {}
    for poison in (0, 9, 10):
        assert served.call(poison=poison).flags == 0
        found[poison] = served.exported()["y"]
    assert set(found[0]) == {0xFF}
    assert len(set(found.values())) == 3
    values = np.frombuffer(found[9], contents.STORED[dtype.value])
    if dtype is DType.BF16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    if dtype.is_float:
        assert np.isfinite(values).all() and (np.abs(values) >= 4096).all()
        assert (values > 0).any() and (values < 0).any()
    served.delivery.close()


@pytest.mark.parametrize(
    ("body", "flag", "owner"),
    [
        ("y[n] ^= 1;", wire.Flag.BAND_CHANGED, 1),
        ("((char*)y)[4 * n + 255] ^= 1;", wire.Flag.BAND_CHANGED, 1),
        ("y[-1] ^= 1;", wire.Flag.BAND_CHANGED, 1),
        ("((char*)y)[-256] ^= 1;", wire.Flag.BAND_CHANGED, 1),
        ("x[n] ^= 1;", wire.Flag.BAND_CHANGED, 0),
        ("x[-64] ^= 1;", wire.Flag.BAND_CHANGED, 0),
        ("x[n - 1] ^= 1;", wire.Flag.INPUT_CHANGED, 0),
        ("((char*)x)[0] ^= 1;", wire.Flag.INPUT_CHANGED, 0),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_write_where_it_may_not_is_flagged(runner, library, tmp_path: Path, body: str, flag: wire.Flag, owner: int, place: int) -> None:
    served = Served(runner, job(library(COPY + body), one()), tmp_path)
    for key in (1, 2):  # prepared anew for each call
        answer = served.call(key, place=place)
        assert (answer.flags, answer.region) == (flag, owner)
    served.delivery.close()


def test_an_input_from_a_file_is_put_in_place_anew_and_watched(runner, library, tmp_path: Path) -> None:
    given = np.arange(N, dtype=np.int32)
    (tmp_path / "x").write_bytes(given.tobytes())
    served = Served(runner, job(library(COPY + "x[0] = 77;"), one(file=tmp_path / "x")), tmp_path)
    for key in (1, 2):
        assert served.call(key).flags == wire.Flag.INPUT_CHANGED
        np.testing.assert_array_equal(np.frombuffer(served.exported()["y"], np.int32), given)
    served.delivery.close()


def test_what_is_read_and_written_starts_from_its_contents_at_every_call(runner, library, tmp_path: Path) -> None:
    planned = one(inout=True)
    served = Served(runner, job(library("for (int i = 0; i < n; ++i) y[i] += x[i];"), planned), tmp_path)
    for key in (5, 5, 6):
        assert served.call(key, poison=3).flags == 0
        np.testing.assert_array_equal(np.frombuffer(served.exported()["y"], np.int32), drawn(planned, "x", key) + drawn(planned, "y", key))
    served.delivery.close()


LATE = """
#include <atomic>
#include <thread>
static std::atomic<int> stage{0};
static std::thread worker;
extern "C" void let_go(void) { if (worker.joinable()) { stage = 1; worker.join(); stage = 0; } }
"""
LATER = "worker = std::thread([=] { while (!stage) std::this_thread::yield(); for (int i = 0; i < n; ++i) y[i] = x[i] + 1; });"


def test_work_that_goes_on_behind_the_call_is_late(runner, library, tmp_path: Path) -> None:
    late = library(LATER, LATE)

    class Busy(runner["gpu_host"].HostGpu):
        """Waits for what the candidate left running, as a GPU does for its streams."""

        def synchronise(self) -> None:
            served.program._library.let_go()

    served = Served(runner, job(late, one()), tmp_path, Busy())
    answer = served.call(4, seal=3)
    assert answer.flags == wire.Flag.LATE
    y = served.exported()["y"]
    assert answer.digest == contents.digest(y, 3)  # of what is there in the end
    np.testing.assert_array_equal(np.frombuffer(y, np.int32), drawn(one(), "x", 4) + 1)
    served.delivery.close()


def test_several_sets_of_buffers_lie_apart_and_another_call_gives_them_back(runner, library, tmp_path: Path) -> None:
    seen = 'static intptr_t last; extern "C" intptr_t where(void) { return last; }'
    served = Served(runner, job(library("last = (intptr_t)y;" + COPY, seen), one(), one(count=7)), tmp_path, exports=(0, 1))
    where = served.program._library.where
    where.restype = ctypes.c_ssize_t
    empty = len(served.gpu._memory)
    addresses = []
    for place in (0, 1, 2, 1):
        served.call(place=place)
        addresses.append(where())
    assert len(set(addresses)) == 3 and addresses[1] == addresses[3]
    assert len(served.gpu._memory) == empty + 6
    served.call(number=1)
    assert len(served.gpu._memory) == empty + 2
    assert len(served.exported(1)["y"]) == 28
    served.delivery.close()


def test_calls_in_a_row_have_keys_that_count_up_and_each_can_be_exported(runner, library, tmp_path: Path) -> None:
    served = Served(runner, job(library(ADD), one()), tmp_path)
    orders, said = [wire.Order(wire.Op.BATCH, 0, 2, 0, 2**64 - 1, 0, 5, calls=3).pack()], []
    runner["gpu_serve"].serve(served.server, lambda: orders.pop() if orders else b"", said.append, wire)
    answers = [wire.read_answer(data) for data in said[1:]]
    assert [(answer.op, answer.flags, answer.seal) for answer in answers] == [(wire.Op.DONE, 0, 5)] * 3
    for place, key in enumerate((2**64 - 1, 0, 1)):
        served.ask(wire.Order(wire.Op.EXPORT, 0, place))
        y = (served.outputs / "0-1.bin").read_bytes()
        np.testing.assert_array_equal(np.frombuffer(y, np.int32), drawn(one(), "x", key) + 1)
        assert answers[place].digest == contents.digest(y, 5)
    served.delivery.close()


def test_calls_again_and_again_have_nothing_of_ours_between(runner, library, tmp_path: Path) -> None:
    seen = 'static int calls; extern "C" int how_many(void) { return calls; }'
    served = Served(runner, job(library("++calls;" + ADD, seen), one()), tmp_path)
    made = []
    support = served.server._make

    def watched(regions, outputs):
        found = support(regions, outputs)
        prepare = found.prepare
        found.prepare = lambda keys: (made.append(keys), prepare(keys))[1]
        return found

    served.server._make = watched
    (answer,) = served.ask(wire.Order(wire.Op.AGAIN, 0, 0, 0, 7, 0, 9, 25))
    assert (answer.op, answer.flags, answer.seal, answer.digest) == (wire.Op.DONE, 0, 9, 0) and answer.claimed_us > 0
    assert served.program._library.how_many() == 25 and len(made) == 1
    assert served.call(4, seal=7).digest == contents.digest((drawn(one(), "x", 4) + 1).tobytes(), 7)  # a usual call is what it was
    served.delivery.close()


def test_it_can_be_woken_without_a_call(runner, library, tmp_path: Path) -> None:
    served = Served(runner, job(library("*(volatile int*)0 = 0;"), one()), tmp_path)
    (answer,) = served.ask(wire.Order(wire.Op.WAKE, seal=9))
    assert answer.op is wire.Op.AWAKE
    served.delivery.close()


def test_the_flush_lies_between_the_inputs_and_the_call(runner, library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner["gpu_serve"], "FLUSH_BYTES", 4096)
    did = []

    class Told(runner["gpu_host"].HostGpu):
        def fill(self, pointer: int, byte: int, nbytes: int) -> None:
            did.append(nbytes)
            super().fill(pointer, byte, nbytes)

        def record(self, event) -> None:
            did.append("record")
            super().record(event)

    served = Served(runner, job(library(COPY), one(), timing=TimingPlan(flush_l2=True)), tmp_path, Told())
    assert served.call().flags == 0
    assert did[-3:] == [4096, "record", "record"]
    served.delivery.close()


ONE = Expression("1")


def plan(kernel: str = "work", times: int = 1) -> LaunchPlan:
    launch = Launch(kernel=kernel, grid=(ONE, ONE, ONE), block=(ONE, ONE, ONE), args=("x", "y", "t", "n"))
    return LaunchPlan(launches=(launch,) * times, scratch=(Scratch(name="t", dtype=DType.I32, extent=Expression("2")),))


@pytest.fixture
def kernels(runner, tmp_path: Path):
    """A job of kernels, on memory where a kernel is a Python function named in `made`."""
    made = {}
    artifact = tmp_path / "kernels"
    artifact.write_bytes(b"\0.text._Z4workPiS_S_i\0.text.other\0")

    class WithKernels(runner["gpu_host"].HostGpu):
        fills = 0

        def fill(self, pointer: int, byte: int, nbytes: int) -> None:
            WithKernels.fills += 1
            super().fill(pointer, byte, nbytes)

        def load(self, image: bytes) -> bytes:
            return image

        def prepare(self, module, kernel, grid, block, shared, params):
            return lambda: made[kernel](*(item.value for item in params))

    def serve(kernel: str = "work", times: int = 1, timing: TimingPlan = NO_FLUSH, **functions) -> Served:
        made.update(functions)
        asked = job(artifact, one(), entry=None, plan=plan(kernel, times), timing=timing)
        return Served(runner, asked, tmp_path, WithKernels())

    serve.gpu = WithKernels
    return serve


def ints(pointer: int, count: int = N) -> np.ndarray:
    return np.frombuffer((ctypes.c_int32 * count).from_address(pointer), np.int32)


def test_kernels_get_their_arguments_and_poisoned_scratch(kernels) -> None:
    seen = []

    def work(x: int, y: int, t: int, n: int) -> None:
        seen.append(ints(t, 2).tolist())
        ints(y)[:] = ints(x) * n

    served = kernels(_Z4workPiS_S_i=work)
    assert served.call(3).flags == 0
    np.testing.assert_array_equal(np.frombuffer(served.exported()["y"], np.int32), drawn(one(), "x", 3) * N)
    served.call(3, poison=8)
    assert seen[0] == [-1, -1] and seen[1] not in ([-1, -1], [0, 0])


@pytest.mark.parametrize(("launches", "flushes"), [(1, 1), (5, 1), (13, 3)])
def test_the_gpu_is_kept_busy_for_as_long_as_a_plan_takes_to_launch(runner, kernels, monkeypatch, launches: int, flushes: int) -> None:
    monkeypatch.setattr(runner["gpu_serve"], "FLUSH_BYTES", 4096)
    calls = []
    served = kernels(times=launches, timing=TimingPlan(flush_l2=True), _Z4workPiS_S_i=lambda *given: calls.append(given))
    kernels.gpu.fills = 0
    served.server.call(0, 0, (1, 0, 0, 7))
    assert (len(calls), kernels.gpu.fills) == (launches, runner["gpu_serve"].AHEAD + flushes)


@pytest.mark.parametrize("index", [2, -1])
def test_a_write_beside_a_scratch_buffer_is_flagged(kernels, index: int) -> None:
    def work(x: int, y: int, t: int, n: int) -> None:
        ints(t + 4 * index, 1)[0] ^= 1

    answer = kernels(_Z4workPiS_S_i=work).call()
    assert (answer.flags, answer.region) == (wire.Flag.BAND_CHANGED, 3)  # behind the three arguments


@pytest.mark.parametrize("kernel", ["wor", "ork", "4work", "absent"])
def test_a_kernel_is_found_by_its_own_name_alone(runner, kernels, kernel: str) -> None:
    with pytest.raises(runner["gpu_base"].CudaFailure, match=f"'{kernel}' is missing"):
        kernels(kernel).call()


def test_a_probe_that_copies_wrongly_says_so(runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner["gpu"], "_PROBE_WORDS", 64)

    class Copies(runner["gpu_host"].HostGpu):
        missing = 0

        def prepare(self, module, kernel, grid, block, shared, params):
            assert kernel == "ks_copy"
            source, target, count = (item.value for item in params)
            return lambda: self.copy(target, source, 8 * count - self.missing)

    gpu = Copies()
    notes = runner["gpu"]._probe(gpu, None)
    assert notes["probe ok"] == "True" and float(notes["probe bytes/s"]) > 0
    gpu.missing = 1
    assert runner["gpu"]._probe(gpu, None)["probe ok"] == "False"


@pytest.mark.parametrize(
    ("dtype", "value", "code", "packed"),
    [
        ("f16", 0.375, "H", 0x3600),
        ("bf16", 1.0, "H", 0x3F80),
        ("bf16", 1.00390625, "H", 0x3F80),  # half way: to the even one
        ("bf16", 1.01171875, "H", 0x3F82),
        ("bf16", -3.0, "H", 0xC040),
        ("bool", 7, "B", 1),
        ("i64", -5, "q", -5),
        ("f32", 2, "f", 2.0),
    ],
)
def test_scalars_are_packed_by_their_type(runner, dtype: str, value: float, code: str, packed: float) -> None:
    item = runner["gpu_base"].param(dtype, value)
    assert (item.code, item.value) == (code, packed)


def test_a_function_that_a_library_hides_is_found_beside_one_that_it_exports(runner, tmp_path: Path) -> None:
    source, built = tmp_path / "k.c", tmp_path / "k.so"
    source.write_text('__attribute__((visibility("hidden"))) int hidden(void) { return 41; }\nint solve(void) { return hidden() + 1; }')
    subprocess.run(["gcc", "-shared", "-fPIC", "-O0", "-o", str(built), str(source)], check=True)
    elf = runner["gpu_elf"]
    solve = elf.address_of(ctypes.CDLL(str(built)), "solve")
    found = elf.addresses(built, ("hidden", "absent"), "solve", solve)
    assert found.keys() == {"hidden"}
    assert ctypes.CFUNCTYPE(ctypes.c_int)(found["hidden"])() == 41
    stripped = tmp_path / "stripped.so"  # not in place: the library is mapped into this process
    subprocess.run(["strip", "-o", str(stripped), str(built)], check=True)
    assert elf.addresses(stripped, ("hidden",), "solve", solve) == {}


RUNTIME = """
static int code = 1;
extern "C" __attribute__((visibility("hidden"))) int cudaGetLastError(void) { int was = code; code = 0; return was; }
extern "C" __attribute__((visibility("hidden"))) const char* cudaGetErrorName(int) { return "cudaErrorInvalidValue"; }
"""


def test_an_error_that_the_candidates_own_runtime_holds_back_is_a_failure_of_the_call(runner, library, tmp_path: Path) -> None:
    body = "if (cudaGetLastError() == 5) cudaGetErrorName(5); code = 1;"  # keeps both functions
    served = Served(runner, job(library(body, RUNTIME), one()), tmp_path)
    with pytest.raises(runner["gpu_base"].CudaFailure, match="cudaErrorInvalidValue after the launcher returned"):
        served.call()
    served.delivery.close()


class Process:
    """`gpu.py host` itself, with our end of its channel."""

    def __init__(self, wanted, folder: Path) -> None:
        self.inputs, self.outputs = folder / "in", folder / "out"
        self.inputs.mkdir()
        self.outputs.mkdir()
        (folder / "lock").touch()
        self.delivery = Delivery(wanted, self.inputs, self.outputs, None, (0,) if wanted.mode is Mode.VERIFY else ())
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(30)
        command = [sys.executable, str(RUNNER / "gpu.py"), "host", str(self.inputs), str(self.outputs), str(folder / "lock")]
        with theirs:
            self.process = subprocess.Popen(
                [*command, wire.__file__, contents.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "KS_CHANNEL": str(theirs.fileno()), "SEEN": str(folder / "seen")},
            )
        self.facts = json.loads(self.process.stdout.readline())["facts"]

    def end(self, said: str = "go\n") -> tuple[int, list[str]]:
        """Exit code, and the lines that it said since it was ready."""
        out, _ = self.process.communicate(said or None, timeout=60)
        self.channel.close()
        return self.process.returncode, out.splitlines()


def test_the_program_serves_a_job_over_its_channel_and_reports_no_failure(library, tmp_path: Path) -> None:
    process = Process(job(library(ADD), one()), tmp_path)
    assert process.facts.keys() == {"cpu"}
    process.process.stdin.write("go\n")
    process.process.stdin.flush()
    assert wire.read_answer(process.channel.recv(64)).op is wire.Op.READY
    process.channel.sendall(wire.Order(wire.Op.CALL, key=6, seal=2).pack())
    answer = wire.read_answer(process.channel.recv(64))
    process.channel.sendall(wire.Order(wire.Op.EXPORT, 0).pack())
    assert wire.read_answer(process.channel.recv(64)).op is wire.Op.EXPORTED
    process.channel.sendall(wire.Order(wire.Op.END).pack())
    assert process.end("") == (0, ['{"begun": true}'])
    report = process.delivery.report()
    assert (report.failure, report.detail) == (None, "")
    y = (process.outputs / "0-1.bin").read_bytes()
    np.testing.assert_array_equal(np.frombuffer(y, np.int32), drawn(one(), "x", 6) + 1)
    assert answer.digest == contents.digest(y, 2)
    process.delivery.close()


def test_a_box_that_is_not_needed_ends_by_itself(library, tmp_path: Path) -> None:
    process = Process(job(library(ADD), one()), tmp_path)
    assert process.end("") == (0, [])
    assert process.delivery.report() is None
    process.delivery.close()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (lambda library, folder: job(folder / "no-elf", one()), "loading: .*artifact"),
        (lambda library, folder: job(library(ADD), one(), entry="resolve"), "loading: .*undefined symbol: resolve"),
        (lambda library, folder: job(folder / "no-elf", one(), entry=None, plan=plan()), "loading: there is no GPU to load a cubin on"),
    ],
    ids=["not a library", "no entry", "kernels"],
)
def test_what_cannot_be_loaded_is_reported_as_a_crash_before_any_answer(library, tmp_path: Path, wanted, words: str) -> None:
    (tmp_path / "no-elf").write_bytes(b"not an ELF file")
    process = Process(wanted(library, tmp_path), tmp_path)
    assert process.end() == (0, ['{"begun": true}'])
    report = process.delivery.report()
    assert report.failure == "crashed"
    assert re.search(words, report.detail)
    process.delivery.close()


def test_a_failure_in_a_call_is_reported_with_the_calls_label(library, tmp_path: Path) -> None:
    body = "if (cudaGetLastError() == 5) cudaGetErrorName(5); code = 1;"
    process = Process(job(library(body, RUNTIME), one()), tmp_path)
    process.channel.sendall(wire.Order(wire.Op.CALL).pack())
    process.end()
    report = process.delivery.report()
    assert (report.failure, report.detail) == ("crashed", "c: cudaErrorInvalidValue after the launcher returned")
    process.delivery.close()


def test_a_process_that_dies_leaves_no_report(library, tmp_path: Path) -> None:
    process = Process(job(library("__builtin_trap();"), one()), tmp_path)
    process.channel.sendall(wire.Order(wire.Op.CALL).pack())
    code, _ = process.end()
    assert code == -signal.SIGILL
    assert process.delivery.report() is None
    process.delivery.close()


DUMP = "#include <stdio.h>\n#include <stdlib.h>"
APPEND = 'FILE* f = fopen(getenv("SEEN"), "ab"); fwrite(x, 4, n, f); fclose(f);'


def test_under_a_tool_each_call_is_made_once_with_the_contents_of_the_job(library, tmp_path: Path) -> None:
    calls = [dataclasses.replace(one(), label=str(key), key=key, distribution="uniform") for key in (11, 2**64 - 1)]
    process = Process(job(library(APPEND, DUMP), *calls, mode=Mode.PROFILE, timing=NO_FLUSH), tmp_path)
    assert process.end() == (0, ['{"begun": true}'])
    assert process.delivery.report().failure is None
    wanted = np.concatenate([drawn(one(), "x", key, "uniform") for key in (11, 2**64 - 1)])
    np.testing.assert_array_equal(np.fromfile(tmp_path / "seen", np.int32), wanted)
    process.delivery.close()
