"""Messages between a box and those who drive it: what is packed is read again, and nothing else is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsearch import wire
from kernelsearch.wire import ANSWER_BYTES, ORDER_BYTES, Answer, Garbled, Op, Order, read_answer, read_order

BYTE, HALF, WORD, LONG = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32, 64))
ASKED = [Op.CALL, Op.EXPORT, Op.END, Op.WAKE, Op.BATCH, Op.AGAIN]
ANSWERED = [op for op in Op if op not in ASKED]
ORDERS = st.builds(
    Order, op=st.sampled_from(ASKED), number=WORD, place=HALF, distribution=BYTE, key=LONG, poison=LONG, seal=LONG, calls=HALF
)
ANSWERS = st.builds(
    Answer,
    op=st.sampled_from(ANSWERED),
    number=WORD,
    flags=BYTE,
    region=HALF,
    claimed_us=st.floats(allow_nan=False),
    digest=LONG,
    seal=LONG,
)


@given(ORDERS)
def test_an_order_is_read_as_it_was_packed(order: Order) -> None:
    assert len(order.pack()) == ORDER_BYTES
    assert read_order(order.pack()) == order


@given(ANSWERS)
def test_an_answer_is_read_as_it_was_packed(answer: Answer) -> None:
    assert len(answer.pack()) == ANSWER_BYTES
    assert read_answer(answer.pack()) == answer


def test_a_claim_that_is_no_number_is_read_for_what_it_is() -> None:
    """Whoever reads it must say so: it compares as false with everything."""
    assert math.isnan(read_answer(Answer(Op.DONE, claimed_us=math.nan).pack()).claimed_us)


@given(ORDERS, ANSWERS)
def test_neither_is_taken_for_the_other(order: Order, answer: Answer) -> None:
    with pytest.raises(Garbled):
        read_answer(order.pack())
    with pytest.raises(Garbled):
        read_order(answer.pack())


@given(st.binary(max_size=2 * ORDER_BYTES))
def test_other_bytes_are_garbled(data: bytes) -> None:
    if data[:4] != wire._MAGIC:
        for read in (read_order, read_answer):
            with pytest.raises(Garbled):
                read(data)


@given(ORDERS, ANSWERS, st.integers(-ORDER_BYTES, 8))
def test_a_message_too_short_or_too_long_is_garbled(order: Order, answer: Answer, change: int) -> None:
    for packed, read in ((order.pack(), read_order), (answer.pack(), read_answer)):
        data = packed[:change] if change < 0 else packed + b"\0" * (change + 1)
        with pytest.raises(Garbled, match=f"{len(data)} bytes"):
            read(data)


@given(ORDERS, ANSWERS, st.integers(0, 255).filter(lambda op: op not in set(Op)))
def test_a_message_without_a_name_is_garbled(order: Order, answer: Answer, op: int) -> None:
    for packed, read in ((order.pack(), read_order), (answer.pack(), read_answer)):
        with pytest.raises(Garbled, match=f"no such message is called {op}"):
            read(packed[:4] + bytes([op]) + packed[5:])


def test_no_message_says_what_becomes_of_a_candidate() -> None:
    """A verdict that travels would be one that a candidate can send."""
    assert {op.name for op in Op} == {"CALL", "EXPORT", "END", "READY", "DONE", "EXPORTED", "WAKE", "AWAKE", "BATCH", "AGAIN"}
    assert set(Answer._fields) == {"op", "number", "flags", "region", "claimed_us", "digest", "seal"}


@given(ORDERS, ANSWERS)
def test_an_answer_belongs_to_the_order_whose_number_and_seal_it_repeats(order: Order, answer: Answer) -> None:
    right = answer._replace(number=order.number, seal=order.seal)
    assert right.answers(order)
    assert not right._replace(seal=order.seal ^ 1).answers(order) and not right._replace(number=order.number ^ 1).answers(order)
