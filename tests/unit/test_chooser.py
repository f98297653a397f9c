"""The bandit over directives: what it may choose, what it learns, and that it beats choosing blindly where arms differ or wear out."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from nodes import exhausted, passed

from kernelsearch import catalog
from kernelsearch.codec.playbook import bandit_settings_from_toml, directives_from_toml
from kernelsearch.errors import UsageError
from kernelsearch.model import (
    BanditSettings,
    Bottleneck,
    Confirmation,
    Context,
    Directive,
    Gain,
    Node,
    Origin,
    Outcome,
    Profile,
    Proposal,
    Resource,
    TimeKind,
)
from kernelsearch.paths import data
from kernelsearch.playbook import Chooser, Playbook
from kernelsearch.playbook.outcome import Worth, worth

SETTINGS = catalog.bandit_settings()
(BASE,) = directives_from_toml(
    """
description = "b"
[[directive]]
name = "x"
title = "x"
kind = "ACCESS"
gain = "MODERATE"
does = "d"
relieves = ["L2"]
example = "e"
risks = "r"
""",
    where="b",
)


def book(*names: str, **changes: object) -> Playbook:
    return Playbook(replace(BASE, name=name, **changes) for name in names)


def profiled(node: Node, resource: Resource | None = Resource.L2, shares: dict[str, float] | None = None) -> Node:
    limit = None if resource is None else Bottleneck(resource=resource, evidence="e")
    profile = Profile(kind=TimeKind.MODELLED, metric_set="q", kernel="k", metrics={}, bottleneck=limit, shares=shares or {})
    return replace(node, attempt=replace(node.attempt, evaluation=replace(node.evaluation, profile=profile)))


ROOT = profiled(passed(0, None, 100.0))


def ask(ticket: int = 0, **more: object) -> Proposal:
    return Proposal(ticket=ticket, parent=0, seed=random.Random(ticket).getrandbits(32), **more)


def child(number: int, proposal: Proposal, time_us: float, *, done: str | None = None, best: bool = False) -> Node:
    """An attempt that did what was asked for, or `done`."""
    node = passed(number, proposal, time_us)
    made = replace(node.candidate, origin=Origin(proposer="p", directive=done or proposal.directive or ""))
    held = Confirmation(against="a", measurement=node.evaluation.measurement, held=True, detail="") if best else None
    return profiled(replace(node, attempt=replace(node.attempt, candidate=made, evaluation=replace(node.evaluation, confirmation=held))))


def chosen(chooser: Chooser, ticket: int = 0, parent: Node = ROOT, siblings: tuple[Node, ...] = ()) -> str | None:
    return chooser.choose(ask(ticket), Context(parent=parent, siblings=siblings)).directive


# what it may choose


def test_it_leaves_alone_what_is_not_its_to_choose() -> None:
    chooser = Chooser(book("a"), SETTINGS)
    failed = replace(ROOT, attempt=replace(ROOT.attempt, candidate=None, evaluation=None, outcome=Outcome.UNUSABLE))
    for proposal, parent in ((ask(directive="own"), ROOT), (ask(repeat=True), ROOT), (ask(), failed)):
        assert chooser.choose(proposal, Context(parent=parent)) is proposal
    assert chooser.choose(ask(), Context(parent=ROOT)) == ask(directive="a")


def test_a_masked_arm_is_skipped_and_none_left_is_no_directive() -> None:
    two = Playbook([replace(BASE, name="a", uses=(Resource.COMPUTE,)), replace(BASE, name="b", relieves=(Resource.TAIL,))])
    busy = profiled(ROOT, shares={Resource.COMPUTE.value: 90.0})
    assert {chosen(Chooser(two, SETTINGS), ticket) for ticket in range(8)} == {"a"}
    assert chosen(Chooser(two, SETTINGS), parent=profiled(ROOT, Resource.TAIL)) == "b"
    assert chosen(Chooser(two, SETTINGS), parent=busy) is None


def test_without_a_bottleneck_everything_is_open() -> None:
    two = Playbook([replace(BASE, name="a"), replace(BASE, name="b", relieves=(Resource.TAIL,))])
    assert {chosen(Chooser(two, SETTINGS), ticket, profiled(ROOT, None)) for ticket in range(20)} == {"a", "b"}


def test_equals_are_told_apart_by_the_seed_and_promise_goes_first() -> None:
    chooser = Chooser(Playbook([*book("a", "b"), replace(BASE, name="c", gain=Gain.SMALL)]), SETTINGS)
    first = [chosen(chooser, ticket) for ticket in range(30)]
    assert first == [chosen(chooser, ticket) for ticket in range(30)]
    assert set(first) == {"a", "b"}


def test_a_wish_that_was_not_met_is_not_made_again_for_that_parent() -> None:
    chooser = Chooser(book("a", "b"), SETTINGS)
    other = child(1, ask(directive="a"), 90.0, done="something-else")
    assert {chosen(chooser, ticket, siblings=(other,)) for ticket in range(20)} == {"b"}
    assert {chosen(chooser, ticket) for ticket in range(20)} == {"a", "b"}


def test_on_one_parent_what_was_done_waits_for_what_was_not() -> None:
    chooser = Chooser(book("a", "b"), SETTINGS)
    assert {chosen(chooser, ticket, siblings=(child(1, ask(directive="a"), 50.0),)) for ticket in range(20)} == {"b"}


def test_a_repeated_trial_says_nothing_of_what_was_tried_here() -> None:
    chooser = Chooser(book("a", "b"), SETTINGS)
    again = child(1, ask(repeat=True), 100.0, done="a")
    again = replace(again, attempt=replace(again.attempt, outcome=Outcome.REPEATED))
    assert {chosen(chooser, ticket, siblings=(again,)) for ticket in range(20)} == {"a", "b"}


def test_what_was_done_on_an_ancestor_waits_for_what_was_not() -> None:
    chooser, parent = Chooser(book("a", "b", "c"), SETTINGS), child(2, ask(2, directive="c"), 90.0)
    chooser.tell(child(1, ask(1, directive="a"), 50.0), ROOT)
    chooser.tell(parent, ROOT)
    found = {chooser.choose(ask(ticket), Context(parent=parent, lineage=(ROOT,))).directive for ticket in range(20)}
    assert found == {"b"}


def test_what_the_proposer_cannot_do_is_not_asked_for() -> None:
    seen: list[str] = []

    def able(directive: Directive, context: Context) -> bool:
        seen.append(directive.name)
        return directive.name == "b"

    chooser = Chooser(Playbook([*book("a", gain=Gain.LARGE), *book("b")]), SETTINGS, able=able)
    assert {chosen(chooser, ticket) for ticket in range(9)} == {"b"}
    assert seen[:2] == ["a", "b"]
    assert chosen(Chooser(book("a"), SETTINGS, able=able)) is None


def test_a_proposer_with_an_order_of_its_own_is_an_arm_too() -> None:
    settings = replace(SETTINGS, own=0.5)

    def taught(*, own_us: float) -> Chooser:
        chooser = Chooser(book("a"), settings, able=lambda directive, context: True)
        for number in range(1, 9):
            chooser.tell(child(number, ask(number), own_us, done="elsewhere"), ROOT)
            chooser.tell(child(number + 10, ask(number + 10, directive="a"), 80.0 if number % 2 else 120.0), ROOT)
        return chooser

    assert chosen(Chooser(book("a"), settings, able=lambda directive, context: True)) == "a"
    assert chosen(taught(own_us=50.0)) is None
    assert chosen(taught(own_us=120.0)) == "a"


# what it learns


def test_outcomes_have_classes() -> None:
    proposal = ask(directive="a")
    cases = {
        Worth.BEST: child(1, proposal, 50.0, best=True),
        Worth.BETTER: child(1, proposal, 50.0),
        Worth.ACCEPT: child(1, proposal, 99.5),
        Worth.REJECT: replace(ROOT, attempt=replace(ROOT.attempt, evaluation=None, candidate=None, outcome=Outcome.UNUSABLE)),
    }
    assert [worth(node, ROOT, effect=0.01) for node in cases.values()] == list(cases)
    twin = child(1, proposal, 50.0)
    assert worth(replace(twin, attempt=replace(twin.attempt, outcome=Outcome.DUPLICATE)), ROOT, effect=0.01) is Worth.REJECT


def test_credit_goes_to_what_was_done_and_not_to_the_wish() -> None:
    chooser = Chooser(book("wish", "done", "other"), SETTINGS)
    for number in range(1, 6):
        chooser.tell(child(number, ask(number, directive="wish"), 50.0, done="done"), ROOT)
    assert {chosen(chooser, ticket) for ticket in range(20)} == {"done"}


def test_what_says_nothing_of_an_edit_teaches_nothing() -> None:
    told, fresh = Chooser(book("a", "b"), SETTINGS), Chooser(book("a", "b"), SETTINGS)
    told.tell(ROOT, None)
    told.tell(exhausted(1, ask(directive="a")), ROOT)
    repeated = child(2, ask(directive="a"), 50.0)
    told.tell(replace(repeated, attempt=replace(repeated.attempt, outcome=Outcome.REPEATED)), ROOT)
    assert [chosen(told, ticket) for ticket in range(30)] == [chosen(fresh, ticket) for ticket in range(30)]


def test_what_a_directive_brought_counts_for_its_own_bottleneck() -> None:
    chooser = Chooser(book("a", "b", relieves=(Resource.L2, Resource.TAIL)), SETTINGS)
    for number in range(1, 9):
        chooser.tell(child(number, ask(number, directive="a"), 50.0), ROOT)
        chooser.tell(child(number, ask(number, directive="b"), 200.0), ROOT)
    assert {chosen(chooser, ticket) for ticket in range(20)} == {"a"}
    assert {chosen(chooser, ticket, profiled(ROOT, Resource.TAIL)) for ticket in range(20)} == {"a", "b"}


def test_the_same_step_from_a_kernel_much_alike_is_no_gain() -> None:
    def history(time_us: float) -> set[str | None]:
        chooser, number = Chooser(book("a", "b"), SETTINGS), 0
        chooser.tell(child(1, ask(1, directive="a"), 50.0), ROOT)
        for number in range(2, 12):
            twin = child(number, ask(number, directive="z"), 99.0)
            chooser.tell(twin, ROOT)
            chooser.tell(child(number + 50, ask(number + 50, directive="a"), time_us), twin)
        return {chosen(chooser, ticket) for ticket in range(20)}

    assert history(50.0) == {"b"}  # where `a` already led from the root
    assert history(40.0) == {"a"}


def test_state_comes_from_tell_alone() -> None:
    def history(asked: bool) -> list[str | None]:
        chooser = Chooser(book("a", "b", "c"), SETTINGS)
        for number in range(1, 12):
            directive = chosen(chooser, number) if asked else "abc"[number % 3]
            if asked:
                directive = "abc"[number % 3]
            chooser.tell(child(number, ask(number, directive=directive), 40.0 + 10 * (number % 7)), ROOT)
        return [chosen(chooser, ticket) for ticket in range(20)]

    assert history(True) == history(False)


# synthetic arms: an arm is its chance to make a kernel faster, as a function of how often it was pulled


Arm = Callable[[int], float]


@dataclass
class Play:
    """Gains, and the gains that the best arm would have had."""

    gained: int
    possible: float


def play(arms: dict[str, Arm], settings: BanditSettings, seed: int, rounds: int, *, blind: bool = False) -> Play:
    chance, chooser = random.Random(seed), Chooser(book(*arms), settings)
    pulls = dict.fromkeys(arms, 0)
    gained, possible = 0, 0.0
    for number in range(1, rounds + 1):
        ticket = seed * 10_000 + number
        name = chance.choice(sorted(arms)) if blind else chosen(chooser, ticket)
        possible += max(arm(pulls[each]) for each, arm in arms.items())
        success = chance.random() < arms[name](pulls[name])
        pulls[name] += 1
        gained += success
        chooser.tell(child(number, ask(ticket, directive=name), 50.0 if success else 120.0), ROOT)
    return Play(gained, possible)


STEADY: dict[str, Arm] = {f"d{i}": (lambda _, p=p: p) for i, p in enumerate((0.05, 0.1, 0.1, 0.15, 0.2, 0.2, 0.3, 0.7))}
WEARING: dict[str, Arm] = {
    **{f"w{i}": (lambda n: 0.9 if n < 12 else 0.0) for i in range(2)},
    **{f"poor{i}": (lambda _: 0.05) for i in range(5)},
    "last": lambda _: 0.5,
}


def total(arms: dict[str, Arm], settings: BanditSettings = SETTINGS, rounds: int = 80, **more: bool) -> tuple[int, float]:
    """Gains and regret over ten seeds."""
    plays = [play(arms, settings, seed, rounds, **more) for seed in range(10)]
    return sum(p.gained for p in plays), sum(p.possible - p.gained for p in plays)


@pytest.mark.parametrize("arms", [STEADY, WEARING], ids=["steady", "wearing"])
def test_regret_is_much_lower_than_that_of_choosing_blindly(arms: dict[str, Arm]) -> None:
    (gained, regret), (by_chance, blind) = total(arms), total(arms, blind=True)
    assert regret < 0.6 * blind
    assert gained > 1.25 * by_chance


def test_forgetting_what_wore_out_helps_where_arms_wear_out() -> None:
    never = replace(SETTINGS, window=10_000)
    assert total(WEARING)[0] > 1.08 * total(WEARING, never)[0]
    assert total(STEADY)[0] > 0.95 * total(STEADY, never)[0]


def test_a_worn_out_arm_is_tried_again_after_a_new_best() -> None:
    def history(*, best: bool) -> set[str | None]:
        chooser, times = Chooser(book("a", "b", "c"), SETTINGS), iter(range(1, 99))
        for time_us in [50.0] * 2 + [120.0] * 8:
            chooser.tell(child(number := next(times), ask(number, directive="a"), time_us), ROOT)
        chooser.tell(child(number := next(times), ask(number, directive="b"), 40.0, best=best), ROOT)
        for _ in range(8):
            chooser.tell(child(number := next(times), ask(number, directive="b"), 130.0), ROOT)
        return {chosen(chooser, ticket) for ticket in range(20)}

    assert history(best=True) == {"a", "c"}
    assert history(best=False) == {"c"}


# its settings


def test_settings_name_their_sources() -> None:
    numbers = {name for name in BanditSettings.__dataclass_fields__ if name != "sources"}
    assert set(SETTINGS.sources) == numbers
    assert SETTINGS.classes.keys() == {each.value for each in Worth}
    with pytest.raises(UsageError, match="no bandit is called 'qqq'"):
        catalog.bandit_settings("qqq")


@pytest.mark.parametrize(
    ("old", "new", "complaint"), [("window = ", "width = ", "window: field required"), ("best = 1.0", "best = 4", "classes.best")]
)
def test_wrong_settings_are_refused(old: str, new: str, complaint: str) -> None:
    text = (data("profiles") / "bandit/default.toml").read_text()
    with pytest.raises(UsageError, match=f"b.toml: .*{complaint}"):
        bandit_settings_from_toml(text.replace(old, new), where="b.toml")
