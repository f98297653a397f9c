"""`kernelsearch doctor`: what this machine can do, and what to install for the rest."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command(name="doctor", short_help="Say what this machine can do.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(as_json: bool) -> int:
    """Look at compiler, GPU, profiler, sandbox and models. Nothing is sent anywhere; keys are never shown.

    The sandbox is proven by trying to break out of it. Exit code 3 only if no search at all can run here.
    """
    from kernelsearch.cli import checks
    from kernelsearch.report.words import clean

    lines = []
    for line in checks.all_checks():
        lines.append(line)
        if as_json:
            click.echo(json.dumps(asdict(line)))
            continue
        click.echo(clean(f"{'ok' if line.ok else 'missing':<9}{line.name:<24}{line.text}"))
        if not line.ok:
            click.echo(clean(f"{'':<9}{'':<24}{line.remedy}"))
    if not checks.usable(lines):
        click.echo("no search can run on this machine until the sandbox and a compiler work", err=True)
        return 3
    return 0
