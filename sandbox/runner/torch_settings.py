"""torch's switches, put back before every call: what a candidate turned at import or in an earlier call has no effect on this one.

Numbers are computed in the precision that their type says: no TF32, no reductions in half. A candidate that turns a switch inside
`forward` has it for that call; its outputs tell.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

_backends = torch.backends
_matmul, _cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
_set_default_dtype, _set_default_device = torch.set_default_dtype, torch.set_default_device
_set_precision, _set_deterministic = torch.set_float32_matmul_precision, torch.use_deterministic_algorithms
_set_grad, _set_autocast, _seed = torch.set_grad_enabled, torch.set_autocast_enabled, torch.manual_seed
_empty, _fill = torch.empty, torch.Tensor.fill_
_POISONS = (0xFF, 0x7E)  # a NaN in every float type, and a large finite number, which survives nan_to_num


class Settings:
    """Of one process on one device; made before the candidate is imported."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._calls = 0
        self._to_default_stream: Callable[[], None] = lambda: None
        if device.type == "cuda":
            stream, enter = torch.cuda.default_stream(device), torch.cuda.set_stream
            self._to_default_stream = lambda: enter(stream)
        # Torches older than 2.9 have one switch for all of TF32; newer ones have it for each operator, and the old names beside it.
        self._precisions = [place for place in (_backends, _cudnn) if hasattr(place, "fp32_precision")]

    def reset(self) -> None:
        for place in self._precisions:
            place.fp32_precision = "none"
        _matmul.allow_tf32 = False
        _cudnn.allow_tf32 = False
        _set_precision("highest")
        _matmul.allow_fp16_reduced_precision_reduction = False
        _matmul.allow_bf16_reduced_precision_reduction = False
        _cudnn.enabled, _cudnn.benchmark, _cudnn.deterministic = True, False, False
        _set_deterministic(False)
        _set_default_dtype(torch.float32)
        _set_default_device(None)
        _set_grad(True)
        _set_autocast("cuda", False)
        _set_autocast("cpu", False)
        _seed(0)
        self._to_default_stream()

    def poison(self, sizes: list[int]) -> None:
        """Fill memory that the allocator will hand out next: what is left in it must not pass for a result."""
        self._calls += 1
        blocks = [_fill(_empty(nbytes, dtype=torch.uint8, device=self._device), _POISONS[self._calls % 2]) for nbytes in sizes]
        blocks.clear()
