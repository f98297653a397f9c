"""A task of robust-kbench: a module that hands its tensors to a function, under many configurations. Parameters are inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from kernelsearch.oracle.problem import Fault, state
from kernelsearch.oracle.programs.files import Files


class Robust:
    fresh: frozenset[str] = frozenset()

    def __init__(self, specification: Mapping[str, Any]) -> None:
        self._cases = specification["cases"]
        self._files = Files(specification["files"])
        module = self._files.module(specification["main"])
        for name in ("Model", "get_inputs"):
            if not callable(getattr(module, name, None)):
                raise Fault(f"{specification['main']}.py has no {name}")
        self._model, self._inputs = module.Model, module.get_inputs
        self._names = list(getattr(module, "input_names", ()))
        self._made: dict[tuple[Any, ...], torch.nn.Module] = {}
        self.structure: dict[str, Any] = {}
        self.parameters: dict[str, str] = {}
        self._of: dict[tuple[tuple[str, tuple[int, ...]], ...], torch.nn.Module] = {}

    def cases(self) -> Sequence[tuple[str, bool]]:
        return [(case["name"], case["timed"]) for case in self._cases]

    def given(self, case: int) -> dict[str, Any]:
        chosen = self._cases[case]
        model = self._model(**chosen["init"])
        if not isinstance(model, torch.nn.Module):
            raise Fault("Model is not a torch.nn.Module")
        values = self._inputs(**chosen["inputs"])
        if isinstance(values, torch.Tensor):
            values = (values,)
        pairs = list(values.items()) if isinstance(values, dict) else list(zip(self._named(len(values)), values, strict=True))
        held = {name: value.detach() for name, value in state(model).items() if value.is_floating_point()}
        self.parameters = {"w_" + "".join(letter if letter.isalnum() else "_" for letter in name): name for name in held}
        given = {**dict(pairs), **{arg: held[name] for arg, name in self.parameters.items()}}
        self.structure = {"order": [name for name, _ in pairs]}
        self._of[_shapes(given)] = model
        return given

    def run(self, given: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        model = self._of[_shapes(given)]
        weights = {name: given[arg] for arg, name in self.parameters.items()}
        returned = torch.func.functional_call(model, weights, tuple(given[name] for name in self.structure["order"]))
        values = returned if isinstance(returned, tuple | list) else (returned,)
        return {f"y{number}": value for number, value in enumerate(values) if isinstance(value, torch.Tensor)}

    def _named(self, count: int) -> list[str]:
        plain = all(isinstance(name, str) and name.isidentifier() for name in self._names)
        return self._names if plain and len(self._names) == count and len(set(self._names)) == count else [f"x{i}" for i in range(count)]


def _shapes(given: Mapping[str, Any]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Tells which configuration a call is of: modules differ by configuration, and a call has its tensors alone."""
    return tuple(
        (name, tuple(value.shape) if isinstance(value, torch.Tensor) else (hash(repr(value)),)) for name, value in sorted(given.items())
    )
