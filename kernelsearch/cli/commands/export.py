"""`kernelsearch export RUN… --sft|--preference|--form FORM --out PATH`: runs in the forms that others read."""

from __future__ import annotations

from pathlib import Path

import click

_FORMS = ("kernelbench", "gpumode", "flashinfer", "robust-kbench", "computeeval")


@click.command(name="export", short_help="Write runs as training data, or as a benchmark's results.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--sft", "kind", flag_value="sft", help="Answers that made a kernel faster or mended it: messages.")
@click.option("--preference", "kind", flag_value="preference", help="Better and worse answers for one kernel: prompt, chosen, rejected.")
@click.option("--form", type=click.Choice(_FORMS), help="The best kernels, and results, as this benchmark has them.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The JSONL file, replaced if there; with --form also a folder.")
@click.option("--problem", type=click.Path(path_type=Path), help="For computeeval: the problem-spec.yaml that the kernel is for.")
@click.option("--margin", default=0.02, show_default=True, type=click.FloatRange(min=0), help="Least gain, beyond measured noise.")
def command(runs: tuple[Path, ...], kind: str | None, form: str | None, problem: Path | None, out: Path, margin: float) -> None:
    """Write the model's answers in each RUN as JSONL in the conversational form that trl reads, with where each came from.

    Keys are taken out. Edits by rules have no prompt, so they are no training data. With --form, RUN is a run folder (for kernelbench
    also one with many below it, such as that of `kernelsearch bench`); its best kernel and times are written as that benchmark has them.
    """
    from kernelsearch.errors import UsageError

    if (kind is None) == (form is None):
        raise UsageError("say what to export: --sft or --preference, or --form with a benchmark's name")
    if form is not None:
        return _results(runs, out) if form == "kernelbench" else _converted(runs, form, problem, out)
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


def _converted(runs: tuple[Path, ...], form: str, problem: Path | None, out: Path) -> None:
    """One run in the format that its task was read from: a submission or solution in the file `out`, results in the folder `out`."""
    from kernelsearch.errors import UsageError
    from kernelsearch.formats import computeeval, exports, gpumode
    from kernelsearch.store.files import put

    if len(runs) > 1:
        raise UsageError(f"--form {form} writes one run; {len(runs)} are given")
    if (problem is not None) != (form == "computeeval"):
        raise UsageError("--problem names a problem-spec.yaml, and belongs to --form computeeval")
    found = exports.outcome(runs[0])
    if not found.best.passed:
        click.echo(f"warning: no kernel of this run passed; what is written is its baseline, {found.evaluation.verdict.value}", err=True)
    if form == "gpumode":
        texts = {"": gpumode.submission(found.task, found.candidate)}
    elif problem is not None:
        texts = {"": computeeval.solution(problem, found.candidate.source)}
    else:
        texts = exports.flashinfer(found) if form == "flashinfer" else exports.robust(found)
    for name, text in texts.items():
        target = out / name if name else out
        target.parent.mkdir(parents=True, exist_ok=True)
        put(target, text)
        click.echo(target)


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
