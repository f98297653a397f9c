"""The searching side of a spool: it asks, waits for answers in one thread for all attempts, and needs no device and no compiler.

The first question is always the baseline. Its answer tells which hardware there is, before a run folder is made; when the run then asks
for its baseline that is the same question, so it has been answered. A run that is resumed finds its answers in the same way.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from pathlib import Path

from kernelsearch import digest, paths
from kernelsearch.errors import BaselineFailed, DeviceLost, KernelSearchError, SandboxBroken, ToolMissing, UsageError
from kernelsearch.evaluate import Known, none_known
from kernelsearch.model import Environment, Evaluation, Hardware, MetricSet, Task
from kernelsearch.store.reports import FOLDER, Reports
from kernelsearch.workers.base import Work
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool.claims import Claims, Pulse, stranger, workers
from kernelsearch.workers.spool.folder import Folder, read
from kernelsearch.workers.spool.letters import Answer, Wanted, report_of, request, unpack

_ALONE_S = 5.0  # without a worker at work for so long, a person is told how to start one
_OURS: tuple[type[KernelSearchError], ...] = (BaselineFailed, DeviceLost, SandboxBroken, ToolMissing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often the folder is looked at, in seconds."""

    poll_s: float = 0.1
    others_s: float = 2.0  # for what befell workers


class SpoolSite:
    """See `workers.base.Site`. `secret` and `metrics` are those of the run; `say` takes sentences for a person, from any thread."""

    def __init__(
        self,
        path: Path,
        *,
        secret: str,
        metrics: MetricSet | None,
        say: Callable[[str], None],
        pace: Pace | None = None,
        energy: bool = False,
    ) -> None:
        self._folder = Folder(path)
        self._secret, self._metrics, self._say = secret, metrics, say
        self._pace, self._energy = pace or Pace(), energy
        self._others = _Others(self._folder, say)
        self._scratch = paths.new_scratch()
        self._reports = Reports(self._scratch / FOLDER)
        self._first: Answer | None = None
        self._asked: dict[str, Future[Answer]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        in_thread(self._listen)

    @property
    def hardware(self) -> Hardware:
        if self._first is None or self._first.hardware is None:
            raise ValueError("the hardware is known when the site has begun")
        return self._first.hardware

    @property
    def environment(self) -> Environment:
        if self._first is None or self._first.evaluation is None:
            raise ValueError("the environment is known when the site has begun")
        return self._first.evaluation.environment

    @property
    def places(self) -> int:
        return 1

    @property
    def scratch(self) -> Path:
        return self._scratch

    @property
    def reports(self) -> Reports:
        return self._reports

    def begin(self, task: Task, idle: Callable[[], bool]) -> None:
        """Wait for the baseline's answer. Raises `UsageError` when told to give up, and what `judge` does."""
        answer = in_thread(self._ask, Work(task=task, candidate=digest.baseline(task)))
        while not wait([answer], timeout=self._pace.poll_s).done:
            if idle():
                raise UsageError(f"stopped before anything was answered: is `kernelsearch worker {self._folder.path}` running?")
        self._first = answer.result()

    def judge(self, work: Work, known: Known = none_known) -> Evaluation:
        """What was compiled to the same code as one that a worker judged for this run comes back as that one's evaluation."""
        evaluation = self._ask(work).evaluation
        if evaluation is None:
            raise ValueError("an answer without an evaluation was raised as a failure")
        if work.trial is None and evaluation.build is not None and (twin := known(evaluation.build.code)) is not None:
            return twin
        return replace(evaluation, candidate=digest.candidate(work.candidate))

    def close(self) -> None:
        """Withdraw what nobody has taken up. What is being judged is answered in the folder, for a run that is resumed."""
        self._closed.set()
        claimed = Claims(self._folder, "", self._others.pulse).all()
        with self._lock:
            for name, future in self._asked.items():
                if name not in claimed:
                    self._folder.file("requests", name).unlink(missing_ok=True)
                future.set_exception(UsageError("the run ended before this was answered"))
            self._asked.clear()
        paths.drop_scratch(self._scratch)

    def _ask(self, work: Work) -> Answer:
        """The answer with an evaluation. One that tells of a failure is raised; in a later session the question is asked once more."""
        # The first answer decides whether times are measured or modelled; until then either will do, and for the baseline it did.
        is_first = self._first is None or work.candidate == digest.baseline(work.task)
        for turn in itertools.count():
            wanted = Wanted(
                task=work.task,
                candidate=work.candidate,
                incumbent=work.incumbent,
                trial=work.trial,
                metrics=self._metrics,
                secret=self._secret,
                times="" if is_first else self.environment.time_kind,
                energy=self._energy,
                turn=turn,
            )
            name, data = request(wanted)
            if (old := self._read(name)) is None:
                answer = self._posted(name, data).result()
                if answer.evaluation is None:
                    raise _failure(answer)
                return answer
            if old.evaluation is not None:
                return old
        raise AssertionError("counting has no end")

    def _posted(self, name: str, data: bytes) -> Future[Answer]:
        with self._lock:
            if (asked := self._asked.get(name)) is not None:
                return asked
            path = self._folder.file("requests", name)
            try:
                self._folder.put_once(path, data)
            except OSError as error:
                raise UsageError(f"cannot write {path}: {error.strerror}. Mend that, then resume the run") from error
            future = self._asked[name] = Future()
            return future

    def _listen(self) -> None:
        """Hand out answers as they come."""
        looked = 0.0
        while not self._closed.wait(self._pace.poll_s):
            with self._lock:
                waiting = dict(self._asked)
            if not waiting:
                continue
            try:
                for name in self._folder.known("results") & waiting.keys():
                    if (answer := self._read(name)) is not None:
                        self._deliver(name, answer)
                if time.monotonic() - looked > self._pace.others_s:
                    looked = time.monotonic()
                    self._others.look(waiting.keys())
            except OSError as error:
                self._others.once(f"{self._folder.path} cannot be read: {error.strerror}; looking again")

    def _deliver(self, name: str, answer: Answer) -> None:
        with self._lock:
            future = self._asked.pop(name, None)
        if future is None:  # the run ended meanwhile
            return
        with contextlib.suppress(OSError):  # only tidiness: a request with its answer is not taken up again
            self._folder.file("requests", name).unlink(missing_ok=True)
        future.set_result(answer)

    def _read(self, name: str) -> Answer | None:
        """The answer to `name`, if it is there and whole. What stays torn is set aside, so that the request is open again."""
        path = self._folder.file("results", name)
        try:
            data = read(path)
            if data is None:
                return None
            answer = unpack(Answer, data)
            if answer.request != name:
                raise UsageError("it answers another request")
            if report := report_of(answer):
                with contextlib.suppress(OSError):  # evidence for people; the scratch folder is full
                    self._reports.put(report)
            return answer
        except UsageError as error:
            if self._folder.settled(path) and (told := self._folder.set_aside(path, str(error))):
                self._say(told)
            return None


class _Others:
    """What a person should know of the workers of a folder, each thing once."""

    def __init__(self, folder: Folder, say: Callable[[str], None]) -> None:
        self.pulse = Pulse(folder)
        self._folder, self._say = folder, say
        self._claims = Claims(folder, "", self.pulse)
        self._said: set[str] = set()
        self._alone_since: float | None = None

    def look(self, waiting: Iterable[str]) -> None:
        """At those who serve the folder, and at claims on `waiting` requests that ended with a failure."""
        serving = workers(self._folder)
        for worker in serving:
            if why := stranger(self._folder, worker):
                self.once(why)
        self._alone(len([worker for worker in serving if self.pulse.beating(worker)]) > 0)
        claimed = self._claims.all()
        for name in claimed.keys() & set(waiting):
            for failure in self._claims.failures(name, claimed[name]):
                self.once(f"the worker {failure}; what it had in hand is free for others")

    def once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)

    def _alone(self, served: bool) -> None:
        now = time.monotonic()
        if served:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        elif now - self._alone_since >= _ALONE_S:
            self.once(f"no worker is seen at {self._folder.path}; where the GPU is: kernelsearch worker {self._folder.path}")


def _failure(answer: Answer) -> KernelSearchError:
    kind = next((kind for kind in _OURS if kind.__name__ == answer.error), UsageError)
    return kind(f"{answer.failure} (told by the worker {answer.worker})")
