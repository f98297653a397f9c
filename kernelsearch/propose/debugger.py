"""The debugger: what it is told of a candidate that failed, and which failures it is asked to repair.

It speaks as the coder, with the coder's own system part, so that a provider's cache serves it, and answers by an edit like any other.
What was refused or called cheating is not repaired: that would teach how to get past the judge.
"""

from __future__ import annotations

from kernelsearch.model import Attempt, Context, Evaluation, Hardware, Outcome, Task, Verdict
from kernelsearch.model.roles import REPAIRS
from kernelsearch.propose import prompt
from kernelsearch.propose.ask import difference
from kernelsearch.propose.budget import Part
from kernelsearch.propose.prompt import Prompt
from kernelsearch.propose.shrink import counted
from kernelsearch.propose.system import system
from kernelsearch.propose.wording import block, language, one_line

_PAGE = "debugger.md.j2"
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


def write(
    failed: Attempt,
    evaluation: Evaluation,
    context: Context,
    task: Task,
    hardware: Hardware,
    *,
    instructions: str,
    limit: int | None = None,
) -> Prompt:
    """What the debugger is told of `failed`, which has a candidate. Raises `PromptTooLong`."""
    candidate, parent = failed.candidate, context.parent
    if candidate is None:
        raise ValueError("an attempt without a candidate has nothing to repair")
    summary = one_line(candidate.origin.summary or candidate.origin.directive)
    flags = one_line(" ".join(candidate.flags)) or "none"
    edit = difference(parent.candidate, candidate.source) if parent.candidate and parent.passed else ""
    request = [
        Part(name="failed", text=block(_PAGE, "failed", verdict=evaluation.verdict.prompt, summary=summary)),
        _mended(failed),
        prompt.output(evaluation),
        Part(name="source", text=block(_PAGE, "source", source=candidate.source, language=language(task), flags=flags)),
        prompt.changed(_PAGE, edit, least=0),
    ]
    ending = [Part(name="turn", text=block(_PAGE, "turn"))]
    return prompt.compose(system(task, hardware, instructions), request, ending, limit)


def _mended(failed: Attempt) -> Part:
    """How earlier versions of it failed."""
    lines = [one_line(f"{each.verdict.value}: {each.detail}") for each in failed.team.mended]
    return counted("mended", "tried", len(lines), lambda left: block(_PAGE, "mended", lines=lines[-left:]), what="earlier failures")
