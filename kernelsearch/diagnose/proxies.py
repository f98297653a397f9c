"""What can be said of a kernel without counters: from the compiler's report, the launch plan, the task's formulae and the time. Pure.

Figures that follow exactly (registers, block and grid, how many blocks fit) bear Nsight Compute's names, as they would be the same. What
is estimated bears names of our own, `derived__…`, so that no reader takes it for a counter: a rate is at least what the task must move or
compute over the time it took, and occupancy at most what fits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kernelsearch.device.base import Call
from kernelsearch.device.model import LaunchCounts, occupancy
from kernelsearch.diagnose.roofline import Roofline
from kernelsearch.model import Build, Expression, Hardware, KernelResources, Launch, Metric
from kernelsearch.toolchain.ptxas import plain_name

NAME = "proxies"  # in the place of a metric set's name

# Estimates by our own names, and the counters in whose place the rules take them.
STANDS_FOR = {
    "derived__dram_at_least.pct": "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    "derived__arithmetic_at_least.pct": "sm__throughput.avg.pct_of_peak_sustained_elapsed",
    "derived__warps_at_most.pct": "sm__warps_active.avg.pct_of_peak_sustained_active",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """`kernel` as far as it is known which takes the time: the one with most threads in the plan, or the only one there is."""

    kernel: str
    launches: int
    metrics: dict[str, Metric]

    @property
    def as_counters(self) -> dict[str, Metric]:
        """With every estimate under the name of its counter."""
        return {STANDS_FOR.get(name, name): metric for name, metric in self.metrics.items()}


def proxies(build: Build, call: Call, hardware: Hardware, ideal: Roofline | None, call_us: float) -> Proxies:
    """Everything that can be had; a launcher hides its launches, so that less is known of it."""
    launch = _largest(build, call)
    name = plain_name(launch.kernel) if launch else (build.resources[0].kernel if len(build.resources) == 1 else "")
    compiled = next((resource for resource in build.resources if resource.kernel == name), None)
    found: dict[str, Metric] = {}
    if ideal is not None:
        found |= _rates(ideal, hardware, call_us)
    if compiled is not None:
        found["launch__registers_per_thread"] = Metric(value=compiled.registers, unit="register/thread")
    if launch is not None:
        found |= _geometry(launch, call, hardware, compiled)
    return Proxies(kernel=name, launches=len(build.plan.launches) if build.plan else 1, metrics=found)


def _largest(build: Build, call: Call) -> Launch | None:
    launches = build.plan.launches if build.plan else ()
    return max(launches, key=lambda launch: _extent(launch.grid, call) * _extent(launch.block, call), default=None)


def _extent(dimensions: tuple[Expression, ...], call: Call) -> int:
    return math.prod(extent.integer(call.values) for extent in dimensions)


def _rates(ideal: Roofline, hardware: Hardware, call_us: float) -> dict[str, Metric]:
    found = {}
    if ideal.bytes is not None:
        found["derived__dram_at_least.pct"] = ideal.bytes / call_us * 1e6 / hardware.fastest("dram_bytes_per_s")
    if ideal.flops is not None:
        found["derived__arithmetic_at_least.pct"] = ideal.flops / call_us * 1e6 / ideal.peak_flops
    return {name: Metric(value=min(100.0, 100.0 * share), unit="%") for name, share in found.items()}


def _geometry(launch: Launch, call: Call, hardware: Hardware, compiled: KernelResources | None) -> dict[str, Metric]:
    blocks, threads = _extent(launch.grid, call), _extent(launch.block, call)
    shape = LaunchCounts(
        kernel=launch.kernel,
        grid=(blocks, 1, 1),
        block=(threads, 1, 1),
        shared=launch.shared.integer(call.values),
        counters={},
    )
    fits = occupancy(shape, hardware, compiled)
    found = {
        "launch__grid_size": Metric(value=blocks),
        "launch__block_size": Metric(value=threads),
        "launch__waves_per_multiprocessor": Metric(value=blocks / (fits.resident * hardware.sm_count)),
        "derived__warps_at_most.pct": Metric(value=100.0 * fits.fraction * min(1.0, blocks / hardware.sm_count / fits.resident), unit="%"),
    }
    for word, value in (("registers", fits.registers), ("shared_mem", fits.shared), ("warps", fits.warps), ("blocks", fits.blocks)):
        found[f"launch__occupancy_limit_{word}"] = Metric(value=value, unit="block")
    return found
