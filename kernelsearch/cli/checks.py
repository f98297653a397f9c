"""What this machine can do, found out by trying: the lines of `kernelsearch doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import catalog, llm, paths, process, sanitizer
from kernelsearch.device import nvml
from kernelsearch.device.inventory import GpuInfo, detect
from kernelsearch.errors import LlmError, ToolMissing
from kernelsearch.nsight import find_ncu
from kernelsearch.sandbox import open_sandbox
from kernelsearch.sandbox.cgroup import NO_GROUP
from kernelsearch.sandbox.probe import probe
from kernelsearch.toolchain.locate import find_nvcc

_DRIVER_SETTINGS = Path("/proc/driver/nvidia/params")
_BROKEN = "a wall does not hold here: run only kernels that you trust, and report this"
_GROUPS = "run as root where /sys/fs/cgroup is writable, or as systemd-run --user --scope -p Delegate=yes kernelsearch …"
_ROOM = 1 << 30  # bytes: builds and inputs of a large task


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was looked at. `remedy` says what to do where it is not there; `group` is what cannot be done without it."""

    group: str
    name: str
    ok: bool
    text: str
    remedy: str = ""


def all_checks() -> Iterator[Line]:
    """Every check, in the order of need; later ones do not depend on earlier ones."""
    gpus = detect()
    yield from _base()
    yield from _sandbox()
    yield from _compiler()
    yield from _gpu(gpus)
    yield from _profiler(gpus)
    yield from _sanitizer()
    yield from _torch()
    yield _ray()
    yield from _models()


def usable(lines: list[Line]) -> bool:
    """Whether any search can run here: a sandbox, and a host compiler or a GPU with nvcc."""
    found = {line.name for line in lines if line.ok}
    return "sandbox" in found and ("host compiler" in found or {"GPU", "nvcc"} <= found)


def _base() -> Iterator[Line]:
    yield Line(group="emulated device", name="python", ok=True, text=platform.python_version())
    compiler = shutil.which("g++")
    version = process.run([compiler, "--version"], timeout_s=30).stdout.splitlines()[:1] if compiler else []
    yield Line(
        group="emulated device",
        name="host compiler",
        ok=bool(version),
        text=version[0] if version else "no g++ on PATH",
        remedy="install g++ (Debian: apt-get install g++)",
    )
    for name, folder in (("cache", paths.cache()), ("scratch", paths.scratch_root())):
        there = _existing(folder)
        free, writable = shutil.disk_usage(there).free, os.access(there, os.W_OK)
        yield Line(
            group="emulated device",
            name=name,
            ok=free > _ROOM and writable,
            text=f"{folder}, {f'{free / 1e9:.1f} GB free' if writable else 'not writable'}",
            remedy="set KERNELSEARCH_CACHE to a folder of your own with room" if name == "cache" else "make room there that you may write",
        )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))  # False also below a folder that is not ours


def _sandbox() -> Iterator[Line]:
    try:
        sandbox = open_sandbox()
    except ToolMissing as error:
        yield Line(group="sandbox", name="sandbox", ok=False, text="not usable", remedy=str(error))
        return
    yield Line(group="sandbox", name="sandbox", ok=True, text=sandbox.level.text)
    counted = not sandbox.walls["memory and processes"].startswith(NO_GROUP)
    for name, text in sandbox.walls.items():
        if name != "level":
            yield Line(group="sandbox", name=f"  {name}", ok=counted or name != "memory and processes", text=text, remedy=_GROUPS)
    for result in probe(sandbox):
        yield Line(
            group="sandbox",
            name=f"  {result.name}",
            ok=result.held,
            text=f"cannot {result.attempt}" if result.held else f"could {result.attempt}: {result.detail}",
            remedy=_BROKEN if counted or result.name != "memory" else _GROUPS,
        )


def _compiler() -> Iterator[Line]:
    nvcc = find_nvcc()
    yield Line(
        group="nvcc",
        name="nvcc",
        ok=nvcc is not None,
        text=f"{nvcc.version} at {nvcc.path}" if nvcc else "none in CUDA_HOME, on PATH or from wheels",
        remedy="pip install 'kernelsearch[nvcc]', or install the CUDA toolkit",
    )
    if nvcc is not None:
        yield Line(
            group="nvcc",
            name="cuobjdump",
            ok=nvcc.cuobjdump is not None,
            text=str(nvcc.cuobjdump or "not beside nvdisasm: no instruction counts"),
            remedy="pip install 'kernelsearch[nvcc]'",
        )


def _gpu(gpus: list[GpuInfo]) -> Iterator[Line]:
    yield Line(
        group="GPU",
        name="GPU",
        ok=bool(gpus),
        text="; ".join(_called(gpu, gpus) for gpu in gpus) or "no NVIDIA GPU with a driver",
        remedy="nothing to do: searches run on the emulated device, with modelled times",
    )
    for gpu in gpus:
        if catalog.profile_name(gpu.name) is None:
            yield Line(
                group="GPU",
                name="peaks",
                ok=False,
                text=f"no profile for {gpu.name}",
                remedy="add one to profiles/hardware/, or use --hardware",
            )
        yield from _watched(gpu)
    for package, module, extra in (("cupy-cuda13x", "cupy", "gpu"), ("pycuda", "pycuda", "pycuda")):
        version = _version(package) or _version(module)
        yield Line(
            group="GPU", name=module, ok=version is not None, text=version or "not installed", remedy=f"pip install 'kernelsearch[{extra}]'"
        )


def _called(gpu: GpuInfo, among: list[GpuInfo]) -> str:
    """What it is, and by what name to choose it where there is a choice."""
    return f"{f'cuda:{gpu.ordinal} is ' if len(among) > 1 else ''}{gpu.name} ({gpu.arch}, driver {gpu.driver})"


def _watched(gpu: GpuInfo) -> Iterator[Line]:
    """Whether times on this GPU can be trusted to be its own, and to be told when they are not."""
    others = nvml.foreign(gpu.uuid, [os.getpid()])
    text = "; ".join(others) or "no other process seen on it"
    yield Line(group="GPU", name="  in use", ok=not others, text=text, remedy="end it, or choose another GPU with --device cuda:N")
    unseen = nvml.missing(gpu.uuid)
    yield Line(
        group="GPU",
        name="  watched",
        ok=not unseen,
        text="; ".join(unseen) or "clocks, throttling, memory errors and other processes",
        remedy="times are taken all the same, and each result says what is missing; pip install 'kernelsearch[gpu]' brings NVML",
    )


def _ray() -> Line:
    version = _version("ray")
    text = version or "not installed; searches on the GPUs of one machine (--worker gpus) need none"
    return Line(group="cluster", name="ray", ok=version is not None, text=text, remedy="pip install 'kernelsearch[ray]' for --worker ray")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _profiler(gpus: list[GpuInfo]) -> Iterator[Line]:
    ncu = find_ncu()
    yield Line(
        group="counters",
        name="Nsight Compute",
        ok=ncu is not None,
        text=str(ncu or "no ncu found"),
        remedy="install Nsight Compute (part of the CUDA toolkit); without it there are times and no counters",
    )
    if gpus:
        allowed = counters_allowed()
        yield Line(
            group="counters",
            name="permission",
            ok=allowed,
            text="counters may be read" if allowed else "the driver lets only root read counters",
            remedy="run as root, or load the driver with NVreg_RestrictProfilingToAdminUsers=0",
        )


def counters_allowed() -> bool:
    """Whether the driver lets us read counters, as far as it tells."""
    return os.geteuid() == 0 or not admin_only(_driver_settings())


def admin_only(settings: str) -> bool:
    """Whether /proc/driver/nvidia/params keeps the counters for root."""
    found = re.search(r"^RmProfilingAdminOnly:\s*(\d+)", settings, re.MULTILINE)
    return found is not None and found[1] != "0"


def _driver_settings() -> str:
    try:
        return _DRIVER_SETTINGS.read_text()
    except OSError:
        return ""  # a container may hide it; the first profile then tells


def _sanitizer() -> Iterator[Line]:
    path = sanitizer.find()
    yield Line(
        group="sanitizer",
        name="compute-sanitizer",
        ok=path is not None,
        text=str(path or "none found that is whole"),
        remedy="install it with the CUDA toolkit (the wheel alone lacks a part); without it the best kernel is called not sanitised",
    )


def _torch() -> Iterator[Line]:
    version = _version("torch")
    remedy = "pip install 'kernelsearch[torch]'; only PyTorch tasks need it"
    yield Line(group="PyTorch", name="torch", ok=version is not None, text=version or "not installed", remedy=remedy)


def _models() -> Iterator[Line]:
    for provider in ("anthropic", "openai"):
        try:
            llm.open_model(f"{provider}:any")
        except (LlmError, ToolMissing) as error:
            yield Line(
                group="models", name=provider, ok=False, text="not configured", remedy=str(error).replace(f"{provider}:any", provider)
            )
        else:
            yield Line(group="models", name=provider, ok=True, text="SDK installed, key or base URL set (not tried)")
