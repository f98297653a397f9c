"""Nsight Compute's command line and its table: base units, any locale's numbers, and reasons in place of a missing table."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsearch import catalog
from kernelsearch.model import Metric
from kernelsearch.nsight import command, parse
from kernelsearch.nsight.locate import newest
from kernelsearch.nsight.table import number

FIXED = ["ID", "Process ID", "Process Name", "Kernel Name", "Block Size"]


def table(rows: list[list[str]], metrics: list[str], units: list[str]) -> str:
    """What ncu prints for launches `rows` of [kernel, value...]."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow([*FIXED, *metrics])
    writer.writerow([*[""] * len(FIXED), *units])
    for index, (kernel, *values) in enumerate(rows):
        writer.writerow([index, "12", "python3", kernel, "(256, 1, 1)", *values])
    return "==PROF== Connected to process 12\n" + text.getvalue() + "==PROF== Disconnected from process 12\n"


def test_launches_come_in_order_with_values_in_base_units() -> None:
    text = table(
        [["void f<float>(float *, int)", "1,234", "2.5", "17"], ["g(int)", "7", "n/a", "0"]],
        ["gpu__time_duration.sum", "dram__bytes_read.sum", "launch__registers_per_thread"],
        ["us", "Mbyte", "register/thread"],
    )
    first, second = parse(text).kernels
    assert first.kernel == "void f<float>(float *, int)"
    assert first.metrics == {
        "gpu__time_duration.sum": Metric(value=1_234_000.0, unit="ns"),
        "dram__bytes_read.sum": Metric(value=2_500_000.0, unit="byte"),
        "launch__registers_per_thread": Metric(value=17.0, unit="register/thread"),
    }
    assert second.metrics.keys() == {"gpu__time_duration.sum", "launch__registers_per_thread"}


def test_the_table_of_a_real_run() -> None:
    """Nsight Compute 2025.3.1 on an H200, two kernels, the metric set `quick` as it was before stalls; cut to its columns."""
    first, second = parse((Path(__file__).parent.parent / "golden" / "nsight" / "quick_h200.csv").read_text()).kernels
    assert (first.kernel, second.kernel) == ("cupy_fill", "scale(float *, float *, int, float)")
    assert second.metrics["dram__bytes_read.sum"] == Metric(value=4_197_120.0, unit="byte")
    assert second.metrics["gpu__time_duration.sum"] == Metric(value=5_728.0, unit="ns")
    assert second.metrics["sm__warps_active.avg.pct_of_peak_sustained_active"] == Metric(value=71.23, unit="%")
    assert len(second.metrics.keys() & catalog.metric_set("quick").metrics.keys()) == 22


NAMES = st.lists(st.from_regex(r"[a-z]{2,8}__[a-z_]{1,20}\.(sum|avg|pct)", fullmatch=True), unique=True, max_size=5)


@given(data=st.data(), metrics=NAMES)
def test_whatever_is_written_is_read_back(data: st.DataObject, metrics: list[str]) -> None:
    values = st.floats(min_value=0, max_value=1e15).map(lambda value: f"{value:.6f}")
    kernels = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1)
    rows = data.draw(st.lists(st.tuples(kernels, *[values] * len(metrics)).map(list), min_size=1, max_size=4))
    found = parse(table(rows, metrics, ["%"] * len(metrics))).kernels
    assert [row.kernel for row in found] == [row[0] for row in rows]
    assert [[row.metrics[name].value for name in metrics] for row in found] == [[float(text) for text in row[1:]] for row in rows]


@given(st.text(max_size=300))
def test_nothing_makes_the_parser_raise(text: str) -> None:
    assert parse(text).missing or parse(text).kernels
    assert parse('"ID","Kernel Name"\n"",""\n' + text).missing or parse('"ID","Kernel Name"\n"",""\n' + text).kernels


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12.0),
        ("1,234,567", 1234567.0),
        ("1,234,567.89", 1234567.89),
        ("1.234.567,89", 1234567.89),
        ("1 234,5", 1234.5),
        ("0,5", 0.5),
        ("0.125", 0.125),
        ("1e+06", 1e6),
        ("-3", -3.0),
        ("n/a", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("(256, 1, 1)", None),
    ],
)
def test_numbers_of_any_locale(text: str, value: float | None) -> None:
    assert number(text) == value


@given(st.integers(min_value=0, max_value=10**15))
def test_thousands_separators_do_not_change_a_count(value: int) -> None:
    assert number(f"{value:,}") == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission", "NVreg_RestrictProfilingToAdminUsers=0"),
        ("==PROF== x\n==ERROR== Failed to find metric foo__bar.sum\n", "Failed to find metric foo__bar.sum"),
        ("==WARNING== No kernels were profiled.", "no kernel launch"),
        ("", "no table"),
        ('"ID","Kernel Name"\n"",""\n', "no table"),
        ('"ID","Kernel Name"\n"",""\n"' + "x" * 200_000, "no table"),
    ],
)
def test_a_missing_table_has_a_reason(text: str, words: str) -> None:
    found = parse(text)
    assert found.kernels == ()
    assert words in found.missing


def test_the_command_leaves_the_clocks_alone_and_ends_with_the_target() -> None:
    words = command(Path("/opt/ncu"), ["a__b.sum", "c__d.pct"], Path("/out/log"), ("python3", "run.py"), launches=3)
    assert words[0] == "/opt/ncu"
    assert words[-2:] == ("python3", "run.py")
    options = dict(itertools.pairwise(words))
    assert options["--metrics"] == "a__b.sum,c__d.pct"
    assert (options["--clock-control"], options["--print-units"], options["--launch-count"]) == ("none", "base", "3")
    assert options["--log-file"] == "/out/log"


def test_the_newest_version_is_taken_by_number_and_not_by_spelling(tmp_path: Path) -> None:
    programs = []
    for version in ("2024.3.2", "2025.10.0", "2025.3.1"):
        (tmp_path / version).mkdir()
        programs.append(tmp_path / version / "ncu")
        programs[-1].write_text("")
        programs[-1].chmod(0o755)
    (tmp_path / "2026.1.0").mkdir()
    (tmp_path / "2026.1.0" / "ncu").write_text("not executable")
    assert newest([*programs, tmp_path / "2026.1.0" / "ncu", tmp_path / "absent"]) == programs[1]
    assert newest([]) is None
