"""The planner: one limit, one method, one plan, in words for the coder (the split of CudaForge, arXiv 2511.01884)."""

from __future__ import annotations

from kernelsearch.model import Context, Hardware, Plan, Proposal, Task, Teamwork
from kernelsearch.propose import prompt
from kernelsearch.propose.ask import Asking, ask
from kernelsearch.propose.prompt import Prompt
from kernelsearch.propose.system import system
from kernelsearch.propose.wording import fill

_DUTY = """You plan how to make one kernel faster, one edit at a time; somebody else writes the edit after your plan. An edit counts only
when every output is right and the time goes down."""
_FORM = """
One JSON object in a fenced block, with these three texts and no other key:

```json
{"bottleneck": "the one limit and its evidence", "method": "the one method, in a few words", "plan": "the steps"}
```
"""


def write(proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> Prompt:
    """What the planner is told."""
    request = fill("planner.md.j2", **prompt.situation(proposal, context, task, hardware), said_in="plan")
    return Prompt(system=system(task, hardware, _FORM, duty=_DUTY), request=request)


def plan(asking: Asking, written: Prompt) -> tuple[Plan | None, Teamwork]:
    """The plan, and what it took."""
    found, work = ask(asking, written, Plan)
    return found, work + Teamwork(plan=found)
