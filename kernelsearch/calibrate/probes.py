"""The calibration kernels: which figure each gives, how its work is counted, and what would be too good to be true.

Each is an ordinary task in profiles/calibration/ of the kernels form, judged like any candidate. Its timed case takes sizes from the
hardware: whole waves of blocks that are all resident, and buffers in proportion to L2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from kernelsearch import catalog, paths
from kernelsearch.model import Expression, Hardware, Task

_MARGIN = 1.25  # above the datasheet: clocks beyond the stated boost, and no more
_DRAM_BLOCK = 4096  # elements that a block of dram_copy copies
_SHARED_BYTES_PER_CYCLE = 128  # of one multiprocessor, since Volta (CUDA C++ Best Practices Guide: 32 banks of 4 bytes)
_L2_PORT_BYTES_PER_CYCLE = 64  # into one multiprocessor (A100 whitepaper)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """`rate` names the figure as `Hardware.fastest` does; `work` is what a call does, in bytes or FLOP over the sizes of its case.

    Without `work` the figure is the time itself, in µs. `limit` is the largest credible figure; larger ones are not kept. `floor`:
    floors are drawn from it (see `measure.floor`); others are for people.
    """

    task: str
    rate: str
    words: str
    work: str = ""
    sizes: Mapping[str, Callable[[Hardware], int]] = field(default_factory=dict)
    limit: Callable[[Hardware], float]
    floor: bool = True

    @property
    def unit(self) -> str:
        if not self.work:
            return "µs"
        return "B/s" if self.rate.endswith("bytes_per_s") else "FLOP/s"

    def load(self, hardware: Hardware) -> Task:
        """The task, with its timed case in the size for `hardware`."""
        task = catalog.task(str(paths.data("profiles") / "calibration" / f"{self.task}.task.toml"))
        chosen = {name: size(hardware) for name, size in self.sizes.items()}
        cases = tuple(replace(case, name="full", sizes={**case.sizes, **chosen}) if case.timed else case for case in task.cases)
        return replace(task, suite="calibration", cases=cases)

    def figure(self, us: float, task: Task) -> float:
        """The figure that a time in µs stands for."""
        if not self.work:
            return us
        return float(Expression(self.work).evaluate(task.values(task.timed_cases[0]))) / us * 1e6


def _blocks(per_sm: int) -> Mapping[str, Callable[[Hardware], int]]:
    return {"blocks": lambda hardware: per_sm * hardware.sm_count}


def _stated(rate: str) -> Callable[[Hardware], float]:
    return lambda hardware: _MARGIN * hardware.stated(rate)


def _port(bytes_per_cycle: int) -> Callable[[Hardware], float]:
    return lambda hardware: 1.1 * bytes_per_cycle * hardware.sm_count * hardware.clock_hz


def _far_beyond_l2(hardware: Hardware) -> int:
    """Elements of a buffer of twenty times L2: what still lies there in the end is at most 2.5 % of the bytes copied."""
    return -(-5 * hardware.l2_bytes // _DRAM_BLOCK) * _DRAM_BLOCK


PROBES = (
    Probe(
        task="dram_copy",
        rate="dram_bytes_per_s",
        words="DRAM, copy",
        work="8 * n",
        sizes={"n": _far_beyond_l2},
        limit=_stated("dram_bytes_per_s"),
    ),
    Probe(
        task="l2_read",
        rate="l2_bytes_per_s",
        words="L2, read",
        work="blocks * 512 * 64 * passes",
        sizes=_blocks(3),
        limit=_port(_L2_PORT_BYTES_PER_CYCLE),
        floor=False,
    ),
    Probe(
        task="shared_read",
        rate="shared_bytes_per_s",
        words="shared memory, read",
        work="blocks * 1024 * 128 * passes",
        sizes=_blocks(2),
        limit=_port(_SHARED_BYTES_PER_CYCLE),
        floor=False,
    ),
    Probe(
        task="fp32_fma",
        rate="fp32_flops",
        words="float32, fused multiply-add",
        work="blocks * 512 * 16 * passes",
        sizes=_blocks(12),
        limit=_stated("fp32_flops"),
    ),
    Probe(
        task="tensor_bf16",
        rate="tensor_flops.bf16",
        words="tensor cores, bfloat16 (mma.sync)",
        work="blocks * 8 * 8 * 8192 * passes",
        sizes=_blocks(4),
        limit=_stated("tensor_flops.bf16"),
    ),
    Probe(
        task="tensor_tf32",
        rate="tensor_flops.tf32",
        words="tensor cores, TF32 (mma.sync)",
        work="blocks * 8 * 8 * 4096 * passes",
        sizes=_blocks(4),
        limit=_stated("tensor_flops.tf32"),
    ),
    Probe(task="launch", rate="launch_us", words="launch of one warp with one store", limit=lambda hardware: 100.0),
)
