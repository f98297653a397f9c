"""The physical floor: what no kernel can beat, and no more than that."""

from __future__ import annotations

import dataclasses

import pytest

from kernelsearch import catalog
from kernelsearch.measure.floor import EXCESS, SLACK, floor_us, implausible, quarantine
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


def floor(made: Task, **measured: float) -> float | None:
    return floor_us(made, made.cases[0], dataclasses.replace(HARDWARE, measured={k.replace("__", "."): v for k, v in measured.items()}))


def timed(us: float, cache: str = "flushed") -> Measurement:
    return Measurement(kind=TimeKind.MEASURED, timings=(CaseTiming(case="one", samples_us=(us,)),), cache=cache)


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
    why = implausible(timed(us), task(DType.F16, flops="1000 * n"), HARDWARE)
    assert (why is None) == true


def test_what_was_measured_lowers_a_floor_and_never_raises_it():
    moved = task(DType.F16, moved="8 * n")
    assert floor(moved, dram_bytes_per_s=2e6) == pytest.approx(4000.0)
    assert floor(moved, dram_bytes_per_s=0.5e6) == pytest.approx(8000.0)
    halves, floats = task(DType.F16, flops="1000 * n"), task(DType.F32, flops="1000 * n")
    assert floor(halves, tensor_flops__f16=60e9) == pytest.approx(10.0)
    assert floor(halves, tensor_flops__f16=125e9) == pytest.approx(8.0)
    assert floor(floats, fp32_flops=12e9, tensor_flops__tf32=20e9) == pytest.approx(25.0)
    assert floor(floats, tensor_flops__tf32=50e9) == pytest.approx(20.0)
    assert floor(task(DType.I32, flops="1000 * n"), fp32_flops=20e9) == pytest.approx(50.0)
    assert floor(moved, l2_bytes_per_s=1.0, shared_bytes_per_s=1.0) == pytest.approx(8000.0)


def test_a_tiny_case_takes_a_launch_at_least_once_that_is_measured():
    tiny = task(DType.F16, moved="1", flops="1")
    assert floor(tiny) == pytest.approx(1.0)
    assert floor(tiny, launch_us=2.2) == pytest.approx(2.2)
    assert floor(task(DType.F16), launch_us=2.2) == pytest.approx(2.2)
    assert floor(task(DType.F16, moved="8"), launch_us=2.2) == pytest.approx(8.0)
    calibrated = dataclasses.replace(HARDWARE, measured={"launch_us": 2.2})
    assert implausible(timed(0.9), task(DType.F16), calibrated) is not None
    assert implausible(timed(0.9), task(DType.F16), HARDWARE) is None


# Between impossible and believed


@pytest.mark.parametrize(("us", "held"), [(9.9, True), (10.1, False)])
def test_a_time_faster_than_light_must_be_measured_again(us, held):
    made = task(DType.F16, flops="1000 * n")
    why = quarantine(timed(us), made, HARDWARE)
    assert (why is not None) == held
    assert us > SLACK * 10.0
    assert implausible(timed(us), made, HARDWARE) is None
    if why:
        assert "case one: 9.90 µs is faster than the speed of light" in why


@pytest.mark.parametrize(
    ("l2_bytes", "cache", "light"),
    [
        (1 << 20, "flushed", 2000.0),  # the output, 4000 bytes, may stay in L2; the input must come from DRAM
        (1000, "flushed", 5000.0),  # L2 holds no more than this
        (0, "flushed", 6000.0),
        (1 << 20, "warm", 0.0),
        (3000, "warm", 3000.0),
    ],
)
def test_what_can_stay_in_l2_is_taken_off_before_light_is_said_to_be_outrun(l2_bytes, cache, light):
    made, hardware = task(DType.F16, moved="6 * n"), dataclasses.replace(HARDWARE, l2_bytes=l2_bytes)
    assert quarantine(timed(light + 1.0, cache), made, hardware) is None
    if light:
        assert quarantine(timed(light - 1.0, cache), made, hardware) is not None


def test_an_excess_over_the_incumbent_must_be_measured_again():
    made = task(DType.F16, flops="1000 * n")
    assert quarantine(timed(50.0), made, HARDWARE, speedup=EXCESS) is None
    assert quarantine(timed(50.0), made, HARDWARE) is None
    why = quarantine(timed(50.0), made, HARDWARE, speedup=18.04)
    assert why is not None
    assert why.startswith("18.0 times as fast as the incumbent")
