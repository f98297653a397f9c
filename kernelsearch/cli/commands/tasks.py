"""`kernelsearch tasks`: what there is to optimise, one task in full, or whether tasks are fit to judge by."""

from __future__ import annotations

from pathlib import Path

import click

_DEFAULT = "show"  # `kernelsearch tasks matmul` is `kernelsearch tasks show matmul`


class _WithDefault(click.Group):
    """Takes what is not a command for arguments of the default one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group(name="tasks", cls=_WithDefault, short_help="List the shipped tasks, show one, or check them.")
def command() -> None:
    """List the shipped tasks: `kernelsearch tasks`. Show one: `kernelsearch tasks TASK`. Check some: `kernelsearch tasks check TASK…`."""


@command.command(name=_DEFAULT, short_help="List the shipped tasks, or show one.")
@click.argument("task", metavar="[TASK | SUITE]", required=False)
@click.option("--source", is_flag=True, help="Print the kernel of TASK, and nothing else.")
def show(task: str | None, source: bool) -> None:
    """List the shipped tasks, or those of a SUITE, or show TASK: its arguments, cases and notes."""
    from kernelsearch import catalog
    from kernelsearch.cli import progress, tables
    from kernelsearch.errors import UsageError

    if task is None or task in catalog.suites():
        if source:
            raise UsageError("--source needs the name of a task; `kernelsearch tasks` lists them")
        return tables.show_tasks([catalog.task(name) for name in catalog.names()] if task is None else catalog.tasks(task))
    found = catalog.task(task)
    if source:
        return click.echo(found.baseline, nl=False)
    for line in progress.described(found):
        click.echo(line)
    tables.show_cases(found)
    if found.notes:
        click.echo(f"\n{found.notes.strip()}")


@command.command(name="check", short_help="Try cheats and honest answers on tasks.")
@click.argument("tasks", nargs=-1)
@click.option("--no-baseline", is_flag=True, help="Do not run the baseline; then no compiler is needed.")
@click.option("--full", is_flag=True, help="At the timed sizes too; takes a minute a task.")
@click.option("--verbose", is_flag=True, help="Every solver of every task, not only of those that are refused.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write everything to FILE as well.")
@click.option("--seed", default=0, show_default=True, help="Seed of inputs.")
@click.option("--unsafe", is_flag=True, help="Where no sandbox works, run baselines without one. Only for kernels that you trust.")
def check(tasks: tuple[str, ...], no_baseline: bool, full: bool, verbose: bool, file: Path | None, seed: int, unsafe: bool) -> int:
    """Admit TASKS (tasks, suites or folders; all shipped ones by default) or say why not. Exit code 0 if all are admitted, else 2.

    A task is admitted if its reference is sound, if answers that were not computed, or in less precision, are found wrong, and if
    honest ones pass: the reference in float32, and the task's baseline on the emulated device.
    """
    from kernelsearch import catalog
    from kernelsearch.cli import inputs, trials
    from kernelsearch.errors import UsageError

    chosen = [item for ref in tasks or catalog.names() for item in inputs.listed(ref)]
    admissions, broken = [], 0
    with trials.court(baseline=not no_baseline, seed=seed, unsafe=unsafe) as admit:
        for item in chosen:
            try:
                task = item.read()
            except UsageError as error:
                if len(chosen) == 1:
                    raise
                click.echo(f"{item.suite}/{item.name}: cannot be read: {error}")  # one must not end the others
                broken += 1
                continue
            admissions.append(admit(task, full))
            trials.show(admissions[-1], verbose=verbose)
    trials.total(admissions)
    if file is not None:
        file.write_text(trials.as_json(admissions), encoding="utf-8")
    return 0 if not broken and all(admission.admitted for admission in admissions) else 2
