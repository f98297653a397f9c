"""`kernelsearch export RUN… --sft|--preference --out FILE`: what models answered and what came of it, as training data."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="export", short_help="Write runs as training data for models.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--sft", "kind", flag_value="sft", help="Answers that made a kernel faster or mended it: messages.")
@click.option("--preference", "kind", flag_value="preference", help="Better and worse answers for one kernel: prompt, chosen, rejected.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The JSONL file; one that is there is replaced.")
@click.option("--margin", default=0.02, show_default=True, type=click.FloatRange(min=0), help="Least gain, beyond measured noise.")
def command(runs: tuple[Path, ...], kind: str | None, out: Path, margin: float) -> None:
    """Write the model's answers in each RUN as JSONL in the conversational form that trl reads, with where each came from.

    Keys are taken out. Edits by rules have no prompt, so they are no training data.
    """
    import json

    from kernelsearch.errors import UsageError
    from kernelsearch.report import html, training, words
    from kernelsearch.store.files import put

    if kind is None:
        raise UsageError("say what to export: --sft or --preference")
    records = [html.read(run) for run in runs]
    for record in records:
        if record.damaged:
            click.echo(f"warning: {record.damaged}", err=True)
    tally = training.Tally()
    make = training.sft if kind == "sft" else training.preferences
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in make(records, tally, margin=margin)]
    put(out, "".join(lines))
    unclear = f"; {words.count(tally.unclear, 'conversation')} whose turns the record does not tell apart left out" if tally.unclear else ""
    click.echo(f"{out}: {words.count(tally.rows, 'row')} from {words.count(len(records), 'run')}{unclear}")
