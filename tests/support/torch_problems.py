"""Small PyTorch problems in KernelBench's form, and what drives a torch program on the host: a GPU whose memory is the process's own."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from runner_modules import loaded

from kernelsearch import contents

HEAD = "import torch\nimport torch.nn as nn\n"
NO_INIT = "\ndef get_init_inputs():\n    return []\n"

SOFTMAX = (
    HEAD
    + "class Model(nn.Module):\n    def forward(self, x):\n        return torch.softmax(x, dim=1)\n\n"
    + ("def get_inputs():\n    return [torch.rand(6, 32)]\n" + NO_INIT)
)

LINEAR = (
    HEAD
    + """
class Model(nn.Module):
    def __init__(self, width, out):
        super(Model, self).__init__()
        self.linear = nn.Linear(width, out)

    def forward(self, x):
        return torch.relu(self.linear(x))

def get_inputs():
    return [torch.randn(8, 16)]

def get_init_inputs():
    return [16, 4]
"""
)

TWO_OUTPUTS = (
    HEAD
    + """
class Model(nn.Module):
    def forward(self, x, power, pair):
        low, high = pair
        return x ** power + low, (x * high).sum()

def get_inputs():
    return [torch.randn(5, 7), 2, (torch.randn(5, 1), torch.randn(5, 7))]
"""
    + NO_INIT
)

EMBEDDING = (
    HEAD
    + """
class Model(nn.Module):
    def __init__(self, count, width):
        super().__init__()
        self.table = nn.Embedding(count, width)

    def forward(self, which, keep):
        return self.table(which) * keep[:, None]

def get_inputs():
    return [torch.randint(3, 11, (64,)), torch.rand(64) > 0.5]

def get_init_inputs():
    return [11, 4]
"""
)

NORM = (
    HEAD
    + """
class Model(nn.Module):
    def __init__(self, channels, *, training=True):
        super().__init__()
        self.conv = nn.Conv2d(2, channels, (3, 3), padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.norm.train(training)

    def forward(self, x):
        return self.norm(self.conv(x))

def get_inputs():
    return [torch.rand(4, 2, 6, 6)]

def get_init_inputs():
    return [3]
"""
)

MODULES = (
    "gpu_base",
    "gpu_elf",
    "gpu_regions",
    "gpu_call",
    "gpu_host",
    "torch_settings",
    "torch_output",
    "torch_extensions",
    "torch_load",
    "torch_program",
)


@contextlib.contextmanager
def torch_runner():
    """The runner's modules by name; torch's own functions that they replace are put back."""
    from torch.utils import cpp_extension

    functions = cpp_extension.load, cpp_extension.load_inline
    try:
        with loaded(MODULES) as modules:
            yield modules
    finally:
        cpp_extension.load, cpp_extension.load_inline = functions


class Bench:
    """Calls of a torch program on this process's memory, their contents given."""

    def __init__(self, modules, artifact: Path, call: Mapping[str, Any], entry: str, folder: Path) -> None:
        self.modules, self.folder = modules, folder
        self.gpu = modules["gpu_host"].HostGpu()
        self.program = modules["torch_program"].TorchProgram(self.gpu, artifact, call, entry, "cpu")

    def prepared(self, label: str, given: Mapping[str, np.ndarray], args: Sequence[tuple[str, str, tuple[int, ...]]]) -> Prepared:
        """A call on `args`, (name, dtype, shape) each; those that are not `given` are outputs."""
        specs = []
        for name, dtype, shape in args:
            count, file = math.prod(shape), None
            if name in given:
                file = f"{label}-{name}"
                (self.folder / file).write_bytes(given[name].tobytes())
            nbytes = count * np.dtype(contents.STORED[dtype]).itemsize
            spec = {"name": name, "dtype": dtype, "shape": list(shape), "count": count, "nbytes": nbytes}
            specs.append(spec | {"input": file, "draw": None, "written": name not in given})
        call = self.modules["gpu_call"].Call(
            self.gpu, self.program, {"label": label, "args": specs, "scratch": [], "launches": []}, self.folder
        )
        return Prepared(self.modules["gpu_regions"], call)


class Prepared:
    """A call with contents and poison in place; `launch` makes it, `changed` names what it should have left alone."""

    def __init__(self, regions, call) -> None:
        self.call = call
        self._keys = regions.Keys(contents=0, distribution=0, poison=0, guard=5, seal=7)
        self._support = regions.HostSupport(contents, call.regions, call.outputs)
        self._support.prepare(self._keys)

    def launch(self) -> None:
        for step in (self.call.ready, self.call.launch, self.call.collect):
            step()

    def reset(self) -> None:
        self._support.prepare(self._keys)

    @property
    def changed(self) -> str | None:
        self._support.seal(self._keys)
        found = self._support.look(self._keys).changed
        owners = [self.call.regions[index].owner for index in range(self.call.watched) if found[index]]
        return self.call.tensors[owners[0]].name if owners else None

    def tensor(self, name: str):
        return next(tensor for tensor in self.call.tensors if tensor.name == name)
