"""Which NVIDIA GPUs this machine has, found without a CUDA context: through NVML, or `nvidia-smi` where pynvml is missing."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import process
from kernelsearch.device.nvml import library

_DRIVER_FILES = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuInfo:
    """A GPU of this machine. `ordinal` counts those that CUDA_VISIBLE_DEVICES lets us use; `minor` is the N of /dev/nvidiaN."""

    ordinal: int
    name: str
    uuid: str
    arch: str  # "sm_90"
    driver: str
    minor: int

    @property
    def nodes(self) -> tuple[Path, ...]:
        """The device nodes that a CUDA process on this GPU, and no other, needs."""
        nodes = (Path(f"/dev/nvidia{self.minor}"), Path("/dev/nvidiactl"), Path("/dev/nvidia-uvm"), Path("/dev/nvidia-uvm-tools"))
        return tuple(node for node in nodes if node.exists())


def detect() -> list[GpuInfo]:
    """The GPUs that may be used, in order; empty when there is no driver or no GPU."""
    found = _detect_nvml() or _detect_smi()
    return _visible(found, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _detect_nvml() -> list[GpuInfo]:
    nvml = library()
    if nvml is None:
        return []
    found = []
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
        found.append(
            GpuInfo(
                ordinal=index,
                name=_text(nvml.nvmlDeviceGetName(handle)),
                uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
                arch=f"sm_{major}{minor}",
                driver=_text(nvml.nvmlSystemGetDriverVersion()),
                minor=int(nvml.nvmlDeviceGetMinorNumber(handle)),
            )
        )
    return found


def _detect_smi() -> list[GpuInfo]:
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return []
    query = "--query-gpu=index,name,uuid,compute_cap,driver_version"
    return parse_smi(process.run([smi, query, "--format=csv,noheader"], timeout_s=30).stdout)


def parse_smi(text: str) -> list[GpuInfo]:
    """What `nvidia-smi --query-gpu=index,name,uuid,compute_cap,driver_version --format=csv,noheader` printed; other lines are skipped."""
    found = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) == 5 and row[0].isdigit():
            index, name, uuid, capability, driver = row
            arch = "sm_" + capability.replace(".", "")
            found.append(GpuInfo(ordinal=int(index), name=name, uuid=uuid, arch=arch, driver=driver, minor=_minor(uuid, int(index))))
    return found


def _minor(uuid: str, index: int) -> int:
    """The N of /dev/nvidiaN, which need not be the position in any list; that is taken where the driver's own files do not tell."""
    for file in _DRIVER_FILES.glob("*/information"):
        with contextlib.suppress(OSError):
            text = file.read_text(encoding="utf-8", errors="replace")
            if uuid in text and (found := re.search(r"^Device Minor:\s*(\d+)", text, re.MULTILINE)):
                return int(found[1])
    return index


def _visible(gpus: list[GpuInfo], chosen: str | None) -> list[GpuInfo]:
    """Those that CUDA_VISIBLE_DEVICES names, in its order; like CUDA, up to the first entry that is not there."""
    if chosen is None:
        return gpus
    found: list[GpuInfo] = []
    for entry in (item.strip() for item in chosen.split(",")):
        match = [g for g in gpus if (str(g.ordinal) == entry if entry.isdigit() else entry and g.uuid.startswith(entry))]
        if len(match) != 1:
            break
        gpu = match[0]
        found.append(GpuInfo(ordinal=len(found), name=gpu.name, uuid=gpu.uuid, arch=gpu.arch, driver=gpu.driver, minor=gpu.minor))
    return found


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
