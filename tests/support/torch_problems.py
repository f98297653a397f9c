"""Small PyTorch problems in KernelBench's form, and what drives a torch program on the host: a GPU whose memory is the process's own."""

import ctypes
import importlib.util
import sys

import numpy as np

from kernelsearch import paths

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

RUNNER = paths.data("sandbox") / "runner"
MODULES = ("gpu_base", "gpu_elf", "gpu_call", "torch_settings", "torch_output", "torch_extensions", "torch_load", "torch_program")


def load_runner():
    """The runner's modules by name; they import each other by bare names, as they do in the box."""
    modules = {}
    for name in MODULES:
        spec = importlib.util.spec_from_file_location(name, RUNNER / f"{name}.py")
        modules[name] = importlib.util.module_from_spec(spec)
        sys.modules[name] = modules[name]
        spec.loader.exec_module(modules[name])
    return modules


class HostGpu:
    """Implements what buffers and torch programs need of `gpu_base.Gpu`; pointers are addresses of this process."""

    l2_bytes = 4096

    def __init__(self) -> None:
        self.blocks = {}

    def allocate(self, nbytes):
        block = ctypes.create_string_buffer(nbytes + 64)
        address = -(-ctypes.addressof(block) // 64) * 64
        self.blocks[address] = block
        return address

    def free(self, pointer) -> None:
        del self.blocks[pointer]

    def upload(self, pointer, data) -> None:
        ctypes.memmove(pointer, np.ascontiguousarray(data).ctypes.data, data.nbytes)

    def download(self, pointer, into) -> None:
        ctypes.memmove(into.ctypes.data, pointer, into.nbytes)

    def copy(self, to, source, nbytes) -> None:
        ctypes.memmove(to, source, nbytes)

    def fill(self, pointer, byte, nbytes) -> None:
        ctypes.memset(pointer, byte, nbytes)

    def synchronise(self) -> None:
        pass
