"""Whether there is anything to judge: an answer that varies, from a reference that is a function of its inputs and nothing else.

What concerns a single evaluation (not finite, wrong shape, too large for its type) `verify.reference` refuses itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from kernelsearch.admission.ledger import Line
from kernelsearch.admission.setting import Setting
from kernelsearch.verify import reference
from kernelsearch.workload import Array

# Relative to the largest number in sight: what float64 leaves of a cancellation is this small, what a kernel is for is not.
_NOTHING = 1e-9


@dataclass(slots=True)
class Soundness:
    """Facts about the calls of a task, added up."""

    repeatable: dict[str, str] = field(default_factory=dict)  # fault -> where it was first seen
    flat: dict[tuple[str, str, str], bool] = field(default_factory=dict)  # (fault, of what, distribution) -> so in every call
    value: dict[str, float] = field(default_factory=dict)  # of an input that never varies

    def add(self, setting: Setting) -> None:
        """Look at one call."""
        self._functional(setting)
        for name, expected in setting.expected.items():
            exact, stale = expected.values, setting.stale[name]
            scale = max([_largest(exact), *(_largest(v) for v in setting.inputs.values() if exact.dtype.kind == v.dtype.kind == "f")])
            self._note("zero", name, setting, _largest(exact) <= _NOTHING**1.25 * scale)
            if exact.size > 1:
                self._note("constant", name, setting, float(np.ptp(exact)) <= _NOTHING * _largest(exact))
            self._note("fixed", name, setting, _largest(exact.astype(np.float64) - stale) <= _NOTHING * _largest(exact))
        for name, values in setting.inputs.items():
            if values.dtype.kind == "f":
                first = float(values.reshape(-1)[0])
                self.value.setdefault(name, first)
                still = bool((values == self.value[name]).all() and (setting.other_inputs[name] == self.value[name]).all())
                self._note("input", name, setting, still)

    def _functional(self, setting: Setting) -> None:
        """Evaluate the reference once more, and watch what it does to its inputs."""
        widened = {name: v.astype(np.float64) if v.dtype.kind == "f" else v.copy() for name, v in setting.inputs.items()}
        again = reference.evaluate(setting.task, setting.planned, widened, copy=False)
        case, distribution = setting.place
        where = f"case {case}, {distribution} inputs"
        if changed := [name for name, values in setting.inputs.items() if not np.array_equal(widened[name], values)]:
            self.repeatable.setdefault(f"the reference modifies its input {changed[0]}", where)
        for name, expected in setting.expected.items():
            if not np.array_equal(again[name], expected.values):
                self.repeatable.setdefault(f"the reference is not deterministic: {name} differs when it is evaluated again", where)

    def _note(self, fault: str, name: str, setting: Setting, so: bool) -> None:
        # An input is the same in all distributions or it is not still; an answer has to vary in each of them.
        key = (fault, name, "" if fault == "input" else setting.place[1])
        self.flat[key] = self.flat.get(key, True) and so

    def lines(self) -> Iterator[Line]:
        """One a question: those that were answered as they should be, too."""
        yield from self._lines("reference is a function", list(self.repeatable.items()))
        for fault, (question, words) in _QUESTIONS.items():
            told = [
                (words(name, self.value), where and f"{where} inputs")
                for (kind, name, where), so in self.flat.items()
                if kind == fault and so
            ]
            yield from self._lines(question, told)

    def _lines(self, question: str, faults: list[tuple[str, str]]) -> Iterator[Line]:
        if not faults:
            yield Line(solver=question, expected="holds", ok=True, what="so on every call")
        for what, where in faults[:1]:
            yield Line(solver=question, expected="holds", ok=False, what=f"{what}{f' ({where})' if where else ''}")


Words = Callable[[str, Mapping[str, float]], str]
_QUESTIONS: dict[str, tuple[str, Words]] = {
    "zero": ("output is not zero", lambda name, _: f"{name} is zero in every element: a kernel that writes zeros would be right"),
    "constant": ("output varies", lambda name, _: f"{name} is one number in all its elements: nothing shows which input made which"),
    "fixed": ("output varies with contents", lambda name, _: f"{name} is the same for other contents: an answer could be kept from before"),
    "input": (
        "inputs vary",
        lambda name, value: f"{name} is {value[name]:g} in every element of every draw: what it multiplies or adds could be left out",
    ),
}


def _largest(values: Array) -> float:
    return float(np.abs(values.astype(np.float64)).max(initial=0.0))
