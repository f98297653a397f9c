"""The reward: gates by verdict, terms against the baseline, and the same number again from the record."""

from __future__ import annotations

import dataclasses
import math

import pytest

from kernelsearch import catalog, codec
from kernelsearch.diagnose import SPEED_OF_LIGHT
from kernelsearch.errors import UsageError
from kernelsearch.model import (
    Build,
    CaseTiming,
    Environment,
    Evaluation,
    KernelResources,
    Measurement,
    Metric,
    Profile,
    RewardProfile,
    TimeKind,
    Verdict,
)
from kernelsearch.score import score

HERE = Environment(device="d", time_kind="measured", sandbox="s")
DEFAULT = catalog.reward_profile("default")
COUNTERS = {
    "dram__bytes_read.sum": 3000.0,
    "dram__bytes_write.sum": 1000.0,
    "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": 600.0,
    "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum": 200.0,
    "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum": 40.0,
    "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum": 80.0,
    "smsp__inst_executed.sum": 500.0,
    "sm__warps_active.avg.pct_of_peak_sustained_active": 50.0,
    SPEED_OF_LIGHT: 25.0,
}


def passed(times: dict[str, float], counters: dict[str, float] | None = None, spills: int = 0) -> Evaluation:
    resources = (KernelResources(kernel="k", registers=32, spill_store_bytes=spills),)
    timings = tuple(CaseTiming(case=case, samples_us=(us,)) for case, us in times.items())
    metrics = {name: Metric(value=value) for name, value in (counters or {}).items()}
    return Evaluation(
        candidate="c",
        verdict=Verdict.PASSED,
        build=Build(ok=True, toolchain="t", artifact="a", resources=resources),
        measurement=Measurement(kind=TimeKind.MEASURED, timings=timings),
        profile=None if counters is None else Profile(kind=TimeKind.MEASURED, metric_set="m", kernel="k", metrics=metrics),
        environment=HERE,
    )


def only(term: str, evaluation: Evaluation, baseline: Evaluation) -> tuple[float, str]:
    (found,) = score(evaluation, baseline, RewardProfile(name="one", weights={term: 2.0})).terms
    assert found.contribution == 2.0 * found.raw
    return found.raw, found.note


BASE = passed({"a": 100.0, "b": 400.0}, COUNTERS, spills=64)


@pytest.mark.parametrize(
    ("term", "evaluation", "raw"),
    [
        ("speedup", passed({"a": 50.0, "b": 200.0}), 1.0),
        ("speedup", passed({"a": 25.0, "b": 400.0}), 1.0),  # the geometric mean of 4 and 1
        ("speedup", passed({"a": 200.0, "b": 800.0}), -1.0),
        ("speedup", passed({"a": 900.0, "b": 3600.0}), -1.0),  # no worse than half as fast
        ("regression", passed({"a": 25.0, "b": 600.0}), math.log2(400 / 600)),
        ("regression", passed({"a": 25.0, "b": 400.0}), 0.0),
        ("speed_of_light", passed({"a": 1.0, "b": 1.0}, COUNTERS), 0.25),
        ("speed_of_light", passed({"a": 1.0, "b": 1.0}, {SPEED_OF_LIGHT: 130.0}), 1.0),
        ("traffic", passed({"a": 1.0, "b": 1.0}, COUNTERS | {"dram__bytes_read.sum": 1000.0}), 1.0),
        ("traffic", passed({"a": 1.0, "b": 1.0}, COUNTERS | {"dram__bytes_read.sum": 1e-9, "dram__bytes_write.sum": 0.0}), 4.0),
        ("coalescing", passed({"a": 1.0, "b": 1.0}, COUNTERS | {"l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": 1400.0}), -1.0),
        ("conflicts", passed({"a": 1.0, "b": 1.0}, COUNTERS | {"l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum": 0.0}), 0.5),
        ("conflicts", passed({"a": 1.0, "b": 1.0}, COUNTERS | {"l1tex__data_pipe_lsu_wavefronts_mem_shared.sum": 0.0}), 0.5),
        ("instructions", passed({"a": 1.0, "b": 1.0}, COUNTERS | {"smsp__inst_executed.sum": 250.0}), 1.0),
        ("occupancy", passed({"a": 1.0, "b": 1.0}, COUNTERS | {"sm__warps_active.avg.pct_of_peak_sustained_active": 75.0}), 0.25),
        ("spills", passed({"a": 1.0, "b": 1.0}, spills=64 + 128), -0.5),
        ("spills", passed({"a": 1.0, "b": 1.0}, spills=0), 0.0),
        ("spills", passed({"a": 1.0, "b": 1.0}, spills=9999), -1.0),
    ],
)
def test_a_term_is_what_it_says(term: str, evaluation: Evaluation, raw: float) -> None:
    assert only(term, evaluation, BASE)[0] == pytest.approx(raw)


@pytest.mark.parametrize("term", ["speed_of_light", "traffic", "coalescing", "conflicts", "instructions", "occupancy"])
def test_without_counters_a_term_is_nothing_and_says_so(term: str) -> None:
    assert only(term, passed({"a": 1.0, "b": 1.0}), BASE) == (0.0, "not known")
    assert only(term, passed({"a": 1.0, "b": 1.0}, {}), BASE) == (0.0, "not known")


def test_the_baseline_itself_is_worth_its_speed_of_light_alone() -> None:
    reward = score(BASE, BASE, DEFAULT)
    assert reward.gate is None
    assert {term.name: term.raw for term in reward.terms if term.raw} == {"speed_of_light": 0.25}
    assert reward.value == pytest.approx(0.25 * DEFAULT.weights["speed_of_light"])


def test_the_value_is_the_sum_of_the_contributions() -> None:
    reward = score(passed({"a": 30.0, "b": 500.0}, COUNTERS | {"smsp__inst_executed.sum": 100.0}, spills=100), BASE, DEFAULT)
    assert reward.value == math.fsum(term.contribution for term in reward.terms)
    assert {term.name for term in reward.terms} == DEFAULT.weights.keys()


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.PASSED])
@pytest.mark.parametrize("name", ["default", "runtime-only"])
def test_every_failure_has_its_gate_and_is_worth_less_than_the_worst_that_passes(verdict: Verdict, name: str) -> None:
    profile = catalog.reward_profile(name)
    failed = Evaluation(candidate="c", verdict=verdict, environment=HERE)
    reward = score(failed, BASE, profile)
    assert (reward.gate, reward.value, reward.terms) == (verdict.value, profile.gates[verdict.value], ())
    worst = {name: 0.0 if name.startswith(("sm__", "derived__")) else 1e9 * value for name, value in COUNTERS.items()}
    assert reward.value < score(passed({"a": 1e6, "b": 1e6}, worst, spills=9999), BASE, profile).value


def test_a_failure_without_a_gate_of_its_own_is_worth_nothing() -> None:
    failed = Evaluation(candidate="c", verdict=Verdict.WRONG, environment=HERE)
    assert score(failed, BASE, RewardProfile(name="bare", weights={"speedup": 1.0})).value == 0.0


def test_the_reward_is_the_same_again_from_the_record() -> None:
    own = passed({"a": 30.0, "b": 500.0}, COUNTERS | {"dram__bytes_read.sum": 123.4}, spills=100)
    again = [codec.load_json(Evaluation, codec.dump_json(evaluation)) for evaluation in (own, BASE)]
    assert score(*again, DEFAULT) == score(own, BASE, DEFAULT)


def test_a_weight_for_a_term_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="speeed"):
        score(BASE, BASE, dataclasses.replace(DEFAULT, weights={"speeed": 1.0}))
