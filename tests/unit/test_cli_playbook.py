"""`kernelsearch playbook`: the list, one directive, what fits a kernel, what paid; and the option of a search."""

import pytest

import runs
from kernelsearch.cli import group, run
from kernelsearch.cli.options import SearchOptions
from kernelsearch.errors import UsageError
from kernelsearch.model import RunSpec
from kernelsearch.propose.book import book
from kernelsearch.search import optimize


def kernelsearch(*args: object) -> int:
    return run(group, "kernelsearch", [str(arg) for arg in args])


def test_the_list_has_every_directive_and_one_is_shown_in_full(capsys):
    assert kernelsearch("playbook") == 0
    listed = capsys.readouterr().out
    assert all(directive.name in listed for directive in book())
    assert kernelsearch("playbook", "tma-bulk-copy") == 0
    shown = capsys.readouterr().out
    for words in ("mbarrier", "relieves           memory latency", "from               sm_90", "none: it takes a model", "mind "):
        assert words in shown
    assert kernelsearch("playbook", "tile-matmul") == 0  # a rule's name finds the directive that it carries out
    assert capsys.readouterr().out.startswith("shared-tiling: ")


def test_a_bare_kernel_is_held_against_the_book_by_its_source(tmp_path, capsys):
    kernel = tmp_path / "softmax.cu"
    kernel.write_text(runs.SOURCE)
    assert kernelsearch("playbook", "--for", kernel, "--hardware", "a100") == 0
    said = capsys.readouterr().out
    assert "bottleneck: not known" in said and "needs sm_90, and this is sm_80" in said
    fits, _, against = said.partition("does not fit")
    assert "warp-per-row" in fits and "warp-aggregated-atomics" in against
    assert list(tmp_path.iterdir()) == [kernel]  # nothing is drafted for a look


def test_a_task_is_held_against_the_book(capsys):
    assert kernelsearch("playbook", "--for", "core/spmv_csr") == 0
    assert "vector-csr" in capsys.readouterr().out.partition("does not fit")[0]


def test_a_node_of_a_run_is_held_against_the_book_by_its_counters(tmp_path, capsys):
    runs.write(tmp_path / "run")
    assert kernelsearch("playbook", "--for", tmp_path / "run") == 0
    assert "node 4 of" in capsys.readouterr().out
    assert kernelsearch("playbook", "--for", f"{tmp_path / 'run'}:1") == 0
    said = capsys.readouterr().out
    assert "node 1 of" in said and "bottleneck: uncoalesced access: 4 sectors" in said
    assert "does not relieve uncoalesced access" in said


def test_what_paid_is_a_table(tmp_path, capsys):
    runs.write(tmp_path / "run")
    assert kernelsearch("playbook", "--paid", tmp_path / "run") == 0
    rows = {line.split("  ")[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert rows["swap thread axes"][-7:] == ["0", "1", "1", "1", "1", "2.92x", "2.92x"]
    assert rows["unroll"][-7:] == ["0", "1", "0", "0", "0", "–", "–"]


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (("qqq",), "no directive is called 'qqq'"),
        (("unroll", "--paid", "x"), "give one of NAME, --for and --paid"),
        (("--for", "{run}:99"), "has no node '99'; it has 8"),
        (("--for", "{run}:7"), "there is no kernel in node 7"),
        (("--for", "missing.cu"), "missing.cu: no such file"),
        (("--for", "qqq"), "no task is called 'qqq'|no file or folder 'qqq'"),
        (("--paid", "{run}/no"), "no"),
    ],
)
def test_errors_are_one_sentence(args, complaint, tmp_path, capsys):
    runs.write(tmp_path / "run")
    assert kernelsearch("playbook", *(arg.format(run=tmp_path / "run") for arg in args)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert any(words in error for words in complaint.split("|"))


def test_a_search_takes_the_bandit_unless_told_otherwise(tmp_path):
    given = dict.fromkeys(("device", "hardware", "metrics", "llm", "base_url", "strategy", "reward"), "")
    chosen = SearchOptions(**given, seed=0, unsafe=False, llm_option=(), parallel=1, budget=1, minutes=None, usd=None)
    assert chosen.spec("t", "d").playbook == RunSpec(task="t", task_name="t").playbook == "bandit"
    with pytest.raises(UsageError, match="called 'all'; one of bandit, none"):
        optimize(runs.task(), RunSpec(task="", task_name="t", playbook="all"), tmp_path / "run", watch=print, stop=None)
    assert not (tmp_path / "run").exists()
