"""Rewrites: each against a golden text, and what all of them promise."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch import source
from kernelsearch.errors import NothingToPropose
from kernelsearch.model import (
    Arg,
    ArgKind,
    Attempt,
    Bottleneck,
    Build,
    Candidate,
    Case,
    CaseTiming,
    Context,
    DType,
    Environment,
    Evaluation,
    Expression,
    Form,
    Hardware,
    Measurement,
    Node,
    Origin,
    Outcome,
    Policy,
    Profile,
    Proposal,
    Resource,
    Task,
    TimeKind,
    Verdict,
)
from kernelsearch.propose import rules
from kernelsearch.propose.book import book
from kernelsearch.toolchain.locate import find_nvcc

GOLDEN = Path(__file__).parent.parent / "golden" / "rules"
BEFORE = sorted(path.stem for path in GOLDEN.glob("*.cu") if "." not in path.stem)
AFTER = sorted(path.stem for path in GOLDEN.glob("*.cu") if "." in path.stem)
HARDWARE = Hardware(
    name="test",
    arch="sm_90",
    sm_count=1,
    clock_hz=1e9,
    dram_bytes_per_s=1e12,
    dram_latency_us=0.5,
    l2_bytes=1,
    l2_bytes_per_s=1e12,
    shared_bytes_per_sm=1,
    shared_bytes_per_block=1,
    registers_per_sm=1,
    threads_per_sm=1,
    blocks_per_sm=1,
    fp32_flops=1e12,
    fp64_flops=1e12,
)


def task(*, fast_math: bool = False, dtype: DType = DType.F32) -> Task:
    return Task(
        name="t",
        form=Form.LAUNCHER,
        entry="solve",
        args=(Arg(name="y", kind=ArgKind.OUTPUT, dtype=dtype, shape=(Expression("n"),)),),
        cases=(Case(name="c", sizes={"n": 4}, timed=True),),
        baseline="",
        policy=Policy(fast_math=fast_math),
    )


def program(text: str, flags: tuple[str, ...] = ("-O3",), **options: object) -> rules.Program:
    return rules.Program(source=text, flags=flags, task=task(**options))  # type: ignore[arg-type]


def all_rewrites(of: rules.Program) -> list[rules.Rewrite]:
    return [rewrite for rule in rules.RULES for rewrite in rules.rewrites(rule, of)]


def before(name: str) -> str:
    return (GOLDEN / f"{name}.cu").read_text()


def comments(text: str) -> list[str]:
    """Comments, sorted; launch plans, which a rule may change, left out."""
    tree = source.parse(text)
    found = [tree.text_of(node).rstrip() for node in tree.walk("comment")]
    return sorted(comment for comment in found if "launch:" not in comment)


@pytest.mark.parametrize("name", AFTER)
def test_the_rewrite_is_the_golden_one(name: str) -> None:
    kernel, _, directive = name.partition(".")
    made = {rewrite.directive: rewrite.source for rewrite in all_rewrites(program(before(kernel)))}
    assert made[directive] == (GOLDEN / f"{name}.cu").read_text()


def test_every_rule_that_edits_has_a_golden_text() -> None:
    covered = {name.partition(".")[2] for name in AFTER}
    for rule in rules.RULES:
        if rule.name != "compiler-flags":
            assert any(directive.startswith(rule.name) for directive in covered), rule.name


@pytest.mark.parametrize("name", BEFORE)
def test_rewrites_parse_and_keep_comments_and_strings(name: str) -> None:
    text = before(name)
    made = all_rewrites(program(text))
    assert made
    for rewrite in made:
        assert source.problems(rewrite.source) == ()
        assert set(comments(text)) <= set(comments(rewrite.source)), rewrite.directive
        assert re.findall(r'"[^"]*"', rewrite.source) == re.findall(r'"[^"]*"', text), rewrite.directive
        assert rewrite.summary


ONCE = (
    "register-accumulator",
    "pad-shared",
    "restrict",
    "warp-per-row",
    "block-per-row",
    "tile-transpose-16",
    "tile-transpose-32",
    "tile-matmul",
    "vector-loads",
)


@pytest.mark.parametrize("name", BEFORE)
def test_what_is_done_is_not_proposed_again(name: str) -> None:
    for rewrite in all_rewrites(program(before(name))):
        if rewrite.directive in ONCE or rewrite.directive.startswith("float-arithmetic"):
            again = [r.directive for r in all_rewrites(program(rewrite.source))]
            assert rewrite.directive not in again


def test_swapping_axes_twice_is_where_it_began() -> None:
    (swap,) = (rule for rule in rules.RULES if rule.name == "swap-thread-axes")
    text = before("transpose")
    once = rules.rewrites(swap, program(text))[0].source
    assert rules.rewrites(swap, program(once))[0].source == text


def test_block_size_is_left_alone_where_the_kernel_depends_on_it() -> None:
    text = before("axpy").replace("alpha * x[i]", "alpha * x[i] * 256")
    assert not [r for r in all_rewrites(program(text)) if r.directive.startswith("block-size")]


def test_block_size_changes_a_named_constant_for_the_whole_program() -> None:
    made = {r.directive: r.source for r in all_rewrites(program(before("matmul")))}
    assert made["block-size-32x32"] == before("matmul").replace("#define SIDE 16", "#define SIDE 32")
    assert "block-size-32x8" not in made


def test_restrict_is_not_promised_where_a_launch_passes_a_buffer_twice() -> None:
    text = before("axpy").replace("(x, y, n, alpha);", "(y, y, n, alpha);")
    assert "restrict" not in [r.directive for r in all_rewrites(program(text))]


def test_vectors_need_buffers_passed_as_they_are() -> None:
    text = before("axpy").replace("(x, y, n, alpha);", "(x + 1, y, n, alpha);")
    assert "vector-loads" not in [r.directive for r in all_rewrites(program(text))]


def test_accumulators_stay_where_threads_share_the_element() -> None:
    text = before("matmul").replace("c[row * n + col] += a", "__syncthreads(); c[row * n + col] += a")
    assert "register-accumulator" not in [r.directive for r in all_rewrites(program(text))]


def test_double_stays_double_where_the_task_is() -> None:
    assert not [r for r in all_rewrites(program(before("softmax"), dtype=DType.F64)) if r.directive.startswith("float")]


def test_fast_arithmetic_only_where_the_policy_allows_it() -> None:
    def flags(fast_math: bool) -> list[tuple[str, ...]]:
        return [r.flags for r in all_rewrites(program(before("axpy"), fast_math=fast_math))]

    assert not any("--use_fast_math" in f for f in flags(False))
    assert any("--use_fast_math" in f for f in flags(True))


def test_a_register_limit_replaces_the_one_before() -> None:
    made = [r.flags for r in all_rewrites(program("", flags=("-O3", "-maxrregcount=64")))]
    assert ("-O3", "-maxrregcount=32") in made
    assert all(sum(flag.startswith("-maxrregcount") for flag in flags) == 1 for flags in made)


def node(text: str, number: int = 0, flags: tuple[str, ...] = ("-O3",), bottleneck: Resource | None = None) -> Node:
    candidate = Candidate(task="t", source=text, flags=flags, origin=Origin(proposer="test"))
    limit = None if bottleneck is None else Bottleneck(resource=bottleneck, evidence="")
    evaluation = Evaluation(
        candidate="c",
        verdict=Verdict.PASSED,
        build=Build(ok=True, toolchain="none", artifact="a"),
        measurement=Measurement(kind=TimeKind.MODELLED, timings=(CaseTiming(case="c", samples_us=(1.0,)),)),
        profile=Profile(kind=TimeKind.MODELLED, metric_set="quick", kernel="k", metrics={}, bottleneck=limit),
        environment=Environment(device="none", time_kind="modelled", sandbox="none"),
    )
    attempt = Attempt(proposal=None, outcome=Outcome.EVALUATED, candidate=candidate, evaluation=evaluation)
    return Node(number=number, attempt=attempt)


def ask(seed: int = 0, directive: str | None = None) -> Proposal:
    return Proposal(ticket=0, parent=0, seed=seed, directive=directive)


def test_the_proposer_repeats_nothing_and_ends() -> None:
    proposer, parent = rules.RulesProposer(), node(before("matmul"))
    siblings: list[Node] = []
    with pytest.raises(NothingToPropose):
        for seed in range(200):
            draft = proposer.propose(ask(seed), Context(parent=parent, siblings=tuple(siblings)), task(), HARDWARE)
            siblings.append(node(draft.source, seed + 1, draft.flags))
    made = [(n.candidate.source, n.candidate.flags) for n in siblings if n.candidate]
    assert len(set(made)) == len(made) == len({(r.source, r.flags) for r in all_rewrites(program(before("matmul")))})


def test_the_proposer_is_a_function_of_its_arguments() -> None:
    def directives() -> list[str]:
        context = Context(parent=node(before("softmax")))
        return [rules.RulesProposer().propose(ask(seed), context, task(), HARDWARE).origin.directive for seed in range(20)]

    assert directives() == directives()
    assert len(set(directives())) > 3


def test_what_relieves_the_bottleneck_comes_first() -> None:
    context = Context(parent=node(before("tile"), bottleneck=Resource.SHARED_CONFLICTS))
    assert {rules.RulesProposer().propose(ask(seed), context, task(), HARDWARE).origin.directive for seed in range(20)} == {"pad-shared"}


@pytest.mark.parametrize(
    ("directive", "rule"),
    [("unroll", "unroll"), ("unroll-8", "unroll-8"), ("read-only-pointers", "restrict"), ("fuse-passes", ""), ("tile-matmul", "")],
)
def test_a_directive_is_a_wish_by_its_own_name_or_by_that_of_a_rule(directive: str, rule: str) -> None:
    context = Context(parent=node(before("softmax")))
    made = rules.RulesProposer().propose(ask(3, directive), context, task(), HARDWARE).origin.directive
    assert made.startswith(rule)
    if not rule:  # nothing here can carry it out: what would have come without it
        assert made == rules.RulesProposer().propose(ask(3), context, task(), HARDWARE).origin.directive


def test_what_rules_can_still_carry_out_is_known_beforehand() -> None:
    parent, unroll = node(before("softmax")), book()["unroll"]
    assert rules.able(unroll, Context(parent=parent), task()) and rules.able(book()["warp-per-row"], Context(parent=parent), task())
    assert not rules.able(book()["shared-tiling"], Context(parent=parent), task())
    assert not rules.able(book()["tensor-cores"], Context(parent=parent), task())
    (rule,) = (rule for rule in rules.RULES if rule.name == "unroll")
    made = tuple(node(r.source, i, r.flags) for i, r in enumerate(rules.rewrites(rule, program(before("softmax"))), 1))
    assert not rules.able(unroll, Context(parent=parent, siblings=made), task())
    assert rules.able(unroll, Context(parent=parent, siblings=made[1:]), task())


def test_a_wish_that_is_used_up_does_not_end_a_parent() -> None:
    proposer, parent = rules.RulesProposer(), node(before("softmax"))
    made: list[tuple[str, Node]] = []
    with pytest.raises(NothingToPropose):
        for seed in range(200):
            context = Context(parent=parent, siblings=tuple(n for _, n in made))
            draft = proposer.propose(ask(seed, "unroll"), context, task(), HARDWARE)
            made.append((draft.origin.directive, node(draft.source, seed + 1, draft.flags)))
    names = [name for name, _ in made]
    wished = [name.startswith("unroll") for name in names]
    assert wished == sorted(wished, reverse=True) and 0 < sum(wished) < len(wished)
    assert len(names) == len({(r.source, r.flags) for r in all_rewrites(program(before("softmax")))})


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(BEFORE), st.integers(0, 900), st.integers(1, 50), st.sampled_from(["", "(", "}", "a[", " x ", "é", "//"]))
def test_damaged_sources_are_rewritten_or_left(name: str, start: int, length: int, put: str) -> None:
    text = before(name)[:start] + put + before(name)[start + length :]
    for rewrite in all_rewrites(program(text)):
        assert len(source.problems(rewrite.source)) <= len(source.problems(text))


def test_the_compiler_takes_every_golden_text(tmp_path: Path) -> None:
    """All of them in one translation unit: namespaces keep their kernels apart."""
    nvcc = find_nvcc()
    if nvcc is None:
        pytest.skip("no nvcc, neither a toolkit's nor the wheels'")
    parts = ["#include <math.h>\n"]
    for number, name in enumerate(AFTER):
        text = re.sub(r"#include.*\n", "", (GOLDEN / f"{name}.cu").read_text()).replace("solve(", f"solve_{number}(")
        defined = re.findall(r"#define (\w+)", text)
        parts += [f"namespace n{number} {{\n{text}\n}}\n", *(f"#undef {macro}\n" for macro in defined)]
    unit = tmp_path / "all.cu"
    unit.write_text("".join(parts))
    command = [str(nvcc.path), "-arch=sm_90", "-O0", "-c", "-o", str(tmp_path / "all.o"), str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
