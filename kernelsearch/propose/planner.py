"""The planner: one limit, one method, one plan, in words for the coder (the split of CudaForge, arXiv 2511.01884)."""

from __future__ import annotations

from kernelsearch.model import Context, Hardware, Plan, Proposal, Task, Teamwork
from kernelsearch.propose import prompt
from kernelsearch.propose.ask import Asking, ask
from kernelsearch.propose.budget import Part
from kernelsearch.propose.prompt import Prompt
from kernelsearch.propose.system import system
from kernelsearch.propose.wording import block

_PAGE = "planner.md.j2"
_DUTY = """You plan how to make one kernel faster, one edit at a time; somebody else writes the edit after your plan. An edit counts only
when every output is right and the time goes down."""
_FORM = """
One JSON object in a fenced block, with these three texts and no other key:

```json
{"bottleneck": "the one limit and its evidence", "method": "the one method, in a few words", "plan": "the steps"}
```
"""


def write(proposal: Proposal, context: Context, task: Task, hardware: Hardware, *, limit: int | None = None) -> Prompt:
    """What the planner is told. Raises `PromptTooLong`."""
    turn = prompt.idea(_PAGE, "plan", proposal, context, task, hardware)
    ending = [*turn, Part(name="question", text=block(_PAGE, "form"))]
    return prompt.compose(system(task, hardware, _FORM, duty=_DUTY), prompt.situation(proposal, context, task), ending, limit)


def plan(asking: Asking, written: Prompt) -> Teamwork:
    """The plan, where there is one, and what it took."""
    found, work = ask(asking, written, Plan)
    return work + Teamwork(plan=found)
