"""What is to be computed, on what, and how exactly: everything about a task but the candidate's source.

Identity: `digest` of the task covers all fields but `notes`, `assumptions` and `yardstick`. Shapes are in elements, row-major.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.errors import UsageError
from kernelsearch.model.arg import Arg, ArgKind, Distribution, DType
from kernelsearch.model.expression import Expression, Number

NO_IDENTITY = {"identity": False}  # metadata of a field that changes nothing of what is computed or judged: digests leave it out
CAME_LATER = {"came_later": True}  # metadata of a field whose default means what was so before it: digests leave the default out


class Form(enum.Enum):
    """How a candidate is entered."""

    LAUNCHER = "launcher"  # an extern "C" host function on device pointers
    KERNELS = "kernels"  # only __global__ functions and a launch plan; no candidate host code runs
    TORCH = "torch"  # a Python module with a class ModelNew, in the manner of KernelBench


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One set of sizes. `timed` cases are measured as well as verified; `scalars` override `Arg.value`."""

    name: str
    sizes: Mapping[str, int]
    timed: bool = False
    scalars: Mapping[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for size, value in self.sizes.items():
            if value < 1:
                raise UsageError(f"case {self.name!r}: size {size} = {value}, must be at least 1")

    @property
    def names(self) -> dict[str, Number]:
        """Sizes and scalars together, for evaluating expressions."""
        return {**self.sizes, **self.scalars}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """When an output counts as right.

    With `reduction` (the length of the longest sum, as an expression) gates follow from dtype and length; `rtol` and
    `atol` given by hand replace them. `atol` is relative to the root mean square of the reference. `through`: the type that the terms of
    a sum may be rounded to once on their way, as the weights of attention are for tensor cores; gates are wider by what that loses.
    """

    reduction: Expression = Expression("1")
    rtol: float | None = None
    atol: float | None = None
    through: DType | None = field(default=None, metadata=CAME_LATER)

    def __post_init__(self) -> None:
        if self.through is None:
            return
        if not self.through.is_float:
            raise UsageError(f"tolerance: through is {self.through.value}, which is no float type")
        if self.rtol is not None or self.atol is not None:
            raise UsageError("tolerance: through widens the gates that follow from reduction; leave it out where rtol or atol is given")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Irreducible work of one call: bytes through DRAM and floating-point operations, over the case's sizes."""

    bytes: Expression | None = None
    flops: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A trusted NumPy function in float64, run by the verifier outside the box.

    Called as `function(**inputs, **sizes, **scalars)` with float inputs widened to float64; returns one array, or a dict of
    arrays by output name. With `Task.torch` it is a PyTorch problem instead, whose `function` is a module's class: it runs in a process
    of its own, on float64 too. `inputs`, if named, is called as `inputs(rng, sizes, distribution)` and returns arrays for the inputs
    that need structure (a CSR row pointer, a permutation); the others are drawn as usual. Of a `program`, a reference in another format,
    `source` is JSON that the trusted process reads: it makes inputs and outputs there, by the format's own Python.
    """

    source: str
    function: str
    inputs: str | None = None
    program: bool = field(default=False, metadata=NO_IDENTITY)  # told by the source already


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchCall:
    """How a PyTorch module is made and called on the task's tensors: all that a box is told of a problem.

    `init`, `inputs` and `outputs` are JSON trees: the constructor's arguments, those of `forward`, and what it returns. A node is
    {"arg": name}, {"value": a Python literal as text}, {"list": [nodes]} or {"tuple": [nodes]}. `parameters`: argument -> the
    parameter or buffer that it is the contents of, as `named_parameters` calls it. `shapes` are torch's own: () where the
    argument's is (1,).
    """

    init: str
    inputs: str
    outputs: str
    parameters: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """What a library takes for the same: a trusted Python function, timed beside a search and never shown to a candidate.

    Called as `function(library, **inputs, **sizes, **scalars)` with the library's module (torch, or cupy) and its tensors of the task's
    own dtypes and shapes; returns one tensor, or a dict of tensors by output name. It may not write its inputs.
    """

    library: str
    source: str
    function: str

    def __post_init__(self) -> None:
        if self.library not in ("torch", "cupy"):
            raise UsageError(f"yardstick library {self.library!r}; one of torch, cupy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a candidate may use beyond plain CUDA C++."""

    libraries: tuple[str, ...] = ()
    fast_math: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A kernel to make faster. `baseline` is its source; `flags` are the compiler flags it is built with.

    `torch` belongs to what was read from a PyTorch problem, whichever form its candidates have; the reference is then the problem.
    """

    name: str
    suite: str = "user"
    form: Form
    entry: str | None  # the host function of a launcher, the class of a torch module; None for the kernels form
    args: tuple[Arg, ...]
    cases: tuple[Case, ...]
    distributions: tuple[Distribution, ...] = (Distribution.NORMAL, Distribution.INTEGERS)
    tolerance: Tolerance = Tolerance()
    cost: Cost = Cost()
    baseline: str
    flags: tuple[str, ...] = ("-O3",)
    reference: Reference | None = None
    torch: TorchCall | None = None
    policy: Policy = Policy()
    notes: str = ""
    assumptions: tuple[str, ...] = ()
    yardstick: Yardstick | None = field(default=None, metadata=NO_IDENTITY)

    def __post_init__(self) -> None:
        names = [arg.name for arg in self.args]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise UsageError(f"task {self.name!r}: argument named twice: {', '.join(sorted(doubled))}")
        if self.form is Form.TORCH and self.torch is None:
            raise UsageError(f"task {self.name!r}: the torch form is read from a KernelBench file, not from a task file")
        if (self.form is Form.KERNELS) != (self.entry is None):
            raise UsageError(f"task {self.name!r}: `entry` belongs to the launcher form and to torch, and only to them")
        if self.torch is not None and self.reference is None:
            raise UsageError(f"task {self.name!r}: a PyTorch problem is its own reference, which is missing")
        if not any(arg.is_written for arg in self.args):
            raise UsageError(f"task {self.name!r}: no argument is an output")
        if not any(case.timed for case in self.cases):
            raise UsageError(f"task {self.name!r}: no case is timed; set timed = true in one of [[cases]]")
        if doubled := {c.name for c in self.cases if [d.name for d in self.cases].count(c.name) > 1}:
            raise UsageError(f"task {self.name!r}: case named twice: {', '.join(sorted(doubled))}")
        if not self.distributions:
            raise UsageError(f"task {self.name!r}: at least one distribution is needed")
        for case in self.cases:
            self.check_case(case)

    def check_case(self, case: Case) -> None:
        """Raise `UsageError` unless every shape and formula can be evaluated for `case`."""
        for arg in self.args:
            if arg.kind is ArgKind.SIZE and arg.name not in case.sizes:
                raise UsageError(f"task {self.name!r}, case {case.name!r}: size {arg.name!r} has no value")
            if arg.kind is ArgKind.SCALAR and arg.value is None and arg.name not in case.scalars:
                raise UsageError(f"task {self.name!r}, case {case.name!r}: scalar {arg.name!r} has no value")
            for extent in arg.shape:
                if extent.integer(self.values(case)) < 1:
                    raise UsageError(f"task {self.name!r}, case {case.name!r}: extent {extent} of {arg.name!r} is below 1")

    def values(self, case: Case) -> dict[str, Number]:
        """All names an expression may read in `case`: scalar defaults, then the case's sizes and scalars."""
        defaults: dict[str, Number] = {a.name: a.value for a in self.args if a.kind is ArgKind.SCALAR and a.value is not None}
        return {**defaults, **case.names}

    def shape(self, arg: Arg, case: Case) -> tuple[int, ...]:
        """Extents of `arg` in `case`, in elements."""
        return tuple(extent.integer(self.values(case)) for extent in arg.shape)

    def arg(self, name: str) -> Arg:
        """The argument called `name`; raises `KeyError` when there is none."""
        for arg in self.args:
            if arg.name == name:
                return arg
        raise KeyError(name)

    @property
    def timed_cases(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if case.timed)

    @property
    def inputs(self) -> tuple[Arg, ...]:
        return tuple(arg for arg in self.args if arg.is_read)

    @property
    def outputs(self) -> tuple[Arg, ...]:
        return tuple(arg for arg in self.args if arg.is_written)
