"""Rewrites keep the meaning: each golden text is run on the emulated device and compared with the kernel it was made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelsearch import digest
from kernelsearch.draft import draft
from kernelsearch.errors import ToolMissing
from kernelsearch.evaluate import evaluate
from kernelsearch.lab import Lab, open_lab
from kernelsearch.model import Candidate, Case, Distribution, Origin, Task, Verdict

GOLDEN = Path(__file__).parent.parent / "golden" / "rules"
# `tile` works on one fixed tile, so its draft has no size to vary; the others only tell the compiler something.
LEFT_OUT = ("tile.", "launch-bounds", "restrict", "unroll")
AFTER = sorted(path.stem for path in GOLDEN.glob("*.*.cu") if not any(part in path.stem for part in LEFT_OUT))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    try:
        opened = open_lab(device="emulated", metrics="none")
    except ToolMissing as missing:
        pytest.skip(str(missing))
    yield opened
    opened.close()


def task_of(kernel: str) -> Task:
    """The drafted task with small ragged cases: below, at and above the sizes of blocks, tiles and vectors."""
    text = (GOLDEN / f"{kernel}.cu").read_text()
    task = draft(text, f"{kernel}.cu", elements=1 << 10).task
    assert task is not None
    names = list(task.cases[0].sizes)
    rows = ((67, 45, 33), (1, 37, 17), (64, 96, 32))
    cases = tuple(Case(name=str(i), sizes=dict(zip(names, row, strict=False)), timed=i == 0) for i, row in enumerate(rows))
    return dataclasses.replace(task, cases=cases, distributions=(Distribution.NORMAL,))


@pytest.mark.parametrize("name", AFTER)
def test_the_golden_text_computes_the_same(name: str, lab: Lab) -> None:
    task = task_of(name.partition(".")[0])
    candidate = Candidate(
        task=digest.task(task), source=(GOLDEN / f"{name}.cu").read_text(), flags=task.flags, origin=Origin(proposer="rules")
    )
    judged = evaluate(candidate, task, lab)
    assert judged.verdict is Verdict.PASSED, judged.detail
