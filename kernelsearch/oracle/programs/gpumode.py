"""A Python problem of GPU MODE: `generate_input` makes a tree of tensors and constants, `ref_kernel` computes from it.

A tensor of the tree that the reference writes or returns is an output; where its first contents do not matter it is that alone.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from kernelsearch.oracle.problem import Fault, Node, tree
from kernelsearch.oracle.programs.files import Files

_SEEDS = 1 << 30


class GpuMode:
    parameters: Mapping[str, str] = {}

    def __init__(self, specification: Mapping[str, Any]) -> None:
        self._cases = specification["cases"]
        self._files = Files(specification["files"])
        module = self._files.module("reference")
        for name in ("generate_input", "ref_kernel"):
            if not callable(getattr(module, name, None)):
                raise Fault(f"reference.py has no {name}")
        self._generate, self._reference = module.generate_input, module.ref_kernel
        self.structure: dict[str, Any] = {}
        self.fresh: frozenset[str] = frozenset()

    def cases(self) -> Sequence[tuple[str, bool]]:
        return [(case["name"], case["timed"]) for case in self._cases]

    def given(self, case: int) -> dict[str, Any]:
        arguments = dict(self._cases[case]["arguments"])
        if "seed" in arguments:  # other contents at each call, as everywhere
            arguments["seed"] = int(torch.randint(1, _SEEDS, ()))
        found: dict[str, Any] = {}
        shape = _named(tree(self._generate(**arguments), "x", found), found)
        if not self.structure:
            self.structure = {"inputs": shape}
            self.fresh = self._written_only(found)
        elif shape != self.structure["inputs"]:
            raise Fault(f"case {self._cases[case]['name']}: generate_input gives data of another structure than before")
        return found

    def run(self, given: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        tensors = {name: value for name, value in given.items() if isinstance(value, torch.Tensor)}
        before = {name: value._version for name, value in tensors.items()}
        outputs: dict[str, torch.Tensor] = {}
        returned = _outputs(self._reference(_built(self.structure["inputs"], given)), tensors, outputs)
        self.structure.setdefault("outputs", returned)
        return {**{name: value for name, value in tensors.items() if value._version != before[name]}, **outputs}

    def _written_only(self, given: Mapping[str, Any]) -> frozenset[str]:
        """Tensors of the data that are written, and whose first contents change no output."""
        right = {name: value.clone() for name, value in self.run(_cloned(given)).items()}
        found = []
        for name in right.keys() & given.keys():
            other = _cloned(given)
            other[name] = torch.randn(given[name].shape).to(given[name].dtype) if given[name].is_floating_point() else given[name] + 1
            again = self.run(other)
            if all(torch.allclose(again[key].double(), right[key].double(), rtol=1e-3, equal_nan=True) for key in right):
                found.append(name)
        return frozenset(found)


def _cloned(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in given.items()}


def _named(node: Node, found: dict[str, Any]) -> Node:
    """The tree with constants under names as well: they may differ from case to case."""
    if "value" in node:
        name = f"c{len(found)}"
        found[name] = ast.literal_eval(node["value"])
        return {"arg": name}
    for kind in ("list", "tuple"):
        if kind in node:
            return {kind: [_named(item, found) for item in node[kind]]}
    return node


def _built(node: Node, given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever the problem passes
    if "arg" in node:
        return given[node["arg"]]
    items = [_built(item, given) for item in (node.get("list") or node.get("tuple") or ())]
    return items if "list" in node else tuple(items)


def _outputs(value: object, given: Mapping[str, torch.Tensor], found: dict[str, torch.Tensor]) -> Node | None:
    """What is returned as a tree; a tensor that was given keeps its name. None for no tensor."""
    if isinstance(value, torch.Tensor):
        same = [name for name, tensor in given.items() if tensor.data_ptr() == value.data_ptr() and tensor.shape == value.shape]
        name = same[0] if same else f"y{sum(key.startswith('y') for key in found)}"
        found[name] = value
        return {"arg": name}
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [_outputs(item, given, found) for item in value]}
    return None
