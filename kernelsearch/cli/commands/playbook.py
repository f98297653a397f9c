"""`kernelsearch playbook`: the ways to make a kernel faster that are known, which of them fit a kernel, and which paid in a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kernelsearch.model import Directive
    from kernelsearch.playbook import Situation


@click.command(name="playbook", short_help="Show directives, what fits a kernel, and what paid.")
@click.argument("name", required=False)
@click.option("--for", "subject", metavar="KERNEL|RUN[:NODE]", help="What fits a .cu, a task, or a node of a run (its best by default).")
@click.option("--paid", metavar="RUN", type=click.Path(path_type=Path), help="What each directive brought in a run.")
@click.option("--hardware", default="", help="With --for KERNEL: the GPU that it is for, such as h100.")
def command(name: str | None, subject: str | None, paid: Path | None, hardware: str) -> None:
    """List the playbook, or show the directive NAME in full.

    With --for every directive is held against a kernel's diagnosis, and the reason for or against it is told. Of a bare .cu only the
    source is known; of a node of a run its counters as well.
    """
    from kernelsearch.errors import UsageError
    from kernelsearch.propose.book import book

    if sum(given is not None for given in (name, subject, paid)) > 1:
        raise UsageError("give one of NAME, --for and --paid")
    if paid is not None:
        return _show_paid(paid)
    if subject is not None:
        return _show_fitting(_situation(subject, hardware))
    if name is None:
        return _show_all()
    directive = book().get(name)
    if directive is None:
        raise UsageError(f"no directive is called {name!r}; `kernelsearch playbook` lists them")
    _show(directive)


def _show_all() -> None:
    from kernelsearch.cli import tables
    from kernelsearch.propose.book import book

    rows = [(d.name, d.title, d.relieves[0].value, d.gain.name.lower(), ", ".join(d.rules)) for d in book()]
    tables.show(("directive", "", "relieves", "gain", "rules"), rows)


def _show(directive: Directive) -> None:
    click.echo(f"{directive.name}: {directive.title}\n\n{directive.does}\n")
    for line in directive.example.splitlines():
        click.echo(f"    {line}")
    click.echo()
    facts = {
        "relieves": ", ".join(resource.value for resource in directive.relieves),
        "needs headroom in": ", ".join(resource.value for resource in directive.uses),
        "when": str(directive.when or ""),
        "not when": str(directive.not_when or ""),
        "from": f"sm_{directive.arch}" if directive.arch else "",
        "kind": f"{directive.kind.value}; {directive.gain.name.lower()} gain",
        "rules": ", ".join(directive.rules) or "none: it takes a model",
        "mind": directive.risks,
    }
    for word, text in facts.items():
        if text:
            click.echo(f"{word:<19}{text}")


def _situation(subject: str, hardware: str) -> Situation:
    from kernelsearch import catalog
    from kernelsearch.cli import inputs
    from kernelsearch.playbook import situation

    if Path(subject).suffix in inputs.SOURCES:
        chosen = catalog.hardware(hardware) if hardware else None
        return situation(catalog.read(Path(subject)), None, None, chosen)
    folder, _, number = subject.rpartition(":") if not Path(subject).is_dir() else (subject, "", "")
    if not Path(folder or subject).is_dir() or (Path(subject) / catalog.TASK_FILE).is_file():
        task = inputs.task(subject)
        return situation(task.baseline, None, task, catalog.hardware(hardware) if hardware else None)
    return _of_node(Path(folder), number)


def _of_node(folder: Path, number: str) -> Situation:
    from kernelsearch import catalog
    from kernelsearch.errors import UsageError
    from kernelsearch.playbook import situation
    from kernelsearch.store.rundir import RunFolder

    run = RunFolder.open(folder)
    if number and not (number.isdigit() and int(number) < len(run.nodes)):
        raise UsageError(f"{folder} has no node {number!r}; it has {len(run.nodes)}")
    node = run.nodes[int(number)] if number else run.journal.best
    if node is None or node.candidate is None:
        raise UsageError(f"{folder}: there is no kernel in {f'node {number}' if number else 'it'}")
    device = run.environment.device
    fitting = (catalog.hardware(name) for name in catalog.profile_names("hardware"))
    named = catalog.hardware(run.spec.hardware) if run.spec.hardware else next((h for h in fitting if h.name in device), None)
    click.echo(f"node {node.number} of {folder}, on {device}")
    return situation(node.candidate.source, node.evaluation, run.task, named)


def _show_fitting(given: Situation) -> None:
    from kernelsearch import catalog
    from kernelsearch.cli import tables
    from kernelsearch.playbook import consider, retrieve
    from kernelsearch.propose.book import book

    limit = given.bottleneck
    click.echo(f"bottleneck: {limit.resource.value}: {limit.evidence}" if limit else "bottleneck: not known, so it rules nothing out")
    saturated = catalog.bandit_settings().saturated
    fitting = retrieve(book(), given, saturated=saturated)
    against = [found for found in consider(book(), given, saturated=saturated) if not found.fits]
    tables.show(("fits", "promise", "because"), [(f.directive.name, f"{f.promise:.2f}", f.reason) for f in fitting], right=(1,))
    click.echo()
    tables.show(("does not fit", "because"), [(found.directive.name, found.reason) for found in against])


def _show_paid(folder: Path) -> None:
    from kernelsearch import catalog
    from kernelsearch.cli import tables
    from kernelsearch.playbook import paid
    from kernelsearch.propose.book import book
    from kernelsearch.report import words
    from kernelsearch.store.rundir import RunFolder

    rows = paid(RunFolder.open(folder).nodes, book(), effect=catalog.bandit_settings().effect)
    heads = ("directive", "asked for", "tried", "passed", "faster", "best of run", "median x", "best x")
    cells = [
        (r.name, str(r.asked), str(r.tried), str(r.passed), str(r.improved), str(r.bests), words.ratio(r.median), words.ratio(r.best))
        for r in rows
    ]
    tables.show(heads, cells, right=range(1, len(heads)))
