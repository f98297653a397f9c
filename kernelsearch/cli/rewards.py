"""What `rescore` shows: which kernels another set of weights ranks otherwise, and which term makes the difference."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from kernelsearch.cli.tables import show
from kernelsearch.model import Node
from kernelsearch.report import rescore, words
from kernelsearch.report.ablation import Ablation, greedy_parents
from kernelsearch.report.rescore import Agreement, Rescored
from kernelsearch.report.view import Record, best_of

_TOP = 5  # shown whether they moved or not
_ROWS = 24  # at most; JSON has all


def show_rescored(record: Record, found: Rescored) -> None:
    """Whether the recorded rewards came out again, the best, and a table of the ranks that changed."""
    nodes, before = record.nodes, rescore.recorded(record.nodes)
    differing = rescore.differing(before, found.rewards)
    click.echo(words.clean(f"{words.count(len(nodes), 'node')} scored again by {found.profile.name!r}, from the journal alone"))
    click.echo(words.clean(_differing(differing, record.spec.reward)))
    chosen = rescore.best(nodes, found.rewards)
    old = rescore.best(nodes, before)
    was = "" if old == chosen else f" (as recorded: #{old})"
    click.echo(f"best by reward #{chosen}{was} · shown to be the fastest #{best_of(nodes).number}")
    told = rescore.agreement(nodes, before, found.rewards)
    click.echo(f"ranking: {_agreement(told)}")
    _show_ranks(record, found)


def _differing(numbers: Sequence[int], name: str) -> str:
    if not numbers:
        return "every reward comes out as it was recorded"
    return f"{words.count(len(numbers), 'reward')} not as recorded by {name!r}"


def _agreement(found: Agreement) -> str:
    if not found.pairs:
        return "a single kernel passed"
    return f"{found.swapped:,} of {words.count(found.pairs, 'pair')} swapped, Kendall's tau {_tau(found)}"


def _tau(found: Agreement) -> str:
    return words.DASH if found.tau is None else f"{found.tau:.3f}"


def _show_ranks(record: Record, found: Rescored) -> None:
    nodes, before = record.nodes, rescore.recorded(record.nodes)
    old = {number: place for place, number in enumerate(rescore.ranked(nodes, before), 1)}
    ranked = list(enumerate(rescore.ranked(nodes, found.rewards), 1))
    telling = [(place, number) for place, number in ranked if place <= _TOP or old.get(number) != place]
    rows = [(str(place), _old(old.get(number), place), *_cells(nodes[number], nodes[0], found)) for place, number in telling[:_ROWS]]
    click.echo()
    unit = words.unit(record.environment.time_kind)
    show(("rank", "was", "#", "directive", unit, "x", "recorded", "now"), rows, right=(0, 1, 2, 4, 5, 6, 7))
    if left := len(telling) - len(rows):
        click.echo(f"and {left:,} more that changed places; --json has them all")
    elif same := len(ranked) - len(telling):
        click.echo(f"{words.count(same, 'kernel')} further down {'keeps its rank' if same == 1 else 'keep their ranks'}")


def _old(old: int | None, place: int) -> str:
    return "new" if old is None else "" if old == place else str(old)


def _cells(node: Node, baseline: Node, found: Rescored) -> tuple[str, ...]:
    now = found.rewards[node.number]
    return (
        str(node.number),
        words.first_line(words.directive(node), 24),
        words.time(node.time_us),
        words.ratio(words.speedup(node, baseline)),
        words.DASH if node.reward is None else f"{node.reward.value:.3f}",
        words.DASH if now is None else f"{now.value:.3f}",
    )


def show_ablations(record: Record, found: Rescored, ablations: Sequence[Ablation]) -> None:
    """A row a term: what is chosen without it."""
    whole = rescore.best(record.nodes, found.rewards)
    usual = greedy_parents(record.nodes, found.rewards)
    rows = [
        (
            each.term,
            f"{each.weight:g}",
            f"#{each.best}" if each.best != whole else "same",
            f"{each.agreement.swapped:,}",
            _tau(each.agreement),
            str(len(each.moved)),
            _first(each, usual),
        )
        for each in ablations
    ]
    pairs, steps = ablations[0].agreement.pairs if ablations else 0, len(record.nodes) - 1
    of = f"of {words.count(pairs, 'pair')} of kernels and {words.count(steps, 'step')} of greedy selection"
    click.echo(f"\nwithout one term, {of}")
    heads = ("without", "weight", "best", "swapped", "tau", "steps", "greedy would edit")
    show(heads, rows, right=(1, 2, 3, 4, 5))


def _first(each: Ablation, usual: Sequence[int | None]) -> str:
    if not each.moved:
        return "the same"
    step = each.moved[0]
    one, other = (words.DASH if number is None else f"#{number}" for number in (each.parents[step - 1], usual[step - 1]))
    return f"{one}, not {other}, at {step}"


def as_json(record: Record, found: Rescored, ablations: Sequence[Ablation] | None) -> str:
    """Everything that is shown, for every node, as one object."""
    nodes, before = record.nodes, rescore.recorded(record.nodes)
    ranks = [{number: place for place, number in enumerate(rescore.ranked(nodes, each), 1)} for each in (before, found.rewards)]
    told = rescore.agreement(nodes, before, found.rewards)
    value: dict[str, object] = {
        "run": record.folder,
        "reward": {"name": found.profile.name, "weights": dict(found.profile.weights), "gates": dict(found.profile.gates)},
        "recorded_with": record.spec.reward,
        "differing": list(rescore.differing(before, found.rewards)),
        "best_by_reward": rescore.best(nodes, found.rewards),
        "best_by_recorded_reward": rescore.best(nodes, before),
        "best_shown": best_of(nodes).number,
        "ranking": _json_agreement(told),
        "nodes": [_json_node(node, found, *(rank.get(node.number) for rank in ranks)) for node in nodes],
    }
    if ablations is not None:
        value["greedy_parents"] = list(greedy_parents(nodes, found.rewards))
        value["ablation"] = [
            {
                "term": each.term,
                "weight": each.weight,
                "best_by_reward": each.best,
                **_json_agreement(each.agreement),
                "greedy_parents": list(each.parents),
                "moved_steps": list(each.moved),
            }
            for each in ablations
        ]
    return json.dumps(value)


def _json_agreement(found: Agreement) -> dict[str, object]:
    return {"tau": found.tau, "swapped": found.swapped, "pairs": found.pairs}


def _json_node(node: Node, found: Rescored, old: int | None, new: int | None) -> dict[str, object]:
    now = found.rewards[node.number]
    return {
        "number": node.number,
        "status": words.status(node),
        "time_us": node.time_us,
        "recorded": None if node.reward is None else node.reward.value,
        "reward": None if now is None else now.value,
        "gate": None if now is None else now.gate,
        "terms": {} if now is None else {term.name: term.contribution for term in now.terms},
        "rank_recorded": old,
        "rank": new,
    }
