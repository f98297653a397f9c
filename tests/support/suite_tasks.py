"""The tasks of the large suites: all of them, and the few that stand for them in the ordinary run of the tests."""

from __future__ import annotations

import pytest

from kernelsearch import catalog
from kernelsearch.model import Task

SUITES = ("algebra", "llm")
TASKS: dict[str, Task] = {f"{task.suite}/{task.name}": task for suite in SUITES for task in catalog.tasks(suite)}

# A sum, a product, a network of exchanges, scratch memory, softmax in bfloat16, two outputs, inputs with structure, windows beyond an edge.
SAMPLE = (
    "algebra/dot_product",
    "algebra/matrix_power_bf16",
    "algebra/sorting",
    "algebra/prefix_sum_bf16",
    "llm/softmax_bf16",
    "llm/merge_attn_states",
    "llm/rope",
    "llm/max_pooling_2d",
)


_LATER = pytest.param("", marks=pytest.mark.skip(reason="loading PyTorch takes seconds: only where all tasks are asked for (--all-tasks)"))
_ORDINARY = {"sampled": SAMPLE, "compiled": SAMPLE[1:2], "loaded": (_LATER,)}


def parametrised(metafunc: pytest.Metafunc) -> None:
    """Give a test with one of these arguments its part of the sample, or every task where the run asks for them (`--all-tasks`)."""
    for argument in _ORDINARY.keys() & set(metafunc.fixturenames):
        metafunc.parametrize(argument, list(TASKS) if metafunc.config.getoption("--all-tasks") else _ORDINARY[argument])
