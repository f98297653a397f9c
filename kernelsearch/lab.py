"""Everything a worker needs to judge a candidate, put together once: device, toolchain, sandbox, hardware and metric set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kernelsearch.device.base import Device
from kernelsearch.model import Environment, Hardware, MetricSet
from kernelsearch.sandbox.base import Sandbox
from kernelsearch.toolchain.base import Toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """`scratch` is a private folder of this worker, on a memory file system where there is one; `seed` chooses input contents."""

    device: Device
    toolchain: Toolchain
    sandbox: Sandbox
    metric_set: MetricSet | None
    environment: Environment
    scratch: Path
    seed: int = 0

    @property
    def hardware(self) -> Hardware:
        return self.device.hardware
