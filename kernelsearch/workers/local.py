"""Attempts in threads of this process: waiting for a model, building and running all happen in other processes anyway.

The threads are daemons, one a request, so that a run that is stopped does not wait for a model that is still thinking; the boxes of
their candidates die with this process.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future

from kernelsearch.lab import Lab
from kernelsearch.model import Attempt, Node, Task
from kernelsearch.propose.base import Proposer
from kernelsearch.workers.attempt import Bench, attempt, built_to
from kernelsearch.workers.base import Request
from kernelsearch.workers.judged import Judged


class LocalWorker:
    """As many attempts at a time as are asked for; the device lets one of them run kernels."""

    def __init__(self, *, task: Task, lab: Lab, proposer: Proposer) -> None:
        self._judged = Judged()
        self._bench = Bench(task=task, lab=lab, proposer=proposer, judged=self._judged)

    def submit(self, request: Request) -> Future[Attempt]:
        future: Future[Attempt] = Future()
        threading.Thread(target=self._fulfil, args=(request, future), name="attempt", daemon=True).start()
        return future

    def remember(self, node: Node) -> None:
        if node.candidate is not None and node.evaluation is not None:
            self._judged.put(node.candidate, node.evaluation, built_to(node.evaluation, self._bench.task))

    def close(self) -> None:
        """Nothing to release: attempts still under way are left to end on their own."""

    def _fulfil(self, request: Request, future: Future[Attempt]) -> None:
        try:
            future.set_result(attempt(request, self._bench))
        except BaseException as error:  # noqa: BLE001 - the thread that waits for the future raises it again, whatever it is
            future.set_exception(error)
