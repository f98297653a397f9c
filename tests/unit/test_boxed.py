"""Jobs by conversation in real boxes: plain C launchers on the host's memory stand for candidates, honest and otherwise."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from runner_modules import call, compile_c, drawn, job, tensor

from kernelsearch import paths
from kernelsearch.device import conversation
from kernelsearch.device.base import Mode, Sample, Scalar, TimingPlan
from kernelsearch.device.boxed import Boxes
from kernelsearch.device.pool import GpuLock, WarmPool
from kernelsearch.device.runner import libraries, runner_box, runner_command
from kernelsearch.errors import DeviceLost
from kernelsearch.model import DType, Verdict
from kernelsearch.sandbox import open_sandbox

QUICK = TimingPlan(warmup_ms=0.0, min_samples=12, max_samples=12, max_seconds=20.0, flush_l2=False)
N = 300
HEAD = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
static int calls;
static void honest(const int32_t* x, int32_t* y, int32_t n) { for (int i = 0; i < n; ++i) y[i] = 2 * x[i]; }
static void folder(char* path, const char* name) {  // where the box writes: the fourth argument of the program
    static char text[4096];
    FILE* file = fopen("/proc/self/cmdline", "rb");
    fread(text, 1, sizeof text, file);
    fclose(file);
    char* at = text;
    for (int i = 0; i < 4; ++i) at += strlen(at) + 1;
    sprintf(path, "%s/%s", at, name);
}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory):
    """`built(body)`: a launcher `solve(x, y, n)`; `++calls` and `honest(x, y, n)` are at hand."""
    folder, made = tmp_path_factory.mktemp("launchers"), {}

    def build(body: str = "honest(x, y, n);", before: str = "") -> Path:
        if (body, before) not in made:
            source = f'{HEAD}\n{before}\nextern "C" void solve(int32_t* x, int32_t* y, int32_t n) {{ ++calls; {body} }}\n'
            made[body, before] = compile_c(source, folder / f"k{len(made)}.so")
        return made[body, before]

    return build


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("boxes")


@pytest.fixture(scope="module")
def boxes(scratch: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "scratch_root", lambda: scratch)
        lock = GpuLock("test")
        found = libraries(("numpy",), "gpu")
        pool = WarmPool(
            open_sandbox(unsafe=True), scratch, lambda folder: runner_box(runner_command("host", folder, lock), folder, lock, found), 1
        )
        opened = Boxes(pool, lock, None, "", "this CPU")
        yield opened
        opened.close()
    assert list(scratch.glob("box-*")) == []
    assert running(scratch) == []


def running(scratch: Path, *, wait: bool = True) -> list[str]:
    """Command lines of processes that work for a box of ours; the dying get a moment."""
    for _ in range(100):
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = file.read_bytes()
            except OSError:  # it has just ended
                continue
            if str(scratch).encode() in line:
                found.append(line.replace(b"\0", b" ").decode(errors="replace"))
        if not found or not wait:
            break
        time.sleep(0.1)
    return found


def one(label: str = "c", key: int = 1, count: int = N):
    x = tensor("x", DType.I32, count, 0, low=-9, span=1000)
    y = tensor("y", DType.I32, count, 1, read=False, written=True)
    return call(x, y, Scalar(name="n", dtype=DType.I32, value=count), label=label, key=key)


def run(boxes: Boxes, wanted, rung=None):
    return boxes.run(wanted, rung, lambda: {"state": "fine"})


def timed(artifact: Path, rival: Path | None = None, samples=(5, 6), **more):
    wanted = tuple(Sample(call=0, key=key, distribution="normal") for key in samples)
    return job(
        artifact,
        one(),
        mode=Mode.TIME,
        timing=QUICK,
        samples=wanted,
        rival=None if rival is None else job(rival, one(), mode=Mode.TIME, timing=QUICK),
        **more,
    )


def output(result, number: int) -> np.ndarray:
    return np.frombuffer(result.calls[number].outputs["y"], np.int32)


def test_outputs_of_every_call_come_back(boxes: Boxes, built) -> None:
    calls = [one("first", 3), one("second", 4, 7)]
    result = run(boxes, job(built(), *calls))
    assert (result.failure, result.detail) == (None, "")
    assert [done.label for done in result.calls] == ["first", "second"]
    for number, planned in enumerate(calls):
        np.testing.assert_array_equal(output(result, number), 2 * drawn(planned, "x", planned.key))
    assert result.conditions["state"] == "fine"


def test_a_rung_that_says_no_ends_the_job_with_the_first_result(boxes: Boxes, built) -> None:
    result = run(boxes, job(built(), one("first"), one("second")), lambda found: False)
    assert result.failure is None and [done.label for done in result.calls] == ["first"]


def test_without_a_gpu_that_counts_energy_a_timed_job_says_so(boxes: Boxes, built) -> None:
    result = run(boxes, replace(timed(built()), timing=replace(QUICK, energy=True)))
    assert result.failure is None
    assert "not measured" in result.conditions["power of its own calls"]


def test_pairs_are_timed_and_the_outputs_of_samples_come_back(boxes: Boxes, built) -> None:
    result = run(boxes, timed(built(), built()))
    assert (result.failure, result.detail) == (None, "")
    times, *samples = result.calls
    assert len(times.samples_us) == len(times.rival_us) == 12 and min(*times.samples_us, *times.rival_us) > 0
    assert dict(times.outputs) == {} and times.by_clock
    assert {done.sample.key for done in samples} == {5, 6}
    for number, done in enumerate(samples, start=1):
        np.testing.assert_array_equal(output(result, number), 2 * drawn(one(), "x", done.sample.key))


def alive(scratch: Path) -> set[str]:
    """Boxes that have a process."""
    return {word for line in running(scratch, wait=False) for word in re.findall(r"box-\w+", line)}


@pytest.mark.parametrize("mode", [Mode.VERIFY, Mode.TIME])
def test_a_box_has_ended_before_others_get_the_device(boxes: Boxes, built, scratch: Path, mode: Mode) -> None:
    """It may hold all of the device's memory. The state is read once before a job and once after, while nobody else has the device."""
    seen = []

    def state():
        seen.append(alive(scratch))
        return {"state": "fine"}

    wanted = job(built(), one()) if mode is Mode.VERIFY else timed(built())
    assert boxes.run(wanted, None, state).failure is None
    before, after = seen
    assert len(before - after) == 1  # the job's own; a warm one and rivals live on


def test_a_box_has_a_name_for_its_user_whom_the_system_may_not_know(tmp_path: Path) -> None:
    assert runner_box(("true",), tmp_path, GpuLock("test"), ()).env["USER"] == "box"


def test_without_a_rival_there_are_no_pairs(boxes: Boxes, built) -> None:
    times = run(boxes, timed(built())).calls[0]
    assert len(times.samples_us) == 12 and times.rival_us == ()


def test_a_rival_is_kept_and_a_fresh_one_is_not(boxes: Boxes, built) -> None:
    rival = built("honest(x, y, n); /* kept */")
    for _ in range(2):
        assert run(boxes, timed(built(), rival)).failure is None
    kept = dict(boxes._rivals)
    assert [guest.uses for guest in kept.values() if guest.delivery._job.build.artifact == str(rival)] == [1]
    assert run(boxes, timed(built(), rival, rival_fresh=True)).failure is None
    assert boxes._rivals == kept


def test_a_rival_that_dies_is_not_the_candidates_fault_and_is_replaced(boxes: Boxes, built, tmp_path: Path) -> None:
    rival = built("honest(x, y, n); if (calls == 1000) abort();")  # calls in a row go on for some hundred, or end after some dozen
    assert run(boxes, timed(built(), rival)).failure is None
    with pytest.raises(DeviceLost, match="timed against stopped answering on this CPU: gone, .*SIGABRT"):
        for _ in range(12):
            run(boxes, timed(built(), rival))
    assert run(boxes, timed(built(), rival)).failure is None
    frail = built("honest(x, y, n); if (calls == 5) abort();")  # never kept for another job
    with pytest.raises(DeviceLost, match="timed against stopped answering on this CPU: gone, .*SIGABRT"):
        run(boxes, timed(built(), frail))
    broken = built("honest(x, y, n);", "__attribute__((constructor)) static void no(void) { abort(); }")
    with pytest.raises(DeviceLost, match="does not load any more"):
        run(boxes, timed(built(), broken))


SAY = """
static void say(const char* line, int size) { send(atoi(getenv("KS_CHANNEL")), line, size, 0); }
static void done(double us) {
    char answer[40] = "KSW2";
    answer[4] = 5;
    memcpy(answer + 12, &us, 8);
    say(answer, sizeof answer);
}
"""
LEAVE = """
static void leave(const char* name, const char* text) {
    char path[4096];
    folder(path, name);
    FILE* file = fopen(path, "r+b");
    fputs(text, file);
    fclose(file);
}
"""
ENDS = {
    "trap": ("__builtin_trap();", "", Verdict.CRASHED, "SIGILL"),
    "signal": ("abort();", "", Verdict.CRASHED, "SIGABRT"),
    "exit": ("_exit(0);", "", Verdict.CRASHED, "ended without a result, exit code 0"),
    "exit code": ('fprintf(stderr, "last words\\n"); _exit(3);', "", Verdict.CRASHED, "exit code 3: last words"),
    "at loading": ("", "__attribute__((constructor)) static void no(void) { abort(); }", Verdict.CRASHED, "SIGABRT"),
    "past the end": ("honest(x, y, n); y[n] = 1;", "", Verdict.CHEATED, "wrote outside of y"),
    "an input": ("honest(x, y, n); x[0] ^= 1;", "", Verdict.CHEATED, "changed its input x"),
    "a false word": ('say("passed", 6);', SAY, Verdict.CHEATED, "the candidate spoke for it"),
    "a forged answer": ("done(0.001);", SAY, Verdict.CHEATED, "the candidate spoke for it"),
    "a forged report": (
        'leave("result.json", "{\\"failure\\": null, \\"detail\\": \\"\\"}"); _exit(0);',
        LEAVE,
        Verdict.CRASHED,
        "exit code 0",
    ),
    "its own verdict": (
        'leave("result.json", "{\\"failure\\": \\"passed\\", \\"detail\\": \\"\\"}"); _exit(0);',
        LEAVE,
        Verdict.CRASHED,
        "",
    ),
    "an export of its own": (
        "honest(x, y, n);",
        f'{LEAVE}\n__attribute__((destructor)) static void end(void) {{ leave("0-1.bin", "better"); }}',
        Verdict.CHEATED,
        "an output was changed after the call had ended",
    ),
}


@pytest.mark.parametrize("kind", ENDS)
def test_every_end_but_an_honest_one_is_a_failure_with_its_reason(boxes: Boxes, built, kind: str) -> None:
    body, before, verdict, words = ENDS[kind]
    result = run(boxes, job(built(body, before), one()))
    assert result.failure is verdict
    assert words in result.detail
    assert result.calls == ()


LATER = {
    "signal": ("abort();", "", Verdict.CRASHED, "SIGABRT"),
    "exit": ("_exit(0);", "", Verdict.CRASHED, "exit code 0"),
    "past the end": ("y[n] = 1;", "", Verdict.CHEATED, "c: wrote outside of y"),
    "an input": ("x[0] ^= 1;", "", Verdict.CHEATED, "c: changed its input x"),
    "a forged answer": ("done(0.001);", SAY, Verdict.CHEATED, "the candidate spoke for it"),
}


@pytest.mark.parametrize("kind", LATER)
def test_the_same_holds_in_timed_calls_alone(boxes: Boxes, built, kind: str) -> None:
    body, before, verdict, words = LATER[kind]
    late = built(f"honest(x, y, n); if (calls > 6) {{ {body} }}", before)
    assert run(boxes, job(late, one())).failure is None
    result = run(boxes, timed(late, built()))
    assert result.failure is verdict
    assert words in result.detail
    assert result.calls == ()


def test_an_answer_from_memory_shows_in_the_outputs_of_a_timed_call(boxes: Boxes, built) -> None:
    memo = built("static int32_t kept[300]; if (calls == 1) honest(x, kept, n); memcpy(y, kept, 4 * n);")
    result = run(boxes, timed(memo, built()))
    assert result.failure is None
    for number, done in enumerate(result.calls[1:], start=1):
        assert (output(result, number) != 2 * drawn(one(), "x", done.sample.key)).any()


def test_other_bits_at_the_second_time_are_two_results(boxes: Boxes, built) -> None:
    result = run(boxes, job(built("honest(x, y, n); y[0] += calls;"), one()))
    assert result.failure is None
    assert output(result, 1)[0] - output(result, 0)[0] == 1 and (output(result, 0)[1:] == output(result, 1)[1:]).all()


def test_what_is_read_of_an_output_is_poison(boxes: Boxes, built) -> None:
    result = run(boxes, job(built("for (int i = 1; i < n; ++i) y[i] = 2 * x[i];"), one()))
    assert len(result.calls) == 2  # over other poison, other bits
    assert output(result, 0)[0] == -1 != output(result, 1)[0]


@pytest.mark.parametrize("at", ["loading", "call", "timed", "end"])
def test_one_that_hangs_is_timed_out_and_the_next_job_is_whole(boxes: Boxes, built, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    monkeypatch.setattr(conversation, "CALL_S", 1.0)
    monkeypatch.setattr("kernelsearch.device.boxed._END_S", 1.0)
    stuck = "volatile int on = 1; while (on) {}"
    before = {"loading": "constructor", "end": "destructor"}.get(at)
    hook = f"__attribute__(({before})) static void hang(void) {{ {stuck} }}" if before else ""
    body = {"call": stuck, "timed": f"if (calls > 6) {{ {stuck} }}"}.get(at, "")
    hung = built(f"honest(x, y, n); {body}", hook)
    wanted = timed(hung, built(), timeout_s=8.0) if at == "timed" else job(hung, one(), timeout_s=4.0)
    assert run(boxes, wanted).failure is Verdict.TIMED_OUT
    assert run(boxes, job(built(), one())).failure is None
