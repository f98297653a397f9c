"""One argument of a kernel: its type, its shape, and how its contents are drawn. Shapes are in elements, row-major."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from kernelsearch.errors import UsageError
from kernelsearch.model.expression import Expression, Number


class DType(enum.Enum):
    """Element types that cross the box, by their short names."""

    F64 = "f64"
    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    I64 = "i64"
    I32 = "i32"
    I16 = "i16"
    I8 = "i8"
    U64 = "u64"
    U32 = "u32"
    U16 = "u16"
    U8 = "u8"
    BOOL = "bool"

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return 1 if self is DType.BOOL else int(self.value.lstrip("bfiu")) // 8

    @property
    def is_float(self) -> bool:
        return self in (DType.F64, DType.F32, DType.F16, DType.BF16)

    @property
    def mantissa_bits(self) -> int:
        """Explicit mantissa bits of a float type (IEEE 754; bfloat16 has 7)."""
        return {DType.F64: 52, DType.F32: 23, DType.F16: 10, DType.BF16: 7}[self]


class ArgKind(enum.Enum):
    INPUT = "input"
    OUTPUT = "output"
    INOUT = "inout"
    SIZE = "size"
    SCALAR = "scalar"


class Distribution(enum.Enum):
    """How the contents of float inputs are drawn. Integer inputs follow `Arg.low`/`Arg.high`."""

    NORMAL = "normal"  # zero mean, unit variance: the only one that shows lost precision reliably
    UNIFORM = "uniform"  # [-1, 1)
    POSITIVE = "positive"  # [0.1, 1.1): for operators whose domain is positive
    LOGNORMAL = "lognormal"  # heavy-tailed
    SPIKES = "spikes"  # normal, but 0.1 % of elements (four at least) lie beyond 100, of either sign, at random places
    INTEGERS = "integers"  # {-2..2}: exact in every float type, so index errors show at any tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg:
    """One argument of the entry, in call order.

    `shape` (tensors): extents as expressions over the case's sizes. `value` (scalars): the number passed unless a case
    overrides it. `low`/`high` (integer tensors): inclusive lower and exclusive upper bound of random contents. Float tensors:
    `scale`, a power of two so that it costs no bit, multiplies what is drawn; `distribution` replaces the call's own.
    """

    name: str
    kind: ArgKind
    dtype: DType
    shape: tuple[Expression, ...] = ()
    value: Number | None = None
    low: Expression | None = None
    high: Expression | None = None
    scale: float = 1.0
    distribution: Distribution | None = None

    def __post_init__(self) -> None:
        if self.scale <= 0 or math.frexp(self.scale)[0] != 0.5:
            raise UsageError(f"argument {self.name!r}: scale {self.scale:g} is not a power of two")
        if not self.name.isidentifier():
            raise UsageError(f"argument name {self.name!r} is not an identifier")
        if self.is_tensor and not self.shape:
            raise UsageError(f"tensor argument {self.name!r} needs a shape")
        if not self.is_tensor and self.shape:
            raise UsageError(f"{self.kind.value} argument {self.name!r} cannot have a shape")
        if self.kind is ArgKind.SIZE and self.dtype.is_float:
            raise UsageError(f"size argument {self.name!r} must be an integer type")

    @property
    def is_tensor(self) -> bool:
        return self.kind in (ArgKind.INPUT, ArgKind.OUTPUT, ArgKind.INOUT)

    @property
    def is_read(self) -> bool:
        return self.kind in (ArgKind.INPUT, ArgKind.INOUT)

    @property
    def is_written(self) -> bool:
        return self.kind in (ArgKind.OUTPUT, ArgKind.INOUT)
