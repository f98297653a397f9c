"""Contents as functions of a key: their distributions, that they are exact, and that a digest sees every bit."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsearch import contents
from kernelsearch.contents import DISTRIBUTIONS, DTYPES, STORED, Recipe, draw, mix, tensor_key, to_bfloat16
from kernelsearch.model import Distribution, DType

MANY = 200_000
KEYS = st.integers(0, (1 << 64) - 1)
FLOATS = DTYPES[:4]
INTEGERS = DTYPES[4:]
F32 = Recipe(dtype="f32", position=0, count=MANY)


def wide(stored: np.ndarray, dtype: str) -> np.ndarray:
    """Float values as float64."""
    return ((stored.astype("<u4") << 16).view("<f4") if dtype == "bf16" else stored).astype(np.float64)


def plain(key: int, position: int, index: int) -> int:
    """The random word of one element, by the definition and in Python's integers."""
    return mix((tensor_key(key, position) + index * contents.GOLDEN) & (1 << 64) - 1)


def test_the_model_and_the_box_know_the_same_names() -> None:
    assert {dtype.value for dtype in DType} == set(DTYPES) == set(STORED)
    assert {distribution.value for distribution in Distribution} == set(DISTRIBUTIONS)
    assert all(np.dtype(STORED[dtype.value]).itemsize == dtype.size for dtype in DType)


def test_the_generator_is_splitmix64() -> None:
    """The published sequence of seed 1234567, which others can check."""
    found = [mix((1234567 + number * contents.GOLDEN) & (1 << 64) - 1) for number in range(1, 4)]
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize(
    ("distribution", "mean", "deviation", "low", "high"),
    [
        ("normal", 0.0, 1.0, -3.0, 3.0),
        ("uniform", 0.0, 1 / math.sqrt(3), -1.0, 1.0),
        ("positive", 0.6, 1 / math.sqrt(12), 0.1, 1.1),
        ("integers", 0.0, math.sqrt(2), -2.0, 2.0),
    ],
)
def test_moments_are_those_of_the_name(dtype: str, distribution: str, mean: float, deviation: float, low: float, high: float) -> None:
    values = wide(draw(replace(F32, dtype=dtype), 7, distribution), dtype)
    error = deviation / math.sqrt(MANY)
    assert abs(values.mean() - mean) < 5 * error
    assert values.std() == pytest.approx(deviation, rel=0.01)
    skewness = ((values - values.mean()) ** 3).mean() / deviation**3
    assert abs(skewness) < 0.03
    assert low <= values.min() < low + 0.3 * deviation
    assert high - 0.3 * deviation < values.max() <= high * (1 + 1e-6)


def test_a_sum_of_three_is_near_enough_to_a_normal_deviate() -> None:
    values = draw(F32, 3, "normal")
    inside = [(np.abs(values) < sigma).mean() for sigma in (1, 2, 3)]
    assert inside == pytest.approx([0.667, 0.958, 1.0], abs=0.005)  # of the exact one 0.683, 0.954, 0.997
    assert np.unique(values).size > 0.95 * MANY


def test_the_logarithm_of_a_lognormal_is_normal() -> None:
    values = draw(F32, 5, "lognormal")
    logs = np.log(values.astype(np.float64))
    assert values.min() > 0 and np.isfinite(values).all()
    assert abs(logs.mean()) < 0.1 and logs.std() == pytest.approx(1.0, rel=0.02)
    assert values.max() > 12 and values.min() < 0.08 and np.abs(logs).max() < 3.1


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_no_float_is_infinite_and_no_draw_constant(dtype: str, distribution: str) -> None:
    values = wide(draw(Recipe(dtype=dtype, position=1, count=5000), 11, distribution), dtype)
    assert np.isfinite(values).all() and np.unique(values).size > 4


@pytest.mark.parametrize("distribution", ["uniform", "positive", "integers", "normal"])
def test_elements_are_what_integer_arithmetic_says(distribution: str) -> None:
    """Again in Python's integers and fractions of powers of two, element by element, across a block's edge."""
    count = contents._BLOCK + 3
    values = draw(replace(F32, count=count, position=2), 99, distribution)
    for index in (0, 1, 2, 77, contents._BLOCK - 1, contents._BLOCK, count - 1):
        bits = plain(99, 2, index)
        low = (1 << 21) - 1
        summed = sum(bits >> shift & low for shift in (0, 21, 42))
        exact = {
            "uniform": ((bits >> 40) - (1 << 23)) / 2**23,
            "positive": float(np.float32((bits >> 40) / 2**24) + np.float32(0.1)),
            "integers": bits % 5 - 2.0,
            "normal": float(np.float32(2 * summed - 3 * low)) / 2**21,
        }
        assert float(values[index]) == exact[distribution]


def test_a_double_has_the_bits_of_a_double_and_the_size_of_a_float() -> None:
    single, double = draw(F32, 1, "normal"), draw(replace(F32, dtype="f64"), 1, "normal")
    assert double.dtype == np.float64
    assert (double.astype(np.float32).astype(np.float64) != double).mean() > 0.99
    assert np.abs(double - single).max() <= 3 * 2.0**-23
    whole = draw(replace(F32, dtype="f64"), 1, "integers")
    np.testing.assert_array_equal(whole, draw(F32, 1, "integers"))


# Keys


@given(KEYS, st.integers(0, 40), st.integers(1, 300))
def test_contents_follow_from_key_position_and_count_alone(key: int, position: int, count: int) -> None:
    recipe = Recipe(dtype="f32", position=position, count=count)
    first = draw(recipe, key, "uniform")
    np.testing.assert_array_equal(first, draw(recipe, key, "uniform"))
    np.testing.assert_array_equal(first, draw(replace(recipe, count=count + 50), key, "uniform")[:count])


@given(KEYS, st.integers(0, 63))
def test_a_key_that_differs_in_one_bit_gives_other_contents(key: int, bit: int) -> None:
    recipe = Recipe(dtype="f32", position=0, count=64)
    assert (draw(recipe, key, "normal") == draw(recipe, key ^ 1 << bit, "normal")).mean() < 0.1


def test_tensors_of_a_call_and_calls_of_a_key_do_not_go_together() -> None:
    """Correlations of streams, where seeds are neighbours, and of an element with the next."""
    streams = [draw(replace(F32, position=position), key, "normal") for key in (0, 1, 2**63) for position in (0, 1, 2)]
    streams += [np.roll(streams[0], 1), np.roll(streams[0], 1000)]
    correlations = np.corrcoef(np.array(streams, dtype=np.float64))
    assert np.abs(correlations - np.eye(len(streams))).max() < 6 / math.sqrt(MANY)
    assert len({tensor_key(key, position) for key in range(100) for position in range(100)}) == 10_000


def test_every_bit_of_a_word_is_fair() -> None:
    words = draw(Recipe(dtype="u64", position=0, count=MANY, span=(1 << 63) - 25), 1, "normal")  # nearly 2^63: bits 0 to 62
    shares = [float((words >> np.uint64(bit) & np.uint64(1)).mean()) for bit in range(63)]
    assert max(abs(share - 0.5) for share in shares) < 5 * 0.5 / math.sqrt(MANY)


# Integers


@pytest.mark.parametrize(
    ("dtype", "low", "span"),
    [
        ("i8", -128, 256), ("i8", -3, 5), ("u8", 0, 256), ("bool", 0, 2), ("i16", -1000, 2000), ("u16", 65530, 6), ("i32", -(2**31), 10),
        ("u32", 2**32 - 7, 7), ("i64", -(2**63), 3), ("i64", 2**63 - 4, 4), ("u64", 2**64 - 5, 5), ("u64", 2**63 - 2, 4),
    ],
)  # fmt: skip
def test_integers_fill_their_span_and_no_more(dtype: str, low: int, span: int) -> None:
    drawn = draw(Recipe(dtype=dtype, position=0, count=20_000, low=low, span=span), 9, "normal")
    assert drawn.dtype == np.dtype(STORED[dtype])
    found, counts = np.unique(drawn, return_counts=True)
    expected = range(low, low + span)
    assert all(int(value) in expected for value in found)
    if span <= 256:
        assert len(found) == span and counts.min() > 0.4 * 20_000 / span


@given(KEYS, st.sampled_from(INTEGERS), st.data())
def test_integers_are_the_word_modulo_the_span(key: int, dtype: str, data: st.DataObject) -> None:
    limits = (0, 1) if dtype == "bool" else (np.iinfo(STORED[dtype]).min, np.iinfo(STORED[dtype]).max)
    low = data.draw(st.integers(int(limits[0]), int(limits[1])))
    span = data.draw(st.integers(1, min(int(limits[1]) - low + 1, (1 << 64) - 1)))
    drawn = draw(Recipe(dtype=dtype, position=3, count=5, low=low, span=span), key, "spikes")
    assert [int(value) for value in drawn] == [low + plain(key, 3, index) % span for index in range(5)]


# Halves, spikes, scales


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_halves_are_the_floats_rounded_to_nearest_even(distribution: str) -> None:
    single = draw(F32, 4, distribution)
    np.testing.assert_array_equal(draw(replace(F32, dtype="f16"), 4, distribution), single.astype(np.float16))
    bits = draw(replace(F32, dtype="bf16"), 4, distribution)
    assert np.abs(wide(bits, "bf16") / np.where(single == 0, 1, single) - (single != 0)).max() <= 2.0**-8


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**120), max_value=2.0**120))
def test_bfloat16_takes_the_nearer_neighbour_and_of_two_the_even_one(value: float) -> None:
    (bits,) = to_bfloat16(np.array([value], dtype=np.float32))
    below = np.array([value], dtype="<f4").view("<u4")[0] >> 16
    around = [float((np.array([b], dtype="<u4") << 16).view("<f4")[0]) for b in (below, below + 1)]
    distances = [abs(value - neighbour) for neighbour in around]
    right = below if distances[0] < distances[1] or (distances[0] == distances[1] and below % 2 == 0) else below + 1
    assert int(bits) == int(right)


@given(KEYS, st.integers(1, 9000))
def test_there_is_a_spike_in_every_thousand_and_four_at_least(key: int, count: int) -> None:
    values = draw(Recipe(dtype="f32", position=0, count=count), key, "spikes")
    spikes = np.flatnonzero(np.abs(values) >= 100)
    stretch = max(1, count // max(4, count // 1000))
    assert count // stretch <= spikes.size <= math.ceil(count / stretch)
    assert spikes.size >= min(4, count) and spikes.size >= count // 1000
    rest = np.delete(values, spikes)
    assert rest.size == 0 or np.abs(rest).max() <= 3


def test_spikes_have_both_signs_and_other_places_for_another_key() -> None:
    values, other = draw(F32, 1, "spikes"), draw(F32, 2, "spikes")
    assert 180 <= (np.abs(values) >= 100).sum() <= 220
    assert values.min() <= -100 and values.max() >= 100 and np.abs(values).max() <= 400
    assert ((np.abs(values) >= 100) & (np.abs(other) >= 100)).sum() < 10


@pytest.mark.parametrize("exponent", [-14, -1, 1, 7])
@pytest.mark.parametrize("dtype", FLOATS)
def test_an_exponent_costs_no_bit(dtype: str, exponent: int) -> None:
    recipe = Recipe(dtype=dtype, position=0, count=3000)
    single = draw(replace(recipe, dtype="f32"), 6, "uniform")
    scaled = draw(replace(recipe, exponent=exponent), 6, "uniform")
    if dtype in ("f32", "f64"):
        np.testing.assert_array_equal(scaled, draw(recipe, 6, "uniform") * 2.0**exponent)
    elif dtype == "f16":
        np.testing.assert_array_equal(scaled, (single * np.float32(2.0**exponent)).astype(np.float16))
    else:
        np.testing.assert_array_equal(scaled, to_bfloat16(single * np.float32(2.0**exponent)))


def test_an_argument_of_its_own_distribution_does_not_follow_the_calls() -> None:
    own = replace(F32, count=100, distribution="positive")
    np.testing.assert_array_equal(draw(own, 1, "normal"), draw(replace(own, distribution=""), 1, "positive"))
