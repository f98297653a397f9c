"""What the calibration kernels put out, so that a figure is taken only from one that did its work."""

import numpy as np


def dram_copy(n: int) -> np.ndarray:
    return np.arange(n // 4096)


def l2_read(x: np.ndarray, blocks: int, passes: int) -> np.ndarray:
    """A thread reads four vectors a pass, and those of another block in the next."""
    threads = blocks * 512
    vectors = np.bitwise_xor.reduce(x.reshape(4, threads, 4), axis=2).sum(axis=0)
    return sum(np.roll(vectors, -512 * step) * times for step, times in _steps(passes, blocks))


def shared_read(x: np.ndarray, blocks: int, passes: int) -> np.ndarray:
    """As `l2_read`, of one tile that every block has: eight vectors a pass, and one place further in the next."""
    vectors = np.bitwise_xor.reduce(x.reshape(2048, 4), axis=1)
    once = sum(vectors[64 * k : 64 * k + 1024] for k in range(8))
    return np.tile(sum(np.roll(once, -step) * times for step, times in _steps(passes, 1024)), blocks)


def fp32_fma(x: np.ndarray, blocks: int, passes: int, factor: float) -> np.ndarray:
    chains = np.stack([np.roll(x, -k) for k in range(8)])
    for _ in range(passes):
        chains = chains * factor + x
    return np.tile(chains.sum(axis=0), blocks)


def tensor_bf16(x: np.ndarray, blocks: int, passes: int) -> np.ndarray:
    return _tiles(x, blocks, passes, 16)


def tensor_tf32(x: np.ndarray, blocks: int, passes: int) -> np.ndarray:
    return _tiles(x, blocks, passes, 8)


def launch() -> np.ndarray:
    return np.ones(1)


def _steps(passes: int, period: int) -> list[tuple[int, int]]:
    """Every shift with how many of the passes have it."""
    return [(step, len(range(step, passes, period))) for step in range(min(passes, period))]


def _tiles(x: np.ndarray, blocks: int, passes: int, depth: int) -> np.ndarray:
    """Each of eight warps a block: two tiles by rows times four by columns, all added up."""
    tiles = x.reshape(6, 16, depth)
    return np.tile((passes * tiles[:2].sum(axis=0) @ tiles[2:].sum(axis=0).T).reshape(-1), 8 * blocks)
