"""The time model of the emulated device: from what a launch did to how long a GPU would take, with the reasons.

A pure function of counters, hardware and compiler report. Every resource gets the time it would need alone (a roofline with more
roofs); the modelled time is a soft maximum of these, so that two nearly equal limits cost more than one, plus the launch. It ranks
kernels; it does not predict microseconds. `benchmarks/emulated_vs_hardware.py` says how well the ranking holds.

Counters are those of `ks_emu_report` (sandbox/emulation/abi.h), summed over the launch. Constants marked *assumed* are round figures
chosen beforehand from published microbenchmarks and not fitted to the variants of that benchmark.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelsearch.model import Hardware, KernelResources

WARP = 32
SECTOR = 32  # bytes
_SCHEDULERS = 4  # warp instructions issued per cycle and SM, since Volta (CUDA C++ Programming Guide)
_L1_BYTES_PER_CYCLE = 128  # L1, shared and local memory share one data path (architecture whitepapers)
_L2_PORT_BYTES_PER_CYCLE = 64  # from L2 into one SM (A100 whitepaper, cache hierarchy)
_L1_BEYOND_SHARED = 28 * 1024  # L1 that is left when shared memory takes all it can: 256 KB less 228 KB on sm_90, same on sm_80/89
_SYSTEM_SHARED = 1024  # bytes of shared memory the system keeps for each block since sm_80 (CUDA C++ Programming Guide)
_REGISTER_UNIT = 256  # registers are given to warps in units of this many (occupancy calculator)
_DEFAULT_REGISTERS = 32  # assumed where no compiler report is at hand
_DRAM_EFFICIENCY = 0.9  # of the datasheet rate, reached by a float4 copy on an H100: 3.02 of 3.35 TB/s
_L1_LATENCY, _SHARED_LATENCY, _BARRIER_CYCLES = 38, 29, 30  # cycles; the first two by pointer chase (arXiv:2402.13499), the last assumed
_L2_OF_DRAM_LATENCY = 0.55  # L2 hit over DRAM latency: 263 of 479 cycles on H100, 262 of 466 on A100 (arXiv:2402.13499)
_BLOCK_LATENCY = 12  # cycles a warp spends in a basic block beside memory: two or three dependent instructions of 4; assumed
_LOADS_IN_FLIGHT = 4  # independent loads of a warp that wait together: the compiler unrolls by four; assumed
_INSTRUCTIONS_PER_BLOCK = 3.0  # beside memory instructions; assumed
_INSTRUCTIONS_PER_ACCESS = 2.5  # the access, its share of addresses and of the arithmetic on its value; assumed
_L1_FAR_REUSE = 0.1  # share of repeated accesses that come too late for an overflowing L1; assumed
_L2_FAR_REUSE = 0.3  # the same for L2, which all blocks share; assumed
_ATOMIC_UNITS = 32  # addresses that L2 can update in the same cycle; assumed
_SPILL_ROUNDS = 8  # times that a thread moves each spilled byte: spills lie in loops; assumed
_NEXT_LAUNCH = 0.5  # a launch behind another costs this share of one alone; assumed
_SHARPNESS = 3.0  # exponent of the soft maximum; assumed


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchCounts:
    """One emulated launch. `shared` is dynamic bytes; `counters` as in abi.h, missing ones count as 0."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int
    counters: Mapping[str, float]

    @property
    def blocks(self) -> int:
        return math.prod(self.grid)

    @property
    def threads_per_block(self) -> int:
        return math.prod(self.block)

    @property
    def warps_per_block(self) -> int:
        return -(-self.threads_per_block // WARP)

    @property
    def warps(self) -> int:
        return self.blocks * self.warps_per_block

    def get(self, *names: str) -> float:
        """Sum of the named counters."""
        return sum(self.counters.get(name, 0.0) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """Blocks an SM can hold at once, by what limits them. `fraction` is resident warps over the SM's maximum."""

    registers: int
    shared: int
    warps: int
    blocks: int
    fraction: float

    @property
    def resident(self) -> int:
        return max(1, min(self.registers, self.shared, self.warps, self.blocks))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledTime:
    """`us` for one launch, `terms` in µs by resource, and the traffic in bytes that was assumed below L1 and below L2."""

    us: float
    terms: Mapping[str, float]
    occupancy: Occupancy
    instructions: float  # warp instructions
    l2_bytes: float
    dram_read_bytes: float
    dram_write_bytes: float

    @property
    def limiter(self) -> str:
        return max(self.terms, key=lambda name: self.terms[name])


def resources_of(kernel: str, resources: Sequence[KernelResources]) -> KernelResources | None:
    """The compiler's report for `kernel`, whose name there may be mangled or carry template arguments."""
    plain = kernel.split("<")[0].split("::")[-1].strip()
    word = re.compile(rf"(?<!\w){re.escape(plain)}(?!\w)|_Z\w*?(?<!\d){len(plain)}{re.escape(plain)}")
    return next((r for r in resources if r.kernel == kernel), None) or next((r for r in resources if word.search(r.kernel)), None)


def occupancy(launch: LaunchCounts, hardware: Hardware, resources: KernelResources | None) -> Occupancy:
    """How many blocks of `launch` fit on an SM, by the rules of the occupancy calculator."""
    warps = launch.warps_per_block
    registers = resources.registers if resources else _DEFAULT_REGISTERS
    per_warp = -(-max(1, registers) * WARP // _REGISTER_UNIT) * _REGISTER_UNIT
    static = max(resources.shared_bytes if resources else 0, int(launch.get("static_shared_bytes")))
    by_registers = hardware.registers_per_sm // (per_warp * warps)
    by_shared = hardware.shared_bytes_per_sm // (static + launch.shared + _SYSTEM_SHARED)
    by_warps = hardware.threads_per_sm // (warps * WARP)
    resident = max(1, min(by_registers, by_shared, by_warps, hardware.blocks_per_sm))
    fraction = min(1.0, resident * warps * WARP / hardware.threads_per_sm)
    return Occupancy(registers=by_registers, shared=by_shared, warps=by_warps, blocks=hardware.blocks_per_sm, fraction=fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traffic:
    """Bytes of a launch: into L2 from all SMs, and between L2 and DRAM."""

    l2: float
    load_miss: float  # share of load sectors that leave L1
    dram_read: float
    dram_write: float


def _traffic(launch: LaunchCounts, hardware: Hardware, resident: int) -> _Traffic:
    """Repeats hit a cache when what is touched between them fits; beyond it, a fixed share of the repeats misses."""
    loads, once = launch.get("global_load_sectors"), launch.get("global_load_block_sectors")
    stores, atomics = launch.get("global_store_sectors"), launch.get("global_atomic_sectors")
    used = resident * (launch.shared + launch.get("static_shared_bytes"))
    l1 = max(_L1_BEYOND_SHARED, hardware.shared_bytes_per_sm + _L1_BEYOND_SHARED - used)
    below_l1 = once + (loads - once) * _L1_FAR_REUSE * _overflow(once / launch.blocks * SECTOR * resident, l1)
    read, written = launch.get("footprint_load_sectors"), launch.get("footprint_store_sectors")
    spill = _L2_FAR_REUSE * _overflow((read + written) * SECTOR, hardware.l2_bytes)
    return _Traffic(
        l2=(below_l1 + stores + 2 * atomics) * SECTOR,
        load_miss=below_l1 / loads if loads else 0.0,
        dram_read=(read + max(0.0, below_l1 - read) * spill) * SECTOR,
        dram_write=(written + max(0.0, stores - written) * spill) * SECTOR,
    )


def _overflow(needed: float, capacity: float) -> float:
    """The share of `needed` that does not fit."""
    return max(0.0, 1.0 - capacity / needed) if needed > 0 else 0.0


def _l1_wavefronts(launch: LaunchCounts, kind: str) -> float:
    """Passes through L1 that the global accesses of `kind` need: one a request at least, one for each 128-byte line it touches.

    Lines are not counted; sectors that are used in full are taken to be neighbours, others to lie alone.
    """
    requests, sectors = launch.get(f"global_{kind}_requests"), launch.get(f"global_{kind}_sectors")
    if not sectors:
        return requests
    used = min(1.0, launch.get(f"global_{kind}_bytes") / (sectors * SECTOR))
    return max(requests, sectors * (1.0 - 0.75 * used))


def _instructions(launch: LaunchCounts) -> float:
    """Warp instructions, estimated: basic blocks and memory accesses are counted, what lies between them is not."""
    accesses = [name for name in launch.counters if name.endswith("_requests")]
    return _INSTRUCTIONS_PER_BLOCK * launch.get("warp_blocks") + _INSTRUCTIONS_PER_ACCESS * launch.get(*accesses)


def _sm_cycles(
    launch: LaunchCounts, instructions: float, fp64_share: float, hardware: Hardware, resources: KernelResources | None
) -> dict[str, float]:
    """Cycles of SM pipes, summed over all SMs."""
    spilled = resources.spill_store_bytes + resources.spill_load_bytes if resources else 0
    fp64_lanes = hardware.fp64_flops / (2 * hardware.sm_count * hardware.clock_hz)
    return {
        "issue": instructions / _SCHEDULERS,
        "fp64": instructions * fp64_share * WARP / max(1.0, fp64_lanes),
        "l1": _l1_wavefronts(launch, "load") + _l1_wavefronts(launch, "store") + launch.get("global_atomic_sectors"),
        "shared": launch.get("shared_load_wavefronts", "shared_store_wavefronts") + 2 * launch.get("shared_atomic_serial"),
        "spills": spilled * launch.warps * WARP * _SPILL_ROUNDS / _L1_BYTES_PER_CYCLE,
    }


def _chain_cycles(launch: LaunchCounts, hardware: Hardware, load_miss: float, dram_share: float) -> float:
    """Cycles of one average warp from start to end if it never waited for a busy unit: its chain of latencies."""
    warps = max(1, launch.warps)
    dram = hardware.dram_latency_us * 1e-6 * hardware.clock_hz
    beyond = dram * (dram_share + _L2_OF_DRAM_LATENCY * (1 - dram_share))
    load = load_miss * beyond + (1 - load_miss) * _L1_LATENCY
    rounds = launch.get("global_load_requests") / warps / _LOADS_IN_FLIGHT
    first = 1.0 if launch.get("global_load_requests") else 0.0
    return (
        max(first, rounds) * load
        + launch.get("shared_load_requests", "warp_collectives") / warps / _LOADS_IN_FLIGHT * _SHARED_LATENCY
        + launch.get("global_atomic_requests") / warps * dram * _L2_OF_DRAM_LATENCY / _LOADS_IN_FLIGHT
        + launch.get("barriers") / max(1, launch.blocks) * _BARRIER_CYCLES
        + launch.get("warp_blocks") / warps * _BLOCK_LATENCY
    )


def modelled(launch: LaunchCounts, hardware: Hardware, resources: KernelResources | None = None, fp64_share: float = 0.0) -> ModelledTime:
    """The time of one launch on `hardware` without launch overhead. `fp64_share`: double-precision part of the instructions."""
    fits = occupancy(launch, hardware, resources)
    traffic = _traffic(launch, hardware, fits.resident)
    instructions = _instructions(launch)
    us = 1e6 / hardware.clock_hz  # one cycle
    busiest = math.ceil(launch.blocks / hardware.sm_count) / launch.blocks  # share of the work that the fullest SM has
    pipes = _sm_cycles(launch, instructions, fp64_share, hardware, resources)
    dram_bytes = traffic.dram_read + traffic.dram_write
    waves = math.ceil(launch.blocks / (fits.resident * hardware.sm_count))
    chain = _chain_cycles(launch, hardware, traffic.load_miss, min(1.0, dram_bytes / traffic.l2) if traffic.l2 else 0.0)
    terms = {
        "dram": dram_bytes / (_DRAM_EFFICIENCY * hardware.dram_bytes_per_s) * 1e6,
        "l2": max(traffic.l2 / hardware.l2_bytes_per_s * 1e6, traffic.l2 * busiest / _L2_PORT_BYTES_PER_CYCLE * us),
        "l1 and shared": (pipes["l1"] + pipes["shared"] + pipes["spills"]) * busiest * us,
        "issue": pipes["issue"] * busiest * us,
        "fp64": pipes["fp64"] * busiest * us,
        "atomics": launch.get("global_atomic_serial") / _ATOMIC_UNITS * us,
        "latency": waves * chain * us,
    }
    return ModelledTime(
        us=sum(term**_SHARPNESS for term in terms.values()) ** (1 / _SHARPNESS),
        terms=terms,
        occupancy=fits,
        instructions=instructions,
        l2_bytes=traffic.l2,
        dram_read_bytes=traffic.dram_read,
        dram_write_bytes=traffic.dram_write,
    )


def call_us(launches: Sequence[ModelledTime], hardware: Hardware) -> float:
    """The time of one call: its launches one after another, the first with full launch overhead, later ones partly hidden."""
    overhead = hardware.launch_us * (1 + _NEXT_LAUNCH * max(0, len(launches) - 1))
    return overhead + sum(launch.us for launch in launches)
