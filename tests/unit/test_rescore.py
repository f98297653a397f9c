"""A run scored again: the recorded numbers come out, other weights choose otherwise, and an ablation says which term did it."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import rewarded
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch import catalog, codec
from kernelsearch.cli import group, run
from kernelsearch.model import Attempt, Outcome, Proposal, RewardProfile
from kernelsearch.report import ablation, rescore
from kernelsearch.report.rescore import Rescored, kendall
from kernelsearch.store.rundir import RunFolder

LEAN = RewardProfile(name="lean", weights={"speedup": 1.0, "code_size": 0.5, "traffic": 0.1})


def kernelsearch(*args: object) -> int:
    return run(group, "kernelsearch", [str(arg) for arg in args])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return rewarded.write(tmp_path / "run")


# Kendall's tau


def by_definition(points: list[tuple[float, float]]) -> tuple[float | None, int, int]:
    agree, swapped, tied_x, tied_y, pairs = 0, 0, 0, 0, 0
    for (x1, y1), (x2, y2) in itertools.combinations(points, 2):
        pairs += 1
        tied_x += x1 == x2
        tied_y += y1 == y2
        agree += (x1 - x2) * (y1 - y2) > 0
        swapped += (x1 - x2) * (y1 - y2) < 0
    scale = math.sqrt((pairs - tied_x) * (pairs - tied_y))
    return (agree - swapped) / scale if scale else None, swapped, pairs


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=24))
@settings(max_examples=80, deadline=None)
def test_tau_is_what_its_definition_says(points: list[tuple[float, float]]) -> None:
    found = kendall(points)
    tau, swapped, pairs = by_definition(points)
    assert (found.swapped, found.pairs) == (swapped, pairs)
    assert found.tau == (None if tau is None else pytest.approx(tau))


def test_tau_of_many_does_not_compare_all_pairs() -> None:
    found = kendall([(float(i), float(-i)) for i in range(20_000)])
    assert (found.tau, found.swapped) == (-1.0, found.pairs)


# Rewards again


def test_the_recorded_rewards_come_out_of_the_journal(folder: Path) -> None:
    nodes = RunFolder.open(folder).nodes
    for name in catalog.profile_names("rewards"):
        profile = catalog.reward_profile(name)
        assert rescore.again(nodes, profile) == rescore.recorded(rewarded.nodes(profile))
    assert rescore.differing(rescore.recorded(nodes), rescore.again(nodes, rewarded.DEFAULT)) == ()


def test_other_weights_choose_another_kernel() -> None:
    nodes = rewarded.nodes()
    found = rescore.again(nodes, LEAN)
    assert rescore.ranked(nodes, rescore.recorded(nodes))[0] == 4
    assert rescore.ranked(nodes, found)[0] == 2
    assert rescore.differing(rescore.recorded(nodes), found) == tuple(range(6))
    agreed = rescore.agreement(nodes, rescore.recorded(nodes), found)
    assert agreed.pairs == 10 and agreed.swapped > 0 and agreed.tau < 1.0


def test_what_failed_or_is_no_kernel_of_its_own_is_not_ranked() -> None:
    nodes = rewarded.nodes()
    twin = Attempt(
        proposal=Proposal(ticket=9, parent=0, seed=9),
        outcome=Outcome.DUPLICATE,
        candidate=nodes[4].candidate,
        evaluation=nodes[4].evaluation,
    )
    nodes = (*nodes, replace(nodes[4], number=7, attempt=twin))
    assert set(rescore.ranked(nodes, rescore.again(nodes, LEAN))) == {0, 1, 2, 4, 5}


# Ablation


def test_a_term_without_which_another_is_chosen_says_so() -> None:
    nodes = rewarded.nodes()
    by_term = {each.term: each for each in ablation.ablate(nodes, LEAN)}
    assert list(by_term) == ["speedup", "code_size", "traffic"]
    assert by_term["traffic"].best == 2
    assert by_term["code_size"].best == 4
    assert by_term["code_size"].agreement.swapped > 0
    # with all of it the lean kernel leads from the third step on; without code size the fast one does, from the fifth
    assert ablation.greedy_parents(nodes, rescore.again(nodes, LEAN)) == (0, 1, 2, 2, 2, 2)
    assert by_term["code_size"].parents[-1] == 4
    assert by_term["code_size"].moved[-1] == 6


@pytest.mark.parametrize("name", catalog.profile_names("rewards"))
def test_to_lack_a_term_is_to_give_it_no_weight(name: str) -> None:
    profile, nodes = catalog.reward_profile(name), rewarded.nodes()
    whole = rescore.again(nodes, profile)
    for term in profile.weights:
        bare = rescore.again(nodes, replace(profile, weights={**profile.weights, term: 0.0}))
        assert tuple(None if reward is None else ablation.lacking(reward, term) for reward in whole) == bare


def test_an_ablation_of_a_term_without_effect_changes_nothing() -> None:
    nodes = rewarded.nodes()
    idle = replace(LEAN, weights={**LEAN.weights, "spills": 1.0, "energy": 0.0})
    (found,) = [each for each in ablation.ablate(nodes, idle) if each.term not in LEAN.weights]
    assert (found.term, found.best, found.agreement.swapped, found.moved) == ("spills", 2, 0, ())


def test_without_its_only_term_a_reward_is_of_no_opinion() -> None:
    nodes = rewarded.nodes()
    (found,) = ablation.ablate(nodes, RewardProfile(name="one", weights={"speedup": 1.0}))
    assert (found.best, found.agreement.tau, found.agreement.swapped) == (0, None, 0)


# The command


def test_rescore_says_that_the_record_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "journal.jsonl").read_bytes()
    assert kernelsearch("rescore", folder) == 0
    said = capsys.readouterr().out
    assert "7 nodes scored again by 'default', from the journal alone\nevery reward comes out as it was recorded\n" in said
    assert "best by reward #4 · shown to be the fastest #4" in said
    assert (folder / "journal.jsonl").read_bytes() == before
    assert not list(folder.glob("rewards-*"))


def test_rescore_with_a_file_of_ones_own_shows_ranks_and_writes_beside(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "journal.jsonl").read_bytes()
    own = tmp_path / "lean.toml"
    own.write_text("[weights]\nspeedup = 1\ncode_size = 0.5\ntraffic = 0.1\n")
    assert kernelsearch("rescore", folder, "--reward", own, "--ablate", "--write") == 0
    said = capsys.readouterr().out
    assert "6 rewards not as recorded by 'default'" in said
    assert "best by reward #2 (as recorded: #4) · shown to be the fastest #4" in said
    rows = [line.split() for line in said.splitlines()]
    assert rows[rows.index([]) + 2][:4] == ["1", "3", "2", "warp-per-row"]
    (row,) = [row for row in rows if row[:1] == ["code_size"]]
    assert row[1:3] == ["0.5", "#4"] and " ".join(row[6:]) == "#4, not #2, at 5"
    kept = codec.load_json(Rescored, (folder / "rewards-lean.json").read_text())
    assert kept.rewards == rescore.again(rewarded.nodes(), kept.profile)
    assert (folder / "journal.jsonl").read_bytes() == before


def test_rescore_as_json_has_every_node_and_term(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kernelsearch("rescore", folder, "--reward", "optiml", "--ablate", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [node["number"] for node in found["nodes"]] == list(range(7))
    assert found["nodes"][3]["gate"] == "wrong" and found["nodes"][6]["reward"] is None
    optiml = catalog.reward_profile("optiml")
    assert found["nodes"][1]["terms"].keys() == optiml.weights.keys() == {each["term"] for each in found["ablation"]}
    assert len(found["greedy_parents"]) == len(found["ablation"][0]["greedy_parents"]) == 6


def test_a_run_that_kept_no_weights_takes_those_of_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kernelsearch("rescore", rewarded.write(tmp_path / "old", keep=False)) == 0
    assert "every reward comes out" in capsys.readouterr().out


def test_a_broken_reward_file_is_told_by_its_path(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "mine.toml"
    own.write_text("[weights]\nspeeed = 1\n")
    for command in ("rescore", "explain"):
        assert kernelsearch(command, folder, "--reward", own) == 2
        assert f"kernelsearch: {own}: weights.speeed: no such term" in capsys.readouterr().err
