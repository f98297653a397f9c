"""The clock outside the box: a small process that asks two boxes in turn for calls, and writes down when it asked and when they answered.

A process of its own, as the search's threads would hold the interpreter while an answer waits. It has no CUDA, runs nothing of a
candidate's, and keeps what must not be known in a box: which keys come, which calls will be looked at, how many there will be.

    Timekeeper.race(schedule, ours, theirs) -> the record of every pair

What a box answers is a claim. Beside it stands how long the answer took by this clock, for the candidate and for its rival alike: the
work around a call is the same for both, so a claim that leaves too much of the time unexplained shows.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernelsearch import wire
from kernelsearch.order_statistics import median_interval, settled

_LENGTH_BYTES = 8
_REPEATS = 2  # pairs under held-down clocks are taken again, up to so many times the most that is wanted
_DECOY_EVERY = 5
_ANSWERS = {wire.Op.CALL: wire.Op.DONE, wire.Op.EXPORT: wire.Op.EXPORTED, wire.Op.WAKE: wire.Op.AWAKE}


@dataclass(slots=True)
class _Side:
    """One box in conversation. `why` is set once it can no longer be asked."""

    channel: socket.socket
    call_s: float  # the longest that one answer may take
    why: str = ""

    def ask(self, order: wire.Order, deadline: float) -> tuple[wire.Answer, float] | None:
        """The answer, and the µs it took; None when there is none, which ends the conversation."""
        try:
            self.channel.settimeout(max(0.001, min(self.call_s, deadline - time.monotonic())))
            begun = time.perf_counter_ns()
            self.channel.sendall(order.pack())
            data = self.channel.recv(wire.ANSWER_BYTES + 1)
            took = (time.perf_counter_ns() - begun) / 1e3
            answer = wire.read_answer(data) if data else None
        except TimeoutError:
            self.why = "late"
            return None
        except OSError:
            self.why = "gone"
            return None
        except wire.Garbled:
            self.why = "garbled"
            return None
        if answer is None:
            self.why = "gone"
            return None
        expected = _ANSWERS[order.op]
        if answer.op is not expected or not answer.answers(order) or (not 0 < answer.claimed_us < 1e12 and order.op is wire.Op.CALL):
            self.why = "garbled"
            return None
        return answer, took


@dataclass(slots=True)
class _CallRecord:
    """Pairs of one call: [ours, theirs, ours by the outside clock, theirs by it], µs. `exports`: [sample, digest, seal]."""

    pairs: list[tuple[float, float, float, float]] = field(default_factory=list)
    exports: list[tuple[int, int, int]] = field(default_factory=list)
    repeated: int = 0
    clocks: list[int] = field(default_factory=list)


class _Race:
    """One schedule, carried out."""

    def __init__(self, schedule: Mapping[str, Any], ours: socket.socket, theirs: socket.socket | None) -> None:
        self._schedule, self._plan = schedule, schedule["plan"]
        self._ours = _Side(ours, schedule["call_s"])
        self._theirs = None if theirs is None else _Side(theirs, schedule["call_s"])
        self._deadline = time.monotonic() + schedule["timeout_s"]
        self._watch = _watch(schedule["gpu"])
        self.flag: tuple[int, int, int] | None = None  # call, flags, argument

    def run(self) -> dict[str, Any]:
        records = []
        for number in range(len(self._schedule["calls"])):
            record = _CallRecord()
            records.append({"pairs": record.pairs, "exports": record.exports})
            if not self._call(number, record):
                break
            records[-1].update(repeated=record.repeated, clocks=record.clocks)
        return {"calls": records, "ours": self._ours.why, "theirs": self._theirs.why if self._theirs else "", "flag": self.flag}

    def _call(self, number: int, record: _CallRecord) -> bool:
        """Time one call; False when the race cannot go on."""
        call, plan = self._schedule["calls"][number], self._plan
        warm_until = time.monotonic() + plan["warmup_ms"] / 1e3
        while True:
            if self._pair(number, secrets.randbits(64), call["distribution"]) is None:
                return False
            if time.monotonic() >= warm_until:
                break
        waiting = self._places(call["samples"])
        stop_at = time.monotonic() + plan["max_seconds"]
        turn = 0
        while not self._enough(record, turn, stop_at, waiting):
            sample = waiting.pop(turn, None)
            decoy = sample is None and call["decoys"] and turn % _DECOY_EVERY == _DECOY_EVERY - 1
            distribution = random.choice(call["decoys"]) if decoy else call["distribution"]
            key = secrets.randbits(64)
            if sample is not None:
                _, key, distribution = sample
            before = self._watch.held_down()
            pair = self._pair(number, key, distribution, None if sample is None else (sample[0], record))
            if pair is None:
                return False
            turn += 1
            if (before or self._watch.held_down()) and record.repeated < _REPEATS * plan["max_samples"]:
                record.repeated += 1
            elif distribution == call["distribution"]:
                record.pairs.append(pair)
        record.clocks = self._watch.clocks()
        return True

    def _places(self, samples: Sequence[Sequence[Any]]) -> dict[int, Sequence[Any]]:
        """At which turn each sample is taken: anywhere among the first that there will be, one of them early."""
        early = random.randrange(self._plan["few"])
        others = [turn for turn in range(self._plan["min_samples"]) if turn != early]
        turns = [early, *random.sample(others, min(len(others), max(0, len(samples) - 1)))]
        order = random.sample(range(len(samples)), len(samples))
        # The first sample is of the distribution that counts: the one that is taken early even from a slow candidate.
        order.sort(key=lambda index: index != 0)
        return dict(zip(turns, (samples[index] for index in order), strict=False))

    def _enough(self, record: _CallRecord, turn: int, stop_at: float, waiting: Mapping[int, Any]) -> bool:
        plan, count = self._plan, len(record.pairs)
        ratios = [theirs / ours for ours, theirs, _, _ in record.pairs]
        if self._theirs and count == plan["few"] and median_interval(ratios).high < 1 / plan["slow"]:
            return True
        if any(place >= turn for place in waiting) and turn < plan["min_samples"]:
            return False
        late = time.monotonic() >= stop_at
        if count >= plan["max_samples"] or (late and count >= min(plan["few"], plan["min_samples"])) or turn >= 4 * plan["max_samples"]:
            return True
        if count < plan["min_samples"] or count % 10:
            return False
        return settled(ratios if self._theirs else [pair[0] for pair in record.pairs], plan["width"])

    def _pair(
        self, number: int, key: int, distribution: int, export: tuple[int, _CallRecord] | None = None
    ) -> tuple[float, float, float, float] | None:
        """Both sides once, in random order, on the same contents in the same set of buffers."""
        place = random.randrange(self._schedule["calls"][number]["sets"])
        poison = secrets.randbits(64) if random.random() < 0.5 else 0
        order = wire.Order(wire.Op.CALL, number, place, distribution, key, poison, secrets.randbits(64))
        sides = [self._ours] if self._theirs is None else random.sample([self._ours, self._theirs], 2)
        found: dict[int, tuple[float, float]] = {}
        for side in sides:
            # The GPU changes hands before the clock starts: that takes from ten to some hundred µs.
            if side.ask(wire.Order(wire.Op.WAKE, seal=secrets.randbits(64)), self._deadline) is None:
                return None
            answered = side.ask(order, self._deadline)
            if answered is None:
                return None
            answer, took = answered
            found[id(side)] = answer.claimed_us, took
            if side is not self._ours:
                continue
            if answer.flags:
                self.flag = number, answer.flags, answer.region
                return None
            if export is not None:
                if side.ask(wire.Order(wire.Op.EXPORT, export[0], seal=secrets.randbits(64)), self._deadline) is None:
                    return None
                export[1].exports.append((export[0], answer.digest, order.seal))
        ours = found[id(self._ours)]
        theirs = found[id(self._theirs)] if self._theirs else ours
        return ours[0], theirs[0], ours[1], theirs[1]


class _NoWatch:
    """Where the state of the GPU cannot be read."""

    def held_down(self) -> bool:
        return False

    def clocks(self) -> list[int]:
        return []


def _watch(gpu: str) -> Any:  # noqa: ANN401 - either kind of watch
    if not gpu:
        return _NoWatch()
    from kernelsearch.device import nvml

    return nvml.watch(gpu) or _NoWatch()


def unexplained(pairs: Sequence[tuple[float, float, float, float]]) -> tuple[float, float]:
    """µs of the outside clock that a call took beyond its claim, in excess of the rival's, and the standard error of that.

    The median over pairs, with 1.25 sd/sqrt(n) for its error and the spread taken from the quartiles, as answers come late at times.
    """
    excess = [(wall - ours) - (rival_wall - theirs) for ours, theirs, wall, rival_wall in pairs]
    if len(excess) < 4:
        return statistics.median(excess) if excess else 0.0, 1e9
    quartiles = statistics.quantiles(excess, n=4)
    return statistics.median(excess), 1.25 * (quartiles[2] - quartiles[0]) / 1.349 / len(excess) ** 0.5


class Timekeeper:
    """The process, from our side. One race at a time; `close` ends it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kernelsearch.device.timekeeper", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the search to hear
            )

    def race(self, schedule: Mapping[str, Any], ours: socket.socket, theirs: socket.socket | None) -> dict[str, Any]:
        """The record of `schedule`. Raises `OSError` when the process is gone."""
        text = json.dumps(schedule).encode()
        channels = [side.fileno() for side in (ours, theirs) if side is not None]
        socket.send_fds(self._socket, [len(text).to_bytes(_LENGTH_BYTES, "little")], channels)
        self._socket.sendall(text)
        record: dict[str, Any] = json.loads(_receive(self._socket))
        return record

    def close(self) -> None:
        self._socket.close()
        self._process.wait(10)


def _receive(channel: socket.socket) -> bytes:
    return _exactly(channel, int.from_bytes(_exactly(channel, _LENGTH_BYTES), "little"))


def _exactly(channel: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        if not (part := channel.recv(min(1 << 20, count - len(data)))):
            raise ConnectionError("the other side is gone")
        data += part
    return bytes(data)


def _serve(channel: socket.socket) -> None:
    while True:
        length, descriptors, _, _ = socket.recv_fds(channel, _LENGTH_BYTES, 2)
        if not length:
            return
        sides = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        schedule = json.loads(_exactly(channel, int.from_bytes(length, "little")))
        record = json.dumps(_Race(schedule, sides[0], sides[1] if len(sides) > 1 else None).run()).encode()
        for side in sides:
            side.close()
        channel.sendall(len(record).to_bytes(_LENGTH_BYTES, "little") + record)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
