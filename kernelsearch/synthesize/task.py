"""From words to an admitted task: ask, read, get consent, try, and send what is wrong back, a bounded number of times.

Consent comes before the court, anew for each answer, since the court runs the reference. The court's reasons are repaired like those of
the reading: both tell the author what to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import catalog, paths
from kernelsearch.admission import Admission, Line
from kernelsearch.errors import ReplyUnusable, UsageError
from kernelsearch.llm.base import LanguageModel
from kernelsearch.model import Task, Usage
from kernelsearch.propose.wording import fence, one_line
from kernelsearch.synthesize import fitness, reading
from kernelsearch.synthesize.model import Limits, Talk
from kernelsearch.templates import render

TEMPLATES = Path(__file__).resolve().parent / "templates"
_EXAMPLE = ("core", "rms_norm")
_FAULTS = 5  # told at a time: the rest often follow from them
_WORDS = 20_000  # characters of a description


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A task as a model wrote it, in which nothing was found that can be seen without running it."""

    task: Task
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """An admitted task, and what it took of the model."""

    proposed: Proposed
    admission: Admission
    turns: int
    usage: Usage


Consent = Callable[[Proposed], None]  # raises what ends the whole, where a person says no
Court = Callable[[Task], Admission]


def synthesize(words: str, model: LanguageModel, consent: Consent, court: Court, *, limits: Limits) -> Synthesis:
    """The task that `words` describe. `consent` is asked before `court` runs any answer.

    Raises `ReplyUnusable` after the repairs, with the last reason, and what model and consent raise.
    """
    system, asked = request(words)
    talk = Talk(model, system, asked, limits=limits)

    def tried(answer: str) -> tuple[Proposed, Admission]:
        found = reading.files(answer)
        proposed = Proposed(task=fitness.task(found), files=found)
        consent(proposed)
        try:
            admission = court(proposed.task)
        except UsageError as error:  # of what only shows when it runs, such as contents that make_inputs gets wrong
            raise ReplyUnusable(str(error)) from error
        if not admission.admitted:
            raise ReplyUnusable("\n".join(sentence(line) for line in admission.faults[:_FAULTS]))
        return proposed, admission

    proposed, admission = talk.until(tried, repair, what="task")
    return Synthesis(proposed=proposed, admission=admission, turns=talk.turns, usage=talk.usage)


def request(words: str) -> tuple[str, str]:
    """The two parts of the first turn."""
    folder = paths.data("tasks").joinpath(*_EXAMPLE)
    example = {name: catalog.read(folder / name) for name in reading.FILES}
    system = render(TEMPLATES, "task.md.j2", fence=fence, example=example)
    return system, render(TEMPLATES, "words.md.j2", fence=fence, words=words[:_WORDS])


def repair(reason: str) -> str:
    """What is said to an answer that cannot be used."""
    return render(TEMPLATES, "repair.md.j2", fence=fence, reason=reason)


def sentence(line: Line) -> str:
    """A fault that the admission tests found, for who wrote the task."""
    place = f" (case {line.case}, {line.distribution} inputs)" if line.case else ""
    return f"{line.solver}, which should be: {line.expected}. {one_line(line.what, 1_000)}{place}"
