"""The playbook: what every directive must have, what is refused, and which directives fit a kernel."""

import random
from dataclasses import replace

import example_run as example
import pytest
from nodes import failed, passed

import runs
from kernelsearch import catalog, playbook
from kernelsearch.codec.playbook import directives_from_toml
from kernelsearch.errors import UsageError
from kernelsearch.model import Bottleneck, Condition, Directive, Form, Gain, Kind, Metric, Node, Origin, Proposal, Resource, TorchCall
from kernelsearch.playbook.features import FEATURES, features
from kernelsearch.playbook.situation import check_names, slug
from kernelsearch.propose.book import book
from kernelsearch.propose.rules import RULES
from kernelsearch.source import problems

SATURATED = catalog.bandit_settings().saturated
TOML = """
description = "one"
[[directive]]
name = "one"
title = "One"
kind = "ACCESS"
gain = "SMALL"
does = "d"
relieves = ["L2"]
example = "e"
risks = "r"
"""


def situation(name: str = "row_softmax", evaluation=None, gpu: str = "h100") -> playbook.Situation:
    task = catalog.task(f"core/{name}")
    return playbook.situation(task.baseline, evaluation, task, catalog.hardware(gpu))


PROFILED = [runs.passed(100.0, 18.5), example.passed().parent.evaluation]


def names(found) -> list[str]:
    return [each.directive.name for each in found]


# what every directive must have


def test_there_are_enough_of_every_kind() -> None:
    assert len(book()) >= 45
    assert {directive.kind for directive in book()} == set(Kind)
    assert {resource for directive in book() for resource in directive.relieves} == set(Resource)


@pytest.mark.parametrize("directive", list(book()), ids=lambda directive: directive.name)
def test_every_directive_is_whole_and_can_be_held_against_a_kernel(directive: Directive) -> None:
    for text in (directive.title, directive.does, directive.example, directive.risks):
        assert len(text) > 5
    assert len(directive.does) < 500 and all(len(line) <= 160 for line in directive.example.splitlines())
    assert not directive.title.endswith(".") and directive.does.endswith(".")
    assert set(directive.relieves).isdisjoint(set(directive.uses) - {Resource.DRAM_BANDWIDTH})
    assert not set(directive.example.split()) & {"TODO", "..."}
    for condition in (directive.when, directive.not_when):
        if condition is not None:
            check_names(condition.names)
            for evaluation in PROFILED:
                assert condition.holds(situation(evaluation=evaluation).values) in (True, False, None)


def test_every_rule_belongs_to_a_directive_that_relieves_as_much() -> None:
    named = {rule: directive for directive in book() for rule in directive.rules}
    assert sorted(named) == sorted(rule.name for rule in RULES)
    for rule in RULES:
        assert set(rule.relieves) <= set(named[rule.name].relieves), rule.name


def test_no_condition_rules_out_what_nothing_is_known_of() -> None:
    assert len(playbook.retrieve(book(), playbook.Situation(), saturated=SATURATED)) == len(book())


def test_every_condition_can_turn_out_either_way() -> None:
    chance = random.Random(0)
    for directive in book():
        for condition in (directive.when, directive.not_when):
            if condition is not None:
                figures = ({name: chance.choice((0, 1, 5, 20, 70, 200)) for name in condition.names} for _ in range(400))
                assert {condition.holds(values) for values in figures} == {True, False}, directive.name


# what is refused


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TOML.replace('"L2"', '"L3"'), r"book.toml: directive\[0\] \(one\): relieves: unknown name 'L3'; one of DRAM_BANDWIDTH"),
        (TOML.replace("SMALL", "HUGE"), "gain: unknown name 'HUGE'; one of LARGE, MODERATE, SMALL"),
        (TOML + 'when = "a +"', r"directive\[0\] \(one\): when: not a condition: 'a \+'"),
        (TOML + 'not_when = "f(a)"', "not_when: not allowed in a condition: 'f\\(a\\)'"),
        (TOML + 'speed = "9"', r"directive\[0\].speed: unknown key"),
        (TOML.replace('risks = "r"', ""), r"directive\[0\].risks: field required"),
        (TOML.replace('"one"\ntitle', '"One!"\ntitle'), r"directive\[0\].name: string should match"),
        (TOML + "[", "not valid TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_path_and_reason(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        directives_from_toml(text, where="book.toml")
    assert str(caught.value).startswith("book.toml: ")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rules": ("no-such-rule",)}, "rules: there is no rule 'no-such-rule'; known: unroll"),
        ({"when": Condition("occupancy < 3")}, "when: unknown name 'occupancy'"),
        ({"not_when": Condition("share.bandwidth > 3")}, "not_when: unknown name 'share.bandwidth'; share. takes one of dram_bandwidth"),
        ({"name": "unroll"}, "called like the rule 'unroll'"),
    ],
)
def test_a_directive_that_names_what_there_is_not_is_refused(change: dict[str, object], complaint: str) -> None:
    (given,) = directives_from_toml(TOML, where="book.toml")
    with pytest.raises(UsageError, match=f"book.toml: directive .*{complaint}"):
        playbook.load({"unroll"}, {"book.toml": [replace(given, **change)]})
    assert len(playbook.load({"unroll"}, {"book.toml": [given]})) == 1
    with pytest.raises(UsageError, match=r"other.toml: directive 'one': name: there is another"):
        playbook.load((), {"book.toml": [given], "other.toml": [given]})


# what is known of a kernel


SOURCE = """
#include <cooperative_groups.h>
// double, __syncthreads and 1.0 in a comment do not count
__global__ void f(const float* __restrict__ x, const int* idx, float* y, int n, size_t m) {
    __shared__ float tile[32][32];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    for (int k = 0; k < n; ++k) {
        for (int j = threadIdx.x; j < n; j += 32) y[i] += x[idx[j]] * x[k];
        if (k % n == 3) break;
    }
    float4 v = reinterpret_cast<const float4*>(x)[i];
    atomicAdd(&y[0], x[i - 1] + x[i] + x[i + 1] + exp(v.x) * 0.5);
    __syncthreads();
}
void host() { f<<<1, 2>>>(0, 0, 0, 0, 0); double d = 3.0; }
"""


def test_features_are_those_of_the_device_code() -> None:
    found = features(SOURCE)
    expected = {
        "kernels": 1,
        "launches": 1,
        "loops": 2,
        "loop_depth": 2,
        "serial_loops": 1,
        "branches": 1,
        "divisions": 1,
        "gathers": 1,
        "products": 1,
        "neighbours": 3,
        "global_updates": 1,
        "double_literals": 1,
        "special_calls": 1,
        "double_calls": 1,
        **dict.fromkeys(("has_shared", "has_square_shared", "has_syncthreads", "has_atomics", "has_vectors", "has_double"), 1),
        **dict.fromkeys(("has_read_only", "has_wide_index", "has_early_exit"), 1),
    }
    assert {name: value for name, value in found.items() if value} == expected
    assert set(found) == set(FEATURES)


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ('asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" :: "r"(a), "l"(b));', "has_async_copy"),
        ("s += __shfl_xor_sync(0xffffffff, s, 16);", "has_shuffle"),
        ("wmma::mma_sync(c, a, b, c);", "has_tensor_cores"),
        ("__half2 h = p[i];", "has_half"),
        ("for (; i < n; i += gridDim.x * blockDim.x) p[i] = 0;", "has_grid_stride"),
        ("#pragma unroll 4\nfor (int k = 0; k < 4; ++k) s += k;", "has_unroll"),
        ("auto g = cooperative_groups::this_grid(); g.sync();", "has_cooperative"),
        ("float e = __expf(s);", "has_fast_intrinsics"),
        ("__stcs(p + i, s);", "has_cache_hints"),
        ("int t = threadIdx.y;", "has_two_axes"),
        ("extern __shared__ float s[];", "has_dynamic_shared"),
    ],
)
def test_a_feature_is_seen_and_its_absence_too(text: str, feature: str) -> None:
    kernel = "__global__ void __launch_bounds__(64) k(float* p, int n) {{ {} }}"
    assert features(kernel.format(text))[feature] == 1
    assert features(kernel.format("p[0] = 1;"))[feature] == 0
    assert features(kernel.format(""))["has_launch_bounds"] == 1


def test_odd_text_has_features_too() -> None:
    for text in ("", "}{", "__global__ void f(", "é" * 50, SOURCE[:300]):
        assert set(features(text)) == set(FEATURES)


def test_a_situation_names_counters_facts_shares_and_the_bottleneck() -> None:
    evaluation = runs.passed(100.0, 18.5)
    metrics = {
        "dram__throughput.avg.pct_of_peak_sustained_elapsed": Metric(value=81.0),
        "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": Metric(value=640.0),
        "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum": Metric(value=20.0),
        "l1tex__t_sector_hit_rate.pct": Metric(value=float("nan")),
    }
    profile = replace(evaluation.profile, metrics=metrics, shares={Resource.COMPUTE.value: 12.0}, facts={"DRAM bytes / task bytes": "1.25"})
    given = situation(evaluation=replace(evaluation, profile=profile))
    wanted = {
        "dram_pct": 81.0,
        "load_sectors": 32.0,
        "dram_excess": 1.25,
        "share.compute": 12.0,
        "bound.uncoalesced": 1.0,
        "bound.latency": 0.0,
        "arch": 90.0,
        "spilled_bytes": 0,
        "own_launches": 1,
        "serial_loops": 3,
        "dram__throughput.avg.pct_of_peak_sustained_elapsed": 81.0,
    }
    assert wanted.items() <= given.values.items()
    assert given.values["time_us"] == pytest.approx(100.0)
    assert "l1_hit_pct" not in given.values and "waves" not in given.values
    assert given.shares == {Resource.COMPUTE: 12.0} and given.resource is Resource.UNCOALESCED and given.arch == 90
    check_names(given.values)
    assert slug("sectors/request (load)") == "fact.sectors_request_load"


def test_of_a_pytorch_module_the_source_tells_nothing() -> None:
    task = catalog.task("core/gelu")
    call = TorchCall(init="", inputs="", outputs="", parameters={}, shapes={})
    module = replace(task, form=Form.TORCH, entry="ModelNew", torch=call)
    assert "loops" in playbook.situation(task.baseline, None, task, None).values
    assert "loops" not in playbook.situation("class ModelNew: ...", None, module, None).values


# what fits


def diagnosed(resource: Resource, shares: dict[Resource, float] | None = None, **values: float) -> playbook.Situation:
    known = dict(shares or {})
    return playbook.Situation(values=values, bottleneck=Bottleneck(resource=resource, evidence="e"), shares=known, arch=90)


@pytest.mark.parametrize("resource", Resource)
def test_every_bottleneck_finds_what_relieves_it_and_nothing_else(resource: Resource) -> None:
    found = playbook.retrieve(book(), diagnosed(resource), saturated=SATURATED)
    assert len(found) >= 3
    assert all(resource in each.directive.relieves for each in found)
    assert all(0.0 <= each.promise <= 1.0 and resource.value in each.reason for each in found)
    assert [each.promise for each in found] == sorted((each.promise for each in found), reverse=True)


def test_a_unit_without_headroom_masks_what_needs_it() -> None:
    def vector_loads(percent: float) -> playbook.Found:
        considered = playbook.consider(book(), diagnosed(Resource.LATENCY, {Resource.DRAM_BANDWIDTH: percent}), saturated=75.0)
        return next(each for each in considered if each.directive.name == "vector-loads")

    assert vector_loads(74.0).fits
    assert not vector_loads(75.0).fits and "memory bandwidth is at 75 % of its ceiling" in vector_loads(75.0).reason


def test_conditions_and_hardware_decide() -> None:
    tight = diagnosed(Resource.SHARED_CONFLICTS, has_shared=1, conflict_pct=60)
    assert names(playbook.retrieve(book(), tight, saturated=75.0))[0] == "pad-shared"
    calm = diagnosed(Resource.SHARED_CONFLICTS, has_shared=1, conflict_pct=2)
    assert "pad-shared" not in names(playbook.retrieve(book(), calm, saturated=75.0))
    old = replace(diagnosed(Resource.LATENCY, has_shared=1, loops=1), arch=80)
    against = {each.directive.name: each.reason for each in playbook.consider(book(), old, saturated=75.0) if not each.fits}
    assert against["tma-bulk-copy"] == "needs sm_90, and this is sm_80"
    assert "has_shuffle = 1" in next(
        each.reason
        for each in playbook.consider(book(), diagnosed(Resource.LATENCY, serial_loops=1, has_shuffle=1), saturated=75.0)
        if each.directive.name == "warp-per-row"
    )


def test_a_certain_condition_goes_before_an_unknown_one() -> None:
    (base,) = directives_from_toml(TOML, where="b")
    pair = playbook.Playbook([replace(base, name="a", when=Condition("waves < 2")), replace(base, name="b", when=Condition("loops > 0"))])
    found = playbook.retrieve(pair, diagnosed(Resource.L2, loops=2), saturated=75.0)
    assert names(found) == ["b", "a"] and "not known whether waves < 2" in found[1].reason
    assert found[0].promise == pytest.approx((Gain.SMALL.value + 0.5) / 1.25)


@pytest.mark.parametrize(
    ("task", "first"), [("row_softmax", "warp-per-row"), ("transpose", "coalesce-threads"), ("spmv_csr", "vector-csr"), ("histogram", "")]
)
def test_uncoalesced_baselines_get_what_an_expert_would_say(task: str, first: str) -> None:
    evaluation = runs.passed(100.0, 18.5)
    metrics = {"l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": 32.0, "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum": 1.0}
    profile = replace(evaluation.profile, metrics={name: Metric(value=value) for name, value in metrics.items()})
    found = names(playbook.retrieve(book(), situation(task, replace(evaluation, profile=profile)), saturated=75.0))
    assert not first or first in found[:3]


# which paid


def made(number: int, parent: int, directive: str, time_us: float | None, asked: str | None = None) -> Node:
    proposal = Proposal(ticket=number, parent=parent, seed=0, directive=asked)
    node = failed(number, proposal) if time_us is None else passed(number, proposal, time_us)
    candidate = replace(node.candidate, origin=Origin(proposer="rules", directive=directive))
    return replace(node, attempt=replace(node.attempt, candidate=candidate))


NODES = [
    passed(0, None, 100.0),
    made(1, 0, "block-size-128", 50.0, asked="block-size"),
    made(2, 1, "block-size-256", 60.0),
    made(3, 1, "warp-per-row", 20.0, asked="fuse-passes"),
    made(4, 3, "unroll-4", None),
    made(5, 3, "swap the loops", 20.1),
    made(6, 3, "tensor-cores", 10.0, asked="tensor-cores"),
]


def test_what_was_done_is_known_by_directive_rule_and_variant() -> None:
    done = [found and found.name for found in map(book().done, NODES)]
    assert done == [None, "block-size", "block-size", "warp-per-row", "unroll", None, "tensor-cores"]


def test_of_several_directives_with_one_rule_the_wish_decides() -> None:
    (base,) = directives_from_toml(TOML, where="b")
    two = playbook.Playbook([replace(base, name="a", rules=("unroll",)), replace(base, name="b", rules=("unroll",))])
    assert two.done(made(1, 0, "unroll-4", 1.0, asked="b")).name == "b"
    assert two.done(made(1, 0, "unroll-4", 1.0)).name == "a"
    assert two.get("unroll").name == "a" and two.get("b").name == "b" and two.get("c") is None and two.get(None) is None


def test_what_paid_is_counted_by_what_was_done() -> None:
    rows = {row.name: row for row in playbook.paid(NODES, book(), effect=0.01)}
    block = rows["block-size"]
    assert (block.asked, block.tried, block.passed, block.improved) == (1, 2, 2, 1)
    assert block.median == pytest.approx((2.0 + 50 / 60) / 2) and block.best == pytest.approx(2.0)
    assert (rows["fuse-passes"].asked, rows["fuse-passes"].tried, rows["fuse-passes"].median) == (1, 0, None)
    assert (rows["unroll"].tried, rows["unroll"].passed, rows["unroll"].median) == (1, 0, None)
    assert rows["swap the loops"].improved == 0 and rows["warp-per-row"].best == pytest.approx(2.5)


def test_examples_of_launchers_parse_as_cuda() -> None:
    whole = [d for d in book() if "__global__" in d.example and "/*" not in d.example and "{" in d.example]
    assert all(problems(directive.example) == () for directive in whole)
