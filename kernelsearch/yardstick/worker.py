"""The trusted process that runs libraries: prepares one call, gives its outputs, and times it when it is told to.

    python -m kernelsearch.yardstick.worker DEVICE        cuda, or cpu to try it without a GPU

Messages are those of `oracle.wire`; tensors are bytes as the device stores them. Products stay in the type of their inputs: a
library that rounded fp32 to TF32 would be doing other work. On a GPU the time between two events counts, behind a flush of L2 that also
keeps the GPU busy while the host queues the call.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from kernelsearch.oracle.serving import USERS_ERRORS, place, serve
from kernelsearch.oracle.wire import Array

FILE = "yardstick.py"  # how messages call the function's file
_FLUSH_BYTES = 192 << 20  # at least, and four times L2: as the boxes of candidates flush
_WARM_S, _FEWEST, _MOST, _LONGEST_S = 0.05, 30, 100, 2.0
_WARM_CALLS = 3
_BITS = {"bf16": "uint16", "bool": "bool"}
_NUMPY = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    **{f"{s}{b}": f"{n}int{b}" for s, n in (("i", ""), ("u", "u")) for b in (8, 16, 32, 64)},
}


class Fault(Exception):
    """The function cannot be used; says why."""


class Library(Protocol):
    """torch or cupy, as far as it is used here."""

    module: Any

    def tensor(self, raw: Array, dtype: str, shape: tuple[int, ...]) -> Any: ...  # noqa: ANN401

    def raw(self, tensor: Any, name: str, dtype: str) -> Array: ...  # noqa: ANN401

    def compiled(self, call: Callable[[], Any], compiler: str) -> Callable[[], Any]: ...

    def problem(self, source: str, call: Mapping[str, Any], tensors: Mapping[str, Any]) -> Callable[[], Any]: ...

    def time_us(self, call: Callable[[], Any]) -> float: ...


class Torch:
    def __init__(self, device: str) -> None:
        import torch

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.set_grad_enabled(False)
        self.module, self._device = torch, torch.device(device)
        self._types = {"bf16": torch.bfloat16, "bool": torch.bool} | {name: getattr(torch, text) for name, text in _NUMPY.items()}
        self._flush: Any = None

    def tensor(self, raw: Array, dtype: str, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
        return self.module.from_numpy(raw.copy()).view(self._types[dtype]).reshape(shape).to(self._device)

    def raw(self, tensor: Any, name: str, dtype: str) -> Array:  # noqa: ANN401
        if not isinstance(tensor, self.module.Tensor) or tensor.dtype != self._types[dtype]:
            raise Fault(f"{name} comes back as {getattr(tensor, 'dtype', type(tensor).__name__)}, not as {self._types[dtype]}")
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        found: Array = flat.view(self.module.uint8).numpy()
        return found

    def compiled(self, call: Callable[[], Any], compiler: str) -> Callable[[], Any]:
        return self.module.compile(call, backend=compiler) if compiler else call

    def problem(self, source: str, call: Mapping[str, Any], tensors: Mapping[str, Any]) -> Callable[[], Any]:
        """The module of a KernelBench problem on these contents, returning its outputs by name."""
        from kernelsearch.oracle import problem

        space = problem.namespace(source)
        _importable(space["__name__"]).__dict__.update(space)
        model = problem.build(space, json.loads(call["init"]), 0, self._device)
        held = problem.state(model)
        for arg, name in call["parameters"].items():
            held[name].copy_(tensors[arg].reshape(held[name].shape))
        shaped = {name: tensor.reshape(call["shapes"].get(name, tensor.shape)) for name, tensor in tensors.items()}
        given, outputs = problem.filled(json.loads(call["inputs"]), shaped), json.loads(call["outputs"])
        return lambda: dict(problem.flat(model(*given), outputs))

    def time_us(self, call: Callable[[], Any]) -> float:
        torch = self.module
        if self._device.type == "cpu":
            return _by_clock(call)
        if self._flush is None:
            size = torch.cuda.get_device_properties(self._device).L2_cache_size
            self._flush = torch.empty(max(4 * size, _FLUSH_BYTES), dtype=torch.uint8, device=self._device)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self._flush.fill_(0x5A)
        begin.record()
        call()
        end.record()
        torch.cuda.synchronize()
        return float(begin.elapsed_time(end)) * 1000.0


class Cupy:
    def __init__(self, device: str) -> None:
        if device == "cpu":
            raise Fault("cupy needs a GPU")
        import cupy

        self.module: Any = cupy
        self._flush: Any = None

    def tensor(self, raw: Array, dtype: str, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
        return self.module.asarray(raw.view(self._type(dtype)).reshape(shape))

    def raw(self, tensor: Any, name: str, dtype: str) -> Array:  # noqa: ANN401
        if not isinstance(tensor, self.module.ndarray) or tensor.dtype != self._type(dtype):
            raise Fault(f"{name} comes back as {getattr(tensor, 'dtype', type(tensor).__name__)}, not as {dtype}")
        return np.ascontiguousarray(self.module.asnumpy(tensor)).reshape(-1).view(np.uint8)

    def compiled(self, call: Callable[[], Any], compiler: str) -> Callable[[], Any]:
        return call

    def problem(self, source: str, call: Mapping[str, Any], tensors: Mapping[str, Any]) -> Callable[[], Any]:
        raise Fault("a PyTorch problem is run by torch")

    def time_us(self, call: Callable[[], Any]) -> float:
        cuda = self.module.cuda
        if self._flush is None:
            size = cuda.Device().attributes["L2CacheSize"]
            self._flush = self.module.empty(max(4 * size, _FLUSH_BYTES), dtype="uint8")
        begin, end = cuda.Event(), cuda.Event()
        self._flush.fill(0x5A)
        begin.record()
        call()
        end.record()
        end.synchronize()
        return float(cuda.get_elapsed_time(begin, end)) * 1000.0

    def _type(self, dtype: str) -> np.dtype[Any]:
        if dtype == "bf16":
            raise Fault("cupy has no bfloat16; use torch for this task's yardstick")
        return np.dtype("bool" if dtype == "bool" else _NUMPY[dtype])


def _by_clock(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e6


class Worker:
    """One call at a time is prepared. `made` holds the libraries that were opened."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._made: dict[str, Library] = {}
        self._call: Callable[[], Any] | None = None
        self._library: Library | None = None

    def answer(self, request: Mapping[str, Any], given: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
        """The result of one request, or an error in words."""
        try:
            if request["op"] == "time":
                return {"times_us": self.times()}, {}
            self._call = None  # its tensors go before new ones come
            return {}, self.prepare(request, given)
        except Fault as fault:
            return {"error": str(fault)}, {}
        except USERS_ERRORS as error:
            return {"error": f"{place(error, FILE)}{type(error).__name__}: {error}".splitlines()[0]}, {}

    def prepare(self, request: Mapping[str, Any], given: Mapping[str, Array]) -> dict[str, Array]:
        """Make the call ready, make it once, and return its outputs. Raises `Fault` where it wrote an input, or returned something else."""
        library = self._library = self._open(request["library"])
        tensors = {name: library.tensor(given[name], t["dtype"], tuple(t["shape"])) for name, t in request["tensors"].items()}
        if request["call"] is not None:
            call = library.problem(request["source"], request["call"], tensors)
        else:
            function = _function(request["source"], request["function"])
            call = lambda: function(library.module, **tensors, **request["values"])  # noqa: E731
        self._call = library.compiled(call, request["compiler"])
        outputs = _named(self._call(), list(request["outputs"]))
        found = {name: library.raw(outputs[name], name, dtype) for name, dtype in request["outputs"].items()}
        for name, t in request["tensors"].items():
            if name not in request["outputs"] and not np.array_equal(library.raw(tensors[name], name, t["dtype"]), given[name]):
                raise Fault(f"it wrote its input {name}")
        return found

    def times(self) -> list[float]:
        """µs of each of many calls, as many as a device would take."""
        if self._call is None or self._library is None:
            raise Fault("nothing is prepared")
        begun = time.monotonic()
        for number in range(_MOST):
            self._library.time_us(self._call)
            if number + 1 >= _WARM_CALLS and time.monotonic() - begun >= _WARM_S:
                break
        found, begun = list[float](), time.monotonic()
        while len(found) < _FEWEST or (len(found) < _MOST and time.monotonic() - begun < _LONGEST_S):
            found.append(self._library.time_us(self._call))
        return found

    def _open(self, name: str) -> Library:
        if name not in self._made:
            try:
                self._made[name] = Torch(self._device) if name == "torch" else Cupy(self._device)
            except ImportError as error:
                raise Fault(
                    f"{name} cannot be imported ({error}); install kernelsearch[{'torch' if name == 'torch' else 'gpu'}]"
                ) from error
        return self._made[name]


def _function(source: str, name: str) -> Callable[..., Any]:
    space = _importable("yardstick").__dict__
    exec(compile(source, FILE, "exec"), space)
    function = space.get(name)
    if not callable(function):
        raise Fault(f"no function {name!r} in {FILE}")
    found: Callable[..., Any] = function
    return found


def _importable(name: str) -> ModuleType:
    """An empty module that `import` finds: torch.compile looks up in its module what a function refers to."""
    sys.modules[name] = module = ModuleType(name)
    return module


def _named(returned: object, names: list[str]) -> Mapping[str, Any]:
    if isinstance(returned, dict):
        if missing := [name for name in names if name not in returned]:
            raise Fault(f"it returns nothing for {', '.join(missing)}")
        return returned
    if len(names) > 1:
        raise Fault(f"it must return a dict of {', '.join(names)}")
    return {names[0]: returned}


if __name__ == "__main__":
    serve(lambda: Worker(sys.argv[1]).answer)
