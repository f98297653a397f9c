"""Talking a box through a job: which calls, with which contents, and what its silence means.

Verifying is done here, call by call: twice each on the same contents over different poison, the first call alone until somebody has looked
at its outputs. Timing is the timekeeper's. What a box says of itself becomes a failure where it incriminates the candidate, and is
otherwise a claim.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from kernelsearch import contents, wire
from kernelsearch.device.base import Call, CallResult, Job, JobResult, Rung, Tensor
from kernelsearch.device.cuda_job import Delivery, Export, sets_of
from kernelsearch.model import Verdict

# Time of a call by the clock outside that may lie beyond its claim, or short of it: after enough calls in a row the two agreed within
# 11 µs for honest kernels on an H100, the first after a start included; a kernel's time may depend a little on what ran before it.
SLACK_US, SLACK_SHARE = 20.0, 0.10
CALL_S = 6.0  # the longest that one call may take
_READY_S = 60.0  # loading a candidate, which may be a large library


class Ended(Exception):
    """The box will answer no more: "late", "gone" or "garbled"."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def wait_ready(channel: socket.socket, timeout_s: float) -> wire.Answer:
    """The box has loaded its candidate. Raises `Ended`."""
    return _answer(channel, wire.Op.READY, time.monotonic() + min(_READY_S, timeout_s))


def verify(job: Job, channel: socket.socket, delivery: Delivery, rung: Rung | None) -> tuple[list[Export], JobResult | None]:
    """Every call of the job; the exports that were made, and a failure if the box showed one. Raises `Ended`."""
    deadline = time.monotonic() + job.timeout_s
    exports: list[Export] = []
    for number, call in enumerate(job.calls):
        first = None
        for again in range(2):
            poison = secrets.randbits(64) if again else 0
            distribution = contents.DISTRIBUTIONS.index(call.distribution)
            seal = secrets.randbits(64) if first is None else first.seal
            order = wire.Order(wire.Op.CALL, number, 0, distribution, call.key, poison, seal)
            answer = _ask(channel, order, wire.Op.DONE, deadline)
            if answer.flags:
                return exports, flagged(call, answer.flags, answer.region)
            if first is not None and answer.digest == first.digest:
                continue
            first = Export(2 * number + again, number, answer.digest, order.seal)
            _ask(channel, wire.Order(wire.Op.EXPORT, first.number, seal=secrets.randbits(64)), wire.Op.EXPORTED, deadline)
            exports.append(first)
        if number == 0 and rung is not None and not _passes(rung, call, delivery, exports[0]):
            return exports[:1], None
    return exports, None


def _passes(rung: Rung, call: Call, delivery: Delivery, export: Export) -> bool:
    outputs = delivery.outputs(export)
    return outputs is not None and rung(CallResult(label=call.label, outputs=outputs))


def schedule(job: Job, gpu: str, most_sets: int) -> dict[str, Any]:
    """What the timekeeper is told."""
    calls = []
    for number, call in enumerate(job.calls):
        samples = [
            (index, sample.key, contents.DISTRIBUTIONS.index(sample.distribution))
            for index, sample in enumerate(job.samples)
            if sample.call == number
        ]
        calls.append(
            {
                "distribution": contents.DISTRIBUTIONS.index(call.distribution),
                "decoys": [contents.DISTRIBUTIONS.index(name) for name in call.decoys],
                "samples": samples,
                "sets": sets_of(call, most_sets),
                "again": not any(isinstance(arg, Tensor) and arg.written and (arg.file or arg.recipe) for arg in call.args),
            }
        )
    return {
        "calls": calls,
        "plan": asdict(job.timing),
        "timeout_s": job.timeout_s,
        "call_s": CALL_S,
        "linger_s": job.linger_s,
        "gpu": gpu,
        "in_a_row": job.plan is None,  # where a launch plan is ours to carry out, no code of a candidate makes claims
        "slack_us": SLACK_US,
        "slack_share": SLACK_SHARE,
    }


def flagged(call: Call, flags: int, region: int) -> JobResult:
    """What a box noticed around a call, as the failure that it is."""
    name = call.args[region].name if region < len(call.args) else "a scratch buffer"
    if flags & wire.Flag.BAND_CHANGED:
        detail = f"wrote outside of {name}"
    elif flags & wire.Flag.INPUT_CHANGED:
        detail = f"changed its input {name}"
    else:
        detail = "an output still changed after the call had ended: work went on elsewhere"
    return JobResult(failure=Verdict.CHEATED, detail=f"{call.label}: {detail}")


def ended(why: str, call_labels: Sequence[str], died: Callable[[], str]) -> JobResult:
    """A box that stopped answering, where it left no report."""
    place = f"{call_labels[0]}: " if len(call_labels) == 1 else ""
    if why == "late":
        return JobResult(failure=Verdict.TIMED_OUT, detail=f"{place}no answer after {CALL_S:g} s for one call")
    if why == "garbled":
        return JobResult(failure=Verdict.CHEATED, detail=f"{place}it answered with what no runner says: the candidate spoke for it")
    return JobResult(failure=Verdict.CRASHED, detail=f"{place}{died()}")


def _ask(channel: socket.socket, order: wire.Order, expected: wire.Op, deadline: float) -> wire.Answer:
    try:
        channel.settimeout(max(0.001, min(CALL_S, deadline - time.monotonic())))
        channel.sendall(order.pack())
    except OSError as error:
        raise Ended("gone") from error
    answer = _answer(channel, expected, min(deadline, time.monotonic() + CALL_S))
    if not answer.answers(order):
        raise Ended("garbled")
    return answer


def _answer(channel: socket.socket, expected: wire.Op, deadline: float) -> wire.Answer:
    try:
        channel.settimeout(max(0.001, deadline - time.monotonic()))
        data = channel.recv(wire.ANSWER_BYTES + 1)
        if not data:
            raise Ended("gone")
        answer = wire.read_answer(data)
    except TimeoutError as error:
        raise Ended("late") from error
    except OSError as error:
        raise Ended("gone") from error
    except wire.Garbled as error:
        raise Ended("garbled") from error
    if answer.op is not expected:
        raise Ended("garbled")
    return answer
