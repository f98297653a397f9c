"""`kernelsearch init kernel.cu`: draft the task file that says what the kernel computes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="init", short_help="Draft the task file of a CUDA source.")
@click.argument("kernel", type=click.Path(path_type=Path))
@click.option("--elements", default=1 << 23, show_default=True, type=click.IntRange(min=1), help="Of the largest tensor in the timed case.")
@click.option("--force", is_flag=True, help="Replace a task file that is there already.")
def command(kernel: Path, elements: int, force: bool) -> None:
    """Draft KERNEL.task.toml beside the CUDA source KERNEL: its arguments, shapes, cases, tolerance and cost.

    What could not be read from the source is assumed and said; edit the file where that is wrong.
    """
    from kernelsearch import catalog
    from kernelsearch.cli import inputs
    from kernelsearch.draft import draft
    from kernelsearch.errors import UsageError
    from kernelsearch.report.words import clean
    from kernelsearch.store.files import put

    if kernel.suffix == inputs.PROBLEM:
        raise UsageError(f"{kernel} is a PyTorch problem, which needs no task file: kernelsearch optimize {kernel}")
    target = inputs.task_file(kernel)
    source = catalog.read(kernel)
    if target.exists() and not force:
        raise UsageError(f"{target} is there already; edit it, or draft it anew with --force")
    drafted = draft(source, kernel.name, elements=elements)
    put(target, drafted.toml)
    for name, texts in (("assumed", drafted.assumptions), ("unsure", drafted.questions)):
        for text in texts:
            click.echo(clean(f"{name:<9}{text}"))
    click.echo(f"{'wrote':<9}{target}")
    answer = f"answer what is unsure in {target}, then " if drafted.task is None else ""
    click.echo(f"{'next':<9}{answer}kernelsearch optimize {kernel}")
