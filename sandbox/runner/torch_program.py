"""A candidate that is a PyTorch module: one more kind of program for the runner, on the same buffers as any other.

Its constructor runs once. Parameters are then put into the harness's own buffers, under the names that the task gives, so that their
contents are the verifier's and change with each call; inputs are tensors on such buffers too, made anew for each call. Outputs are
checked as part of the call, and copied by address to where they are wanted. Nothing here knows the problem: neither its own module
nor its `get_inputs` is in this process, and the candidate's own `get_inputs`, if it has one, is never called.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch_load
from gpu_base import CudaFailure, Gpu
from gpu_call import Call, NotLoadable
from torch_extensions import Prebuilt
from torch_load import filled
from torch_output import TYPES, Taken, Wanted, take
from torch_settings import Settings

_MODULE, _to = torch.nn.Module, torch.nn.Module.to
_parameters, _buffers = torch.nn.Module.named_parameters, torch.nn.Module.named_buffers
_as_tensor, _from_buffer = torch.as_tensor, torch.frombuffer
_view, _reshape, _set_data = torch.Tensor.view, torch.Tensor.reshape, torch.Tensor.data.__set__
_no_grad = torch.no_grad


class TorchProgram:
    """`spec` is the task's `TorchCall` as JSON. `artifact` is what `toolchain.torch` built."""

    def __init__(self, gpu: Gpu, artifact: Path, spec: Mapping[str, Any], entry: str = "ModelNew", device: str = "cuda") -> None:
        self._gpu = gpu
        self._spec = spec
        self._inputs, self._outputs = json.loads(spec["inputs"]), json.loads(spec["outputs"])
        self._device = _as_tensor(0, device=device).device  # with its ordinal, as tensors will have it
        self._settings = Settings(self._device)
        folder = torch_load.unpack(artifact)
        Prebuilt(folder / torch_load.LIBRARIES).install()
        self._settings.reset()
        try:
            made = getattr(torch_load.imported(folder / torch_load.SOURCE), entry)
            with torch.device(self._device):
                self._model = made(*filled(json.loads(spec["init"]), {}))
            if isinstance(self._model, _MODULE):
                _to(self._model, self._device)
                self._held = {**dict(_parameters(self._model)), **dict(_buffers(self._model))}
        except BaseException as error:  # SystemExit too: a candidate does not end the runner
            raise NotLoadable(f"{entry}: {torch_load.in_words(error)}") from error
        if not isinstance(self._model, _MODULE):
            raise NotLoadable(f"{entry} is not a torch.nn.Module")

    def launches(self, call: Call, spec: Mapping[str, Any]) -> list[Callable[[], None]]:
        """The one thing to run for a call, a `Forward`."""
        pointers = [param.value for param in call.params(None)]
        return [Forward(self, [Bound(self._spec, arg, int(pointer)) for arg, pointer in zip(spec["args"], pointers, strict=True)])]

    def prepare(self, bound: Sequence[Bound]) -> dict[str, Any]:
        """Everything as it was before any call, and this call's parameters in place; its inputs by argument."""
        self._settings.reset()
        self._settings.poison([item.nbytes for item in bound if item.is_output])
        inputs = {}
        for item in bound:
            if item.is_output:
                continue
            tensor = self._wrapped(item)
            if (name := self._spec["parameters"].get(item.name)) is None:
                inputs[item.name] = tensor
            else:
                self._place(name, tensor)
        return inputs

    def call(self, inputs: Mapping[str, Any], bound: Sequence[Bound]) -> list[Taken]:
        """`forward`, and its outputs checked. Raises `CudaFailure` and `Disguised`."""
        try:
            with _no_grad():
                returned = self._model(*filled(self._inputs, inputs))
        except BaseException as error:
            raise CudaFailure(f"forward: {torch_load.in_words(error)}") from error
        wanted = {item.name: Wanted(item.pointer, item.nbytes, item.dtype, item.shape) for item in bound if item.is_output}
        theirs = [(item.pointer, item.pointer + item.nbytes) for item in bound if not item.is_output]
        return take(returned, self._outputs, wanted, self._device, theirs)

    def deliver(self, outputs: Sequence[Taken]) -> None:
        """Queue the copies of outputs to where they are wanted."""
        for output in outputs:
            self._gpu.copy(output.pointer, output.source, output.nbytes)

    def _place(self, name: str, contents: torch.Tensor) -> None:
        held = self._held.get(name)
        if held is None:
            raise NotLoadable(f"the module has no parameter {name}; it must have those of the problem, under the same names")
        if held.shape != contents.shape or held.dtype is not contents.dtype:
            was, must = f"{held.dtype} {tuple(held.shape)}", f"{contents.dtype} {tuple(contents.shape)}"
            raise NotLoadable(f"parameter {name} is {was}, not {must}")
        _set_data(held, contents)

    def _wrapped(self, item: Bound) -> torch.Tensor:
        """A tensor on memory of the harness."""
        if self._device.type == "cuda":
            raw = _as_tensor(_OnGpu(item.pointer, item.nbytes), device=self._device)
        else:
            raw = _from_buffer((ctypes.c_uint8 * item.nbytes).from_address(item.pointer), dtype=torch.uint8)
        return _reshape(_view(raw, TYPES[item.dtype]), item.shape)


class Bound:
    """A tensor argument of one call, in its buffer."""

    def __init__(self, call: Mapping[str, Any], arg: Mapping[str, Any], pointer: int) -> None:
        self.name: str = arg["name"]
        self.nbytes: int = arg["nbytes"]
        self.dtype: str = arg["dtype"]
        self.is_output: bool = arg["written"]
        self.shape: tuple[int, ...] = tuple(call["shapes"][self.name])
        self.pointer = pointer


class Forward:
    """A call that can be made again and again: `ready`, `compute` and `collect` in this order, or all three by calling it.

    The candidate's time is that of `compute`, which includes bringing its outputs into plain memory. The copies that `collect` makes
    are the harness's: queued behind `compute` at once, they take what is in memory by then.
    """

    def __init__(self, program: TorchProgram, bound: Sequence[Bound]) -> None:
        self._program, self._bound = program, bound
        self._inputs: dict[str, Any] = {}
        self._outputs: list[Taken] = []

    def ready(self) -> None:
        self._inputs = self._program.prepare(self._bound)

    def compute(self) -> None:
        self._outputs = self._program.call(self._inputs, self._bound)
        self._inputs = {}

    def collect(self) -> None:
        self._program.deliver(self._outputs)
        self._outputs = []

    def __call__(self) -> None:
        self.ready()
        self.compute()
        self.collect()


class _OnGpu:
    """Device memory as torch takes it from other libraries."""

    def __init__(self, pointer: int, nbytes: int) -> None:
        self.__cuda_array_interface__ = {"shape": (nbytes,), "typestr": "|u1", "data": (pointer, False), "strides": None, "version": 3}
