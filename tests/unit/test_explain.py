"""One node explained: the whole screen as a person sees it, and that it stays one screen."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import rewarded
from rich.console import Console

from kernelsearch import catalog
from kernelsearch.cli import explained, group, run
from kernelsearch.errors import UsageError
from kernelsearch.report import rescore
from kernelsearch.report.explain import Explanation, explain, over
from kernelsearch.report.view import Record

GOLDEN = Path(__file__).parents[1] / "golden" / "explain"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return rewarded.record(tmp_path_factory.mktemp("explain") / "run")


def explanation(record: Record, number: int | None = None, name: str = "default") -> Explanation:
    profile = catalog.reward_profile(name)
    return explain(record, number, profile, rescore.again(record.nodes, profile))


def printed(found: Explanation, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    explained.show(found, console)
    return console.file.getvalue()


@pytest.mark.parametrize(("name", "number"), [("best", None), ("baseline", 0), ("wrong", 3), ("greedy", 5), ("nothing", 6)])
def test_the_screen_is_the_golden_one(record: Record, name: str, number: int | None) -> None:
    assert printed(explanation(record, number)) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", catalog.profile_names("rewards"))
@pytest.mark.parametrize("number", range(7))
def test_it_is_one_screen(record: Record, name: str, number: int) -> None:
    lines = printed(explanation(record, number, name)).splitlines()
    assert len(lines) <= 23, "the 24th is the prompt's"
    assert max(map(len, lines)) <= 80


def test_every_term_has_a_row_or_is_named(record: Record) -> None:
    for number in (0, 1, 4, 5):
        said = printed(explanation(record, number, "balanced-guarded"))
        assert [term for term in catalog.reward_profile("balanced-guarded").weights if term not in said] == []


def test_on_a_wide_terminal_notes_are_whole(record: Record) -> None:
    said = printed(explanation(record, 4, "optiml"), width=120)
    assert "uncoalesced access: 19.5M -> 4M global sectors" in said


def test_over_the_parent_the_second_trial_counts_where_it_was_against_it(record: Record) -> None:
    nodes = record.nodes
    trial = over(nodes[4], nodes[1], nodes[0])
    assert trial is not None and trial.ratio == pytest.approx(141 / 96.4)
    assert trial.interval is not None and trial.interval.low == pytest.approx(0.99 * 141 / 96.4)


def test_else_both_intervals_together_do(record: Record) -> None:
    nodes = record.nodes
    found = over(nodes[5], nodes[4], nodes[0])
    assert found is not None and found.ratio == pytest.approx(96.4 / 96.0)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(found.ratio * 0.995 / 1.005)
    assert found.interval.confidence == pytest.approx(0.98)
    assert over(nodes[3], nodes[1], nodes[0]) is None


def test_a_node_that_was_not_profiled_has_its_floor_from_the_baseline(record: Record) -> None:
    bare = replace(record.nodes[4], attempt=replace(record.nodes[4].attempt, evaluation=replace(record.nodes[4].evaluation, profile=None)))
    found = explanation(replace(record, nodes=(*record.nodes[:4], bare, *record.nodes[5:])), 4)
    assert found.floor_us == pytest.approx(rewarded.FLOOR_US)
    assert "83 % of speed of light" in dict(found.lines)["floor"]
    assert {"traffic", "occupancy"} <= {term.name for term in found.unknown}


def test_without_counters_it_says_why(record: Record) -> None:
    own = record.nodes[4].evaluation
    mute = replace(own, profile=replace(own.profile, bottleneck=None, notes=("ncu refused: no permission to read counters",)))
    node = replace(record.nodes[4], attempt=replace(record.nodes[4].attempt, evaluation=mute))
    found = explanation(replace(record, nodes=(*record.nodes[:4], node, *record.nodes[5:])), 4)
    assert dict(found.lines)["limit"] == "not named: ncu refused: no permission to read counters"


@pytest.mark.parametrize("number", [-1, 7])
def test_a_node_that_is_not_there_is_a_sentence(record: Record, number: int) -> None:
    with pytest.raises(UsageError, match=f"has no node {number}; the last is 6"):
        explanation(record, number)


def test_what_a_kernel_says_is_not_markup_nor_control(record: Record) -> None:
    evil = replace(record.nodes[3].evaluation, detail="[bold]x[/bold] \x1b[2J cleared")
    node = replace(record.nodes[3], attempt=replace(record.nodes[3].attempt, evaluation=evil))
    said = printed(explanation(replace(record, nodes=(*record.nodes[:3], node, *record.nodes[4:])), 3))
    assert "[bold]x[/bold]" in said and "\x1b" not in said


def test_the_command_explains_the_best_and_speaks_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = rewarded.write(tmp_path / "run")
    assert run(group, "kernelsearch", ["explain", str(folder)]) == 0
    assert capsys.readouterr().out.startswith("#4 of softmax · passed, shown to be the fastest")
    assert run(group, "kernelsearch", ["explain", str(folder), "4", "--json", "--reward", "energy"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["by"], found["number"], found["parent"], found["floor_us"]) == ("energy", 4, 1, pytest.approx(80.0))
    assert found["over_parent"]["interval"] == [pytest.approx(0.99 * 141 / 96.4), pytest.approx(1.01 * 141 / 96.4)]
    assert [term["raw"] for term in found["terms"] if term["name"] == "energy"] == [None]
    assert found["reward"] == pytest.approx(sum(term["contribution"] for term in found["terms"]))
    assert run(group, "kernelsearch", ["explain", str(folder), "99"]) == 2
    assert run(group, "kernelsearch", ["explain", f"{folder}:3"]) == 0
    assert capsys.readouterr().out.startswith("#3 of softmax")
