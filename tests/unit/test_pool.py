"""Pools of models: what a spec means, who gets which option, and who is asked next."""

import random
from pathlib import Path

import nodes
import pytest

from kernelsearch.errors import UsageError
from kernelsearch.llm import open_model
from kernelsearch.llm.base import Message
from kernelsearch.llm.pool import Member, Pool
from kernelsearch.model import Attempt, Node, Outcome, Proposal, Usage
from kernelsearch.propose.allot import Allotment, brought
from kernelsearch.propose.model import member

ASK = [Message(role="user", text="x")]


def replays(folder: Path, *names: str) -> list[str]:
    """Models that answer with their own names."""
    for name in names:
        (folder / name).write_text(f'{{"reply": "{name}"}}\n' * 50)
    return [f"replay:{folder / name}" for name in names]


def members(*shares: float) -> list[Member]:
    return [Member(name=f"m{number}", spec=f"m{number}", share=share, options={}) for number, share in enumerate(shares)]


def proposal(ticket: int, **more: object) -> Proposal:
    return Proposal(ticket=ticket, parent=0, seed=1000 + ticket, **more)


BASELINE = nodes.passed(0, None, 100.0)


def done(number: int, asked: Proposal, time_us: float | None, usd: float = 0.0) -> Node:
    if time_us is None:
        return Node(number=number, attempt=Attempt(proposal=asked, outcome=Outcome.UNUSABLE, usage=Usage(usd=usd, calls=1)))
    node = nodes.passed(number, asked, time_us)
    attempt = Attempt(
        proposal=asked, outcome=Outcome.EVALUATED, candidate=node.candidate, evaluation=node.evaluation, usage=Usage(usd=usd, calls=1)
    )
    return Node(number=number, attempt=attempt)


def test_a_pool_is_asked_by_its_shares_and_by_the_seed(tmp_path: Path):
    one, two = replays(tmp_path, "one", "two")
    model = open_model(f"pool:{one}*3,{two}")
    assert isinstance(model, Pool) and not model.by_price and model.name == f"pool:{one}*3,{two}"
    said = [model.complete("", ASK, seed=seed).text for seed in range(40)]
    assert 22 <= said.count("one") <= 38
    again = open_model(f"pool:{one}*3,{two}")
    assert [again.complete("", ASK, seed=seed).text for seed in range(40)] == said


def test_the_model_that_a_proposal_names_is_asked(tmp_path: Path):
    one, two = replays(tmp_path, "one", "two")
    model = open_model(f"pool:{one},{two}")
    assert member(model, proposal(0, model=two)).complete("", ASK).text == "two"
    alone = open_model(one)
    assert member(alone, proposal(0, model=two)) is alone


def test_options_go_to_those_that_have_them_and_to_one_alone(tmp_path: Path):
    (one,) = replays(tmp_path, "one")
    options = {"timeout_s": "9", "2.timeout_s": "7", "1.by": "order"}
    model = open_model(f"pool:{one},mailbox:{tmp_path}/box,mailbox:{tmp_path}/box", options=options)
    assert [dict(member.options) for member in model.members] == [{"by": "order"}, {"timeout_s": "7"}, {"timeout_s": "9"}]
    names = [member.name for member in model.members]
    assert len(set(names)) == 3 and names[0] == one


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("pool:", {}, "names no pool"),
        ("pool:openai:a", {}, "two models or more"),
        ("pool:openai:a,rules", {}, "no language model 'rules'"),
        ("pool:openai:a*0,openai:b", {}, "share is a number above zero"),
        ("pool:openai:a*many,openai:b", {}, "share is a number above zero"),
        ("pool:bandit:openai:a*2,openai:b", {}, "a bandit finds the shares"),
        ("pool:openai:a,openai:b", {"3.effort": "low"}, "members 1 to 2"),
        ("pool:openai:a,openai:b", {"colour": "red"}, "no member of the pool has an option 'colour'"),
        ("pool:openai:a,openai:b", {"1.by": "order"}, "no member of the pool has an option '1.by'"),
        ("pool:pool:openai:a,openai:b", {}, "no language model 'pool:openai:a'"),
        ("openai:a", {"base_url": "http://me:secret@host/v1"}, "holds a key or password"),
        ("anthropic:a", {"base_url": "http://h", "thinking": "hard"}, "adaptive, off, or a number"),
        ("openai:a", {"base_url": "http://h", "api": "messages"}, "`responses` or `chat`"),
    ],
)
def test_what_cannot_be_is_named(spec: str, options: dict[str, str], words: str):
    with pytest.raises(UsageError, match=words):
        open_model(spec, options=options)


def test_shares_are_kept_at_every_length():
    allotment = Allotment(members(3, 1), by_price=False)
    asked = [allotment.choose(proposal(ticket)).model for ticket in range(40)]
    for length in range(4, 41, 4):
        assert asked[:length].count("m1") == length // 4


def test_an_attempt_counts_once_towards_a_share_whether_it_is_back_or_not():
    allotment = Allotment(members(1, 1), by_price=False)
    for ticket in range(0, 20, 2):
        pair = [allotment.choose(proposal(ticket)), allotment.choose(proposal(ticket + 1))]
        assert sorted(each.model for each in pair) == ["m0", "m1"]
        for each in pair:
            if each.model == "m0":  # the other one's are never back
                allotment.tell(done(ticket + 1, each, 50.0), BASELINE)


@pytest.mark.parametrize("by_price", [False, True])
def test_a_resumed_run_goes_on_as_it_would_have(by_price: bool):
    chance = random.Random(5)
    history: list[Node] = []
    whole = Allotment(members(2, 1, 1), by_price=by_price)
    for ticket in range(30):
        asked = whole.choose(proposal(ticket))
        history.append(done(ticket + 1, asked, chance.choice((None, 40.0, 99.0)), usd=chance.random()))
        whole.tell(history[-1], BASELINE)
    resumed = Allotment(members(2, 1, 1), by_price=by_price)
    for node in history[:20]:
        resumed.tell(node, BASELINE)
    for node in history[20:]:
        assert resumed.choose(proposal(node.attempt.proposal.ticket)) == node.attempt.proposal
        resumed.tell(node, BASELINE)


def test_what_a_proposal_says_already_is_left():
    allotment = Allotment(members(1, 1), by_price=False)
    assert allotment.choose(proposal(0, model="m1")).model == "m1"
    assert allotment.choose(proposal(1, repeat=True)).model == ""
    allotment.tell(done(1, proposal(2, model="gone"), 50.0), BASELINE)  # a member of an earlier pool
    allotment.tell(BASELINE, None)


def played(odds: dict[str, float], usd: dict[str, float], rounds: int = 150) -> list[str]:
    """Who is asked by the bandit, where each member makes a kernel twice as fast with these odds, for this price."""
    chance = random.Random(1)
    allotment = Allotment(members(*[1.0] * len(odds)), by_price=True)
    asked = []
    for ticket in range(rounds):
        chosen = allotment.choose(proposal(ticket))
        asked.append(chosen.model)
        time_us = 50.0 if chance.random() < odds[chosen.model] else None
        allotment.tell(done(ticket + 1, chosen, time_us, usd[chosen.model]), BASELINE)
    return asked


def test_the_bandit_finds_who_brings_more_for_the_same_price():
    asked = played({"m0": 0.1, "m1": 0.6}, {"m0": 0.05, "m1": 0.05})
    assert asked[50:].count("m1") > 80 and asked.count("m0") >= 2


def test_the_bandit_finds_who_brings_as_much_for_less():
    asked = played({"m0": 0.4, "m1": 0.4}, {"m0": 0.50, "m1": 0.02})
    assert asked[50:].count("m1") > 85


def test_a_model_without_a_bill_is_not_all_that_is_asked():
    asked = played({"m0": 0.02, "m1": 0.9}, {"m0": 0.0, "m1": 0.02})
    assert asked[50:].count("m1") > 60


def test_an_attempt_is_worth_what_it_gained_on_its_parent():
    assert brought(done(1, proposal(0), None), BASELINE) == 0.0
    assert brought(done(1, proposal(0), 130.0), BASELINE) == pytest.approx(0.1)
    assert brought(done(1, proposal(0), 50.0), BASELINE) == pytest.approx(1.0)
    assert brought(done(1, proposal(0), 10.0), BASELINE) == pytest.approx(1.0)
    assert 0.1 < brought(done(1, proposal(0), 80.0), BASELINE) < 1.0
    assert brought(nodes.failed(1, proposal(0)), BASELINE) == 0.0
