"""The templated kernels beside this file: what each computes, and how a bulk of its instances becomes one CUDA source.

A space is `NAME.t1.json` and `NAME.cu`, whose `body<…>` takes the parameters in the file's order; CAP, if there is one, is no
argument of the template but the kernel's `__maxnreg__`, so that instances with different caps share one compilation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kernelsearch.formats.kerneltuner import Configuration, Space, read_t1

FOLDER = Path(__file__).resolve().parent
CAP = "CAP"  # most registers a thread; 0: the compiler is free


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the recorder must know of a kernel beyond its T1 file."""

    inputs: Callable[[np.random.Generator], list[np.ndarray]]
    reference: Callable[..., np.ndarray]  # from the inputs, in double precision
    absolute: float  # tolerance; the relative one is the T1 file's ValidationThreshold


def _uniform(random: np.random.Generator, *shape: int, span: float = 1.0) -> np.ndarray:
    return random.uniform(-span, span, shape).astype(np.float32)


def _convolution(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    high, wide = image.shape[0] - 6, image.shape[1] - 8
    image = image.astype(np.float64)
    return sum(float(weights[y, x]) * image[y : y + high, x : x + wide] for y in range(7) for x in range(7))


def _stencil(grid: np.ndarray) -> np.ndarray:
    g = grid.astype(np.float64)
    z, y, x = (slice(1, -1), slice(1, -1), slice(4, -4))
    ends = (g[z, y, 3:-5], g[z, y, 5:-3], g[z, :-2, x], g[z, 2:, x], g[:-2, y, x], g[2:, y, x])
    return float(np.float32(0.4)) * g[z, y, x] + float(np.float32(0.1)) * sum(ends)


def _softmax(rows: np.ndarray) -> np.ndarray:
    e = np.exp(rows.astype(np.float64) - rows.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


SUBJECTS: dict[str, Subject] = {
    "matmul": Subject(
        inputs=lambda r: [_uniform(r, 2048, 512), _uniform(r, 512, 2048)],
        reference=lambda a, b: a.astype(np.float64) @ b.astype(np.float64),
        absolute=1e-3,
    ),
    "convolution": Subject(
        inputs=lambda r: [_uniform(r, 4096 + 6, 4096 + 8), _uniform(r, 7, 7)],
        reference=_convolution,
        absolute=1e-4,
    ),
    "stencil": Subject(inputs=lambda r: [_uniform(r, 256 + 2, 256 + 2, 512 + 8)], reference=_stencil, absolute=1e-5),
    "softmax": Subject(inputs=lambda r: [_uniform(r, 8192, 4096, span=4.0)], reference=_softmax, absolute=1e-8),
    "transpose": Subject(
        inputs=lambda r: [_uniform(r, 8192, 4096)], reference=lambda m: np.ascontiguousarray(m.T), absolute=0.0
    ),
}  # fmt: skip


def space(name: str) -> Space:
    """The tuning space called `name`."""
    return read_t1(FOLDER / f"{name}.t1.json")


def relative_tolerance(of: Space) -> float:
    """The T1 file's threshold."""
    return float(of.raw["KernelSpecification"]["ReferenceArguments"][0]["ValidationThreshold"])


def source(of: Space, points: Sequence[Configuration], *, caps: bool = True) -> str:
    """One CUDA source with a kernel `p0`, `p1`, … for each of `points`."""
    arguments = of.raw["KernelSpecification"]["Arguments"]
    declared = ", ".join(f"{'const ' if a['AccessType'] == 'ReadOnly' else ''}float* {a['Name']}" for a in arguments)
    given = ", ".join(a["Name"] for a in arguments)
    lines = [f'#include "{of.source}"']
    for number, point in enumerate(points):
        values = ", ".join(str(point[name]) for name in of.names if name != CAP)
        cap = f"__maxnreg__({point[CAP]}) " if caps and point.get(CAP) else ""
        lines.append(f'extern "C" __global__ {cap}void p{number}({declared}) {{ body<{values}>({given}); }}')
    return "\n".join(lines) + "\n"
