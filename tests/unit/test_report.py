"""The report: what it says, that nothing in it can act, and that it stays small."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import networkx
import pytest

import runs
from kernelsearch.errors import UsageError
from kernelsearch.model import Budget, Thought
from kernelsearch.report import diff, export, html, words
from kernelsearch.report.view import Record, best_of, build, counts, lineage
from kernelsearch.store.rundir import RunFolder


@pytest.fixture
def folder(tmp_path):
    runs.write(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def view(folder):
    return build(html.read(folder))


class Page(HTMLParser):
    """Collects tags, ids, links to places in the page, and text."""

    VOID = frozenset({"meta", "br", "line", "circle", "path", "rect", "col", "input"})
    OPTIONAL = frozenset({"td", "tr"})  # a browser ends them by itself

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.add(value)
            elif name in ("href", "src", "action") and value.startswith("#"):
                self.links.add(value[1:])
            elif name in ("href", "src", "action"):
                self.addresses.append(value)

    def handle_endtag(self, tag) -> None:
        if tag not in self.VOID:
            while self.open[-1] != tag and self.open[-1] in self.OPTIONAL:
                self.open.pop()
            assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text += data


def test_the_best_is_the_last_that_was_shown_to_be_faster(view):
    assert view.best.number == 4
    assert [node.number for node in view.path] == [0, 1, 4]
    assert view.best.speedup == "4.28x"
    assert [node.number for node in view.nodes if node.on_path] == [0, 1, 4]


def test_every_step_says_what_changed_on_the_hardware(view):
    assert view.nodes[1].why == "sectors/request 18.5 -> 4.0"
    assert view.nodes[3].why == "row 257: last element not written"
    assert view.nodes[7].why == "the search text was not found"


def test_counters_stand_beside_those_of_parent_and_baseline(view):
    sectors = next(row for row in view.nodes[4].facts if row.name == "sectors/request")
    assert sectors.cells == ("1.0", "4.0", "18.5")


def test_the_difference_is_against_the_parent(view):
    (changed,) = [pair for pair in view.nodes[4].diff if pair.kind == "change"]
    assert (changed.old.number, changed.new.number) == (8, 8)
    assert "".join(text for _, text in changed.new.pieces) == "    float sum = 0.0f;  // float4 loads"
    assert [pair.kind for pair in view.best_diff if pair.kind not in ("same", "gap")] == ["change", "change"]


def test_attempts_are_counted_without_the_baseline():
    assert {status: number for status, _, number in counts(runs.nodes())} == {
        "passed": 3,
        "wrong": 1,
        "rejected": 1,
        "build failed": 1,
        "unusable": 1,
    }


def test_with_nothing_passed_the_baseline_is_the_best():
    only = runs.nodes()[:1]
    assert best_of(only).number == 0
    assert lineage(only, 0) == only


def test_page_is_whole_and_every_link_has_its_place(folder):
    page = Page(html.write(folder).read_text())
    assert page.open == []
    assert page.links <= page.ids
    assert {f"n{number}" for number in range(8)} <= page.ids


def test_page_loads_nothing(folder):
    page = Page(html.write(folder).read_text())
    assert page.addresses == []
    assert not {"link", "img", "iframe", "object", "embed", "form"} & set(page.tags)


def test_nothing_from_kernels_or_models_is_markup(folder):
    text = html.write(folder).read_text()
    assert "<script>alert" not in text
    page = Page(text)
    assert page.tags.count("script") == 4  # the page's own, and three of data
    assert text.count("&lt;script&gt;alert") >= 2  # the detail of node 5, and the prompt of node 4
    assert len(re.findall("<script", text)) == 4


def test_page_says_when_nothing_was_measured(view):
    assert "Nothing here was measured" in html.page(view)
    measured = replace(view, modelled=False, unit="µs")
    assert "Nothing here was measured" not in html.page(measured)


def test_page_names_reference_sandbox_and_assumptions(folder):
    text = Page(html.write(folder).read_text()).text
    for said in ("the baseline's own output", "bubblewrap (level 2 of 3)", "rows=4096 and cols=8192", "12,400 in (8,000 cached), 900 out"):
        assert said in text


def test_a_damaged_journal_is_reported_with_its_line(folder):
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:5]) + lines[5][:40])
    text = Page(html.write(folder).read_text()).text
    assert "line 6" in text
    assert "4.28x" in text


def test_a_run_without_nodes_is_an_error_with_the_way_on(folder):
    (folder / "journal.jsonl").write_bytes(b"")
    with pytest.raises(UsageError, match="kernelsearch resume"):
        html.write(folder)


def test_a_run_whose_first_line_is_damaged_says_so(folder):
    (folder / "journal.jsonl").write_bytes(b"torn")
    with pytest.raises(UsageError, match=r"journal.jsonl, line 1: it is torn.*nothing to report.*kernelsearch resume"):
        html.write(folder)


def test_a_folder_without_a_run_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="not a run folder"):
        html.write(tmp_path)


def test_equal_runs_give_equal_pages(view):
    assert html.page(view) == html.page(view)


def test_command_makes_the_run_again():
    spec = replace(runs.SPEC, budget=Budget(candidates=24, minutes=1.5), proposer_options={"base_url": "http://127.0.0.1:1"})
    text = words.command(spec)
    assert text.startswith("kernelsearch optimize softmax --llm rules --device emulated")
    for part in ("--budget 24", "--minutes 1.5", "--seed 3", "--base-url http://127.0.0.1:1"):
        assert part in text
    assert "--usd" not in text and "#" not in text


def test_command_says_what_it_leaves_out():
    spec = replace(runs.SPEC, thoughts=(Thought(title="a warp for each row", plan="shuffles"),))
    assert words.command(spec).endswith("# without the 1 thought that it began with: these are in run.json alone")


@pytest.mark.parametrize("suffix", export.FORMATS)
def test_graph_comes_back_whole(tmp_path, suffix):
    target = tmp_path / f"tree{suffix}"
    export.write_graph(runs.nodes(), target)
    if suffix == ".json":
        graph = networkx.node_link_graph(json.loads(target.read_text()), edges="edges")
    else:
        graph = networkx.read_graphml(target, node_type=int)
    assert sorted(graph.edges) == [(0, 1), (0, 2), (0, 7), (1, 3), (1, 4), (4, 5), (4, 6)]
    assert graph.nodes[4]["time_us"] == pytest.approx(96.4)
    assert graph.nodes[3]["status"] == "wrong"
    assert "time_us" not in graph.nodes[3]


def test_graph_of_another_kind_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.graphml"):
        export.write_graph(runs.nodes(), tmp_path / "tree.png")


@pytest.mark.parametrize(
    ("us", "text"), [(None, "–"), (0.0512, "0.0512"), (3.14159, "3.14"), (96.4, "96.40"), (412.34, "412.3"), (12_345.6, "12,346")]
)
def test_times_keep_the_figures_that_matter(us, text):
    assert words.time(us) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.25, "250 ms"), (9.94, "9.9 s"), (61, "61 s"), (723, "12 min 3 s"), (7500, "2 h 5 min")])
def test_durations(seconds, text):
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(33_554_432, "byte", "33.6 Mbyte"), (92.137, "%", "92.1 %"), (32, "", "32"), (36_420, "ns", "36.42 µs"), (float("nan"), "", "nan")],
)
def test_quantities(value, unit, text):
    assert words.quantity(value, unit) == text


def test_control_characters_do_not_reach_the_terminal():
    assert words.clean("a\x1b[2Jb\n\tc\x00") == "a�[2Jb\n\tc�"
    assert "\x1b" not in words.first_line("\x1b]0;title\x07 text")


def test_changes_come_in_order_of_size_and_leave_out_noise():
    before, after = runs.profile(18.5, 805.0), runs.profile(4.0, 790.0)
    assert words.changes(before, after) == ["sectors/request 18.5 -> 4.0"]
    assert words.changes(after, runs.profile(1.0, 80.0)) == ["DRAM 790 MB -> 80 MB", "sectors/request 4.0 -> 1.0"]


def test_difference_of_equal_texts_is_empty():
    assert diff.lines("a\nb", "a\nb\n") == ()
    assert diff.changed("a\nb\n", "a\nc\n") == 2


def test_cut_keeps_head_and_tail():
    text = diff.cut("h" * 50 + "t" * 50, 30, "elsewhere")
    assert text.startswith("h" * 20) and text.endswith("t" * 10)
    assert "70 characters left out; the whole text is elsewhere" in text


def test_record_is_what_the_folder_holds(folder):
    record = html.read(folder)
    assert isinstance(record, Record)
    assert len(record.nodes) == len(RunFolder.open(folder).nodes) == 8
    assert re.match(r"2026-11-22", record.started)
