"""Serves calls of the candidate, one order at a time, and answers with facts: how long it took, a digest, what had changed.

There is one way through here, whatever a call is wanted for: nothing in this process tells a call that will be looked at from one that
will be timed. Inputs come into being after the order and lie in one of several sets of buffers; L2 is flushed behind them, which also
gives the host time to queue the candidate's launches, so that no gap of launching lies between the two events.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from gpu_base import CudaFailure, Gpu
from gpu_call import Call, Program
from gpu_regions import Keys, Region, Seen, Support

# At least, and four times L2: it takes the GPU some 90 µs, longer than the host takes to launch, even right after another process had
# the GPU; so the GPU does not wait between the events. Half of that left gaps on an H100 when two processes took turns.
FLUSH_BYTES = 192 << 20

MakeSupport = Callable[[list[Region], list[Region]], Support]


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
        self._last: Prepared | None = None
        self._guard = secrets.randbits(64)
        self._flush_bytes = max(4 * gpu.l2_bytes, FLUSH_BYTES) if job["flush_l2"] else 0
        self._flush_at = gpu.allocate(self._flush_bytes) if self._flush_bytes else 0
        self._begin, self._end = gpu.event(), gpu.event()

    @property
    def label(self) -> str:
        """The call under way, for messages."""
        return str(self._calls[self._current]["label"]) if self._current >= 0 else "loading"

    def call(self, number: int, place: int | None, keys: tuple[int, int, int, int]) -> tuple[float, Seen, int | None]:
        """One call: µs between the events, what was seen, and the first watched region that changed.

        `keys`: of contents, distribution, poison and digest. Raises `CudaFailure`.
        """
        ready = self._ready(number, place)
        key, distribution, poison, seal = keys
        around = Keys(key, distribution, poison, self._guard, seal)
        gpu = self._gpu
        gpu.reset_l2()
        ready.support.prepare(around)
        if self._flush_at:
            gpu.fill(self._flush_at, 0x5A, self._flush_bytes)
        ready.call.ready()
        gpu.record(self._begin)
        ready.call.launch()
        gpu.record(self._end)
        ready.call.collect()
        ready.support.seal(around)
        gpu.synchronise()  # all streams: what is still to come shows in the second digest
        seen = ready.support.look(around)
        self._last = ready
        changed = next((index for index in range(ready.watched) if seen.changed[index]), None)
        return gpu.elapsed_us(self._begin, self._end), seen, changed

    def region(self, index: int) -> Region:
        if self._last is None:
            raise CudaFailure("no call was made")
        return self._last.regions[index]

    def export(self, number: int) -> None:
        if self._last is not None:
            self._last.call.export(self._outputs, number)

    def wake(self) -> None:
        """Take the GPU from whoever had it."""
        if self._flush_at:
            self._gpu.fill(self._flush_at, 0x5A, 1 << 20)
        self._gpu.synchronise()

    def once(self) -> None:
        """Each call once, with the keys of the job: for a profiler or a sanitizer around this process."""
        for number, spec in enumerate(self._calls):
            self.call(number, None, (spec["key"], spec["distribution"], 0, 0))

    def empty_us(self) -> float:
        """Time of an empty pair of events, queued as calls are."""
        pairs = []
        for _ in range(11):
            if self._flush_at:
                self._gpu.fill(self._flush_at, 0x5A, self._flush_bytes)
            self._gpu.record(self._begin)
            self._gpu.record(self._end)
            self._gpu.wait(self._end)
            pairs.append(self._gpu.elapsed_us(self._begin, self._end))
        return sorted(pairs)[len(pairs) // 2]

    def _ready(self, number: int, place: int | None) -> Prepared:
        if number != self._current:
            for prepared in self._prepared.values():
                prepared.free()
            self._prepared.clear()
            self._current, self._last = number, None
        if place not in self._prepared:
            self._prepared[place] = Prepared(self._gpu, self._program, self._calls[number], self._inputs, place, self._make)
        return self._prepared[place]


def serve(server: Server, receive: Callable[[], bytes], send: Callable[[bytes], None], wire: ModuleType) -> None:
    """Answer orders until there are no more."""
    send(wire.Answer(wire.Op.READY, claimed_us=server.empty_us()).pack())
    while data := receive():
        order = wire.read_order(data)
        if order.op is wire.Op.CALL:
            us, seen, changed = server.call(order.number, order.place, (order.key, order.distribution, order.poison, order.seal))
            flags, owner = 0, 0
            if changed is not None:
                region = server.region(changed)
                owner = region.owner
                flags |= wire.Flag.BAND_CHANGED if region.kind == 3 else wire.Flag.INPUT_CHANGED
            if seen.early != seen.digest:
                flags |= wire.Flag.LATE
            send(wire.Answer(wire.Op.DONE, order.number, flags, owner, us, seen.digest, order.seal).pack())
        elif order.op is wire.Op.WAKE:
            server.wake()
            send(wire.Answer(wire.Op.AWAKE, order.number, seal=order.seal).pack())
        elif order.op is wire.Op.EXPORT:
            server.export(order.number)
            send(wire.Answer(wire.Op.EXPORTED, order.number, seal=order.seal).pack())
        else:
            return
