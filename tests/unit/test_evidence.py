"""What becomes of a profile that cannot be had, is of somebody else's kernel, or is not worth its seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from numpy_lab import BUILD, lab, matrix_task

from kernelsearch import catalog, diagnose
from kernelsearch.device.base import Call, KernelCounters, ProfileResult
from kernelsearch.diagnose.chosen import own
from kernelsearch.diagnose.run import LAUNCHES
from kernelsearch.lab import Lab
from kernelsearch.model import (
    Build,
    CaseTiming,
    Cost,
    Expression,
    Form,
    KernelResources,
    Launch,
    LaunchPlan,
    Measurement,
    Metric,
    MetricSet,
    Policy,
    Profile,
    Resource,
    Task,
    TimeKind,
)
from kernelsearch.sanitizer.records import plain
from kernelsearch.store.reports import Reports

DRAM = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
NS = "gpu__time_duration.sum"
H100 = catalog.hardware("h100")
E = Expression


class Profiler:
    """A device that answers `profile` from a list, the last answer over and over, and keeps what it was asked."""

    name, time_kind, hardware, draws = "fake", TimeKind.MEASURED, H100, True

    def __init__(self, *answers: ProfileResult) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, ...]] = []
        self.sources: list[str] = []

    def profile(self, job, metrics: Sequence[str]) -> ProfileResult:
        self.asked.append(tuple(metrics))
        self.sources.append(job.source)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def launch(kernel: str, **metrics: float) -> KernelCounters:
    names = {"ns": NS, "dram": DRAM, "grid": "launch__grid_size"}
    return KernelCounters(kernel=kernel, metrics={names[name]: Metric(value=value) for name, value in metrics.items()})


def planned(grid: str = "rows", block: str = "256", *, registers: int = 32, spilled: int = 0) -> Build:
    one = E("1")
    steps = Launch(kernel="_Z5scalePKfPfi", grid=(E(grid), one, one), block=(E(block), one, one))
    resources = (KernelResources(kernel="scale", registers=registers, spill_store_bytes=spilled),)
    return dataclasses.replace(BUILD, plan=LaunchPlan(launches=(steps,)), resources=resources)


def times(us: float, *, speedup: float | None = None, kind: TimeKind = TimeKind.MEASURED) -> Measurement:
    return Measurement(kind=kind, timings=(CaseTiming(case="big", samples_us=(us,)),), speedup=speedup)


def opened(profiler: Profiler, scratch: Path) -> Lab:
    return dataclasses.replace(lab(scratch, profiler), metric_set=MetricSet(name="few", metrics={NS: "time", DRAM: "use"}))


def task() -> Task:
    return matrix_task(form=Form.KERNELS, entry=None, cost=Cost(bytes=E("8 * rows * cols"), flops=E("rows * cols")))


def run(profiler: Profiler, scratch: Path, build: Build | None = None, us: float = 50.0, incumbent: Measurement | None = None) -> Profile:
    found = diagnose.run(build or planned(), task(), opened(profiler, scratch), times(us), incumbent)
    assert found is not None
    return found


GOOD = ProfileResult(
    kernels=(launch("ks_prepare", ns=90.0, dram=99.0), launch("scale(const float *, float *, int)", ns=50.0, dram=80.0, grid=64))
)


def test_our_own_kernels_are_not_the_candidates(tmp_path: Path) -> None:
    found = run(Profiler(GOOD), tmp_path)
    assert (found.metric_set, found.kernel, found.value(DRAM)) == ("few", "scale(const float *, float *, int)", 80.0)
    assert found.bottleneck.resource is Resource.DRAM_BANDWIDTH
    assert found.value(LAUNCHES) == 1
    assert found.shares[Resource.DRAM_BANDWIDTH.value] == 80.0


@pytest.mark.parametrize(
    ("launches", "why"),
    [
        ((launch("somebody_else(int)", ns=1.0, dram=50.0),), "of other kernels (somebody_else)"),
        ((launch("scale(int)", ns=1.0, dram=50.0, grid=4096),), "of other kernels (scale)"),
        ((launch("ks_copy", ns=1.0, dram=50.0),), "of other kernels (ks_copy)"),
        ((launch("scale(int)", ns=1.0, grid=64),), "no numbers (n/a or NaN)"),
    ],
)
def test_a_profile_of_something_else_is_not_used(launches: tuple[KernelCounters, ...], why: str, tmp_path: Path) -> None:
    found = run(Profiler(ProfileResult(kernels=launches)), tmp_path)
    assert found.metric_set == "proxies"
    assert why in found.notes[0]
    assert found.value(DRAM) is None


def test_names_are_compared_without_types_namespaces_and_arguments() -> None:
    assert plain("void n::scale<float, 4>(float *, int)") == "scale"
    assert plain("(anonymous namespace)::scale(int)") == "scale"
    assert plain("scale") == "scale"
    assert plain("") == ""


def test_kernels_of_libraries_count_where_a_task_allows_them() -> None:
    call = Call(label="c", args=(), values={"rows": 64})
    launches = (launch("ks_digest"), launch("cublas_gemm(int)"), launch("scale(int)", grid=64))
    free = dataclasses.replace(task(), policy=Policy(libraries=("cublas",)))
    assert [each.kernel for each in own(launches, planned(), free, call)] == ["cublas_gemm(int)", "scale(int)"]
    assert [each.kernel for each in own(launches, planned(), task(), call)] == ["scale(int)"]
    assert [each.kernel for each in own(launches, BUILD, task(), call)] == ["cublas_gemm(int)", "scale(int)"]


def test_a_counter_that_is_not_known_costs_only_itself(tmp_path: Path) -> None:
    refused = ProfileResult(missing=f"Nsight Compute: Failed to find metric {DRAM}")
    profiler = Profiler(refused, ProfileResult(kernels=(launch("scale(int)", ns=5.0, grid=64),)))
    device = opened(profiler, tmp_path)
    both = dataclasses.replace(device, metric_set=MetricSet(name="few", metrics={NS: "time", DRAM: "use", "launch__block_size": "b"}))
    found = diagnose.run(planned(), task(), both, times(50.0))
    assert [DRAM in asked for asked in profiler.asked] == [True, False]
    assert f"not known to this device: {DRAM}" in found.notes[0]
    diagnose.run(planned(), task(), both, times(50.0))
    assert len(profiler.asked) == 3  # it was not asked for it again


def test_a_profiler_that_cannot_work_is_asked_once_and_told_of_once(tmp_path: Path) -> None:
    profiler = Profiler(ProfileResult(missing="Nsight Compute (ncu) is not installed; it comes with the CUDA toolkit"))
    device = opened(profiler, tmp_path)
    first, second = (diagnose.run(planned(), task(), device, times(50.0)) for _ in range(2))
    assert len(profiler.asked) == 1
    assert "not installed" in first.notes[0] and "estimates" in first.notes[0]
    assert "not installed" not in second.notes[0] and "as before in this run" in second.notes[0]


def test_a_profiler_that_hangs_is_given_up_after_three_times_in_a_row(tmp_path: Path) -> None:
    hung = ProfileResult(missing="Nsight Compute gave no table; the run under the profiler: timed out")
    profiler = Profiler(hung, hung, GOOD, hung, hung, hung)
    device = opened(profiler, tmp_path)
    names = [diagnose.run(planned(), task(), device, times(50.0)).metric_set for _ in range(8)]
    assert names == ["proxies", "proxies", "few", *["proxies"] * 5]
    assert len(profiler.asked) == 6


NOTHING = ProfileResult(missing="Nsight Compute (ncu) is not installed; it comes with the CUDA toolkit")


@pytest.mark.parametrize(
    ("build", "us", "resource"),
    [
        (planned(), 2.5, Resource.LAUNCH),
        (planned(spilled=128), 50.0, Resource.SPILLS),
        (planned(grid="8"), 50.0, Resource.OCCUPANCY),
        (planned(grid="264", registers=200), 50.0, Resource.OCCUPANCY),
        (planned(grid="132 * 8 + 20"), 50.0, Resource.TAIL),
        (planned(grid="132 * 8"), 50.0, None),
        (BUILD, 50.0, None),
    ],
)
def test_proxies_name_what_they_can_and_nothing_else(build: Build, us: float, resource: Resource | None, tmp_path: Path) -> None:
    found = run(Profiler(NOTHING), tmp_path, build, us)
    assert found.metric_set == "proxies"
    assert (found.bottleneck.resource if found.bottleneck else None) is resource
    assert found.bottleneck is None or found.bottleneck.evidence.endswith("(an estimate: no counters)")
    assert not any(name.startswith(("dram__", "sm__", "lts__")) for name in found.metrics)
    assert found.value("derived__speed_of_light.pct") is not None


def test_proxies_see_bandwidth_by_what_the_task_must_move(tmp_path: Path) -> None:
    big = dataclasses.replace(task(), cases=tuple(dataclasses.replace(c, sizes={"rows": 4096, "cols": 4096}) for c in task().cases[:1]))
    must = 8 * 4096**2 / H100.dram_bytes_per_s * 1e6
    found = diagnose.run(planned(), big, opened(Profiler(NOTHING), tmp_path), times(must / 0.8))
    assert found.bottleneck.resource is Resource.DRAM_BANDWIDTH
    assert found.value("derived__dram_at_least.pct") == pytest.approx(80.0)
    assert Resource.DRAM_BANDWIDTH.value not in found.shares  # a lower bound is no measurement


def test_only_what_is_worth_it_is_profiled(tmp_path: Path) -> None:
    profiler = Profiler(GOOD)
    best = times(50.0)
    assert run(profiler, tmp_path, us=90.0, incumbent=best).metric_set == "proxies"
    assert "not profiled: 0.56 times as fast as the best" in run(profiler, tmp_path, us=90.0, incumbent=best).notes[0]
    assert profiler.asked == []
    assert run(profiler, tmp_path, us=55.0, incumbent=best).metric_set == "few"


@pytest.mark.parametrize(
    ("measurement", "incumbent", "profiled"),
    [
        (times(90.0), None, True),
        (times(49.0), times(50.0), True),
        (times(60.0), times(50.0), True),
        (times(90.0, speedup=1.5), times(50.0), False),
        (times(900.0, speedup=0.5), times(50.0), True),
        (times(900.0, kind=TimeKind.MODELLED), times(50.0, kind=TimeKind.MODELLED), True),
    ],
)
def test_new_promising_and_surprising_candidates_are_worth_a_profile(measurement, incumbent, profiled: bool) -> None:
    decision = diagnose.worth(measurement, incumbent)
    assert decision.profiled is profiled
    assert decision.reason


def test_a_recorded_profile_is_read_again_without_a_device(tmp_path: Path) -> None:
    found = run(Profiler(GOOD), tmp_path)
    again = diagnose.again(dataclasses.replace(found, bottleneck=None, facts={}, shares={}), planned(), task(), times(50.0), H100)
    assert again == found


PAGE = (
    '"File Path","/x/candidate.cu"\n"Function Name","scale(const float *, float *, int)"\n'
    '"Line No","Source","Address","Source","# Samples","stall_long_sb"\n"3","y = x;","-","","9","9"\n"","","0x0","LDG.E R1","9","9"\n'
)
READ = dataclasses.replace(GOOD, report=b"report", source_page=PAGE)


def test_a_report_is_asked_for_what_edits_will_start_from(tmp_path: Path) -> None:
    profiler = Profiler(READ)
    device = opened(profiler, tmp_path)
    best = times(50.0)
    for incumbent, best_now, wanted in ((None, False, "code"), (best, True, "code"), (best, False, "")):
        diagnose.run(planned(), task(), device, times(50.0), incumbent, source="code", best=best_now)
        assert profiler.sources[-1] == wanted
    lines = dataclasses.replace(device, metric_set=MetricSet(name="source", metrics={NS: "time"}))
    diagnose.run(planned(), task(), lines, times(50.0), best, source="code")
    assert profiler.sources[-1] == "code"


def test_hot_lines_and_the_report_are_in_the_profile(tmp_path: Path) -> None:
    device = dataclasses.replace(opened(Profiler(READ), tmp_path), reports=Reports(tmp_path / "reports"))
    found = diagnose.run(planned(), task(), device, times(50.0), source="code")
    assert [(place.line, place.share, place.stall) for place in found.hot] == [(3, 1.0, "long_sb")]
    assert device.reports.get(found.report) == b"report"
    again = diagnose.again(found, planned(), task(), times(50.0), H100)
    assert (again.hot, again.report) == (found.hot, found.report)
    nowhere = diagnose.run(planned(), task(), dataclasses.replace(device, reports=None), times(50.0), source="code")
    assert (nowhere.hot, nowhere.report) == (found.hot, "")


def test_a_disk_that_is_full_costs_the_report_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    device = dataclasses.replace(opened(Profiler(READ), tmp_path), reports=Reports(tmp_path / "file" / "reports"))
    found = diagnose.run(planned(), task(), device, times(50.0), source="code")
    assert found.hot and found.report == ""


def test_why_there_are_no_hot_lines_is_told_once(tmp_path: Path) -> None:
    profiler = Profiler(dataclasses.replace(GOOD, unread="no hot lines: no such page"))
    device = opened(profiler, tmp_path)
    told = [diagnose.run(planned(), task(), device, times(50.0), source="code").notes for _ in range(3)]
    assert [["no such page" in note for note in notes].count(True) for notes in told] == [1, 0, 0]


def test_reports_that_spoil_the_counters_are_asked_for_no_more(tmp_path: Path) -> None:
    profiler = Profiler(ProfileResult(missing="Nsight Compute: no section SourceCounters"), GOOD)
    device = opened(profiler, tmp_path)
    first, second = (diagnose.run(planned(), task(), device, times(50.0), source="code") for _ in range(2))
    assert profiler.sources == ["code", "", ""]
    assert first.value(DRAM) == second.value(DRAM) == 80.0
    assert "with a report there were no counters" in first.notes[-1] and not any("hot lines" in note for note in second.notes)
