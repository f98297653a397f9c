"""What lies in sandbox/runner, for tests in this process: its modules, and jobs of plain C functions on this process's memory."""

import contextlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from kernelsearch import contents, paths, wire
from kernelsearch.device.base import Call, Job, Mode, Scalar, Tensor, TimingPlan
from kernelsearch.device.cuda_job import Delivery
from kernelsearch.model import Build, DType

RUNNER = paths.data("sandbox") / "runner"
MODULES = ("gpu_base", "gpu_elf", "gpu_regions", "gpu_call", "gpu_host", "gpu_serve", "gpu")
NO_FLUSH = TimingPlan(flush_l2=False)


@contextlib.contextmanager
def loaded(names=MODULES):
    """The modules by name; they import each other by bare names, as they do in the box."""
    before = {name: sys.modules.get(name) for name in names}
    modules = {}
    try:
        for name in names:
            spec = importlib.util.spec_from_file_location(name, RUNNER / f"{name}.py")
            modules[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(modules[name])
        yield modules
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def compile_c(source: str, library: Path) -> Path:
    """`source` as a shared object: a launcher that needs no GPU."""
    file = library.with_suffix(".cpp")
    file.write_text(source)
    command = ["g++", "-O1", "-w", "-shared", "-fPIC", "-pthread", "-o", str(library), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


def job(artifact: Path, *calls: Call, entry: str | None = "solve", plan=None, mode: Mode = Mode.VERIFY, **more) -> Job:
    build = Build(ok=True, toolchain="test", artifact=str(artifact), plan=plan)
    more.setdefault("timing", NO_FLUSH)
    return Job(build=build, entry=entry, plan=plan, calls=calls, mode=mode, **more)


def tensor(name: str, dtype: DType, count: int, position: int = 0, *, read: bool = True, written: bool = False, **recipe) -> Tensor:
    """A tensor that is drawn when it is read."""
    made = contents.Recipe(dtype=dtype.value, position=position, count=count, **recipe) if read else None
    return Tensor(name=name, dtype=dtype, count=count, shape=(count,), recipe=made, written=written)


def call(*args: Tensor | Scalar, label: str = "c", **more) -> Call:
    return Call(label=label, args=args, values={arg.name: arg.value for arg in args if isinstance(arg, Scalar)}, **more)


def drawn(planned: Call, name: str, key: int, distribution: str = "normal"):
    """What must lie in a drawn tensor of `planned`."""
    arg = next(arg for arg in planned.args if arg.name == name)
    return contents.draw(arg.recipe, key, distribution)


class Served:
    """A job as the runner serves it, without the box: orders go in, answers and exported files come out."""

    def __init__(self, modules, wanted: Job, folder: Path, gpu=None, exports=(0, 0, 0)) -> None:
        self.modules, self.job = modules, wanted
        self.gpu = gpu or modules["gpu_host"].HostGpu()
        self.inputs, self.outputs = folder / "in", folder / "out"
        self.inputs.mkdir()
        self.outputs.mkdir()
        exports = exports if any(call.outputs for call in wanted.calls) else ()
        self.delivery = Delivery(wanted, self.inputs, self.outputs, None, exports)
        self.spec = json.loads((self.inputs / "job.json").read_text())
        self.program = modules["gpu_call"].Program(self.gpu, self.inputs / "artifact", self.spec["entry"])
        make = modules["gpu_regions"].HostSupport
        self.server = modules["gpu_serve"].Server(
            self.gpu, self.program, self.spec, (self.inputs, self.outputs), lambda regions, outputs: make(contents, regions, outputs)
        )

    def ask(self, *orders: wire.Order) -> list[wire.Answer]:
        """The answers to `orders`, behind the one that says it is ready."""
        waiting, said = [order.pack() for order in orders], []
        self.modules["gpu_serve"].serve(self.server, lambda: waiting.pop(0) if waiting else b"", said.append, wire)
        answers = [wire.read_answer(data) for data in said]
        assert answers[0].op is wire.Op.READY
        assert all(answer.answers(order) for answer, order in zip(answers[1:], orders, strict=True))
        return answers[1:]

    def call(self, key: int = 1, *, number: int = 0, place: int = 0, distribution: str = "normal", poison: int = 0, seal: int = 7):
        which = contents.DISTRIBUTIONS.index(distribution)
        (answer,) = self.ask(wire.Order(wire.Op.CALL, number, place, which, key, poison, seal))
        assert (answer.op, answer.number) == (wire.Op.DONE, number)
        return answer

    def exported(self, number: int = 0) -> dict[str, bytes]:
        """Bytes of the outputs of the last call, written to the files of export `number`."""
        (answer,) = self.ask(wire.Order(wire.Op.EXPORT, number))
        assert (answer.op, answer.number) == (wire.Op.EXPORTED, number)
        args = self.spec["calls"][self.server._current]["args"]
        return {arg["name"]: (self.outputs / f"{number}-{i}.bin").read_bytes() for i, arg in enumerate(args) if arg.get("written")}
