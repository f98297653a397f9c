"""The physical floor: what no kernel can beat, and no more than that."""

from __future__ import annotations

import dataclasses

import pytest

from kernelsearch import catalog
from kernelsearch.measure import floor_us, implausible
from kernelsearch.model import Arg, ArgKind, Case, CaseTiming, Cost, DType, Expression, Form, Measurement, Task, TimeKind

HARDWARE = dataclasses.replace(
    catalog.hardware("h100"),
    dram_bytes_per_s=1e6,  # a byte each µs
    fp32_flops=10e9,
    fp64_flops=5e9,
    tensor_flops={"f16": 100e9, "tf32": 40e9, "i8": 200e9, "fp8": 999e9},
)


def task(*inputs: DType, moved: str = "", flops: str = "", assumptions: tuple[str, ...] = ()) -> Task:
    tensors = [(f"x{i}", ArgKind.INPUT, dtype) for i, dtype in enumerate(inputs)]
    shape = (Expression("n"),)
    return Task(
        name="t",
        form=Form.LAUNCHER,
        entry="solve",
        args=(
            *(Arg(name=name, kind=kind, dtype=dtype, shape=shape) for name, kind, dtype in [*tensors, ("y", ArgKind.OUTPUT, DType.F32)]),
            Arg(name="n", kind=ArgKind.SIZE, dtype=DType.I32),
        ),
        cases=(Case(name="one", sizes={"n": 1000}, timed=True),),
        cost=Cost(bytes=Expression(moved) if moved else None, flops=Expression(flops) if flops else None),
        baseline="",
        assumptions=assumptions,
    )


def floor(made: Task) -> float | None:
    return floor_us(made, made.cases[0], HARDWARE)


@pytest.mark.parametrize(
    ("inputs", "us"),
    [
        ((DType.F16,), 10.0),
        ((DType.F32,), 25.0),  # TF32
        ((DType.F64,), 200.0),
        ((DType.I8,), 5.0),
        ((DType.I32,), 100.0),
        ((DType.F16, DType.F32), 10.0),
        ((), 100.0),
    ],
)
def test_the_arithmetic_floor_is_that_of_the_fastest_unit_for_the_inputs(inputs, us):
    assert floor(task(*inputs, flops="1000 * n")) == pytest.approx(us)


def test_the_floor_is_the_larger_of_bytes_and_operations():
    assert floor(task(DType.F16, moved="8 * n", flops="n")) == pytest.approx(8000.0)
    assert floor(task(DType.F16, moved="8", flops="1000 * n")) == pytest.approx(10.0)
    assert floor(task(DType.F16)) is None


def test_operations_that_a_draft_counted_are_no_floor_but_its_bytes_are():
    assert floor(task(DType.F16, moved="8", flops="1000 * n", assumptions=("sizes n=1000",))) == pytest.approx(8.0)
    assert floor(task(DType.F16, flops="1000 * n", assumptions=("sizes n=1000",))) is None


@pytest.mark.parametrize(("us", "true"), [(4.6, True), (4.4, False)])
def test_a_time_below_the_floor_and_its_slack_cannot_be_true(us, true):
    measurement = Measurement(kind=TimeKind.MEASURED, timings=(CaseTiming(case="one", samples_us=(us,)),))
    why = implausible(measurement, task(DType.F16, flops="1000 * n"), HARDWARE)
    assert (why is None) == true
