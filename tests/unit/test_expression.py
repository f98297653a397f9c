"""Arithmetic over sizes: what it computes, and what it refuses."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsearch.errors import UsageError
from kernelsearch.model import Expression

VALUES = {"rows": 257, "cols": 1001, "alpha": 0.5}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 * rows * cols * 4", 2 * 257 * 1001 * 4),
        ("cdiv(cols, 32)", 32),
        ("-(-cols // 32)", 32),
        ("min(rows, cols, 3) + max(1, 2)", 5),
        ("rows % 16", 1),
        ("1 << 4 >> 1", 8),
        ("2 ** 10 - +1", 1023),
        ("alpha * 4", 2.0),
        ("log2(1024)", 10),
        ("sqrt(rows * rows)", 257),
    ],
)
def test_it_computes_like_python(text: str, value: float) -> None:
    assert Expression(text).evaluate(VALUES) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rows +",
        "__import__('os')",
        "rows.real",
        "rows[0]",
        "'text'",
        "True",
        "1 if rows else 2",
        "lambda: 1",
        "rows < cols",
        "exec(rows)",
        "min()",
        "cdiv(a=1)",
        "[1, 2]",
        "(" * 300 + "1" + ")" * 300,
        "1 + " * 3000 + "1",
        "-" * 1500 + "1",
        "1+" * 900 + "1",
        "1e999",
        "9" * 400,
        "rows; cols",
        "1j",
    ],
)
def test_what_is_not_arithmetic_is_refused_when_written(text: str) -> None:
    with pytest.raises(UsageError):
        Expression(text)


@pytest.mark.parametrize(
    "text", ["rows / 0", "rows // 0", "rows % 0", "9 ** 62", "1 << 99", "2 ** 62 * 4", "log2(0)", "sqrt(-1)", "cdiv(1)", "depth"]
)
def test_what_has_no_value_is_refused_when_evaluated(text: str) -> None:
    with pytest.raises(UsageError):
        Expression(text).evaluate(VALUES)


def test_an_unknown_name_is_answered_with_the_known() -> None:
    with pytest.raises(UsageError, match="unknown name 'colz' in expression 'colz'; known: alpha, cols, rows"):
        Expression("colz").evaluate(VALUES)


def test_names_are_those_that_are_read() -> None:
    assert Expression("min(rows, cdiv(cols, 2)) + 1").names == {"rows", "cols"}


def test_an_extent_is_whole() -> None:
    assert Expression("rows * 2.0").integer(VALUES) == 514
    with pytest.raises(UsageError, match="not a whole number"):
        Expression("rows / 2").integer(VALUES)


@given(st.integers(1, 10**6), st.integers(1, 10**4))
def test_cdiv_is_the_number_of_blocks_that_cover(n: int, block: int) -> None:
    blocks = Expression("cdiv(n, block)").integer({"n": n, "block": block})
    assert (blocks - 1) * block < n <= blocks * block
    assert blocks == math.ceil(n / block)


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_a_usage_error(text: str) -> None:
    try:
        value = Expression(text).evaluate({"a": 2, "b": 3})
    except UsageError:
        return
    assert isinstance(value, int | float)
