"""Solvers: functions from a setting to answers, each named after what it does instead of, or honestly like, the work.

A solver gives one answer a variant (an output to spoil, an input to leave out), or the reason why the variant does not exist here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kernelsearch.admission import altered, rounding, trivial
from kernelsearch.admission.setting import Answers, Setting

Variants = Iterator[tuple[str, Answers | str]]


class Kind(enum.Enum):
    """What is asked of a solver."""

    TRIVIAL = "trivial"  # must fail on every distribution: it does not depend on rounding
    PRECISION = "precision"  # must fail on some call, unless honest arithmetic errs as much
    SENSITIVE = "sensitive"  # other contents in part of an input: must change an output, on every distribution
    HONEST = "honest"  # must pass on every call


@dataclass(frozen=True, slots=True, kw_only=True)
class Solver:
    name: str
    kind: Kind
    variants: Callable[[Setting], Variants]


def _on_each_output(change: trivial.Change) -> Callable[[Setting], Variants]:
    def variants(setting: Setting) -> Variants:
        for arg in setting.task.outputs:
            made = change(setting, arg)
            yield arg.name, made if isinstance(made, str) else {arg.name: made}

    return variants


def _solvers() -> Iterator[Solver]:
    # First, since an input that does not matter is why other solvers pass.
    yield Solver(name="every input matters", kind=Kind.SENSITIVE, variants=altered.other_contents)
    for name, change in trivial.CHANGES.items():
        yield Solver(name=name, kind=Kind.TRIVIAL, variants=_on_each_output(change))
    yield Solver(name="input passed through", kind=Kind.TRIVIAL, variants=trivial.passed_through)
    for name, replace in altered.PARTIAL.items():
        yield Solver(name=name, kind=Kind.TRIVIAL, variants=altered.reading(replace))
    for name, rounded in rounding.INPUTS.items():
        yield Solver(name=name, kind=Kind.PRECISION, variants=altered.rounding_inputs(rounded))
    yield Solver(name="output in half precision", kind=Kind.PRECISION, variants=altered.rounding_outputs)
    for name, honest in altered.HONEST.items():
        yield Solver(name=name, kind=Kind.HONEST, variants=honest)


SOLVERS: tuple[Solver, ...] = tuple(_solvers())
"""All of them, in the order in which they are told."""

FLOAT32 = "reference in float32"
"""The honest solver whose error the precision of others is held against."""
