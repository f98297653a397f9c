"""`kernelsearch export RUN… --sft|--preference|--form FORM --out PATH`: runs in the forms that others read."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="export", short_help="Write runs as training data, or as a benchmark's results.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--sft", "kind", flag_value="sft", help="Answers that made a kernel faster or mended it: messages.")
@click.option("--preference", "kind", flag_value="preference", help="Better and worse answers for one kernel: prompt, chosen, rejected.")
@click.option("--form", type=click.Choice(["kernelbench"]), help="Results as this benchmark's own scripts read them.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The JSONL file, replaced if it is there; with --form a folder."
)
@click.option("--margin", default=0.02, show_default=True, type=click.FloatRange(min=0), help="Least gain, beyond measured noise.")
def command(runs: tuple[Path, ...], kind: str | None, form: str | None, out: Path, margin: float) -> None:
    """Write the model's answers in each RUN as JSONL in the conversational form that trl reads, with where each came from.

    Keys are taken out. Edits by rules have no prompt, so they are no training data. With --form, RUN is a run folder or one with many
    below it, such as that of `kernelsearch bench`, and the best kernels and their times are written.
    """
    from kernelsearch.errors import UsageError

    if (kind is None) == (form is None):
        raise UsageError("say what to export: --sft, --preference, or --form with a benchmark's name")
    if form is not None:
        return _results(runs, out)
    _training(runs, kind == "sft", out, margin)


def _results(runs: tuple[Path, ...], out: Path) -> None:
    from kernelsearch.formats import kernelbench
    from kernelsearch.report import words

    samples: list[kernelbench.Sample] = []
    for run in runs:
        found, left = kernelbench.collected(run)
        samples += found
        for text in left:
            click.echo(f"left out: {text}", err=True)
    for path in kernelbench.write(samples, out, runs[0].resolve().name):
        click.echo(path)
    click.echo(f"{words.count(len(samples), 'sample')} of {words.count(len({(s.level, s.problem) for s in samples}), 'problem')}")


def _training(runs: tuple[Path, ...], sft: bool, out: Path, margin: float) -> None:
    import json

    from kernelsearch.report import html, training, words
    from kernelsearch.store.files import put

    records = [html.read(run) for run in runs]
    for record in records:
        if record.damaged:
            click.echo(f"warning: {record.damaged}", err=True)
    tally = training.Tally()
    make = training.sft if sft else training.preferences
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in make(records, tally, margin=margin)]
    put(out, "".join(lines))
    unclear = f"; {words.count(tally.unclear, 'conversation')} whose turns the record does not tell apart left out" if tally.unclear else ""
    click.echo(f"{out}: {words.count(tally.rows, 'row')} from {words.count(len(records), 'run')}{unclear}")
