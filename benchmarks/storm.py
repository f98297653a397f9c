"""Hundreds of candidates in a row, a third of them hanging, crashing, forking or filling what can be filled: is anything lost or left?

    python benchmarks/storm.py [--device cuda|emulated] [--task core/row_softmax] [--candidates 300] [--parallel 8] [--fill GIB]
                               [--seed N] [--json FILE]

Honest candidates are the task's baseline with a constant of their own; bad ones do something else first, in an order that follows from
the seed. All go the way of any candidate, through `evaluate`. The claim: each has a verdict that fits what it did; afterwards no process
of ours, no folder of a box, no control group and no descriptor is left; and the last honest candidate is as fast as the first, both in
pairs with the baseline. A table by kind, then a line for each thing that was looked at; ends with 1 when any of it does not hold.

`--fill`: what one candidate that fills memory, disk or logs takes at most before it aborts. The default is beyond what a box may have.
"""

import argparse
import collections
import json
import math
import os
import random
import re
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import catalog, digest
from kernelsearch.errors import KernelSearchError
from kernelsearch.evaluate import evaluate
from kernelsearch.lab import Lab, open_lab
from kernelsearch.measure.statistics import MIN_EFFECT, faster, slower
from kernelsearch.model import Candidate, Evaluation, Interval, Origin, Task, TimeKind, Verdict

HONEST = "honest"
EDGE = 3  # honest ones at either end, whatever the seed
DESCRIPTORS = 4  # that an interpreter opens for itself in the meantime
SETTLED_S = 30.0  # for the dying: a process may sit in a driver call while a GPU drains

PASSED, CRASHED, TIMED_OUT = Verdict.PASSED, Verdict.CRASHED, Verdict.TIMED_OUT


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`first` runs in the launcher before the honest work, with X and Y for its first input and output and FILL for a size in bytes."""

    first: str
    allowed: tuple[Verdict, ...]
    before: str = ""  # kernels of its own
    gpu_alone: bool = False


KINDS = {
    HONEST: Kind(first="", allowed=(PASSED,)),
    "hangs on the device": Kind(
        before="__global__ void spin(const float* x) { volatile const float* v = x; while (v[0] == v[0]) { } }",
        first="spin<<<1, 1>>>((const float*)X);",
        allowed=(TIMED_OUT,),
    ),
    "hangs on the host": Kind(first="for (;;) pause();", allowed=(TIMED_OUT,)),
    "illegal address": Kind(
        before="__global__ void stray(char* y) { y[threadIdx.x + (1LL << 44)] = 1; }",
        first="stray<<<1, 32>>>((char*)Y);",
        allowed=(CRASHED,),
    ),
    "segmentation fault": Kind(first="*(volatile int*)(size_t)getppid() = 1;", allowed=(CRASHED,)),
    "exits": Kind(first="_exit(0);", allowed=(CRASHED,)),
    "leaves children": Kind(  # which is no cheating where its outputs are right
        first="for (int i = 0; i < 20; ++i) if (fork() == 0) for (;;) pause();", allowed=(PASSED, CRASHED, TIMED_OUT)
    ),
    "fork bomb": Kind(first="for (;;) fork();", allowed=(CRASHED, TIMED_OUT)),
    "fills memory": Kind(
        first="for (size_t at = 0; at < FILL; at += 1 << 26) if (void* p = malloc(1 << 26)) memset(p, 1, 1 << 26); else break; abort();",
        allowed=(CRASHED, TIMED_OUT),
    ),
    "fills the disk": Kind(
        first="""
        signal(SIGXFSZ, SIG_IGN);
        static char block[1 << 20];
        size_t at = 0;
        for (const char* folder : {"/tmp", "/dev/shm", "/var/tmp", "."})
            for (int number = 0, going = 1; going && number < 4096; ++number) {
                char path[64];
                snprintf(path, sizeof path, "%s/fill-%d", folder, number);
                FILE* file = fopen(path, "wb");
                going = 0;
                for (int i = 0; file && i < 64 && at < FILL; ++i, at += sizeof block)
                    if (fwrite(block, 1, sizeof block, file) == sizeof block) going = 1;
                    else break;
                if (file) fclose(file);
            }
        abort();""",
        allowed=(CRASHED, TIMED_OUT),
    ),
    "fills the logs": Kind(
        first="""
        static char line[1 << 16];
        memset(line, 'x', sizeof line);
        for (size_t at = 0; at < FILL; at += 2 * sizeof line) {
            fwrite(line, 1, sizeof line, stdout);
            fwrite(line, 1, sizeof line, stderr);
        }
        abort();""",
        allowed=(CRASHED, TIMED_OUT),
    ),
    "fills the GPU": Kind(
        first="for (void* p; cudaMalloc(&p, 1 << 28) == cudaSuccess;) cudaMemset(p, 1, 1 << 28); abort();",
        allowed=(CRASHED, TIMED_OUT),
        gpu_alone=True,
    ),
}
INCLUDES = "".join(f"#include <{name}>\n" for name in ("signal.h", "stdio.h", "stdlib.h", "string.h", "unistd.h"))


@dataclass(frozen=True, kw_only=True)
class Line:
    """One candidate judged. `evaluation` is None when something of ours was raised instead."""

    number: int
    kind: str
    evaluation: Evaluation | None
    raised: str
    seconds: float

    @property
    def got(self) -> str:
        return "raised" if self.evaluation is None else self.evaluation.verdict.value

    @property
    def right(self) -> bool:
        return self.evaluation is not None and self.evaluation.verdict in KINDS[self.kind].allowed


def source(task: Task, kind: str, salt: str, number: int, fill: int) -> str:
    """The baseline, with what `kind` does in front of it, and a constant of its own in code that is never run."""
    mark = f'\nextern "C" __global__ void storm_{salt}_{number}(int* p) {{ *p = {number}; }}\n'
    if kind == HONEST:
        return task.baseline + mark
    match = re.search(rf'extern\s+"C"\s+void\s+{task.entry}\s*\(([^)]*)\)', task.baseline)
    if match is None:
        sys.exit(f'{task.name}: its baseline has no host function of the form: extern "C" void {task.entry}(...)')
    names = ", ".join(re.findall(r"(\w+)\s*(?:\[\s*\])?\s*(?:,|$)", match[1]))
    words = {"X": task.inputs[0].name, "Y": task.outputs[0].name, "FILL": f"{fill}ULL"}
    first = re.sub(r"\b(X|Y|FILL)\b", lambda word: words[word[1]], KINDS[kind].first)
    return (
        f"{INCLUDES}#define {task.entry} honest_{task.entry}\n{task.baseline}\n#undef {task.entry}\n{KINDS[kind].before}{mark}"
        f'extern "C" void {task.entry}({match[1]}) {{\n{first}\nhonest_{task.entry}({names});\n}}\n'
    )


def order(count: int, kinds: Sequence[str], seed: int) -> list[str]:
    """A third of them bad, every kind as often as any other, in between honest ones at both ends."""
    bad = [kinds[number % len(kinds)] for number in range(count // 3)]
    middle = bad + [HONEST] * (count - len(bad) - 2 * EDGE)
    random.Random(seed).shuffle(middle)
    return [HONEST] * EDGE + middle + [HONEST] * EDGE


def judge(number: int, kind: str, task: Task, lab: Lab, salt: str, fill: int) -> Line:
    begun = time.perf_counter()
    text = source(task, kind, salt, number, fill)
    candidate = Candidate(task=digest.task(task), source=text, flags=task.flags, origin=Origin(proposer="storm"))
    evaluation, raised = None, ""
    try:
        evaluation = evaluate(candidate, task, lab)
    except (KernelSearchError, ValueError, TypeError, ArithmeticError, LookupError, OSError, RuntimeError) as error:
        raised = f"{type(error).__name__}: {error}"  # a candidate that breaks the evaluator is lost
    return Line(number=number, kind=kind, evaluation=evaluation, raised=raised, seconds=time.perf_counter() - begun)


def judged(kinds: Sequence[str], task: Task, lab: Lab, parallel: int, fill: int) -> Iterator[Line]:
    """In the order of the candidates, as they come. What is not as it must be is told at once."""
    salt = uuid.uuid4().hex[:8]
    begun = time.perf_counter()
    with ThreadPoolExecutor(parallel) as pool:
        for line in pool.map(lambda item: judge(*item, task, lab, salt, fill), enumerate(kinds)):
            if not line.right:
                detail = line.raised or (line.evaluation.detail if line.evaluation else "")
                print(f"DIFF {line.number:4d} {line.kind}: {line.got}: {' '.join(detail.split())[:200]}", flush=True)
            if (line.number + 1) % 25 == 0:
                print(f"{line.number + 1} of {len(kinds)} after {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
            yield line


def table(lines: Sequence[Line]) -> str:
    rows = [f"{'kind':22} {'count':>5} {'as it must':>10} {'seconds each':>13}   verdicts"]
    for kind in dict.fromkeys(sorted((line.kind for line in lines), key=list(KINDS).index)):
        mine = [line for line in lines if line.kind == kind]
        verdicts = ", ".join(f"{count} {got}" for got, count in collections.Counter(line.got for line in mine).most_common())
        seconds = sum(line.seconds for line in mine) / len(mine)
        rows.append(f"{kind:22} {len(mine):5d} {sum(line.right for line in mine):10d} {seconds:13.1f}   {verdicts}")
    return "\n".join(rows)


def processes(scratch: Path) -> list[str]:
    """Processes that were started for a box of ours: by the folder in their command line, or by their control group."""
    marks = (str(scratch).encode(), f"kernelsearch-{os.getpid()}-".encode())
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, group = (folder / "cmdline").read_bytes(), (folder / "cgroup").read_bytes()
        except OSError:  # it has just ended
            continue
        if marks[0] in command or marks[1] in group:
            found.append(f"{folder.name} {command.replace(bytes(1), b' ').decode(errors='replace')[:100]}")
    return found


def groups() -> list[str]:
    """Control groups of this process's boxes, anywhere in the hierarchies."""
    name = f"kernelsearch-{os.getpid()}-"
    return [str(Path(folder) / child) for folder, children, _ in os.walk("/sys/fs/cgroup") for child in children if child.startswith(name)]


def folders(scratch: Path) -> list[str]:
    return [path.name for path in scratch.iterdir() if path.name.startswith(("box-", "emulated-"))] if scratch.is_dir() else []


def descriptors() -> int:
    """How many this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def settled(look, *args) -> list[str]:
    """What `look` still finds once the dying had their time."""
    until = time.monotonic() + SETTLED_S
    while (found := look(*args)) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def change(first: Evaluation, last: Evaluation) -> tuple[float, Interval]:
    """How many times as fast the last is as the first, from the pairs with the baseline that each has; modelled times are exact."""
    one, other = first.measurement, last.measurement
    if one is None or other is None:
        raise ValueError("what passed was measured")
    if one.kind is TimeKind.MODELLED or one.speedup is None or other.speedup is None or one.interval is None or other.interval is None:
        value = one.time_us / other.time_us
        return value, Interval(low=value, high=value, confidence=1.0)
    value = other.speedup / one.speedup
    below = math.hypot(math.log(other.speedup / other.interval.low), math.log(one.interval.high / one.speedup))
    above = math.hypot(math.log(other.interval.high / other.speedup), math.log(one.speedup / one.interval.low))
    confidence = min(one.interval.confidence, other.interval.confidence)
    return value, Interval(low=value * math.exp(-below), high=value * math.exp(above), confidence=confidence)


def compared(lines: Sequence[Line]) -> tuple[str, bool, dict[str, float]]:
    """The last honest candidate against the first, in words; whether no difference is shown; the figures."""
    passed = [line.evaluation for line in lines if line.kind == HONEST and line.right and line.evaluation is not None]
    if len(passed) < 2:
        return "fewer than two honest candidates passed", False, {}
    value, interval = change(passed[0], passed[-1])
    same = not (faster(interval) or slower(interval))
    figures = {"ratio": value, "low": interval.low, "high": interval.high, "first_us": passed[0].time_us, "last_us": passed[-1].time_us}
    words = f"the last honest candidate is {value:.4f} times as fast as the first [{interval.low:.4f}, {interval.high:.4f}]"
    times = f"{passed[0].time_us:.2f} and {passed[-1].time_us:.2f} µs"
    return f"{words}, {times}; a difference below {MIN_EFFECT:.0%} is none", same, figures


def remains(found: Sequence[str], what: str) -> tuple[str, bool]:
    return f"{what} left: {len(found)}" + (f" ({'; '.join(found[:3])})" if found else ""), not found


def run(options: argparse.Namespace) -> dict[str, object]:
    """The storm and what was looked at afterwards."""
    task = catalog.task(options.task)
    before = descriptors()
    lab = open_lab(device=options.device, metrics="none")
    kinds = [name for name, kind in KINDS.items() if name != HONEST and not (kind.gpu_alone and options.device == "emulated")]
    begun = time.perf_counter()
    try:
        lines = list(judged(order(options.candidates, kinds, options.seed), task, lab, options.parallel, options.fill << 30))
        seconds = time.perf_counter() - begun
        lab.device.close()
        left = [
            remains(settled(processes, lab.scratch), "processes"),
            remains(settled(folders, lab.scratch), "folders of boxes"),
            remains(settled(groups), "control groups"),
        ]
        name = lab.device.name
    finally:
        lab.close()
    extra = descriptors() - before
    words, same, figures = compared(lines)
    wrong = [line for line in lines if not line.right]
    lost = sum(line.evaluation is None for line in lines)
    looks = [
        (f"candidates with a verdict: {len(lines) - lost} of {options.candidates}", lost == 0 and len(lines) == options.candidates),
        (f"verdicts that do not fit: {len(wrong)}", not wrong),
        *left,
        (f"descriptors more than before: {extra}", extra <= DESCRIPTORS),
        (words, same),
    ]
    print(table(lines))
    for text, fine in looks:
        print(f"{'ok  ' if fine else 'DIFF'} {text}")
    failed = [text for text, fine in looks if not fine]
    end = "all of it held" if not failed else f"{len(failed)} of {len(looks)} did not hold"
    print(f"{len(lines)} candidates in {seconds:.0f} s on {name}, {sum(line.kind != HONEST for line in lines)} of them bad: {end}")
    rows = [
        {"kind": line.kind, "got": line.got, "right": line.right, "raised": line.raised, "seconds": round(line.seconds, 2)}
        for line in lines
    ]
    looked = [{"text": text, "held": fine} for text, fine in looks]
    return {
        "device": name,
        "task": options.task,
        "seed": options.seed,
        "seconds": seconds,
        "looked": looked,
        "last": figures,
        "candidates": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--task", default="core/row_softmax")
    parser.add_argument("--candidates", type=int, default=300)
    parser.add_argument("--parallel", type=int, default=8, help="candidates under way at once: building uses CPU cores, the GPU runs one")
    parser.add_argument("--fill", type=int, default=20, metavar="GIB")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.candidates < 3 * EDGE:
        parser.error(f"a storm has {3 * EDGE} candidates at least")
    found = run(options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(any(not look["held"] for look in found["looked"]))


if __name__ == "__main__":
    main()
