"""A worker over a recorded space: edits change parameters, and evaluations are what was recorded, with its noise and its failures.

It edits as a model would that knows the kernel and no times: one parameter or two, mostly to the next value and at times to any;
nothing that it is shown to have been tried from the same kernel, nor back to an ancestor; mostly within the space's conditions, and
where it is careless beyond them, that is a failed build. A directive is the name of the parameter to change (`A+B` for two), or nothing
it knows; a second parent is a crossover, and with a directive the example whose value is taken over. Notes are not read.

What it draws depends on the proposal's seed alone, so a strategy that asks the same question gets the same answer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from spaces.recorded import Key, Recorded

from kernelsearch import digest
from kernelsearch.formats.kerneltuner import Invalidity, Trial, Value
from kernelsearch.measure.rule import ahead, holds
from kernelsearch.model import (
    Attempt,
    Build,
    Candidate,
    CaseTiming,
    Confirmation,
    Context,
    Environment,
    Evaluation,
    KernelResources,
    Measurement,
    Node,
    Origin,
    Outcome,
    Proposal,
    TimeKind,
    Usage,
    Verdict,
)
from kernelsearch.workers.base import Request

_SAMPLES = 7  # drawn from a point's recorded samples for one measurement
_DRAWS = 200  # edits looked at before a parent counts as exhausted
_ONE_CHANGE = 0.01  # structural distance of a changed number in a kernel of some thousand tokens
_VERDICTS = {
    Invalidity.COMPILE: Verdict.BUILD_FAILED,
    Invalidity.CONSTRAINTS: Verdict.BUILD_FAILED,
    Invalidity.RUNTIME: Verdict.CRASHED,
    Invalidity.TIMEOUT: Verdict.TIMED_OUT,
    Invalidity.CORRECTNESS: Verdict.WRONG,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How the editor behaves: shares of its edits."""

    two: float = 0.35  # change two parameters rather than one
    jump: float = 0.25  # go to any value rather than to the next
    careless: float = 0.1  # do not look whether the space's conditions hold
    unusable: float = 0.03  # come as an answer without an edit


class Oracle:
    """See the module; a `workers.base.Worker` that answers at once."""

    def __init__(self, space: Recorded, *, seed: int, habits: Habits | None = None) -> None:
        self._space, self._seed, self._habits = space, seed, habits or Habits()
        self._environment = Environment(device=f"recorded {space.name}", time_kind="measured", sandbox="none (recorded)")
        self._judged: dict[Key, Evaluation] = {}
        self._keys: dict[str, Key] = {}  # source -> key

    def submit(self, request: Request) -> Future[Attempt]:
        future: Future[Attempt] = Future()
        future.set_result(self._baseline() if request.proposal is None else self._attempt(request.proposal, request.context))
        return future

    def remember(self, node: Node) -> None:
        if node.candidate is not None and node.evaluation is not None:
            self._judged.setdefault(self.key_of(node), node.evaluation)

    def close(self) -> None: ...

    def key_of(self, node: Node) -> Key:
        """The configuration that a node's candidate is."""
        assert node.candidate is not None
        source = node.candidate.source
        if source not in self._keys:
            written = dict(part.split("=") for part in source.split())
            found = {name: next(v for v in values if str(v) == written[name]) for name, values in self._space.parameters.items()}
            self._keys[source] = self._space.key(found)
        return self._keys[source]

    def _baseline(self) -> Attempt:
        key = self._space.key(self._space.default)
        candidate = self._candidate(key, "")
        evaluation = self._evaluated(key, candidate, random.Random(f"baseline {self._seed}"), None)
        self._judged[key] = evaluation
        return Attempt(proposal=None, outcome=Outcome.EVALUATED, candidate=candidate, evaluation=evaluation)

    def _attempt(self, proposal: Proposal, context: Context | None) -> Attempt:
        assert context is not None
        draw = random.Random(f"{self._seed} {proposal.seed}")
        if proposal.repeat:
            candidate = context.parent.candidate
            assert candidate is not None
            evaluation = self._evaluated(self.key_of(context.parent), candidate, draw, None)
            return Attempt(proposal=proposal, outcome=Outcome.REPEATED, candidate=candidate, evaluation=evaluation)
        usage = Usage(calls=1)
        if draw.random() < self._habits.unusable:
            return Attempt(proposal=proposal, outcome=Outcome.UNUSABLE, detail="the answer holds no edit", usage=usage)
        key = self._edited(proposal, context, draw)
        if key is None:
            return Attempt(proposal=proposal, outcome=Outcome.EXHAUSTED, detail="nothing is left to change")
        candidate = self._candidate(key, self._changed(self.key_of(context.parent), key))
        if key in self._judged or self._too_near(key, proposal.apart):
            known = self._judged.get(key)
            words = "the same kernel was judged before" if known else "too near to a kernel that was judged before"
            return Attempt(
                proposal=proposal, outcome=Outcome.DUPLICATE, candidate=candidate, evaluation=known, detail=words, usage=usage
            )  # fmt: skip
        evaluation = self._judged[key] = self._evaluated(key, candidate, draw, context.best)
        return Attempt(proposal=proposal, outcome=Outcome.EVALUATED, candidate=candidate, evaluation=evaluation, usage=usage)

    def _too_near(self, key: Key, apart: float) -> bool:
        return apart > _ONE_CHANGE and any(_ONE_CHANGE * _differences(key, other) < apart for other in self._judged)

    def _changed(self, parent: Key, key: Key) -> str:
        return "+".join(name for name, old, new in zip(self._space.parameters, parent, key, strict=True) if old != new)

    def _candidate(self, key: Key, directive: str) -> Candidate:
        source = " ".join(f"{name}={value}" for name, value in self._space.configuration(key).items())
        self._keys[source] = key
        return Candidate(task=self._space.name, source=source, origin=Origin(proposer="oracle", directive=directive))

    def _edited(self, proposal: Proposal, context: Context, draw: random.Random) -> Key | None:
        """A configuration to try from the parent's; None when nothing is left."""
        parent = self.key_of(context.parent)
        shown = (*context.siblings, *context.lineage)
        tried = {self.key_of(node) for node in shown if node.candidate is not None} | {parent}
        careless = draw.random() < self._habits.careless
        wished = [name for name in (proposal.directive or "").split("+") if name in self._space.parameters]
        examples = [self.key_of(node) for node in context.others if node.candidate is not None]
        for count in range(_DRAWS):
            if examples and count < _DRAWS // 10:
                key = self._crossed(parent, draw.choice(examples), wished, draw)
            else:
                key = self._stepped(parent, wished if count < _DRAWS // 2 else [], draw)
            if key not in tried and (careless or key in self._space.trials):
                return key
        return self._any_left(parent, tried)

    def _stepped(self, parent: Key, wished: Sequence[str], draw: random.Random) -> Key:
        """One parameter changed or two; those wished for first."""
        free = [name for name, values in self._space.parameters.items() if len(values) > 1]
        names = list(wished) or [draw.choice(free)]
        if len(names) == 1 and draw.random() < self._habits.two:
            names.append(draw.choice(free))
        found = self._space.configuration(parent)
        for name in names:
            found[name] = self._other_value(name, found[name], draw)
        return self._space.key(found)

    def _other_value(self, name: str, value: Value, draw: random.Random) -> Value:
        values = self._space.parameters[name]
        place = values.index(value)
        if draw.random() < self._habits.jump:
            return draw.choice([other for other in values if other != value])
        return values[draw.choice([near for near in (place - 1, place + 1) if 0 <= near < len(values)])]

    def _crossed(self, parent: Key, other: Key, wished: Sequence[str], draw: random.Random) -> Key:
        """Some of what the other has otherwise; only what is wished for, if anything is."""
        names = list(self._space.parameters)
        differing = [i for i, (mine, theirs) in enumerate(zip(parent, other, strict=True)) if mine != theirs]
        taken = {i for i in differing if names[i] in wished} or {i for i in differing if draw.random() < 0.5}
        return tuple(other[i] if i in taken else value for i, value in enumerate(parent))

    def _any_left(self, parent: Key, tried: set[Key]) -> Key | None:
        """The first configuration that differs in one parameter and was not tried: luck alone must not call a parent exhausted."""
        for place, values in enumerate(self._space.parameters.values()):
            for value in values:
                key = (*parent[:place], value, *parent[place + 1 :])
                if key not in tried and key in self._space.trials:
                    return key
        return None

    def _evaluated(self, key: Key, candidate: Candidate, draw: random.Random, best: Node | None) -> Evaluation:
        trial = self._space.trials.get(key)
        name = digest.candidate(candidate)
        if trial is None or trial.time is None:
            kind = Invalidity.CONSTRAINTS if trial is None else trial.invalidity
            verdict = _VERDICTS[kind]
            failed = verdict is Verdict.BUILD_FAILED
            build = Build(ok=False, toolchain="recorded", failure=verdict, log=kind.value) if failed else _build(trial)
            return Evaluation(candidate=name, verdict=verdict, detail=kind.value, build=build, environment=self._environment)
        measurement = _drawn(trial, draw)
        evaluation = Evaluation(
            candidate=name, verdict=Verdict.PASSED, build=_build(trial), measurement=measurement, environment=self._environment
        )
        incumbent = None if best is None else best.evaluation
        if incumbent is None or incumbent.measurement is None or not ahead(measurement, incumbent.measurement):
            return evaluation
        second = _drawn(trial, draw)
        held, detail = holds(second, measurement, incumbent.measurement)
        return replace(
            evaluation,
            confirmation=Confirmation(against=incumbent.candidate, measurement=second, held=held, detail=detail),
        )


def _drawn(trial: Trial, draw: random.Random) -> Measurement:
    samples = tuple(1e3 * draw.choice(trial.runtimes) for _ in range(_SAMPLES)) if trial.runtimes else (1e3 * (trial.time or 0.0),)
    return Measurement(kind=TimeKind.MEASURED, timings=(CaseTiming(case="recorded", samples_us=samples),))


def _build(trial: Trial | None) -> Build:
    known: Mapping[str, tuple[float, str]] = {} if trial is None else trial.measurements
    value = {name: int(found[0]) for name, found in known.items()}
    resources = KernelResources(
        kernel="recorded",
        registers=value.get("registers", 0),
        spill_store_bytes=value.get("local_bytes", 0),
        shared_bytes=value.get("shared_bytes", 0),
    )
    return Build(ok=True, toolchain="recorded", artifact="recorded", resources=(resources,))


def _differences(one: Key, other: Key) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))
