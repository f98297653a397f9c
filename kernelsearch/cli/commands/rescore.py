"""`kernelsearch rescore RUN`: the rewards of a run with these or other weights, from its journal alone."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="rescore", short_help="Score a run again with other weights; show what each term changes.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--reward", help="Reward profile by name, or the path of a .toml file of yours.  [default: that of the run]")
@click.option("--ablate", is_flag=True, help="Set one weight at a time to 0, and show which choices change.")
@click.option("--write", is_flag=True, help="Keep the rewards as RUN/rewards-NAME.json; the journal stays as it is.")
@click.option("--json", "as_json", is_flag=True, help="All of it as JSON.")
def command(run: Path, reward: str | None, ablate: bool, write: bool, as_json: bool) -> None:
    """Compute the reward of every node of RUN again, and show which kernels change their rank.

    Nothing is built or run: a reward is a function of what was recorded. Without --reward the weights are those that the run began
    with, and the recorded rewards must come out again.
    """
    from kernelsearch import catalog, codec
    from kernelsearch.cli import rewards as shown
    from kernelsearch.report import ablation, html, rescore
    from kernelsearch.store.files import put

    record = html.read(run)
    if record.damaged:
        click.echo(f"warning: {record.damaged}", err=True)
    profile = catalog.reward_profile(reward) if reward else record.rewards or catalog.reward_profile(record.spec.reward)
    found = rescore.Rescored(profile=profile, rewards=rescore.again(record.nodes, profile))
    ablations = ablation.ablate(record.nodes, profile) if ablate else None
    if as_json:
        click.echo(shown.as_json(record, found, ablations))
    else:
        shown.show_rescored(record, found)
        if ablations is not None:
            shown.show_ablations(record, found, ablations)
    if write:
        target = run / f"rewards-{profile.name}.json"
        put(target, codec.dump_json(found) + "\n")
        click.echo(f"wrote {target}; the journal keeps the rewards that the search went by", err=as_json)
