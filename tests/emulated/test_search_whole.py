"""A whole run on the emulated device: it improves a kernel, is the same again with the same seed, and goes on where it stopped."""

import json
import threading
from dataclasses import replace

import pytest

from kernelsearch import catalog, digest, search
from kernelsearch.errors import UsageError
from kernelsearch.model import Budget, Case, Outcome, RunSpec, Verdict
from kernelsearch.store.rundir import RunFolder

# The first edit leaves column 0 out.
EDIT = """SUMMARY: columns from one on

<<<<<<< SEARCH
    int col = blockIdx.y * blockDim.y + threadIdx.y;
=======
    int col = blockIdx.y * blockDim.y + threadIdx.y + 1;
>>>>>>> REPLACE
"""
REPLIES = (EDIT, "I cannot think of anything.", "Really not.", "No.")


@pytest.fixture(scope="module")
def task():
    """The transpose, timed at a size that takes no time to emulate."""
    shipped = catalog.task("core/transpose")
    small = tuple(case for case in shipped.cases if not case.timed)
    return replace(shipped, cases=(Case(name="timed", sizes={"rows": 512, "cols": 512}, timed=True), *small))


def run(task, folder, **fields):
    spec = RunSpec(task="", task_name="", device="emulated", seed=7, **{"budget": Budget(candidates=4), "secret": "told", **fields})
    return search.optimize(task, spec, folder, watch=lambda event: None, stop=threading.Event())


def told(folder):
    """What must be equal in two runs of one seed: everything but the times that our own work took."""
    return [
        (
            n.number,
            n.parent,
            digest.candidate(n.candidate),
            n.reward,
            replace(n.evaluation, seconds={}, held_s=0.0, build=replace(n.evaluation.build, seconds=0.0, cached=False)),
        )
        for n in RunFolder.open(folder).nodes
    ]


def test_rules_improve_a_kernel_and_the_same_seed_gives_the_same_run(task, tmp_path):
    first = run(task, tmp_path / "first")
    assert first.speedup > 1.2 and first.best.evaluation.verdict is Verdict.PASSED
    assert {check.case for check in first.best.evaluation.checks} == {case.name for case in task.cases}
    run(task, tmp_path / "second")
    assert told(tmp_path / "first") == told(tmp_path / "second")
    best = first.best.evaluation
    assert best.confirmation.held and best.confirmation.detail.endswith("without pairs")
    earlier = [node for node in RunFolder.open(tmp_path / "first").nodes if node.number < first.best.number and node.passed]
    assert best.confirmation.against in {node.evaluation.candidate for node in earlier}


def test_another_secret_gives_the_same_kernels_on_other_contents(task, tmp_path):
    """Without one each run draws its own."""
    for name, secret in (("a", "x"), ("b", ""), ("c", "")):
        run(task, tmp_path / name, secret=secret, budget=Budget(candidates=1))
    specs = [RunFolder.open(tmp_path / name).spec for name in "abc"]
    assert specs[0].secret == "x" and len({spec.secret for spec in specs}) == 3 and all(len(spec.secret) == 32 for spec in specs[1:])
    a, b = (RunFolder.open(tmp_path / name).nodes for name in "ab")
    assert [digest.candidate(n.candidate) for n in a] == [digest.candidate(n.candidate) for n in b]
    assert [n.time_us for n in a] == [n.time_us for n in b]


def test_a_run_that_stopped_goes_on_as_if_it_had_not(task, tmp_path):
    run(task, tmp_path / "whole")
    run(task, tmp_path / "parts", budget=Budget(candidates=2))
    done = search.resume(tmp_path / "parts", budget=Budget(candidates=4), watch=lambda event: None, stop=threading.Event())
    assert done.totals.candidates == 4
    assert told(tmp_path / "whole") == told(tmp_path / "parts")


def test_what_a_model_says_is_tried_and_what_it_does_wrong_is_recorded(task, tmp_path):
    answers = tmp_path / "answers.jsonl"
    usage = {"input_tokens": 100, "output_tokens": 10, "calls": 1}
    answers.write_text("".join(json.dumps({"reply": text, "model": "scripted", "usage": usage}) + "\n" for text in REPLIES))
    run(task, tmp_path / "run", proposer=f"replay:{answers}", budget=Budget(candidates=2))
    baseline, wrong, silent = RunFolder.open(tmp_path / "run").nodes
    assert baseline.passed
    assert wrong.evaluation.verdict is Verdict.WRONG and "not written" in wrong.evaluation.detail
    assert silent.attempt.outcome is Outcome.UNUSABLE and silent.attempt.usage.calls == 3
    answers.unlink()  # its own folder is enough
    run(task, tmp_path / "again", proposer=f"replay:{tmp_path}/run", budget=Budget(candidates=2))
    same = [
        (n.attempt.outcome, n.attempt.reply, n.attempt.usage, n.evaluation and n.evaluation.verdict)
        for n in RunFolder.open(tmp_path / "run").nodes
    ]
    assert [
        (n.attempt.outcome, n.attempt.reply, n.attempt.usage, n.evaluation and n.evaluation.verdict)
        for n in RunFolder.open(tmp_path / "again").nodes
    ] == same


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return x.T * 0 + 1", "one number in all its elements"),
        ("return x.T / 0", "finite"),
        ("import numpy as np; y = x.T.copy(); y[:, -1] = np.random.default_rng().random(len(y)); return y", "not deterministic"),
    ],
)
def test_a_task_that_cannot_tell_right_from_wrong_is_refused_with_the_reason(task, tmp_path, body, why):
    reference = replace(task.reference, source=f"def transpose(x, rows, cols):\n    {body}\n")
    with pytest.raises(UsageError, match=why):
        run(replace(task, reference=reference), tmp_path / "run")
    assert not (tmp_path / "run").exists()
