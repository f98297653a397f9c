"""Which builds count as the same program: those that differ in nothing that is loaded."""

import subprocess
from dataclasses import replace

import pytest

from kernelsearch.guard import code_digest
from kernelsearch.model import Arg, ArgKind, Build, Case, DType, Expression, Form, KernelResources, LaunchPlan, Task, Verdict

TASK = Task(
    name="t",
    form=Form.LAUNCHER,
    entry="solve",
    args=(Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=(Expression("4"),)),),
    cases=(Case(name="c", sizes={}, timed=True),),
    baseline="",
)
CODE = '#include <cmath>\nextern "C" void solve(float* y) { float a = y[1]; y[0] = std::exp(a) + 128; }'
FAT = '\n__attribute__((section(".nv_fatbin"), used)) static const unsigned image[] = {0xBA55ED50u, %d};'


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    def build(code: str, **fields) -> Build:
        folder = tmp_path_factory.mktemp("so")
        (folder / "c.cpp").write_text(code)
        command = ["g++", "-O1", "-shared", "-fPIC", "-o", str(folder / "c.so"), str(folder / "c.cpp")]
        subprocess.run(command, check=True, timeout=60)
        return Build(ok=True, toolchain="g++", artifact=str(folder / "c.so"), **fields)

    return build


@pytest.fixture(scope="module")
def base(built):
    return built(CODE)


def test_names_of_variables_and_comments_are_no_difference(base, built):
    assert code_digest(base, TASK) == code_digest(built("// other words\n" + CODE.replace("a =", "b =").replace("(a)", "(b)")), TASK) != ""


@pytest.mark.parametrize(("old", "new"), [("128", "256"), ("std::exp", "std::log"), ("y[1]", "y[2]")])
def test_another_constant_call_or_place_is_another_program(base, built, old, new):
    assert code_digest(built(CODE.replace(old, new)), TASK) not in ("", code_digest(base, TASK))


def test_device_code_counts_as_it_was_disassembled_and_not_as_it_is_packed(built):
    one, two = built(CODE + FAT % 1), built(CODE + FAT % 2)
    assert code_digest(one, TASK) == ""  # nobody disassembled it
    digests = [code_digest(replace(build, sass_digest="same"), TASK) for build in (one, two)]
    assert digests[0] == digests[1] != ""
    assert code_digest(replace(two, sass_digest="other"), TASK) != digests[0]
    more = (KernelResources(kernel="k", registers=32),)
    assert code_digest(replace(two, sass_digest="same", resources=more), TASK) != digests[0]


def test_another_launch_plan_is_another_program(base):
    assert code_digest(replace(base, plan=LaunchPlan(launches=())), TASK) != code_digest(base, TASK)


def test_what_cannot_be_told_has_no_name(base, tmp_path):
    (tmp_path / "text.so").write_text("not a program")
    assert code_digest(replace(base, artifact=str(tmp_path / "text.so")), TASK) == ""
    assert code_digest(replace(base, artifact=str(tmp_path / "gone")), TASK) == ""
    assert code_digest(Build(ok=False, toolchain="t", failure=Verdict.BUILD_FAILED), TASK) == ""
