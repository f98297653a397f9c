"""What counts as the same kernel but for names and layout, what does not, and that looking it up costs the same in a long run."""

import pytest

from kernelsearch.source import Neighbours, distance

KERNEL = """
// sums rows
__global__ void sum_rows(const float* in, float* out, int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    float total = 0.0f;
    for (int col = 0; col < cols; ++col) total += expf(in[row * cols + col]);
    out[row] = total;
}
extern "C" void solve(const float* in, float* out, int rows, int cols) {
    sum_rows<<<(rows + 127) / 128, 128>>>(in, out, rows, cols);
}
"""


def renamed(**names) -> str:
    text = KERNEL
    for old, new in names.items():
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    "other",
    [
        renamed(total="acc", row="r", col="c"),
        KERNEL.replace("// sums rows", "/* another\n word */").replace("    ", "\t"),
        KERNEL.replace("sum_rows", "k1"),
    ],
)
def test_names_comments_and_layout_are_no_difference(other):
    assert other != KERNEL and distance(KERNEL, other) == 0.0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("128>>>", "256>>>"),
        ("expf", "__expf"),
        ("row * cols + col", "col * cols + row"),
        ("threadIdx.x;", "threadIdx.y;"),
        ("total += ", "total -= "),
        ("0.0f", "1.0f"),
        (
            "const float* in, float* out, int rows, int cols) {\n    int",
            "const float* __restrict__ in, float* out, int rows, int cols) {\n    int",
        ),
    ],
)
def test_what_changes_the_program_is_a_difference(old, new):
    assert old in KERNEL
    assert 0.002 < distance(KERNEL, KERNEL.replace(old, new, 1)) < 0.3


def test_distance_is_one_between_strangers_and_the_same_both_ways():
    other = "__global__ void k(int* p) { p[0] += 1; }"
    assert distance(KERNEL, other) == distance(other, KERNEL) > 0.9
    assert distance("", "") == 0.0 and distance("", KERNEL) == 1.0


@pytest.mark.parametrize("text", ["", "}{", "__global__ void k(", "\x00\ud800", "int a = ;;; #define"])
def test_any_text_has_a_distance(text):
    assert distance(text, text) == 0.0


def test_the_nearest_within_the_distance_is_found():
    known = Neighbours()
    assert known.nearest(KERNEL, 1.0) is None
    known.put("one", KERNEL)
    known.put("two", KERNEL.replace("128", "256"))
    assert known.nearest(renamed(total="sum"), 0.002) == ("one", 0.0)
    name, apart = known.nearest(KERNEL.replace("128", "256").replace("0.0f", "0.f"), 0.2)
    assert name == "two" and 0.0 < apart < 0.2
    assert known.nearest(KERNEL.replace("128", "64"), 0.002) is None
    assert known.nearest(KERNEL, 0.0) is None


def test_memory_and_looks_are_bounded():
    known = Neighbours(room=20, looked_at=4)
    for number in range(60):
        known.put(str(number), KERNEL.replace("128", str(number)))
    assert known.nearest(KERNEL.replace("128", "5"), 0.001) is None  # forgotten
    assert len(known._runs) == len(known._ordered) == len(known._age) == 20
    looked_at = []
    original = known._distance
    known._distance = lambda own, name: looked_at.append(name) or original(own, name)
    known.nearest(KERNEL, 0.5)
    assert 0 < len(looked_at) <= 4
