"""The source page of a kept report: lines and instructions with most samples, whichever columns a version prints."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsearch.model import HotLine
from kernelsearch.nsight import command, hot_lines, raw_page, source_page

MORE = ["Instructions Executed", "# Samples", "stall_barrier", "stall_long_sb", "stall_long_sb (Not Issued)"]
LINES = ["Line No", "Source", "Address", "Source", "Warp Stall Sampling (All Samples)", *MORE]
CODE = ["Address", "Source", "Warp Stall Sampling (All Samples)", *MORE]


def printed(*rows: list[object]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return "==PROF== from a report\n" + text.getvalue()


BY_LINE = printed(
    ["File Path", "/src/kernel.cu"],
    ["Function Name", "sum(const float *, float *)"],
    LINES,
    [7, "float v = x[i];", "-", "", "1,600", 3, "1,600", 0, "1,500", 900],
    ["", "", "0x10", "      @!P0 LDG.E.128 R4, [R2.64]", "1,590", 1, "1,590", 0, "1,500", 900],
    ["", "", "0x20", "IMAD R1, R2, 4, R3", 10, 1, 10, 0, 0, 0],
    [9, "__syncthreads();", "-", "", 400, 1, 400, 390, 5, 1],
    ["", "", "0x30", "BAR.SYNC 0x0", 400, 1, 400, 390, 5, 1],
    [11, "}", "-", "", 0, 1, 0, 0, 0, 0],
)


def test_lines_come_by_their_share_with_their_hottest_instruction_and_reason() -> None:
    assert hot_lines(BY_LINE) == (
        HotLine(line=7, opcode="LDG.E.128", share=0.8, stall="long_sb"),
        HotLine(line=9, opcode="BAR.SYNC", share=0.2, stall="barrier"),
    )
    assert len(hot_lines(BY_LINE, most=1)) == 1


def test_without_line_information_instructions_stand_alone() -> None:
    text = printed(["Kernel Name", "sum"], CODE, ["0x0", "LDG.E R1, [R2]", 30, 1, 30, 0, 30, 0], ["0x10", "EXIT", 10, 1, 10, 0, 0, 0])
    assert hot_lines(text) == (
        HotLine(line=0, opcode="LDG.E", share=0.75, stall="long_sb"),
        HotLine(line=0, opcode="EXIT", share=0.25, stall=""),
    )


def test_the_wanted_kernel_is_taken_of_several() -> None:
    other = printed(["Function Name", "fill(int *)"], LINES, [3, "p[i] = 0;", "-", "", 99, 1, 99, 0, 1, 1])
    assert [place.line for place in hot_lines(other + BY_LINE, "sum")] == [7, 9]
    assert [place.line for place in hot_lines(other + BY_LINE)] == [3]
    assert hot_lines(other, "sum") == ()


HEADER = printed(
    ["File Path", "/usr/include/cuda_fp16.hpp"],
    ["Function Name", "sum(const float *, float *)"],
    LINES,
    [2000, "return x;", "-", "", 2000, 1, 2000, 0, 0, 0],
    ["", "", "0x40", "HADD2 R1, R2, R3", 2000, 1, 2000, 0, 0, 0],
).removeprefix("==PROF== from a report\n")


def test_lines_of_other_files_have_no_number_and_count_all_the_same() -> None:
    for text in (HEADER + BY_LINE, BY_LINE + HEADER):
        found = hot_lines(text, "sum", file="kernel.cu")
        assert [(place.line, place.opcode, place.share) for place in found] == [
            (0, "HADD2", 0.5),
            (7, "LDG.E.128", 0.4),
            (9, "BAR.SYNC", 0.1),
        ]


def test_a_second_launch_is_not_added_to_the_first() -> None:
    assert hot_lines(BY_LINE + HEADER + BY_LINE, file="kernel.cu") == hot_lines(BY_LINE + HEADER, file="kernel.cu")


def test_a_kernel_is_known_by_its_whole_name() -> None:
    longer = BY_LINE.replace("sum(const float *, float *)", "void ns::sum_rows<float>(const float *)")
    assert hot_lines(longer, "sum") == ()
    assert hot_lines(longer + BY_LINE, "sum(const float*, float*)") == hot_lines(BY_LINE)
    assert hot_lines(longer, "ns::sum_rows") == hot_lines(BY_LINE)


def test_an_instruction_that_was_issued_waits_for_nothing() -> None:
    header = [*CODE, "stall_selected", "stall_unheard_of"]
    text = printed(["Kernel Name", "sum"], header, ["0x0", "FFMA R1, R2, R3, R1", 90, 1, 90, 0, 0, 0, 80, 10])
    (place,) = hot_lines(text)
    assert (place.stall, place.waits_for) == ("unheard_of", "unheard_of")
    assert HotLine(line=1, opcode="LDG", share=1.0, stall="long_sb").waits_for == "data from global or local memory"


def test_old_names_of_columns_are_known() -> None:
    assert hot_lines(BY_LINE.replace("(All Samples)", "(All Cycles)")) == hot_lines(BY_LINE)
    assert hot_lines(BY_LINE.replace("Warp Stall Sampling (All Samples)", "Warps")) == hot_lines(BY_LINE)


@pytest.mark.parametrize(
    "text", ["", "==ERROR== no such report", printed(LINES), printed(["Address", "Source"]), BY_LINE.replace("File", "\0")]
)
def test_what_cannot_be_read_is_absent(text: str) -> None:
    assert all(0 < place.share <= 1 for place in hot_lines(text))


@given(st.text(max_size=200))
def test_nothing_makes_the_reader_raise(text: str) -> None:
    hot_lines(printed(LINES) + text)
    hot_lines(printed(CODE) + '"' + text)


def test_a_report_is_kept_only_when_asked_for_and_read_without_a_gpu() -> None:
    plain = command(Path("/opt/ncu"), ["a__b.sum"], Path("/out/log"), ("python3",))
    kept = command(Path("/opt/ncu"), ["a__b.sum"], Path("/out/log"), ("python3",), report=Path("/out/r.ncu-rep"))
    assert "--export" not in plain
    options = dict(itertools.pairwise(kept))
    assert (options["--export"], options["--section"], options["--log-file"]) == ("/out/r.ncu-rep", "SourceCounters", "/out/log")
    assert kept[-1] == "python3"
    read = dict(itertools.pairwise(source_page(Path("/opt/ncu"), Path("/out/r.ncu-rep"))))
    assert (read["--import"], read["--page"], read["--print-source"]) == ("/out/r.ncu-rep", "source", "sass")
    shown = dict(itertools.pairwise(source_page(Path("/opt/ncu"), Path("/out/r.ncu-rep"), Path("/in/k.cu"))))
    assert (shown["--print-source"], shown["--resolve-source-file"]) == ("cuda,sass", "/in/k.cu")
    table = dict(itertools.pairwise(raw_page(Path("/opt/ncu"), Path("/out/r.ncu-rep"))))
    assert (table["--import"], table["--page"], table["--print-units"]) == ("/out/r.ncu-rep", "raw", "base")
