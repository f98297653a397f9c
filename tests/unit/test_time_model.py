"""The time model: what must make a kernel slower or faster, whatever its constants are."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from kernelsearch import paths
from kernelsearch.device.model import LaunchCounts, call_us, modelled, occupancy, resources_of
from kernelsearch.model import Hardware, KernelResources

PROFILES = sorted((paths.data("profiles") / "hardware").glob("*.toml"))


def read(path: Path) -> Hardware:
    return Hardware(**tomllib.loads(path.read_text()))


H100 = read(paths.data("profiles") / "hardware" / "h100.toml")


def copy_launch(**changes: float) -> LaunchCounts:
    """A coalesced float copy of 4096 x 4096 elements by blocks of 256 threads."""
    requests = 4096 * 4096 / 32
    counters = {
        "global_load_requests": requests,
        "global_load_sectors": 4 * requests,
        "global_load_bytes": 128 * requests,
        "global_load_block_sectors": 4 * requests,
        "footprint_load_sectors": 4 * requests,
        "global_store_requests": requests,
        "global_store_sectors": 4 * requests,
        "global_store_bytes": 128 * requests,
        "global_store_block_sectors": 4 * requests,
        "footprint_store_sectors": 4 * requests,
        "warp_blocks": 3 * requests,
        "thread_blocks": 96 * requests,
    }
    return LaunchCounts(kernel="copy", grid=(65536, 1, 1), block=(256, 1, 1), shared=0, counters={**counters, **changes})


def resources(registers: int, shared: int = 0) -> KernelResources:
    return KernelResources(kernel="copy", registers=registers, shared_bytes=shared)


def test_a_coalesced_copy_is_bound_by_dram_near_the_datasheet_rate():
    time = modelled(copy_launch(), H100)
    floor = 2 * 4096 * 4096 * 4 / H100.dram_bytes_per_s * 1e6
    assert time.limiter == "dram"
    assert floor < time.us < 2 * floor


@pytest.mark.parametrize(
    ("counter", "value"),
    [
        ("global_store_sectors", 32 * 4096 * 4096 / 32),
        ("shared_load_wavefronts", 32 * 4096 * 4096 / 32),
        ("warp_blocks", 400 * 4096 * 4096 / 32),
        ("global_atomic_serial", 1e9),
        ("barriers", 65536 * 1e4),
    ],
)
def test_more_of_anything_takes_longer(counter: str, value: float):
    assert modelled(copy_launch(**{counter: value}), H100).us > 1.2 * modelled(copy_launch(), H100).us


def test_scattered_stores_are_bound_below_the_sm_and_not_by_issue():
    time = modelled(copy_launch(global_store_sectors=32 * 4096 * 4096 / 32), H100)
    assert time.limiter in {"l2", "l1 and shared", "dram"}


def test_a_grid_smaller_than_the_gpu_leaves_it_idle():
    small = {name: value / 65536 for name, value in copy_launch(warp_blocks=1e9).counters.items()}
    one = modelled(LaunchCounts(kernel="k", grid=(1, 1, 1), block=(256, 1, 1), shared=0, counters=small), H100)
    full = {name: value * H100.sm_count for name, value in small.items()}
    all_sms = modelled(LaunchCounts(kernel="k", grid=(H100.sm_count, 1, 1), block=(256, 1, 1), shared=0, counters=full), H100)
    assert all_sms.us < 2 * one.us  # 132 times the work


def test_fewer_resident_blocks_hide_less_latency():
    free, crowded = (modelled(copy_launch(), H100, resources(registers)) for registers in (32, 255))
    assert crowded.occupancy.resident < free.occupancy.resident
    assert crowded.terms["latency"] > free.terms["latency"]


def test_spilled_registers_cost_more_than_the_occupancy_they_buy():
    roomy, spilling = resources(128), KernelResources(kernel="copy", registers=64, spill_store_bytes=256, spill_load_bytes=512)
    assert modelled(copy_launch(), H100, spilling).us > modelled(copy_launch(), H100, roomy).us


def test_double_precision_costs_where_there_are_few_lanes_for_it():
    ada = read(paths.data("profiles") / "hardware" / "rtx4090.toml")
    busy = copy_launch(warp_blocks=1e9)
    assert modelled(busy, ada, fp64_share=0.2).limiter == "fp64"
    assert modelled(busy, H100, fp64_share=0.2).terms["fp64"] < modelled(busy, ada, fp64_share=0.2).terms["fp64"]


@pytest.mark.parametrize(
    ("block", "registers", "shared", "expected"),
    [
        ((256, 1, 1), 32, 0, 8),  # threads: 2048 / 256
        ((256, 1, 1), 64, 0, 4),  # registers: 65536 / (64 * 256)
        ((32, 1, 1), 32, 0, 32),  # blocks
        ((256, 1, 1), 32, 48 * 1024, 4),  # shared: 228 / (48 + 1)
        ((1024, 1, 1), 40, 0, 1),  # registers: 65536 / (40 * 1024) = 1.6
    ],
)
def test_occupancy_follows_the_calculator(block: tuple[int, int, int], registers: int, shared: int, expected: int):
    launch = LaunchCounts(kernel="copy", grid=(1000, 1, 1), block=block, shared=0, counters={})
    assert occupancy(launch, H100, resources(registers, shared)).resident == expected


def test_a_second_launch_costs_more_than_its_own_work():
    time = modelled(copy_launch(), H100)
    assert call_us([time, time], H100) > 2 * time.us
    assert call_us([time], H100) == pytest.approx(time.us + H100.launch_us)


def test_an_empty_launch_costs_the_launch():
    nothing = LaunchCounts(kernel="k", grid=(1, 1, 1), block=(32, 1, 1), shared=0, counters={})
    assert call_us([modelled(nothing, H100)], H100) == pytest.approx(H100.launch_us)


@pytest.mark.parametrize(
    "name",
    ["transpose", "transpose(const float *, float *)", "void transpose<float>(float*)", "_Z9transposePKfPfii", "_ZN2ns9transposeEfi"],
)
def test_the_compilers_report_is_found_by_plain_template_and_mangled_names(name: str):
    report = (KernelResources(kernel="_Z14other_transposv", registers=1), KernelResources(kernel=name, registers=2))
    found = resources_of("transpose", report)
    assert found is not None
    assert found.registers == 2


def test_a_kernel_that_was_not_reported_has_no_resources():
    assert resources_of("transpose", (KernelResources(kernel="transposed", registers=1),)) is None


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_hardware_profiles_are_whole_and_say_where_their_numbers_come_from(path: Path):
    hardware = read(path)
    described = {"name", "arch", "sources", "launch_us", "measured"}
    limits = {"shared_bytes_per_sm", "shared_bytes_per_block", "registers_per_sm", "threads_per_sm", "blocks_per_sm"}
    fields = {field.name for field in dataclasses.fields(Hardware)}
    assert set(hardware.sources) == fields - described - limits | {"limits"}
    assert hardware.measured == {}, "what was measured belongs to one GPU, not to its kind"
    lanes = hardware.fp32_flops / (2 * hardware.sm_count * hardware.clock_hz)
    assert lanes == pytest.approx(64, rel=0.02) or lanes == pytest.approx(128, rel=0.02)
    assert modelled(copy_launch(), hardware).us > 0
