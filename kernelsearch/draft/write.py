"""The drafted task file: the format of a task's `task.toml`, with what was assumed and what is to be filled in marked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kernelsearch.model import Form

FILL_IN = "FILL IN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgLine:
    """One argument: its keys in order, and a remark."""

    values: Mapping[str, str | float | int | list[str]]
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a task file says. Formulae are texts, empty when not known."""

    name: str
    source: str
    form: Form
    entry: str | None
    args: Sequence[ArgLine]
    cases: Sequence[Mapping[str, int]]  # the first is timed
    reduction: str
    bytes: str
    flops: str
    distributions: Sequence[str]
    assumptions: Sequence[str] = field(default_factory=tuple)


def toml(content: Content) -> str:
    """The text of the task file."""
    head = [
        f"name   = {_text(content.name)}",
        f"source = {_text(content.source)}",
        f"form   = {_text(content.form.value)}",
    ]
    if content.entry is not None:
        head.append(f"entry  = {_text(content.entry)}")
    if content.assumptions:
        head += [
            "assumptions = [                  # take out what you corrected",
            *(f"  {_text(item)}," for item in content.assumptions),
            "]",
        ]
    args = "args = [" if content.entry is None else "args = [                         # in call order"
    lines = [*head, "", args, *map(_arg, content.args), "]", ""]
    for number, sizes in enumerate(content.cases):
        timed = ["timed = true                     # assumed: a size that is typical for your use tells most"] if number == 0 else []
        values = ", ".join(f"{name} = {value}" for name, value in sizes.items())
        lines += ["[[cases]]", f"sizes = {{ {values} }}", *timed]
    lines += [
        "",
        "[inputs]",
        f"distributions = {_value(list(content.distributions))}",
        "",
        "# Without a reference the baseline's own output is what candidates are compared with. Better: a NumPy function in float64.",
        "# [reference]",
        '# python = "reference.py:function"',
        "",
        "[tolerance]",
        f"reduction = {_text(content.reduction)}   # assumed: the length of the longest sum",
        "",
        "[cost]",
        f"bytes = {_text(content.bytes)}   # assumed: every buffer once"
        if content.bytes
        else '# bytes = ""   # not known until every shape is',
        f"flops = {_text(content.flops)}   # assumed: arithmetic in the source" if content.flops else '# flops = ""   # not known',
        "",
        "[policy]",
        "libraries = []",
        "fast_math = false",
    ]
    return "\n".join(lines) + "\n"


def _arg(line: ArgLine) -> str:
    body = ", ".join(f"{key} = {_value(value)}" for key, value in line.values.items())
    return f"  {{ {body} }}," + (f"  # {line.remark}" if line.remark else "")


def _value(value: str | float | int | list[str]) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML basic string
