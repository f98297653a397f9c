"""What a language model is told: values in, text out. The words are in `templates/`, the choice and shape of the facts is here.

The system part depends on task, hardware and edit format only, so that a provider's prompt cache serves it through a whole run.
Whatever stems from a candidate or a tool is fenced, or cut to one line; a fence is longer than any within. Each section is a `Part` with
shorter forms, from which `budget.fit` makes a prompt of the size that is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelsearch.model import Context, Evaluation, Hardware, Node, Plan, Proposal, Task
from kernelsearch.propose import facts
from kernelsearch.propose.budget import Account, Cut, Page, Part, fit
from kernelsearch.propose.guidance import guidance
from kernelsearch.propose.hot import hot
from kernelsearch.propose.shrink import begun, counted, dropped, outline
from kernelsearch.propose.system import system
from kernelsearch.propose.wording import block, fill, language, one_line

_OTHERS = 2  # kernels to draw on, each in full
_NOTES, _NOTE, _LESSON, _HINT = 16, 400, 240, 1_000
_PLAN = 2_000
_BEGINNINGS = (2_000, 1_000, 400)  # characters of an output that is cut
_SITUATION, _IDEA, _REQUEST = "situation.md.j2", "idea.md.j2", "request.md.j2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The two parts of a first turn, and what of it takes how much."""

    system: str
    request: str
    account: Account

    def notes(self, role: str) -> tuple[str, ...]:
        """For the record of the attempt: what `role` was not told, and why."""
        account = self.account
        if account.limit is None or not account.cut:
            return ()
        return (f"prompt cut to {account.limit:,} tokens ({role}): without {'; '.join(account.cut)}",)


def write(proposal: Proposal, context: Context, task: Task, hardware: Hardware, *, instructions: str, limit: int | None = None) -> Prompt:
    """The prompt for one edit of `context.parent`, whose candidate must be there, within `limit` estimated tokens.

    Raises `PromptTooLong`.
    """
    turn = [*_plan(context.plan), *idea(_REQUEST, "summary", proposal, context, task, hardware)]
    return compose(system(task, hardware, instructions), situation(proposal, context, task), turn, limit)


def compose(system: Sequence[Part], request: Sequence[Part], ending: Sequence[Part], limit: int | None) -> Prompt:
    """The prompt of these parts; what was cut is said between `request` and `ending`. Raises `PromptTooLong`."""
    page = Page(system=system, request=request, ending=ending)
    fitted = fit(page, limit, lambda said: block(_SITUATION, "cut", said=said))
    return Prompt(system=fitted.system, request=fitted.request, account=fitted.account)


def repair(reason: str, *, instructions: str) -> str:
    """What is said to a reply that did not apply."""
    return fill("repair.md.j2", reason=reason, instructions=instructions)


def situation(proposal: Proposal, context: Context, task: Task) -> list[Part]:
    """What is said of the kernel to edit, whoever is asked about it."""
    parent = context.parent
    if parent.candidate is None:
        raise ValueError(f"node {parent.number} has no source to edit")
    note = [one_line(line, _NOTE) for line in proposal.note.splitlines() if line.strip()][:_NOTES]
    hints = [one_line(text, _HINT) for text in context.hints]
    return [
        Part(name="present kernel", text=block(_SITUATION, "present", parent=facts.present(context))),
        output(parent.evaluation),
        Part(name="source", text=block(_SITUATION, "source", source=parent.candidate.source, language=language(task))),
        counters(_SITUATION, parent),
        _score(parent),
        lineage(_SITUATION, context),
        tried(_SITUATION, context),
        lessons(_SITUATION, "lessons", context),
        *(_other(node, context, task) for node in context.others[:_OTHERS]),
        counted("note", "note", len(note), lambda left: _listed("note", note[:left]), what="notes on this attempt"),
        counted("hints", "hints", len(hints), lambda left: _listed("hints", hints[-left:]), what="hints of the owner"),
    ]


def output(judged: Evaluation | None) -> Part:
    """What a compiler or verifier said, where that is why it failed."""
    if judged is None or judged.passed or not facts.detail(judged):
        return Part(name="output", text="")

    def shown(most: int) -> str:
        return block(_SITUATION, "output", detail=facts.detail(judged, most))

    what = "what compiler or verifier said"
    cuts = (*begun("output", shown, _BEGINNINGS, what=what), Cut(stage="beginning", text="", said=what))
    return Part(name="output", text=shown(facts.DETAIL), cuts=cuts)


def counters(template: str, node: Node, *, where: bool = True) -> Part:
    """The limit, the counters and, with `where`, the hot lines. Of these three the counters go first, the limit last."""
    told, places = facts.evidence(node.evaluation), hot(node) if where else []
    lines = [*told, *places]
    limit = 1 if facts.limited(node.evaluation) else 0
    ranked = [*range(limit), *range(len(told), len(lines)), *range(limit, len(told))]

    def shown(left: int) -> str:
        return block(template, "counters", lines=[lines[place] for place in sorted(ranked[:left])])

    return counted("counters", "counters", len(lines), shown, what="counters")


def lineage(template: str, context: Context) -> Part:
    """How the parent came about."""
    lines = facts.lineage(context)
    return counted("lineage", "lineage", len(lines), lambda left: block(template, "lineage", lines=lines[:left]), what="earlier steps")


def tried(template: str, context: Context) -> Part:
    """What was tried from the parent already."""

    def shown(left: int) -> str:
        return block(template, "tried", lines=facts.tried(context, left))

    total = min(len(facts.edited(context)), facts.SIBLINGS)
    return counted("tried", "tried", total, shown, what="edits tried from here")


def lessons(template: str, stage: str, context: Context) -> Part:
    """What the run has taught, the most telling first."""
    lines = [one_line(line, _LESSON) for line in context.lessons]
    return counted("lessons", stage, len(lines), lambda left: block(template, "lessons", lines=lines[:left]), what="lessons of this run")


def changed(template: str, difference: str, *, least: int) -> Part:
    """What an edit changed, as a diff, of which at least `least` characters stay."""
    if not difference:
        return Part(name="difference", text="")

    def shown(most: int) -> str:
        cut = difference if len(difference) <= most else f"{difference[:most]}\n… (cut)"
        return block(template, "difference", difference=cut)

    what = "what the edit changed"
    lengths = [length for length in (6_000, 3_000, 1_500) if length >= least]
    cuts = begun("difference", shown, lengths, what=what)
    last = () if least else (Cut(stage="difference", text="", said=what),)
    return Part(name="difference", text=shown(len(difference)), cuts=(*cuts, *last))


def idea(template: str, said_in: str, proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> list[Part]:
    """The turn of who is asked: the one directive, of which the name always stays, with what the playbook says of it."""
    found = guidance(proposal, context, task, hardware)
    given: Mapping[str, object] = {
        "directive": found.directive.name if found else one_line(proposal.directive or ""),
        "title": found.directive.title if found else "",
        "passed": facts.present(context)["passed"],
    }
    turn = Part(name="turn", text=block(template, "turn", **given))
    if found is None:
        return [turn]
    does = block(_IDEA, "does", directive=found.directive)
    reasons = block(_IDEA, "reasons", directive=found.directive, reason=found.reason)
    others = block(_IDEA, "alternatives", alternatives=found.alternatives, said_in=said_in) if found.alternatives else ""
    return [
        turn,
        dropped("advice", "advice", does, said="what the idea does"),
        dropped("example", "example", block(_IDEA, "example", directive=found.directive), said="the example of the idea"),
        dropped("reasons", "advice", reasons, said="why it was chosen and what to mind"),
        dropped("alternatives", "alternatives", others, said="other ideas"),
    ]


def _listed(name: str, lines: Sequence[str]) -> str:
    return block(_SITUATION, name, lines=lines)


def _score(node: Node) -> Part:
    lines = facts.score(node.reward)
    if not lines:
        return Part(name="score", text="")
    value = _listed("score", [lines[0].removesuffix(", the sum of:")])
    cuts = (Cut(stage="score", text=value, said="the terms of the score"), Cut(stage="score", text="", said="the score"))
    return Part(name="score", text=_listed("score", lines), cuts=cuts)


def _other(node: Node, context: Context, task: Task) -> Part:
    """A kernel to draw on; without source where its attempt had none."""
    source = node.candidate.source if node.candidate else ""

    def shown(text: str) -> str:
        return block(_SITUATION, "other", line=facts.other(node, context.baseline), source=text, language=language(task))

    head = outline(source, language(task))
    said = f"the source of attempt {node.number}"
    outlined = (Cut(stage="outlines", text=shown(head), said=f"{said} but for an outline"),) if head else ()
    rest = (Cut(stage="other kernels", text=shown(""), said=said), Cut(stage="other kernels", text="", said=f"attempt {node.number}"))
    return Part(name=f"attempt {node.number}", text=shown(source), cuts=(*outlined, *rest))


def _plan(plan: Plan | None) -> list[Part]:
    if plan is None:
        return []
    told = {"bottleneck": one_line(plan.bottleneck, _NOTE), "method": one_line(plan.method, _NOTE)}
    short = Cut(stage="plan", text=block(_REQUEST, "plan", plan=told, steps=""), said="the steps of the plan")
    whole = block(_REQUEST, "plan", plan=told, steps=one_line(plan.plan, _PLAN))
    return [Part(name="plan", text=whole, cuts=(short, Cut(stage="plan", text="", said="the plan")))]
