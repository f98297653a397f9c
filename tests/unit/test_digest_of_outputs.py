"""The digest by which a box commits itself to an output: every bit, place and length counts, and so does its key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsearch import contents
from kernelsearch.contents import digest, mix

MASK = (1 << 64) - 1
KEYS = st.integers(0, MASK)


@given(st.binary(min_size=1, max_size=100), KEYS, st.data())
def test_one_bit_anywhere_changes_it(raw: bytes, key: int, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    assert digest(raw, key) != digest(bytes(changed), key)


@given(st.lists(st.integers(0, MASK), min_size=2, max_size=12, unique=True), KEYS, st.randoms(use_true_random=False))
def test_the_order_of_words_counts(words: list[int], key: int, random) -> None:
    moved = words[:]
    random.shuffle(moved)
    same = moved == words
    assert (digest(np.array(words, dtype="<u8"), key) == digest(np.array(moved, dtype="<u8"), key)) == same


@given(st.binary(max_size=64), KEYS, KEYS)
def test_it_is_that_of_its_key(raw: bytes, key: int, other: int) -> None:
    assert digest(raw, key) == digest(raw, key)
    if raw and key != other:
        assert digest(raw, key) != digest(raw, other)


@given(st.binary(max_size=70), KEYS)
def test_it_is_a_sum_over_words_of_a_hash_of_word_and_place(raw: bytes, key: int) -> None:
    """Again in Python's integers, as it is defined."""
    words = [int.from_bytes(raw[start : start + 8].ljust(8, b"\0"), "little") for start in range(0, len(raw), 8)]
    assert digest(raw, key) == sum(mix(word ^ mix((key + place * contents.GOLDEN) & MASK)) for place, word in enumerate(words)) & MASK


@pytest.mark.parametrize("size", range(1, 18))
def test_bytes_behind_the_last_whole_word_count(size: int) -> None:
    raw = bytes(range(1, size + 1))
    assert len({digest(raw[:-1] + bytes([last]), 5) for last in range(256)}) == 256
    assert digest(raw, 5) != digest(raw[:-1], 5)


def test_it_is_the_same_for_every_view_of_the_same_bytes() -> None:
    array = np.random.default_rng(0).standard_normal((16, 9), dtype=np.float32)
    assert digest(array.tobytes(), 1) == digest(memoryview(array).cast("B"), 1) == digest(array, 1)


def test_blocks_do_not_show() -> None:
    """Beyond what is summed at a time."""
    words = np.random.default_rng(1).integers(0, 1 << 63, contents._BLOCK + 5, dtype=np.uint64)
    head, tail = words[: contents._BLOCK], words[contents._BLOCK :]
    later = (3 + contents._BLOCK * contents.GOLDEN) & MASK
    assert digest(words, 3) == (digest(head, 3) + digest(tail, later)) & MASK
    words[-1] ^= np.uint64(1)
    assert digest(words, 3) != (digest(head, 3) + digest(tail, later)) & MASK or tail[-1] == words[-1]


def test_what_is_poison_or_zero_is_no_digest_of_another() -> None:
    """Constant outputs, which a sum of words alone would confuse."""
    found = {digest(bytes([value]) * (8 * words), 0) for value in (0x00, 0xFF) for words in range(1, 50)}
    assert len(found) == 98
