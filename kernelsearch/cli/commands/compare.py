"""`kernelsearch compare A B`: which differences between two suites, or two runs, are real."""

from __future__ import annotations

import click


@click.command(name="compare", short_help="Say which differences between two suites or runs are real.")
@click.argument("a")
@click.argument("b")
@click.option("--level", default=0.05, show_default=True, type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Of false calls.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def command(a: str, b: str, level: float, as_json: bool) -> None:
    """Compare the speed-ups of A and B task by task: folders of suites or of single runs; FOLDER:SETTING takes one setting of a suite.

    One seed tells kernels apart, by the intervals that were measured. Several seeds, six at least, tell ways to search apart. p values
    are corrected for the number of tasks (Holm). Times of different devices are not compared.
    """
    import json
    from dataclasses import asdict

    from kernelsearch.cli import batch_views, compared, scoreboard
    from kernelsearch.suite.compare import compare

    first, second = compared.rows(a), compared.rows(b)
    found = compare(first, second, level=level)
    compared.check(found, a, b)
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    click.echo(f"A  {a}\nB  {b}\n")
    batch_views.show_grid(scoreboard.differences(found))
    click.echo()
    for text in compared.summary(found, level):
        click.echo(text)
