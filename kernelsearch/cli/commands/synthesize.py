"""`kernelsearch synthesize "WORDS"`: from words to a task, to distinct ways of implementing it, to a search from those that pass."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kernelsearch.cli.options import BUDGET, LAB, SEARCH, SearchOptions, price_notes, together
from kernelsearch.model.run import LOCAL

if TYPE_CHECKING:
    from kernelsearch.llm.base import LanguageModel
    from kernelsearch.model import Budget, RunSpec, Task, Usage
    from kernelsearch.synthesize import Limits, Synthesis

ANSWERS = "answers.jsonl"
_SLUG = 6  # words of a description that name its folder


@click.command(name="synthesize", short_help="Make a task from words, and search from several ways to implement it.")
@click.argument("words", metavar='"WORDS"|PROBLEM.py')
@click.option("--into", type=click.Path(path_type=Path), help="Folder of the task.  [default: named by the first words]")
@click.option(
    "--thoughts", "count", default=4, show_default=True, type=click.IntRange(1, 16), help="Ways to implement it, each tried once."
)
@click.option("--repairs", default=3, show_default=True, type=click.IntRange(0, 10), help="How often what is wrong goes back to the model.")
@click.option("--synthesize-only", "only", is_flag=True, help="Stop when the thoughts are judged; `resume` goes on.")
@click.option("--yes", is_flag=True, help="Do not ask: agree to run the model's reference.py unseen.")
@together(SEARCH, BUDGET, LAB)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/NAME-TIME]")
@click.option("--quiet", is_flag=True, help="No line for each attempt.")
def command(
    words: str,
    into: Path | None,
    count: int,
    repairs: int,
    only: bool,
    yes: bool,
    out: Path | None,
    quiet: bool,
    **chosen: Any,  # noqa: ANN401
) -> None:
    """Let a model write the task that WORDS describe, show it for consent, and try it as `kernelsearch tasks check` does.

    Then several distinct ways to implement it are thought up and judged, one candidate each, and the search goes on from those that pass.
    A PyTorch problem (.py, in KernelBench's form) is a task as it stands, and is only thought about.
    """
    from kernelsearch import digest, search
    from kernelsearch.cli import consent, inputs, session, views
    from kernelsearch.synthesize import Limits

    if out is not None:
        session.new_folder("", out)  # refused here: later the model has been paid
    spec = SearchOptions(**chosen).spec("", "")
    limits = Limits(repairs=repairs, budget=spec.budget, seed=spec.seed)
    folder, problem = _targets(words, into)
    task = None if problem is None else inputs.subject(words).task  # before a folder is made for what is said of it
    if task is None:
        consent.check_can_be_given(yes=yes)
    model = _model(spec, folder)
    view = views.open_view(as_json=False, quiet=quiet)
    for note in price_notes(spec):
        view.note(note)
    made = None
    if task is None:
        task, made = _task(words, model, folder, limits, spec, yes=yes)
    if spec.worker == LOCAL:
        device, remarks = inputs.device_for(task, spec.device)
        spec = replace(spec, device=device)
        for remark in remarks:
            view.note(remark)
    spec = _thought(replace(spec, task=digest.task(task), task_name=task.name), task, model, limits, count, made)
    if only:
        spec = replace(spec, budget=replace(spec.budget, candidates=count))
    run = session.new_folder(task.name, out)
    session.conduct(lambda watch, stop: search.optimize(task, spec, run, watch=watch, stop=stop), view, run, None)


def _targets(words: str, into: Path | None) -> tuple[Path, Path | None]:
    """The folder for the task and the model's answers, and the PyTorch problem that was named in place of words."""
    from kernelsearch.cli.inputs import PROBLEM, SOURCES
    from kernelsearch.errors import UsageError

    named = Path(words) if len(words) < 4096 and "\n" not in words else None
    if named is not None and named.suffix in (*SOURCES, ".toml") and " " not in words:
        raise UsageError(f"{words} names a task or a kernel that is there already: kernelsearch optimize {words}")
    if not words.strip():
        raise UsageError('say what is to be computed, as in: kernelsearch synthesize "row-wise softmax of an fp32 matrix, 8192 x 1024"')
    problem = named if named is not None and named.suffix == PROBLEM and " " not in words else None
    slug = "-".join(re.findall(r"[a-z0-9]+", (problem.stem if problem else words).lower())[:_SLUG]) or "synthesized"
    folder = into or Path(f"{slug}-thoughts" if problem else slug)
    if taken := [path for path in (folder.iterdir() if folder.is_dir() else ()) if path.name != ANSWERS]:
        raise UsageError(f"{folder} holds {taken[0].name} already; name another folder with --into")
    return folder, problem


def _model(spec: RunSpec, folder: Path) -> LanguageModel:
    from kernelsearch import synthesize

    return synthesize.open_model(spec.proposer, spec.proposer_options, folder / ANSWERS)


def _task(words: str, model: LanguageModel, folder: Path, limits: Limits, spec: RunSpec, *, yes: bool) -> tuple[Task, Synthesis]:
    """The task that `words` became, written to `folder`."""
    from kernelsearch import catalog, synthesize
    from kernelsearch.cli import consent, trials
    from kernelsearch.store.files import put

    click.echo(f"asking       {model.name} for a task; what it says is kept in {folder / ANSWERS}")
    with trials.court(baseline=True, seed=spec.seed, unsafe=spec.unsafe) as admit:
        made = synthesize.synthesize(
            words,
            model,
            lambda proposed: consent.before_it_runs(proposed, yes=yes),
            lambda task: admit(task, False),
            limits=limits,
        )
    consent.before_it_is_kept(made.admission, folder, yes=yes)
    for name in synthesize.FILES:
        put(folder / name, made.proposed.files[name])
    click.echo(f"wrote        {', '.join(str(folder / name) for name in synthesize.FILES)}; also for: kernelsearch optimize {folder}")
    return catalog.task(str(folder)), made


def _thought(spec: RunSpec, task: Task, model: LanguageModel, limits: Limits, count: int, made: Synthesis | None) -> RunSpec:
    """`spec` with thoughts to begin with, and with what is left of its budget."""
    from kernelsearch import lab, synthesize
    from kernelsearch.cli import consent

    left = limits if made is None else replace(limits, budget=_less(spec.budget, made.usage))
    click.echo(f"asking       {model.name} for {count} ways to implement {task.name}")
    found = synthesize.think(task, lab.hardware_for(spec.device, spec.hardware), model, count=count, limits=left)
    consent.show_thoughts(found.thoughts)
    options = dict(spec.proposer_options)
    if spec.proposer.startswith("replay:"):  # the run's own reader of that recording goes on where this one ended
        answers = found.turns + (0 if made is None else made.turns)
        options["skip"] = str(int(options.get("skip", "0")) + answers)
    return replace(spec, thoughts=found.thoughts, budget=_less(left.budget, found.usage), proposer_options=options)


def _less(budget: Budget, used: Usage) -> Budget:
    """What is left of the money and tokens."""
    return replace(
        budget,
        usd=None if budget.usd is None else max(0.0, budget.usd - used.usd),
        tokens=None if budget.tokens is None else max(0, budget.tokens - used.tokens),
    )
