"""`kernelsearch tasks`: what there is to optimise, or one task in full."""

from __future__ import annotations

import click


@click.command(name="tasks", short_help="List the shipped tasks, or show one.")
@click.argument("task", required=False)
@click.option("--source", is_flag=True, help="Print the kernel of TASK, and nothing else.")
def command(task: str | None, source: bool) -> None:
    """List the shipped tasks, or show TASK: its arguments, cases and notes."""
    from kernelsearch import catalog
    from kernelsearch.cli import progress, tables
    from kernelsearch.errors import UsageError

    if task is None:
        if source:
            raise UsageError("--source needs the name of a task; `kernelsearch tasks` lists them")
        return tables.show_tasks([catalog.task(name) for name in catalog.names()])
    found = catalog.task(task)
    if source:
        return click.echo(found.baseline, nl=False)
    for line in progress.described(found):
        click.echo(line)
    tables.show_cases(found)
    if found.notes:
        click.echo(f"\n{found.notes.strip()}")
