"""`kernelsearch prompt TASK|RUN[:NODE]`: what a model would be told, how long it is and what it costs. Nothing is sent."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kernelsearch.model import Context, Hardware, Proposal, Task
    from kernelsearch.propose.forecast import Forecast
    from kernelsearch.propose.prompt import Prompt
    from kernelsearch.store.hints import Hints
    from kernelsearch.store.rundir import RunFolder


@click.command(name="prompt", short_help="Show what a model would be told, with its size and price.")
@click.argument("subject", metavar="TASK|RUN[:NODE]")
@click.option("--llm", help="Model or pool to tell the price for.  [default: that of the run]")
@click.option("--base-url", default="", help="Endpoint of an OpenAI-compatible server, with --llm openai:MODEL.")
@click.option("--llm-option", multiple=True, metavar="NAME=VALUE", help="As for optimize: prompt_tokens, edit_format, max_tokens …")
@click.option("--role", default="coder", show_default=True, help="coder, planner, summariser; of an attempt RUN:NODE also judge, debugger.")
@click.option("--directive", help="The one edit to ask for.")
@click.option("--hardware", default="", help="Hardware profile to tell of.  [default: this machine's GPU, or that of the run]")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def command(
    subject: str,
    llm: str | None,
    base_url: str,
    llm_option: tuple[str, ...],
    role: str,
    directive: str | None,
    hardware: str,
    as_json: bool,
) -> None:
    """Write the prompt for an edit of TASK's own kernel, or of attempt NODE of RUN (its best by default), as it would be sent.

    Its size, by section, what was cut to keep it within prompt_tokens, and its price follow on standard error. No key is needed. Of a
    pool's limits the least holds here.
    """
    from kernelsearch.cli.options import named_options
    from kernelsearch.model import Proposal
    from kernelsearch.model.roles import DEBUGGER, JUDGE
    from kernelsearch.propose import forecast, preview
    from kernelsearch.propose.limits import limits

    task, context, gpu, run = _subject(subject, hardware)
    given = named_options(llm_option, base_url)
    options = given if llm or run is None else {**run.spec.proposer_options, **given}
    proposer = llm or (run.spec.proposer if run else "rules")
    proposal = Proposal(ticket=0, parent=context.parent.number, seed=0, directive=directive)
    if run is not None:
        proposal, context = _told(run, proposal, context, proposer, gpu)
    edit_format = options.get("edit_format", forecast.DEFAULT_FORMAT)
    limit = limits(proposer, options).least
    if run is not None and context.parent.attempt.proposal is not None and role in (JUDGE, DEBUGGER):
        asked = context.parent.attempt.proposal
        edit = replace(run.journal.context(asked), hints=_hints(run).texts(asked.hints))
        written = preview.of_attempt(role, context.parent, edit, task, gpu, edit_format=edit_format, limit=limit)
    else:
        written = preview.of_role(role, proposal, context, task, gpu, edit_format=edit_format, limit=limit)
    found = forecast.forecast(written, proposer, options)
    if as_json:
        click.echo(_json(written, found))
        return
    click.echo(f"{written.system.strip()}\n\n---\n\n{written.request.strip()}")
    click.echo("\n".join(_sizes(written, found)), err=True)


def _told(run: RunFolder, proposal: Proposal, context: Context, proposer: str, gpu: Hardware) -> tuple[Proposal, Context]:
    """With what the run has learnt: its lessons, and a directive such as its bandit would choose now."""
    from kernelsearch.propose.book import book, open_chooser
    from kernelsearch.propose.lessons import Lessons

    lessons, chooser = Lessons(book()), open_chooser(run.spec.playbook, proposer=proposer, task=run.task, hardware=gpu)
    for node in run.nodes:
        for listener in (lessons, chooser):
            if listener is not None:
                listener.tell(node, None if node.parent is None else run.nodes[node.parent])
    hints = _hints(run)
    context = replace(context, lessons=lessons.lines(), hints=hints.texts(hints.in_force))
    return (proposal if chooser is None else chooser.choose(proposal, context)), context


def _hints(run: RunFolder) -> Hints:
    from kernelsearch.store.hints import Hints

    hints = Hints(run.path)
    hints.look()
    return hints


def _subject(subject: str, hardware: str) -> tuple[Task, Context, Hardware, RunFolder | None]:
    from kernelsearch import lab
    from kernelsearch.cli import inputs
    from kernelsearch.propose import forecast

    folder, _, number = subject.rpartition(":")
    for run, node in ((Path(subject), ""), (Path(folder or subject), number)):
        if (run / "run.json").is_file():
            return _node(run, node, hardware)
    task = inputs.subject(subject).task
    device, _ = inputs.device_for(task, "auto")
    return task, forecast.unjudged(task), lab.hardware_for(device, hardware), None


def _node(folder: Path, number: str, hardware: str) -> tuple[Task, Context, Hardware, RunFolder]:
    """What the run would tell of one of its attempts."""
    from kernelsearch import catalog, lab
    from kernelsearch.errors import ToolMissing, UsageError
    from kernelsearch.model import Proposal
    from kernelsearch.store.rundir import RunFolder

    run = RunFolder.open(folder)
    if number and not (number.isdigit() and int(number) < len(run.nodes)):
        raise UsageError(f"{folder} has no attempt {number!r}; it has {len(run.nodes)}")
    node = run.nodes[int(number)] if number else run.journal.best
    if node is None or node.candidate is None:
        raise UsageError(f"{folder}: attempt {number} left no kernel to edit" if number else f"{folder} has no attempt yet")
    try:
        gpu = lab.hardware_for(run.spec.device, hardware or run.spec.hardware)
    except ToolMissing:  # the run was made on another machine
        named = (catalog.hardware(name) for name in catalog.profile_names("hardware"))
        gpu = next((found for found in named if found.name in run.environment.device), catalog.hardware(lab.MODELLED_BY_DEFAULT))
    context = run.journal.context(Proposal(ticket=0, parent=node.number, seed=0))
    return run.task, context, gpu, run


def _sizes(written: Prompt, found: Forecast | None) -> list[str]:
    from kernelsearch.llm import estimate
    from kernelsearch.report import words

    system, request = estimate.tokens(written.system), estimate.tokens(written.request)
    lines = [
        f"some {system + request:,} tokens (estimated): {system:,} that stay the same through a run, {request:,} for this attempt",
        *_sections(written),
    ]
    if found is None:
        return [*lines, "name a model with --llm to see the price; the rules read no prompt"]
    for model in found.models:
        if not model.known or not model.usd:  # as a run says it at its start
            lines.append(f"{model.name}: {'no bill' if model.known else 'no price known'}")
            continue
        dated = f", by prices of {model.date}" if model.date else ""
        lines.append(
            f"{model.name}: {words.money(model.usd)} an attempt with an answer of {found.answer_tokens:,} tokens{dated};"
            " nothing cached, no repairs"
        )
    return lines


def _sections(written: Prompt) -> list[str]:
    """How long each section is, and what was cut."""
    account = written.account
    shown = [section for section in account.sections if section.whole]
    width = max(len(section.name) for section in shown)
    lines = []
    for section in shown:
        cut = f" of {section.whole:,}, without {section.cut}" if section.cut else ""
        lines.append(f"  {section.name:{width}} {section.tokens:>8,}{cut}")
    if account.limit is not None:
        lines.append(f"limit: {account.limit:,} tokens a prompt; {'nothing was cut' if not account.cut else 'cut to fit'}")
    return lines


def _json(written: Prompt, found: Forecast | None) -> str:
    return json.dumps({**asdict(written), "forecast": None if found is None else asdict(found)}, indent=1)
