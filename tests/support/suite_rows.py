"""Rows of a suite as a search would leave them."""

from kernelsearch.model import Row


def row(task: str = "softmax", speedup: float = 2.0, **more) -> Row:
    """A search that found a kernel `speedup` times as fast, measured to 1 %."""
    given = {
        "suite": "core",
        "folder": f"runs/{task}",
        "device": "NVIDIA H100",
        "time_kind": "measured",
        "baseline_us": 100.0,
        "best_us": 100.0 / speedup,
        "speedup": speedup,
        "interval": None if speedup == 1.0 else (speedup * 0.99, speedup * 1.01),
        "candidates": 10,
        "passed": 6,
        "gpu_seconds": 30.0,
        "usd": 0.5,
        "digest": f"digest of {task}",
        "ended": "budget reached: 10 candidates",
    }
    return Row(task=task, **{**given, **more})


def failure(task: str = "softmax", **more) -> Row:
    given = {"suite": "core", "folder": f"runs/{task}", "failure": "it does not build", "digest": f"digest of {task}"}
    return Row(task=task, **{**given, **more})
