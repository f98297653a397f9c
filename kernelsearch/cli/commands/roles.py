"""`kernelsearch roles RUN`: what each role took, what was repaired, and how the judge's predictions came out."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kernelsearch.report.roles import Bin, Calibration, Spent


@click.command(name="roles", short_help="What each role of a model took in a run, and how predictions came out.")
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def command(folder: Path, as_json: bool) -> None:
    """Show calls, tokens, money and seconds by role for RUN, how many attempts were repaired, and the judge's calibration."""
    from kernelsearch.report import html, roles, words

    record = html.read(folder)
    if record.damaged:
        click.echo(f"warning: {record.damaged}", err=True)
    spent, (passed, failed) = roles.spent(record.nodes), roles.repaired(record.nodes)
    found = roles.calibration(record.nodes)
    if as_json:
        told = {"roles": [asdict(each) for each in spent], "repaired": passed, "not_repaired": failed}
        click.echo(json.dumps({**told, "calibration": None if found is None else _plain(found)}, indent=1))
        return
    if not spent:
        click.echo("no model was asked in this run")
        return
    _show_spent(spent)
    if passed or failed:
        click.echo(f"\n{words.count(passed + failed, 'attempt')} repaired: {passed} passed then, {failed} did not")
    if found is not None:
        _show_calibration(found)


def _show_spent(spent: tuple[Spent, ...]) -> None:
    from kernelsearch.cli import tables
    from kernelsearch.report import words

    rows = []
    for each in spent:
        used = each.usage
        counts = (each.attempts, each.without, used.calls, f"{used.input_tokens:,}", f"{used.cached_tokens:,}", f"{used.output_tokens:,}")
        rows.append((each.role, *map(str, counts), words.money(used.usd), f"{used.seconds:.1f}"))
    heads = ("role", "attempts", "without", "calls", "tokens read", "of these cached", "written", "money", "seconds")
    tables.show(heads, rows, right=range(1, 9))


def _show_calibration(found: Calibration) -> None:
    from kernelsearch.cli import tables

    click.echo("\nprobability of failing, as predicted and as it happened before any repair")
    tables.show(("predicted", "edits", "mean", "failed"), [_row(each) for each in found.risks], right=(1, 2, 3))
    click.echo(f"mean squared error {found.brier:.3f}; always saying the share that failed would have {found.brier_of_rate:.3f}")
    if found.speedups:
        click.echo("\nspeed-up over the parent of edits that passed at once")
        tables.show(("predicted", "edits", "mean", "measured"), [_row(each) for each in found.speedups], right=(1, 2, 3))
    if found.ordered is not None:
        click.echo(f"of two edits the faster one was predicted to be that in {found.ordered:.0%} of the pairs; chance has 50%")


def _row(each: Bin) -> tuple[str, ...]:
    return (f"{each.low:g} to {each.high:g}", str(each.count), f"{each.predicted:.2f}", f"{each.happened:.2f}")


def _plain(found: Calibration) -> dict[str, object]:
    """Without infinity, which JSON does not have."""
    speedups = [{**asdict(each), "high": min(each.high, 1000.0)} for each in found.speedups]
    return {**asdict(found), "speedups": speedups}
