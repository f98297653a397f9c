"""The messages between a box and those who drive it: fixed sizes, fixed fields, and no message that could be a verdict.

Standard library alone: the runner in the box loads this file too. Whoever reads a message from a box believes nothing in it but that it
came, and when.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

_MAGIC = b"KSW3"
_ORDER = struct.Struct("<4sBBHHIQQQ")
_ANSWER = struct.Struct("<4sBBHIdQQ")
ORDER_BYTES, ANSWER_BYTES = _ORDER.size, _ANSWER.size


class Op(enum.IntEnum):
    """What is asked of a box, and what it answers."""

    CALL = 1  # make inputs, call the candidate once, say how long it took -> DONE
    EXPORT = 2  # write the outputs of the last call to the files with this number -> EXPORTED
    END = 3  # nothing more will be asked
    READY = 4  # the candidate is loaded
    DONE = 5
    EXPORTED = 6
    WAKE = 7  # do something small, so that the device and the process are at hand -> AWAKE
    AWAKE = 8
    BATCH = 9  # `calls` calls in a row, on sets of buffers from `place` on, with keys that count up -> as many DONE, when all are over
    AGAIN = 11  # `calls` calls of one kind on the set of buffers `place`, with nothing of ours between -> DONE, when all are over


_ASKED = frozenset({Op.CALL, Op.EXPORT, Op.END, Op.WAKE, Op.BATCH, Op.AGAIN})


class Flag(enum.IntFlag):
    """What a box noticed around a call, in its own process: a tripwire for device code, a claim where host code runs."""

    INPUT_CHANGED = 1
    BAND_CHANGED = 2
    LATE = 4  # an output changed after the call had ended


class Order(NamedTuple):
    """`number` is the call's index, or that of the export; `place` chooses among a call's sets of buffers, of an export too."""

    op: Op
    number: int = 0
    place: int = 0
    distribution: int = 0
    key: int = 0  # of the inputs' contents
    poison: int = 0  # of the outputs' contents before the call; 0 is all ones
    seal: int = 0  # key of the digest, and the order's mark: the answer repeats it, so none can be sent ahead of its order
    calls: int = 1  # in a row

    def pack(self) -> bytes:
        return _ORDER.pack(_MAGIC, self.op, self.distribution, self.place, self.calls, self.number, self.key, self.poison, self.seal)


class Answer(NamedTuple):
    """`region` names the argument that a flag is about; `claimed_us` and `digest` are what the box says of a call. `seal` is that of the
    order."""

    op: Op
    number: int = 0
    flags: int = 0
    region: int = 0
    claimed_us: float = 0.0
    digest: int = 0
    seal: int = 0

    def pack(self) -> bytes:
        return _ANSWER.pack(_MAGIC, self.op, self.flags, self.region, self.number, self.claimed_us, self.digest, self.seal)

    def answers(self, order: Order) -> bool:
        """Whether it can be the answer to `order`, by what it repeats."""
        return self.number == order.number and self.seal == order.seal


class Garbled(Exception):
    """Bytes that no runner of ours sends."""


def read_order(data: bytes) -> Order:
    """Raises `Garbled`."""
    if len(data) != ORDER_BYTES or data[:4] != _MAGIC:
        raise Garbled(f"{len(data)} bytes are no order")
    _, op, distribution, place, calls, number, key, poison, seal = _ORDER.unpack(data)
    return Order(_op(op, _ASKED), number, place, distribution, key, poison, seal, calls)


def read_answer(data: bytes) -> Answer:
    """Raises `Garbled`."""
    if len(data) != ANSWER_BYTES or data[:4] != _MAGIC:
        raise Garbled(f"{len(data)} bytes are no answer")
    _, op, flags, region, number, claimed_us, digest, seal = _ANSWER.unpack(data)
    return Answer(_op(op, frozenset(Op) - _ASKED), number, flags, region, claimed_us, digest, seal)


def _op(value: int, known: frozenset[Op]) -> Op:
    """An order sent back is no answer, though it is as long as one."""
    if value not in known:
        raise Garbled(f"no such message is called {value}")
    return Op(value)
