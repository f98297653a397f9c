"""One call of a task with everything that a solver may look at, and the judge that candidates meet.

A second draw of the same call (other contents) gives stale answers and replacements for parts of an input: contents that belong to the
operation's domain, whatever that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernelsearch.model import Arg, DType, Task
from kernelsearch.verify import reference
from kernelsearch.verify.compare import Difference, Expected, compare
from kernelsearch.verify.tolerance import Gate, gate
from kernelsearch.workload import Array, Planned, encode

Answers = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """`inputs`, `expected` and `right` (exact outputs, rounded once) belong to `planned`, `other_inputs` and `stale` (exact outputs) to
    the second draw.
    """

    task: Task
    planned: Planned
    inputs: Mapping[str, Array]
    expected: Mapping[str, Expected]
    right: Mapping[str, bytes]
    other_inputs: Mapping[str, Array]
    stale: Mapping[str, Array]

    @property
    def place(self) -> tuple[str, str]:
        """Case and distribution."""
        return self.planned.case.name, self.planned.distribution.value

    @property
    def precision(self) -> npt.DTypeLike:
        """What an honest kernel computes in."""
        return np.float64 if any(arg.dtype is DType.F64 for arg in self.task.outputs) else np.float32

    def evaluate(self, inputs: Mapping[str, Array], precision: npt.DTypeLike = np.float64) -> dict[str, bytes]:
        """The outputs that the reference gives for `inputs`. Raises `UsageError` where it refuses them."""
        return self.encoded(reference.evaluate(self.task, self.planned, inputs, precision))

    def encoded(self, values: Mapping[str, Array]) -> dict[str, bytes]:
        """`values` of outputs as a kernel would leave them in memory; what a type cannot hold becomes what the conversion makes of it."""
        return encoded(self.task, values)

    def judge(self, answers: Answers) -> Difference:
        """The worst difference over all outputs, as `verify.check` finds it; outputs that are not in `answers` count as right."""
        found = [compare(arg.name, answers[arg.name], arg.dtype, self.expected[arg.name], self._gate(arg)) for arg in self._in(answers)]
        return max(found, key=lambda difference: (bool(difference.detail), difference.worst))

    def is_right(self, answers: Answers) -> bool:
        """Whether `answers` are the exact outputs bit by bit."""
        return all(raw == self.right[name] for name, raw in answers.items())

    def _in(self, answers: Answers) -> list[Arg]:
        return [arg for arg in self.task.outputs if arg.name in answers]

    def _gate(self, arg: Arg) -> Gate | None:
        if not arg.dtype.is_float:
            return None
        return gate(self.task, self.planned.case, arg.dtype, two_sided=arg.dtype is DType.F64)


def prepared(task: Task, planned: Planned, other: Planned) -> Setting:
    """The setting of `planned`; `other` is the same call with other contents. Raises `UsageError` for a faulty reference."""
    other_inputs, expected = other.inputs(), reference.compute(task, planned)
    return Setting(
        task=task,
        planned=planned,
        inputs=planned.inputs(),
        expected=expected,
        right=encoded(task, {name: value.values for name, value in expected.items()}),
        other_inputs=other_inputs,
        stale=reference.evaluate(task, other, other_inputs),
    )


def encoded(task: Task, values: Mapping[str, Array]) -> dict[str, bytes]:
    """`values` of outputs in the outputs' types."""
    with np.errstate(all="ignore"):
        return {name: encode(array, task.arg(name).dtype) for name, array in values.items()}
