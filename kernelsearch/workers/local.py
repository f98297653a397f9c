"""Attempts in threads of this process: waiting for a model, building and running all happen in other processes anyway."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from kernelsearch import digest
from kernelsearch.lab import Lab
from kernelsearch.model import Attempt, Evaluation, Node, Outcome, Task
from kernelsearch.propose.base import Proposer
from kernelsearch.workers.attempt import Bench, attempt
from kernelsearch.workers.base import Request


class LocalWorker:
    """`parallel` attempts at a time; the device lets one of them run kernels."""

    def __init__(self, *, task: Task, lab: Lab, proposer: Proposer, parallel: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="attempt")
        self._judged: dict[str, Evaluation] = {}
        self._lock = threading.Lock()
        self._bench = Bench(task=task, lab=lab, proposer=proposer, known=self._known)

    def submit(self, request: Request) -> Future[Attempt]:
        return self._pool.submit(self._run, request)

    def remember(self, node: Node) -> None:
        if node.candidate is not None and node.evaluation is not None:
            with self._lock:
                self._judged.setdefault(digest.candidate(node.candidate), node.evaluation)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, request: Request) -> Attempt:
        done = attempt(request, self._bench)
        if done.outcome is Outcome.EVALUATED and done.candidate is not None and done.evaluation is not None:
            with self._lock:
                self._judged[digest.candidate(done.candidate)] = done.evaluation
        return done

    def _known(self, name: str) -> Evaluation | None:
        with self._lock:
            return self._judged.get(name)
