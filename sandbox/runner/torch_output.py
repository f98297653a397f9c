"""What a module's `forward` returned, held to the letter of the task before a byte of it is taken.

Decides which tensors count as computed: plain ones, in memory of their own, of the type, shape and device that were asked for.
Everything that a lazy or disguised tensor would answer with code of its own is asked here through torch's own methods, bound when
this module was imported, which is before the candidate's was; Python-level hooks are off meanwhile.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from gpu_base import CudaFailure
from gpu_call import Disguised

TYPES = {
    "f64": torch.float64,
    "f32": torch.float32,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "i64": torch.int64,
    "i32": torch.int32,
    "i16": torch.int16,
    "i8": torch.int8,
    "u8": torch.uint8,
    "bool": torch.bool,
}
_TENSOR, _PARAMETER, _STRIDED = torch.Tensor, torch.nn.Parameter, torch.strided
_shape = torch.Tensor.shape.__get__
_dtype = torch.Tensor.dtype.__get__
_device = torch.Tensor.device.__get__
_layout = torch.Tensor.layout.__get__
_is_contiguous, _contiguous = torch.Tensor.is_contiguous, torch.Tensor.contiguous
_data_ptr, _storage = torch.Tensor.data_ptr, torch.Tensor.untyped_storage
_storage_ptr, _storage_nbytes = torch.UntypedStorage.data_ptr, torch.UntypedStorage.nbytes
_numel, _element_size = torch.Tensor.numel, torch.Tensor.element_size
_no_functions, _no_dispatch = torch._C.DisableTorchFunction, torch._C._DisableTorchDispatch
_attributes = object.__getattribute__
_parse = ast.literal_eval


class BadOutput(CudaFailure):
    """What was returned is not what the task asks for: an honest mistake as far as one can see."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output: where it goes (`pointer`, `nbytes`), and what it must be."""

    pointer: int
    nbytes: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """Bytes to copy: `nbytes` from `source` to `pointer`. `tensor` keeps the source alive."""

    tensor: Any
    source: int
    pointer: int
    nbytes: int


def take(
    returned: object, node: Mapping[str, Any], wanted: Mapping[str, Wanted], device: torch.device, theirs: list[tuple[int, int]]
) -> list[Taken]:
    """The outputs in `returned`, which must have the form of the tree `node`. `theirs`: address ranges of inputs and parameters.

    A tensor that is not contiguous is copied once more on its own stream, which is the candidate's cost. Raises `BadOutput` and
    `Disguised`.
    """
    with _no_functions(), _no_dispatch():
        found = _leaves(returned, node, "the result")
        taken = [_taken(name, value, wanted[name], device, theirs) for name, value in found]
    for i, one in enumerate(taken):
        if any(one.source < other.source + other.nbytes and other.source < one.source + one.nbytes for other in taken[:i]):
            raise Disguised(f"output {found[i][0]} shares memory with another output")
    return taken


def _leaves(value: object, node: Mapping[str, Any], place: str) -> list[tuple[str, object]]:
    if "arg" in node:
        return [(node["arg"], value)]
    if "value" in node:
        constant = _parse(node["value"])
        if type(value) is not type(constant) or value != constant:
            raise BadOutput(f"{place} is not {node['value']}")
        return []
    items = node.get("list") or node.get("tuple") or []
    if not isinstance(value, list | tuple) or len(value) != len(items):
        raise BadOutput(f"{place} is {_called(value)}, not a {'list' if 'list' in node else 'tuple'} of {len(items)}")
    return [leaf for i, (item, below) in enumerate(zip(value, items, strict=True)) for leaf in _leaves(item, below, f"{place}[{i}]")]


def _taken(name: str, value: object, wanted: Wanted, device: torch.device, theirs: list[tuple[int, int]]) -> Taken:
    _check_kind(name, value)
    kind, shape, place = _dtype(value), tuple(_shape(value)), _device(value)
    if place != device:
        raise BadOutput(f"output {name} is on {place}, not on {device}")
    if kind is not TYPES[wanted.dtype]:
        raise BadOutput(f"output {name} is of type {kind}, not {TYPES[wanted.dtype]}")
    if shape != wanted.shape:
        raise BadOutput(f"output {name} has shape {shape}, not {wanted.shape}")
    try:
        storage = _storage(value)
        begin, length, pointer = _storage_ptr(storage), _storage_nbytes(storage), _data_ptr(value)
    except RuntimeError as error:
        raise Disguised(f"output {name} has no memory: {error}") from error
    if not begin or not pointer or not begin <= pointer < begin + length:
        raise Disguised(f"output {name} has no memory")
    if any(begin < end and start < begin + length for start, end in theirs):
        raise Disguised(f"output {name} lies in the memory of an input or a parameter")
    plain = value if _is_contiguous(value) else _contiguous(value)
    if _numel(plain) * _element_size(plain) != wanted.nbytes:
        raise BadOutput(f"output {name} has another size than {wanted.nbytes} bytes")
    return Taken(plain, _data_ptr(plain), wanted.pointer, wanted.nbytes)


def _check_kind(name: str, value: object) -> None:
    if type(value) is not _TENSOR:
        if isinstance(value, _TENSOR) and type(value) is not _PARAMETER:
            raise Disguised(f"output {name} is {_called(value)}, not a plain torch.Tensor")
        raise BadOutput(f"output {name} is {_called(value)}, not a torch.Tensor")
    if own := _attributes(value, "__dict__"):
        raise Disguised(f"output {name} has an attribute of its own, {sorted(map(str, own))[0]}")
    if _layout(value) is not _STRIDED:
        raise BadOutput(f"output {name} has the layout {_layout(value)}, not torch.strided")


def _called(value: object) -> str:
    return f"a {type(value).__name__}"
