"""What a person should know of the GPU before believing its times: who else uses it, what cannot be watched, which counters are missing."""

from __future__ import annotations

import os
from pathlib import Path

from kernelsearch.cli.checks import counters_allowed
from kernelsearch.device import nvml
from kernelsearch.model import Environment
from kernelsearch.nsight import find_ncu

_UUID = "gpu uuid"  # the fact by which a device that is a GPU names it


def remarks(environment: Environment, *, metrics: str) -> list[str]:
    """A sentence for each; none on a device that is no GPU. `metrics`: the metric set of the run."""
    uuid = environment.facts.get(_UUID)
    if uuid is None:
        return []
    return [*nvml.foreign(uuid, [os.getpid()]), *nvml.missing(uuid), *_counters(metrics, find_ncu())]


def _counters(metrics: str, ncu: Path | None) -> list[str]:
    if metrics == "none":
        return []
    if ncu is None:
        return ["no counters, so results have times and no reasons: Nsight Compute (ncu) is not installed; --metrics none leaves them out"]
    if not counters_allowed():
        return ["no counters, so results have times and no reasons: the driver lets only root read them; see kernelsearch doctor"]
    return []
