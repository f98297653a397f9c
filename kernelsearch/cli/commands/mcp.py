"""`kernelsearch mcp`: the same verbs as tools for a coding agent."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="mcp", short_help="Serve a coding agent (Model Context Protocol, on stdio).")
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default=".",
    show_default=True,
    help="Folder that holds the kernels; nothing outside it is read or written for the agent.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cuda, pycuda, emulated or host; cuda:1 is the second GPU.")
@click.option("--hardware", default="", help="Hardware profile to model, or to hold the GPU against, such as h100.")
@click.option("--metrics", default="quick", show_default=True, help="Counters to collect; none for no profile.")
@click.option("--unsafe", is_flag=True, help="Where no sandbox works, run candidates without one. Only for kernels that you trust.")
@click.option("--skill", is_flag=True, help="Print SKILL.md, which tells an agent how to use this, and nothing else.")
def command(root: Path, device: str, hardware: str, metrics: str, unsafe: bool, skill: bool) -> None:
    """Serve one agent on standard input and output until it closes them.

    The agent can check tasks, judge kernels, run searches and read their evidence, all below --root. Task references and PyTorch problems
    there are Python that is run as you, so serve folders that you would run code from.
    """
    from kernelsearch import catalog, paths
    from kernelsearch.device import split
    from kernelsearch.errors import ToolMissing, UsageError
    from kernelsearch.mcp_server import Settings

    if skill:
        return click.echo(paths.data("SKILL.md").read_text(encoding="utf-8"), nl=False)
    if not root.is_dir():
        raise UsageError(f"{root} is no folder; name one with --root")
    if device != "auto":
        split(device)
    catalog.metric_set(metrics)  # here, where a person sees it
    if hardware:
        catalog.hardware(hardware)
    try:
        from kernelsearch.mcp_server.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise ToolMissing("the MCP server needs the package mcp: pip install 'kernelsearch[mcp]'") from error
    serve(Settings(root=root.resolve(), device=device, hardware=hardware, metrics=metrics, unsafe=unsafe))
