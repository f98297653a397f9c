"""One toolchain for each form of task: CUDA sources go to a compiler, PyTorch modules to what checks and archives them."""

from __future__ import annotations

from collections.abc import Callable

from kernelsearch.model import Build, Candidate, Form, Task
from kernelsearch.toolchain.base import Toolchain


class ByForm(Toolchain):
    """`torch` is called when the first PyTorch task comes: it raises `ToolMissing` where there is no torch."""

    def __init__(self, cuda: Toolchain, torch: Callable[[], Toolchain]) -> None:
        self._cuda = cuda
        self._make_torch = torch
        self._torch: Toolchain | None = None

    @property
    def name(self) -> str:
        return self._cuda.name

    def build(self, candidate: Candidate, task: Task) -> Build:
        if task.form is not Form.TORCH:
            return self._cuda.build(candidate, task)
        if self._torch is None:
            self._torch = self._make_torch()
        return self._torch.build(candidate, task)
