"""A long run made of model objects: a tree of any size with sources, prompts and answers as unlike each other as those of a real search."""

import random
from collections.abc import Iterator
from dataclasses import replace

import runs
from kernelsearch import catalog
from kernelsearch.model import Attempt, Bottleneck, Check, Metric, Node, Outcome, Profile, Resource, Reward, Term, Totals, Usage, Verdict
from kernelsearch.report.view import Record

DIRECTIVES = (
    "vector loads (float4)",
    "warp per row",
    "block size 256",
    "unroll 4",
    "shared tile 32",
    "swap thread axes",
    "fuse passes",
    "restrict",
)
RESOURCES = (
    Resource.DRAM_BANDWIDTH,
    Resource.UNCOALESCED,
    Resource.LATENCY,
    Resource.OCCUPANCY,
    Resource.SHARED_CONFLICTS,
    Resource.COMPUTE,
)
COUNTERS = [f"smsp__{a}_{b}.sum" for a in ("inst_executed", "warps_active", "sectors_read", "stalled") for b in "abcdefg"]
TERMS = ("speedup", "sol", "regression", "traffic", "coalescing", "instructions", "occupancy", "spills", "registers")
SENTENCE = (
    "the loads of neighbouring threads fall into one sector so a warp needs fewer requests while registers hold partial sums until a "
    "barrier that costs little because occupancy stays high and no bank is asked twice in one cycle after padding each row by one word"
)
WORDS = SENTENCE.split()
SYSTEM = "\n".join(f"Rule {number}: keep the outputs within the tolerance, and change one thing at a time." for number in range(40))


def prose(dice: random.Random, lines: int) -> str:
    return "\n".join(" ".join(dice.choice(WORDS) for _ in range(14)) + f" ({dice.randrange(10**6)})" for _ in range(lines))


def source(dice: random.Random, before: list[str]) -> list[str]:
    """`before` with two to eight lines changed, and now and then one more."""
    lines = list(before)
    for _ in range(dice.randint(2, 8)):
        place = dice.randrange(4, len(lines) - 2)
        lines[place] = (
            f"    float v{dice.randrange(999)} = x[row * cols + {dice.randrange(4096)}] * {dice.random():.4f}f;  // {dice.choice(WORDS)}"
        )
    if dice.random() < 0.3:
        lines.insert(dice.randrange(4, len(lines) - 2), f"    __syncthreads();  // {dice.randrange(999)}")
    return lines


def profile(dice: random.Random, us: float) -> Profile:
    found = runs.profile(round(dice.uniform(1, 32), 1), round(dice.uniform(80, 800), 1))
    metrics = {name: Metric(value=dice.randrange(10**7), unit="inst") for name in COUNTERS}
    facts = {
        **found.facts,
        "occupancy %": str(dice.randrange(3, 100)),
        "DRAM %": str(dice.randrange(3, 100)),
        "registers": str(dice.randrange(16, 128)),
    }
    limit = Bottleneck(resource=dice.choice(RESOURCES), evidence=f"{dice.randrange(100)} % of {us:.1f} µs")
    return replace(found, metrics={**found.metrics, **metrics}, facts=facts, bottleneck=limit)


def nodes(count: int, seed: int = 1) -> Iterator[Node]:
    """The baseline first; about two thirds pass, few of them better than all before."""
    dice = random.Random(seed)
    sources = [[*runs.SOURCE.splitlines(), *(f"// {text}" for text in prose(dice, 60).splitlines())]]
    best, parents = 412.0, [0]
    yield replace(runs.nodes()[0], attempt=replace(runs.nodes()[0].attempt, seconds=3.0))
    for number in range(1, count):
        parent = parents[-1 - min(int(dice.expovariate(0.05)), len(parents) - 1)] if dice.random() < 0.8 else dice.choice(parents)
        lines = source(dice, sources[parent])
        sources.append(lines)
        text = "\n".join(lines)
        good, better = dice.random() < 0.66, dice.random() < 0.004
        us = best * 0.93 if better and good else best * dice.uniform(1.0, 3.0)
        made = attempt(dice, number, parent, text, us if good else None, shown=good and better)
        if good:
            parents.append(number)
            best = min(best, us)
        yield Node(number=number, attempt=made, reward=reward(dice, good, us), at_seconds=2.0 * number)


def attempt(dice: random.Random, number: int, parent: int, text: str, us: float | None, *, shown: bool) -> Attempt:
    usage = Usage(input_tokens=9000 + number % 700, cached_tokens=4000, output_tokens=900, usd=0.012, calls=1, seconds=6.5)
    checks = tuple(
        Check(case=f"{dice.randrange(9999)}x{n}", distribution="normal", verdict=Verdict.PASSED, max_error=dice.random()) for n in range(12)
    )
    said = {
        "model": "m-1",
        "usage": usage,
        "prompt": f"{SYSTEM}\n\n{text}\n\n{prose(dice, 12)}",
        "reply": f"{prose(dice, 14)}\n```\n{text}\n```",
    }
    if us is None:
        verdict = dice.choice((Verdict.WRONG, Verdict.BUILD_FAILED, Verdict.CRASHED, Verdict.REJECTED, Verdict.TIMED_OUT))
        evaluation = runs.failed(verdict, f"line {number}: {prose(dice, 1)}")
    else:
        judged = replace(runs.passed(us, 4.0), candidate=f"digest {number}", checks=checks, profile=profile(dice, us))
        evaluation = runs.confirmed(judged) if shown else judged
    return runs.attempt(parent, number, dice.choice(DIRECTIVES), evaluation, text, outcome=Outcome.EVALUATED, **said)


def reward(dice: random.Random, good: bool, us: float) -> Reward:
    if not good:
        return Reward(value=-2.3, gate="verdict")
    terms = tuple(
        Term(name=name, raw=raw, weight=0.1, contribution=raw / 10, note=f"{raw:.3f}") for name in TERMS for raw in [dice.uniform(-0.5, 3)]
    )
    return Reward(value=sum(term.contribution for term in terms) + 412 / us, terms=terms)


def record(count: int, folder: str = "runs/long") -> Record:
    made = tuple(nodes(count))
    totals = Totals()
    for node in made[1:]:
        totals = totals.with_attempt(node.attempt.usage, counts=True, at_seconds=node.at_seconds)
    environment = replace(runs.ENVIRONMENT, device="emulated H100 SXM5 80GB")
    return Record(
        task=runs.task(),
        spec=runs.SPEC,
        environment=environment,
        nodes=made,
        totals=totals,
        started="2026-11-24T12:00:00+00:00",
        version="0.2.0",
        folder=folder,
        hardware=catalog.hardware_of(environment.device),
    )
