"""Lets Python that was written for a GPU run on the CPU: the GPU belongs to candidates, and a reference must not work beside them.

And lets it run in float64, casts of its own included: what is exact must not be rounded on the way to a type that the answer has anyway.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_CPU = torch.device("cpu")
_NARROW = (torch.float32, torch.float16, torch.bfloat16)
_CASTS = ("float", "half", "bfloat16")


def _elsewhere(value: object) -> bool:
    return (isinstance(value, torch.device) and value.type == "cuda") or (isinstance(value, str) and value.partition(":")[0] == "cuda")


class _Generator(torch.Generator):  # type: ignore[misc] # torch is not looked into
    """A class and no function, as torch's own modules use the name in annotations."""

    def __new__(cls, device: object = None) -> Any:  # noqa: ANN401 - torch's interface
        return super().__new__(cls, _CPU)


class OnCpu(TorchFunctionMode):  # type: ignore[misc] # torch is not looked into
    """A context in which whatever is asked of "cuda" is done on the CPU."""

    def __enter__(self) -> Any:  # noqa: ANN401 - torch's interface
        self._generator, self._synchronize = torch.Generator, torch.cuda.synchronize
        torch.Generator = _Generator
        torch.cuda.synchronize = lambda device=None: None
        return super().__enter__()

    def __exit__(self, *raised: object) -> Any:  # noqa: ANN401 - torch's interface
        torch.Generator, torch.cuda.synchronize = self._generator, self._synchronize
        return super().__exit__(*raised)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - torch's interface
        name = getattr(func, "__name__", "")
        if name == "cuda" and args and isinstance(args[0], torch.Tensor):
            return args[0]
        named = {key: _CPU if _elsewhere(value) else value for key, value in (kwargs or {}).items() if key != "pin_memory"}
        return func(*(_CPU if _elsewhere(value) else value for value in args), **named)


class InDouble(TorchFunctionMode):  # type: ignore[misc] # torch is not looked into
    """A context in which casts to a narrower float, and tensors made in one, are float64. Reinterpreted bits are left alone."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - torch's interface
        name = getattr(func, "__name__", "")
        if name in _CASTS and args and isinstance(args[0], torch.Tensor):
            return args[0].double()
        if name == "view":
            return func(*args, **(kwargs or {}))
        named = {key: _wide(value) for key, value in (kwargs or {}).items()}
        return func(*map(_wide, args), **named)


def _wide(value: object) -> object:
    return torch.float64 if isinstance(value, torch.dtype) and value in _NARROW else value
