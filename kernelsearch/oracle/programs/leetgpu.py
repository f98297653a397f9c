"""A challenge of LeetGPU: a class with a signature, tests of two kinds, and a reference in torch that writes its outputs in place.

Its base class is the checkout's own where that was found, else one that keeps what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from kernelsearch.oracle.problem import Fault
from kernelsearch.oracle.programs.files import Files

_BASE = """
class ChallengeBase:
    def __init__(self, name="", atol=1e-5, rtol=1e-5, num_gpus=1, access_tier="free", **others):
        self.name, self.atol, self.rtol, self.num_gpus = name, atol, rtol, num_gpus
"""
_DIRECTIONS = ("in", "out", "inout")


class LeetGpu:
    parameters: Mapping[str, str] = {}

    def __init__(self, specification: Mapping[str, Any]) -> None:
        files = {"core/__init__.py": "", "core/challenge_base.py": _BASE, **specification["files"]}
        self._files = Files(files)
        kind = getattr(self._files.module("challenge"), "Challenge", None)
        if kind is None:
            raise Fault("challenge.py has no class Challenge")
        self._challenge = kind()
        if getattr(self._challenge, "num_gpus", 1) != 1:
            raise Fault(f"it needs {self._challenge.num_gpus} GPUs, and a candidate has one")
        types = {name: getattr(entry[0], "__name__", "") for name, entry in self._challenge.get_solve_signature().items()}
        self.structure = {"signature": types}
        self._signature = {name: entry[1] for name, entry in self._challenge.get_solve_signature().items()}
        if odd := [name for name, way in self._signature.items() if way not in _DIRECTIONS]:
            raise Fault(f"get_solve_signature: {odd[0]} is {self._signature[odd[0]]!r}, not one of {', '.join(_DIRECTIONS)}")
        self._tests: int | None = None
        self.fresh = frozenset(name for name, way in self._signature.items() if way == "out")

    def cases(self) -> Sequence[tuple[str, bool]]:
        if self._tests is None:
            self._tests = len(self._challenge.generate_functional_test())
        return [*((f"test-{number}", False) for number in range(self._tests)), ("performance", True)]

    def given(self, case: int) -> dict[str, Any]:
        timed = case == len(self.cases()) - 1
        test = self._challenge.generate_performance_test() if timed else self._challenge.generate_functional_test()[case]
        if missing := sorted(self._signature.keys() - test.keys()):
            raise Fault(f"a test has no {missing[0]}, which get_solve_signature names")
        return {name: _made(test[name], name) for name in self._signature}

    def run(self, given: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        self._challenge.reference_impl(**given)
        return {name: given[name] for name, way in self._signature.items() if way != "in"}


def _made(value: object, name: str) -> Any:  # noqa: ANN401 - a tensor or a number
    """What a test gives for an argument; newer checkouts say how a tensor is to be drawn in place of drawing it."""
    if isinstance(value, torch.Tensor | int | float):
        return value
    kind, shape, dtype = type(value).__name__, getattr(value, "shape", None), getattr(torch, str(getattr(value, "dtype", "")), None)
    if isinstance(shape, tuple) and isinstance(dtype, torch.dtype) and kind in _DRAWN:
        return _DRAWN[kind](value, torch.empty(shape, dtype=torch.float32)).to(dtype)
    raise Fault(f"argument {name} of a test is of type {kind}; only tensors and numbers can be passed")


# By the names that the checkout's own classes have, whose fields these are.
_DRAWN: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "RandTensor": lambda wanted, empty: empty.uniform_(wanted.low, wanted.high),
    "RandnTensor": lambda wanted, empty: empty.normal_(wanted.mean, wanted.std),
    "RandIntTensor": lambda wanted, empty: torch.randint(wanted.low, wanted.high, empty.shape),
    "FullTensor": lambda wanted, empty: torch.full(empty.shape, wanted.value),
    "OutTensor": lambda wanted, empty: empty.zero_(),
}
