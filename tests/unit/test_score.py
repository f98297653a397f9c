"""The reward: gates by verdict, terms against the baseline, and the same number again from the record."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch import catalog, codec
from kernelsearch.diagnose import SPEED_OF_LIGHT
from kernelsearch.diagnose.roofline import FLOOR as RECORDED_FLOOR
from kernelsearch.diagnose.run import LAUNCHES
from kernelsearch.errors import UsageError
from kernelsearch.model import (
    Bottleneck,
    Build,
    CaseTiming,
    Environment,
    Evaluation,
    KernelResources,
    Measurement,
    Metric,
    Profile,
    Resource,
    RewardProfile,
    TimeKind,
    Verdict,
)
from kernelsearch.model.measurement import OWN_POWER
from kernelsearch.model.reward import LADDER, TERMS, ladder
from kernelsearch.score import _TERMS, counters, runtime, score
from kernelsearch.score.runtime import FLOOR, sol_score

HERE = Environment(device="d", time_kind="measured", sandbox="s")
SHIPPED = [catalog.reward_profile(name) for name in catalog.profile_names("rewards")]
DEFAULT = catalog.reward_profile("default")
LOADS = "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum"
CONFLICTS = "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum"
WAVEFRONTS = "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum"
READ, WRITTEN = "dram__bytes_read.sum", "dram__bytes_write.sum"
INSTRUCTIONS = "smsp__inst_executed.sum"
WARPS = "sm__warps_active.avg.pct_of_peak_sustained_active"
TOGETHER = "smsp__thread_inst_executed_per_inst_executed.ratio"
BARRIER = "smsp__warp_issue_stalled_barrier_per_warp_active.pct"
WAITS = "smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio"
LATENCY = "smsp__average_warp_latency_per_inst_issued.ratio"
AT_MOST = "derived__warps_at_most.pct"
DYNAMIC = "launch__shared_mem_per_block_dynamic"
COUNTERS = {
    READ: 3000.0,
    WRITTEN: 1000.0,
    LOADS: 600.0,
    LOADS.replace("_ld", "_st"): 200.0,
    CONFLICTS: 40.0,
    WAVEFRONTS: 80.0,
    INSTRUCTIONS: 500.0,
    WARPS: 50.0,
    TOGETHER: 16.0,
    BARRIER: 30.0,
    SPEED_OF_LIGHT: 25.0,  # of case b, the slowest: a floor of 100 µs there
}
SAME = {"a": 100.0, "b": 400.0}


def passed(
    times: dict[str, float],
    counters: dict[str, float] | None = None,
    spills: int = 0,
    *,
    registers: int = 32,
    shared: int = 0,
    code: int = 0,
    watts: str = "",
    limit: Resource | None = None,
) -> Evaluation:
    resources = (KernelResources(kernel="k", registers=registers, spill_store_bytes=spills, shared_bytes=shared),)
    timings = tuple(CaseTiming(case=case, samples_us=(us,)) for case, us in times.items())
    metrics = {name: Metric(value=value) for name, value in (counters or {}).items()}
    bottleneck = None if limit is None else Bottleneck(resource=limit, evidence="e")
    profile = Profile(kind=TimeKind.MEASURED, metric_set="m", kernel="k", metrics=metrics, bottleneck=bottleneck)
    return Evaluation(
        candidate="c",
        verdict=Verdict.PASSED,
        build=Build(ok=True, toolchain="t", artifact="a", resources=resources, instructions={"LDG": code} if code else {}),
        measurement=Measurement(kind=TimeKind.MEASURED, timings=timings, conditions={OWN_POWER: watts} if watts else {}),
        profile=None if counters is None else profile,
        environment=HERE,
    )


def paired(ours: tuple[float, ...], theirs: tuple[float, ...], speedup: float) -> Evaluation:
    timings = (CaseTiming(case="a", samples_us=ours, rival_us=theirs),)
    measurement = Measurement(kind=TimeKind.MEASURED, timings=timings, speedup=speedup)
    return dataclasses.replace(passed({"a": 1.0}), measurement=measurement)


def only(term: str, evaluation: Evaluation, baseline: Evaluation) -> tuple[float, str]:
    (found,) = score(evaluation, baseline, RewardProfile(name="one", weights={term: 2.0})).terms
    assert found.contribution == 2.0 * found.raw
    return found.raw, found.note


BASE = passed(SAME, COUNTERS, spills=64, shared=40 * 1024, code=400, watts="300")


@pytest.mark.parametrize(
    ("term", "evaluation", "raw"),
    [
        ("speedup", passed({"a": 50.0, "b": 200.0}), 1.0),
        ("speedup", passed({"a": 25.0, "b": 400.0}), 1.0),  # the geometric mean of 4 and 1
        ("speedup", passed({"a": 200.0, "b": 800.0}), -1.0),
        ("speedup", passed({"a": 900.0, "b": 3600.0}), -1.0),  # no worse than half as fast
        ("regression", passed({"a": 25.0, "b": 600.0}), math.log2(400 / 600)),
        ("regression", passed({"a": 25.0, "b": 400.0}), 0.0),
        ("sol", passed(SAME), 0.5),
        ("sol", passed({"a": 100.0, "b": 250.0}), 300 / (300 + 150)),  # half of the way from 400 to the floor of 100
        ("sol", passed({"a": 100.0, "b": 100.0}), 1.0),
        ("sol", passed({"a": 100.0, "b": 1.0}), 1.0),
        ("speed_of_light", passed(SAME), 0.25),
        ("speed_of_light", passed({"a": 100.0, "b": 200.0}), 0.5),
        ("speed_of_light", passed({"a": 100.0, "b": 50.0}), 1.0),
        ("traffic", passed(SAME, COUNTERS | {READ: 1000.0}), 1.0),
        ("traffic", passed(SAME, COUNTERS | {READ: 1e-9, WRITTEN: 0.0}), 4.0),
        ("traffic", passed(SAME, {"dram__bytes.sum": 16000.0}), -2.0),
        ("coalescing", passed(SAME, COUNTERS | {LOADS: 1400.0}), -1.0),
        ("conflicts", passed(SAME, COUNTERS | {CONFLICTS: 0.0}), 0.5),
        ("conflicts", passed(SAME, COUNTERS | {WAVEFRONTS: 0.0}), 0.5),
        ("instructions", passed(SAME, COUNTERS | {INSTRUCTIONS: 250.0}), 1.0),
        ("instructions", passed(SAME, {"sm__inst_executed.sum": 250.0}), 1.0),
        ("code_size", passed(SAME, code=100), 2.0),
        ("occupancy", passed(SAME, COUNTERS | {WARPS: 75.0}), 0.25),
        ("divergence", passed(SAME, COUNTERS | {TOGETHER: 32.0}), 0.5),
        ("barrier", passed(SAME, COUNTERS | {BARRIER: 10.0}), 0.2),
        ("barrier", passed(SAME, COUNTERS | {WAITS: 1.0, LATENCY: 10.0}), 0.2),
        ("energy", passed({"a": 50.0, "b": 200.0}, watts="300"), 1.0),
        ("energy", passed({"a": 50.0, "b": 200.0}, watts="600"), 0.0),  # twice as fast at twice the power
        ("spills", passed(SAME, spills=64 + 128), -0.5),
        ("spills", passed(SAME, spills=0), 0.0),
        ("spills", passed(SAME, spills=9999), -1.0),
        ("registers", passed(SAME, registers=64), 0.0),
        ("registers", passed(SAME, registers=96), -math.log2(1.5)),
        ("registers", passed(SAME, registers=255), -1.0),
        ("shared_memory", passed(SAME, shared=80 * 1024), 0.0),
        ("shared_memory", passed(SAME, {DYNAMIC: 80 * 1024.0}, shared=40 * 1024), -math.log2(1.5)),
        ("extra_traffic", passed(SAME, COUNTERS | {READ: 4000.0}), 0.0),
        ("extra_traffic", passed(SAME, COUNTERS | {READ: 6500.0}), -math.log2(1.5)),
    ],
)
def test_a_term_is_what_it_says(term: str, evaluation: Evaluation, raw: float) -> None:
    assert only(term, evaluation, BASE)[0] == pytest.approx(raw)


def test_a_kernel_without_shared_memory_may_take_what_every_gpu_gives() -> None:
    plain = passed(SAME, shared=0)
    assert only("shared_memory", passed(SAME, shared=48 * 1024), plain)[0] == 0.0
    assert only("shared_memory", passed(SAME, shared=72 * 1024), plain)[0] == pytest.approx(-math.log2(1.5))


@pytest.mark.parametrize(
    "term", ["traffic", "coalescing", "conflicts", "instructions", "code_size", "occupancy", "divergence", "barrier", "extra_traffic"]
)
def test_without_counters_a_term_is_nothing_and_says_so(term: str) -> None:
    assert only(term, passed(SAME), BASE) == (0.0, "not known")
    assert only(term, passed(SAME, {}), BASE) == (0.0, "not known")
    assert only(term, passed(SAME, dict.fromkeys(COUNTERS, math.nan)), BASE)[0] == 0.0


def test_an_estimate_is_held_against_an_estimate_alone() -> None:
    assert only("occupancy", passed(SAME, {AT_MOST: 75.0}), passed(SAME, {AT_MOST: 50.0}))[0] == pytest.approx(0.25)
    assert only("occupancy", passed(SAME, {AT_MOST: 75.0}), passed(SAME, {WARPS: 50.0})) == (0.0, "not known")


@pytest.mark.parametrize("term", ["sol", "speed_of_light"])
def test_without_a_floor_there_is_no_distance_to_it(term: str) -> None:
    assert only(term, passed(SAME), passed(SAME)) == (0.0, "not known")


@pytest.mark.parametrize("term", ["traffic", "coalescing", "instructions", "extra_traffic"])
def test_a_kernel_cut_in_two_does_not_seem_to_do_half_the_work(term: str) -> None:
    half = {name: value / 2 for name, value in COUNTERS.items()}
    assert only(term, passed(SAME, half | {LAUNCHES: 2.0}), BASE) == (0.0, "not known")
    assert only(term, passed(SAME, half | {LAUNCHES: 1.0}), BASE)[1] != "not known"


@pytest.mark.parametrize("watts", ["", "345 -> 410", "nan", "0"])
def test_power_that_is_not_of_the_kernel_alone_is_not_energy(watts: str) -> None:
    assert only("energy", passed(SAME, watts=watts), BASE) == (0.0, "not known")


def test_times_of_two_kinds_are_not_compared() -> None:
    modelled = dataclasses.replace(BASE.measurement, kind=TimeKind.MODELLED)
    own = dataclasses.replace(BASE, measurement=modelled)
    assert {term: only(term, own, BASE) for term in ("speedup", "regression", "sol", "energy")} == dict.fromkeys(
        ("speedup", "regression", "sol", "energy"), (0.0, "not known")
    )


def test_pairs_count_and_not_what_the_clock_was_when_the_baseline_was_timed() -> None:
    """The GPU runs at half speed now: 100 µs were 50 µs then."""
    own = paired((50.0, 52.0, 48.0), (100.0, 104.0, 96.0), speedup=2.0)
    base = passed({"a": 50.0}, {SPEED_OF_LIGHT: 20.0})
    assert only("speedup", own, base)[0] == pytest.approx(1.0)
    assert only("regression", own, base) == (0.0, "no case is slower")
    assert only("sol", own, base)[0] == pytest.approx(1 / (1 + (50 - 10) / (100 - 10)))


def test_with_floors_of_all_cases_sol_is_their_geometric_mean() -> None:
    base = passed(SAME, {FLOOR + "a": 50.0, FLOOR + "b": 100.0})
    at_floor, unmoved = 1.0, 0.5
    assert only("sol", passed({"a": 50.0, "b": 400.0}), base)[0] == pytest.approx(math.sqrt(at_floor * unmoved))
    assert only("speed_of_light", passed(SAME), base)[0] == pytest.approx(math.sqrt(0.5 * 0.25))


def test_a_floor_that_only_the_candidate_was_recorded_with_counts_too() -> None:
    assert only("sol", passed({"a": 1.0, "b": 250.0}, {SPEED_OF_LIGHT: 40.0}), passed(SAME))[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("us", "before", "floor", "expected"),
    [
        (100.0, 100.0, 10.0, 0.5),
        (10.0, 100.0, 10.0, 1.0),
        (5.0, 100.0, 10.0, 1.0),  # below the floor
        (190.0, 100.0, 10.0, 1 / 3),  # as far again from it
        (100.0, 100.0, 100.0, 0.5),  # a baseline at its floor
        (100.0, 100.0, 300.0, 0.5),  # and far below it
        (95.0, 100.0, 300.0, 1.0),
        (105.0, 100.0, 300.0, 1 / 3),
    ],
)
def test_sol_score_at_its_edges(us: float, before: float, floor: float, expected: float) -> None:
    assert sol_score(us, before, floor) == pytest.approx(expected)


TIMES = st.floats(1e-3, 1e6)


@given(us=TIMES, slower=TIMES, before=TIMES, floor=TIMES)
@settings(max_examples=60, deadline=None)
def test_sol_score_is_a_share_and_never_likes_a_slower_kernel_more(us: float, slower: float, before: float, floor: float) -> None:
    fast, slow = sorted((us, slower))
    assert 0.0 <= sol_score(slow, before, floor) <= sol_score(fast, before, floor) <= 1.0
    assert sol_score(before, before, floor) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("limit", "term"),
    [
        (Resource.DRAM_BANDWIDTH, "traffic"),
        (Resource.UNCOALESCED, "coalescing"),
        (Resource.COMPUTE, "instructions"),
        (Resource.SHARED_CONFLICTS, "conflicts"),
        (Resource.OCCUPANCY, "occupancy"),
        (Resource.BARRIER, "barrier"),
        (Resource.DIVERGENCE, "divergence"),
    ],
)
def test_relief_is_the_figure_of_the_bottleneck_that_the_baseline_has(limit: Resource, term: str) -> None:
    better = {READ: 500.0, WRITTEN: 500.0, LOADS: 10.0, INSTRUCTIONS: 400.0, CONFLICTS: 0.0, WARPS: 80.0, BARRIER: 0.0, TOGETHER: 30.0}
    own, base = passed(SAME, COUNTERS | better, limit=Resource.LATENCY), passed(SAME, COUNTERS, limit=limit)
    assert only("relief", own, base)[0] == only(term, own, base)[0] > 0.0
    assert only("relief", own, base)[1].startswith(f"{limit.value}: ")


def test_relief_of_spills_is_a_gain_though_their_guardrail_is_none() -> None:
    base = passed(SAME, COUNTERS, spills=64, limit=Resource.SPILLS)
    assert only("relief", passed(SAME, COUNTERS, spills=16), base)[0] == pytest.approx(0.75)
    assert only("relief", passed(SAME, COUNTERS), passed(SAME, COUNTERS, limit=Resource.LAUNCH)) == (0.0, "not known")


# The sum


def test_the_baseline_itself_is_worth_its_distance_to_the_floor_alone() -> None:
    reward = score(BASE, BASE, DEFAULT)
    assert reward.gate is None
    assert {term.name: term.raw for term in reward.terms if term.raw} == {"sol": pytest.approx(0.5)}
    assert reward.value == pytest.approx(0.5 * DEFAULT.weights["sol"])


def test_the_value_is_the_sum_of_the_contributions() -> None:
    reward = score(passed({"a": 30.0, "b": 500.0}, COUNTERS | {INSTRUCTIONS: 100.0}, spills=100), BASE, DEFAULT)
    assert reward.value == math.fsum(term.contribution for term in reward.terms)
    assert {term.name for term in reward.terms} == DEFAULT.weights.keys()


def test_a_failure_without_a_gate_of_its_own_is_worth_nothing() -> None:
    failed = Evaluation(candidate="c", verdict=Verdict.WRONG, environment=HERE)
    assert score(failed, BASE, RewardProfile(name="bare", weights={"speedup": 1.0})).value == 0.0


def test_a_weight_for_a_term_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="speeed"):
        score(BASE, BASE, dataclasses.replace(DEFAULT, weights={"speeed": 1.0}))


def test_every_term_of_the_vocabulary_can_be_computed() -> None:
    assert list(_TERMS) == list(TERMS)
    assert (runtime.SPEED_OF_LIGHT, counters._LAUNCHES, FLOOR) == (SPEED_OF_LIGHT, LAUNCHES, RECORDED_FLOOR)


# The ladder


@st.composite
def evaluations(draw: st.DrawFn) -> Evaluation:
    """Of a kernel that passed, with any times, counters and resources there can be."""
    figures = st.floats(0.0, 1e12) | st.sampled_from([math.nan, math.inf])
    counters = draw(st.none() | st.dictionaries(st.sampled_from([*COUNTERS, DYNAMIC, FLOOR + "a"]), figures))
    return passed(
        {"a": draw(TIMES), "b": draw(TIMES)},
        counters,
        draw(st.integers(0, 100_000)),
        registers=draw(st.integers(0, 255)),
        shared=draw(st.integers(0, 230_000)),
        code=draw(st.integers(0, 100_000)),
        watts=draw(st.sampled_from(["", "1e-9", "700"])),
        limit=draw(st.none() | st.sampled_from(list(Resource))),
    )


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.name)
def test_who_fails_later_is_worth_no_less(profile: RewardProfile) -> None:
    assert profile.fault() is None
    rungs = [[score(Evaluation(candidate="c", verdict=v, environment=HERE), BASE, profile) for v in rung] for rung in LADDER]
    assert sum(map(len, rungs)) == len(Verdict) - 1
    for i, rung in enumerate(rungs):
        assert all(reward.gate is not None and reward.terms == () for reward in rung)
        for later in rungs[i + 1 :]:
            assert max(reward.value for reward in rung) <= min(reward.value for reward in later)


@given(own=evaluations(), base=evaluations())
@settings(max_examples=60, deadline=None)
def test_whatever_passes_is_worth_more_than_whatever_does_not_and_is_the_same_from_the_record(own: Evaluation, base: Evaluation) -> None:
    for profile in SHIPPED:
        reward = score(own, base, profile)
        assert max(profile.gates.values()) < profile.least <= reward.value < math.inf
        for term in reward.terms:
            assert TERMS[term.name].low <= term.raw <= TERMS[term.name].high
        if all(math.isfinite(m.value) for e in (own, base) if e.profile is not None for m in e.profile.metrics.values()):
            again = [codec.load_json(Evaluation, codec.dump_json(evaluation)) for evaluation in (own, base)]
            assert score(*again, profile) == reward == score(own, base, profile)


# Files


@given(weights=st.dictionaries(st.sampled_from(list(TERMS)), st.floats(0.0, 1e6), min_size=1).filter(lambda w: any(w.values())))
@settings(max_examples=60, deadline=None)
def test_gates_that_follow_from_weights_are_a_ladder(weights: dict[str, float]) -> None:
    assert RewardProfile(name="n", weights=weights, gates=ladder(weights)).fault() is None


GATES = "[gates]\n" + "\n".join(f'"{verdict.value}" = -9' for rung in LADDER for verdict in rung)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[weights]\nspeeed = 1", "weights.speeed: no such term; known are speedup, sol"),
        ('[weights]\nspeedup = "much"', "weights.speedup: "),
        ("[weights]\nspeedup = nan", "weights.speedup: nan is no weight; give a number from 0"),
        ("[weights]\nspeedup = inf", "weights.speedup: inf is no weight"),
        ("[weights]\nspeedup = -1", "weights.speedup: -1 is no weight"),
        ("[weights]\nspeedup = 0", "weights: all are 0"),
        ("[weights]\n", "weights: "),
        ("weights = 3", "weights: "),
        ("[weights]\nspeedup = 1\n[bonus]\nx = 1", "bonus: unknown key"),
        ("[weights]\nspeedup = 1\n[gates]\nwrong = -2", "gates.rejected: has no value; give every gate one, or leave out"),
        (f"[weights]\nspeedup = 1\n{GATES}\npassed = 1", "gates.passed: no verdict that closes a gate"),
        ("[weights]\nspeedup = 1\n" + GATES.replace('"wrong" = -9', '"wrong" = nan'), "gates.wrong: nan is not a finite number"),
        ("[weights]\nspeedup = 1\n" + GATES.replace('"wrong" = -9', '"wrong" = -8'), "gates.wrong: -8 is more than the -9 of 'hazard'"),
        ("[weights]\nspeedup = 1\n" + GATES.replace('"timed out" = -9', '"timed out" = -8'), 'gates."timed out": -8 is more than'),
        ("[weights]\nspeedup = 1\n" + GATES.replace('"hazard" = -9', '"hazard" = -1'), "gates.hazard: -1 is too much, as the worst"),
        ("[weights", "not valid TOML"),
    ],
)
def test_a_reward_file_that_is_none_is_refused_with_its_path(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        catalog.reward_profile(str(file))
    assert str(caught.value).startswith(f"{file}: ") and complaint in str(caught.value)


def test_a_file_of_ones_own_needs_weights_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text("[weights]\nspeedup = 1\nregression = 2\n")
    monkeypatch.chdir(tmp_path)
    for path in ("mine.toml", "./mine.toml", str(tmp_path / "mine.toml")):
        profile = catalog.reward_profile(path)
        assert (profile.name, profile.least, profile.gates["hazard"]) == ("mine", -3.0, pytest.approx(-3.1))
    with pytest.raises(UsageError, match="gone.toml: no such file"):
        catalog.reward_profile("gone.toml")
    with pytest.raises(UsageError, match="no reward profile is called 'sole'; did you mean sol"):
        catalog.reward_profile("sole")
