"""Edit formats: what applies, what is refused, and that the refusal helps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch.errors import ReplyUnusable, UsageError
from kernelsearch.propose import edits

SOURCE = """\
__global__ void k(float* a, int n) {
    int i = threadIdx.x;
    if (i < n) {
        a[i] = 1.0;
    }
    a[0] = 2.0f;
}

__global__ void other(float* a) {
    a[0] = 2.0f;
}
"""


def block(search: str, replace: str) -> str:
    return f"<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n"


def test_blocks_apply_in_order_with_flags_and_summary() -> None:
    reply = (
        "I will do two things.\n**SUMMARY:** float literals\nFLAGS: `-O3 -Xptxas -v`\n```\n"
        + block("        a[i] = 1.0;", "        a[i] = 1.0f;")
        + block("        a[i] = 1.0f;\n    }", "        a[i] = 3.0f;\n    }")
        + "```\n"
    )
    edited = edits.apply("search-replace", reply, SOURCE)
    assert edited.source == SOURCE.replace("a[i] = 1.0;", "a[i] = 3.0f;")
    assert edited.flags == ("-O3", "-Xptxas", "-v")
    assert edited.summary == "float literals"


def test_white_space_is_tolerated_and_the_replacement_indented() -> None:
    reply = block("if (i <  n) {\n  a[i] = 1.0;\n}", "if (i < n)\n    a[i] = 4.0f;")
    assert edits.apply("search-replace", reply, SOURCE).source == SOURCE.replace(
        "    if (i < n) {\n        a[i] = 1.0;\n    }", "    if (i < n)\n        a[i] = 4.0f;"
    )


def test_an_exact_match_wins_over_tolerant_ones() -> None:
    edited = edits.apply("search-replace", block("  x;", "  y;"), "x;\n  x;\n")
    assert edited.source == "x;\n  y;\n"


def test_lines_can_be_deleted_and_flags_alone_changed() -> None:
    assert edits.apply("search-replace", block("        a[i] = 1.0;", ""), SOURCE).source == SOURCE.replace("        a[i] = 1.0;\n", "")
    only_flags = edits.apply("search-replace", "FLAGS: -O2", SOURCE)
    assert (only_flags.source, only_flags.flags, only_flags.summary) == (SOURCE, ("-O2",), "")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("use shared memory", "no block"),
        (block("    a[0] = 2.0f;", "    a[0] = 3.0f;"), r"Block 1 matches at 2 places \(lines 6, 10\)"),
        (block("        a[i] = 1.5;", "x"), r"does not match(.|\n)*a\[i\] = 1.5;(.|\n)*nearest(.|\n)*a\[i\] = 1.0;"),
        (block("", "x"), "empty SEARCH"),
        ("<<<<<<< SEARCH\nx\n", "no ======= line"),
        ("<<<<<<< SEARCH\nx\n=======\ny", "no >>>>>>> REPLACE line"),
        (block("        a[i] = 1.0;", "        a[i] = 1.0;"), "exactly as it is"),
        ('FLAGS: -D"x', "FLAGS line cannot be read"),
    ],
)
def test_what_does_not_apply_is_refused_with_a_reason(reply: str, reason: str) -> None:
    with pytest.raises(ReplyUnusable, match=reason):
        edits.apply("search-replace", reply, SOURCE)


def test_whole_file_takes_the_last_block() -> None:
    reply = "Before:\n```cuda\nold\n```\nSUMMARY: new text\n```cpp\nnew `x`\n```\nand\n```bash\nnvcc\n```\nFLAGS: -O3\n"
    edited = edits.apply("whole-file", reply, "old\n")
    assert (edited.source, edited.flags, edited.summary) == ("new `x`\n", ("-O3",), "new text")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("no code", "no fenced"),
        ("```cuda\nint a;\n", "not closed"),
        ("```cuda\n\n```\n", "empty"),
        ("```\nold\n```\n", "exactly as it is"),
    ],
)
def test_whole_file_refusals(reply: str, reason: str) -> None:
    with pytest.raises(ReplyUnusable, match=reason):
        edits.apply("whole-file", reply, "old\n")


def test_formats_by_name() -> None:
    assert set(edits.INSTRUCTIONS) == {"search-replace", "whole-file"}
    with pytest.raises(UsageError, match="search-replace"):
        edits.apply("diff", "", "")


LINE = st.text(alphabet="ab ;{}<>=`", max_size=8)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(edits.INSTRUCTIONS)), st.text(max_size=120) | st.lists(LINE, max_size=12).map("\n".join), st.text(max_size=60)
)
def test_any_reply_is_applied_or_refused(name: str, reply: str, source: str) -> None:
    try:
        edited = edits.apply(name, reply, source)
    except ReplyUnusable as refusal:
        assert str(refusal)
    else:
        assert edited.source != source or edited.flags is not None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="ab ;{}", max_size=8), min_size=1, max_size=8, unique=True), st.data())
def test_an_exact_unique_line_is_always_replaced(lines: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from([line for line in lines if line.strip()] or ["a"]))
    source = "\n".join(lines)
    if chosen not in lines:
        return
    edited = edits.apply("search-replace", block(chosen, "REPLACED"), source)
    assert edited.source == "\n".join("REPLACED" if line == chosen else line for line in lines)
