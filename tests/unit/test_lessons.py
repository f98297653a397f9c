"""Lessons of a run: what gained, what did not, why it failed, and that there are never many of them."""

from dataclasses import replace

from nodes import ENVIRONMENT, exhausted, failed, passed

from kernelsearch.model import Attempt, Bottleneck, Evaluation, Node, Origin, Outcome, Profile, Proposal, Resource, TimeKind, Verdict
from kernelsearch.propose.book import book
from kernelsearch.propose.lessons import Lessons, lessons


def profiled(node: Node, resource: Resource) -> Node:
    limit = Bottleneck(resource=resource, evidence="e")
    profile = Profile(kind=TimeKind.MODELLED, metric_set="q", kernel="k", metrics={}, bottleneck=limit)
    return replace(node, attempt=replace(node.attempt, evaluation=replace(node.evaluation, profile=profile)))


def named(node: Node, directive: str, summary: str = "") -> Node:
    origin = Origin(proposer="p", directive=directive, summary=summary)
    return replace(node, attempt=replace(node.attempt, candidate=replace(node.candidate, origin=origin)))


def ask(number: int, parent: int = 0, directive: str | None = None) -> Proposal:
    return Proposal(ticket=number, parent=parent, seed=0, directive=directive)


def wrong(number: int, directive: str, detail: str, parent: int = 0) -> Node:
    node = named(failed(number, ask(number, parent)), directive)
    evaluation = Evaluation(candidate="d", verdict=Verdict.WRONG, detail=detail, environment=ENVIRONMENT)
    return replace(node, attempt=replace(node.attempt, evaluation=evaluation))


ROOT = profiled(passed(0, None, 100.0), Resource.LATENCY)


def test_gains_go_first_and_failures_say_why() -> None:
    nodes = [
        ROOT,
        named(passed(1, ask(1), 50.0), "unroll-4"),
        named(passed(2, ask(2), 99.9), "block-size-128"),
        named(passed(3, ask(3), 25.0), "vector-loads"),
        named(passed(4, ask(4), 80.0), "unroll-8"),
        wrong(5, "tensor-cores", "row 257: last element\nis not written"),
        wrong(6, "tensor-cores", "row 3: 0 instead of 1"),
    ]
    assert lessons(nodes, book()) == (
        "gained: vector-loads on memory latency: 4.00x at best, 1 of 1 try",
        "gained: unroll on memory latency: 2.00x at best, 2 of 2 tries",
        "failed: tensor-cores on memory latency: 2 tries (2 wrong: row 3: 0 instead of 1)",
        "no gain: block-size on memory latency: 1 try, 1.00x at best",
    )


def test_an_edit_is_told_apart_by_the_limit_it_was_made_on() -> None:
    second = profiled(named(passed(1, ask(1), 50.0), "unroll-4"), Resource.COMPUTE)
    found = lessons([ROOT, second, named(passed(2, ask(2, parent=1), 50.0), "unroll-8")], book())
    assert [line.partition(":")[0] for line in found] == ["gained", "no gain"]
    assert "on compute throughput" in found[1]


def test_edits_outside_the_playbook_go_by_their_summary_on_one_short_line() -> None:
    unusable = Node(number=2, attempt=Attempt(proposal=ask(2, directive="x\n# y"), outcome=Outcome.UNUSABLE, detail="no\nblock"))
    nodes = [ROOT, named(passed(1, ask(1), 50.0), "", "swap\n# the loops " + "z" * 300), unusable]
    gained, failing = lessons(nodes, book())
    assert gained.startswith("gained: swap # the loops zzz") and len(gained) < 200
    assert failing == "failed: x # y on memory latency: 1 try (unusable: no)"


def test_what_says_nothing_of_an_edit_is_no_lesson() -> None:
    assert lessons([ROOT, exhausted(1, ask(1, directive="unroll"))], book()) == ()


def test_neither_lines_nor_memory_grow_with_the_run() -> None:
    told = Lessons(book())
    told.tell(ROOT, None)
    for number in range(1, 400):
        node = named(passed(number, ask(number), 50.0 if number == 7 else 120.0), f"free words {number}")
        told.tell(node, ROOT)
    assert len(told.lines()) <= 12 and len(told._records) <= 64
    assert told.lines()[0] == "gained: free words 7 on memory latency: 2.00x at best, 1 of 1 try"
    assert "free words 399" in told.lines()[1]
