"""A race, from inside the timekeeper's process: which calls are asked for, of whom, on which contents, and when there were enough.

Here is what must not be known in a box: which keys come, which calls will be looked at, how many there will be. What a box answers is a
claim. Claims are held against the clock here by calls in a row: what m calls take longer than one, over m - 1, is the GPU's time for a
call and for the work around it, free of what either process takes to wake. The work around is the same for candidate and rival, so that
the difference between the two must be the difference between what they claim of these very calls; and what is claimed of a call in a row
must have been claimed of calls that were timed, on the same sets of buffers: where these lie can matter (atomics on few addresses took
between 740 and 990 µs on an H100).
"""

from __future__ import annotations

import math
import random
import secrets
import socket
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernelsearch import wire
from kernelsearch.device import energy
from kernelsearch.device.side import Side
from kernelsearch.order_statistics import median_interval, settled

_REPEATS = 2  # pairs under held-down clocks are taken again, up to so many times the most that is wanted
_DECOY_EVERY = 5
_ROUNDS, _MOST_ROUNDS = 8, 96  # of calls in a row: further ones as long as the claims do not fit, since only noise goes away with more
_ROW_US = 1500.0  # the longest row, counting the rival's own time: for a long kernel few in a row say enough
_LEAST_IN_A_ROW = 3
_BOX_LATE_US = 50.0  # by which one box may answer later than the other, beyond what its calls took


# Of one round, the µs by the outside clock that calls in a row took, and one alone: ours, ours alone, theirs, theirs alone; then what was
# claimed of a call in a row, but for the first: the mean of ours, of theirs.
Round = tuple[float, float, float, float, float, float]


@dataclass(slots=True)
class _CallRecord:
    """Pairs of one call: [ours, theirs], µs, and the set of buffers of each. `rows`: see `Round`. `first`: set of buffers where rows begin.
    `exports`: [sample, digest, seal]."""

    pairs: list[tuple[float, float]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    rows: list[Round] = field(default_factory=list)
    in_a_row: int = 1
    first: int = 0
    exports: list[tuple[int, int, int]] = field(default_factory=list)
    repeated: int = 0
    clocks: list[int] = field(default_factory=list)

    def same(self) -> list[tuple[float, float]]:
        """The pairs on sets of buffers that calls in a row are compared by; all, where there is none."""
        those = range(self.first + 1, self.first + self.in_a_row)
        return [pair for pair, place in zip(self.pairs, self.places, strict=True) if place in those] or self.pairs


class Race:
    """One schedule, carried out."""

    def __init__(self, schedule: Mapping[str, Any], ours: socket.socket, theirs: socket.socket | None) -> None:
        self._schedule, self._plan = schedule, schedule["plan"]
        self._ours = Side(ours, schedule["call_s"])
        self._theirs = None if theirs is None else Side(theirs, schedule["call_s"])
        self._deadline = time.monotonic() + schedule["timeout_s"]
        self._watch = _watch(schedule["gpu"])
        self.flag: tuple[int, int, int] | None = None  # call, flags, argument

    def run(self) -> dict[str, Any]:
        records = []
        for number in range(len(self._schedule["calls"])):
            record = _CallRecord()
            records.append({"pairs": record.pairs, "rows": record.rows, "exports": record.exports})
            if not self._call(number, record):
                break
            records[-1].update(repeated=record.repeated, clocks=record.clocks, in_a_row=record.in_a_row, same=record.same())
        else:
            longest = energy.chosen(self._schedule["calls"], records) if self._plan["energy"] else None
            if longest is not None:
                records[longest]["energy"] = self._energy(longest, energy.typical_us(records[longest]))
        return {"calls": records, "ours": self._ours.why, "theirs": self._theirs.why if self._theirs else "", "flag": self.flag}

    def _energy(self, number: int, call_us: float) -> dict[str, float] | None:
        distribution = self._schedule["calls"][number]["distribution"]

        def ask(count: int, window: energy.Window) -> bool:
            order = wire.Order(wire.Op.AGAIN, number, 0, distribution, secrets.randbits(64), 0, secrets.randbits(64), count)
            return self._ours.ask_all(order, 1, self._deadline, window.look) is not None

        return energy.taken(ask, self._watch.energy_mj, call_us)

    def _call(self, number: int, record: _CallRecord) -> bool:
        """Time one call; False when the race cannot go on."""
        call, plan = self._schedule["calls"][number], self._plan
        warm_until = time.monotonic() + plan["warmup_ms"] / 1e3
        while True:
            pair = self._pair(number, secrets.randbits(64), call["distribution"], self._place(number))
            if pair is None:
                return False
            if time.monotonic() >= warm_until:
                break
        samples = list(call["samples"])
        record.in_a_row = min(call["sets"], max(_LEAST_IN_A_ROW, int(_ROW_US / pair[1])))  # by what the rival took: it is believed
        rows = self._theirs is not None and self._schedule["in_a_row"] and record.in_a_row > 1
        wanted = samples.pop() if rows and len(samples) > 1 else None
        waiting = self._places(samples)
        stop_at = time.monotonic() + plan["max_seconds"]
        turn = 0
        while not self._enough(record, turn, stop_at, waiting):
            if self._schedule["linger_s"] and turn == plan["min_samples"] // 2:
                time.sleep(self._schedule["linger_s"])  # whoever changes with time is to have it
                stop_at += self._schedule["linger_s"]
            sample = waiting.pop(turn, None)
            decoy = sample is None and call["decoys"] and turn % _DECOY_EVERY == _DECOY_EVERY - 1
            distribution = random.choice(call["decoys"]) if decoy else call["distribution"]
            key = secrets.randbits(64)
            if sample is not None:
                _, key, distribution = sample
            before, place = self._watch.held_down(), self._place(number)
            pair = self._pair(number, key, distribution, place, None if sample is None else (sample[0], record))
            if pair is None:
                return False
            turn += 1
            if (before or self._watch.held_down()) and record.repeated < _REPEATS * plan["max_samples"]:
                record.repeated += 1
            elif distribution == call["distribution"]:
                record.pairs.append(pair)
                record.places.append(place)
        record.clocks = self._watch.clocks()
        return not rows or self._in_a_row(number, record, wanted)

    def _places(self, samples: Sequence[Sequence[Any]]) -> dict[int, Sequence[Any]]:
        """At which turn each sample is taken: anywhere among the first that there will be, one of them early."""
        early, last = random.randrange(min(self._plan["few"], self._plan["min_samples"])), self._plan["min_samples"] - 1
        others = [turn for turn in range(last) if turn != early]
        turns = [early, *random.sample(others, min(len(others), max(0, len(samples) - 1)))]
        if self._schedule["linger_s"] and len(turns) > 1:
            turns[1] = last  # after the pause
        order = random.sample(range(len(samples)), len(samples))
        # The first sample is of the distribution that counts: the one that is taken early even from a slow candidate.
        order.sort(key=lambda index: index != 0)
        return dict(zip(turns, (samples[index] for index in order), strict=False))

    def _enough(self, record: _CallRecord, turn: int, stop_at: float, waiting: Mapping[int, Any]) -> bool:
        plan, count = self._plan, len(record.pairs)
        ratios = [theirs / ours for ours, theirs in record.pairs]
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

    def _place(self, number: int) -> int:
        """Some set of buffers."""
        return random.randrange(self._schedule["calls"][number]["sets"])

    def _pair(
        self, number: int, key: int, distribution: int, place: int, export: tuple[int, _CallRecord] | None = None
    ) -> tuple[float, float] | None:
        """Both sides once, in random order, on the same contents in the same set of buffers."""
        poison = secrets.randbits(64) if random.random() < 0.5 else 0
        order = wire.Order(wire.Op.CALL, number, place, distribution, key, poison, secrets.randbits(64))
        sides = [self._ours] if self._theirs is None else random.sample([self._ours, self._theirs], 2)
        found: dict[int, float] = {}
        for side in sides:
            answered = self._called(side, order, 1, number)
            if answered is None:
                return None
            answers, _ = answered
            found[id(side)] = answers[0].claimed_us
            if side is self._ours and export is not None and not self._exported(export[0], 0, answers[0], order.seal, export[1]):
                return None
        ours = found[id(self._ours)]
        return ours, found[id(self._theirs)] if self._theirs else ours

    def _in_a_row(self, number: int, record: _CallRecord, sample: Sequence[Any] | None) -> bool:
        """Rounds of m calls in a row and of one, on both sides, until the claims fit or there were enough.

        The outputs of one of the calls are those of `sample`; which, is chance. So is on which sets of buffers they are made, which nobody
        could know while pairs were timed there.
        """
        record.first = random.randrange(self._schedule["calls"][number]["sets"] - record.in_a_row + 1)
        sampled = random.randrange(_ROUNDS) if sample is not None else -1
        while len(record.rows) < _MOST_ROUNDS:
            turn = len(record.rows)
            if turn >= _ROUNDS and turn % _ROUNDS == 0 and self._explained(record):
                break
            if not self._round(number, record, sample if turn == sampled else None):
                return False
        return True

    def _explained(self, record: _CallRecord) -> bool:
        excess, _ = unexplained(record.rows, record.in_a_row, record.same())
        claimed = statistics.median(ours for ours, _ in record.pairs)
        return bool(abs(excess) <= max(self._schedule["slack_us"], self._schedule["slack_share"] * claimed) / 2)

    def _round(self, number: int, record: _CallRecord, sample: Sequence[Any] | None) -> bool:
        call, most = self._schedule["calls"][number], record.in_a_row
        walls: dict[tuple[bool, int], float] = {}
        claims: dict[bool, float] = {}
        for ours, count in random.sample([(ours, count) for ours in (True, False) for count in (most, 1)], 4):
            side = self._ours if ours else self._theirs
            if side is None:
                return False
            wanted = sample if ours and count > 1 else None
            place = random.randrange(count)
            key = secrets.randbits(64) if wanted is None else (wanted[1] - place) % 2**64
            distribution = call["distribution"] if wanted is None else wanted[2]
            order = wire.Order(wire.Op.BATCH, number, record.first, distribution, key, 0, secrets.randbits(64), count)
            answered = self._called(side, order, count, number)
            if answered is None:
                return False
            walls[ours, count] = answered[1]
            if count > 1:
                claims[ours] = statistics.fmean(answer.claimed_us for answer in answered[0][1:])
            if wanted is not None and not self._exported(wanted[0], place, answered[0][place], order.seal, record):
                return False
        record.rows.append((walls[True, most], walls[True, 1], walls[False, most], walls[False, 1], claims[True], claims[False]))
        return True

    def _called(self, side: Side, order: wire.Order, count: int, number: int) -> tuple[list[wire.Answer], float] | None:
        """Answers to calls, unless the conversation ends here: with silence, or with a flag that incriminates the candidate."""
        # The GPU changes hands before the clock starts: that takes from ten to some hundred µs.
        if side.ask(wire.Order(wire.Op.WAKE, seal=secrets.randbits(64)), self._deadline) is None:
            return None
        answered = side.ask_all(order, count, self._deadline)
        flagged = None if answered is None else next((answer for answer in answered[0] if answer.flags), None)
        if flagged is not None and side is self._ours:
            self.flag = number, flagged.flags, flagged.region
            return None
        return answered

    def _exported(self, sample: int, place: int, answer: wire.Answer, seal: int, record: _CallRecord) -> bool:
        """Ask for outputs that were committed to, of call number `place` of those that were made last."""
        exported = self._ours.ask(wire.Order(wire.Op.EXPORT, sample, place, seal=secrets.randbits(64)), self._deadline)
        if exported is not None:
            record.exports.append((sample, answer.digest, seal))
        return exported is not None


class _NoWatch:
    """Where the state of the GPU cannot be read."""

    def held_down(self) -> bool:
        return False

    def clocks(self) -> list[int]:
        return []

    def energy_mj(self) -> int | None:
        return None


def _watch(gpu: str) -> Any:  # noqa: ANN401 - either kind of watch
    if not gpu:
        return _NoWatch()
    from kernelsearch.device import nvml

    return nvml.watch(gpu) or _NoWatch()


def unexplained(rows: Sequence[Round], count: int, pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """µs of a call that the candidate did not claim, by the outside clock, and how uncertain that is.

    `rows` are rounds of `count` calls in a row and of one, `pairs` what was claimed of the same call when it was timed. An answer can come
    late for many reasons and early for none, so it is the quickest that tell: the second of each kind. How uncertain that is, the rival's
    own answers say: by how much the fourth is later; the candidate's could be late on purpose. A candidate may look better by being slow
    where one call alone is timed; it is then taken to be as quick as its rival. Less than nothing unexplained means that work of ours
    around the calls was not done. What the candidate claims more of a call in a row than of one that was timed, and more so than its
    rival, it left out there.
    """
    if len(rows) < 4 or count < 2 or not pairs:
        return 0.0, math.inf
    *clocks, in_row, their_in_row = zip(*rows, strict=True)
    ordered = [sorted(column) for column in clocks]
    row, alone, their_row, their_alone = (column[1] for column in ordered)
    said, they_said = statistics.median(in_row), statistics.median(their_in_row)
    alone = min(alone, their_alone + max(0.0, said - they_said) + _BOX_LATE_US)
    beyond = (row - alone - their_row + their_alone) / (count - 1) - (said - they_said)
    slower = max(0.0, they_said - statistics.median(theirs for _, theirs in pairs))
    left_out = max(0.0, said - statistics.median(ours for ours, _ in pairs) - slower)
    doubt = math.sqrt(2) * math.hypot(*(column[3] - column[1] for column in ordered[2:])) / (count - 1)
    return (beyond if beyond < -left_out else max(0.0, beyond) + left_out), doubt
