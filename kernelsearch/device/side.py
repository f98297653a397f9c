"""One box in conversation with the timekeeper: what it is asked, and whether what comes back can be the answer."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from kernelsearch import wire

_LEAST_US, _MOST_US = 1e-6, 1e12  # that a box may claim: quotients of such times are finite
_LOOK_S = 0.002
_TIMED = (wire.Op.CALL, wire.Op.BATCH, wire.Op.AGAIN)
_ANSWERS = {
    **dict.fromkeys(_TIMED, wire.Op.DONE),
    wire.Op.EXPORT: wire.Op.EXPORTED,
    wire.Op.WAKE: wire.Op.AWAKE,
}


@dataclass(slots=True)
class Side:
    """One box in conversation. `why` is set once it can no longer be asked."""

    channel: socket.socket
    call_s: float  # the longest that one answer may take
    why: str = ""

    def ask(self, order: wire.Order, deadline: float) -> tuple[wire.Answer, float] | None:
        """The answer, and the µs it took; None when there is none, which ends the conversation."""
        found = self.ask_all(order, 1, deadline)
        return None if found is None else (found[0][0], found[1])

    def ask_all(
        self, order: wire.Order, count: int, deadline: float, meanwhile: Callable[[], None] | None = None
    ) -> tuple[list[wire.Answer], float] | None:
        """As many answers as the order has, and the µs until the last. `meanwhile` is called every few ms while there is none."""
        answers = []
        try:
            self.channel.settimeout(max(0.001, min(self.call_s * count, deadline - time.monotonic())))
            begun = time.perf_counter_ns()
            self.channel.sendall(order.pack())
            while meanwhile is not None and not select.select([self.channel], [], [], _LOOK_S)[0]:
                meanwhile()
                if time.perf_counter_ns() - begun > 1e9 * (self.channel.gettimeout() or 0.0):
                    raise TimeoutError
            for _ in range(count):
                data = self.channel.recv(wire.ANSWER_BYTES + 1)
                if not data:
                    self.why = "gone"
                    return None
                answers.append(wire.read_answer(data))
            took = (time.perf_counter_ns() - begun) / 1e3
        except TimeoutError:
            self.why = "late"
        except OSError:
            self.why = "gone"
        except wire.Garbled:
            self.why = "garbled"
        if not self.why and not all(_fits(answer, order) for answer in answers):
            self.why = "garbled"
        return None if self.why else (answers, took)


def _fits(answer: wire.Answer, order: wire.Order) -> bool:
    claims = order.op not in _TIMED or _LEAST_US < answer.claimed_us < _MOST_US
    return claims and answer.op is _ANSWERS[order.op] and answer.answers(order)
