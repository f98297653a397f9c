"""`kernelsearch explain RUN [NODE]`: why a node has the reward it has, on one screen."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="explain", short_help="Explain the reward of one attempt, on one screen.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("node", type=int, required=False)
@click.option("--reward", help="Explain what these weights would give: a name, or the path of a .toml file of yours.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def command(run: Path, node: int | None, reward: str | None, as_json: bool) -> None:
    """Show how attempt NODE of RUN was judged: its time against baseline and parent, its distance to the floor, the limit that was
    diagnosed, each term of its reward, and what changed against its parent. Without NODE, of the best. RUN:NODE is the same as RUN NODE.
    """
    from kernelsearch import catalog
    from kernelsearch.cli import explained
    from kernelsearch.report import html, rescore
    from kernelsearch.report.explain import explain

    folder, _, number = str(run).rpartition(":")
    if node is None and number.isdigit() and not run.exists():  # as `prompt` and `playbook --for` name an attempt
        run, node = Path(folder), int(number)
    record = html.read(run)
    if record.damaged:
        click.echo(f"warning: {record.damaged}", err=True)
    profile = catalog.reward_profile(reward) if reward else record.rewards or catalog.reward_profile(record.spec.reward)
    rewards = rescore.again(record.nodes, profile) if reward else rescore.recorded(record.nodes)
    found = explain(record, node, profile, rewards)
    if as_json:
        click.echo(explained.as_json(found))
    else:
        explained.show(found)
