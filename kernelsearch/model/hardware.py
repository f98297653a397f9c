"""A GPU in numbers: what a datasheet states (`sources` says which), and what was measured on the very GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.model.arg import DType


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
    measured: Mapping[str, float] = field(default_factory=dict)  # best values on this very GPU, by the names that `fastest` takes

    def peak_flops(self, dtype: DType) -> float:
        """FLOP/s on operands of `dtype`: of the tensor cores where they take that type and are faster, of the plain pipes otherwise."""
        return max(self.fp64_flops if dtype is DType.F64 else self.fp32_flops, self.tensor_flops.get(dtype.value, 0.0))

    def stated(self, rate: str) -> float:
        """The profile's figure; 0 where it has none. `rate` is a field, or "tensor_flops.bf16"."""
        name, _, dtype = rate.partition(".")
        return float(self.tensor_flops.get(dtype, 0.0) if dtype else getattr(self, name, 0.0))

    def fastest(self, rate: str) -> float:
        """What no kernel exceeds: the larger of what is stated and what was measured.

        A measurement alone may lie below the true peak: a copy does not reach DRAM's, nor mma.sync that of the tensor cores.
        """
        return max(self.stated(rate), self.measured.get(rate, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """One figure of a calibration, in the unit of its `Hardware` field: of the best sample (the shortest time), and of the median."""

    best: float
    median: float
    spread: float  # interquartile range of the times over their median
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured on one GPU with one driver. `missing` says why a figure is not there; `conditions` are those of the device."""

    gpu: str
    uuid: str
    driver: str
    date: str  # ISO 8601
    peaks: Mapping[str, Peak] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)
