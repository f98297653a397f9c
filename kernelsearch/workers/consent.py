"""Asking the owner of a run before a candidate is built or run.

Attempts ask in their threads and wait; the thread that owns the run puts the questions, one at a time, between its other duties. When the
run ends nobody is asked any more, and whoever waits is told so. What cost nothing and was never decided is not recorded: a resumed run
comes to it again.
"""

from __future__ import annotations

import enum
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from kernelsearch.model import Attempt, Candidate, Node, Outcome

UNASKED = "not run: the run ended before its owner had decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May `candidate` be built and run? It is an edit of `parent`, or a repair of one."""

    candidate: Candidate
    parent: Node
    asked: str = ""  # directive that was asked for
    waiting: int = 0  # questions behind this one


class Ruling(enum.Enum):
    """What the owner says."""

    YES = "yes"
    NO = "no"
    ALL = "all"  # yes, and to all that come
    QUIT = "quit"  # end the run


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A ruling; `reason` goes to the model where it is no."""

    ruling: Ruling
    reason: str = ""


Ask = Callable[[Question], Answer]


@dataclass(slots=True, eq=False)
class _Waiting:
    question: Question
    decided: threading.Event = field(default_factory=threading.Event)
    why_not: str | None = None


class Desk:
    """`allowed` may be called from any thread; the rest from the one that owns the run."""

    def __init__(self, ask: Ask, stop: threading.Event) -> None:
        self._ask = ask
        self._stop = stop
        self._lock = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._all = False
        self._closed = False

    def allowed(self, question: Question) -> str | None:
        """Wait for the owner's word: None when the candidate may run, else why not."""
        mine = _Waiting(question)
        with self._lock:
            if self._closed or self._all:
                return UNASKED if self._closed else None
            self._queue.append(mine)
        mine.decided.wait()
        return mine.why_not

    def serve(self) -> None:
        """Put the questions that wait. Ends at once where the run is told to stop."""
        while not self._stop.is_set():
            with self._lock:
                if not self._queue:
                    return
                mine, behind = self._queue.popleft(), len(self._queue)
            question = mine.question
            answer = self._ask(Question(candidate=question.candidate, parent=question.parent, asked=question.asked, waiting=behind))
            if answer.ruling is Ruling.QUIT:
                self._stop.set()
                self._settle(mine, UNASKED)
            elif answer.ruling is Ruling.NO:
                self._settle(mine, f"the owner of this run refused it{f': {answer.reason}' if answer.reason else ''}")
            else:
                self._settle(mine, None)
                if answer.ruling is Ruling.ALL:
                    self._release()
        self.close()

    def close(self) -> None:
        """Ask nobody any more."""
        with self._lock:
            self._closed = True
            left, self._queue = self._queue, deque()
        for mine in left:
            self._settle(mine, UNASKED)

    def _release(self) -> None:
        with self._lock:
            self._all = True
            left, self._queue = self._queue, deque()
        for mine in left:
            self._settle(mine, None)

    @staticmethod
    def _settle(mine: _Waiting, why_not: str | None) -> None:
        mine.why_not = why_not
        mine.decided.set()


def undecided(attempt: Attempt) -> bool:
    """Whether the run ended before the owner decided, and nothing was paid."""
    return attempt.outcome is Outcome.DECLINED and attempt.detail == UNASKED and not attempt.usage.calls
