"""`kernelsearch report FOLDER`: write the HTML report of a run or of a suite, and the search graph of a run if asked for."""

from __future__ import annotations

from pathlib import Path

import click

from kernelsearch.errors import UsageError


@click.command(name="report", short_help="Write the HTML report of a run or a suite.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--graph", type=click.Path(path_type=Path), help="Also write the search tree of a run to this .graphml or .json file.")
def command(folder: Path, graph: Path | None) -> None:
    """Write FOLDER/report.html. Of a run: one offline file with the tree, every attempt's evidence and the winning kernel. Of a suite, the
    folder that `bench` made: a table of all tasks, with links to their runs.

    Works as well beside a run that is going on, was stopped, or whose journal is damaged.
    """
    from kernelsearch.report import html, suite_html

    if suite_html.is_suite(folder):
        if graph is not None:
            raise UsageError("a suite has no search tree; give the folder of one of its runs to --graph")
        from kernelsearch.cli import batch_views
        from kernelsearch.suite import SuiteFolder, is_suite

        home = SuiteFolder.open(folder) if is_suite(folder) else None  # else the rows alone are there
        rows = (() if home is None else home.rows) or suite_html.read(folder)
        click.echo(suite_html.write(folder, rows, () if home is None else batch_views.gaps(home)))
        return
    record = html.read(folder)
    if record.damaged:
        click.echo(f"warning: {record.damaged}", err=True)
    if graph is not None:
        from kernelsearch.report import export

        export.write_graph(record.nodes, graph)
        click.echo(graph)
    click.echo(html.write(folder))
