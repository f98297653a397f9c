"""What turns a candidate into something a device can run."""

from __future__ import annotations

from typing import Protocol

from kernelsearch.model import Build, Candidate, Task


class Toolchain(Protocol):
    """Implemented by `nvcc` and `emulated` (the host compiler). Builds run in a sandbox without network or device, and are kept
    in a content-addressed cache. Thread-safe. The candidate's failures are in the `Build`; `ToolMissing` and `SandboxBroken` raise.
    """

    @property
    def name(self) -> str:
        """With version, for the environment record: "nvcc 13.0.88"."""
        ...

    def build(self, candidate: Candidate, task: Task) -> Build: ...
