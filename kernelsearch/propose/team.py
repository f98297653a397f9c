"""A coder with other roles around it, each asked of the same model: planner and summariser before it, judge and debugger after.

The order is fixed, so that recorded answers serve in their order. A role that fails is done without; the coder's failure is the attempt's,
with all that was paid before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from kernelsearch.errors import LlmBusy, NothingToPropose, PromptTooLong, ReplyUnusable
from kernelsearch.llm.base import RefusedReply
from kernelsearch.llm.pool import Pool
from kernelsearch.model import Attempt, Context, Hardware, Origin, Proposal, Task, Teamwork, Usage
from kernelsearch.model.roles import CODER, DEBUGGER, JUDGE, PLANNER, SUMMARISER, check
from kernelsearch.propose import debugger, judge, planner, summariser
from kernelsearch.propose.ask import Asking, without
from kernelsearch.propose.base import Draft, RefusedEdit, Repair, UnusableReply
from kernelsearch.propose.model import ModelProposer, member
from kernelsearch.scrub import scrub

_BREAK = "\n\n---\n\n"  # between the turns of a conversation on record


class Team:
    """Thread-safe if the model is. Raises `UsageError` for roles that there are not."""

    def __init__(self, coder: ModelProposer, roles: Sequence[str]) -> None:
        check(roles)
        self._coder = coder
        self._roles = frozenset(roles)

    @property
    def name(self) -> str:
        return self._coder.name

    @property
    def pool(self) -> Pool | None:
        return self._coder.pool

    def recorded(self, path: Path) -> Team:
        """The same, with every exchange kept in `path`."""
        return Team(self._coder.recorded(path), sorted(self._roles))

    def propose(self, proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> Draft:
        """As the coder's, with what the others brought; raises what the coder raises, `RefusedEdit` for a `RefusedReply`."""
        self._coder.write(proposal, context, task, hardware)  # nobody is paid for an edit that cannot be asked for
        work, limit = Teamwork(), self._coder.limit(proposal)
        if SUMMARISER in self._roles and summariser.due(proposal):
            asking = self._asking(SUMMARISER, proposal)
            work += _fitting(SUMMARISER, lambda: summariser.summarise(asking, summariser.write(context, task, hardware, limit=limit)))
            context = replace(context, lessons=work.lessons or context.lessons)
        if PLANNER in self._roles:
            work += self._planned(proposal, context, task, hardware)
            context = replace(context, plan=work.plan)
        draft, work = self._coded(proposal, context, task, hardware, work)
        if JUDGE in self._roles:
            asking = self._asking(JUDGE, proposal)
            work += _fitting(JUDGE, lambda: judge.predict(asking, judge.write(draft, proposal, context, task, hardware, limit=limit)))
        return replace(draft, team=work, origin=replace(draft.origin, usage=work.total))

    def _planned(self, proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> Teamwork:
        asking, limit = self._asking(PLANNER, proposal), self._coder.limit(proposal)
        return _fitting(PLANNER, lambda: planner.plan(asking, planner.write(proposal, context, task, hardware, limit=limit)))

    def _coded(self, proposal: Proposal, context: Context, task: Task, hardware: Hardware, work: Teamwork) -> tuple[Draft, Teamwork]:
        try:
            draft = self._coder.propose(proposal, context, task, hardware)
        except UnusableReply as error:
            work += Teamwork(usage={CODER: error.usage}) + error.team
            raise UnusableReply(str(error), prompt=error.prompt, reply=error.reply, usage=work.total, team=work) from error
        except RefusedReply as error:
            raise RefusedEdit(error, work + Teamwork(usage={CODER: error.usage})) from error
        except (LlmBusy, NothingToPropose) as error:
            if not work.total.calls:
                raise
            said = f"the coder could not be asked ({error}) after another role was"
            raise UnusableReply(said, prompt="", reply="", usage=work.total, team=work) from error
        return draft, work + Teamwork(usage={CODER: draft.origin.usage}) + draft.team

    def mend(self, failed: Attempt, context: Context, task: Task, hardware: Hardware) -> Repair | None:
        """See `Mender`."""
        candidate, evaluation, proposal = failed.candidate, failed.evaluation, failed.proposal
        if DEBUGGER not in self._roles or candidate is None or evaluation is None or proposal is None or not debugger.repairable(failed):
            return None
        limit, instructions = self._coder.limit(proposal), self._coder.instructions
        try:
            written = debugger.write(failed, evaluation, context, task, hardware, instructions=instructions, limit=limit)
            draft = self._coder.edit(written, candidate, proposal, role=DEBUGGER)
        except (UnusableReply, RefusedReply) as error:
            said = error.reply if isinstance(error, UnusableReply) else error.text
            return _gave_up(candidate.origin, str(error), Origin(proposer="", prompt=error.prompt, reply=said, usage=error.usage))
        except (LlmBusy, NothingToPropose, PromptTooLong, ReplyUnusable) as error:
            return _gave_up(candidate.origin, str(error), Origin(proposer=""))
        origin = _after(candidate.origin, draft.origin)
        return Repair(draft=replace(draft, origin=origin), origin=origin, team=Teamwork(usage={DEBUGGER: draft.origin.usage}) + draft.team)

    def _asking(self, role: str, proposal: Proposal) -> Asking:
        return Asking(model=member(self._coder.model, proposal), role=role, seed=proposal.seed)


def _fitting(role: str, asked: Callable[[], Teamwork]) -> Teamwork:
    """What `role` brought; where its prompt is longer than it may be, it is done without."""
    try:
        return asked()
    except PromptTooLong as error:
        return without(role, str(error))


def _gave_up(before: Origin, why: str, said: Origin) -> Repair:
    usage = {} if said.usage == Usage() else {DEBUGGER: said.usage}
    return Repair(draft=None, origin=_after(before, said), team=Teamwork(usage=usage, notes=(scrub(f"the debugger gave up: {why}"),)))


def _after(before: Origin, later: Origin) -> Origin:
    """The origin of an edit after one more conversation about it; whose idea it was stays."""
    return replace(
        before,
        model=later.model or before.model,
        prompt=_BREAK.join(filter(None, (before.prompt, later.prompt))),
        reply=_BREAK.join(filter(None, (before.reply, later.reply))),
        usage=before.usage + later.usage,
    )
