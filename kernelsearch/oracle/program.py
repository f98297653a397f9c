"""References of other formats inside the trusted process: what a task is, its inputs and its exact outputs.

A `Program` is a format's own Python behind one interface, on the CPU. Its generators draw the inputs, from seeds that follow from the
call's key; its reference runs in the precision that is asked for, float64 where it can. Tensors are named as the task's arguments.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import numpy as np
import torch

from kernelsearch.oracle.on_cpu import InDouble, OnCpu
from kernelsearch.oracle.problem import DTYPES, Fault
from kernelsearch.oracle.tally import Tally
from kernelsearch.oracle.wire import Array

Value = Any  # a tensor, a number, or a text
CASE = "case"  # the size that tells which of a program's cases is meant, from 1
_SAME = 1e-3  # of the largest output: two runs on the same contents differ by rounding only
_FAILED = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class Program(Protocol):
    """What a format's reader makes of its files."""

    def cases(self) -> Sequence[tuple[str, bool]]:
        """Name of each case, and whether it is timed."""

    def given(self, case: int) -> dict[str, Value]:
        """A call's arguments in order, drawn anew from torch's and random's generators; buffers that are only written among them."""

    def run(self, given: Mapping[str, Value]) -> dict[str, torch.Tensor]:
        """What is written, by argument; it may write the tensors that it is given."""

    @property
    def fresh(self) -> frozenset[str]:
        """Arguments whose contents before the call do not matter."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """Arguments that are a module's parameters, and what the module calls them."""

    @property
    def structure(self) -> Mapping[str, Any]:
        """What else the format's reader needs to write a call; trees as in `TorchCall`."""


class Trusted:
    """A program as the verifier asks it: descriptions, inputs and outputs as plain values and arrays."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._shapes: dict[int, dict[str, torch.Tensor]] = {}  # by case: empty tensors with type and shape of each argument
        self._values: dict[int, dict[str, Value]] = {}  # by case: what is no tensor
        self._wide: bool | None = None

    def describe(self) -> dict[str, Any]:
        """All that a task must know. Raises `Fault` for what cannot be judged."""
        with OnCpu():
            cases = self._program.cases()
            if not cases:
                raise Fault("no test in it")
            drawn = [self._draw(number, seed=1) for number in range(len(cases))]
            smallest = min(range(len(cases)), key=lambda number: _elements(drawn[number]))
            self._check(drawn[smallest])
            wide = self._widens(smallest)
            described = [
                {"name": name, "timed": timed, **self._described(number, drawn[number])} for number, (name, timed) in enumerate(cases)
            ]
        return {"cases": described, "wide": wide, "parameters": dict(self._program.parameters), "structure": dict(self._program.structure)}

    def inputs(self, seed: int, sizes: Mapping[str, Any]) -> dict[str, Array]:
        """Contents of every tensor that is read."""
        with OnCpu():
            given = self._draw(int(sizes.get(CASE, 1)) - 1, seed)
        read = {name: value for name, value in given.items() if isinstance(value, torch.Tensor) and name not in self._program.fresh}
        return {name: _array(value) for name, value in read.items()}

    def reference(self, given: Mapping[str, Array], values: Mapping[str, Any]) -> dict[str, Array]:
        """Outputs for these contents, in the precision of the arrays."""
        case = int(values.get(CASE, 1)) - 1
        with OnCpu():
            templates = self._templates(case)
            float_type = torch.float32 if any(array.dtype == np.float32 for array in given.values()) else torch.float64
            if self._wide is None:
                self._wide = self._widens(case)
            found: dict[str, Value] = dict(self._values[case])
            for name, template in templates.items():
                kind = float_type if template.is_floating_point() and self._wide else template.dtype
                found[name] = (
                    torch.from_numpy(given[name]).to(kind).reshape(template.shape)
                    if name in given
                    else template.new_zeros(template.shape, dtype=kind)
                )
            return {name: _array(value) for name, value in self._in_precision(found, float_type).items()}

    def _in_precision(self, given: Mapping[str, Value], float_type: torch.dtype) -> dict[str, torch.Tensor]:
        default = torch.get_default_dtype()
        torch.set_default_dtype(float_type if self._wide else default)  # what the reference makes by itself shall not be narrower
        torch.manual_seed(0)
        try:
            with torch.no_grad(), InDouble() if self._wide and float_type is torch.float64 else nullcontext():
                return self._program.run(given)
        finally:
            torch.set_default_dtype(default)

    def _draw(self, case: int, seed: int) -> dict[str, Value]:
        torch.manual_seed(seed)
        np.random.seed(seed % (1 << 32))  # of all generators that a format's Python may draw from
        random.seed(seed)
        given = self._program.given(case)
        tensors = {name: value for name, value in given.items() if isinstance(value, torch.Tensor)}
        for name, value in tensors.items():
            if value.dtype not in DTYPES:
                raise Fault(f"{name} is of type {value.dtype}, which cannot be judged here")
        if case not in self._shapes:
            self._shapes[case] = {name: value.new_empty(()).expand(value.shape) for name, value in tensors.items()}
            self._values[case] = {name: value for name, value in given.items() if name not in tensors}
        return given

    def _templates(self, case: int) -> dict[str, torch.Tensor]:
        if case not in self._shapes:
            self._draw(case, seed=1)
        return self._shapes[case]

    def _check(self, given: Mapping[str, Value]) -> None:
        """Refuse what writes inputs, or gives another answer at the second call."""
        first, second = _copied(given), _copied(given)
        with torch.no_grad():
            once = {name: value.clone() for name, value in self._program.run(first).items()}
            again = self._program.run(second)
        if not once:
            raise Fault("the reference gives no tensor")
        for name, value in first.items():
            if isinstance(value, torch.Tensor) and name not in once and name not in self._program.fresh and not _equal(value, given[name]):
                raise Fault(f"the reference writes its input {name}, which no candidate may")
        for name, value in once.items():
            if value.shape != again[name].shape or not _near(value, again[name]):
                raise Fault(f"output {name} is another at the second call with the same inputs")

    def _widens(self, case: int) -> bool:
        """Whether the reference runs on float64 inputs as well: some insist on their own types."""
        given = self._draw(case, seed=1)
        self._wide = True
        try:
            self._in_precision({name: _widened(value) for name, value in given.items()}, torch.float64)
        except _FAILED:
            self._wide = False
        return self._wide

    def _described(self, case: int, given: Mapping[str, Value]) -> dict[str, Any]:
        tensors = {name: value.clone() for name, value in given.items() if isinstance(value, torch.Tensor)}
        with torch.no_grad(), Tally(tensors) as tally:
            outputs = {name: value.clone() for name, value in self._program.run({**given, **tensors}).items()}
        facts = []
        for name, value in {**given, **outputs}.items():
            if isinstance(value, torch.Tensor):
                shape = given.get(name, value)
                if value.dtype not in DTYPES:
                    raise Fault(f"{name} is of type {value.dtype}, which cannot be judged here")
                if value.numel() == 0:
                    raise Fault(f"{name} is empty in case {self._program.cases()[case][0]}")
                role = "input" if name not in outputs else "inout" if name in given and name not in self._program.fresh else "output"
                facts.append({"name": name, "role": role, "dtype": DTYPES[shape.dtype], "shape": list(shape.shape)})
        if unused := sorted(self._program.fresh - outputs.keys()):
            raise Fault(f"the reference does not write {unused[0]}")
        scalars = {name: value for name, value in given.items() if not isinstance(value, torch.Tensor)}
        return {"tensors": facts, "scalars": scalars, "reduction": tally.reduction, "partial": tally.partial}


def _elements(given: Mapping[str, Value]) -> int:
    return sum(value.numel() for value in given.values() if isinstance(value, torch.Tensor))


def _copied(given: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in given.items()}


def _widened(value: Value) -> Value:
    return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool(torch.equal(one.nan_to_num(), other.nan_to_num()))


def _near(one: torch.Tensor, other: torch.Tensor) -> bool:
    a, b = one.double().nan_to_num(), other.double().nan_to_num()
    return bool(((a - b).abs() <= _SAME * a.abs().max()).all())


def _array(value: torch.Tensor) -> Array:
    """As NumPy has it, which knows no bfloat16: floats that are no float64 leave as float32, which holds them all."""
    floats = value.is_floating_point() and value.dtype is not torch.float64
    plain = value.detach().float() if floats else value.detach()
    found: Array = plain.cpu().contiguous().numpy()
    return found.astype(np.uint8) if found.dtype == np.bool_ else found.reshape(found.shape or (1,))
