"""What runs kernels. `open_device` is the table of short names."""

from __future__ import annotations

from pathlib import Path

from kernelsearch.device.base import Device
from kernelsearch.errors import UsageError
from kernelsearch.model import Hardware
from kernelsearch.sandbox.base import Sandbox

ON_GPU = ("cuda", "pycuda")
NAMES = (*ON_GPU, "emulated", "host")


def split(device: str) -> tuple[str, int]:
    """The short name, and which of the GPUs that may be used: "cuda:1" is the second, "cuda" the first.

    Raises `UsageError` for what is no device's name; whether there are so many GPUs is for `open_lab` to find out.
    """
    name, colon, index = device.partition(":")
    if name not in NAMES:
        raise UsageError(f"unknown device {device!r}; one of auto, {', '.join(NAMES)}, or cuda:1 for the second GPU")
    if not colon:
        return name, 0
    if name not in ON_GPU or not (index.isascii() and index.isdigit()):
        raise UsageError(f"unknown device {device!r}: a number, counted from 0, may follow {' and '.join(ON_GPU)} alone, as in cuda:1")
    return name, int(index)


def open_device(name: str, *, sandbox: Sandbox, scratch: Path, hardware: Hardware, ordinal: int = 0, support: Path | None = None) -> Device:
    """The device called `name`, without a number; `ordinal` says which GPU. `hardware` holds the peaks of the GPU
    that is used, or that is modelled by `emulated`. `support` is the runner's own code for that GPU (sandbox/runner/support.cu as a cubin).

    Raises `ToolMissing` when the machine cannot provide it, `UsageError` for an unknown name.
    """
    if name == "emulated":
        from kernelsearch.device.emulated import EmulatedDevice

        return EmulatedDevice(sandbox=sandbox, scratch=scratch, hardware=hardware)
    if name == "host":
        from kernelsearch.device.host import HostDevice

        return HostDevice(sandbox=sandbox, scratch=scratch, hardware=hardware)
    if name in ON_GPU:
        from kernelsearch.device.cuda import CudaDevice

        backend = "cupy" if name == "cuda" else "pycuda"
        if support is None:
            raise ValueError("a GPU needs the runner's own code")
        return CudaDevice(sandbox=sandbox, scratch=scratch, hardware=hardware, ordinal=ordinal, backend=backend, support=support)
    raise UsageError(f"unknown device {name!r}; one of {', '.join(NAMES)}")
