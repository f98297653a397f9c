"""The page of a suite: shares that failures count against, links to runs, and rows as `bench` leaves them."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import night_rows
import pytest
from click.testing import CliRunner
from hostile_run import HOSTILE

import runs
from kernelsearch import codec
from kernelsearch.cli import group
from kernelsearch.errors import UsageError
from kernelsearch.model.suite import Row
from kernelsearch.report import suite_html, suite_svg, suite_view
from kernelsearch.report.html import NAME


def row(task: str, speedup: float | None, **more) -> Row:
    best = None if speedup is None else 100.0 / speedup
    given = {"suite": "core", "folder": f"/tmp/s/{task}", "baseline_us": 100.0, "best_us": best, "time_kind": "measured", "candidates": 8}
    return Row(task=task, speedup=speedup, **{**given, **more})


ROWS = (
    row("a", 4.0, curve=((0, 100.0), (2, 50.0), (5, 25.0)), yardsticks={"torch": 50.0, "cuBLAS": 20.0}, interval=(3.9, 4.1)),
    row("b", 1.0, light_baseline=0.2, light_best=0.2),
    row("c", 9.0, suite="llm", curve=((0, 100.0), (4, 100 / 9))),
    row("d", None, suite="llm", failure="the task's own kernel failed", baseline_us=None),
)


def write(folder: Path, rows=ROWS) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / suite_html.ROWS).write_text("".join(codec.dump_json(each) + "\n" for each in rows))
    return folder


def test_what_failed_counts_in_shares_and_not_in_means(tmp_path):
    view = suite_view.build(ROWS, tmp_path)
    cells = dict(zip(suite_view.HEADS, view.total.cells, strict=True))
    assert (cells["rows"], cells["failed"], cells["mean x"], cells["median x"]) == ("4", "1", "3.30x", "4.00x")
    assert (cells["> 1x"], cells["> 2x"], cells["> 5x"]) == ("50 %", "50 %", "25 %")
    assert [summary.name for summary in view.groups] == ["core", "llm"] and view.settings == ()


def test_libraries_are_held_against_the_kernel_of_their_own_row(tmp_path):
    view = suite_view.build(ROWS, tmp_path)
    assert view.entries[0].yardsticks == ("cuBLAS 20.00, 0.80x", "torch 50.00, 2.00x")
    assert view.entries[0].over_library == pytest.approx(0.8) and view.entries[1].over_library is None
    assert view.series[suite_view.LIBRARY] == pytest.approx((0.8,))


def test_settings_are_told_apart(tmp_path):
    rows = [replace(each, setting=name) for each in ROWS for name in ("mcts", "beam")]
    view = suite_view.build(rows, tmp_path)
    assert [summary.name for summary in view.settings] == ["beam", "mcts"]
    assert set(view.series) == {"beam", "mcts", suite_view.LIBRARY} and view.varied and not view.seeded


def test_reports_are_reached_from_the_folder_of_the_suite(tmp_path):
    rows = (
        row("a", 2.0, folder=str(tmp_path / "core-a")),
        row("b", 2.0, folder=str(tmp_path.parent / "else where" / "b")),
        row("c", 2.0, folder='javascript:alert(1)//"><x'),
        row("d", None, folder="d", failure="no"),
    )
    hrefs = [entry.href for entry in suite_view.build(rows, tmp_path).entries]
    assert hrefs[:2] == [f"./core-a/{NAME}", f"./../else%20where/b/{NAME}"]
    assert hrefs[2].startswith("./") and not re.search('[:"<>]', hrefs[2]) and hrefs[3] == ""


def test_shares_fall_at_each_speed_up():
    drawn = suite_svg.fast_p({"one": (0.0, 2.0, 4.0, 4.0)}).svg
    heights = [float(y) for y in re.findall(r"V([\d.]+)", re.search(r'class="line c0" d="([^"]*)"', drawn)[1])]
    start = float(re.search(r'class="line c0" d="M[\d.]+ ([\d.]+)', drawn)[1])
    full, none = 24.0, 286.0
    assert start == pytest.approx(none - 0.75 * (none - full), abs=0.1)
    assert heights == pytest.approx([none - share * (none - full) for share in (0.5, 0.25, 0.0)], abs=0.1)


def test_the_thick_line_is_the_mean_of_all_rows():
    drawn = suite_svg.best_so_far(ROWS)
    thick = re.search(r'class="line strong" d="([^"]*)"', drawn)[1]
    assert drawn.count('class="line thin') == 2
    assert thick.count("V") == 3  # at 2, 4 and 5 candidates
    assert suite_svg.best_so_far([row("x", 1.0)]) == ""


def test_charts_are_well_formed(tmp_path):
    entries = suite_view.build(night_rows.rows(tmp_path), tmp_path).entries
    charts = (suite_svg.groups(entries), suite_svg.libraries(entries), suite_svg.spark(ROWS[0]), suite_svg.best_so_far(ROWS))
    for text in charts:
        assert ElementTree.fromstring(text).tag == "svg"
    assert charts[0].count("<circle") == len(entries)


def test_a_suite_of_failures_alone_has_its_page(tmp_path):
    text = suite_html.page(suite_view.build([ROWS[3], replace(ROWS[3], task="e")], tmp_path))
    assert "the task&#39;s own kernel failed" in text and "0 %" in text


def test_nothing_hostile_becomes_a_tag(tmp_path):
    texts = {name: "\n".join(HOSTILE) for name in ("task", "suite", "setting", "device", "steps", "ended")}
    rows = [row(**{**texts, "speedup": 2.0, "folder": "\n".join(HOSTILE).replace("\x00", ""), "yardsticks": {HOSTILE[0]: 30.0}})]
    rows += [replace(rows[0], failure="\n".join(HOSTILE), seed=1, setting="other")]
    page = suite_html.page(suite_view.build(rows, tmp_path))
    assert page.count("<script") == page.count("</script>") == page.count("</style>") == 1
    assert not re.search(r"<(img|iframe|object|embed|link|base|form)", page)
    assert not re.search("[\x00-\x08\u202e\u200b]", page)
    assert set(re.findall(r'href="([^"]{2})', page)) <= {"./", "#m", "#s", "#c", "#t", "#r"}
    assert "{{ 7 * 7 }}" in unescape(page)


def test_rows_are_read_as_they_were_written_and_the_later_holds(tmp_path):
    again = replace(ROWS[3], failure="", speedup=2.0, best_us=50.0)
    assert suite_html.read(write(tmp_path, (*ROWS, again))) == (*ROWS[:3], again)


def test_a_last_line_that_is_being_written_is_left_out_and_another_is_named(tmp_path):
    file = write(tmp_path) / suite_html.ROWS
    whole = file.read_text()
    file.write_text(whole[:-40])
    assert suite_html.read(tmp_path) == ROWS[:3]
    file.write_text("no row\n" + whole)
    with pytest.raises(UsageError, match=r"suite.jsonl, line 1: .*; remove that line"):
        suite_html.read(tmp_path)
    file.write_text("")
    with pytest.raises(UsageError, match="no search of it is done yet"):
        suite_html.read(tmp_path)


def test_the_command_makes_either_page(tmp_path):
    runs.write(tmp_path / "run")
    for folder, said in ((tmp_path / "run", "search tree"), (write(tmp_path / "night"), "By group")):
        done = CliRunner().invoke(group, ["report", str(folder)])
        assert done.output.strip() == str(folder / NAME), done.output
        assert said in (folder / NAME).read_text()
    done = CliRunner().invoke(group, ["report", str(tmp_path / "night"), "--graph", "x.json"])
    assert isinstance(done.exception, UsageError) and "has no search tree" in str(done.exception)
