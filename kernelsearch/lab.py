"""Everything a worker needs to judge a candidate, put together once: device, toolchain, sandbox, hardware and metric set."""

from __future__ import annotations

import platform
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import kernelsearch
from kernelsearch import catalog, paths
from kernelsearch.device import ON_GPU, open_device, split
from kernelsearch.device.base import Device
from kernelsearch.errors import ToolMissing, UsageError
from kernelsearch.model import Environment, Hardware, MetricSet
from kernelsearch.sandbox import open_sandbox
from kernelsearch.sandbox.base import Sandbox
from kernelsearch.store.reports import FOLDER, Reports
from kernelsearch.toolchain.base import Toolchain
from kernelsearch.toolchain.by_form import ByForm
from kernelsearch.toolchain.nvcc import NvccToolchain

MODELLED_BY_DEFAULT = "h100"  # the GPU that `emulated` models when none is named


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """`scratch` is a private folder of this worker, on a memory file system where there is one. Contents of inputs follow from `secret`,
    which never enters a box."""

    device: Device
    toolchain: Toolchain
    sandbox: Sandbox
    metric_set: MetricSet | None
    environment: Environment
    scratch: Path
    secret: str
    energy: bool = False  # what the device draws during a candidate's own calls is measured as well
    reports: Reports | None = None  # where the profiler's own files are put; None: nowhere

    @property
    def hardware(self) -> Hardware:
        return self.device.hardware

    def close(self) -> None:
        """End warm processes and remove the scratch folder."""
        self.device.close()
        paths.drop_scratch(self.scratch)


def open_lab(
    *,
    device: str = "auto",
    hardware: str = "",
    metrics: str = "quick",
    unsafe: bool = False,
    secret: str = "",
    calibrated: bool = True,
    energy: bool = False,
) -> Lab:
    """A lab on `device`: "auto" takes the first NVIDIA GPU, and the emulated device when there is none; "cuda:1" the second.

    `hardware` names a profile: the GPU to model, or the peaks to hold a real one against. `calibrated`: with what was measured on that
    very GPU, if anything was. `energy`: see `Lab`. Without a `secret` one is drawn.
    Raises `ToolMissing` for what the machine lacks, `UsageError` for unknown names.
    """
    if device != "auto":
        split(device)
    metric_set = catalog.metric_set(metrics)
    sandbox = open_sandbox(unsafe=unsafe)
    name, ordinal, profile = _choose(device, hardware, calibrated)
    toolchain, compiler = _toolchains(name, profile, sandbox, build_cache())
    scratch = paths.new_scratch()
    with ExitStack() as unless_opened:
        unless_opened.callback(paths.drop_scratch, scratch)
        support = None if compiler is None or name not in ON_GPU else compiler.cubin(paths.data("sandbox") / "runner" / "support.cu")
        opened = open_device(name, sandbox=sandbox, scratch=scratch, hardware=profile, ordinal=ordinal, support=support)
        unless_opened.pop_all()
    facts = {"kernelsearch": kernelsearch.__version__, "python": platform.python_version(), "toolchain": toolchain.name, **opened.facts}
    facts |= {name: text for name, text in sandbox.walls.items() if name != "level"}
    if profile.measured:
        facts["measured peaks"] = profile.sources["measured"]
    environment = Environment(device=opened.name, time_kind=opened.time_kind.value, sandbox=sandbox.level.text, facts=facts)
    return Lab(
        device=opened,
        toolchain=toolchain,
        sandbox=sandbox,
        metric_set=metric_set,
        environment=environment,
        scratch=scratch,
        secret=secret or secrets.token_hex(16),
        energy=energy,
        reports=Reports(scratch / FOLDER),
    )


def hardware_for(device: str, hardware: str) -> Hardware:
    """The hardware that a lab on `device` would have, without opening one. Raises as `open_lab` does."""
    return _choose(device, hardware, True)[2]


def _choose(device: str, hardware: str, calibrated: bool) -> tuple[str, int, Hardware]:
    """The device's short name, which GPU it is on, and the hardware."""
    if device == "emulated":
        return device, 0, catalog.hardware(hardware or MODELLED_BY_DEFAULT)
    if device == "host":
        from kernelsearch.device.host import unbounded

        return device, 0, unbounded(catalog.hardware(MODELLED_BY_DEFAULT))
    from kernelsearch.device.inventory import detect

    name, ordinal = ("cuda", 0) if device == "auto" else split(device)
    found = detect()
    if not found:
        if device == "auto":
            return "emulated", 0, catalog.hardware(hardware or MODELLED_BY_DEFAULT)
        raise ToolMissing(f"device {device!r} needs an NVIDIA GPU with its driver, and none was found; use --device emulated")
    if ordinal >= len(found):
        there = ", ".join(f"{gpu.ordinal} ({gpu.name})" for gpu in found)
        raise UsageError(f"there is no GPU {ordinal} for --device {device}; those that may be used: {there}")
    gpu = found[ordinal]
    profile = hardware or catalog.profile_name(gpu.name)
    if not profile:
        raise UsageError(f"no profile in profiles/hardware/ fits {gpu.name}; name the nearest one with --hardware, or write one")
    stated = catalog.hardware(profile)
    return name, ordinal, catalog.calibrated(stated, gpu.uuid, gpu.driver) if calibrated else stated


def build_cache() -> Path:
    """Where labs of this user on this machine keep what was built."""
    return paths.cache() / "build"


def open_toolchain(device: str, hardware: Hardware, *, cache: Path, unsafe: bool) -> Toolchain:
    """What builds candidates for a lab on `device` with `hardware`, here, where that device need not be. Raises as `open_lab` does."""
    return _toolchains(device, hardware, open_sandbox(unsafe=unsafe), cache)[0]


def _toolchains(device: str, hardware: Hardware, sandbox: Sandbox, cache: Path) -> tuple[Toolchain, NvccToolchain | None]:
    """What builds candidates for `device`, and the nvcc that there is."""
    from kernelsearch.toolchain.locate import find_nvcc

    nvcc = find_nvcc()
    on_gpu = device in ON_GPU
    compiler = None if nvcc is None else NvccToolchain(sandbox=sandbox, cache=cache, nvcc=nvcc, arch=hardware.arch, witness=not on_gpu)
    cuda: Toolchain
    if on_gpu:
        if compiler is None:
            raise ToolMissing(
                "no nvcc: install the CUDA toolkit and put nvcc on PATH, set CUDA_HOME, or `pip install 'kernelsearch[nvcc]'`"
            )
        cuda = compiler
    else:
        from kernelsearch.toolchain.emulated import EmulatedToolchain

        cuda = EmulatedToolchain(sandbox=sandbox, cache=cache, nvcc=compiler)

    def torch() -> Toolchain:
        from kernelsearch.toolchain.torch import TorchToolchain

        return TorchToolchain(sandbox=sandbox, cache=cache, nvcc=nvcc, arch=hardware.arch)

    return (ByForm(cuda, torch) if on_gpu or device == "host" else cuda), compiler
