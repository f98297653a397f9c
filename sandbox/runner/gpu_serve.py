"""Serves calls of the candidate, one order at a time, and answers with facts: how long it took, a digest, what had changed.

There is one way through here, whatever a call is wanted for: nothing in this process tells a call that will be looked at from one that
will be timed. Inputs come into being after the order and lie in one of several sets of buffers; L2 is flushed behind them. The GPU is kept
busy first, so that the host is ahead of it: no gap of launching lies between the two events, or between calls in a row.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gpu_base import Gpu, profiled
from gpu_call import Call, Program
from gpu_regions import GUARD, Keys, Region, Seen, Support

# At least, and four times L2: it takes the GPU some 90 µs. Half of that left gaps on an H100 when two processes took turns.
FLUSH_BYTES = 192 << 20
# So often the GPU is kept busy like that before the calls of an order begin, for each of them: the host needs some 200 µs to queue one, and
# twice that beside compilers. Once it falls behind, gaps lie within calls or between them, and a row of calls shows the host's time.
AHEAD = 3
LAUNCHES_A_FLUSH = 6  # of a launch plan, which cost Python 10 µs each: with more of them the GPU is kept busy for longer

MakeSupport = Callable[[list[Region], list[Region]], Support]


@dataclass(frozen=True, slots=True)
class Done:
    """One call: µs between its events, what was seen, and the first region that changed and must not."""

    us: float
    seen: Seen
    changed: Region | None


class Prepared:
    """A call on one set of buffers, with our own table over them."""

    def __init__(self, gpu: Gpu, program: Program, spec: Mapping[str, Any], inputs: Path, place: int | None, make: MakeSupport) -> None:
        self.call = Call(gpu, program, spec, inputs, place)
        self.regions = self.call.regions
        self.watched = self.call.watched
        self.support = make(self.regions, self.call.outputs)

    def free(self) -> None:
        self.support.free()
        self.call.free()


class Server:
    """The candidate, loaded, and the calls it can be asked for. Buffers of one call at a time are kept."""

    def __init__(self, gpu: Gpu, program: Program, job: Mapping[str, Any], folders: tuple[Path, Path], make: MakeSupport) -> None:
        self._gpu, self._program, self._calls, self._make = gpu, program, job["calls"], make
        self._inputs, self._outputs = folders
        self._prepared: dict[int | None, Prepared] = {}  # by set of buffers
        self._current = -1
        self._last: list[Prepared] = []
        self._guard = secrets.randbits(64)
        self._flush_bytes = max(4 * gpu.l2_bytes, FLUSH_BYTES) if job["flush_l2"] else 0
        self._flush_at = gpu.allocate(self._flush_bytes) if self._flush_bytes else 0
        self._events = [(gpu.event(), gpu.event())]
        self._observed: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def label(self) -> str:
        """The call under way, for messages."""
        return str(self._calls[self._current]["label"]) if self._current >= 0 else "loading"

    def call(self, number: int, place: int | None, keys: tuple[int, int, int, int]) -> Done:
        """One call. `keys`: of contents, distribution, poison and digest. Raises `CudaFailure`."""
        return self._calls_in_a_row(number, [place], keys)[0]

    def batch(self, number: int, places: Sequence[int], keys: tuple[int, int, int, int]) -> list[Done]:
        """Calls on these sets of buffers, their keys counting up, queued without a pause: the GPU is busy from first to last."""
        return self._calls_in_a_row(number, places, keys)

    def _calls_in_a_row(self, number: int, places: Sequence[int | None], keys: tuple[int, int, int, int]) -> list[Done]:
        ready = [self._ready(number, place) for place in places]
        while len(self._events) < len(ready):
            self._events.append((self._gpu.event(), self._gpu.event()))
        key, distribution, poison, seal = keys
        gpu = self._gpu
        gpu.reset_l2()
        self._flush(AHEAD * len(ready))
        around = []
        for index, (item, (begin, end)) in enumerate(zip(ready, self._events, strict=False)):
            around.append(Keys((key + index) % 2**64, distribution, poison, self._guard, seal))
            item.support.prepare(around[-1])
            self._flush(1 + item.call.launches // LAUNCHES_A_FLUSH)
            item.call.ready()
            with self._observed():
                gpu.record(begin)
                item.call.launch()
                gpu.record(end)
            item.call.collect()
            item.support.seal(around[-1])
        gpu.synchronise()  # all streams: what is still to come shows in the second digest
        done = []
        for item, keyed, (begin, end) in zip(ready, around, self._events, strict=False):
            seen = item.support.look(keyed)
            changed = next((index for index in range(item.watched) if seen.changed[index]), None)
            region = None if changed is None else item.regions[changed]
            done.append(Done(gpu.elapsed_us(begin, end), seen, region))
        self._last = ready
        return done

    def again(self, number: int, place: int, count: int, keys: tuple[int, int, int, int]) -> float:
        """`count` calls on the same buffers with nothing of ours between: µs a call, waiting for the host included.

        For what the GPU draws meanwhile. Contents are made once; what the calls put out is looked at by nobody.
        """
        item = self._ready(number, place)
        key, distribution, poison, seal = keys
        item.support.prepare(Keys(key, distribution, poison, self._guard, seal))
        item.call.ready()
        begin, end = self._events[0]
        self._gpu.record(begin)
        for _ in range(count):
            item.call.launch()
        self._gpu.record(end)
        self._gpu.synchronise()
        return self._gpu.elapsed_us(begin, end) / count

    def export(self, number: int, place: int) -> None:
        """The outputs of call number `place` of those that were made last."""
        if place < len(self._last):
            self._last[place].call.export(self._outputs, number)

    def wake(self) -> None:
        """Take the GPU from whoever had it."""
        if self._flush_at:
            self._gpu.fill(self._flush_at, 0x5A, 1 << 20)
        self._gpu.synchronise()

    def once(self) -> None:
        """Each call once, with the keys of the job: for a profiler or a sanitizer around this process."""
        if self._gpu.on_device:
            self._observed = profiled
        for number, spec in enumerate(self._calls):
            self.call(number, None, (spec["key"], spec["distribution"], 0, 0))

    def empty_us(self) -> float:
        """Time of an empty pair of events, queued as calls are."""
        pairs = []
        begin, end = self._events[0]
        for _ in range(11):
            self._flush(1)
            self._gpu.record(begin)
            self._gpu.record(end)
            self._gpu.wait(end)
            pairs.append(self._gpu.elapsed_us(begin, end))
        return sorted(pairs)[len(pairs) // 2]

    def _flush(self, times: int) -> None:
        """Write over all of L2, where that is asked for."""
        for _ in range(times if self._flush_at else 0):
            self._gpu.fill(self._flush_at, 0x5A, self._flush_bytes)

    def _ready(self, number: int, place: int | None) -> Prepared:
        if number != self._current:
            for prepared in self._prepared.values():
                prepared.free()
            self._prepared.clear()
            self._current, self._last = number, []
        if place not in self._prepared:
            self._prepared[place] = Prepared(self._gpu, self._program, self._calls[number], self._inputs, place, self._make)
        return self._prepared[place]


def serve(server: Server, receive: Callable[[], bytes], send: Callable[[bytes], None], wire: ModuleType) -> None:
    """Answer orders until there are no more."""
    send(wire.Answer(wire.Op.READY, claimed_us=server.empty_us()).pack())
    while data := receive():
        order = wire.read_order(data)
        keys = (order.key, order.distribution, order.poison, order.seal)
        if order.op is wire.Op.CALL:
            send(_answer(server.call(order.number, order.place, keys), order, wire))
        elif order.op is wire.Op.BATCH:
            for done in server.batch(order.number, range(order.place, order.place + order.calls), keys):
                send(_answer(done, order, wire))
        elif order.op is wire.Op.AGAIN:
            us = server.again(order.number, order.place, order.calls, keys)
            send(wire.Answer(wire.Op.DONE, order.number, claimed_us=us, seal=order.seal).pack())
        elif order.op is wire.Op.WAKE:
            server.wake()
            send(wire.Answer(wire.Op.AWAKE, order.number, seal=order.seal).pack())
        elif order.op is wire.Op.EXPORT:
            server.export(order.number, order.place)
            send(wire.Answer(wire.Op.EXPORTED, order.number, seal=order.seal).pack())
        else:
            return


def _answer(done: Done, order: Any, wire: ModuleType) -> bytes:  # noqa: ANN401 - a wire.Order
    flags, owner = 0, 0
    if done.changed is not None:
        owner = done.changed.owner
        flags |= wire.Flag.BAND_CHANGED if done.changed.kind == GUARD else wire.Flag.INPUT_CHANGED
    if done.seen.early != done.seen.digest:
        flags |= wire.Flag.LATE
    packed: bytes = wire.Answer(wire.Op.DONE, order.number, flags, owner, done.us, done.seen.digest, order.seal).pack()
    return packed
