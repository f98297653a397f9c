"""Random contents for trying a problem out, in torch, and whether its outputs under them say anything.

The contents that candidates are judged on are drawn elsewhere; these only tell which distributions a problem has an answer for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

_LARGEST = {"f64": math.inf, "f32": torch.finfo(torch.float32).max, "f16": 65504.0, "bf16": torch.finfo(torch.bfloat16).max}


def draw(distribution: str, tensor: torch.Tensor, scale: float, generator: torch.Generator) -> torch.Tensor:
    """Contents in float64 for a float tensor of the shape of `tensor`."""
    options = {"generator": generator, "dtype": torch.float64, "device": generator.device}
    normal = torch.randn(tensor.shape, **options)
    if distribution == "uniform":
        normal = torch.rand(tensor.shape, **options) * 2 - 1
    elif distribution == "positive":
        normal = torch.rand(tensor.shape, **options) + 0.1
    elif distribution == "lognormal":
        normal = normal.exp()
    elif distribution == "integers":
        normal = torch.randint(-2, 3, tensor.shape, **options)
    elif distribution == "spikes":
        flat = normal.reshape(-1)
        places = torch.randint(0, flat.numel(), (max(4, flat.numel() // 1000),), generator=generator, device=generator.device)
        flat[places] = flat[places].sign() * 100 * (1 + flat[places].abs())
    return normal * scale


def power_of_two(tensor: torch.Tensor) -> float:
    """The power of two nearest to the root mean square of a tensor; 1 where that is 0 or not a number."""
    size = float(tensor.double().square().mean().sqrt())
    return 2.0 ** round(math.log2(size)) if size > 0 and math.isfinite(size) else 1.0


def problem_with(outputs: Mapping[str, torch.Tensor], dtypes: Mapping[str, str]) -> str | None:
    """Why exact outputs are of no use for judging, in words; None when they are."""
    for name, value in outputs.items():
        if not value.is_floating_point():
            continue
        if not bool(torch.isfinite(value).all()):
            return f"{name} has values that are not finite"
        if float(value.abs().max()) > _LARGEST[dtypes[name]]:
            return f"{name} has values that {dtypes[name]} cannot hold"
        if value.numel() > 1 and float(value.max()) == float(value.min()):
            return f"{name} is {float(value.flatten()[0]):g} everywhere"
    return None
