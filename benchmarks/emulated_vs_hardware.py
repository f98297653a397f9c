"""Does the emulated device rank kernels as hardware does? Modelled against measured times of 24 variants of three kernels.

    python benchmarks/emulated_vs_hardware.py --modelled    here, no GPU needed; writes benchmarks/data/modelled-h200.json
    python benchmarks/emulated_vs_hardware.py --measured    on a GPU machine; writes benchmarks/data/measured-h200.json
    python benchmarks/emulated_vs_hardware.py --report      prints the table and the rank correlations of the stored data

`--hardware` names the profile of another GPU. Sizes are the same on both sides. Both sides compare every variant's output with that of
the first variant of its kernel, so that a broken variant is not ranked. The constants of the time model were not fitted to these data
unless kernelsearch/device/model.py says so.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kernelsearch import catalog, digest, paths
from kernelsearch.device import open_device
from kernelsearch.device.base import Call, Device, Job, Mode, Scalar, Tensor
from kernelsearch.errors import KernelSearchError, ToolMissing
from kernelsearch.model import Arg, ArgKind, Candidate, Case, DType, Expression, Form, Origin, Task
from kernelsearch.sandbox import open_sandbox
from kernelsearch.toolchain.base import Toolchain
from kernelsearch.toolchain.emulated import EmulatedToolchain
from kernelsearch.toolchain.locate import find_nvcc
from kernelsearch.toolchain.nvcc import NvccToolchain

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One of the three kernels: tensors with their shapes over the sizes, in call order; the last tensor is the output."""

    name: str
    tensors: Mapping[str, tuple[str, ...]]
    sizes: Mapping[str, int]

    def task(self, source: str) -> Task:
        output = list(self.tensors)[-1]
        tensors = [
            Arg(
                name=name,
                kind=ArgKind.OUTPUT if name == output else ArgKind.INPUT,
                dtype=DType.F32,
                shape=tuple(Expression(extent) for extent in shape),
            )
            for name, shape in self.tensors.items()
        ]
        sizes = [Arg(name=name, kind=ArgKind.SIZE, dtype=DType.I32) for name in self.sizes]
        return Task(
            name=self.name,
            suite="benchmark",
            form=Form.LAUNCHER,
            entry="solve",
            args=(*tensors, *sizes),
            cases=(Case(name="timed", sizes=self.sizes, timed=True),),
            baseline=source,
        )

    @property
    def variants(self) -> list[Path]:
        return sorted((HERE / "variants" / self.name).glob("*.cu"))


KERNELS = (
    Kernel(name="transpose", tensors={"x": ("rows", "cols"), "y": ("cols", "rows")}, sizes={"rows": 4096, "cols": 4096}),
    Kernel(name="softmax", tensors={"x": ("rows", "cols"), "y": ("rows", "cols")}, sizes={"rows": 8192, "cols": 2048}),
    Kernel(name="matmul", tensors={"a": ("m", "k"), "b": ("k", "n"), "c": ("m", "n")}, sizes={"m": 1024, "n": 1024, "k": 1024}),
)


def call_of(task: Task, folder: Path) -> Call:
    """The task's one case with standard normal inputs, written to `folder`."""
    case = task.cases[0]
    rng = np.random.default_rng(0)
    args: list[Tensor | Scalar] = []
    for arg in task.args:
        if not arg.is_tensor:
            args.append(Scalar(name=arg.name, dtype=arg.dtype, value=case.sizes[arg.name]))
            continue
        shape = task.shape(arg, case)
        file = None
        if arg.is_read:
            file = folder / f"{task.name}-{arg.name}.bin"
            rng.standard_normal(shape, dtype=np.float32).tofile(file)
        args.append(Tensor(name=arg.name, dtype=arg.dtype, count=int(np.prod(shape)), file=file, written=arg.is_written))
    return Call(label="timed", args=tuple(args), values=case.names)


def time_kernel(kernel: Kernel, toolchain: Toolchain, device: Device, folder: Path) -> dict[str, dict[str, object]]:
    """Median time in µs of every variant, or why there is none."""
    results: dict[str, dict[str, object]] = {}
    first: np.ndarray | None = None
    for path in kernel.variants:
        task = kernel.task(path.read_text())
        call = call_of(task, folder)
        candidate = Candidate(task=digest.task(task), source=task.baseline, flags=task.flags, origin=Origin(proposer="benchmark"))
        build = toolchain.build(candidate, task)
        name = f"{kernel.name}/{path.stem}"
        if not build.ok:
            results[name] = {"failure": build.log[:500]}
            continue
        done = device.run(Job(build=build, entry=task.entry, plan=None, calls=(call,), mode=Mode.TIME, timeout_s=240.0))
        if done.failure is not None:
            results[name] = {"failure": f"{done.failure.value}: {done.detail[:500]}"}
            continue
        result = done.calls[0]
        entry: dict[str, object] = {"us": statistics.median(result.samples_us), "samples": len(result.samples_us)}
        if result.counters:
            entry["counters"] = dict(result.counters)
        for data in result.outputs.values():
            output = np.frombuffer(data, dtype=np.float32)
            first = output.copy() if first is None else first
            if not np.allclose(output, first, rtol=1e-3, atol=1e-3 * float(np.sqrt(np.mean(first**2)))):
                entry = {"failure": f"its output differs from that of {kernel.variants[0].stem}"}
        results[name] = entry
        print(f"  {name:40s} {entry.get('us', entry.get('failure'))}", flush=True)
    return results


def collect(toolchain: Toolchain, device: Device, label: str) -> Path:
    """Time everything and write one JSON file."""
    times: dict[str, object] = {}
    with tempfile.TemporaryDirectory(dir=paths.scratch_root()) as folder:
        for kernel in KERNELS:
            times.update(time_kernel(kernel, toolchain, device, Path(folder)))
    record = {
        "device": device.name,
        "kind": device.time_kind.value,
        "toolchain": toolchain.name,
        "facts": dict(device.facts),
        "sizes": {kernel.name: dict(kernel.sizes) for kernel in KERNELS},
        "times": times,
    }
    DATA.mkdir(exist_ok=True)
    file = DATA / f"{device.time_kind.value}-{label}.json"
    file.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {file}")
    return file


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, ties shared."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    result = [0.0] * len(values)
    at = 0
    while at < len(order):
        end = at
        while end + 1 < len(order) and values[order[end + 1]] == values[order[at]]:
            end += 1
        for i in order[at : end + 1]:
            result[i] = (at + end) / 2 + 1
        at = end + 1
    return result


def spearman(pairs: Sequence[tuple[float, float]]) -> float:
    """Rank correlation of the two columns; 0 where one of them is constant."""
    left, right = (ranks(column) for column in zip(*pairs, strict=True))
    if len(set(left)) < 2 or len(set(right)) < 2:
        return 0.0
    return statistics.correlation(left, right)


def interval(pairs: Sequence[tuple[float, float]], rounds: int = 5000) -> tuple[float, float]:
    """95 % percentile bootstrap over variants, seeded."""
    rng = random.Random(1)
    values = sorted(spearman([rng.choice(pairs) for _ in pairs]) for _ in range(rounds))
    return values[int(0.025 * rounds)], values[int(0.975 * rounds)]


def relative(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Both columns divided by their geometric mean, so that kernels of different sizes can be pooled."""
    means = [statistics.geometric_mean(column) for column in zip(*pairs, strict=True)]
    return [(a / means[0], b / means[1]) for a, b in pairs]


def report(modelled: Path, measured: Path | None) -> int:
    """Print modelled and measured times side by side, and how far their orders agree."""
    model = json.loads(modelled.read_text())
    real = json.loads((measured or modelled).read_text())
    if measured is None:
        real = {"device": "no measurement stored", "times": {}}
    print(f"modelled: {model['device']} ({model['toolchain']})\nmeasured: {real['device']}\n")
    print(f"{'variant':40s} {'modelled µs':>12s} {'measured µs':>12s} {'ratio':>7s}")
    pooled: list[tuple[float, float]] = []
    summary: list[str] = []
    for kernel in KERNELS:
        pairs: list[tuple[float, float]] = []
        for path in kernel.variants:
            name = f"{kernel.name}/{path.stem}"
            ours, theirs = (side["times"].get(name, {}).get("us") for side in (model, real))
            shown = [f"{v:12.1f}" if v else f"{'–':>12s}" for v in (ours, theirs)]
            print(f"{name:40s} {shown[0]} {shown[1]} {f'{ours / theirs:7.2f}' if ours and theirs else ''}")
            if ours and theirs:
                pairs.append((ours, theirs))
        if len(pairs) >= 3:
            low, high = interval(pairs)
            summary.append(f"{kernel.name:40s} {spearman(pairs):+.3f}  95 % [{low:+.3f}, {high:+.3f}]  {len(pairs)} variants")
            pooled += relative(pairs)
    if not pooled:
        print("\nNo rank correlation: there is no measured file yet. Run --measured on a GPU machine.")
        return 0
    low, high = interval(pooled)
    print("\nSpearman rank correlation of modelled with measured time (bootstrap over variants)")
    print("\n".join(summary))
    label = "all, each over its kernel's mean"
    print(f"{label:40s} {spearman(pooled):+.3f}  95 % [{low:+.3f}, {high:+.3f}]  {len(pooled)} variants")
    return 0


def open_modelled(hardware: str, scratch: Path) -> tuple[Toolchain, Device]:
    """The emulated device, with nvcc's register counts where there is an nvcc."""
    sandbox = open_sandbox(unsafe=True)
    profile = catalog.hardware(hardware)
    nvcc = find_nvcc()
    cache = paths.cache() / "build"
    compiler = None if nvcc is None else NvccToolchain(sandbox=sandbox, cache=cache, nvcc=nvcc, arch=profile.arch, witness=True)
    toolchain = EmulatedToolchain(sandbox=sandbox, cache=cache, nvcc=compiler)
    return toolchain, open_device("emulated", sandbox=sandbox, scratch=scratch, hardware=profile)


def open_measured(hardware: str, scratch: Path) -> tuple[Toolchain, Device]:
    """The first GPU. Raises `ToolMissing` where there is none."""
    sandbox = open_sandbox(unsafe=True)
    profile = catalog.hardware(hardware)
    nvcc = find_nvcc()
    if nvcc is None:
        raise ToolMissing("--measured needs nvcc: install the CUDA toolkit or `pip install 'kernelsearch[nvcc]'`")
    toolchain = NvccToolchain(sandbox=sandbox, cache=paths.cache() / "build", nvcc=nvcc, arch=profile.arch)
    return toolchain, open_device("cuda", sandbox=sandbox, scratch=scratch, hardware=profile)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modelled", action="store_true")
    parser.add_argument("--measured", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--hardware", default="h200", help="profile in profiles/hardware")
    options = parser.parse_args()
    if not (options.modelled or options.measured or options.report):
        parser.error("say --modelled, --measured or --report")
    try:
        for wanted, opener in ((options.modelled, open_modelled), (options.measured, open_measured)):
            if wanted:
                with tempfile.TemporaryDirectory(dir=paths.scratch_root()) as folder:
                    toolchain, device = opener(options.hardware, Path(folder))
                    collect(toolchain, device, options.hardware)
                    device.close()
    except KernelSearchError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    modelled, measured = (DATA / f"{kind}-{options.hardware}.json" for kind in ("modelled", "measured"))
    if not modelled.exists():
        print(f"no {modelled}; run --modelled first", file=sys.stderr)
        return 2
    return report(modelled, measured if measured.exists() else None)


if __name__ == "__main__":
    sys.exit(main())
