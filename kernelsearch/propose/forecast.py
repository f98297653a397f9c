"""What a model is told and what that costs, before anything is sent: the prompt itself, its size in estimated tokens, its price.

No key is needed and no SDK. How long an answer will be nobody knows; a usual one is assumed, which the run's own sums replace as soon as
there are some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelsearch import digest
from kernelsearch.errors import UsageError
from kernelsearch.llm import estimate, priced
from kernelsearch.llm.prices import Tokens
from kernelsearch.model import Attempt, Context, Hardware, Node, Outcome, Proposal, Task, Usage
from kernelsearch.model.roles import ALONE, questions
from kernelsearch.propose import edits, prompt
from kernelsearch.propose.limits import limits, of_the_model
from kernelsearch.propose.prompt import Prompt

DEFAULT_FORMAT = "search-replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One model that may be asked: how often of all, and what one attempt costs. `date` is that of the price, empty where there is
    none to pay or none known."""

    name: str
    share: float
    known: bool
    usd: float
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Of one attempt, in estimated tokens; each of its `questions` is taken for as long as the coder's."""

    system_tokens: int
    request_tokens: int
    answer_tokens: int
    models: tuple[Asked, ...]
    questions: int = 1  # at most, with the roles that are asked

    @property
    def attempt(self) -> Usage:
        """Of an attempt by the pool's average model."""
        total = sum(model.share for model in self.models)
        read, written = self.questions * (self.system_tokens + self.request_tokens), self.questions * self.answer_tokens
        return Usage(
            input_tokens=read,
            output_tokens=written,
            usd=self.questions * sum(model.usd * model.share for model in self.models) / total,
            calls=self.questions,
            estimated_tokens=read + written,
        )

    @property
    def known(self) -> bool:
        """Whether all of it can be counted in money."""
        return all(model.known for model in self.models)


def preview(
    proposal: Proposal,
    context: Context,
    task: Task,
    hardware: Hardware,
    *,
    edit_format: str = DEFAULT_FORMAT,
    limit: int | None = None,
) -> Prompt:
    """The prompt as it would be sent. Raises `UsageError` for an edit format that does not exist, `PromptTooLong`."""
    if edit_format not in edits.INSTRUCTIONS:
        raise UsageError(f"unknown edit format {edit_format!r}; there are {', '.join(edits.INSTRUCTIONS)}")
    return prompt.write(proposal, context, task, hardware, instructions=edits.INSTRUCTIONS[edit_format], limit=limit)


def unjudged(task: Task) -> Context:
    """The task's own kernel before it was run: no verdict, no times, no counters."""
    attempt = Attempt(proposal=None, outcome=Outcome.REPEATED, candidate=digest.baseline(task), detail="It has not been run yet.")
    return Context(parent=Node(number=0, attempt=attempt))


def forecast(written: Prompt, spec: str, options: Mapping[str, str], *, roles: Sequence[str] = ALONE) -> Forecast | None:
    """What an attempt with this prompt costs with the proposer `spec`; None for the rules, which ask nobody."""
    if spec == "rules":
        return None
    system, request = estimate.tokens(written.system), estimate.tokens(written.request)
    limit = options.get("max_tokens", "")
    answer = min(estimate.ANSWER_TOKENS, int(limit)) if limit.isdigit() and int(limit) else estimate.ANSWER_TOKENS
    tokens = Tokens(input=system + request, output=answer)
    models = tuple(
        Asked(name=name, share=share, known=found.known, usd=found.usd(tokens), date=found.price.date if found.price else "")
        for share, name, found in priced(spec, options=of_the_model(options))
    )
    return Forecast(system_tokens=system, request_tokens=request, answer_tokens=answer, models=models, questions=questions(roles))


def at_start(task: Task, hardware: Hardware, spec: str, options: Mapping[str, str], *, roles: Sequence[str] = ALONE) -> Forecast | None:
    """What the first attempts of a run cost, from the prompt for the task's own kernel; None for the rules.

    Raises `PromptTooLong` where that does not fit whichever model is asked.
    """
    if spec == "rules":
        return None
    edit_format, limit = options.get("edit_format", DEFAULT_FORMAT), limits(spec, options).least
    written = preview(Proposal(ticket=0, parent=0, seed=0), unjudged(task), task, hardware, edit_format=edit_format, limit=limit)
    return forecast(written, spec, options, roles=roles)


def unpriced(spec: str, options: Mapping[str, str]) -> tuple[str, ...]:
    """The models whose calls cannot be counted in money."""
    if spec == "rules":
        return ()
    return tuple(name for _, name, found in priced(spec, options=of_the_model(options)) if not found.known)
