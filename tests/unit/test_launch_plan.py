"""The launch plan in a source's comments."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch import source
from kernelsearch.errors import UsageError
from kernelsearch.model import DType, Expression

KERNEL = "__global__ void box_blur(const float* in, float* out, int width, int height) {}\n"
LAUNCH = "// launch: box_blur grid=(cdiv(width,32), cdiv(height,8)) block=(32,8) shared=4*width args=(in, out, width, height)\n"


def test_a_launch_is_read_with_its_expressions() -> None:
    (launch,) = source.launch_plan(KERNEL + LAUNCH).launches
    assert launch.kernel == "box_blur"
    assert [d.text for d in launch.grid] == ["cdiv(width,32)", "cdiv(height,8)", "1"]
    assert [d.text for d in launch.block] == ["32", "8", "1"]
    assert launch.shared == Expression("4*width")
    assert launch.args == ("in", "out", "width", "height")


def test_scratch_order_and_defaults() -> None:
    text = (
        "// scratch: tmp f32 [rows*cols]\n__global__ void one(float* a) {}\n__global__ void two() {}\n"
        "//launch: one grid=cdiv(rows, 256) block=256 args=(tmp)\n  // launch: two grid=(1) block=(1, 2, 3) args=()  \n"
    )
    plan = source.launch_plan(text)
    assert [(s.name, s.dtype, s.extent.text) for s in plan.scratch] == [("tmp", DType.F32, "rows*cols")]
    assert [launch.kernel for launch in plan.launches] == ["one", "two"]
    one, two = plan.launches
    assert (one.grid[0].text, one.shared.text, one.args) == ("cdiv(rows, 256)", "0", ("tmp",))
    assert ([d.text for d in two.block], two.args) == (["1", "2", "3"], ())


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        ("", "no launch plan"),
        ("// launch: other grid=1 block=1 args=(in)", "line 2: .*'other'.*box_blur"),
        ("// launch: box_blur grid=1 args=(in, out, width, height)", "line 2: .*lacks block"),
        ("// launch: box_blur grid=1 block=1 args=(in)", "line 2: .*passes 1 arguments.*takes 4"),
        ("// launch: box_blur grid=(1,1,1,1) block=1 args=(in, out, width, height)", "line 2: grid has 4"),
        ("// launch: box_blur grid=(1,(1) block=1 args=(in, out, width, height)", "line 2: parentheses"),
        ("// launch: box_blur grid=exec(1) block=1 args=(in, out, width, height)", "line 2: not allowed"),
        ("// launch: box_blur grid=1 grid=2 block=1 args=(in, out, width, height)", "line 2: grid is given twice"),
        ("// launch: box_blur cluster=2", "line 2: cannot read 'cluster=2'"),
        ("// launch:", "line 2: .*''"),
        ("// scratch: tmp f31 [4]", "line 2: unknown dtype 'f31'"),
        ("// scratch: tmp f32", "line 2: cannot read the scratch"),
        ("// scratch: t f32 [4]\n// scratch: t f32 [4]", "line 3: .*twice"),
    ],
)
def test_what_cannot_be_used_names_the_line(plan: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        source.launch_plan(KERNEL + plan)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="box_lur gidk=(),123 argsh/*-%\n", max_size=80))
def test_only_usage_errors_leave(text: str) -> None:
    try:
        plan = source.launch_plan(KERNEL + "// launch: box_blur " + text)
    except UsageError:
        return
    assert len(plan.launches[0].args) == 4
