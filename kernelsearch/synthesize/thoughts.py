"""Distinct ways to implement a task, asked for in one call so that the model can hold them apart: what tells one from the other is the
algorithm or the mapping to the hardware, not a constant."""

from __future__ import annotations

from dataclasses import dataclass

from kernelsearch.llm.base import LanguageModel
from kernelsearch.model import Form, Hardware, Proposal, Task, Thought, Usage
from kernelsearch.propose import prompt
from kernelsearch.propose.forecast import unjudged
from kernelsearch.propose.wording import fence
from kernelsearch.synthesize import reading
from kernelsearch.synthesize.model import Limits, Talk
from kernelsearch.synthesize.task import TEMPLATES
from kernelsearch.templates import render


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """Thoughts, and what they took of the model."""

    thoughts: tuple[Thought, ...]
    turns: int
    usage: Usage


def think(task: Task, hardware: Hardware, model: LanguageModel, *, count: int, limits: Limits) -> Thinking:
    """`count` distinct thoughts. Raises `ReplyUnusable` after the repairs, and what the model raises."""
    talk = Talk(model, *request(task, hardware, count), limits=limits)
    found = talk.until(lambda answer: reading.thoughts(answer, wanted=count), _repair, what="list of thoughts")
    return Thinking(thoughts=found, turns=talk.turns, usage=talk.usage)


def request(task: Task, hardware: Hardware, count: int) -> tuple[str, str]:
    """The two parts of the first turn. The system part tells task and hardware in the words of every other prompt."""
    instructions = render(TEMPLATES, "thoughts_form.md.j2", count=count)
    system = prompt.write(Proposal(ticket=0, parent=0, seed=0), unjudged(task), task, hardware, instructions=instructions).system
    language = "python" if task.form is Form.TORCH else "cuda"
    return system, render(TEMPLATES, "thoughts.md.j2", fence=fence, source=task.baseline, language=language, count=count)


def _repair(reason: str) -> str:
    return render(TEMPLATES, "repair.md.j2", fence=fence, reason=reason)
