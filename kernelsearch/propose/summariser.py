"""The summariser: the lessons of a run in words, now and then. They stand in the record of the attempt that asked for them.

`lessons.Lessons` reads them from there and shows them before its own lines of what came after, so that a resumed run knows them too.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernelsearch.model import Context, Hardware, Proposal, Task, Teamwork
from kernelsearch.model.roles import EVERY
from kernelsearch.propose import prompt
from kernelsearch.propose.ask import Asking, ask
from kernelsearch.propose.budget import Part
from kernelsearch.propose.prompt import Prompt
from kernelsearch.propose.system import system
from kernelsearch.propose.wording import block, one_line

_PAGE = "summariser.md.j2"
_MOST, _WORDS, _LINE = 6, 30, 240
_DUTY = "You keep the lessons of a search that makes one kernel faster, one edit at a time."
_FORM = """
One JSON object in a fenced block, with this key and no other:

```json
{"lessons": ["one sentence", "another"]}
```
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    lessons: tuple[str, ...]

    def __post_init__(self) -> None:
        if not any(line.strip() for line in self.lessons):
            raise ValueError("no lesson is there")


def due(proposal: Proposal) -> bool:
    """Whether this attempt begins with a summary; by its ticket, so that a resumed run asks the same."""
    return proposal.ticket > 0 and proposal.ticket % EVERY == 0


def write(context: Context, task: Task, hardware: Hardware, *, limit: int | None = None) -> Prompt:
    """What the summariser is told. Raises `PromptTooLong`."""
    known = prompt.lessons(_PAGE, "kept lessons", context)
    request = [
        known if known.text else Part(name="lessons", text=block(_PAGE, "lessons", lines=())),
        prompt.lineage(_PAGE, context),
        prompt.tried(_PAGE, context),
        prompt.counters(_PAGE, context.parent, where=False),
    ]
    ending = [Part(name="turn", text=block(_PAGE, "turn", most=_MOST, words=_WORDS))]
    return prompt.compose(system(task, hardware, _FORM, duty=_DUTY), request, ending, limit)


def summarise(asking: Asking, written: Prompt) -> Teamwork:
    """The lessons, where there are some, and what they took."""
    said, work = ask(asking, written, _Said)
    if said is None:
        return work
    lines = (one_line(line, _LINE) for line in said.lessons if line.strip())
    return work + Teamwork(lessons=tuple(lines)[:_MOST])
