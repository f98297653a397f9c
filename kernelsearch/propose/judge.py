"""The judge: what an edit will bring and how likely it is to fail, said before it is judged and held against what happened.

It decides nothing: whether its figures are worth acting on is what the calibration of recorded runs is to show first.
"""

from __future__ import annotations

from kernelsearch.model import Context, Hardware, Prediction, Proposal, Task, Teamwork
from kernelsearch.propose import prompt
from kernelsearch.propose.ask import Asking, ask, difference
from kernelsearch.propose.base import Draft
from kernelsearch.propose.budget import Part
from kernelsearch.propose.prompt import Prompt
from kernelsearch.propose.system import system
from kernelsearch.propose.wording import block, one_line

_PAGE = "judge.md.j2"
_LEAST = 1_500  # characters of the edit: what is to be judged
_DUTY = """You judge edits of one kernel before they are compiled and timed. You are right when what you say happens as often as you say."""
_FORM = """
One JSON object in a fenced block, with these keys and no other:

```json
{"speedup": 1.1, "risk": 0.3, "reason": "one sentence"}
```

`speedup` is a factor over the present kernel, above 1 for faster; `risk` is the probability, from 0 to 1, that the edit does not pass.
"""


def write(draft: Draft, proposal: Proposal, context: Context, task: Task, hardware: Hardware, *, limit: int | None = None) -> Prompt:
    """What the judge is told of `draft`. Raises `PromptTooLong`."""
    before = context.parent.candidate
    flags, summary = one_line(" ".join(draft.flags)) or "none", one_line(draft.origin.summary)
    ending = [
        Part(name="edit", text=block(_PAGE, "edit", summary=summary, flags=flags)),
        prompt.changed(_PAGE, "" if before is None else difference(before, draft.source), least=_LEAST),
        Part(name="turn", text=block(_PAGE, "turn")),
    ]
    return prompt.compose(system(task, hardware, _FORM, duty=_DUTY), prompt.situation(proposal, context, task), ending, limit)


def predict(asking: Asking, written: Prompt) -> Teamwork:
    """The prediction, where there is one, and what it took."""
    found, work = ask(asking, written, Prediction)
    return work + Teamwork(prediction=found)
