"""From counters to a named limit, on counters as they were or might be read; and the roofline from a task's formulae."""

from __future__ import annotations

import dataclasses

import pytest

from kernelsearch import catalog
from kernelsearch.device.base import KernelCounters
from kernelsearch.diagnose import Evidence, bottleneck, roofline
from kernelsearch.diagnose.chosen import heaviest
from kernelsearch.diagnose.facts import facts
from kernelsearch.diagnose.roofline import FLOOR, peak_flops
from kernelsearch.diagnose.run import _subject, _with_derived
from kernelsearch.model import (
    Arg,
    ArgKind,
    Build,
    Case,
    CaseTiming,
    Cost,
    DType,
    Expression,
    Form,
    KernelResources,
    Measurement,
    Metric,
    Resource,
    Task,
    TimeKind,
)

LD, ST = "pipe_lsu_mem_global_op_ld.sum", "pipe_lsu_mem_global_op_st.sum"
DRAM = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
SM = "sm__throughput.avg.pct_of_peak_sustained_elapsed"
L2 = "lts__throughput.avg.pct_of_peak_sustained_elapsed"
WARPS = "sm__warps_active.avg.pct_of_peak_sustained_active"
PLAIN = {"LDG.E": 2, "STG.E": 1, "FADD": 3}
WIDE = {"LDG.E.128": 2, "STG.E.128": 1}


def evidence(metrics: dict[str, float] | None = None, *, instructions=None, resources=(), **others) -> Evidence:
    build = Build(ok=True, toolchain="t", artifact="a", instructions=PLAIN if instructions is None else instructions, resources=resources)
    return Evidence(metrics={name: Metric(value=value) for name, value in (metrics or {}).items()}, build=build, **others)


def traffic(load: float = 4.0, store: float = 4.0, requests: float = 1000.0, store_requests: float = 1000.0) -> dict[str, float]:
    return {
        f"l1tex__t_requests_{LD}": requests,
        f"l1tex__t_sectors_{LD}": load * requests,
        f"l1tex__t_requests_{ST}": store_requests,
        f"l1tex__t_sectors_{ST}": store * store_requests,
    }


def found(e: Evidence) -> Resource | None:
    limit = bottleneck(e)
    return None if limit is None else limit.resource


def test_no_counters_name_no_limit() -> None:
    assert bottleneck(evidence()) is None


def test_scattered_loads_are_named_with_their_figures() -> None:
    limit = bottleneck(evidence({**traffic(load=18.5), DRAM: 30.0}))
    assert limit.resource is Resource.UNCOALESCED
    assert "18.5 sectors per global load request; 4 would do" in limit.evidence


def test_scattered_stores_are_named_when_they_are_the_greater_waste() -> None:
    limit = bottleneck(evidence(traffic(load=6.5, store=32.0)))
    assert "32.0 sectors per global store request" in limit.evidence


def test_wide_loads_are_allowed_their_width() -> None:
    assert found(evidence({**traffic(load=16.0), DRAM: 90.0}, instructions=WIDE)) is Resource.DRAM_BANDWIDTH
    assert found(evidence({**traffic(load=16.0), DRAM: 90.0}, instructions=PLAIN)) is Resource.UNCOALESCED


def test_without_machine_code_only_what_no_width_explains_is_held_against_a_kernel() -> None:
    assert found(evidence({**traffic(load=16.0), DRAM: 90.0}, instructions={})) is Resource.DRAM_BANDWIDTH
    assert found(evidence({**traffic(load=32.0), DRAM: 90.0}, instructions={})) is Resource.UNCOALESCED


def test_a_few_scattered_requests_among_many_good_ones_are_no_limit() -> None:
    assert found(evidence({**traffic(store=32.0, requests=1e6, store_requests=1e3), DRAM: 85.0})) is Resource.DRAM_BANDWIDTH


def test_scatter_that_the_caches_made_good_is_no_limit_when_dram_is_full_of_useful_bytes() -> None:
    counters = {**traffic(load=16.0), DRAM: 88.0, "dram__bytes_read.sum": 1.0e6, "dram__bytes_write.sum": 1.1e6}
    assert found(evidence(counters, task_bytes=2e6)) is Resource.DRAM_BANDWIDTH
    assert found(evidence(counters, task_bytes=1e6)) is Resource.UNCOALESCED


def shared(conflicts: float, instructions: float = 1000.0) -> dict[str, float]:
    return {
        "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum": conflicts,
        "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum": 400.0,
        "smsp__inst_executed.sum": instructions,
    }


def test_bank_conflicts_count_by_their_share_and_by_how_much_shared_memory_matters() -> None:
    limit = bottleneck(evidence({**traffic(), **shared(300.0)}))
    assert limit.resource is Resource.SHARED_CONFLICTS
    assert limit.evidence.startswith("75 %")
    assert found(evidence({**shared(40.0), DRAM: 80.0})) is Resource.DRAM_BANDWIDTH
    assert found(evidence({**shared(300.0, instructions=1e6), DRAM: 80.0})) is Resource.DRAM_BANDWIDTH


def test_spills_are_those_of_the_profiled_kernel() -> None:
    resources = (
        KernelResources(kernel="heavy", registers=255, spill_store_bytes=80, spill_load_bytes=96),
        KernelResources(kernel="light", registers=20),
    )
    limit = bottleneck(evidence({DRAM: 20.0, "launch__registers_per_thread": 255.0}, resources=resources, kernel="heavy(float *)"))
    assert limit.resource is Resource.SPILLS
    assert "176 bytes" in limit.evidence and "255 registers" in limit.evidence
    assert found(evidence({DRAM: 80.0}, resources=resources, kernel="light(float *)")) is Resource.DRAM_BANDWIDTH


@pytest.mark.parametrize(
    ("counters", "resource"),
    [
        ({DRAM: 82.0, SM: 40.0, L2: 60.0}, Resource.DRAM_BANDWIDTH),
        ({DRAM: 30.0, SM: 91.0, L2: 60.0}, Resource.COMPUTE),
        ({DRAM: 30.0, SM: 40.0, L2: 77.0}, Resource.L2),
        ({DRAM: 30.0, SM: 40.0, WARPS: 12.0}, Resource.OCCUPANCY),
        ({DRAM: 30.0, SM: 40.0, WARPS: 90.0, "launch__waves_per_multiprocessor": 0.1}, Resource.OCCUPANCY),
        ({DRAM: 30.0, SM: 40.0, WARPS: 90.0, "launch__waves_per_multiprocessor": 9.0}, Resource.LATENCY),
        ({DRAM: 30.0}, Resource.LATENCY),
        ({WARPS: 90.0}, None),
    ],
)
def test_the_busiest_unit_is_named_or_what_keeps_all_idle(counters: dict[str, float], resource: Resource | None) -> None:
    assert found(evidence(counters)) is resource


def test_low_occupancy_is_told_with_what_may_cause_it() -> None:
    limit = bottleneck(evidence({DRAM: 12.0, WARPS: 32.0, "launch__registers_per_thread": 20.0, "launch__block_size": 32.0}))
    assert limit.evidence == "only 32 % of the warps that could be resident are, with 20 registers a thread and 32 threads a block"


def test_launches_that_take_most_of_the_time_come_before_everything() -> None:
    assert found(evidence({DRAM: 90.0}, launches=10, launch_us=2.0, call_us=25.0)) is Resource.LAUNCH
    assert found(evidence({DRAM: 90.0}, launches=10, launch_us=2.0, call_us=400.0)) is Resource.DRAM_BANDWIDTH


def test_facts_are_short_figures_of_what_is_known() -> None:
    counters = {**traffic(load=18.52), DRAM: 63.4, "dram__bytes_read.sum": 3e6, "dram__bytes_write.sum": 1e6}
    shown = facts(evidence(counters, task_bytes=64_000), 21.6)
    assert shown["sectors/request (load)"] == "18.5"
    assert shown["DRAM %"] == "63"
    assert shown["DRAM bytes / task bytes"] == "62.50"
    assert shown["bytes accessed / task bytes"] == "11.3"
    assert shown["speed of light %"] == "22"
    assert "occupancy %" not in shown and "bank conflicts %" not in shown
    assert facts(evidence(), None) == {}
    assert facts(evidence(), 0.314) == {"speed of light %": "0.31"}


def test_the_kernel_that_takes_most_time_in_all_is_chosen_by_its_longest_launch() -> None:
    def launch(kernel: str, ns: float) -> KernelCounters:
        return KernelCounters(kernel=kernel, metrics={"gpu__time_duration.sum": Metric(value=ns)})

    launches = [launch("once", 50.0), launch("often", 20.0), launch("often", 30.0), launch("often", 10.0)]
    assert heaviest(launches) is launches[2]
    assert heaviest(launches[:1]) is launches[0]
    unnamed = [KernelCounters(kernel="a", metrics={}), KernelCounters(kernel="b", metrics={})]
    assert heaviest(unnamed) is unnamed[0]


H100 = catalog.hardware("h100")


def task(dtype: DType = DType.F32, *, moved: str | None = None, flops: str | None = None) -> Task:
    shape = (Expression("n"),)
    return Task(
        name="t",
        form=Form.LAUNCHER,
        entry="solve",
        args=(
            Arg(name="x", kind=ArgKind.INPUT, dtype=dtype, shape=shape),
            Arg(name="y", kind=ArgKind.OUTPUT, dtype=dtype, shape=shape),
            Arg(name="n", kind=ArgKind.SIZE, dtype=DType.I32),
        ),
        cases=(Case(name="one", sizes={"n": 1_000_000}, timed=True),),
        cost=Cost(bytes=Expression(moved) if moved else None, flops=Expression(flops) if flops else None),
        baseline="",
    )


def test_the_ideal_time_is_that_of_the_slower_of_bytes_and_operations() -> None:
    case = task().cases[0]
    memory = roofline(task(moved="8 * n", flops="n"), case, H100)
    assert memory.bound == "DRAM"
    assert memory.ideal_us == pytest.approx(8e6 / H100.dram_bytes_per_s * 1e6)
    assert memory.percent(2 * memory.ideal_us) == pytest.approx(50.0)
    arithmetic = roofline(task(moved="8 * n", flops="n * 1000"), case, H100)
    assert arithmetic.bound == "arithmetic"
    assert arithmetic.ideal_us == pytest.approx(1e9 / H100.fp32_flops * 1e6)
    assert roofline(task(), case, H100) is None


def test_the_ideals_of_all_timed_cases_are_recorded_where_there_are_several() -> None:
    one = task(moved="8 * n")
    more = dataclasses.replace(one, cases=(*one.cases, Case(name="two", sizes={"n": 2_000_000}, timed=True)))
    for subject, names in ((one, []), (more, ["one", "two"]), (dataclasses.replace(more, cost=Cost()), [])):
        timings = tuple(CaseTiming(case=case.name, samples_us=(100.0,)) for case in subject.cases)
        measurement = Measurement(kind=TimeKind.MEASURED, timings=timings)
        build = Build(ok=True, toolchain="t", artifact="a")
        metrics = _with_derived({}, _subject(build, subject, measurement, H100), 1)
        floors = {name.removeprefix(FLOOR): metric.value for name, metric in metrics.items() if name.startswith(FLOOR)}
        assert floors == {case.name: roofline(subject, case, H100).ideal_us for case in subject.cases if case.name in names}
        assert list(floors) == names


def test_the_arithmetic_peak_follows_the_types_of_the_inputs() -> None:
    hardware = dataclasses.replace(H100, fp32_flops=1.0, fp64_flops=2.0, tensor_flops={"f16": 30.0, "f64": 4.0, "fp8": 99.0})
    peaks = {dtype: peak_flops(task(dtype), hardware) for dtype in (DType.F32, DType.F16, DType.BF16, DType.F64, DType.I32)}
    assert peaks == {DType.F32: 1.0, DType.F16: 30.0, DType.BF16: 1.0, DType.F64: 4.0, DType.I32: 1.0}
