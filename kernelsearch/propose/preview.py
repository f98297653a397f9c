"""The prompt of each role as it would be sent, without sending it."""

from __future__ import annotations

from kernelsearch.errors import UsageError
from kernelsearch.model import Context, Hardware, Node, Proposal, Task
from kernelsearch.model.roles import DEBUGGER, JUDGE, PLANNER, ROLES, SUMMARISER
from kernelsearch.propose import debugger, edits, forecast, judge, planner, summariser
from kernelsearch.propose.base import Draft
from kernelsearch.propose.prompt import Prompt


def of_role(
    role: str, proposal: Proposal, context: Context, task: Task, hardware: Hardware, *, edit_format: str, limit: int | None = None
) -> Prompt:
    """What the coder, planner or summariser would be told of an edit of `context.parent`. Raises `UsageError` for another role."""
    if role == PLANNER:
        return planner.write(proposal, context, task, hardware, limit=limit)
    if role == SUMMARISER:
        return summariser.write(context, task, hardware, limit=limit)
    if role not in ROLES or role in (JUDGE, DEBUGGER):
        raise UsageError(f"the {role} is asked about an attempt; name one as RUN:NODE" if role in ROLES else f"there is no role {role!r}")
    return forecast.preview(proposal, context, task, hardware, edit_format=edit_format, limit=limit)


def of_attempt(
    role: str, node: Node, context: Context, task: Task, hardware: Hardware, *, edit_format: str, limit: int | None = None
) -> Prompt:
    """What the judge would have been told of the edit that `node` is, or the debugger of its failure; `context` is that of the edit."""
    candidate, proposal, evaluation = node.candidate, node.attempt.proposal, node.evaluation
    if candidate is None or proposal is None:
        raise UsageError(f"attempt {node.number} is no edit that the {role} could be asked about")
    if role == JUDGE:
        draft = Draft(source=candidate.source, flags=candidate.flags, origin=candidate.origin)
        return judge.write(draft, proposal, context, task, hardware, limit=limit)
    if evaluation is None or not debugger.repairable(node.attempt):
        raise UsageError(f"attempt {node.number} did not fail in a way that a debugger is asked to repair")
    if edit_format not in edits.INSTRUCTIONS:
        raise UsageError(f"unknown edit format {edit_format!r}; there are {', '.join(edits.INSTRUCTIONS)}")
    return debugger.write(node.attempt, evaluation, context, task, hardware, instructions=edits.INSTRUCTIONS[edit_format], limit=limit)
