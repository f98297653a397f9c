"""Which of the profiled launches speaks for a candidate: its own, and of these the one that took most of the time. Pure.

A profiler sees whatever a process launches: kernels that make and look at contents, those of libraries, and in a box whose candidate has
the upper hand anything at all. A launch counts when its name is that of a kernel of the build and, where the launch plan is ours to carry
out, its grid is one of the plan's. A candidate that may take kernels from libraries has names that nobody listed: there only ours are
left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from kernelsearch.device.base import Call, KernelCounters
from kernelsearch.model import Build, Form, Task
from kernelsearch.sanitizer.command import HARNESS
from kernelsearch.sanitizer.records import plain
from kernelsearch.toolchain.ptxas import plain_name

DURATION = "gpu__time_duration.sum"
GRID = "launch__grid_size"
_LIBRARY = re.compile(r"cupy_\w+")  # of the library that our runner uses


def own(launches: Sequence[KernelCounters], build: Build, task: Task, call: Call) -> tuple[KernelCounters, ...]:
    """Those of `launches` that are the candidate's."""
    listed = task.form is not Form.TORCH and not task.policy.libraries
    known = {resource.kernel for resource in build.resources} if listed else set()
    grids = _grids(build, call)
    return tuple(
        launch
        for launch in launches
        if (name := plain(launch.kernel)) not in HARNESS
        and not _LIBRARY.match(name)
        and (not known or name in known)
        and _fits(launch, grids.get(name))
    )


def heaviest(kernels: Sequence[KernelCounters]) -> KernelCounters:
    """The longest launch of the kernel that took most time in all; the first without durations."""
    total: dict[str, float] = {}
    for launch in kernels:
        total[launch.kernel] = total.get(launch.kernel, 0.0) + _duration(launch)
    name = max(total, key=lambda kernel: total[kernel])
    return max((launch for launch in kernels if launch.kernel == name), key=_duration)


def _grids(build: Build, call: Call) -> Mapping[str, set[int]]:
    """How many blocks the plan launches of each kernel."""
    found: dict[str, set[int]] = {}
    for launch in build.plan.launches if build.plan else ():
        blocks = math.prod(extent.integer(call.values) for extent in launch.grid)
        found.setdefault(plain_name(launch.kernel), set()).add(blocks)
    return found


def _fits(launch: KernelCounters, grids: set[int] | None) -> bool:
    counted = launch.metrics.get(GRID)
    return grids is None or counted is None or round(counted.value) in grids


def _duration(launch: KernelCounters) -> float:
    metric = launch.metrics.get(DURATION)
    return 0.0 if metric is None else metric.value
