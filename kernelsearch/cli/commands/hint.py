"""`kernelsearch hint RUN ["TEXT"]`: a person's idea for the next prompts of a run, whether it goes on now or is resumed later."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kernelsearch.store.hints import Hint, Hints
    from kernelsearch.store.rundir import RunFolder


@click.command(name="hint", short_help="Give a run an idea for its next prompts.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("text", required=False)
@click.option("--drop", type=int, metavar="N", help="Withdraw hint N.")
@click.option("--json", "as_json", is_flag=True, help="The hints as JSON.")
def command(run: Path, text: str | None, drop: int | None, as_json: bool) -> None:
    """Put TEXT into the next prompts of the run in the folder RUN, until it is withdrawn; without TEXT, list its hints.

    The run may go on in another process, which sees it at once, or be resumed later. The newest 8 are told.
    """
    from kernelsearch.errors import UsageError
    from kernelsearch.store.hints import Hints
    from kernelsearch.store.rundir import RunFolder

    if text is not None and drop is not None:
        raise UsageError("give a hint or withdraw one, not both at once")
    home, hints = RunFolder.open(run), Hints(run)
    for warning in hints.look().warnings:
        click.echo(f"warning: {warning}", err=True)
    if text is not None or drop is not None:
        given = hints.give(text) if text is not None else hints.drop(drop or 0)
        click.echo(_done(given, run), err=as_json)
    if _ignored(home):
        click.echo("warning: the proposer of this run is `rules`, which reads no prompt, so hints change nothing in it", err=True)
    if as_json or (text is None and drop is None):
        _list(home, hints, as_json=as_json)


def _ignored(home: RunFolder) -> bool:
    return home.spec.proposer == "rules"


def _done(hint: Hint, run: Path) -> str:
    if hint.dropped:
        return f"hint {hint.number} is withdrawn: prompts from now on are without it"
    return f"hint {hint.number} goes into the next prompts of {run}; withdraw it with: kernelsearch hint {run} --drop {hint.number}"


def _list(home: RunFolder, hints: Hints, *, as_json: bool) -> None:
    from kernelsearch.cli import tables

    told = Counter(number for node in home.nodes if node.attempt.proposal is not None for number in node.attempt.proposal.hints)
    if as_json:
        found = [{**asdict(hint), "in_force": hint.number in hints.in_force, "attempts": told[hint.number]} for hint in hints.all]
        click.echo(json.dumps(found, indent=1))
    elif hints.all:
        rows = [(str(h.number), h.at[:19].replace("T", " "), _state(h, hints), _taken(told[h.number]), h.text) for h in hints.all]
        tables.show(("", "given (UTC)", "", "taken up", "hint"), rows, right=(0,))
    else:
        click.echo(f'no hints yet; give one with: kernelsearch hint {home.path} "TEXT"')


def _state(hint: Hint, hints: Hints) -> str:
    if hint.dropped:
        return "withdrawn"
    return "in force" if hint.number in hints.in_force else "pushed out by newer ones"


def _taken(attempts: int) -> str:
    from kernelsearch.report import words

    return f"by {words.count(attempts, 'attempt')}" if attempts else "not yet"
