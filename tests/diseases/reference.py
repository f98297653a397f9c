"""What the kernels with one disease each put out. Most give every block the same work, so that a reference is cheap at any size."""

import numpy as np


def dram_bandwidth(x: np.ndarray, pieces: int) -> np.ndarray:
    """A thread takes eight vectors of four, 256 vectors apart."""
    return x.reshape(pieces, 8, 256, 4).sum(axis=(1, 3)).reshape(-1)


def memory_latency(x: np.ndarray, n: int, blocks: int, steps: int) -> np.ndarray:
    at = np.arange(blocks * 8, dtype=np.int64) * 7919 % n
    for _ in range(steps):
        at = x[at].astype(np.int64)
    return at


def l2_bandwidth(x: np.ndarray, blocks: int, passes: int) -> np.ndarray:
    """In each pass a thread is where that of the next block was."""
    vectors = np.bitwise_xor.reduce(x.reshape(4, blocks * 512, 4), axis=2).sum(axis=0)
    return sum(np.roll(vectors, -512 * (step % blocks)) for step in range(passes))


def shared_conflicts(x: np.ndarray, blocks: int, passes: int) -> np.ndarray:
    return np.tile(passes * x.reshape(32, 32).sum(axis=1), 8 * blocks)


def uncoalesced(x: np.ndarray, rows: int, cols: int) -> np.ndarray:
    return x.sum(axis=1)


def compute(x: np.ndarray, blocks: int, passes: int, factor: float) -> np.ndarray:
    return np.tile(_chains([np.roll(x, -k) for k in range(8)], x, passes, factor), blocks)


def tensor_idle(a: np.ndarray, b: np.ndarray, m: int, n: int, k: int) -> np.ndarray:
    return a @ b


def occupancy_registers(x: np.ndarray, n: int, blocks: int, rounds: int) -> np.ndarray:
    sums = np.zeros(blocks * 256)
    for step, (_, found) in enumerate(_walk(x, blocks * 8, 32 * rounds)):
        weight = 0.5 ** (rounds - 1 - step // 32)  # halved once a round from then on
        sums += 5 * weight * (found % 256).reshape(-1)
    return sums + np.arange(160).sum() * 0.5**rounds


def occupancy_shared(x: np.ndarray, n: int, blocks: int, steps: int) -> np.ndarray:
    table = np.arange(12288) % 1021
    sums = np.zeros((blocks * 2, 32), dtype=np.int64)
    for after, found in _walk(x, blocks * 2, steps):
        sums += found % 256 + table[(after[:, None] + np.arange(32)) % 12288]
    return sums.reshape(-1)


def occupancy_grid(x: np.ndarray, n: int, blocks: int) -> np.ndarray:
    return x.reshape(blocks, -1, 256).sum(axis=1).reshape(-1)


def barrier(x: np.ndarray, blocks: int, rounds: int, steps: int) -> np.ndarray:
    mine, led = x.copy(), np.abs(x[:32])
    for _ in range(rounds):
        for _ in range(steps):
            led = np.sqrt(0.5 * led * led + 1.0)
        led = led + 0.25
        mine = 0.5 * mine + np.tile(led, 16)
    return np.tile(mine, blocks)


def divergence(x: np.ndarray, blocks: int, passes: int) -> np.ndarray:
    ways = (
        lambda v: 0.5 * v + 1.0,
        lambda v: np.sqrt(0.5 * v * v + 1.0),
        lambda v: 0.5 / (v * v + 1.0),
        lambda v: np.exp(-0.5 * v),
        lambda v: np.abs(v - 1.0) * 0.5,
        lambda v: np.maximum(0.25 * v, 0.125) + 0.0625,
        lambda v: (v + 2.0) / (v + 1.0),
        lambda v: 0.5 * np.log(v + 2.0),
    )
    values = np.abs(x).reshape(-1, 8)
    for lane, way in enumerate(ways):
        for _ in range(passes):
            values[:, lane] = way(values[:, lane])
    return np.tile(values.reshape(-1), blocks)


def launch_overhead(x: np.ndarray, n: int) -> np.ndarray:
    y = x.copy()
    for _ in range(12):
        y = 0.5 * y + x[::-1]
    return y


def tail(x: np.ndarray, blocks: int, passes: int, factor: float) -> np.ndarray:
    return np.tile(_chains([np.roll(x, -k) for k in range(4)], x, passes, factor), blocks)


def spills(x: np.ndarray, blocks: int, passes: int, factor: float) -> np.ndarray:
    chains = np.stack([np.roll(x, -k) for k in range(96)])
    step = x.copy()
    for _ in range(passes):
        chains = chains * factor + step
        step = chains[0].copy()
    return np.tile(chains.sum(axis=0), blocks)


def atomics(x: np.ndarray, n: int, bins: int) -> np.ndarray:
    return np.bincount(x, minlength=bins)


def _chains(starts: list[np.ndarray], step: np.ndarray, passes: int, factor: float) -> np.ndarray:
    chains = np.stack(starts)
    for _ in range(passes):
        chains = chains * factor + step
    return chains.sum(axis=0)


def _walk(x: np.ndarray, warps: int, steps: int):
    """For each step where each warp goes next, and what its lanes found."""
    at = np.arange(warps, dtype=np.int64) * 32
    for _ in range(steps):
        found = x[at[:, None] + np.arange(32)].astype(np.int64)
        at = found[:, 0] // 32 * 32
        yield at, found
