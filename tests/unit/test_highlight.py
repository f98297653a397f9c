"""Source in coloured pieces: nothing is lost, and a word is what it is."""

from hypothesis import given
from hypothesis import strategies as st

import runs
from kernelsearch.source import highlight


def kinds(line: str, *, python: bool = False) -> dict[str, str]:
    """Text to kind of all coloured pieces of the first line."""
    return {text: kind for kind, text in highlight.source(line, python=python).lines[0] if kind}


@given(
    st.text(alphabet=st.characters(exclude_characters="\r"), max_size=200) | st.text(alphabet="/*\"'\\\n #f0x.e(", max_size=60),
    st.booleans(),
)
def test_pieces_joined_are_the_source(text, python):
    found = highlight.source(text, python=python)
    assert "\n".join(found.texts) == text.removesuffix("\n")
    assert ["".join(part for _, part in line) for line in found.lines] == list(found.texts)
    assert all(part for line in found.lines for _, part in line)


def test_words_of_cuda_are_told_apart():
    found = kinds("__global__ void k(const float4* x, int n) { if (threadIdx.x < 0x1fu) x[0] = __ldg(x); __syncthreads(); }")
    assert found["__global__"] == "kernel" and found["float4"] == "type" and found["const"] == "keyword"
    assert found["threadIdx"] == "thread" and found["0x1fu"] == "number" and found["__syncthreads"] == "sync"
    assert found["k"] == "call" and "x" not in found


def test_launches_includes_and_strings():
    assert kinds("k<<<grid, 128>>>(x);") == {"k": "call", "<<<": "kernel", "128": "number", ">>>": "kernel"}
    assert kinds("#include <math.h>") == {"#include": "directive", " <math.h>": "string"}
    assert kinds(r'printf("a \" // b", 1.5e-3f);  // end') == {
        "printf": "call",
        r'"a \" // b"': "string",
        "1.5e-3f": "number",
        "// end": "comment",
    }


def test_a_comment_goes_on_until_it_ends():
    lines = highlight.source("int a; /* one\nint b;\ntwo */ int c; /**/ int d; /* e */").lines
    assert lines[1] == (("comment", "int b;"),)
    assert lines[2][0] == ("comment", "two */")
    assert ("type", "int") in lines[2] and lines[2][-1] == ("comment", "/* e */")


def test_python_has_words_of_its_own():
    lines = highlight.source('def f(x):\n    """doc\n    for\n    """\n    return None  # why', python=True).lines
    assert ("keyword", "def") in lines[0] and ("call", "f") in lines[0]
    assert lines[2] == (("string", "    for"),)
    assert ("keyword", "return") in lines[4] and lines[4][-1] == ("comment", "# why")


def test_line_ends_of_other_systems_make_no_lines_of_their_own():
    assert highlight.source(runs.SOURCE.replace("\n", "\r\n")) == highlight.source(runs.SOURCE)
