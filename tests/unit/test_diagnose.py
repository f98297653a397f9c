"""From counters to a named limit, on counters as they were or might be read; and the roofline from a task's formulae."""

from __future__ import annotations

import dataclasses

import pytest

from kernelsearch import catalog, codec, paths
from kernelsearch.device.base import KernelCounters
from kernelsearch.diagnose import Evidence, bottleneck, roofline
from kernelsearch.diagnose.chosen import heaviest
from kernelsearch.diagnose.facts import facts, shares
from kernelsearch.diagnose.roofline import FLOOR, peak_flops
from kernelsearch.diagnose.run import _subject, _with_derived
from kernelsearch.errors import UsageError
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
    Tolerance,
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


LANES = "smsp__thread_inst_executed_per_inst_executed.ratio"
WAVES = "launch__waves_per_multiprocessor"
LATENCY = "smsp__average_warp_latency_per_inst_issued.ratio"
TENSOR = "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_active"


def stall(**shares: float) -> dict[str, float]:
    """Reasons to wait as shares of a warp's time, 20 cycles an instruction."""
    return {LATENCY: 20.0} | {f"smsp__average_warps_issue_stalled_{name}_per_issue_active.ratio": 20 * s for name, s in shares.items()}


@pytest.mark.parametrize(
    ("counters", "resource"),
    [
        ({LANES: 4.0, SM: 80.0}, Resource.DIVERGENCE),
        ({LANES: 4.0, DRAM: 85.0}, Resource.DRAM_BANDWIDTH),
        ({LANES: 1.0, SM: 3.0, "launch__block_size": 1.0, WARPS: 20.0}, Resource.OCCUPANCY),
        ({LANES: 28.0, SM: 80.0}, Resource.COMPUTE),
        ({**stall(barrier=0.5, long_scoreboard=0.2), SM: 20.0, WARPS: 90.0}, Resource.BARRIER),
        ({**stall(barrier=0.35, long_scoreboard=0.5), SM: 20.0, WARPS: 90.0}, Resource.LATENCY),
        ({**stall(barrier=0.5), DRAM: 85.0}, Resource.DRAM_BANDWIDTH),
        ({WAVES: 1.05, SM: 50.0, WARPS: 50.0}, Resource.TAIL),
        ({WAVES: 1.9, SM: 50.0, WARPS: 50.0}, Resource.LATENCY),
        ({WAVES: 7.05, SM: 50.0, WARPS: 50.0}, Resource.LATENCY),
        ({WAVES: 1.05, SM: 90.0, WARPS: 50.0}, Resource.COMPUTE),
    ],
)
def test_what_warps_wait_for_is_asked_when_no_unit_is_busy(counters: dict[str, float], resource: Resource) -> None:
    assert found(evidence(counters)) is resource


def atomics(requests: float, others: float) -> dict[str, float]:
    return {**traffic(requests=others, store_requests=0.0), "l1tex__t_requests_pipe_lsu_mem_global_op_red.sum": requests}


def test_atomics_matter_by_their_share_and_where_nothing_else_is_busy() -> None:
    limit = bottleneck(evidence({**atomics(8000.0, 8000.0), SM: 3.0, L2: 70.0}))
    assert limit.resource is Resource.ATOMICS
    assert "8000 atomic requests, 50 %" in limit.evidence
    assert found(evidence({**atomics(100.0, 8000.0), SM: 3.0, WARPS: 90.0})) is Resource.LATENCY
    assert found(evidence({**atomics(8000.0, 8000.0), DRAM: 80.0})) is Resource.DRAM_BANDWIDTH


def test_tensor_cores_are_missed_only_where_they_would_help_and_do_nothing() -> None:
    idle, used = {SM: 70.0, TENSOR: 1.6}, {SM: 70.0, TENSOR: 12.0}
    assert found(evidence(idle, matrix_gain=6.0)) is Resource.TENSOR_IDLE
    assert found(evidence(used, matrix_gain=6.0, instructions={})) is Resource.COMPUTE
    assert found(evidence(idle)) is Resource.COMPUTE
    assert found(evidence(idle, matrix_gain=1.3)) is Resource.COMPUTE
    assert found(evidence({**idle, DRAM: 80.0}, matrix_gain=6.0)) is Resource.DRAM_BANDWIDTH


def test_a_path_to_shared_memory_that_is_full_is_a_busy_unit() -> None:
    limit = bottleneck(evidence({SM: 20.0, "l1tex__data_pipe_lsu_wavefronts.avg.pct_of_peak_sustained_elapsed": 88.0}))
    assert limit.resource is Resource.COMPUTE and "88 % of the peak of the path to L1 and shared memory" in limit.evidence


def test_spills_in_code_that_hardly_runs_are_no_limit() -> None:
    resources = (KernelResources(kernel="k", registers=64, spill_store_bytes=80, spill_load_bytes=96),)
    local = {"smsp__inst_executed.sum": 1000.0, "l1tex__t_requests_pipe_lsu_mem_local_op_ld.sum": 2.0, SM: 70.0}
    assert found(evidence(local, resources=resources)) is Resource.COMPUTE
    assert found(evidence(local | {"l1tex__t_requests_pipe_lsu_mem_local_op_ld.sum": 200.0}, resources=resources)) is Resource.SPILLS


def test_without_a_counter_the_machine_code_says_whether_tensor_cores_are_used() -> None:
    assert found(evidence({SM: 70.0}, matrix_gain=6.0, instructions={"FFMA": 64})) is Resource.TENSOR_IDLE
    assert found(evidence({SM: 70.0}, matrix_gain=6.0, instructions={"HMMA.16816.F32.BF16": 64})) is Resource.COMPUTE
    assert found(evidence({SM: 70.0}, matrix_gain=6.0, instructions={})) is Resource.COMPUTE


def test_latency_is_told_by_what_warps_wait_for() -> None:
    memory = bottleneck(evidence({**stall(long_scoreboard=0.9), DRAM: 12.0, WARPS: 95.0}))
    assert memory.resource is Resource.LATENCY and "90 % of their time for loads" in memory.evidence
    own = bottleneck(evidence({**stall(long_scoreboard=0.1), DRAM: 12.0, WARPS: 95.0}))
    assert "their own last result" in own.evidence


def test_the_limiter_of_occupancy_is_named() -> None:
    room = {"launch__occupancy_limit_warps": 8.0, "launch__occupancy_limit_blocks": 32.0}
    by_registers = {**room, "launch__occupancy_limit_registers": 1.0, "launch__occupancy_limit_shared_mem": 7.0}
    limit = bottleneck(evidence({SM: 9.0, WARPS: 12.0, **by_registers, "launch__registers_per_thread": 205.0}))
    assert limit.evidence.endswith(": 205 registers a thread leave a multiprocessor room for 1 of 8 blocks")
    by_shared = {**room, "launch__occupancy_limit_registers": 9.0, "launch__occupancy_limit_shared_mem": 2.0}
    assert (
        "shared memory leave a multiprocessor room for 2 of 8 blocks" in bottleneck(evidence({SM: 9.0, WARPS: 25.0, **by_shared})).evidence
    )
    uneven = {**room, "launch__occupancy_limit_registers": 9.0, "launch__occupancy_limit_shared_mem": 9.0}
    assert "though 8 blocks fit" in bottleneck(evidence({SM: 9.0, WARPS: 25.0, **uneven})).evidence


def test_shares_say_how_much_of_each_resource_is_in_use() -> None:
    counters = {**traffic(load=8.0), **stall(barrier=0.25), **shared(100.0), DRAM: 40.0, LANES: 16.0, WAVES: 1.5}
    known = shares(evidence(counters, launches=1, launch_us=2.0, call_us=20.0))
    assert known[Resource.DRAM_BANDWIDTH.value] == 40.0
    assert known[Resource.UNCOALESCED.value] == pytest.approx(100 * 8 / 12)
    assert known[Resource.BARRIER.value] == pytest.approx(75.0)
    assert known[Resource.SHARED_CONFLICTS.value] == pytest.approx(75.0)
    assert known[Resource.DIVERGENCE.value] == pytest.approx(50.0)
    assert known[Resource.TAIL.value] == pytest.approx(75.0)
    assert known[Resource.LAUNCH.value] == pytest.approx(90.0)
    assert Resource.L2.value not in known
    assert shares(evidence()) == {}


def test_thresholds_decide() -> None:
    strict = dataclasses.replace(catalog.thresholds(), busy=90.0)
    assert found(evidence({SM: 80.0, WARPS: 90.0})) is Resource.COMPUTE
    assert found(evidence({SM: 80.0, WARPS: 90.0}, limits=strict)) is Resource.LATENCY


def test_a_file_of_thresholds_is_whole_and_has_no_other_keys() -> None:
    text = (paths.data("profiles") / "diagnosis" / "thresholds.toml").read_text()
    with pytest.raises(UsageError, match="t.toml: bussy: unknown key"):
        codec.thresholds_from_toml(text.replace("busy =", "bussy ="), where="t.toml")
    with pytest.raises(UsageError, match="t.toml: busy: field required"):
        codec.thresholds_from_toml(text.replace("busy = 60.0", ""), where="t.toml")


def test_low_occupancy_is_told_with_what_may_cause_it() -> None:
    limit = bottleneck(evidence({DRAM: 12.0, WARPS: 32.0, "launch__registers_per_thread": 20.0, "launch__block_size": 32.0}))
    assert limit.evidence == "only 32 % of the warps that could be resident are, with 20 registers a thread and 32 threads a block"


def test_launches_that_take_most_of_the_time_come_before_everything() -> None:
    assert found(evidence({DRAM: 90.0}, launches=10, launch_us=2.0, call_us=25.0)) is Resource.LAUNCH
    assert found(evidence({DRAM: 90.0}, launches=10, launch_us=2.0, call_us=400.0)) is Resource.DRAM_BANDWIDTH
    several = bottleneck(evidence({DRAM: 90.0}, launches=10, launch_us=2.0, call_us=25.0)).evidence
    one = bottleneck(evidence({DRAM: 90.0}, launches=1, launch_us=2.0, call_us=2.5)).evidence
    assert several.startswith("10 launches take about 20.0 of 25.0 µs beside their kernels")
    assert one.startswith("1 launch takes about 2.0 of 2.5 µs beside its kernel;")


def test_what_a_call_takes_beside_its_kernels_is_the_launches() -> None:
    def named(**times: float) -> Resource | None:
        return found(evidence({DRAM: 90.0}, launch_us=2.0, **times))

    assert named(launches=13, call_us=130.0, kernels_us=35.0) is Resource.LAUNCH
    assert named(launches=13, call_us=130.0, kernels_us=100.0) is Resource.DRAM_BANDWIDTH
    assert named(launches=1, call_us=130.0, kernels_us=35.0) is Resource.DRAM_BANDWIDTH  # caches and clocks differ under a profiler


def test_a_saturated_dram_is_the_limit_though_the_same_bytes_keep_l2_busy() -> None:
    assert found(evidence({DRAM: 80.0, L2: 92.0})) is Resource.DRAM_BANDWIDTH
    assert found(evidence({DRAM: 70.0, L2: 92.0})) is Resource.L2
    assert found(evidence({DRAM: 80.0, SM: 92.0})) is Resource.COMPUTE


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


def matrix_product(dtype: DType, n: int = 2048) -> Task:
    square = (Expression("n"), Expression("n"))
    return Task(
        name="product",
        form=Form.LAUNCHER,
        entry="solve",
        args=(
            Arg(name="a", kind=ArgKind.INPUT, dtype=dtype, shape=square),
            Arg(name="c", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=square),
            Arg(name="n", kind=ArgKind.SIZE, dtype=DType.I32),
        ),
        cases=(Case(name="one", sizes={"n": n}, timed=True),),
        tolerance=Tolerance(reduction=Expression("n")),
        cost=Cost(bytes=Expression("8 * n * n"), flops=Expression("2 * n ** 3")),
        baseline="",
    )


def test_tensor_cores_promise_something_for_long_sums_of_products_of_their_types() -> None:
    def gain(task: Task) -> float | None:
        return roofline(task, task.cases[0], H100).matrix_gain

    assert gain(matrix_product(DType.BF16)) == pytest.approx(H100.tensor_flops["bf16"] / H100.fp32_flops)
    assert gain(matrix_product(DType.F64)) == pytest.approx(H100.tensor_flops["f64"] / H100.fp64_flops)
    assert gain(matrix_product(DType.F32)) is None  # TF32 would lose what the tolerance asks for
    assert gain(matrix_product(DType.BF16, n=16)) == pytest.approx(1.0)  # DRAM takes longer either way
    assert gain(task(DType.BF16, moved="4 * n", flops="n * 1000")) is None  # long chains, no sums


def test_the_roofline_says_on_which_side_a_task_lies() -> None:
    side = roofline(matrix_product(DType.BF16), matrix_product(DType.BF16).cases[0], H100)
    assert side.intensity == pytest.approx(512.0)
    assert side.position == "arithmetic side: 512 FLOP/byte, ridge at 295"
    assert roofline(task(moved="8 * n"), task().cases[0], H100).position == ""


def test_what_was_measured_raises_a_peak_and_never_lowers_one() -> None:
    case = task().cases[0]
    faster = dataclasses.replace(H100, measured={"dram_bytes_per_s": 2 * H100.dram_bytes_per_s})
    slower = dataclasses.replace(H100, measured={"dram_bytes_per_s": 0.9 * H100.dram_bytes_per_s})
    ideal = {h.measured["dram_bytes_per_s"]: roofline(task(moved="8 * n"), case, h).ideal_us for h in (faster, slower)}
    stated = roofline(task(moved="8 * n"), case, H100).ideal_us
    assert list(ideal.values()) == [pytest.approx(stated / 2), pytest.approx(stated)]
