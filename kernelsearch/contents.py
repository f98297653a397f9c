"""What lies in a tensor, as a function of a key: computed here by NumPy for the verifier, and in the box by `sandbox/runner/support.cu`.

Both sides agree bit for bit, because everything is integer arithmetic, a scaling by a power of two, or one correctly rounded operation.
So an input needs no file and no upload: a 64-bit key, drawn when a call begins, names contents that nobody could know before. The same
goes for the digest of an output, by which a box commits itself before it knows whether anybody will look.

The generator is counter based: element i of a tensor is `mix(tensor key + i * GOLDEN)` with the finaliser of SplitMix64 (Steele, Lea and
Flood, Fast Splittable Pseudorandom Number Generators, 2014). A normal deviate is a sum of three uniform ones: zero mean, unit variance,
within three of zero, with 23 random bits. This module imports NumPy and nothing of ours, as the box loads it too where there is no GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

GOLDEN = 0x9E3779B97F4A7C15
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1
_BLOCK = 1 << 17  # elements at a time: the temporaries stay in the cache

# The order is known to support.cu.
DTYPES = ("f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8", "bool")
DISTRIBUTIONS = ("normal", "uniform", "positive", "lognormal", "spikes", "integers")
STORED = dict(zip(DTYPES, ("<f8", "<f4", "<f2", "<u2", "<i8", "<i4", "<i2", "i1", "<u8", "<u4", "<u2", "u1", "u1"), strict=True))

_SPIKE_EVERY, _SPIKES_AT_LEAST = 1000, 4
_SPIKE_SIZE = 100.0  # exp() of a smaller one would not overflow float32, and its square not float16
_LOG2_E = 3_025_554  # log2(e) * 4, in units of 2^-19


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a tensor's contents are drawn. Integer tensors take `low` and `span` (how many values), float ones the call's distribution,
    unless `distribution` names another, times two to the power of `exponent`."""

    dtype: str
    position: int  # of the tensor among the call's arguments: each gets a stream of its own
    count: int  # elements
    low: int = 0
    span: int = 0
    exponent: int = 0
    distribution: str = ""

    @property
    def is_float(self) -> bool:
        return self.dtype in DTYPES[:4]


def mix(value: int) -> int:
    """The finaliser of SplitMix64."""
    value = (value ^ value >> 30) * _MIX_1 & _MASK
    value = (value ^ value >> 27) * _MIX_2 & _MASK
    return value ^ value >> 31


def tensor_key(key: int, position: int) -> int:
    """The key of one tensor of a call."""
    return mix(key ^ mix((position + 1) * GOLDEN & _MASK))


def draw(recipe: Recipe, key: int, distribution: str) -> Array:
    """Stored contents of a tensor, flat, in `STORED[recipe.dtype]`; bfloat16 as its bits."""
    own = tensor_key(key, recipe.position)
    distribution = recipe.distribution or distribution
    scale = np.float32(2.0**recipe.exponent)
    out = np.empty(recipe.count, dtype=STORED[recipe.dtype])
    for start in range(0, recipe.count, _BLOCK):
        index = np.arange(start, min(start + _BLOCK, recipe.count), dtype=np.uint64)
        bits = _mixed(np.uint64(own) + index * np.uint64(GOLDEN))
        if not recipe.is_float:
            out[start : start + _BLOCK] = (bits % np.uint64(recipe.span) + np.uint64(recipe.low & _MASK)).astype(out.dtype)
            continue
        values = _floats(bits, distribution, index, own, recipe.count) * scale
        if recipe.dtype == "f64":
            wide = values.astype(np.float64)
            if distribution != "integers":
                wide *= 1.0 + (_mixed(bits) >> np.uint64(35)).astype(np.float64) * 2.0**-52
            out[start : start + _BLOCK] = wide
        elif recipe.dtype == "bf16":
            out[start : start + _BLOCK] = to_bfloat16(values)
        else:
            out[start : start + _BLOCK] = values
    return out


def to_bfloat16(values: Array) -> Array:
    """The upper halves of float32 values, rounded to nearest even."""
    bits = values.astype("<f4").view("<u4")
    return np.asarray((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16), dtype="<u2")


def digest(data: bytes | memoryview | Array, key: int) -> int:
    """Of an output's bytes, by 8-byte words: a sum over words of a hash of word, place and `key`. Bytes behind the last whole word
    count as one padded with zeros."""
    raw = np.frombuffer(data, dtype=np.uint8)
    whole = raw.size // 8
    total = 0
    words = raw[: 8 * whole].view("<u8")
    for start in range(0, whole, _BLOCK):
        index = np.arange(start, min(start + _BLOCK, whole), dtype=np.uint64)
        total += int(_mixed(words[start : start + _BLOCK] ^ _mixed(np.uint64(key) + index * np.uint64(GOLDEN))).sum(dtype=np.uint64))
    if tail := raw[8 * whole :].tobytes():
        total += mix(int.from_bytes(tail, "little") ^ mix((key + whole * GOLDEN) & _MASK))
    return total & _MASK


def _mixed(value: Array) -> Array:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(_MIX_1)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(_MIX_2)
    return np.asarray(value ^ (value >> np.uint64(31)))


def _floats(bits: Array, distribution: str, index: Array, own: int, count: int) -> Array:
    if distribution == "uniform":
        return np.asarray(((bits >> np.uint64(40)).astype(np.int64) - (1 << 23)).astype(np.float32) * np.float32(2.0**-23))
    if distribution == "positive":
        return np.asarray((bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24) + np.float32(0.1))
    if distribution == "integers":
        return ((bits % np.uint64(5)).astype(np.int64) - 2).astype(np.float32)
    low = np.uint64((1 << 21) - 1)
    summed = (bits & low) + ((bits >> np.uint64(21)) & low) + ((bits >> np.uint64(42)) & low)
    twice = 2 * summed.astype(np.int64) - 3 * ((1 << 21) - 1)  # standard deviation 2^21
    if distribution == "lognormal":  # the exponent's bits grow with the logarithm; between powers of two it is taken as linear
        return np.asarray(((127 << 23) + ((twice * _LOG2_E) >> 19)).astype(np.uint32).view(np.float32))
    values = twice.astype(np.float32) * np.float32(2.0**-21)
    return _spiked(values, bits, index, own, count) if distribution == "spikes" else values


def _spiked(values: Array, bits: Array, index: Array, own: int, count: int) -> Array:
    """One spike somewhere in each stretch of a thousand elements, four stretches at least; of either sign, and beyond 100."""
    stretch = np.uint64(max(1, count // max(_SPIKES_AT_LEAST, count // _SPIKE_EVERY)))
    place = _mixed(np.uint64(own ^ _MASK) + (index // stretch) * np.uint64(GOLDEN)) % stretch
    spikes = index % stretch == place
    sign = np.where(bits[spikes] >> np.uint64(63), np.float32(-1), np.float32(1))
    values[spikes] = (np.abs(values[spikes]) + np.float32(1)) * np.float32(_SPIKE_SIZE) * sign
    return values
