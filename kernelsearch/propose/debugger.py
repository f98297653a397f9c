"""The debugger: what it is told of a candidate that failed, and which failures it is asked to repair.

It speaks as the coder, with the coder's own system part, so that a provider's cache serves it, and answers by an edit like any other.
What was refused or called cheating is not repaired: that would teach how to get past the judge.
"""

from __future__ import annotations

from kernelsearch.model import Attempt, Context, Evaluation, Hardware, Outcome, Task, Verdict
from kernelsearch.model.roles import REPAIRS
from kernelsearch.propose import prompt
from kernelsearch.propose.ask import difference
from kernelsearch.propose.prompt import Prompt
from kernelsearch.propose.system import system
from kernelsearch.propose.wording import fill, language, one_line

_REPAIRABLE = (
    Verdict.BUILD_FAILED,
    Verdict.CRASHED,
    Verdict.TIMED_OUT,
    Verdict.WRONG,
    Verdict.NONDETERMINISTIC,
    Verdict.HAZARD,
)


def repairable(attempt: Attempt) -> bool:
    """Whether the candidate failed by a mistake, and was not repaired as often as it may be."""
    verdict = None if attempt.outcome is not Outcome.EVALUATED or attempt.evaluation is None else attempt.evaluation.verdict
    return verdict in _REPAIRABLE and len(attempt.team.mended) < REPAIRS


def write(failed: Attempt, evaluation: Evaluation, context: Context, task: Task, hardware: Hardware, *, instructions: str) -> Prompt:
    """What the debugger is told of `failed`, which has a candidate."""
    candidate, parent = failed.candidate, context.parent
    if candidate is None:
        raise ValueError("an attempt without a candidate has nothing to repair")
    request = fill(
        "debugger.md.j2",
        verdict=evaluation.verdict.prompt,
        summary=one_line(candidate.origin.summary or candidate.origin.directive),
        mended=[one_line(f"{each.verdict.value}: {each.detail}") for each in failed.team.mended],
        detail=prompt.detail(evaluation),
        language=language(task),
        source=candidate.source,
        flags=one_line(" ".join(candidate.flags)) or "none",
        difference=difference(parent.candidate, candidate.source) if parent.candidate and parent.passed else "",
    )
    return Prompt(system=system(task, hardware, instructions), request=request)
