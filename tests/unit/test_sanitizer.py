"""compute-sanitizer's command line, its finding, and its report: hazards of the candidate alone, and never a clean bill without proof.

Reports are written after the format that the Compute Sanitizer manual documents (docs.nvidia.com/compute-sanitizer/ComputeSanitizer,
sections "Understanding Memcheck Errors", "Understanding Racecheck Analysis Reports", "Understanding Synccheck Reports", "Example Use
of ..."), and after reports quoted in issues of NVIDIA/cccl (1889, 1903, 2104), ORNL/HeCBench (112, 133) and ggml-org/llama.cpp (27678).
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsearch import sanitizer
from kernelsearch.codec import dump_json, load_json
from kernelsearch.model import Hazard
from kernelsearch.sanitizer import locate
from kernelsearch.sanitizer.records import Frame, frame, plain, records


def report(*lines: str, summary: str = "ERROR SUMMARY: 1 error") -> str:
    """A report as the tool writes it: each argument one record, its lines after the first indented."""
    text = ["========= COMPUTE-SANITIZER"]
    for record in lines:
        head, *rest = record.splitlines()
        text += [f"========= {head}", *(f"=========     {line}" for line in rest), "========= "]
    return "\n".join([*text, f"========= {summary}" if summary else ""]) + "\n"


WRITE = """Invalid __global__ write of size 4 bytes
at saxpy+0x90 in candidate.cu:12
by thread (32,0,0) in block (0,0,0)
Access to 0x7f71b9e01360 is out of bounds
and is 1 bytes after the nearest allocation at 0x7f71b9e00a00 of size 2,400 bytes"""

RACE = "Error: Race reported between Write access at {}\nand Read access at {} [508 hazards]"
ONE_RACE = "RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)"


def only(text: str, tool: str = "memcheck", **more: object) -> Hazard:
    (hazard,) = sanitizer.parse(text, tool, **more).hazards  # type: ignore[arg-type]
    return hazard


def test_a_clean_report_is_clean():
    assert sanitizer.parse(report(summary="ERROR SUMMARY: 0 errors"), "memcheck").clean
    assert sanitizer.parse(report(summary="RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)"), "racecheck").clean


def test_a_write_out_of_bounds_is_told_in_one_sentence_without_addresses():
    assert only(report(WRITE)) == Hazard(
        tool="memcheck",
        kind="invalid global write",
        message="Invalid __global__ write of size 4 bytes at line 12: by thread (32,0,0) in block (0,0,0); the access is out of bounds"
        " and is 1 bytes after the nearest allocation of size 2,400 bytes.",
        kernel="saxpy",
        line=12,
    )


def test_many_threads_at_one_place_are_one_hazard():
    text = report(WRITE, WRITE.replace("(32,0,0)", "(33,0,0)"), WRITE.replace(":12", ":13"), summary="ERROR SUMMARY: 3 errors")
    found = sanitizer.parse(text, "memcheck")
    assert (found.count, [hazard.line for hazard in found.hazards]) == (3, [12, 13])
    assert found.hazards[0].message.endswith("; 2 such errors.") and "such errors" not in found.hazards[1].message


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("saxpy+0x90 in candidate.cu:12", Frame(function="saxpy", file="candidate.cu", line=12)),
        ("saxpy(float *, int)+0x90", Frame(function="saxpy")),
        ("unaligned_kernel():0x160 in memcheck_demo.cu:6", Frame(function="unaligned_kernel", file="memcheck_demo.cu", line=6)),
        ("0x3b0 in void device<unsigned long,Degree<int=2048>>(unsigned long*, double2*)", Frame(function="device")),
        ("0x578 in /home/me/hw12/task1.cu:120:MatMul(Matrix, Matrix)", Frame(function="MatMul", file="/home/me/hw12/task1.cu", line=120)),
        ("0x250 in myapp.cu:41", Frame(file="myapp.cu", line=41)),
        ("[clone myKernel(int *, int *)] outlineSync()+0x11f0 in test.cu:42", Frame(function="outlineSync", file="test.cu", line=42)),
        ("ns::scale+0x10 in a.cu:99999999999999", Frame(function="scale", file="a.cu")),
    ],
)
def test_places_of_all_versions_are_read(place, expected):
    assert frame(place) == expected


def test_names_are_those_of_the_source():
    assert plain("void ns::(anonymous namespace)::scale<float, (int)4>(float *)") == "scale"
    assert [plain(name) for name in ("scale", "ns::scale", "scale(int)", "")] == ["scale", "scale", "scale", ""]


def test_an_inlined_function_leads_to_kernel_and_line_of_the_source():
    text = report(
        "Invalid __shared__ read of size 16 bytes\nat load_matrix+0x6320 in mma.hpp:546\nby thread (0,0,0) in block (0,0,0)\n"
        "Access to 0x8 is misaligned\n    Device Frame: gemm_tile+0xc0 in candidate.cu:31\n    Device Frame:gemm+0x10 in candidate.cu:77"
    )
    hazard = only(text, kernels=["gemm"])
    assert (hazard.kind, hazard.kernel, hazard.line) == ("misaligned shared read", "gemm", 31)
    assert "at mma.hpp:546" in hazard.message


def test_races_name_both_places_and_their_weight():
    race = RACE.format("tile+0x90 in candidate.cu:41", "tile+0x100 in candidate.cu:51")
    summary = ONE_RACE
    hazard = only(report(race, summary=summary), "racecheck", kernels=["tile"])
    assert (hazard.tool, hazard.kind, hazard.kernel, hazard.line, hazard.doubt) == ("racecheck", "race in shared memory", "tile", 41, "")
    assert hazard.message == (
        "The write at line 41 and the read at line 51 touch the same shared memory in different threads, and nothing orders them."
    )
    warned = only(
        report(race.replace("Error", "Warning"), summary=summary.replace("1 error, 0 warnings", "0 errors, 1 warning")), "racecheck"
    )
    assert warned.kind == "race in shared memory (warning)"


def test_a_hazard_of_the_long_form_is_read_too():
    text = report(
        "Warning: (Warp Level Programming) Potential RAW hazard detected at __shared__ 0x8c in block (0,0,0) :\n"
        "Write Thread (35,0,0) at sum(int *)+0x90 in warp_error.cu:44\nRead Thread (32,0,0) at sum(int *)+0x120 in warp_error.cu:56\n"
        "Current Value : 35",
        summary="RACECHECK SUMMARY: 1 hazard displayed (0 errors, 1 warning)",
    )
    hazard = only(text, "racecheck")
    assert (hazard.kind, hazard.kernel, hazard.line) == ("race in shared memory (warning)", "sum", 44)


@pytest.mark.parametrize(
    ("tool", "record", "kind"),
    [
        (
            "initcheck",
            "Uninitialized __global__ memory read of size 4 bytes\nat add+0x70 in candidate.cu:41\nAddress 0x7f3c7ec000fc",
            "uninitialized global memory read",
        ),
        (
            "synccheck",
            "Barrier error detected. Divergent thread(s) in block.\nat add+0xf0 in candidate.cu:41\nby thread (37,0,0) in block (0,0,0)",
            "barrier error: divergent thread(s) in block",
        ),
        (
            "synccheck",
            "Warpgroup MMA sequence error detected. Mismatching predicate\nat add+0xf0 in candidate.cu:41",
            "warpgroup MMA sequence error: mismatching predicate",
        ),
        (
            "racecheck",
            "Potential invalid __shared__ read of size 4 bytes\nat add+0x170 in candidate.cu:41\n"
            "Address 0x10 is located in a block that might have already exited",
            "potential invalid shared read",
        ),
        (
            "memcheck",
            "Malloc/Free error encountered : Double free\nat add+0x79d8 in candidate.cu:41\nAddress 0x400aff920",
            "malloc/Free error: double free",
        ),
        ("memcheck", "Something that a later version finds\nat add+0x10 in candidate.cu:41", "something that a later version finds"),
    ],
)
def test_every_tool_has_its_errors_read(tool, record, kind):
    hazard = only(report(record), tool, kernels=["add"])
    assert (hazard.tool, hazard.kind.lower(), hazard.kernel, hazard.line) == (tool, kind.lower(), "add", 41)


def test_only_the_candidates_kernels_count():
    ours = WRITE.replace("saxpy", "ks_prepare")
    foreign = "Uninitialized __global__ memory read of size 8 bytes\nat scalar_multiply+0x10\nAddress 0x7f"
    host = (
        "Host API memory access error at host access to 0x7f of size 8 bytes\nUninitialized access at 0x7f on access by cudaMemcpy source"
    )
    found = sanitizer.parse(report(ours, foreign, host, WRITE, summary="ERROR SUMMARY: 4 errors"), "memcheck", kernels=["saxpy"])
    assert (len(found.hazards), found.count, found.elsewhere) == (1, 1, 3)
    assert sanitizer.parse(report(foreign), "initcheck", kernels=["saxpy"]).clean
    assert not sanitizer.parse(report(foreign), "initcheck").clean  # without names every kernel counts
    assert sanitizer.parse(report(ours), "memcheck").clean


def test_a_candidate_does_not_hide_behind_the_names_of_our_kernels():
    assert only(report(WRITE.replace("saxpy", "ks_prepare")), kernels=["ks_prepare"]).kernel == "ks_prepare"


def test_only_the_exact_names_of_our_kernels_are_let_off():
    source = (Path(__file__).parents[2] / "sandbox" / "runner" / "support.cu").read_text()
    names = re.findall(r"__global__ void (\w+)\(", source)
    assert names and all(sanitizer.parse(report(WRITE.replace("saxpy", name)), "memcheck").elsewhere == 1 for name in names)
    assert only(report(WRITE.replace("saxpy", "ks_fill"))).kernel == "ks_fill"  # one that is ours by its prefix alone
    options = dict(itertools.pairwise(sanitizer.command(Path("/opt/compute-sanitizer"), "memcheck", Path("/box/log"), ["python"])))
    left_out = re.compile(options["--kernel-name-exclude"].removeprefix("regex="))
    assert all(left_out.search(name) for name in names)
    assert not any(left_out.search(name) for name in ("ks_fill", "ks_prepare_more", "my_ks_prepare", "saxpy"))


def test_a_race_in_an_inlined_function_counts_although_its_kernel_is_not_told():
    race = RACE.format("Store+0xa70 in block_store.cuh:980", "Store+0xb00 in block_store.cuh:985")
    hazard = only(report(race, summary=ONE_RACE), "racecheck", kernels=["tile"])
    assert (hazard.line, "block_store.cuh:980" in hazard.message) == (None, True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "gave no report"),
        ("no line of the tool\n", "gave no report"),
        (report(summary=""), "did not finish"),
        (
            "========= COMPUTE-SANITIZER\n========= Error: Target application terminated before first instrumented API call\n",
            "before it used CUDA",
        ),
        ("========= COMPUTE-SANITIZER\n========= Target application doesn't exist or is not a valid executable\n", "could not be started"),
        ("========= COMPUTE-SANITIZER\n========= Error: No attachable process found. compute-sanitizer timed-out.\n", "could not reach"),
        (report("Internal Sanitizer Error: The Sanitizer encountered an error", summary="ERROR SUMMARY: 0 errors"), "within itself"),
        ("========= Target application returned an error\n========= ERROR SUMMARY: 0 errors\n", "ended abnormally"),
        ("========= Error: process didn't terminate successfully\n========= ERROR SUMMARY: 0 errors\n", "ended abnormally"),
        (report(summary="ERROR SUMMARY: 2 errors"), "does not name"),
        (
            report(WRITE.replace("saxpy", "ks_prepare"), summary="ERROR SUMMARY: 259 errors")
            + "========= ERROR SUMMARY: 159 errors were not printed. Use --print-limit option to adjust the number of printed errors\n",
            "more errors outside",
        ),
    ],
)
def test_what_proves_nothing_is_not_clean(text, reason):
    found = sanitizer.parse(text, "memcheck")
    assert reason in found.missing and not found.clean and found.hazards == ()


def test_a_forged_report_meets_the_exit_status():
    clean = report(summary="ERROR SUMMARY: 0 errors")
    assert sanitizer.parse(clean, "memcheck", returncode=0).clean
    assert "does not name" in sanitizer.parse(clean, "memcheck", returncode=sanitizer.ERRORS_FOUND).missing


def test_hazards_stand_when_the_program_crashed_or_the_report_was_cut_off():
    whole = report(WRITE).replace("========= ERROR", "========= Target application returned an error\n========= ERROR")
    assert only(whole) == only(report(WRITE))
    cut = whole[: whole.index("is out of bounds")]
    assert (only(cut).kind, only(cut).line) == ("invalid global write", 12)


def test_known_false_alarms_are_doubted():
    race = RACE.format("k+0x1 in a.cu:1", "k+0x2 in a.cu:2")
    lost = "Warning: Detected overflow of tracked cuda::barrier structures. Results might be incorrect. Try using --num-cuda-barriers"
    summary = ONE_RACE
    plainly = only(report(race, summary=summary), "racecheck")
    assert plainly.doubt == "" and "lost track" in only(report(lost, race, summary=summary), "racecheck").doubt
    assert sanitizer.doubted([plainly], {"FFMA": 3}) == (plainly,)
    assert "in bulk" in sanitizer.doubted([plainly], {"UBLKCP.S.G": 1})[0].doubt
    assert sanitizer.doubted([only(report(WRITE))], {"UBLKCP": 1})[0].doubt == ""
    cub = (
        "Uninitialized __global__ memory read of size 4 bytes\nat ThreadLoad+0x1fd0 in thread_load.cuh:263\n"
        "    Device Frame: scan+0x10 in candidate.cu:9"
    )
    assert "CUB" in only(report(cub), "initcheck").doubt and only(report(cub.replace("thread_load", "my_load")), "initcheck").doubt == ""


@given(
    st.lists(
        st.one_of(
            st.text(max_size=60),
            st.sampled_from(
                ["COMPUTE-SANITIZER", "", *WRITE.splitlines(), "ERROR SUMMARY: 1 error", "Error: Race reported between Write access at x"]
            ),
        ).map(lambda line: f"========= {line}"),
        max_size=12,
    ),
    st.sampled_from(sanitizer.TOOLS),
)
def test_no_text_makes_the_parser_raise(lines, tool):
    found = sanitizer.parse("\n".join(lines), tool, kernels=["saxpy"])
    assert found.clean == (not found.hazards and not found.missing) and found.count >= len(found.hazards)
    assert found.count + found.elsewhere == len(records("\n".join(lines)))


@given(st.text())
def test_text_that_is_not_the_tools_says_nothing(text):
    found = sanitizer.parse(text, "memcheck")
    assert found.missing or found.hazards or "=========" in text


def test_hazards_survive_the_journal():
    hazard = only(report(WRITE))
    assert load_json(Hazard, dump_json(hazard)) == hazard


@pytest.mark.parametrize("tool", sanitizer.TOOLS)
def test_the_command_line(tool):
    line = sanitizer.command(Path("/opt/cs/compute-sanitizer"), tool, Path("/box/out/100%.txt"), ["python", "gpu.py"])
    assert line[:3] == ("/opt/cs/compute-sanitizer", "--tool", tool) and line[-2:] == ("python", "gpu.py")
    options = dict(itertools.pairwise(line))
    assert options["--log-file"] == "/box/out/100%%.txt"
    assert options["--error-exitcode"] == str(sanitizer.ERRORS_FOUND) and options["--launch-timeout"] == "0"
    assert ("--kernel-name-exclude" in line) == (tool != "initcheck")  # initcheck must see what writes the inputs
    assert ("--report-api-errors" in line) == (tool == "memcheck") and ("--racecheck-report" in line) == (tool == "racecheck")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without the tool; returns a maker of installations."""
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    places = locate._places
    monkeypatch.setattr(locate, "_places", lambda: (path for path in places() if path.is_relative_to(tmp_path)))
    monkeypatch.setattr(locate, "_wheels", list)

    def install(folder: str, *names: str) -> Path:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (tmp_path / folder / name).write_text("#!/bin/sh\n")
            (tmp_path / folder / name).chmod(0o755)
        return tmp_path / folder

    return install


BOTH = ("compute-sanitizer", "TreeLauncherSubreaper")


def test_a_machine_without_the_tool_has_none(machine):
    assert sanitizer.find() is None


def test_a_toolkits_script_leads_to_the_program(machine, monkeypatch, tmp_path):
    machine("cuda/bin", "compute-sanitizer")
    real = machine("cuda/compute-sanitizer", *BOTH) / "compute-sanitizer"
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    assert sanitizer.find() == real
    monkeypatch.delenv("CUDA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path / "cuda" / "bin"))
    assert sanitizer.find() == real


def test_the_one_on_the_path_comes_first(machine, monkeypatch, tmp_path):
    machine("home/compute-sanitizer", *BOTH)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(machine("path", *BOTH)))
    assert sanitizer.find() == tmp_path / "path" / "compute-sanitizer"


def test_a_wheel_that_lacks_its_helper_is_passed_over(machine, monkeypatch):
    wheel = machine("nvidia/cu13/bin", "compute-sanitizer")
    monkeypatch.setattr(locate, "_wheels", lambda: [wheel])
    assert sanitizer.find() is None
    machine("nvidia/cu13/bin", "TreeLauncherSubreaper")
    assert sanitizer.find() == wheel / "compute-sanitizer"
