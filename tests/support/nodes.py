"""Model objects for tests: nodes that passed or failed, without a device."""

import math
from dataclasses import replace

from kernelsearch.model import (
    Attempt,
    Build,
    Candidate,
    CaseTiming,
    Confirmation,
    Environment,
    Evaluation,
    Interval,
    Measurement,
    Node,
    Origin,
    Outcome,
    Proposal,
    Reward,
    TimeKind,
    Verdict,
)
from kernelsearch.model.run import NO_TICKET

ENVIRONMENT = Environment(device="fake", time_kind="modelled", sandbox="none (unsafe)")


def measured(time_us: float, speedup: float | None = None, interval: Interval | None = None) -> Measurement:
    timings = (CaseTiming(case="c0", samples_us=(time_us,)),)
    kind = TimeKind.MODELLED if speedup is None else TimeKind.MEASURED
    return Measurement(kind=kind, timings=timings, speedup=speedup, interval=interval)


def passing(time_us: float, name: str = "digest", *, against: str = "", held: bool = True) -> Evaluation:
    """Of the candidate with digest `name`; with a second trial `against` another one."""
    confirmation = Confirmation(against=against, measurement=measured(time_us), held=held, detail="as told") if against else None
    return Evaluation(
        candidate=name,
        verdict=Verdict.PASSED,
        build=Build(ok=True, toolchain="fake", artifact="a.so"),
        measurement=measured(time_us),
        confirmation=confirmation,
        environment=ENVIRONMENT,
    )


def candidate(number: int) -> Candidate:
    return Candidate(task="t", source=f"// candidate {number}\n" * 20, origin=Origin(proposer="fake"))


def passed(number: int, proposal: Proposal | None, time_us: float, *, reward: float | None = None) -> Node:
    attempt = Attempt(proposal=proposal, outcome=Outcome.EVALUATED, candidate=candidate(number), evaluation=passing(time_us))
    return Node(number=number, attempt=attempt, reward=Reward(value=100.0 / time_us if reward is None else reward))


def failed(number: int, proposal: Proposal | None, verdict: Verdict = Verdict.WRONG) -> Node:
    evaluation = Evaluation(candidate="digest", verdict=verdict, environment=ENVIRONMENT)
    attempt = Attempt(proposal=proposal, outcome=Outcome.EVALUATED, candidate=candidate(number), evaluation=evaluation)
    return Node(number=number, attempt=attempt, reward=Reward(value=-1.0, gate=verdict.value))


def exhausted(number: int, proposal: Proposal) -> Node:
    return Node(number=number, attempt=Attempt(proposal=proposal, outcome=Outcome.EXHAUSTED))


def ended(number: int, proposal: Proposal, outcome: Outcome) -> Node:
    """An attempt of which no kernel came."""
    return Node(number=number, attempt=Attempt(proposal=proposal, outcome=outcome, detail="as told"))


def by_hand(number: int, parent: int, speedup: float) -> Node:
    """A kernel that the owner of the run added to `parent`."""
    return trial(number, Proposal(ticket=NO_TICKET, parent=parent, seed=0, by_hand=f"letter {number}"), speedup)


def trial(number: int, proposal: Proposal | None, speedup: float, width: float = 0.1, *, directive: str = "") -> Node:
    """Measured in pairs, with an interval of `width` around it; a repeat where the proposal asks for one."""
    interval = Interval(low=speedup - width / 2, high=speedup + width / 2, confidence=0.99)
    evaluation = replace(passing(100.0 / speedup), measurement=measured(100.0 / speedup, speedup, interval))
    reward = Reward(value=math.log2(speedup))
    if proposal is not None and proposal.repeat:
        return Node(number=number, attempt=Attempt(proposal=proposal, outcome=Outcome.REPEATED, evaluation=evaluation), reward=reward)
    made = replace(candidate(number), origin=Origin(proposer="fake", directive=directive))
    attempt = Attempt(proposal=proposal, outcome=Outcome.EVALUATED, candidate=made, evaluation=evaluation)
    return Node(number=number, attempt=attempt, reward=reward)
