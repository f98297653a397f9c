"""A GPU in numbers. Datasheet or measured: `sources` says which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.model.task import DType


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """Peaks and limits of one GPU. Rates in bytes/s and FLOP/s, times in µs, sizes in bytes, clock in Hz."""

    name: str
    arch: str  # "sm_90"
    sm_count: int
    clock_hz: float
    dram_bytes_per_s: float
    dram_latency_us: float
    l2_bytes: int
    l2_bytes_per_s: float
    shared_bytes_per_sm: int
    shared_bytes_per_block: int  # opt-in maximum
    registers_per_sm: int
    threads_per_sm: int
    blocks_per_sm: int
    fp32_flops: float
    fp64_flops: float
    tensor_flops: Mapping[str, float] = field(default_factory=dict)  # by dtype name, dense
    launch_us: float = 2.0  # an empty kernel between two events
    sources: Mapping[str, str] = field(default_factory=dict)

    def peak_flops(self, dtype: DType) -> float:
        """FLOP/s on operands of `dtype`: of the tensor cores where they take that type and are faster, of the plain pipes otherwise."""
        return max(self.fp64_flops if dtype is DType.F64 else self.fp32_flops, self.tensor_flops.get(dtype.value, 0.0))
