"""Workers at a spool that judge nothing: what an evaluation is follows from the candidate, after some milliseconds of sleep.

Run as a program it starts such workers as real processes, by forking, so that 50 of them cost no 50 starts of an interpreter.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nodes import ENVIRONMENT, passing

from kernelsearch import catalog, digest
from kernelsearch.model import Arg, ArgKind, Candidate, Case, DType, Expression, Form, Origin, Task
from kernelsearch.workers.base import Work
from kernelsearch.workers.spool.claims import Claims, Pulse
from kernelsearch.workers.spool.folder import Folder
from kernelsearch.workers.spool.letters import Wanted, request
from kernelsearch.workers.spool.serve import Ending, Terms, serve

TASK = Task(
    name="t",
    form=Form.LAUNCHER,
    entry="solve",
    args=(Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=(Expression("4"),)),),
    cases=(Case(name="c0", sizes={}, timed=True),),
    baseline="// baseline",
)


def work(number: int) -> Work:
    source = f"// candidate {number}"
    return Work(task=TASK, candidate=Candidate(task=digest.task(TASK), source=source, origin=Origin(proposer="rules")))


def wanted(number: int, **fields) -> Wanted:
    given = {"incumbent": None, "trial": None, "metrics": None, "secret": "told", **fields}
    return Wanted(task=TASK, candidate=work(number).candidate, **given)


def post(folder: Folder, number: int, **fields) -> str:
    """Put a request into a spool; returns its name."""
    name, data = request(wanted(number, **fields))
    folder.put_once(folder.file("requests", name), data)
    return name


def time_of(candidate: Candidate) -> float:
    """What every station finds for a candidate."""
    return 1.0 + random.Random(candidate.source).random()


def claims_of(folder: Folder, worker: str, clock=time.monotonic) -> Claims:
    return Claims(folder, worker, Pulse(folder, clock))


@dataclass
class FakeStation:
    """`errors` are raised instead of an answer, by source. `sign` is a file that is there once something is being judged."""

    sleep_s: float = 0.0
    sign: Path | None = None
    errors: dict[str, BaseException] = field(default_factory=dict)
    environment = ENVIRONMENT
    hardware = catalog.hardware("h100")

    def __post_init__(self) -> None:
        self.judged: list[str] = []
        self.held_s = 0.0
        self.reports: dict[str, bytes] = {}

    def report(self, name: str):
        return self.reports.get(name)

    def judge(self, wanted: Wanted):
        if self.sign is not None:
            self.sign.touch()
        time.sleep(self.sleep_s)
        self.held_s += self.sleep_s
        self.judged.append(wanted.candidate.source)
        if error := self.errors.get(wanted.candidate.source):
            raise error
        return passing(time_of(wanted.candidate), digest.candidate(wanted.candidate))


def served(folder: Path, station=None, *, ending: Ending | None = None, **terms):
    """A worker in this thread, until the folder is empty; returns its count and what it said."""
    said: list[str] = []
    chosen = Terms(**{"idle_s": 0.0, "poll_s": 0.005, "lease_s": 0.5, **terms})
    count = serve(folder, station or FakeStation(), chosen, ending or Ending(), said.append)
    return count, said


@contextmanager
def nursery(folder: Path):
    """A function that starts a worker process at `folder` and returns its number. It serves until it is killed, or until the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", __file__, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        started = []

        def start(terms: str = "") -> int:
            parent.stdin.write(f"{terms}\n")
            parent.stdin.flush()
            started.append(int(parent.stdout.readline()))
            return started[-1]

        try:
            yield start
        finally:
            for pid in started:
                kill(pid)
            parent.stdin.close()


def sign_of(folder: Path, pid: int) -> Path:
    """What is there once the worker process `pid` has begun to judge something."""
    return folder.with_name(f"{folder.name}.{pid}")


def kill(pid: int) -> None:
    """SIGKILL, if it still lives: nobody else has its number, as its parent does not reap it before the end."""
    os.kill(pid, signal.SIGKILL)


def _main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as warm:  # all that is made at first use is made before the forks
        post(Folder(Path(warm)), 0)
        served(Path(warm))
    for line in sys.stdin:
        lease_s, sleep_s = (float(number) for number in (line.split() or ("0.1", "0.003")))
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        terms = Terms(lease_s=lease_s, poll_s=0.002)
        serve(folder, FakeStation(sleep_s, sign_of(folder, os.getpid())), terms, Ending(), lambda text: None)
        os._exit(0)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
