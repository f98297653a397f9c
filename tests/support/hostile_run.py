"""A run and words in which everything that a kernel or a model may write tries to leave its place."""

from dataclasses import replace

import long_run

import runs
from kernelsearch.llm.recording import Exchange
from kernelsearch.model import Usage
from kernelsearch.model.team import Plan, Teamwork
from kernelsearch.report import html
from kernelsearch.report.view import Record, build

HOSTILE = (
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "</noscript><iframe srcdoc='x'></iframe>",
    "{{ 7 * 7 }}{% for x in y %}{# no #}",
    "<!--<script>",
    "]]>\"'`&lt;",
    "a\u202ecba\u2066x\u2069\u200b",
    "nul \x00 bell \x07 escape \x1b[2J",
    "javascript:alert(1)",
)


def record(**changes) -> Record:
    return replace(long_run.record(1), nodes=runs.nodes(), **changes)


def hostile() -> Record:
    """A run in which everything that a kernel or model may write is hostile."""
    text = "\n".join(HOSTILE)
    nodes = []
    for node in runs.nodes():
        attempt = node.attempt
        if attempt.candidate is not None and node.number:
            origin = replace(attempt.candidate.origin, directive=text, summary=text, model=text)
            attempt = replace(attempt, candidate=replace(attempt.candidate, source=f"{attempt.candidate.source}\n{text}", origin=origin))
        attempt = replace(
            attempt, prompt=text, reply=text, detail=text, team=Teamwork(notes=(text,), plan=Plan(bottleneck=text, method=text, plan=text))
        )
        if attempt.evaluation is not None:
            profile = attempt.evaluation.profile
            told = None if profile is None else replace(profile, facts={text: text}, notes=(text,), kernel=text)
            attempt = replace(attempt, evaluation=replace(attempt.evaluation, detail=text, profile=told))
        nodes.append(replace(node, attempt=attempt))
    answers = (Exchange(reply=text, model=text, detail=text, usage=Usage(calls=1)),)
    return replace(record(folder=text, damaged=text, answers=answers), nodes=tuple(nodes))


def page() -> str:
    return html.page(build(hostile()))
