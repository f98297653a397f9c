"""Counts what a forward pass does, one operation of ATen at a time: how long its sums are, and which work no kernel can leave out.

Errors of one operation after the other add up, each about the square root of its longest sum (see `verify.tolerance`): the length
that stands for the whole pass is the square of the sum of these roots. It is an estimate from above, as branches count too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_PRODUCTS = {"mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2), "mv": (0, 1), "addmv": (1, 2), "dot": (0, 1)}
# Operations that read a part of what they are given: what they leave out need not be loaded.
_PARTIAL = ("index", "gather", "embedding", "select", "slice", "narrow", "take", "split", "unbind", "masked_select", "tril", "triu")


class Tally(TorchDispatchMode):  # type: ignore[misc] # torch is not looked into
    """Use as a context around one call of a module. `given`: the tensors of the call, which are not made in it."""

    def __init__(self, given: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self._given = {tensor.untyped_storage().data_ptr(): tensor.numel() for tensor in given.values()}
        self._roots = 0.0
        self._flops = 0
        self._shortcuts = False  # a product of something computed, which may have a structure that saves work
        self.partial = False

    @property
    def reduction(self) -> int:
        """The length of one sum that loses as much as the whole pass."""
        return max(1, math.ceil(self._roots**2))

    @property
    def flops(self) -> int | None:
        """Floating-point operations that must be done: dense products of what is given, where nothing else is left out."""
        return self._flops if self._flops and not self.partial and not self._shortcuts else None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - torch's interface
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.partition("::")[2].rstrip("_")
        self.partial = self.partial or name.startswith(_PARTIAL)
        returns = func._schema.returns
        is_view = bool(returns) and returns[0].alias_info is not None and not returns[0].alias_info.is_write
        out = next((item for item in _tensors(result) if item.is_floating_point()), None)
        if out is not None and not is_view:
            self._note(name, args, out)
        return result

    def _note(self, name: str, args: Any, out: torch.Tensor) -> None:  # noqa: ANN401 - an operation's arguments
        if name in _PRODUCTS:
            left, right = (args[i] for i in _PRODUCTS[name])
            self._roots += math.sqrt(left.shape[-1])
            self._flops += 2 * out.numel() * left.shape[-1]
            self._shortcuts = self._shortcuts or not (self._is_given(left) and self._is_given(right))
        else:
            self._roots += math.sqrt(max(1.0, float(_length(name, args, out))))

    def _is_given(self, tensor: torch.Tensor) -> bool:
        return bool(self._given.get(tensor.untyped_storage().data_ptr()) == tensor.numel())


def _length(name: str, args: Any, out: torch.Tensor) -> Any:  # noqa: ANN401 - an operation's arguments, and numbers from them
    """Terms in the longest sum of an operation that is no plain product."""
    first = next(iter(_tensors(args)), None)
    if first is None:
        return 1
    shape = tuple(first.shape)
    if "conv" in name:
        weight = list(_tensors(args))[1]
        return weight.numel() / max(1, weight.shape[0] if not _transposed(args) else weight.shape[1])
    if "softmax" in name or name.startswith(("cumsum", "cumprod", "logcumsumexp")):
        return shape[args[1]] if shape else 1
    if "layer_norm" in name:
        return math.prod(args[1])
    if "batch_norm" in name:
        return first.numel() / max(1, shape[1])
    if "group_norm" in name:
        return first.numel() / max(1, shape[0] * args[6])
    if "attention" in name:
        return shape[-1] + shape[-2]
    if "rnn" in name or "lstm" in name or "gru" in name:
        return sum(tensor.numel() for tensor in _tensors(args)) / max(1, shape[-1])
    inputs = [tensor.numel() for tensor in _tensors(args)]
    return max(inputs) / max(1, out.numel())


def _transposed(args: Any) -> bool:  # noqa: ANN401 - an operation's arguments
    """`aten::convolution(input, weight, bias, stride, padding, dilation, transposed, …)`."""
    return len(args) > 6 and args[6] is True


def _tensors(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in _tensors(item)]
    return []
