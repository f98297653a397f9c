"""`kernelsearch report RUN`: write the HTML report of a run, and its search graph if asked for."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="report", short_help="Write the HTML report of a run.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--graph", type=click.Path(path_type=Path), help="Also write the search tree to this .graphml or .json file.")
def command(run: Path, graph: Path | None) -> None:
    """Write RUN/report.html: one offline file with the tree, every attempt's evidence and the winning kernel.

    Works as well beside a run that is going on, was stopped, or whose journal is damaged.
    """
    from kernelsearch.report import html

    record = html.read(run)
    if record.damaged:
        click.echo(f"warning: {record.damaged}", err=True)
    if graph is not None:
        from kernelsearch.report import export

        export.write_graph(record.nodes, graph)
        click.echo(graph)
    click.echo(html.write(run))
