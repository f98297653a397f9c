"""Runs jobs in warm boxes by conversation: what the devices `cuda`, `pycuda` and `host` have in common.

A job has a box of its own and, while it is served, the device. The rival of a timed job lives in a box of its own too; that of the
baseline stays, since nothing but the user's own kernel ever ran in it, and is replaced now and then.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsearch import codec, wire
from kernelsearch.device import conversation, energy, nvml
from kernelsearch.device.base import CallResult, Job, JobResult, Mode, Rung
from kernelsearch.device.border import died, place
from kernelsearch.device.conversation import Ended
from kernelsearch.device.cores import Cores
from kernelsearch.device.cuda_job import REPORT_BYTES, Delivery, Export, PlanUnusable, Report
from kernelsearch.device.pool import GpuLock, Slot, WarmPool
from kernelsearch.device.race import unexplained
from kernelsearch.device.timekeeper import Timekeeper
from kernelsearch.errors import DeviceLost
from kernelsearch.model import Verdict
from kernelsearch.sandbox.base import BoxResult
from kernelsearch.sandbox.files import read_left

BEGUN = '{"begun": true}'  # the runner's line before it loads the candidate
Conclude = Callable[[], JobResult]
"""What is left to do for a result once the device is free for others."""

_END_S = 10.0  # for a box that has nothing left to do
_RIVAL_USES = 100


@dataclass(slots=True)
class _Guest:
    """A job in its box. `close` is harmless when it is gone."""

    slot: Slot
    delivery: Delivery
    uses: int = 0
    end: BoxResult | None = None

    def begin(self, timeout_s: float) -> None:
        """Load the candidate. Raises `Ended`."""
        self.slot.box.send(b"go\n")
        conversation.wait_ready(self.slot.box.channel, timeout_s)

    def finish(self, *, politely: bool) -> BoxResult:
        """How the box ended. `politely`: it is told that nothing will be asked any more, and may end by itself."""
        if self.end is None:
            if politely:
                try:
                    self.slot.box.channel.settimeout(1.0)
                    self.slot.box.channel.sendall(wire.Order(wire.Op.END).pack())
                except OSError:
                    pass  # gone already; how, the wait tells
            self.end = self.slot.box.wait(_END_S if politely else 0.0)
        return self.end

    def close(self) -> None:
        self.delivery.close()
        self.slot.close()


class Boxes:
    """`gpu` is the device's uuid, empty without one; `most_sets` how many sets of buffers a call has at the most; `cores` where
    timed calls are served."""

    def __init__(
        self, pool: WarmPool, lock: GpuLock, support: Path | None, gpu: str, name: str, most_sets: int = 8, cores: Cores | None = None
    ) -> None:
        self._pool, self._lock, self._support, self._gpu, self._name = pool, lock, support, gpu, name
        self._most_sets, self._cores = most_sets, cores
        self._timekeeper: Timekeeper | None = None
        self._rivals: dict[str, _Guest] = {}
        self._mutex = threading.Lock()  # of the two above; the device's own lock is held longer

    def run(self, job: Job, rung: Rung | None, state: Callable[[], Mapping[str, str]]) -> JobResult:
        """Serve one job. `state` tells the device's condition, before and after."""
        started = time.monotonic()
        exports = [n // 2 for n in range(2 * len(job.calls))] if job.mode is Mode.VERIFY else [sample.call for sample in job.samples]
        try:
            with ExitStack() as guests:
                guest = guests.enter_context(self._guest(job, exports))
                spare = self._spare(job, guests)
                with self._lock.alone(quiet=job.mode is not Mode.VERIFY):
                    before = state()
                    conclude = self._verify(guest, job, rung) if job.mode is Mode.VERIFY else self._time(guest, job, spare)
                    conditions = nvml.around(before, state())
                done = conclude()  # looking at what it left takes a while, and others may have the device meanwhile
                conditions |= done.conditions
        except PlanUnusable as error:
            return JobResult(failure=Verdict.CRASHED, detail=str(error), seconds=time.monotonic() - started)
        return JobResult(
            failure=done.failure, detail=done.detail, calls=done.calls, conditions=conditions, seconds=time.monotonic() - started
        )

    def probe(self, timeout_s: float = 60.0) -> Mapping[str, str]:
        """What a box of ours found that copied a known pattern on the device; empty when it did not end well."""
        slot = self._pool.take()
        try:
            for name, text in (("result.json", ""), ("job.json", '{"mode": "probe"}')):
                file = (slot.outputs if name == "result.json" else slot.inputs) / name
                file.write_text(text)
                file.chmod(0o666 if name == "result.json" else 0o644)
            if self._support is not None:
                place(self._support, slot.inputs / "support")
            with self._lock.alone(quiet=True):
                slot.box.send(b"go\n")
                end = slot.box.wait(timeout_s)
            left = read_left(slot.outputs / "result.json", REPORT_BYTES)
        finally:
            slot.close()
        if end.timed_out or end.returncode != 0 or not left:
            return {}
        return codec.load_json(Report, left).notes

    def close(self) -> None:
        with self._mutex:
            while self._rivals:
                self._rivals.popitem()[1].close()
            if self._timekeeper is not None:
                self._timekeeper.close()
                self._timekeeper = None
        self._pool.close()

    @contextmanager
    def _guest(self, job: Job, exports: Sequence[int]) -> Iterator[_Guest]:
        guest = self._new(job, exports)
        try:
            yield guest
        finally:
            guest.close()

    def _new(self, job: Job, exports: Sequence[int]) -> _Guest:
        slot = self._pool.take()
        with ExitStack() as unless_delivered:
            unless_delivered.callback(slot.close)
            delivery = Delivery(job, slot.inputs, slot.outputs, self._support, exports, None if self._cores is None else self._cores.boxes)
            unless_delivered.pop_all()
        return _Guest(slot, delivery)

    def _verify(self, guest: _Guest, job: Job, rung: Rung | None) -> Conclude:
        try:
            guest.begin(job.timeout_s)
            exports, failure = conversation.verify(job, guest.slot.box.channel, guest.delivery, rung)
        except Ended as error:
            return _known(self._fallen(guest, job, error.why))
        guest.finish(politely=True)  # as long as it lives it holds memory of the device, perhaps all of it
        return _known(failure) if failure else lambda: self._ended(guest, exports)

    def _ended(self, guest: _Guest, exports: Sequence[Export]) -> JobResult:
        """The job was served: what came of it. A box that fails after its last answer has failed."""
        end = guest.finish(politely=True)
        if end.timed_out:
            return JobResult(failure=Verdict.TIMED_OUT, detail=f"all calls were made, but the program did not end within {_END_S:g} s")
        if failure := guest.delivery.failure(end.seconds):
            return failure
        if end.returncode != 0 or guest.delivery.report() is None:
            return JobResult(failure=Verdict.CRASHED, detail=died(end))
        return guest.delivery.results(exports, end.seconds)

    def _fallen(self, guest: _Guest, job: Job, why: str) -> JobResult:
        """A box that stopped answering. One that never began is not the candidate's doing."""
        end = guest.finish(politely=why == "gone")
        if BEGUN not in end.stdout:
            raise DeviceLost(f"a warm box on {self._name} was dead before its job began: {died(end)}")
        return guest.delivery.failure(end.seconds) or conversation.ended(why, [call.label for call in job.calls], lambda: died(end))

    def _time(self, guest: _Guest, job: Job, spare: _Guest | None) -> Conclude:
        try:
            guest.begin(job.timeout_s)
        except Ended as error:
            return _known(self._fallen(guest, job, error.why))
        rival = None if job.rival is None else self._rival(job.rival, spare, fresh=job.rival_fresh)
        channel = None if rival is None else rival.slot.box.channel
        record = self._keeper().race(conversation.schedule(job, self._gpu, self._most_sets), guest.slot.box.channel, channel)
        if rival is not None and record["theirs"]:
            self._drop(rival)
            why = f"{record['theirs']}, {died(rival.finish(politely=False))}"
            raise DeviceLost(f"the kernel that candidates are timed against stopped answering on {self._name}: {why}")
        if record["flag"] is not None:
            call, flags, region = record["flag"]
            return _known(conversation.flagged(job.calls[call], flags, region))
        if record["ours"]:
            return _known(self._fallen(guest, job, record["ours"]))
        guest.finish(politely=True)
        return lambda: self._raced(guest, job, record)

    def _raced(self, guest: _Guest, job: Job, record: Mapping[str, Any]) -> JobResult:
        exports = [
            Export(number, job.samples[number].call, digest, seal) for call in record["calls"] for number, digest, seal in call["exports"]
        ]
        done = self._ended(guest, exports)
        if done.failure is not None:
            return done
        power = energy.conditions([call.label for call in job.calls], record["calls"]) if job.timing.energy else {}
        timed = [_timed(job, number, call) for number, call in enumerate(record["calls"])]
        return JobResult(calls=(*timed, *done.calls), conditions=_conditions(record["calls"]) | power)

    def _keeper(self) -> Timekeeper:
        with self._mutex:
            if self._timekeeper is None:
                self._timekeeper = Timekeeper(None if self._cores is None else self._cores.clock)
            return self._timekeeper

    def _spare(self, job: Job, guests: ExitStack) -> _Guest | None:
        """A box for the rival, unless one is kept that may serve on. Taken before the device is: a box that starts waits for that."""
        if job.rival is None:
            return None
        with self._mutex:
            kept = None if job.rival_fresh else self._rivals.get(_key(job.rival))
            if kept is not None and kept.uses < _RIVAL_USES:
                return None
        spare = self._new(job.rival, ())
        guests.callback(lambda: None if spare in self._rivals.values() else spare.close())
        return spare

    def _rival(self, job: Job, spare: _Guest | None, *, fresh: bool) -> _Guest:
        """The box in which `job` is loaded. Raises `DeviceLost` when that fails: it ran before."""
        kept = None if fresh else self._rivals.get(_key(job))
        if kept is not None and (spare is None or kept.uses < _RIVAL_USES):
            kept.uses += 1
            return kept
        if spare is None:
            raise DeviceLost(f"the kernel that candidates are timed against went away on {self._name}; resume the run")
        if kept is not None:
            self._drop(kept)
        try:
            spare.begin(job.timeout_s)
        except Ended as error:
            why = f"{error.why}, {died(spare.finish(politely=error.why == 'gone'))}"
            raise DeviceLost(f"the kernel that candidates are timed against does not load any more: {why}") from error
        if not fresh:
            with self._mutex:
                self._rivals[_key(job)] = spare
        return spare

    def _drop(self, guest: _Guest) -> None:
        with self._mutex:
            for key in [key for key, kept in self._rivals.items() if kept is guest]:
                del self._rivals[key]
        guest.finish(politely=True)
        guest.close()


def _known(result: JobResult) -> Conclude:
    return lambda: result


def _key(job: Job) -> str:
    """What makes two rivals the same: the code, and the calls it is asked for."""
    return f"{job.build.artifact} {job.calls!r}"


def _timed(job: Job, number: int, record: Mapping[str, Any]) -> CallResult:
    call, pairs = job.calls[number], record["pairs"]
    excess, doubt = unexplained(record["rows"], record["in_a_row"], record["same"])
    return CallResult(
        label=call.label,
        samples_us=tuple(pair[0] for pair in pairs),
        rival_us=tuple(pair[1] for pair in pairs) if job.rival is not None else (),
        unexplained_us=excess,
        doubt_us=doubt if math.isfinite(doubt) else 0.0,
        by_clock=math.isfinite(doubt),
    )


def _conditions(calls: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found = {"launches": "queued behind the flush of L2, so gaps of launching do not count"}
    clocks = [clock for call in calls for clock in call.get("clocks", ())]
    if clocks:
        low, high = min(clocks), max(clocks)
        found["sm clock MHz while timed"] = str(low) if low == high else f"{low}..{high}"
    if repeated := sum(call.get("repeated", 0) for call in calls):
        found["pairs repeated as clocks were held down"] = str(repeated)
    return found
