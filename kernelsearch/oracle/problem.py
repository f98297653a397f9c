"""A KernelBench problem inside the trusted process: its module, called on given contents, in float64.

Constants and tensors of a call are told apart once, in a tree of JSON (see `model.TorchCall`), which is made and read here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from kernelsearch.oracle.wire import Array

FILE = "problem.py"  # how messages call the problem
Node = dict[str, Any]
_STEP = 1e-3  # a parameter of zeros can still be moved by this much
_NOTHING = 1e-10  # of the largest influence: float64 rounds at 1e-16, and sums of millions lose some of that

DTYPES: dict[torch.dtype, str] = {
    torch.float64: "f64",
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.int64: "i64",
    torch.int32: "i32",
    torch.int16: "i16",
    torch.int8: "i8",
    torch.uint8: "u8",
    torch.bool: "bool",
}


class Fault(Exception):
    """The problem cannot be used; says why."""


def namespace(source: str) -> dict[str, Any]:
    """What the problem's file defines. Raises `Fault` when one of the names that KernelBench's form has is missing."""
    space: dict[str, Any] = {"__name__": "problem", "__file__": FILE}
    exec(compile(source, FILE, "exec"), space)
    for name in ("Model", "get_inputs", "get_init_inputs"):
        if not callable(space.get(name)):
            raise Fault(f"no {name} in it; a KernelBench problem has Model, get_inputs and get_init_inputs")
    return space


def tree(value: object, prefix: str, found: dict[str, torch.Tensor]) -> Node:
    """`value` as a tree; its tensors are put into `found` under names of `prefix` and a number."""
    if isinstance(value, torch.Tensor):
        name = f"{prefix}{len(found)}"
        found[name] = value
        return {"arg": name}
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [tree(item, prefix, found) for item in value]}
    text = repr(value)
    try:
        same = ast.literal_eval(text) == value
    except (SyntaxError, ValueError):
        same = False
    if not same:
        raise Fault(f"a value of type {type(value).__name__} is passed or returned; only tensors, numbers, texts, lists and tuples can be")
    return {"value": text}


def filled(node: Node, tensors: Mapping[str, torch.Tensor]) -> Any:  # noqa: ANN401 - whatever a constructor takes
    """The value that a tree stands for, with `tensors` in their places."""
    if "arg" in node:
        return tensors[node["arg"]]
    if "value" in node:
        return ast.literal_eval(node["value"])
    if "list" in node:
        return [filled(item, tensors) for item in node["list"]]
    return tuple(filled(item, tensors) for item in node["tuple"])


def state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, each once."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def build(space: Mapping[str, Any], init: Node, seed: int, device: torch.device) -> torch.nn.Module:
    """A new `Model`, as its constructor leaves it when the generators have this seed."""
    torch.manual_seed(seed)
    model = space["Model"](*filled(init, {}))
    if not isinstance(model, torch.nn.Module):
        raise Fault("Model is not a torch.nn.Module")
    return model.to(device)


def widened(model: torch.nn.Module) -> torch.nn.Module:
    """`model` in float64: parameters, buffers, and tensors that its modules hold as plain attributes."""
    model.double()
    for module in model.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                setattr(module, name, value.double())
    return model


class Exact:
    """The problem in float64, to be called on many contents."""

    def __init__(self, space: Mapping[str, Any], init: Node, inputs: Node, parameters: Mapping[str, str], device: torch.device) -> None:
        self._model = widened(build(space, init, 0, device))
        self._inputs = inputs
        self._parameters = parameters
        self._device = device

    def __call__(self, contents: Mapping[str, torch.Tensor], *, gradients: bool = False) -> Any:  # noqa: ANN401 - what forward returns
        """What `forward` returns for these inputs and parameters, by argument; floats are widened."""
        wide = {
            name: value.to(self._device, torch.float64 if value.is_floating_point() else value.dtype) for name, value in contents.items()
        }
        held = state(self._model)
        default = torch.get_default_dtype()
        torch.manual_seed(0)
        torch.set_default_dtype(torch.float64)  # what forward makes by itself shall not be narrower
        try:
            with torch.no_grad():
                for arg, name in self._parameters.items():
                    held[name].copy_(wide[arg])
            with torch.set_grad_enabled(gradients):
                return self._model(*filled(self._inputs, wide))
        finally:
            torch.set_default_dtype(default)

    def idle(self, contents: Mapping[str, torch.Tensor], outputs: Node) -> list[str]:
        """The parameters that no output hangs on, by the gradient of a random weighting of the float outputs."""
        held = dict(self._model.named_parameters())
        asked = {arg: held[name] for arg, name in self._parameters.items() if name in held and held[name].is_floating_point()}
        try:
            returned = self(contents, gradients=True)
            tensors = [value for _, value in flat(returned, outputs) if value.requires_grad]
            weighted = sum(((value * torch.randn_like(value)).sum() for value in tensors), torch.zeros((), device=self._device))
            gradients = torch.autograd.grad(weighted, list(asked.values()), allow_unused=True)
        except RuntimeError:  # not differentiable: nothing can be told
            return []
        sizes = [_influence(g, p.detach()) for g, p in zip(gradients, asked.values(), strict=True)]
        return [arg for arg, size in zip(asked, sizes, strict=True) if size <= _NOTHING * max(sizes) and max(sizes) > 0]


def _influence(gradient: torch.Tensor | None, parameter: torch.Tensor) -> float:
    return 0.0 if gradient is None else float((gradient * parameter).abs().max() + gradient.abs().max() * _STEP)


def flat(value: object, node: Node) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a returned value by the names that tree `node` has for them."""
    if isinstance(value, torch.Tensor) and "arg" in node:
        yield node["arg"], value
    elif isinstance(value, list | tuple):
        for item, below in zip(value, node.get("list") or node.get("tuple") or (), strict=True):
            yield from flat(item, below)


def arrays(outputs: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    return {name: value.detach().cpu().contiguous().numpy() for name, value in outputs.items()}


def shaped(given: Mapping[str, Array], shapes: Mapping[str, Any], make: Callable[[Array], torch.Tensor]) -> dict[str, torch.Tensor]:
    """Arrays as tensors in torch's shapes, which have no dimension where ours have one of length 1."""
    return {name: make(array).reshape(shapes.get(name, array.shape)) for name, array in given.items()}
