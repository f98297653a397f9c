"""`kernelsearch spool DIR`: what waits in a spool, who is at what, and what is done."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command(name="spool", short_help="Show what waits in a spool and who serves it.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def command(folder: Path, as_json: bool) -> None:
    """Show what waits in the folder DIR, what workers have claimed and what is answered. Looks for some seconds, to see who is alive."""
    from kernelsearch.cli.busy import busy
    from kernelsearch.report.words import clean
    from kernelsearch.workers.spool.status import look

    found = look(folder)
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    click.echo(f"{found.waiting} waiting, {found.claimed} claimed, {found.answered} answered, {found.late} late and not used")
    for worker in found.workers:
        click.echo(clean(f"worker  {worker.name}  {worker.device or 'unknown device'}  {worker.claimed} in hand  {worker.state}"))
    if not found.workers:
        click.echo(f"no worker; where the GPU is: kernelsearch worker {folder}")
    for done in found.worked:
        click.echo(clean(f"worked  {done.worker}  {done.answered} answered{busy(done)}"))
    for failure in found.failures:
        click.echo(clean(f"failed  {failure}"))
    for name in found.aside:
        click.echo(clean(f"aside   {folder / 'aside' / name}"))
