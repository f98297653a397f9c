"""The table of a call's regions: the host's work on it, and support.cu's own, against kernelsearch/contents.py bit for bit."""

from __future__ import annotations

import ctypes
import re
import struct

import numpy as np
import pytest
import support_on_host
from runner_modules import RUNNER, loaded

from kernelsearch import contents
from kernelsearch.contents import DISTRIBUTIONS, DTYPES, STORED, Recipe

SUPPORT = (RUNNER / "support.cu").read_text()
POSITION = 3
FLOATS = ("f64", "f32", "f16", "bf16")


@pytest.fixture(scope="module")
def runner():
    with loaded() as modules:
        yield modules


@pytest.fixture(scope="module")
def regions(runner):
    return runner["gpu_regions"]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory):
    return ctypes.CDLL(str(support_on_host.build(tmp_path_factory.mktemp("support"))))


@pytest.fixture(params=["host", "support.cu"])
def work(request: pytest.FixtureRequest, runner, kernels):
    """`work(regions, outputs)`: a `Support`, and the memory to allocate from."""
    regions = runner["gpu_regions"]
    if request.param == "host":
        return runner["gpu_host"].HostGpu(), lambda table, outputs: regions.HostSupport(contents, table, outputs)
    gpu = support_on_host.gpu_with_kernels(runner["gpu_host"].HostGpu)()
    return gpu, lambda table, outputs: regions.GpuSupport(gpu, kernels, table, outputs)


def keys(regions, **changes):
    return regions.Keys(**({"contents": 11, "distribution": 0, "poison": 0, "guard": 5, "seal": 9} | changes))


def left(pointer: int, nbytes: int) -> bytes:
    return ctypes.string_at(pointer, nbytes)


def poke(pointer: int, offset: int) -> None:
    ctypes.memset(pointer + offset, left(pointer + offset, 1)[0] ^ 1, 1)


def size_of(dtype: str) -> int:
    return np.dtype(STORED[dtype]).itemsize


def test_a_row_of_the_table_is_laid_out_as_support_cu_has_it(regions) -> None:
    body = re.search(r"struct Region \{(.*?)\};", SUPPORT, re.DOTALL).group(1)
    fields = re.findall(r"(u64|i64|int) (\w+);", body)
    assert len(fields) == body.count(";")
    layout = struct.Struct("<" + "".join({"u64": "Q", "i64": "q", "int": "i"}[kind] for kind, _ in fields))
    region = regions.Region(regions.DRAWN, 2**48, 8001, 3, 1, dtype=4, low=-7, span=2**63, source=2**47, distribution=-1, exponent=-12)
    packed = region.pack()
    assert len(packed) == layout.size == 72
    found = dict(zip((name for _, name in fields), layout.unpack(packed), strict=True))
    assert found.pop("stretch") == region.stretch == 1000
    assert found == {name: getattr(region, name) for name in found}


def test_numbers_of_types_distributions_and_kinds_agree(runner, regions) -> None:
    assert runner["gpu_call"]._DTYPES == DTYPES
    assert DTYPES[:4] == FLOATS and "r.dtype >= 4" in SUPPORT
    assert (DTYPES[runner["gpu_call"]._U8], DTYPES[runner["gpu_call"]._U64]) == ("u8", "u64")
    names = re.search(r"enum Distribution \{(.*?)\}", SUPPORT).group(1)
    assert tuple(name.strip().lower() for name in names.split(",")) == DISTRIBUTIONS
    kinds = dict(re.findall(r"(\w+) = (\d)", re.search(r"enum Kind \{(.*?)\}", SUPPORT).group(1)))
    assert {name: int(value) for name, value in kinds.items()} == {
        name: getattr(regions, name) for name in ("DRAWN", "COPIED", "POISONED", "GUARD")
    }
    sizes = int(re.search(r"1 << \(\((0x[0-9a-f]+) >> 2 \* dtype\) & 3\)", SUPPORT).group(1), 16)
    assert [1 << (sizes >> 2 * index & 3) for index in range(len(DTYPES))] == [size_of(dtype) for dtype in DTYPES]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_contents_are_those_of_the_key_bit_for_bit(work, regions, dtype: str, distribution: str) -> None:
    gpu, make = work
    for count, key, exponent, forced in ((1, 1, 0, ""), (4099, 2**64 - 1, -3, ""), (1500, 7, 2, "uniform")):
        low, span = (0, 2) if dtype == "bool" else (0 if dtype[0] == "u" else -50, 101)
        recipe = Recipe(dtype=dtype, position=POSITION, count=count, low=low, span=span, exponent=exponent, distribution=forced)
        pointer, nbytes = gpu.allocate(count * size_of(dtype)), count * size_of(dtype)
        number = DISTRIBUTIONS.index(forced) if forced else -1
        region = regions.Region(
            regions.DRAWN, pointer, count, POSITION, 0, DTYPES.index(dtype), low, span, distribution=number, exponent=exponent
        )
        support = make([region], [])
        support.prepare(keys(regions, contents=key, distribution=DISTRIBUTIONS.index(distribution)))
        assert left(pointer, nbytes) == contents.draw(recipe, key, distribution).tobytes()
        gpu.free(pointer)


@pytest.mark.parametrize("dtype", DTYPES)
def test_poison_is_all_ones_or_large_finite_numbers_of_either_sign(work, regions, dtype: str) -> None:
    gpu, make = work
    count = 257
    pointer, nbytes = gpu.allocate(count * size_of(dtype)), count * size_of(dtype)
    support = make([regions.Region(regions.POISONED, pointer, count, POSITION, 0, DTYPES.index(dtype))], [])
    found = []
    for poison in (0, 1, 2):
        support.prepare(keys(regions, poison=poison))
        found.append(left(pointer, nbytes))
    assert set(found[0]) == {0xFF}
    assert len(set(found)) == 3
    values = np.frombuffer(found[1], STORED[dtype])
    assert len(set(values.tolist())) > 50
    if dtype in FLOATS:
        wide = (values.astype(np.uint32) << 16).view(np.float32) if dtype == "bf16" else values.astype(np.float64)
        low = {"f64": 2.0**23, "f32": 2.0**23, "f16": 2.0**12, "bf16": 2.0**23}[dtype]
        assert ((np.abs(wide) >= low) & (np.abs(wide) < 2 * low)).all()
        assert (wide > 0).any() and (wide < 0).any()


def table(gpu, regions):
    """A drawn input of f16, one copied, and their bands; an output."""
    given = np.arange(33, dtype=np.uint8)
    source = gpu.allocate(33)
    gpu.upload(source, given)
    places = {"drawn": 2 * 101, "copied": 33, "band": 256, "other band": 257, "output": 31, "second": 8}
    at = {name: gpu.allocate(nbytes) for name, nbytes in places.items()}
    rows = {
        "drawn": regions.Region(regions.DRAWN, at["drawn"], 101, 0, 0, DTYPES.index("f16")),
        "copied": regions.Region(regions.COPIED, at["copied"], 33, 1, 1, source=source),
        "band": regions.Region(regions.GUARD, at["band"], 256, 4, 0),
        "other band": regions.Region(regions.GUARD, at["other band"], 257, 5, 0),
        "output": regions.Region(regions.POISONED, at["output"], 31, 2, 2),
    }
    outputs = [regions.Region(regions.COPIED, at["output"], 31, 2, 2), regions.Region(regions.COPIED, at["second"], 8, 3, 3)]
    return at, rows, outputs, places


@pytest.mark.parametrize("changed", [None, "drawn", "copied", "band", "other band"])
@pytest.mark.parametrize("last", [False, True])
def test_what_changed_is_counted_by_region(work, regions, changed: str | None, last: bool) -> None:
    gpu, make = work
    at, rows, outputs, sizes = table(gpu, regions)
    support = make(list(rows.values()), outputs)
    around = keys(regions, poison=3)
    for again in range(2):  # a former call's changes are gone
        support.prepare(around)
        poke(at["output"], 0)  # which is what outputs are for
        if changed is not None and again == 0:
            poke(at[changed], sizes[changed] - 1 if last else 0)
        support.seal(around)
        found = dict(zip(rows, support.look(around).changed, strict=True))
        assert {name for name, count in found.items() if count} == ({changed} if changed and again == 0 else set())


def test_the_digest_is_that_of_the_outputs_and_a_late_write_shows(work, regions) -> None:
    gpu, make = work
    at, rows, outputs, _ = table(gpu, regions)
    support = make(list(rows.values()), outputs)
    around = keys(regions, seal=2**63 + 1)
    support.prepare(around)
    ctypes.memmove(at["output"], bytes(range(100, 131)), 31)
    ctypes.memmove(at["second"], b"eightlit", 8)
    wanted = (contents.digest(bytes(range(100, 131)), around.seal) + contents.digest(b"eightlit", around.seal)) % 2**64
    support.seal(around)
    seen = support.look(around)
    assert (seen.early, seen.digest) == (wanted, wanted)
    support.prepare(around)
    support.seal(around)
    poke(at["second"], 7)
    late = support.look(around)
    assert late.early != late.digest


def test_guard_bands_depend_on_their_key_and_their_place(work, regions) -> None:
    gpu, make = work
    at, rows, outputs, _ = table(gpu, regions)
    support = make(list(rows.values()), outputs)
    found = []
    for guard in (1, 2):
        support.prepare(keys(regions, guard=guard))
        found += [left(at["band"], 256), left(at["other band"], 256)]
    assert len(set(found)) == 4
    assert all(len(set(band)) > 100 for band in found)


def test_memory_is_given_back(work, regions) -> None:
    gpu, make = work
    before = len(gpu._memory)
    _, rows, outputs, _ = table(gpu, regions)
    tables = len(gpu._memory)
    support = make(list(rows.values()), outputs)
    support.prepare(keys(regions))
    support.free()
    assert len(gpu._memory) == tables > before


def test_shared_memory_is_left_full_of_nans(runner, regions, kernels) -> None:
    gpu = support_on_host.gpu_with_kernels(runner["gpu_host"].HostGpu)()
    words = (ctypes.c_uint * 12288).in_dll(kernels, "ks_words")
    ctypes.memset(words, 0, ctypes.sizeof(words))
    regions.GpuSupport(gpu, kernels, [], []).prepare(keys(regions))
    assert set(words) == {0xFFFFFFFF}
